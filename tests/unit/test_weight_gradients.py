"""Weight gradients by one matrix product, against autograd's, and where they are used."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from fprnet.training import weight_gradients
from fprnet.training.weight_gradients import (
    product_is_faster,
    quicken_weight_gradients,
    weight_gradient,
)

CPU = torch.device("cpu")


@pytest.fixture
def _matrix_units(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True})


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(
    ("kernel", "strides", "padding"),
    [
        ((1, 1), (1, 1), (0, 0)),
        ((1, 1), (2, 2), (0, 0)),
        ((3, 3), (1, 1), (1, 1)),
        ((3, 3), (2, 2), (1, 1)),
        ((7, 7), (2, 2), (3, 3)),
        ((3, 5), (2, 1), (0, 2)),
    ],
)
def test_a_gradient_is_autograds(
    kernel: tuple[int, int],
    strides: tuple[int, int],
    padding: tuple[int, int],
    memory_format: torch.memory_format,
) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(3, 5, kernel, strides, padding, dtype=torch.float64)
    images = torch.randn(2, 3, 9, 8, dtype=torch.float64).contiguous(memory_format=memory_format)
    output = layer(images)
    of_output = torch.randn_like(output)
    output.backward(of_output)
    found = weight_gradient(images, of_output, kernel, strides, padding)
    torch.testing.assert_close(found, layer.weight.grad)


def test_a_worked_gradient() -> None:
    """Kernel 1x2 over the row 1 2 4: its windows are (1, 2) and (2, 4)."""
    row = torch.tensor([[[[1.0, 2.0, 4.0]]]])
    of_output = torch.tensor([[[[10.0, 1.0]]]])
    found = weight_gradient(row, of_output, (1, 2), (1, 1), (0, 0))
    assert found.tolist() == [[[[12.0, 24.0]]]]


def small_map_network() -> nn.Sequential:
    """Two layers whose weights are many for maps of 4x2 pixels, one of them strided."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 96, 3, 2, 1, bias=False)
    )


def gradients(
    network: nn.Module, images: torch.Tensor, *, bfloat16: bool
) -> dict[str, torch.Tensor]:
    images = images.clone().requires_grad_()
    network.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        output = network(images)
    output.double().square().mean().backward()
    assert images.grad is not None
    found = {name: parameter.grad for name, parameter in network.named_parameters()}
    return {"images": images.grad, "output": output.detach(), **found}  # type: ignore[dict-item]


@pytest.mark.usefixtures("_matrix_units")
def test_a_network_learns_the_same_in_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    called = []
    slow = weight_gradient
    monkeypatch.setattr(
        weight_gradients,
        "weight_gradient",
        lambda *arguments: called.append(1) or slow(*arguments),
    )
    network = small_map_network()
    plain, exact = copy.deepcopy(network), copy.deepcopy(network)
    quicken_weight_gradients(network, CPU)
    images = torch.randn(6, 64, 4, 2)
    ours = gradients(network, images, bfloat16=True)
    theirs = gradients(plain, images, bfloat16=True)
    true = gradients(exact, images, bfloat16=False)
    assert len(called) == 2
    torch.testing.assert_close(ours["output"], theirs["output"], rtol=0, atol=0)
    for name, gradient in ours.items():
        assert gradient.dtype == theirs[name].dtype, name
        worst = float((theirs[name].double() - true[name]).abs().max())
        assert float((gradient.double() - true[name]).abs().max()) <= 1.5 * worst + 1e-6, name


@pytest.mark.usefixtures("_matrix_units")
def test_nothing_changes_in_float32_and_without_gradients() -> None:
    network = small_map_network()
    plain = copy.deepcopy(network)
    quicken_weight_gradients(network, CPU)
    images = torch.randn(3, 64, 4, 2)
    ours = gradients(network, images, bfloat16=False)
    for name, gradient in gradients(plain, images, bfloat16=False).items():
        assert torch.equal(gradient, ours[name]), name
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(network(images), plain(images))
    assert list(network.state_dict()) == list(plain.state_dict())


@pytest.mark.usefixtures("_matrix_units")
def test_large_maps_and_unusual_layers_are_left_to_pytorch() -> None:
    layer = nn.Conv2d(64, 64, 3, padding=1)
    assert product_is_faster(layer, 4, 2)
    assert not product_is_faster(layer, 16, 8)
    unusual = nn.Sequential(
        nn.Conv2d(8, 8, 3, groups=2),
        nn.Conv2d(8, 8, 3, dilation=2),
        nn.Conv2d(8, 8, 3, padding="same"),
        nn.Conv2d(8, 8, 3, padding=1, padding_mode="reflect"),
        nn.ConvTranspose2d(8, 8, 3),
    )
    quicken_weight_gradients(unusual, CPU)
    assert {type(layer) for layer in unusual} == {nn.Conv2d, nn.ConvTranspose2d}


@pytest.mark.parametrize(
    ("capabilities", "device"),
    [({}, "cpu"), ({"amx_bf16": False}, "cpu"), ({"amx_bf16": True}, "cuda")],
)
def test_other_machines_compute_as_before(
    capabilities: dict[str, bool], device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    network = small_map_network()
    quicken_weight_gradients(network, torch.device(device))
    assert type(network[0]) is nn.Conv2d
