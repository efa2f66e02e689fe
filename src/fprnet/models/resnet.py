"""ResNet-18 and ResNet-50 under torchvision's key names, taken apart into the paper's stages.

Shapes: N images ``(N, 3, H, W)``; stage k = 1..5 ends in a map of C_k channels and about
H / 2^k x W / 2^k pixels (stage 1 after its max pool H / 4; stage 5 H / 16 with last stride 1).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from fprnet.models.weights import load_backbone_weights

__all__ = ["STAGE_ENDS", "BasicBlock", "Bottleneck", "Depth", "ResNet"]

Depth = Literal[18, 50]

STAGE_ENDS = {"maxpool": 1, "layer1": 2, "layer2": 3, "layer3": 4, "layer4": 5}
"""The child that ends each stage of the paper's Table 1 (C(1) is counted after the max pool)."""


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and the shortcut (He et al., CVPR 2016, Fig. 5 left).

    Args:
        inputs: Channels that come in.
        planes: Channels of the convolutions, and that go out.
        stride: Stride of the first convolution.
    """

    expansion = 1
    children_in_order = True  # bn1 follows conv1, and so on: they may be folded

    def __init__(self, inputs: int, planes: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, planes, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = _shortcut(inputs, planes, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(N, planes, H / stride, W / stride)`` for ``(N, inputs, H, W)``."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(_strided(self.conv1, x)))
        x = self.bn2(self.conv2(x))
        x += shortcut
        return self.relu(x)  # type: ignore[no-any-return]


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions and the shortcut, the stride on the 3x3 as in torchvision.

    Args:
        inputs: Channels that come in.
        planes: Channels of the 3x3; 4 x planes go out.
        stride: Stride of the 3x3 convolution.
    """

    expansion = 4
    children_in_order = True  # bn1 follows conv1, and so on: they may be folded

    def __init__(self, inputs: int, planes: int, stride: int = 1) -> None:
        super().__init__()
        outputs = planes * self.expansion
        self.conv1 = nn.Conv2d(inputs, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(N, 4 planes, H / stride, W / stride)`` for ``(N, inputs, H, W)``."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(_strided(self.conv2, x)))
        x = self.bn3(self.conv3(x))
        x += shortcut
        return self.relu(x)  # type: ignore[no-any-return]


class ResNet(nn.Sequential):
    """ResNet without its average pool and classifier (He et al., CVPR 2016).

    Children and keys are torchvision's: conv1, bn1, relu, maxpool, layer1 .. layer4. Initialised
    as there: convolutions Kaiming fan_out, BatchNorm 1 and 0.

    Args:
        depth: 18 or 50.
        width: Channels of the stem; planes are ``width x (1, 2, 4, 8)``. 64 is the real thing, 32
            the tiny scale.
        last_stride: 2, or 1 for a twice larger C(5).
        input_channels: Channels of the images.
    """

    def __init__(
        self,
        depth: Depth,
        *,
        width: int = 64,
        last_stride: Literal[1, 2] = 2,
        input_channels: int = 3,
    ) -> None:
        if depth not in (18, 50):
            raise ValueError(f"ResNet depth is {depth}; only 18 and 50 exist here")
        if last_stride not in (1, 2):
            raise ValueError(f"last_stride is {last_stride}; it must be 1 or 2")
        block: type[BasicBlock | Bottleneck] = BasicBlock if depth == 18 else Bottleneck
        blocks = (2, 2, 2, 2) if depth == 18 else (3, 4, 6, 3)
        children: OrderedDict[str, nn.Module] = OrderedDict(
            conv1=nn.Conv2d(input_channels, width, 7, stride=2, padding=3, bias=False),
            bn1=nn.BatchNorm2d(width),
            relu=nn.ReLU(inplace=True),
            maxpool=nn.MaxPool2d(3, stride=2, padding=1),
        )
        inputs = width
        for number, (count, stride) in enumerate(zip(blocks, (1, 2, 2, last_stride), strict=True)):
            planes = width * 2**number
            strides = (stride, *[1] * (count - 1))
            layer = nn.Sequential()
            for step in strides:
                layer.append(block(inputs, planes, step))
                inputs = planes * block.expansion
            children[f"layer{number + 1}"] = layer
        super().__init__(children)
        self.depth: Depth = depth
        self.width = width
        self.input_channels = input_channels
        self.stage_channels = {
            stage: width * 2 ** (stage - 2) * block.expansion for stage in (2, 3, 4, 5)
        }
        """C_k of the stages 2..5."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    @property
    def stage_ends(self) -> dict[str, int]:
        """Name of the child that ends a stage -> the stage."""
        return STAGE_ENDS

    def load_pretrained(self, source: str) -> None:
        """Fill the weights from "imagenet" or a file, as `load_backbone_weights` does."""
        load_backbone_weights(self, source)

    def stages(self, first: int, last: int) -> nn.Sequential:
        """Return stages ``first`` to ``last`` (1..5, both included) under their own key names.

        The modules are this network's own, not copies; ``first > last`` gives none.
        """
        part = nn.Sequential()
        stage = 1
        for name, child in self.named_children():
            if first <= stage <= last:
                part.add_module(name, child)
            stage += name in STAGE_ENDS
        return part


def _strided(convolution: nn.Conv2d, x: Tensor) -> Tensor:
    """Return what a padded 3x3 convolution makes of images.

    In bfloat16 with matrix units (AMX), oneDNN 3.12, that of PyTorch 2.13 and OpenVINO, writes
    garbage where a stride leaves an output one pixel wide. It is made wider, by zeros, and cut.
    """
    stride = convolution.stride[1]
    if stride == 1 or x.shape[3] > stride:
        return convolution(x)  # type: ignore[no-any-return]
    return convolution(F.pad(x, (0, stride)))[..., :1]  # type: ignore[no-any-return]


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Sequential | None:
    """1x1 projection where shape changes, nothing where it does not (option B of the paper)."""
    if stride == 1 and inputs == outputs:
        return None
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs)
    )
