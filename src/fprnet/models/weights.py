"""Weights for a ResNet: a local file, ImageNet's by name, or another fprnet model's trunk."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from fprnet.errors import CheckpointError
from fprnet.models.resnet import ResNet

__all__ = ["IMAGENET", "backbone_state", "load_backbone_weights", "read_state_dict"]

IMAGENET = {18: "timm/resnet18.tv_in1k", 50: "timm/resnet50.tv_in1k"}
"""Repositories of torchvision's ImageNet weights on the Hugging Face hub, by depth."""

NEXT_STEP = "give a local file with --model.weights FILE or start without: --model.weights none"
RGB = 3  # channels of the images that published weights are for
TRUNKS = ("streams.visible.", "streams.shared.")


def load_backbone_weights(backbone: ResNet, source: str | Path) -> None:
    """Fill a ResNet from a file, or from the hub where ``source`` is "imagenet".

    Args:
        backbone: Network to fill; its BatchNorm statistics are filled too.
        source: "imagenet", or a .pth, .pt or .safetensors file with torchvision's keys (an
            ImageNet classifier may be in it) or with an fprnet model's.

    Raises:
        CheckpointError: The file cannot be had or read, a key or a shape does not fit.
    """
    path = _imagenet_file(backbone) if str(source) == "imagenet" else Path(source)
    weights = read_state_dict(path)
    try:
        state = backbone_state(weights, backbone)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    backbone.load_state_dict(state)


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a weights file by key; a "state_dict" or "model" entry is opened.

    Raises:
        CheckpointError: The file is missing, damaged, or holds something else than tensors.
    """
    if not path.is_file():
        raise CheckpointError(f"weights file {path} does not exist; {NEXT_STEP}")
    try:
        state = _read_any(path)
    except (OSError, RuntimeError, ValueError, EOFError, KeyError, pickle.UnpicklingError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CheckpointError(
            f"{path} cannot be read as weights ({reason}); {NEXT_STEP}"
        ) from error
    for wrapper in ("state_dict", "model"):  # other people's checkpoints, and fprnet's
        if isinstance(state, Mapping) and isinstance(state.get(wrapper), Mapping):
            state = state[wrapper]
    if not isinstance(state, Mapping) or not state:
        raise CheckpointError(f"{path} holds no weights by name; {NEXT_STEP}")
    for key, value in state.items():
        if not isinstance(value, Tensor):
            raise CheckpointError(f"entry '{key}' of {path} is no tensor; {NEXT_STEP}")
    return dict(state)


def backbone_state(state: Mapping[str, Tensor], backbone: ResNet) -> dict[str, Tensor]:
    """Return the complete state dict of ``backbone`` taken from ``state``.

    Args:
        state: torchvision's keys; "fc." may be extra and "num_batches_tracked" may be missing, as
            in old files. Or the keys of an fprnet model: its visible and shared stages are taken.
        backbone: Network that the state is for. Where its images have other than three channels,
            each of them is gray and starts with the sum over R, G, B of the first convolution,
            which answers a gray image as the sum does.

    Raises:
        CheckpointError: A key is missing or unknown, or a shape differs.
    """
    if any(key.startswith("streams.") for key in state):
        state = {
            key.removeprefix(trunk): value
            for key, value in state.items()
            for trunk in TRUNKS
            if key.startswith(trunk)
        }
    state = _with_input_channels(state, backbone.input_channels)
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
    extra = [key for key in state if key not in result and not key.startswith("fc.")]
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
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except SafetensorError as error:
            raise ValueError(str(error)) from error
    return torch.load(path, map_location="cpu", weights_only=True)


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
