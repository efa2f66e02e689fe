"""Streams: what is separate, what is shared, and what each BatchNorm sees."""

import pytest
import torch
from torch import Tensor, nn

from fprnet.models.resnet import ResNet
from fprnet.models.streams import Streams

SPLITS = range(6)


@pytest.fixture
def backbone() -> ResNet:
    torch.manual_seed(0)
    return ResNet(18, width=4)


def images(count: int, seed: int) -> Tensor:
    return torch.randn(count, 3, 64, 32, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("split", SPLITS)
def test_streams_start_as_the_backbone_on_both_modalities(backbone: ResNet, split: int) -> None:
    x = images(3, 1)
    streams = Streams(backbone, split).eval()
    maps = streams(x, x)
    assert list(maps) == [2, 3, 4, 5]
    torch.testing.assert_close(maps[5].visible, backbone.eval()(x.clone()))
    torch.testing.assert_close(maps[5].visible, maps[5].infrared)
    assert {k: m.joint.shape[1] for k, m in maps.items()} == streams.stage_channels


@pytest.mark.parametrize("split", SPLITS)
def test_separate_stages_cost_their_parameters_once_more(backbone: ResNet, split: int) -> None:
    whole = sum(p.numel() for p in backbone.parameters())
    separate = sum(p.numel() for p in backbone.stages(1, split).parameters())
    assert sum(p.numel() for p in Streams(backbone, split).parameters()) == whole + separate


def test_shared_batch_norm_sees_both_modalities_and_a_separate_one_its_own(
    backbone: ResNet,
) -> None:
    visible, infrared = images(4, 1), images(4, 2) + 1

    def mean_of_stem(x: Tensor) -> Tensor:
        return 0.1 * backbone.conv1(x).mean(dim=(0, 2, 3))  # momentum 0.1, starting from 0

    together, each = mean_of_stem(torch.cat((visible, infrared))), mean_of_stem(infrared)
    shared = Streams(backbone, 0)
    shared(visible, infrared)
    torch.testing.assert_close(shared.shared.bn1.running_mean, together)
    backbone.bn1.reset_running_stats()
    separate = Streams(backbone, 1)
    separate(visible, infrared)
    torch.testing.assert_close(separate.infrared.bn1.running_mean, each)


def test_shared_stages_run_once(backbone: ResNet) -> None:
    streams = Streams(backbone, 2)
    calls: list[int] = []
    streams.shared.layer4.register_forward_hook(lambda _, inputs, __: calls.append(len(inputs[0])))
    streams(images(2, 1), images(3, 2))
    assert calls == [5]


@pytest.mark.parametrize("split", SPLITS)
def test_one_modality_alone_leaves_the_other_stream_untouched(backbone: ResNet, split: int) -> None:
    streams = Streams(backbone, split)
    before = {key: value.clone() for key, value in streams.infrared.state_dict().items()}
    maps = streams(images(2, 1), images(0, 2))
    assert maps[5].joint.shape == (2, 32, 2, 1)
    assert maps[5].infrared.shape == (0, 32, 2, 1)
    for key, value in streams.infrared.state_dict().items():
        torch.testing.assert_close(value, before[key], rtol=0, atol=0)
    assert streams(images(0, 1), images(2, 2))[5].infrared.shape == (2, 32, 2, 1)


def test_keys_keep_torchvisions_names_behind_the_streams(backbone: ResNet) -> None:
    keys = Streams(backbone, 2).state_dict().keys()
    assert {
        "visible.conv1.weight",
        "infrared.layer1.0.bn1.bias",
        "shared.layer4.1.conv2.weight",
    } <= keys
    assert not any(key.startswith("shared.layer1") for key in keys)


def test_channels_last_stays_channels_last(backbone: ResNet) -> None:
    streams = Streams(backbone, 1).to(memory_format=torch.channels_last)
    x = images(2, 1).contiguous(memory_format=torch.channels_last)
    maps = streams(x, x)
    assert maps[4].joint.is_contiguous(memory_format=torch.channels_last)


def test_split_outside_0_to_5_is_refused(backbone: ResNet) -> None:
    with pytest.raises(ValueError, match="separate_stages is 6"):
        Streams(backbone, 6)


@pytest.mark.parametrize("split", [0, 2])
def test_own_norms_are_all_that_is_apart_beyond_the_separate_stages(
    backbone: ResNet, split: int
) -> None:
    whole = sum(p.numel() for p in backbone.parameters())
    separate = sum(p.numel() for p in backbone.stages(1, split).parameters())
    norms = sum(
        p.numel()
        for layer in backbone.stages(split + 1, 5).modules()
        if isinstance(layer, nn.BatchNorm2d)
        for p in layer.parameters()
    )
    streams = Streams(backbone, split, separate_norms=True)
    assert sum(p.numel() for p in streams.parameters()) == whole + separate + norms
    assert len(streams.shared) == 0
    assert streams.visible.layer4[0].conv1.weight is streams.infrared.layer4[0].conv1.weight
    assert streams.visible.layer4[0].bn1.weight is not streams.infrared.layer4[0].bn1.weight
    both = [stream.conv1.weight for stream in (streams.visible, streams.infrared)]
    assert (both[0] is both[1]) == (split == 0)


def test_own_norms_see_their_own_modality_and_shared_weights_learn_from_both(
    backbone: ResNet,
) -> None:
    visible, infrared = images(4, 1), images(4, 2) + 1
    means = [0.1 * backbone.conv1(x).mean(dim=(0, 2, 3)) for x in (visible, infrared)]
    streams = Streams(backbone, 0, separate_norms=True)
    maps = streams(visible, infrared)
    for stream, mean in zip((streams.visible, streams.infrared), means, strict=True):
        torch.testing.assert_close(stream.bn1.running_mean, mean)
    weight = streams.visible.conv1.weight
    gradients = [
        torch.autograd.grad(part.square().sum(), weight, retain_graph=True)[0]
        for part in (maps[5].visible, maps[5].infrared)
    ]
    maps[5].joint.square().sum().backward()
    torch.testing.assert_close(weight.grad, gradients[0] + gradients[1])
    assert all(gradient.any() for gradient in gradients)


def test_own_norms_start_as_the_backbone_and_are_loaded_as_they_were_saved(
    backbone: ResNet,
) -> None:
    x = images(3, 1)
    streams = Streams(backbone, 1, separate_norms=True).eval()
    maps = streams(x, x)
    torch.testing.assert_close(maps[5].visible, backbone.eval()(x.clone()))
    torch.testing.assert_close(maps[5].visible, maps[5].infrared)
    streams.train()(images(4, 2), images(4, 3) + 1)  # the statistics part
    torch.manual_seed(1)
    other = Streams(ResNet(18, width=4), 1, separate_norms=True)
    other.load_state_dict(streams.state_dict())
    expected, loaded = streams.eval()(x, x)[5], other.eval()(x, x)[5]
    assert torch.equal(loaded.joint, expected.joint)
    assert not torch.allclose(expected.visible, expected.infrared)


def test_streams_do_not_share_weights_where_they_are_separate(backbone: ResNet) -> None:
    streams = Streams(backbone, 5)
    with torch.no_grad():
        for parameter in streams.visible.parameters():
            parameter.zero_()
    assert all(
        p.any() for n, p in streams.infrared.named_parameters() if n.endswith("conv1.weight")
    )
    assert isinstance(streams.shared, nn.Sequential)
    assert len(streams.shared) == 0
