"""Head pieces: initial values, activations by name, layers of both kinds."""

import math

import pytest
import torch
from torch import nn

from fprnet.models.heads import (
    BatchNormNeck,
    ProjectionHead,
    activated,
    identity_classifier,
    unit_length,
)


def test_classifier_starts_almost_silent() -> None:
    torch.manual_seed(0)
    classifier = identity_classifier(512, 395, bias=True)
    assert classifier.weight.std().item() == pytest.approx(0.001, rel=0.02)
    assert not classifier.bias.any()
    assert identity_classifier(4, 3, bias=False).bias is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [("leaky-relu", [-0.2, 3.0]), ("relu", [0.0, 3.0]), ("none", [-2.0, 3.0])],
)
def test_activations(name: str, expected: list[float]) -> None:
    actual = activated(torch.tensor([-2.0, 3.0]), name)  # type: ignore[arg-type]
    assert actual.tolist() == pytest.approx(expected)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValueError, match="activation 'gelu' is unknown"):
        activated(torch.zeros(1), "gelu")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="layer 'conv' is unknown"):
        ProjectionHead(4, (2,), layer="conv", activation="relu")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least one layer"):
        ProjectionHead(4, (), layer="eigenlayer", activation="relu")


def test_neck_normalises_and_has_no_bias() -> None:
    neck = BatchNormNeck(3)
    x = 5 + 2 * torch.randn(200, 3)
    assert [name for name, _ in neck.named_parameters()] == ["weight"]
    torch.testing.assert_close(neck(x).mean(dim=0), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(neck(x).std(dim=0, correction=0), torch.ones(3), atol=1e-3, rtol=0)
    neck.eval()
    expected = (x - neck.running_mean) / (neck.running_var + neck.eps).sqrt()
    torch.testing.assert_close(neck(x), expected)


def test_released_layers_are_linear_and_batch_norm_with_the_authors_initial_values() -> None:
    torch.manual_seed(0)
    head = ProjectionHead(256, (128, 64), layer="linear-batchnorm", activation="relu")
    first, second = head.layers
    assert isinstance(first, nn.Sequential)
    linear, norm = first
    assert linear.weight.std().item() == pytest.approx(math.sqrt(2 / 128), rel=0.02)  # fan_out
    assert not linear.bias.any()
    assert norm.weight.mean().item() == pytest.approx(1.0, abs=0.005)
    assert norm.weight.std().item() == pytest.approx(0.01, rel=0.3)
    x = torch.randn(32, 256)
    hidden = norm(linear(x)).relu()
    torch.testing.assert_close(head(x), second(hidden).relu())
    torch.testing.assert_close(head(x, activate_last=False), second(hidden))


def test_eigenlayers_have_neither_bias_nor_batch_norm() -> None:
    head = ProjectionHead(6, (5, 4), layer="eigenlayer", activation="leaky-relu")
    assert [tuple(p.shape) for p in head.parameters()] == [(5, 6), (4, 5)]
    x = torch.randn(3, 6)
    first, second = (layer.weight for layer in head.layers)
    hidden = torch.nn.functional.leaky_relu(x @ first.T, 0.1)
    torch.testing.assert_close(head(x, activate_last=False), hidden @ second.T)
    assert head.outputs == 4


@pytest.mark.parametrize("sizes", [(4,), (5, 4), (6, 5, 4)])
def test_activation_of_the_first_layer_alone(sizes: tuple[int, ...]) -> None:
    head = ProjectionHead(6, sizes, layer="eigenlayer", activation="relu", activated_layers="first")
    x = torch.randn(3, 6, generator=torch.Generator().manual_seed(0))
    weights = [layer.weight for layer in head.layers]
    expected = (x @ weights[0].T).relu()
    for weight in weights[1:]:
        expected = expected @ weight.T
    torch.testing.assert_close(head(x), expected)
    with pytest.raises(ValueError, match="activated_layers is 'last'"):
        ProjectionHead(
            6,
            sizes,
            layer="eigenlayer",
            activation="relu",
            activated_layers="last",  # type: ignore[arg-type]
        )


def test_unit_length_is_float32() -> None:
    rows = unit_length(torch.tensor([[3.0, 4.0]], dtype=torch.bfloat16))
    assert rows.dtype == torch.float32
    assert rows.flatten().tolist() == pytest.approx([0.6, 0.8])
