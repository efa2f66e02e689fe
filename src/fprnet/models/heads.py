"""Pooled vectors to logits: the pieces that every prediction module is built from.

Shapes: R rows (images, or cells of a fusion block), D features, M identities.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, NamedTuple, Protocol

import torch.nn.functional as F
from torch import Tensor, nn

from fprnet.models.precision import at_least_float32
from fprnet.models.svd_layer import SvdLayer

__all__ = [
    "ActivatedLayers",
    "Activation",
    "BatchNormNeck",
    "HeadOutput",
    "Layer",
    "ProjectionHead",
    "StageMaps",
    "activated",
    "identity_classifier",
    "unit_length",
]

Layer = Literal["eigenlayer", "linear-batchnorm"]
Activation = Literal["leaky-relu", "relu", "none"]
ActivatedLayers = Literal["all", "first"]

LEAKY_SLOPE = 0.1
CLASSIFIER_STD = 0.001


class StageMaps(Protocol):
    """The maps that a head's rows come from, brought together only where they are asked for."""

    def __call__(self, stage: int | None = None) -> Tensor:
        """Return C(stage) ``(R, C, H, W)``, row by row as the head's features.

        Args:
            stage: 2 to 5; None is the head's own, 5 of head "main" and k of head "level<k>".
        """


class HeadOutput(NamedTuple):
    """What one head says about its rows in training.

    Attributes:
        features: ``(R, D)``, what ranking losses compare.
        logits: ``(R, M)``, what cross entropy sees.
        labels: ``(R,)`` int64 in 0..M-1.
        visible_rows: V, where the first V rows are of visible images and the others of infrared
            ones; None where one row is of both (cells of a fusion block).
        maps: The backbone's maps of the same rows, in the trunk's precision; None where a head's
            rows are not the batch's, and of networks that do not hand them out.
        head: Name of the head, which a training gives it: "main", "level4", ...
    """

    features: Tensor
    logits: Tensor
    labels: Tensor
    visible_rows: int | None = None
    maps: StageMaps | None = None
    head: str = "main"


def activated(x: Tensor, activation: Activation) -> Tensor:
    """Return ``x`` after an activation by name; "leaky-relu" has the released code's slope 0.1."""
    match activation:
        case "leaky-relu":
            return F.leaky_relu(x, LEAKY_SLOPE)
        case "relu":
            return F.relu(x)
        case "none":
            return x
    raise ValueError(f"activation {activation!r} is unknown; use leaky-relu, relu or none")


def unit_length(x: Tensor) -> Tensor:
    """Return the rows of ``(N, D)`` divided by their Euclidean length, float32."""
    return F.normalize(at_least_float32(x), dim=1)


def identity_classifier(features: int, identities: int, *, bias: bool) -> nn.Linear:
    """Return ``Linear(features, identities)``, weights N(0, 0.001) and bias 0."""
    classifier = nn.Linear(features, identities, bias=bias)
    nn.init.normal_(classifier.weight, std=CLASSIFIER_STD)
    if bias:
        nn.init.zeros_(classifier.bias)
    return classifier


class BatchNormNeck(nn.BatchNorm1d):
    """BNNeck without a bias (Luo et al., CVPR workshops 2019): ranking before, classifier after."""

    def __init__(self, features: int) -> None:
        super().__init__(features)
        self.register_parameter("bias", None)


class ProjectionHead(nn.Module):
    """Layers of one kind, with an activation after all of them or after the first.

    Args:
        inputs: Size of the incoming vectors.
        sizes: Size after each layer, e.g. ``(128, 64)``.
        layer: "eigenlayer" (SVD layer: no bias, no BatchNorm) or "linear-batchnorm" (Linear
            Kaiming fan_out with bias 0, then BatchNorm1d with weight N(1, 0.01), as released).
        activation: Function after the activated layers.
        activated_layers: "all", or "first": x -> layer -> activation -> layer -> features.
    """

    def __init__(
        self,
        inputs: int,
        sizes: Sequence[int],
        *,
        layer: Layer,
        activation: Activation,
        activated_layers: ActivatedLayers = "all",
    ) -> None:
        super().__init__()
        if not sizes:
            raise ValueError("a projection head needs at least one layer size")
        if activated_layers not in ("all", "first"):
            raise ValueError(f"activated_layers is {activated_layers!r}; use all or first")
        self.activation: Activation = activation
        self.activated_layers: ActivatedLayers = activated_layers
        self.outputs = sizes[-1]
        self.layers = nn.ModuleList(
            _projection(before, after, layer) for before, after in pairwise((inputs, *sizes))
        )

    def forward(self, x: Tensor, *, activate_last: bool = True) -> Tensor:
        """Return ``(R, sizes[-1])`` for ``(R, inputs)``.

        Args:
            x: Incoming vectors.
            activate_last: False leaves the activation after the last layer out.
        """
        for number, layer in enumerate(self.layers, start=1):
            x = layer(x)
            is_activated = self.activated_layers == "all" or number == 1
            if is_activated and (activate_last or number < len(self.layers)):
                x = activated(x, self.activation)
        return x


def _projection(inputs: int, outputs: int, layer: Layer) -> nn.Module:
    match layer:
        case "eigenlayer":
            return SvdLayer(inputs, outputs)
        case "linear-batchnorm":
            linear, norm = nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs)
            nn.init.kaiming_normal_(linear.weight, mode="fan_out")
            nn.init.zeros_(linear.bias)
            nn.init.normal_(norm.weight, mean=1.0, std=0.01)
            return nn.Sequential(linear, norm)
    raise ValueError(f"layer {layer!r} is unknown; use eigenlayer or linear-batchnorm")
