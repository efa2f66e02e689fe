"""Names become backbones: networks in five stages, whose maps the pyramid and the heads read.

Shapes: N images ``(N, C_in, H, W)``; stage k = 1..5 ends in a map of C_k channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol, cast

from torch import Tensor, nn

from fprnet.errors import ConfigError
from fprnet.models.resnet import ResNet
from fprnet.ranges import PositiveInt

__all__ = ["BACKBONES", "Backbone", "resnet18", "resnet50", "timm_backbone"]


class Backbone(Protocol):
    """What `fprnet.models.streams.Streams` needs of a network.

    Attributes:
        input_channels: C_in.
        stage_channels: Stage 2..5 -> C_k.
    """

    input_channels: int
    stage_channels: Mapping[int, int]

    def stages(self, first: int, last: int) -> nn.Sequential:
        """Return the modules of stages ``first`` to ``last``, both included, not copies.

        Each child is (a part of) one stage; ``stage_ends`` tells which child ends which.
        """

    @property
    def stage_ends(self) -> Mapping[str, int]:
        """Name of the child that ends a stage -> the stage, 1 to 5."""

    def load_pretrained(self, source: str) -> None:
        """Fill the weights from "imagenet" or a file.

        Raises:
            CheckpointError: They are not to be had, or do not fit.
        """

    def parameters(self) -> Any:  # noqa: ANN401 - that of nn.Module
        """The parameters, as of any module."""


def resnet18(
    input_channels: int = 3, *, width: PositiveInt = 64, last_stride: Literal[1, 2] = 2
) -> ResNet:
    """ResNet-18 (He et al., CVPR 2016).

    Args:
        input_channels: Channels of the images.
        width: Channels of the stem; 64 is the published network.
        last_stride: 2, or 1 for a twice larger C(5).
    """
    return ResNet(18, width=width, last_stride=last_stride, input_channels=input_channels)


def resnet50(
    input_channels: int = 3, *, width: PositiveInt = 64, last_stride: Literal[1, 2] = 2
) -> ResNet:
    """ResNet-50 (He et al., CVPR 2016), the stride on the 3x3 convolution.

    Args:
        input_channels: Channels of the images.
        width: Channels of the stem; 64 is the published network.
        last_stride: 2, or 1 for a twice larger C(5).
    """
    return ResNet(50, width=width, last_stride=last_stride, input_channels=input_channels)


class _Level(nn.Module):
    """One stage of a timm network: a slice of its feature extractor."""

    def __init__(self, body: nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        for name in names:
            self.add_module(name, body.get_submodule(name))

    def forward(self, x: Tensor) -> Tensor:
        for child in self.children():
            x = child(x)
        return x


class TimmBackbone(nn.Module):
    """A timm network made with ``features_only=True``, taken apart into the paper's stages.

    Args:
        network: Its children run one after the other, as timm's ``FeatureListNet`` does it.
        input_channels: Channels of the images.
    """

    def __init__(self, network: nn.Module, input_channels: int) -> None:
        super().__init__()
        info = network.feature_info
        channels, reductions, modules = (
            list(cast(Any, info).channels()),
            list(cast(Any, info).reduction()),
            list(cast(Any, info).module_name()),
        )
        wanted = [2, 4, 8, 16, 32]
        if [r for r in reductions if r in wanted][-4:] != wanted[1:]:
            raise ConfigError(
                f"the timm network has features at reductions {reductions}; stages at 4, 8, 16 and "
                "32 are needed; choose another network"
            )
        self.input_channels = input_channels
        self.stage_channels = {
            stage: channels[reductions.index(2**stage)] for stage in (2, 3, 4, 5)
        }
        ends = {modules[reductions.index(2**stage)]: stage for stage in (2, 3, 4, 5)}
        names = [name for name, _ in network.named_children()]
        self._stages = nn.Sequential()
        self.stage_ends: Mapping[str, int] = {f"stage{stage}": stage for stage in (1, 2, 3, 4, 5)}
        part: list[str] = []
        stage = 1
        for name in names:
            end = ends.get(name) or ends.get(name.replace("_", "."))
            if stage == 1 and end == 2:  # everything before the first stage's module is the stem
                self._stages.add_module("stage1", _Level(network, tuple(part)))
                part, stage = [], 2
            part.append(name)
            if end is not None:
                self._stages.add_module(f"stage{end}", _Level(network, tuple(part)))
                part, stage = [], end + 1

    def stages(self, first: int, last: int) -> nn.Sequential:
        """Return stages ``first`` to ``last``, the network's own modules."""
        chosen = nn.Sequential()
        for name, child in self._stages.named_children():
            if first <= self.stage_ends[name] <= last:
                chosen.add_module(name, child)
        return chosen

    def load_pretrained(self, source: str) -> None:
        """Refuse: timm fills its own weights, by the option ``pretrained``."""
        raise ConfigError(
            f"weights {source} cannot be read into a timm backbone; set model.weights to none and "
            "model.backbone.pretrained to true"
        )


def timm_backbone(
    input_channels: int = 3, *, network: str = "resnet50", pretrained: bool = False
) -> TimmBackbone:
    """Any timm network with features at strides 4 to 32; timm must be installed.

    Args:
        input_channels: Channels of the images.
        network: Its name in timm, e.g. "convnext_tiny".
        pretrained: Whether timm fetches its weights.

    Raises:
        ConfigError: timm is not installed, or has no such network.
    """
    try:
        from timm import create_model
    except ImportError as error:
        raise ConfigError(
            f"backbone timm needs the package timm, which cannot be imported ({error}); "
            "run pip install timm, or choose another backbone"
        ) from error
    try:
        made: nn.Module = create_model(
            network, pretrained=pretrained, features_only=True, in_chans=input_channels
        )
    except (RuntimeError, ValueError, KeyError) as error:
        raise ConfigError(
            f"timm cannot make network {network!r} ({error}); give a name of timm.list_models()"
        ) from error
    return TimmBackbone(made, input_channels)


BACKBONES = {"resnet18": resnet18, "resnet50": resnet50, "timm": timm_backbone}
"""Backbones by the name that ``model.backbone`` takes."""
