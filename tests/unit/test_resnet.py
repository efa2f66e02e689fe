"""ResNet: torchvision's keys, shapes and counts, and its blocks against plain functional calls."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from fprnet.models.resnet import BasicBlock, Bottleneck, ResNet

# Parameters of torchvision's resnet50 (25,557,032) and resnet18 (11,689,512) less their fc layers.
COUNTS = {50: 25_557_032 - 1000 * 2049, 18: 11_689_512 - 1000 * 513}


def norm(channels: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(
        ("weight", "bias", "running_mean", "running_var"), (channels,)
    )
    return {**shapes, "num_batches_tracked": ()}


def torchvision_shapes(depth: int) -> dict[str, tuple[int, ...]]:
    """Keys and shapes of torchvision's state dict without fc, written down from its layout."""
    shapes: dict[str, tuple[int, ...]] = {"conv1.weight": (64, 3, 7, 7)}
    shapes |= {f"bn1.{key}": shape for key, shape in norm(64).items()}
    inputs = 64
    for stage, blocks in enumerate((2, 2, 2, 2) if depth == 18 else (3, 4, 6, 3)):
        planes = 64 << stage
        for block in range(blocks):
            name = f"layer{stage + 1}.{block}"
            if depth == 18:
                convs = [(planes, inputs, 3, 3), (planes, planes, 3, 3)]
            else:
                convs = [(planes, inputs, 1, 1), (planes, planes, 3, 3), (4 * planes, planes, 1, 1)]
            for number, conv in enumerate(convs, start=1):
                shapes[f"{name}.conv{number}.weight"] = conv
                shapes |= {f"{name}.bn{number}.{k}": s for k, s in norm(conv[0]).items()}
            outputs = convs[-1][0]
            if block == 0 and outputs != inputs:
                shapes[f"{name}.downsample.0.weight"] = (outputs, inputs, 1, 1)
                shapes |= {f"{name}.downsample.1.{k}": s for k, s in norm(outputs).items()}
            inputs = outputs
    return shapes


@pytest.mark.parametrize("depth", [18, 50])
def test_keys_shapes_and_counts_are_torchvisions(depth: int) -> None:
    with torch.device("meta"):
        network = ResNet(depth)
    actual = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    assert actual == torchvision_shapes(depth)
    assert sum(p.numel() for p in network.parameters()) == COUNTS[depth]
    assert COUNTS == {50: 23_508_032, 18: 11_176_512}


@pytest.mark.parametrize(
    ("size", "last_stride", "expected"),
    [
        ((288, 144), 2, [(72, 36), (36, 18), (18, 9), (9, 5)]),  # Table 1 of the paper
        ((288, 144), 1, [(72, 36), (36, 18), (18, 9), (18, 9)]),
        ((96, 48), 2, [(24, 12), (12, 6), (6, 3), (3, 2)]),
    ],
)
def test_stage_sizes(size: tuple[int, int], last_stride: int, expected: object) -> None:
    with torch.device("meta"):
        network = ResNet(50, last_stride=last_stride)
        x = network.stages(1, 1)(torch.zeros(1, 3, *size))
        sizes, channels = [], []
        for stage in (2, 3, 4, 5):
            x = network.stages(stage, stage)(x)
            sizes.append(tuple(x.shape[-2:]))
            channels.append(x.shape[1])
    assert sizes == expected
    assert channels == [256, 512, 1024, 2048] == list(network.stage_channels.values())


def test_width_scales_every_stage() -> None:
    with torch.device("meta"):
        assert ResNet(18, width=32).stage_channels == {2: 32, 3: 64, 4: 128, 5: 256}
        assert ResNet(50, width=16).stage_channels == {2: 64, 3: 128, 4: 256, 5: 512}


def evaluated_norm(x: Tensor, state: dict[str, Tensor], name: str) -> Tensor:
    mean, variance = state[f"{name}.running_mean"], state[f"{name}.running_var"]
    weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
    scale = (weight / (variance + 1e-5).sqrt())[:, None, None]
    return (x - mean[:, None, None]) * scale + bias[:, None, None]


