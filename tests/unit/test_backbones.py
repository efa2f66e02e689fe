"""timm's networks as backbones, with a stand-in for timm: stages, channels, and what is refused."""

import sys
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

from fprnet import plugins
from fprnet.components import Component
from fprnet.config import load_config
from fprnet.errors import ConfigError
from fprnet.kinds import BACKBONE, NETWORK
from fprnet.methods.network import build_network, streams, untrained
from fprnet.models.backbones import timm_backbone
from fprnet.models.streams import Streams


class FeatureInfo:
    def __init__(self, channels, reductions, names):
        self._values = channels, reductions, names

    def channels(self):
        return self._values[0]

    def reduction(self):
        return self._values[1]

    def module_name(self):
        return self._values[2]


class FeatureList(nn.ModuleDict):
    """Children one after the other, outputs of the named ones: timm's ``FeatureListNet``."""

    def forward(self, x: Tensor) -> list[Tensor]:
        outputs = []
        for name, child in self.items():
            x = child(x)
            if name in [n.replace(".", "_") for n in self.feature_info.module_name()]:
                outputs.append(x)
        return outputs


def half(before: int, after: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(before, after, 2, stride=2), nn.BatchNorm2d(after), nn.ReLU())


def resnet_like(in_chans: int) -> FeatureList:
    """Reduction 2 has a map of its own, as in a ResNet."""
    names = ["act1", "layer1", "layer2", "layer3", "layer4"]
    parts = [half(in_chans, 3), half(3, 4), half(4, 5), half(5, 6), half(6, 7)]
    network = FeatureList({"conv1": parts[0], "act1": nn.ReLU()})
    network.update(zip(names[1:], parts[1:], strict=True))
    network.feature_info = FeatureInfo([3, 4, 5, 6, 7], [2, 4, 8, 16, 32], names)
    return network


def patches(in_chans: int) -> FeatureList:
    """Maps begin at reduction 4 and modules lie deeper, as in a ConvNeXt."""
    stem = nn.Conv2d(in_chans, 4, 4, stride=4)
    parts = [nn.Conv2d(4, 4, 1), half(4, 5), half(5, 6), half(6, 7)]
    network = FeatureList({"stem_0": stem, "stem_1": nn.BatchNorm2d(4)})
    network.update((f"stages_{n}", part) for n, part in enumerate(parts))
    names = [f"stages.{n}" for n in range(4)]
    network.feature_info = FeatureInfo([4, 5, 6, 7], [4, 8, 16, 32], names)
    return network


def shallow(in_chans: int) -> FeatureList:
    network = FeatureList({"conv1": half(in_chans, 3)})
    network.feature_info = FeatureInfo([3], [2], ["conv1"])
    return network


MODELS = {"resnet_like": resnet_like, "patches": patches, "shallow": shallow}


@pytest.fixture
def timm(monkeypatch):
    """A package of that name; what it was called with is in ``calls``."""
    module = ModuleType("timm")
    module.calls = []

    def create_model(name, **options):
        if name not in MODELS:
            raise RuntimeError(f"Unknown model ({name})")
        module.calls.append((name, options))
        return MODELS[name](options["in_chans"])

    module.create_model = create_model
    monkeypatch.setitem(sys.modules, "timm", module)
    return module


@pytest.mark.parametrize("network", ["resnet_like", "patches"])
@pytest.mark.parametrize("separate", range(6))
def test_stages_are_the_networks_own_maps(timm, network, separate):
    torch.manual_seed(0)
    backbone = timm_backbone(3, network=network)
    torch.manual_seed(0)
    expected = MODELS[network](3).eval()
    assert timm.calls == [(network, {"pretrained": False, "features_only": True, "in_chans": 3})]
    assert backbone.stage_channels == {2: 4, 3: 5, 4: 6, 5: 7}
    images = torch.randn(2, 3, 64, 32)
    maps = Streams(backbone, separate).eval()(images, images)
    for stage, wanted in zip((2, 3, 4, 5), expected(images)[-4:], strict=True):
        torch.testing.assert_close(maps[stage].visible, wanted)
        torch.testing.assert_close(maps[stage].infrared, wanted)


def test_a_preset_learns_with_it(timm):
    words = ["--model.backbone", "timm", "--model.backbone.network", "patches"]
    config = load_config("fprnet", scale="tiny", overrides=words)
    torch.manual_seed(0)
    model = untrained(config.model).build(4)
    labels = torch.tensor([0, 0, 1, 1])
    images = torch.randn(2, 4, 3, 96, 48)
    config.loss.build()(model(*images, labels, labels)).total.backward()
    assert all(p.grad is not None for p in model.streams.parameters())
    zero_padded = load_config("zero-padding", scale="tiny", overrides=words)
    untrained(zero_padded.model).build(4)
    assert timm.calls[-1][1]["in_chans"] == 2


@pytest.mark.usefixtures("timm")
def test_what_does_not_fit_is_refused():
    with pytest.raises(ConfigError, match=r"'resnet_lite'.*list_models"):
        timm_backbone(3, network="resnet_lite")
    with pytest.raises(ConfigError, match=r"\[2\].*4, 8, 16 and 32"):
        timm_backbone(3, network="shallow")
    with pytest.raises(ConfigError, match=r"weights imagenet.*pretrained"):
        timm_backbone(3, network="patches").load_pretrained("imagenet")


def test_without_timm_the_next_step_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ConfigError, match="pip install timm"):
        timm_backbone(3)


class Stageless(nn.Module):
    def __init__(self, input_channels):
        super().__init__()
        self.input_channels = input_channels


class Headless(nn.Module):
    def __init__(self, identities):
        super().__init__()
        self.embedding_size = identities


class Forwardless(Headless):
    def embed(self, images, modality):
        return images


def test_what_a_backbone_or_a_network_lacks_is_said():
    backbone = Component(BACKBONE, plugins.offer(Stageless))
    with pytest.raises(
        ConfigError, match=r"no stage_channels and no stage_ends and no stages; .*B"
    ):
        streams(3, backbone=backbone, weights="none")
    for network, lacking in ((Headless, "has no embed;"), (Forwardless, "with a forward")):
        with pytest.raises(ConfigError, match=f"{network.__name__} .*{lacking}"):
            build_network(Component(NETWORK, plugins.offer(network)), 3)
