"""Weights for a ResNet: a local file, ImageNet's by name, or another fprnet model's trunk."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from fprnet.errors import CheckpointError
from fprnet.models.foreign_keys import find_backbone, unwrap
from fprnet.tensor_files import load_tensors, reason_of

if TYPE_CHECKING:
    from fprnet.models.resnet import ResNet

__all__ = [
    "IMAGENET",
    "backbone_state",
    "check_finite",
    "load_backbone_weights",
    "read_state_dict",
]

IMAGENET = {18: "timm/resnet18.tv_in1k", 50: "timm/resnet50.tv_in1k"}
"""Repositories of torchvision's ImageNet weights on the Hugging Face hub, by depth."""

NEXT_STEP = "give a local file with --model.weights FILE or start without: --model.weights none"
RGB = 3  # channels of the images that published weights are for
NAMED = 5  # entries that a message names


def load_backbone_weights(backbone: ResNet, source: str | Path) -> None:
    """Fill a ResNet from a file, or from the hub where ``source`` is "imagenet".

    Args:
        backbone: Network to fill; its BatchNorm statistics are filled too.
        source: "imagenet", a run folder, or a .pth, .pt or .safetensors file that holds a ResNet
            with torchvision's keys, whatever stands before them, around it and beside it; what was
            mapped and left out is said on stderr.

    Raises:
        CheckpointError: The file cannot be had or read, a key or a shape does not fit.
    """
    path = _imagenet_file(backbone) if str(source) == "imagenet" else Path(source)
    if path.is_dir():  # a run folder
        path = path / "checkpoints" / "best.pt"
    weights = read_state_dict(path)
    try:
        state = backbone_state(weights, backbone)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    if note := find_backbone(weights).note():
        print(f"{path}: {note}", file=sys.stderr)
    backbone.load_state_dict(state)


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a weights file by key; the state of a training is opened.

    Raises:
        CheckpointError: The file is missing, damaged, or holds something else than tensors.
    """
    if not path.is_file():
        raise CheckpointError(f"weights file {path} does not exist; {NEXT_STEP}")
    try:
        state = _read_any(path)
    except Exception as error:  # a damaged file makes the readers raise nearly anything
        raise CheckpointError(
            f"{path} cannot be read as weights ({reason_of(error, path)}); {NEXT_STEP}"
        ) from error
    state = unwrap(state)
    if not isinstance(state, Mapping):
        raise CheckpointError(f"{path} holds no weights by name; {NEXT_STEP}")
    tensors = {str(key): value for key, value in state.items() if isinstance(value, Tensor)}
    if not tensors:
        names = ", ".join(str(key) for key in list(state)[:NAMED]) or "nothing"
        raise CheckpointError(f"{path} holds no tensors but {names}; {NEXT_STEP}")
    check_finite(tensors, path)
    return tensors


def check_finite(state: Mapping[str, Tensor], path: Path) -> None:
    """Refuse weights that are not all numbers.

    Raises:
        CheckpointError: An entry holds NaN or infinity.
    """
    for key, value in state.items():
        if value.is_floating_point() and not value.isfinite().all():
            count = int((~value.isfinite()).sum())
            raise CheckpointError(
                f"entry '{key}' of {path} holds NaN or infinity in {count} of {value.numel()} "
                f"numbers: its training had failed; give other weights"
            )


def backbone_state(state: Mapping[str, Tensor], backbone: ResNet) -> dict[str, Tensor]:
    """Return the complete state dict of ``backbone`` taken from ``state``.

    Args:
        state: Entries of any network that holds a ResNet with torchvision's keys;
            "num_batches_tracked" may be missing, as in old files.
        backbone: Network that the state is for. Where its images have other than three channels,
            each of them is gray and starts with the sum over R, G, B of the first convolution,
            which answers a gray image as the sum does.

    Raises:
        CheckpointError: A key is missing or unknown, or a shape differs.
    """
    state = _with_input_channels(find_backbone(state).state, backbone.input_channels)
    result: dict[str, Tensor] = {}
    for key, own in backbone.state_dict().items():
        if key not in state:
            if key.endswith("num_batches_tracked"):
                result[key] = own
                continue
            raise CheckpointError(
                f"key '{key}' of a ResNet-{backbone.depth} is missing; {NEXT_STEP}"
            )
        if state[key].shape != own.shape:
            raise CheckpointError(
                f"key '{key}' is {tuple(state[key].shape)} but a ResNet-{backbone.depth} of width "
                f"{backbone.width} needs {tuple(own.shape)}; {NEXT_STEP}"
            )
        result[key] = state[key]
    extra = [key for key in state if key not in result]
    if extra:
        raise CheckpointError(
            f"key '{extra[0]}' does not belong to a ResNet-{backbone.depth}; {NEXT_STEP}"
        )
    return result


def _with_input_channels(state: Mapping[str, Tensor], channels: int) -> Mapping[str, Tensor]:
    first = state.get("conv1.weight")
    if channels == RGB or first is None or first.ndim != 4 or first.shape[1] != RGB:
        return state
    summed = first.sum(dim=1, keepdim=True).repeat(1, channels, 1, 1)
    return {**state, "conv1.weight": summed}


def _read_any(path: Path) -> object:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    return load_tensors(path)


def _imagenet_file(backbone: ResNet) -> Path:
    if backbone.width != 64:
        raise CheckpointError(
            f"ImageNet weights exist for a ResNet of width 64, not {backbone.width}; {NEXT_STEP}"
        )
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    repository = IMAGENET[backbone.depth]
    try:
        return Path(hf_hub_download(repository, "model.safetensors"))
    except (OSError, EntryNotFoundError) as error:
        raise CheckpointError(
            f"ImageNet weights {repository} cannot be downloaded from the Hugging Face hub "
            f"({type(error).__name__}); {NEXT_STEP}"
        ) from error
