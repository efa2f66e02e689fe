"""A weights file becomes a network: a training of ours, or a classic SRCNN in any common form.

Classic weights: ``.pth`` (names of any kind; three kernels and three biases in layer order),
``.npz`` (the same, or the names of ``.mat``), ``.mat`` as Dong et al. handed theirs out:
``weights_conv1`` (k k, n1), ``weights_conv2`` (n1, k k, n2), ``weights_conv3`` (n2, k k) with
``biases_conv1``, ..., each k x k kernel in MATLAB's order, column by column.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
import torch
from numpy.typing import NDArray

from fprnet.errors import CheckpointError, UsageError
from fprnet.files import sha256
from fprnet.runs.checkpoint_file import config_of, read_tensors
from fprnet_lab.superres.config import config_from_dict
from fprnet_lab.superres.networks import Architecture, SuperResolution
from fprnet_lab.superres.run_folder import SUPERRES
from fprnet_lab.superres.train import build_network

__all__ = ["LoadedNetwork", "load_network"]

Arrays = dict[str, NDArray[np.float32]]

LAYERS = (1, 2, 3)
FORMS = "(outputs, inputs, height, width) or (height, width, inputs, outputs)"


@dataclass(frozen=True)
class LoadedNetwork:
    """A network with its weights.

    Attributes:
        network: In evaluation mode, on the CPU.
        name: "paper", "9-1-5", ...
        sha256: Of the file.
    """

    network: SuperResolution
    name: str
    sha256: str


def load_network(path: Path, *, scale: int | None = None, transpose: bool = False) -> LoadedNetwork:
    """Build the network of a weights file.

    Args:
        path: ``.pth`` or ``.pt``, ``.npz``, ``.mat``, or the run folder of a training.
        scale: How many times larger images become; needed for classic weights, whose file does not
            say it, and checked for those of a training.
        transpose: Swap height and width of every kernel: for classic weights that were converted
            from MATLAB without minding that it stores columns first. Which of the two a file holds
            cannot be told from it: natural images look much the same either way.

    Raises:
        CheckpointError: The file is missing, damaged, or holds no SRCNN.
        UsageError: ``scale`` is missing or does not fit.
    """
    if path.is_dir():
        path = path / "checkpoints" / "best.pt"
    if not path.is_file():
        raise CheckpointError(f"{path} does not exist; 'fprnet superres train' makes weights")
    if path.suffix == ".mat":
        arrays = _read_mat(path)
    elif path.suffix == ".npz":
        arrays = _read_npz(path)
    elif path.suffix in (".pth", ".pt"):
        values = read_tensors(path)
        if SUPERRES.wrote(values):
            return _own(path, scale, transpose)
        nested = values.get("state_dict", values)
        arrays = {
            name: tensor.float().numpy()
            for name, tensor in (nested if isinstance(nested, dict) else values).items()
            if isinstance(tensor, torch.Tensor) and tensor.is_floating_point()
        }
    else:
        raise CheckpointError(
            f"{path} is no weights file; give .pt, .pth, .npz, .mat or the folder of a training"
        )
    if scale is None:
        raise UsageError(f"{path} does not say how much it enlarges; give --scale 2, 3 or 4")
    return _classic(path, arrays, scale, transpose)


def _own(path: Path, scale: int | None, transpose: bool) -> LoadedNetwork:
    state = SUPERRES.read(path)
    config = config_of(state, path, config_from_dict)
    if scale not in (None, config.factor):
        raise UsageError(
            f"{path} was trained to enlarge {config.factor} times; give --scale {config.factor}"
        )
    if transpose:
        raise UsageError(f"{path} was written by this program; leave --transpose out")
    network = build_network(config)
    _load(network, state["model"], path)
    return LoadedNetwork(network.eval(), config.network, sha256(path))


def _classic(path: Path, arrays: Arrays, scale: int, transpose: bool) -> LoadedNetwork:
    kernels = [_oriented(array, path) for array in arrays.values() if array.ndim == 4]
    biases = [array.ravel() for array in arrays.values() if array.ndim < 3]
    if len(kernels) != len(LAYERS) or len(biases) != len(LAYERS):
        raise CheckpointError(
            f"{path} holds {len(kernels)} kernels and {len(biases)} biases; an SRCNN has 3 and 3"
        )
    wide, narrow = len(kernels[0]), len(kernels[1])
    shapes = [kernel.shape[:2] for kernel in kernels]
    if shapes != [(wide, 1), (narrow, wide), (1, narrow)]:
        raise CheckpointError(
            f"{path} has layers of (outputs, inputs) {shapes}, which do not follow on each other "
            "from one channel to one; is it an SRCNN on luma?"
        )
    sides = [kernel.shape[2] for kernel in kernels]
    architecture = Architecture((sides[0], sides[1], sides[2]), (wide, narrow), 1)
    network = SuperResolution(architecture, enlargement=scale)
    weights = {}
    for layer, kernel, bias in zip(LAYERS, kernels, biases, strict=True):
        turned = kernel.swapaxes(2, 3) if transpose else kernel
        weights[f"conv{layer}.weight"] = torch.from_numpy(np.ascontiguousarray(turned))
        weights[f"conv{layer}.bias"] = torch.from_numpy(np.ascontiguousarray(bias))
    _load(network, weights, path)
    return LoadedNetwork(network.eval(), "-".join(map(str, sides)), sha256(path))


def _oriented(kernel: NDArray[np.float32], path: Path) -> NDArray[np.float32]:
    """Return a kernel as (outputs, inputs, height, width); its square side tells which it is."""
    if kernel.shape[2] == kernel.shape[3] and kernel.shape[2] % 2 == 1:
        return kernel
    if kernel.shape[0] == kernel.shape[1] and kernel.shape[0] % 2 == 1:
        return kernel.transpose(3, 2, 0, 1)
    raise CheckpointError(f"{path} has a kernel of shape {kernel.shape}; expected {FORMS}")


def _read_mat(path: Path) -> Arrays:
    try:
        values = scipy.io.loadmat(path)
    except Exception as error:  # a damaged file makes the reader raise nearly anything
        raise CheckpointError(
            f"{path} is damaged or no MATLAB file up to version 7; give another file"
        ) from error
    return _from_matlab(values, path)


def _read_npz(path: Path) -> Arrays:
    try:
        with np.load(path, allow_pickle=False) as file:
            values = {name: file[name] for name in file.files}
    except Exception as error:  # likewise
        raise CheckpointError(f"{path} is damaged or no .npz file; give another file") from error
    if "weights_conv1" in values and values["weights_conv1"].ndim < 4:
        return _from_matlab(values, path)
    return {name: np.asarray(array, dtype=np.float32) for name, array in values.items()}


def _from_matlab(values: Mapping[str, Any], path: Path) -> Arrays:
    """Unfold the kernels that Dong et al. flattened; MATLAB drops trailing axes of length 1."""
    names = [f"{kind}_conv{layer}" for layer in LAYERS for kind in ("weights", "biases")]
    missing = [name for name in names if name not in values]
    if missing:
        raise CheckpointError(
            f"{path} has no {' and no '.join(missing)}; expected the names of Dong et al.'s files"
        )
    arrays: Arrays = {}
    for layer in LAYERS:
        bias = np.asarray(values[f"biases_conv{layer}"], dtype=np.float32).ravel()
        flat = np.asarray(values[f"weights_conv{layer}"], dtype=np.float32)
        # (inputs, k k, outputs); the first layer has one input, the last one output.
        if layer == LAYERS[0]:
            flat = flat.reshape(1, -1, len(bias))
        elif layer == LAYERS[-1]:
            flat = flat.reshape(len(flat), -1, len(bias))
        elif flat.ndim == 2:
            flat = flat[..., None] if len(bias) == 1 else flat[:, None]
        side = math.isqrt(flat.shape[1])
        if side * side != flat.shape[1]:
            raise CheckpointError(
                f"weights_conv{layer} in {path} has {flat.shape[1]} values for a kernel, which is "
                "no square; is it an SRCNN?"
            )
        # Column by column: the second of the two axes is the row.
        square = flat.reshape(len(flat), side, side, -1)
        arrays[f"conv{layer}.weight"] = square.transpose(3, 0, 2, 1)
        arrays[f"conv{layer}.bias"] = bias
    return arrays


def _load(network: SuperResolution, weights: Mapping[str, Any], path: Path) -> None:
    try:
        network.load_state_dict(weights)
    except (RuntimeError, TypeError) as error:
        raise CheckpointError(
            f"the weights in {path} do not fit their network; give another file"
        ) from error
    if not all(bool(torch.isfinite(tensor).all()) for tensor in network.state_dict().values()):
        raise CheckpointError(f"{path} holds weights that are not numbers; give another file")
