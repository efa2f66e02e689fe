"""The name of a model, its file or folder becomes an embedder that is ready to use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from fprnet.config import load_config, preset_names
from fprnet.config.schema import Scale
from fprnet.embeddings.backend import Choice, Runtime
from fprnet.embeddings.embedder import Embedder
from fprnet.embeddings.exported_graphs import EXPORTED_PROJECTION, holds_graphs, open_graphs
from fprnet.embeddings.projection import (
    Projection,
    projection_path,
    read_projection,
)
from fprnet.errors import CheckpointError, UsageError
from fprnet.pretrained import DEFAULT_MODEL, shipped_models
from fprnet.runs.pretrained import (
    HUB,
    WEIGHTS,
    download,
    find_pretrained,
    read_pretrained,
)
from fprnet.runs.trained_model import load_trained

__all__ = ["from_pretrained", "load_model"]


def load_model(
    source: str | Path | None = None,
    *,
    scale: Scale = "full",
    device: str | torch.device | None = None,
    runtime: Runtime = "auto",
    precision: Choice = "reference",
) -> Embedder:
    """Load a trained model, or a preset as it is before training.

    Args:
        source: A checkpoint, a run folder (its ``best.pt`` is taken), a folder that
            `Embedder.save_pretrained` wrote, a model of the Hugging Face hub as ``hf:owner/name``
            or ``hf:owner/name@revision``, the folder of an export (or a graph in it), a shipped
            model's name, or a preset's, whose random weights come from seed 0. None takes the
            shipped model ``fprnet-people``.
        scale: Scale of the preset, where the source is one.
        device: None takes a CUDA device if there is one and runtime is not "openvino", else the
            CPU.
        runtime: "openvino" (on the CPU), "pytorch" or "auto": the faster one.
        precision: "float32", "bfloat16", "auto": the one that is measured to be faster on this
            machine, or "reference": float32, or what an exported graph stores.

    Raises:
        CheckpointError: There is no such file, or it cannot be used.
        UsageError: There is a file or folder with the name of a preset, or runtime and precision
            are not to be had here.

    Examples:
        Embeddings of two images::

            model = fprnet.load_model("runs/agw")
            features = model.embed(["night/0001.jpg", "night/0002.jpg"], "infrared")
    """
    device = _device(device, runtime)
    options: dict[str, Any] = {"runtime": runtime, "precision": precision}
    source = DEFAULT_MODEL if source is None else source
    path = Path(source)
    for kind, names in (("preset", preset_names()), ("shipped model", shipped_models())):
        if str(source) in names and path.exists():
            raise UsageError(
                f"{source} is a {kind} and also a file or folder here; write ./{source} for the "
                f"latter, or go elsewhere for the {kind}"
            )
    if str(source) in preset_names():
        config = load_config(str(source), scale=scale)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            model = config.model.build(1)
        about: dict[str, Any] = {
            "preset": str(source),
            "trained": False,
            "scale": scale,
            "checkpoint_sha256": None,
        }
        return Embedder(model.to(device), config, about, **options)
    if holds_graphs(path):
        graphs = open_graphs(path, runtime=runtime, precision=precision)
        place = path if path.is_dir() else path.parent
        projection = _projection(place / EXPORTED_PROJECTION, graphs.about["checkpoint_sha256"])
        return Embedder(
            None, graphs.config, graphs.about, backend=graphs.backend, projection=projection
        )
    folder = find_pretrained(source)
    if folder is not None:
        return _pretrained(folder, device, options)
    if path.is_dir():
        path = path / "checkpoints" / "best.pt"
    elif not path.exists() and not path.suffix:
        raise CheckpointError(
            f"{source} is no checkpoint, run folder, shipped model ({', '.join(shipped_models())}) "
            f"or preset ({', '.join(preset_names())}); a model of the hub is {HUB}owner/name"
        )
    trained = load_trained(path)
    about = {
        "preset": trained.config.preset,
        "trained": True,
        "scale": trained.config.scale,
        "seed": trained.config.seed,
        "checkpoint_sha256": trained.sha256,
        "step": trained.step,
        "selection": trained.selection,
        "trained_identities": len(trained.identities),
        "layout": trained.config.data.layout,
        "split": trained.config.data.split,
    }
    projection = _projection(projection_path(path), trained.sha256)
    model = trained.model.to(device)
    return Embedder(
        model,
        trained.config,
        about,
        trained_on=trained.identities,
        projection=projection,
        **options,
    )


def from_pretrained(
    name: str | Path,
    *,
    revision: str | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
    device: str | torch.device | None = None,
    runtime: Runtime = "auto",
    precision: Choice = "auto",
) -> Embedder:
    """Load a model that `Embedder.save_pretrained` wrote, from a folder or from the hub.

    Args:
        name: A folder, a shipped model's name, or ``owner/name`` on the Hugging Face hub.
        revision: Branch, tag or commit on the hub; None takes the main branch.
        cache_dir: Folder of downloads; None takes the hub client's.
        local_files_only: Whether to take what was downloaded before without asking the hub; the
            environment variable ``HF_HUB_OFFLINE`` says so for all programs.
        device: As for `load_model`.
        runtime: As for `load_model`.
        precision: As for `load_model`.

    Raises:
        CheckpointError: The model is not to be had, or its files are not what they should be.
        UsageError: Runtime or precision are not to be had here.

    Examples:
        A model that somebody has published::

            model = fprnet.from_pretrained("owner/name", local_files_only=True)
    """
    folder = find_pretrained(name)
    if folder is None:
        folder = download(
            str(name),
            revision=revision,
            cache_dir=None if cache_dir is None else Path(cache_dir),
            local_files_only=local_files_only,
        )
    return _pretrained(
        folder,
        _device(device, runtime),
        {"runtime": runtime, "precision": precision},
    )


def _device(device: str | torch.device | None, runtime: Runtime) -> str | torch.device:
    if device is not None:
        return device
    return "cuda" if torch.cuda.is_available() and runtime != "openvino" else "cpu"


def _pretrained(folder: Path, device: str | torch.device, options: dict[str, Any]) -> Embedder:
    found = read_pretrained(folder)
    about = {
        "preset": found.config.preset,
        "trained": True,
        "name": found.name,
        "scale": found.config.scale,
        "checkpoint_sha256": found.sha256,
        "step": found.step,
        "selection": found.selection,
        "trained_identities": found.trained_identities,
        "layout": found.config.data.layout,
        "split": found.config.data.split,
    }
    projection = _projection(projection_path(folder / WEIGHTS), found.sha256)
    model = found.model.to(device)
    return Embedder(model, found.config, about, projection=projection, **options)


def _projection(file: Path, checkpoint_sha256: str | None) -> Projection | None:
    """Return the projection in a file; None without one, or where it is another model's.

    A checkpoint that a continued run has written anew leaves its old projection behind.
    """
    if not file.is_file():
        return None
    projection = read_projection(file)
    return projection if projection.checkpoint_sha256 == checkpoint_sha256 else None
