"""Images of both modalities to stage maps C(2)..C(5): separate shallow stages, shared deep ones.

Shapes: V visible and I infrared images ``(V, 3, H, W)``, ``(I, 3, H, W)``; V or I may be 0.
"""

from __future__ import annotations

import copy

from torch import Tensor, nn

from fprnet.data.records import MODALITIES
from fprnet.models.backbones import Backbone
from fprnet.models.network_input import NetworkInput, Standardisation, ZeroPadding
from fprnet.models.pair import Pair

__all__ = ["Streams"]


class Streams(nn.Module):
    """A backbone whose first stages exist once per modality (Wu et al., ICCV 2017).

    Shared stages run once over the rows of both modalities, so that their BatchNorm sees both.
    Both separate streams start from the same weights, those of ``backbone``: streams that start
    apart do not find together, since only a shared head would align them.

    Args:
        backbone: Network, weights already loaded; its modules become the visible and shared ones.
        separate_stages: Stages that are separate: 0 shares everything (one-stream), 1 separates
            the stem, 2 also the first residual stage, ..., 5 separates everything.
        separate_norms: Whether each modality has BatchNorm layers of its own in the shared stages,
            too, weights and statistics (Chang et al., CVPR 2019). Each modality then runs through
            a network of its own, as where all stages are separate, whose other weights are shared.
        input: What the backbone is fed with: the normalised images ("rgb"), the same with each
            channel's own mean and deviation removed ("standardised"), or each modality in a channel
            of its own ("zero-padded"; the backbone then takes two channels).
    """

    def __init__(
        self,
        backbone: Backbone,
        separate_stages: int,
        *,
        separate_norms: bool = False,
        input: NetworkInput = "rgb",
    ) -> None:
        super().__init__()
        if not 0 <= separate_stages <= 5:
            raise ValueError(
                f"separate_stages is {separate_stages}; it must be 0 (all shared) to 5 (all apart)"
            )
        expected = 2 if input == "zero-padded" else 3
        if backbone.input_channels != expected:
            raise ValueError(
                f"the backbone takes {backbone.input_channels} channels; it must take {expected}"
            )
        self.separate_stages = separate_stages
        self.stage_ends = dict(backbone.stage_ends)
        self.stage_channels = dict(backbone.stage_channels)
        last_apart = 5 if separate_norms else separate_stages
        one_for_both = _weights_but_norms(backbone.stages(separate_stages + 1, last_apart))
        self.visible = backbone.stages(1, last_apart)
        # What deepcopy finds among the copies already made, it takes as it is.
        self.infrared = copy.deepcopy(self.visible, {id(weight): weight for weight in one_for_both})
        self.shared = backbone.stages(last_apart + 1, 5)
        self.inputs: nn.ModuleDict | None = None
        if input == "zero-padded":
            self.inputs = nn.ModuleDict(
                {modality: ZeroPadding(modality) for modality in MODALITIES}
            )
        elif input == "standardised":
            self.inputs = nn.ModuleDict({modality: Standardisation() for modality in MODALITIES})

    def forward(self, visible: Tensor, infrared: Tensor) -> dict[int, Pair]:
        """Return the maps of stages 2 to 5.

        Args:
            visible: ``(V, 3, H, W)`` normalised images.
            infrared: ``(I, 3, H, W)``, of the same size.

        Returns:
            Stage number -> maps ``(V + I, C_k, H_k, W_k)``.
        """
        rows = Pair.of(visible, infrared)
        if self.inputs is not None:
            rows = rows.through(self.inputs["visible"], self.inputs["infrared"])
        maps: dict[int, Pair] = {}
        separate = zip(self.visible.named_children(), self.infrared.children(), strict=True)
        blocks = [(name, block, other) for (name, block), other in separate]
        blocks += [(name, block, block) for name, block in self.shared.named_children()]
        for name, block_of_visible, block_of_infrared in blocks:
            rows = rows.through(block_of_visible, block_of_infrared)
            if name in self.stage_ends:
                maps[self.stage_ends[name]] = rows
        del maps[1]  # the paper leaves C(1) out: too large
        return maps


def _weights_but_norms(stages: nn.Module) -> list[nn.Parameter]:
    """Return the parameters of all layers that are no BatchNorm."""
    layers = (layer for layer in stages.modules() if not isinstance(layer, nn.BatchNorm2d))
    return [weight for layer in layers for weight in layer.parameters(recurse=False)]
