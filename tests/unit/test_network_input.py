"""What networks are fed with: standardised images by definition, deep zero-padding by hand."""

import pytest
import torch
from torch import Tensor

from fprnet.config import load_config
from fprnet.data import augmentation
from fprnet.data.records import MODALITIES, Modality
from fprnet.errors import CheckpointError
from fprnet.methods.network import untrained
from fprnet.models.network_input import Standardisation, ZeroPadding
from fprnet.models.resnet import ResNet
from fprnet.models.streams import Streams
from fprnet.models.weights import backbone_state, load_backbone_weights


def pixels(count: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 8, 6, 3), generator=generator, dtype=torch.uint8)


def test_a_standardised_image_has_mean_0_and_deviation_1_in_each_channel() -> None:
    generator = torch.Generator().manual_seed(2)
    images = (
        torch.randn(3, 3, 8, 6, generator=generator) * torch.tensor([1.0, 5.0, 20.0])[:, None, None]
    )
    images[0, 0] = 3.0  # says nothing, and is given nothing
    found = Standardisation()(images)
    for image, channels in zip(images, found, strict=True):
        for plane, standardised in zip(image.double(), channels, strict=True):
            expected = (plane - plane.mean()) / (plane.var(correction=0) + 0.01) ** 0.5
            torch.testing.assert_close(standardised.double(), expected, atol=1e-5, rtol=1e-5)
    assert not found[0, 0].any()
    assert Standardisation()(images.bfloat16()).dtype == torch.bfloat16


def test_exposure_contrast_and_white_balance_change_no_standardised_embedding() -> None:
    torch.manual_seed(0)
    words = ["--model.input", "standardised"]
    model = untrained(load_config("fprnet", scale="tiny", overrides=words).model).build(3).eval()
    images = augmentation.normalise(pixels(2).repeat_interleave(12, 1).repeat_interleave(8, 2))
    gains, shifts = torch.tensor([0.7, 1.4, 2.0]), torch.tensor([0.5, -1.0, 0.1])
    changed = images * gains[:, None, None] + shifts[:, None, None]
    with torch.inference_mode():
        same = model.embed(images, "visible") @ model.embed(changed, "visible").T
    assert same.diagonal().min() > 0.999  # 1 but for the floor of the deviation
    assert same[0, 1] < 0.99


@pytest.mark.parametrize(("modality", "channel"), [("visible", 0), ("infrared", 1)])
def test_gray_is_normalised_for_gray_and_the_other_channel_is_zero(
    modality: Modality, channel: int
) -> None:
    images = pixels()
    padded = ZeroPadding(modality)(augmentation.normalise(images))
    gray = (images.double() @ torch.tensor([0.299, 0.587, 0.114]).double()) / 255
    expected = ((gray - 0.449) / 0.226).float()
    torch.testing.assert_close(padded[:, channel], expected, atol=1e-5, rtol=1e-5)
    assert torch.equal(padded[:, 1 - channel], torch.zeros(3, 8, 6))


def test_infrared_values_stay_as_they_are() -> None:
    images = pixels()[..., :1].expand(-1, -1, -1, 3).contiguous()
    padded = ZeroPadding("infrared")(augmentation.normalise(images))
    expected = (images[..., 0].float() / 255 - 0.449) / 0.226
    torch.testing.assert_close(padded[:, 1], expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("autocast", [False, True])
def test_the_padded_channel_is_zero_whatever_the_augmentation_does(
    modality: Modality, autocast: bool
) -> None:
    images = pixels(64)
    parameters = augmentation.draw(
        modality, 64, (8, 6), torch.Generator().manual_seed(1), padding=4, flip=0.5, erasing=0.5,
        gray_projection=0.5, infrared_changes=0.5, channel_exchange=0.5, linear_enhancement=0.5,
    )  # fmt: skip
    batch = augmentation.apply(images, parameters, memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        padded = ZeroPadding(modality)(batch)
    assert not padded[:, 1 - MODALITIES.index(modality)].any()
    assert padded[:, MODALITIES.index(modality)].any()


def test_the_network_sees_each_modality_in_its_own_channel() -> None:
    torch.manual_seed(0)
    streams = Streams(ResNet(18, width=4, input_channels=2), 0, input="zero-padded")
    seen: list[Tensor] = []
    streams.shared.conv1.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    visible, infrared = torch.randn(2, 3, 64, 32), torch.randn(1, 3, 64, 32)
    streams(visible, infrared)
    streams(visible[:0], infrared)
    both, alone = seen
    assert both.shape == (3, 2, 64, 32)
    assert not both[:2, 1].any()
    assert not both[2:, 0].any()
    torch.testing.assert_close(alone, both[2:])
    assert not any("padding" in key for key in streams.state_dict())


def test_published_weights_start_each_channel_with_the_sum_over_rgb(tmp_path) -> None:
    torch.manual_seed(0)
    rgb = ResNet(18, width=4)
    torch.save(rgb.state_dict(), tmp_path / "imagenet.pth")
    padded = ResNet(18, width=4, input_channels=2)
    load_backbone_weights(padded, tmp_path / "imagenet.pth")
    weight = rgb.conv1.weight
    for channel in (0, 1):
        torch.testing.assert_close(
            padded.conv1.weight[:, channel], weight[:, 0] + weight[:, 1] + weight[:, 2]
        )
    # A gray image of three equal channels gets the same answer from both networks.
    gray = torch.randn(2, 1, 32, 16)
    torch.testing.assert_close(
        padded.eval()(torch.cat((torch.zeros_like(gray), gray), dim=1)),
        rgb.eval()(gray.expand(-1, 3, -1, -1)),
        atol=1e-5,
        rtol=1e-4,
    )


def test_a_zero_padded_trunk_fits_only_its_like() -> None:
    torch.manual_seed(0)
    source = Streams(ResNet(18, width=4, input_channels=2), 0, input="zero-padded")
    state = {f"streams.{key}": value for key, value in source.state_dict().items()}
    again = backbone_state(state, ResNet(18, width=4, input_channels=2))
    assert torch.equal(again["conv1.weight"], source.shared.conv1.weight)
    with pytest.raises(CheckpointError, match=r"'conv1.weight' is \(4, 2, 7, 7\) but"):
        backbone_state(state, ResNet(18, width=4))


def test_preset_embeds_one_modality_at_a_time() -> None:
    torch.manual_seed(0)
    model = untrained(load_config("zero-padding", scale="tiny").model).build(3).eval()
    gray = torch.randn(2, 1, 96, 48).expand(-1, 3, -1, -1)
    visible, infrared = (model.embed(gray, modality) for modality in MODALITIES)
    assert visible.shape == (2, 512)
    assert not torch.allclose(visible, infrared, atol=1e-3)  # the same image in another channel


def test_channels_of_backbone_and_padding_must_agree() -> None:
    with pytest.raises(ValueError, match="takes 3 channels; it must take 2"):
        Streams(ResNet(18, width=4), 0, input="zero-padded")
