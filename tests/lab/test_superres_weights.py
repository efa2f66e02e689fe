"""Classic weights in every form that circulates are the same network; damaged files are named."""

import numpy as np
import pytest
import scipy.io
import torch

from fprnet.errors import CheckpointError, UsageError
from fprnet_lab.superres.weights import load_network

WIDE, NARROW = 6, 4


def classic(middle=3, seed=0):
    """Kernels (outputs, inputs, height, width) and biases of a small 9-middle-5 network."""
    generator = np.random.default_rng(seed)
    shapes = [(WIDE, 1, 9, 9), (NARROW, WIDE, middle, middle), (1, NARROW, 5, 5)]
    return {
        f"conv{layer}": (
            generator.normal(0, 0.1, shape).astype(np.float32),
            generator.normal(0, 0.1, shape[0]).astype(np.float32),
        )
        for layer, shape in enumerate(shapes, start=1)
    }


def as_matlab(layers):
    """The arrays of Dong et al.'s files; MATLAB flattens a kernel column by column."""
    values = {}
    for name, (kernel, bias) in layers.items():
        outputs, inputs = kernel.shape[:2]
        flat = kernel.transpose(1, 3, 2, 0).reshape(inputs, -1, outputs)
        squeezed = {"conv1": flat[0], "conv2": flat, "conv3": flat[..., 0]}[name]
        values[f"weights_{name}"] = squeezed.astype(np.float64)
        values[f"biases_{name}"] = bias[:, None].astype(np.float64)
    return values


def write(folder, form, layers):
    file = folder / f"weights{form[form.index('.') :]}"
    named = {
        f"{name}.{kind}": array
        for name, arrays in layers.items()
        for kind, array in zip(("weight", "bias"), arrays, strict=True)
    }
    if form == ".pth":
        torch.save({key: torch.from_numpy(array) for key, array in named.items()}, file)
    elif form == "nested.pth":
        state = {f"module.{key}": torch.from_numpy(array) for key, array in named.items()}
        torch.save({"state_dict": state, "epoch": 3}, file)
    elif form == ".npz":
        np.savez(file, **named)
    elif form == "height-first.npz":
        np.savez(
            file, **{k: a.transpose(2, 3, 1, 0) if a.ndim == 4 else a for k, a in named.items()}
        )
    elif form == "matlab.npz":
        np.savez(file, **as_matlab(layers))
    else:
        scipy.io.savemat(file, as_matlab(layers))
    return file


def kernels(loaded):
    return {name: tensor.numpy() for name, tensor in loaded.network.state_dict().items()}


@pytest.mark.parametrize("middle", [1, 3])
@pytest.mark.parametrize(
    "form", [".pth", "nested.pth", ".npz", "height-first.npz", "matlab.npz", ".mat"]
)
def test_every_form_is_the_same_network(tmp_path, form, middle):
    layers = classic(middle)
    loaded = load_network(write(tmp_path, form, layers), scale=3)
    assert loaded.name == f"9-{middle}-5"
    assert loaded.network.factor == 3
    for name, (kernel, bias) in layers.items():
        np.testing.assert_array_equal(kernels(loaded)[f"{name}.weight"], kernel)
        np.testing.assert_array_equal(kernels(loaded)[f"{name}.bias"], bias)


def test_matlab_order_is_that_of_reshape(tmp_path):
    """reshape(weights_conv1(:, i), 9, 9) of the original code, column by column."""
    layers = classic()
    values = as_matlab(layers)
    file = write(tmp_path, ".mat", layers)
    loaded = kernels(load_network(file, scale=2))["conv1.weight"]
    for output in range(WIDE):
        square = values["weights_conv1"][:, output].reshape(9, 9, order="F")
        np.testing.assert_allclose(loaded[output, 0], square, atol=1e-7)


@pytest.mark.parametrize("form", [".pth", ".npz", ".mat"])
def test_transpose_swaps_height_and_width(tmp_path, form):
    layers = classic()
    turned = {name: (kernel.swapaxes(2, 3), bias) for name, (kernel, bias) in layers.items()}
    loaded = load_network(write(tmp_path, form, turned), scale=2, transpose=True)
    np.testing.assert_array_equal(kernels(loaded)["conv1.weight"], layers["conv1"][0])


def test_scale_is_asked_for(tmp_path):
    with pytest.raises(UsageError, match="give --scale 2, 3 or 4"):
        load_network(write(tmp_path, ".mat", classic()))


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".npz", ".mat"])
@pytest.mark.parametrize("content", [b"", b"no weights at all" * 20])
def test_damaged_file(tmp_path, suffix, content):
    file = tmp_path / f"weights{suffix}"
    file.write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"weights{suffix} .*is damaged"):
        load_network(file, scale=2)


def test_truncated_file(tmp_path):
    file = write(tmp_path, ".pth", classic())
    file.write_bytes(file.read_bytes()[:-300])
    with pytest.raises(CheckpointError, match="is damaged"):
        load_network(file, scale=2)


def test_missing_file_and_unknown_form(tmp_path):
    with pytest.raises(CheckpointError, match="does not exist"):
        load_network(tmp_path / "nothing.mat", scale=2)
    (tmp_path / "weights.h5").write_bytes(b"x")
    with pytest.raises(CheckpointError, match="is no weights file"):
        load_network(tmp_path / "weights.h5", scale=2)


def test_layers_that_do_not_follow_on_each_other(tmp_path):
    layers = classic()
    layers["conv2"] = (layers["conv2"][0][:, :-1], layers["conv2"][1])
    with pytest.raises(CheckpointError, match="do not follow"):
        load_network(write(tmp_path, ".pth", layers), scale=2)
    del layers["conv3"]
    with pytest.raises(CheckpointError, match="holds 2 kernels and 2 biases"):
        load_network(write(tmp_path, ".pth", layers), scale=2)


def test_weights_that_are_not_numbers(tmp_path):
    layers = classic()
    layers["conv2"][0][0, 0, 0, 0] = np.nan
    with pytest.raises(CheckpointError, match="not numbers"):
        load_network(write(tmp_path, ".npz", layers), scale=2)


def test_names_missing_from_a_matlab_file(tmp_path):
    values = as_matlab(classic())
    del values["biases_conv2"]
    scipy.io.savemat(tmp_path / "weights.mat", values)
    with pytest.raises(CheckpointError, match="has no biases_conv2"):
        load_network(tmp_path / "weights.mat", scale=2)