@pytest.mark.parametrize(("block_type", "stride", "inputs"), [
    (BasicBlock, 1, 4), (BasicBlock, 2, 3), (Bottleneck, 1, 16), (Bottleneck, 2, 5),
])  # fmt: skip
def test_block_is_its_definition(
    block_type: type[BasicBlock | Bottleneck], stride: int, inputs: int
) -> None:
    torch.manual_seed(0)
    block = block_type(inputs, 4, stride).eval()
    for name, value in block.state_dict().items():
        if "num_batches" not in name:
            value.copy_(torch.rand_like(value) + 0.1)
    state = block.state_dict()
    x = torch.randn(2, inputs, 7, 6)

    def conv(y: Tensor, name: str, stride: int = 1) -> Tensor:
        weight = state[f"{name}.weight"]
        return F.conv2d(y, weight, stride=stride, padding=weight.shape[-1] // 2)

    if block_type is BasicBlock:
        y = evaluated_norm(conv(x, "conv1", stride), state, "bn1").relu()
        y = evaluated_norm(conv(y, "conv2"), state, "bn2")
    else:
        y = evaluated_norm(conv(x, "conv1"), state, "bn1").relu()
        y = evaluated_norm(conv(y, "conv2", stride), state, "bn2").relu()
        y = evaluated_norm(conv(y, "conv3"), state, "bn3")
    changes = stride != 1 or inputs != y.shape[1]
    assert changes == ("downsample.0.weight" in state)
    shortcut = (
        evaluated_norm(conv(x, "downsample.0", stride), state, "downsample.1") if changes else x
    )
    torch.testing.assert_close(block(x.clone()), (y + shortcut).relu())


def test_stages_are_the_networks_own_modules_under_their_own_names() -> None:
    network = ResNet(18, width=8)
    first, rest = network.stages(1, 2), network.stages(3, 5)
    assert [name for name, _ in first.named_children()] == [
        "conv1",
        "bn1",
        "relu",
        "maxpool",
        "layer1",
    ]
    assert [name for name, _ in rest.named_children()] == ["layer2", "layer3", "layer4"]
    assert rest.layer4 is network.layer4
    assert len(network.stages(1, 0)) == 0
    assert {**first.state_dict(), **rest.state_dict()}.keys() == network.state_dict().keys()


def test_initialisation_is_torchvisions() -> None:
    torch.manual_seed(0)
    network = ResNet(18)
    weight = network.layer3[0].conv1.weight
    assert weight.std().item() == pytest.approx(math.sqrt(2 / (256 * 9)), rel=0.01)  # fan_out
    assert network.bn1.weight.eq(1).all()
    assert network.bn1.bias.eq(0).all()


def test_other_depths_and_strides_are_refused() -> None:
    with pytest.raises(ValueError, match="depth is 34; only 18 and 50"):
        ResNet(34)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="last_stride is 3"):
        ResNet(18, last_stride=3)  # type: ignore[arg-type]


@pytest.mark.parametrize("block", [BasicBlock(128, 256, 2), Bottleneck(128, 64, 2)])
@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_a_stage_of_one_column_is_right_in_bfloat16_too(block, width):
    """Where oneDNN 3.12 reads memory that nobody wrote, which is NaN here."""
    torch.manual_seed(0)
    block = block.eval().to(memory_format=torch.channels_last)
    images = torch.randn(8, 128, 4, width).contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        exact = block(images)
        with torch.autocast("cpu", torch.bfloat16):
            poison = [
                torch.full((size,), torch.nan, dtype=torch.bfloat16) for size in (10**4, 10**6)
            ]
            del poison
            found = block(images)
    assert exact.shape == (8, 256, 2, (width + 1) // 2)
    assert float((found - exact).abs().max()) < 0.02 * float(exact.abs().max())


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_a_stage_of_one_column_is_the_convolution(width):
    torch.manual_seed(0)
    block = BasicBlock(3, 4, 2).double().eval()
    seen = {}
    block.bn1.register_forward_hook(lambda layer, inputs, output: seen.update(x=inputs[0]))
    images = torch.randn(2, 3, 5, width, dtype=torch.float64)
    block(images)
    torch.testing.assert_close(seen["x"], block.conv1(images))
