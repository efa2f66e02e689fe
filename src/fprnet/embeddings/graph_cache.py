"""Compiled graphs kept between calls, so that a command does not convert its model every time."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import sys
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from torch import Tensor, nn

import fprnet.models
from fprnet.files import remove_leftovers, replacing

__all__ = ["cache_folder", "fingerprint", "read_graph", "write_graph"]

FORMAT = 2  # a change of the graph around the model needs another number
MAX_BYTES = 2 * 1024**3  # of all graphs; the least recently used ones are removed


def cache_folder() -> Path:
    """Return the folder of compiled graphs.

    ``FPRNET_CACHE`` names another one than ``fprnet`` in the user's folder of caches.
    """
    own = os.environ.get("FPRNET_CACHE")
    users = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return (Path(own) if own else users / "fprnet") / "graphs"


def fingerprint(model: nn.Module, settings: dict[str, Any]) -> str:
    """Return a hash of all that decides what a graph computes.

    That is weights, options of the modules that leave no trace in the weights (an activation, which
    side of a neck is taken), their code, versions and settings.

    Args:
        model: Its weights are read, 0.1 s for a ResNet-50.
        settings: Anything else, as JSON holds it.
    """
    versions = [version(name) for name in ("fprnet", "openvino", "torch")]
    parts = [FORMAT, settings, versions, _code(model), _options(model)]
    digest = hashlib.sha256(json.dumps(parts).encode())
    for name, tensor in model.state_dict().items():
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().data)
    return digest.hexdigest()


def _code(model: nn.Module) -> list[tuple[str, int, int]]:
    """Return name, size and time of each source file of fprnet.models and of the modules' classes.

    A network's classes may be anybody's.
    """
    files = {file for folder in fprnet.models.__path__ for file in Path(folder).glob("*.py")}
    for kind in {type(module) for module in model.modules()}:
        with suppress(TypeError, OSError):  # typed at a prompt: its weights and options must do
            files.add(Path(inspect.getfile(kind)))
    return [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in sorted(files)]


def _options(model: nn.Module) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Return name, class and plain attributes of each module."""
    return [
        (
            name,
            type(module).__qualname__,
            [
                (attribute, text)
                for attribute, value in sorted(vars(module).items())
                if attribute[0] != "_"
                and attribute != "training"
                and not isinstance(value, (nn.Module, Tensor))
                and " at 0x" not in (text := repr(value))
            ],
        )
        for name, module in model.named_modules()
    ]


def read_graph(key: str) -> bytes | None:
    """Return a kept graph; None if there is none."""
    file = _file(key)
    try:
        content = file.read_bytes()
        os.utime(file)
    except OSError:
        return None
    return content


def write_graph(key: str, content: bytes) -> None:
    """Keep a graph, and remove the least recently used ones where all take too much.

    Where the folder cannot be written, stderr says so and nothing is kept.
    """
    file = _file(key)
    try:
        with replacing(file) as temporary:
            temporary.write_bytes(content)
        remove_leftovers(file.parent)
        _remove_oldest(file)
    except OSError as error:
        print(
            f"the compiled model is not kept: {file.parent} cannot be written ({error.strerror}); "
            "FPRNET_CACHE names another folder",
            file=sys.stderr,
        )


def _remove_oldest(newest: Path) -> None:
    """Remove other graphs, the least recently used first, until the rest fits."""
    taken = newest.stat().st_size
    others = [(file.stat().st_mtime_ns, file) for file in newest.parent.glob("*.graph")]
    for _, file in sorted(others, reverse=True):
        if file == newest:
            continue
        taken += file.stat().st_size
        if taken > MAX_BYTES:
            file.unlink(missing_ok=True)


def _file(key: str) -> Path:
    return cache_folder() / f"{key}.graph"
