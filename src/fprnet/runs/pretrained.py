"""A trained model becomes a folder in the layout of the Hugging Face hub, and comes back.

The folder holds ``config.json`` (the run's config and what the weights are), ``model.safetensors``
(weights without the classifiers of the training people, matrices in half precision), perhaps
``model.calibration.json`` and ``model.projection.safetensors``, and ``README.md``, the model card.
Nothing in it is unpickled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fprnet import pretrained as shipped
from fprnet.config import config_as_dict, config_to_embed
from fprnet.config.schema import RunConfig
from fprnet.errors import CheckpointError
from fprnet.files import remove_leftovers_of, replacing, sha256
from fprnet.methods.network import classifier_keys, untrained
from fprnet.runs.checkpoint_file import config_of
from fprnet.runs.trained_model import load_weights

__all__ = [
    "CARD",
    "CONFIG",
    "HUB",
    "WEIGHTS",
    "PretrainedModel",
    "download",
    "find_pretrained",
    "holds_pretrained",
    "read_pretrained",
    "remembered_as",
    "weights_file",
    "write_pretrained",
]

FORMAT = 1
CONFIG = "config.json"
WEIGHTS = "model.safetensors"
# What 'fprnet calibrate' writes beside the weights; both belong to these weights alone.
CALIBRATION = "model.calibration.json"
PROJECTION = "model.projection.safetensors"
CARD = "README.md"
HUB = "hf:"
"""What the name of a model on the hub begins with: ``hf:owner/name`` or ``hf:owner/name@tag``."""


@dataclass(frozen=True)
class PretrainedModel:
    """A model from a folder, and what its config says about it.

    Attributes:
        name: Last part of the folder's or the repository's name.
        model: A `fprnet.methods.network.Network`, in evaluation mode, on the CPU.
        config: Config of the run that made it.
        step: Optimiser steps behind it.
        selection: How it was chosen: "validation", "last" or "test".
        trained_identities: Number of people that it was trained on.
        sha256: Digest of the weights' file.
    """

    name: str
    model: Any
    config: RunConfig
    step: int
    selection: str
    trained_identities: int
    sha256: str


def holds_pretrained(folder: Path) -> bool:
    """Whether a folder is one that `write_pretrained` wrote, or a copy of one."""
    return (folder / CONFIG).is_file() and (folder / WEIGHTS).is_file()


def find_pretrained(source: str | Path) -> Path | None:
    """Return the folder of a pretrained model by name or path; None where it is something else.

    Args:
        source: Name of a shipped model, ``hf:owner/name``, or a folder.

    Raises:
        CheckpointError: The hub does not give the model.
    """
    name = str(source)
    if name in shipped.shipped_models():
        return shipped.SHIPPED / name
    if name.startswith(HUB):
        repository, _, revision = name.removeprefix(HUB).partition("@")
        return download(repository, revision=revision or None)
    return Path(source) if holds_pretrained(Path(source)) else None


def weights_file(source: str | Path) -> Path:
    """Return the file whose digest names a model: a run folder's is its best checkpoint."""
    folder = find_pretrained(source)
    if folder is not None:
        return folder / WEIGHTS
    path = Path(source)
    return path / "checkpoints" / "best.pt" if path.is_dir() else path


def remembered_as(source: str | Path) -> str:
    """Return the words by which a gallery remembers its model: a name, or an absolute path.

    Args:
        source: What the user gave: a shipped model's name, ``hf:owner/name``, or a path.
    """
    name = str(source)
    if name in shipped.shipped_models() or name.startswith(HUB):
        return name
    return str(Path(source).resolve())


