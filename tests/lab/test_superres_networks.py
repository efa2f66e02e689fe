"""The three networks: sizes as published, and what they compute, written out slowly."""

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate

from fprnet_lab.superres.bicubic import resize
from fprnet_lab.superres.networks import ARCHITECTURES, SuperResolution, enlarge


def make(name, enlargement=2, **options):
    torch.manual_seed(0)
    network = SuperResolution(ARCHITECTURES[name], enlargement=enlargement, **options)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.05)
    return network.eval()


def slow_forward(network, enlarged):
    """As Dong et al.'s own evaluation code: correlation, border pixels repeated."""

    def layer(maps, convolution):
        weight, bias = convolution.weight.double().detach(), convolution.bias.double().detach()
        return [
            sum(correlate(m, w.numpy(), mode="nearest") for m, w in zip(maps, kernels, strict=True))
            + float(b)
            for kernels, b in zip(weight, bias, strict=True)
        ]

    hidden = [np.maximum(m, 0) for m in layer([enlarged], network.conv1)]
    hidden = [np.maximum(m, 0) for m in layer(hidden, network.conv2)]
    return np.array(layer(hidden, network.conv3))


# Dong et al. (TPAMI 2016), Table 5, count 8,032 and 57,184 weights; biases come on top.
@pytest.mark.parametrize(
    ("name", "weights", "biases"),
    [("9-1-5", 8032, 97), ("9-5-5", 57184, 97), ("paper", 5184 + 2048 + 3200, 100)],
)
def test_number_of_weights(name, weights, biases):
    network = make(name)
    count = {
        kind: sum(p.numel() for n, p in network.named_parameters() if n.endswith(kind))
        for kind in ("weight", "bias")
    }
    assert count == {"weight": weights, "bias": biases}


@pytest.mark.parametrize(("name", "factor"), [("paper", 4), ("9-1-5", 2), ("9-5-5", 2)])
def test_sizes(name, factor):
    network = make(name)
    assert network.factor == factor
    large = network(torch.rand(2, 1, 5, 7))
    assert large.shape == (2, 1, 5 * factor, 7 * factor)
    assert large.dtype == torch.float32


@pytest.mark.parametrize("name", ["9-1-5", "9-5-5"])
def test_classic_network_in_slow_loops(name):
    network = make(name, enlargement=3)
    small = np.random.default_rng(0).random((4, 5))
    (expected,) = slow_forward(network, resize(small, (12, 15)))
    actual = network(torch.from_numpy(small)[None, None])[0, 0]
    np.testing.assert_allclose(actual.detach().numpy(), expected, atol=1e-4)


def test_pixel_shuffle_interleaves_the_four_maps():
    network = make("paper")
    small = np.random.default_rng(0).random((3, 4))
    maps = slow_forward(network, resize(small, (6, 8)))
    actual = network(torch.from_numpy(small)[None, None])[0, 0].detach().numpy()
    for number, (row, column) in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)]):
        np.testing.assert_allclose(actual[row::2, column::2], maps[number], atol=1e-4)


def test_residual_network_of_zeros_is_bicubic_enlargement():
    network = make("paper", residual=True)
    torch.nn.init.zeros_(network.conv3.weight)
    torch.nn.init.zeros_(network.conv3.bias)
    small = np.random.default_rng(0).random((4, 6))
    large = network(torch.from_numpy(small)[None, None])[0, 0].detach().numpy()
    np.testing.assert_allclose(large, resize(small, (16, 24)), atol=1e-6)


def test_dropout_acts_in_training_only():
    network = make("paper", dropout=0.5)
    small = torch.rand(1, 1, 4, 4)
    assert torch.equal(network(small), network(small))
    network.train()
    assert not torch.equal(network(small), network(small))


def test_bicubic_stays_exact_under_autocast():
    small = torch.rand(1, 1, 5, 4)
    with torch.autocast("cpu", torch.bfloat16):
        large = enlarge(small, 3)
    np.testing.assert_allclose(large[0, 0], resize(small[0, 0].numpy(), (15, 12)), atol=1e-6)


def test_wrong_shapes():
    with pytest.raises(ValueError, match=r"\(N, 1, h, w\), got \(1, 3, 4, 4\)"):
        make("paper")(torch.rand(1, 3, 4, 4))
    with pytest.raises(ValueError, match="enlargement is 0"):
        make("paper", enlargement=0)
