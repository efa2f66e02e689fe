"""FPRnet as published, written plainly: float32, NCHW, two backbones, the full pyramid, eager.

The slow side of the benchmarks of embedding and training, and an oracle of preset ``released``
(docs/model.md). It shares no code with :mod:`fprnet.models`;
only the names of that preset's parameters are known here, so that weights can be copied. Shapes:
B images of each modality, M identities, maps ``(B, C, H, W)``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import SGD

from fprnet.data.records import Modality

__all__ = [
    "PlainFprnet",
    "PlainLogits",
    "copy_released_weights",
    "plain_loss",
    "plain_optimizer",
    "plain_training_step",
]

RESNET50 = (3, 4, 6, 3)
PYRAMID_CHANNELS = 256
LEAKY_SLOPE = 0.1

# Where a plain module's weights stand in a model of preset `released`.
RELEASED_NAMES = {
    "visible.backbone.": "streams.visible.",
    "infrared.backbone.": "streams.infrared.",
    "visible.lateral": "pyramids.visible.lateral.",
    "infrared.lateral": "pyramids.infrared.lateral.",
    "visible.smooth": "pyramids.visible.smooth.",
    "infrared.smooth": "pyramids.infrared.smooth.",
    "main.": "head.main_head.layers.0.",
    "main_classifier.": "head.main_classifier.linear.",
    "fusion1.": "head.fusion_head.layers.0.",
    "fusion2.": "head.fusion_head.layers.1.",
    "fusion_classifier.": "head.fusion_classifier.linear.",
}


class PlainLogits(NamedTuple):
    """What the four blocks say in training.

    Attributes:
        main: ``(2 B, M)``, visible rows first.
        fusion: ``(8 B, M)``, in the order r5 i5 i4 r4 r5 i5 i2 r2.
        visible: ``(B, M)``.
        infrared: ``(B, M)``.
    """

    main: Tensor
    fusion: Tensor
    visible: Tensor
    infrared: Tensor


class PlainBottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions and the shortcut (He et al., CVPR 2016)."""

    def __init__(self, inputs: int, planes: int, stride: int) -> None:
        super().__init__()
        outputs = 4 * planes
        self.conv1 = nn.Conv2d(inputs, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(B, 4 planes, H / stride, W / stride)``."""
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class PlainBackbone(nn.Module):
    """ResNet of bottlenecks without its average pool and classifier."""

    def __init__(self, width: int, blocks: Sequence[int]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        inputs = width
        for number, count in enumerate(blocks):
            planes, layer = width * 2**number, nn.Sequential()
            for block in range(count):
                stride = 2 if number > 0 and block == 0 else 1
                layer.append(PlainBottleneck(inputs, planes, stride))
                inputs = 4 * planes
            self.add_module(f"layer{number + 1}", layer)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return C(2), C(3), C(4), C(5) of ``(B, 3, H, W)``."""
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(images))), 3, stride=2, padding=1)
        c2 = self.get_submodule("layer1")(x)
        c3 = self.get_submodule("layer2")(c2)
        c4 = self.get_submodule("layer3")(c3)
        return c2, c3, c4, self.get_submodule("layer4")(c4)


class PlainStream(nn.Module):
    """One modality: its backbone and its pyramid."""

    def __init__(self, width: int, blocks: Sequence[int]) -> None:
        super().__init__()
        self.backbone = PlainBackbone(width, blocks)
        channels = PYRAMID_CHANNELS
        self.lateral2 = nn.Conv2d(4 * width, channels, 1)
        self.lateral3 = nn.Conv2d(8 * width, channels, 1)
        self.lateral4 = nn.Conv2d(16 * width, channels, 1)
        self.lateral5 = nn.Conv2d(32 * width, channels, 1)
        self.smooth2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.smooth3 = nn.Conv2d(channels, channels, 3, padding=1)
        self.smooth4 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, images: Tensor) -> tuple[Tensor, dict[int, Tensor]]:
        """Return the pooled C(5), ``(B, 32 width)``, and the pooled levels, ``(B, 256)`` each."""
        c2, c3, c4, c5 = self.backbone(images)
        p5 = self.lateral5(c5)
        p4 = _upsample_add(p5, self.lateral4(c4))
        p3 = _upsample_add(p4, self.lateral3(c3))
        p2 = _upsample_add(p3, self.lateral2(c2))
        p4 = self.smooth4(p4)
        p3 = self.smooth3(p3)  # P(3) goes nowhere
        p2 = self.smooth2(p2)
        return _pool(c5), {5: _pool(p5), 4: _pool(p4), 3: _pool(p3), 2: _pool(p2)}