def download(
    repository: str,
    *,
    revision: str | None = None,
    cache_dir: Path | None = None,
    local_files_only: bool = False,
) -> Path:
    """Return the local folder of a repository of the Hugging Face hub, downloading what is missing.

    Args:
        repository: ``owner/name``.
        revision: Branch, tag or commit; None takes the main branch.
        cache_dir: Folder of downloads; None takes the hub client's.
        local_files_only: Whether to take what is in the cache without asking the hub, as the
            environment variable ``HF_HUB_OFFLINE`` says for all.

    Raises:
        CheckpointError: The repository is not to be had, or holds no model of fprnet.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        folder = Path(
            snapshot_download(
                repository,
                revision=revision,
                cache_dir=cache_dir,
                local_files_only=local_files_only,
                allow_patterns=[CONFIG, WEIGHTS, CALIBRATION, PROJECTION, CARD],
            )
        )
    except (OSError, HfHubHTTPError, HFValidationError, LocalEntryNotFoundError) as error:
        raise CheckpointError(
            f"model {repository!r} cannot be had from the Hugging Face hub "
            f"({type(error).__name__}); check name and network, or give a local folder"
        ) from error
    if not holds_pretrained(folder):
        raise CheckpointError(
            f"repository {repository!r} holds no {CONFIG} with {WEIGHTS}, so it is no model of "
            "fprnet; give another"
        )
    return folder


def _anywhere(config: RunConfig) -> RunConfig:
    """Return a config that names what a run was made from, not where that lay."""
    network, start = config.model, config.training.start_from
    if "weights" in network.options:
        network = network.with_options(weights=Path(network.options["weights"]).name)
    if start is not None and not start.startswith(HUB):
        start = Path(start).name
    return replace(
        config,
        data=replace(config.data, root="", cache=None),
        model=network,
        training=replace(config.training, start_from=start),
    )


def write_pretrained(
    folder: Path,
    model: nn.Module,
    config: RunConfig,
    *,
    step: int,
    selection: str,
    trained_identities: int,
    card: str,
    half: bool = True,
) -> None:
    """Write a trained model; an older one stays until the new one is on the disk.

    A calibration and a projection that lie in the folder belong to other weights from then on, so
    they are removed. A process that is killed leaves the older model, the new one, or a folder
    that holds none.

    Args:
        folder: Folder to write, made if it is not there.
        model: A `fprnet.methods.network.Network`.
        config: Config of the run that made it.
        step: Optimiser steps behind it.
        selection: How it was chosen: "validation", "last" or "test".
        trained_identities: Number of people that it was trained on.
        card: Text of the model card, Markdown.
        half: Store matrices and kernels as float16; vectors (biases, statistics) stay float32.

    Raises:
        CheckpointError: A weight is too large for float16, or the folder cannot be written.
    """
    from safetensors.torch import save

    from fprnet import __version__

    classifiers = classifier_keys(config.model)
    weights: dict[str, Tensor] = {}
    for key, value in model.state_dict().items():
        if key not in classifiers:
            weights[key] = _stored(key, value, half=half)
    anywhere = config_as_dict(_anywhere(config))
    # The network is in the file, too: its digest names what embeds, and not the weights alone.
    about = {"format": "pt", "network": json.dumps(anywhere["model"])}
    content = {
        "format": FORMAT,
        "library_name": "fprnet",
        "fprnet_version": __version__,
        "embedding_size": model.embedding_size,
        "trained_identities": trained_identities,
        "step": step,
        "selection": selection,
        "config": anywhere,
    }
    order = (CONFIG, CARD, WEIGHTS)  # the last one that is opened takes its name first
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in order:
            remove_leftovers_of(folder / name)
        with ExitStack() as complete:
            new = {name: complete.enter_context(replacing(folder / name)) for name in order}
            new[WEIGHTS].write_bytes(_with_metadata(save(weights), about))
            new[CARD].write_text(card, encoding="utf-8")
            new[CONFIG].write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
            for name in (CONFIG, CALIBRATION, PROJECTION):
                (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise CheckpointError(
            f"model {folder} cannot be written ({error.strerror}); free some space or give another "
            "folder"
        ) from error


def _with_metadata(content: bytes, about: Mapping[str, str]) -> bytes:
    """Return a safetensors file with its metadata in their order; its own writer takes any order.

    The file is the header's length in eight bytes, the header as JSON, and the numbers, whose
    places the header counts from its end.
    """
    size = int.from_bytes(content[:8], "little")
    header = {"__metadata__": about, **json.loads(content[8 : 8 + size])}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content[8 + size :]


def read_pretrained(folder: Path) -> PretrainedModel:
    """Build the model of a folder and load its weights, strictly.

    Its classifiers, which no embedding needs, are those of one person, with random weights.

    Raises:
        CheckpointError: A file is missing or damaged, of another format, or the weights do not fit
            the config.
    """
    content = _read_config(folder / CONFIG)
    config = config_of(content, folder / CONFIG, config_to_embed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model: nn.Module = untrained(config.model).build(1)
    weights = _read_weights(folder / WEIGHTS)
    classifiers = classifier_keys(config.model)
    random = {key: value for key, value in model.state_dict().items() if key in classifiers}
    load_weights(model, {**random, **weights}, folder / WEIGHTS)
    return PretrainedModel(
        name=_name_of(folder),
        model=model.eval(),
        config=config,
        step=content["step"],
        selection=content["selection"],
        trained_identities=content["trained_identities"],
        sha256=sha256(folder / WEIGHTS),
    )


def _stored(key: str, value: Tensor, *, half: bool) -> Tensor:
    value = value.detach().cpu().contiguous()
    if not half or value.ndim < 2 or not value.is_floating_point():
        return value
    stored = value.half()
    if not bool(stored.isfinite().all()):
        raise CheckpointError(
            f"weight '{key}' reaches {float(value.abs().max()):.3g}, too much for float16; "
            "save it with half=False"
        )
    return stored


def _read_config(path: Path) -> Mapping[str, Any]:
    needed = ("config", "step", "selection", "trained_identities")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} does not exist; give the folder of a model") from error
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} cannot be read as JSON ({error}); copy the folder again"
        ) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        found = content.get("format") if isinstance(content, dict) else None
        raise CheckpointError(
            f"{path} has format {found} but this fprnet reads {FORMAT}; give a folder that "
            "'save_pretrained' wrote"
        )
    if absent := [name for name in needed if name not in content]:
        raise CheckpointError(f"{path} has no {' and no '.join(absent)}; copy the folder again")
    return content


def _read_weights(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file, floating point ones as float32."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        stored = load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"{path} cannot be read as weights ({error}); copy the folder again"
        ) from error
    return {
        key: value.float() if value.is_floating_point() else value for key, value in stored.items()
    }


def _name_of(folder: Path) -> str:
    """Return a folder's name, or the repository's in the hub's cache (models--owner--name/...)."""
    for part in folder.resolve().parts:
        if part.startswith("models--"):
            return part.rpartition("--")[2]
    return folder.resolve().name
