"""Backbone, pyramid and heads become one network; what any other network has to offer.

Shapes: V visible and I infrared images ``(V, 3, H, W)``, ``(I, 3, H, W)``; M identities;
C channels of C(5); P channels of a pyramid level; D numbers per embedding.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol

import torch
from torch import Tensor, nn

from fprnet.components import Component
from fprnet.data.records import Modality
from fprnet.errors import ConfigError
from fprnet.kinds import AUXILIARY, BACKBONE, HEAD
from fprnet.models.heads import HeadOutput
from fprnet.models.network_input import NetworkInput
from fprnet.models.pyramid import FeaturePyramid
from fprnet.models.reidentifier import Gather, Reidentifier
from fprnet.models.streams import Streams
from fprnet.ranges import PositiveInt

__all__ = [
    "Network",
    "PyramidOptions",
    "build_network",
    "classifier_keys",
    "players_of",
    "streams",
    "untrained",
]

Stages = Annotated[int, "0 to 5"]


class Network(Protocol):
    """What training, extraction and export need of a network: an ``nn.Module`` with these.

    It may have more, which is used where it is there: ``players()`` (parameters by player and
    group; without it all parameters are one group, "network"), ``local_parts()`` (modules that see
    only the images of one process, whose BatchNorm must be synchronised), ``embedding_maps`` and
    ``head`` (why two images match).
    """

    @property
    def embedding_size(self) -> int:
        """D."""

    def forward(
        self,
        visible: Tensor,
        infrared: Tensor,
        visible_labels: Tensor,
        infrared_labels: Tensor,
        gather: Gather | None = None,
    ) -> Mapping[str, HeadOutput]:
        """Return every head's output for a training batch, as `Reidentifier.forward` does.

        ``gather`` is given only where several processes share a batch; a network without it trains
        in one process.
        """

    def embed(self, images: Tensor, modality: Modality) -> Tensor:
        """Return ``(N, D)`` float32 embeddings of unit length for ``(N, 3, H, W)`` images."""


@dataclass(frozen=True)
class PyramidOptions:
    """Feature pyramid over the backbone's stages (paper Eq. 1).

    Attributes:
        order: Which map is upsampled: "paper" (the smoothed one), "released" (before smoothing),
            "linear" (1x1 convolutions only), or "none".
        channels: P.
        shared: One pyramid for both modalities.
    """

    order: Literal["none", "linear", "released", "paper"] = "none"
    channels: PositiveInt = 256
    shared: bool = False


def streams(
    identities: int,
    *,
    input: NetworkInput = "rgb",
    backbone: Annotated[Component, BACKBONE] = Component(BACKBONE, "resnet50"),  # noqa: B008
    weights: str = "imagenet",
    separate_stages: Stages = 5,
    separate_norms: bool = False,
    pyramid: PyramidOptions = PyramidOptions(),
    head: Annotated[Component, HEAD] = Component(HEAD, "levels"),  # noqa: B008
    auxiliaries: Annotated[Mapping[str, Component], AUXILIARY] = {},
    mirrored: bool = False,
) -> Reidentifier:
    """A backbone per modality, apart or shared from some stage on; a pyramid; heads.

    Args:
        identities: M, the people that its classifiers tell apart.
        input: "rgb"; "standardised": each image's channels with mean 0 and deviation 1, so that its
            exposure, contrast and white balance are gone; or "zero-padded": [gray, 0] for visible
            and [0, infrared] for infrared images.
        backbone: Network that both modalities start from.
        weights: What the backbone starts from: "imagenet", "none" or a file.
        separate_stages: Stages that each modality has for itself: 0 (one-stream) to 5 (two
            networks).
        separate_norms: Whether each modality has BatchNorm layers of its own in the shared stages.
        pyramid: Feature pyramid over the stages.
        head: Pooled maps to training outputs and embeddings.
        auxiliaries: Modules that see the outputs of head "main" in training, by name.
        mirrored: Whether a test embedding is that of an image and its mirror image together, at
            twice the cost; training is the same.

    Returns:
        The network, in training mode. Its random weights come from torch's global generator.

    Raises:
        CheckpointError: The weights are not to be had, or do not fit the backbone.
        ConfigError: The backbone lacks something of `fprnet.models.backbones.Backbone`.
    """
    trunk = backbone.build(2 if input == "zero-padded" else 3)
    if weights != "none":
        trunk.load_pretrained(weights)
    channels = trunk.stage_channels
    heads = head.build(channels[5], pyramid.channels, identities)
    visible = _pyramid(pyramid, channels, tuple(heads.stripes_of("visible")))
    infrared = _pyramid(pyramid, channels, tuple(heads.stripes_of("infrared")))
    pyramids: FeaturePyramid | tuple[FeaturePyramid, FeaturePyramid] | None = visible
    if visible is not None and infrared is not None and not pyramid.shared:
        pyramids = (visible, infrared)
    both = Streams(trunk, separate_stages, separate_norms=separate_norms, input=input)
    watchers = {name: one.build(heads.main_features) for name, one in auxiliaries.items()}
    return Reidentifier(both, pyramids, heads, watchers, mirrored=mirrored)


def _faults(options: Mapping[str, Any], config: Any) -> Iterable[str]:  # noqa: ANN401
    stages = options["separate_stages"]
    if not 0 <= stages <= 5:
        yield f"model.separate_stages is {stages}, it is from 0 (one-stream) to 5 (two networks)"
    if options["separate_norms"] and stages == 5:
        yield (
            "model.separate_norms is true but model.separate_stages is 5, which shares nothing; "
            "leave model.separate_norms out"
        )


streams.faults = _faults  # type: ignore[attr-defined]


def _pyramid(
    options: PyramidOptions, channels: Mapping[int, int], levels: tuple[int, ...]
) -> FeaturePyramid | None:
    if options.order == "none":
        return None
    if options.order == "linear":  # only the stages that the levels depend on
        channels = {stage: count for stage, count in channels.items() if stage >= min(levels)}
    return FeaturePyramid(
        dict(channels), channels=options.channels, order=options.order, levels=levels
    )


def build_network(network: Component, identities: int) -> Any:  # noqa: ANN401 - a Network
    """Return the network that a component makes, if it has what every network has to have.

    Args:
        network: Component of a config.
        identities: M.

    Raises:
        ConfigError: It is no module, or something of `Network` is missing.
        CheckpointError: Its first weights are not to be had.
    """
    model = network.build(identities)
    if not isinstance(model, nn.Module) or type(model).forward is nn.Module.forward:
        raise ConfigError(
            f"network {network.name} is no nn.Module with a forward; "
            "fprnet.methods.network.Network says what it takes and returns"
        )
    return model


def untrained(network: Component) -> Component:
    """Return a network component that starts from no weights: a checkpoint's will replace them."""
    options = {
        name: untrained(value) if isinstance(value, Component) else value
        for name, value in network.options.items()
    }
    if "weights" in options:
        options["weights"] = "none"
    return network.with_options(**options)


def classifier_keys(network: Component) -> set[str]:
    """Return the keys of the weights whose shape depends on how many people there are."""
    try:
        one, two = (_shapes(network, count, "meta") for count in (1, 2))
    except Exception:  # a network of somebody's own may need numbers when it is made
        one, two = (_shapes(network, count, "cpu") for count in (1, 2))
    return {key for key, shape in one.items() if shape != two[key]}


def _shapes(network: Component, identities: int, device: str) -> dict[str, torch.Size]:
    with torch.random.fork_rng(devices=[]), torch.device(device):
        state = untrained(network).build(identities).state_dict()
    return {key: value.shape for key, value in state.items()}


def players_of(network: nn.Module) -> dict[str, dict[str, list[nn.Parameter]]]:
    """Return the trainable parameters of a network by player and by group.

    Every player has an optimiser of its own: "model", and where there is one its "adversary".
    """
    declared = getattr(network, "players", None)
    if declared is not None:
        players: dict[str, dict[str, list[nn.Parameter]]] = declared()
        return players
    return {"model": {"network": [p for p in network.parameters() if p.requires_grad]}}