class PlainFprnet(nn.Module):
    """The published network.

    Args:
        identities: M.
        width: Channels of the stem, 64 as published.
        blocks: Bottlenecks of each stage, those of ResNet-50 as published.
    """

    def __init__(
        self, identities: int, *, width: int = 64, blocks: Sequence[int] = RESNET50
    ) -> None:
        super().__init__()
        self.visible = PlainStream(width, blocks)
        self.infrared = PlainStream(width, blocks)
        self.main = nn.Sequential(nn.Linear(32 * width, 512), nn.BatchNorm1d(512))
        self.main_classifier = nn.Linear(512, identities)
        self.fusion1 = nn.Sequential(nn.Linear(PYRAMID_CHANNELS, 128), nn.BatchNorm1d(128))
        self.fusion2 = nn.Sequential(nn.Linear(128, 64), nn.BatchNorm1d(64))
        self.fusion_classifier = nn.Linear(64, identities)

    def forward(self, visible: Tensor, infrared: Tensor) -> PlainLogits:
        """Return the logits of a training batch, ``(B, 3, H, W)`` of either modality."""
        c5_r, r = self.visible(visible)
        c5_i, i = self.infrared(infrared)
        fusion = torch.cat([r[5], i[5], i[4], r[4], r[5], i[5], i[2], r[2]])
        fusion = F.relu(self.fusion2(F.relu(self.fusion1(fusion))))
        main = _leaky(self.main(torch.cat([c5_r, c5_i])))
        return PlainLogits(
            main=self.main_classifier(_leaky(main)),
            fusion=self.fusion_classifier(_leaky(fusion)),
            visible=self.main_classifier(_leaky(self.main(c5_r))),
            infrared=self.main_classifier(_leaky(self.main(c5_i))),
        )

    def embed(self, images: Tensor, modality: Modality) -> Tensor:
        """Return ``(B, 512)`` rows of unit length; the pyramid is computed though nobody asks."""
        stream = self.visible if modality == "visible" else self.infrared
        c5, _ = stream(images)
        return F.normalize(_leaky(self.main(c5)), dim=1)


def copy_released_weights(plain: PlainFprnet, state: Mapping[str, Tensor]) -> None:
    """Fill the plain network with the weights of a model of preset ``released``.

    Args:
        plain: Network of the same width, blocks and identities.
        state: The model's state dict.

    Raises:
        KeyError: The model has no such weight.
        RuntimeError: A shape differs.
    """
    copied = {}
    for name in plain.state_dict():
        start = max((s for s in RELEASED_NAMES if name.startswith(s)), key=len)
        copied[name] = state[RELEASED_NAMES[start] + name.removeprefix(start)]
    plain.load_state_dict(copied)


def plain_loss(logits: PlainLogits, labels: Tensor) -> Tensor:
    """Return L_ri + L_r + L_i + e^|d| of ``(B,)`` labels of the rows of either modality.

    The block with more right rows gives L_ri, ties go to the main block; e^|d| is a plain number.
    """
    main_labels, fusion_labels = labels.repeat(2), labels.repeat(8)
    main_right = (logits.main.argmax(1) == main_labels).sum().item()
    fusion_right = (logits.fusion.argmax(1) == fusion_labels).sum().item()
    main_loss = F.cross_entropy(logits.main, main_labels)
    fusion_loss = F.cross_entropy(logits.fusion, fusion_labels)
    visible_loss = F.cross_entropy(logits.visible, labels)
    infrared_loss = F.cross_entropy(logits.infrared, labels)
    joint = fusion_loss if fusion_right > main_right else main_loss
    d = joint.item() - (visible_loss.item() + infrared_loss.item()) / 2
    return joint + visible_loss + infrared_loss + math.exp(abs(d))


def plain_optimizer(model: PlainFprnet, learning_rate: float = 0.01) -> SGD:
    """Return SGD as published: the main head at the full rate, everything else at a tenth."""
    head = [*model.main.parameters(), *model.main_classifier.parameters()]
    own = {id(parameter) for parameter in head}
    rest = [parameter for parameter in model.parameters() if id(parameter) not in own]
    groups: list[dict[str, Any]] = [
        {"params": rest, "lr": 0.1 * learning_rate},
        {"params": head},
    ]
    return SGD(groups, lr=learning_rate, momentum=0.9, weight_decay=5e-4, nesterov=True)


def plain_training_step(
    model: PlainFprnet, optimizer: SGD, visible: Tensor, infrared: Tensor, labels: Tensor
) -> float:
    """Train on one batch and return its loss."""
    loss = plain_loss(model(visible, infrared), labels)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return loss.item()


def _upsample_add(coarse: Tensor, fine: Tensor) -> Tensor:
    size = fine.shape[-2:]
    return F.interpolate(coarse, size=size, mode="bilinear", align_corners=True) + fine


def _pool(maps: Tensor) -> Tensor:
    return F.adaptive_avg_pool2d(maps, (1, 1)).flatten(1)


def _leaky(x: Tensor) -> Tensor:
    return F.leaky_relu(x, LEAKY_SLOPE)
