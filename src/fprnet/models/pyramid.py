"""Feature pyramid: stages C(k) become equally wide maps P'(k), coarse merged into fine; pooled.

Shapes: N images; stage k has C_k channels and a map of H_k x W_k (about half the one before,
sizes may be odd); every pyramid level has P channels.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from fprnet.models.collapsed_pyramid import collapsed_levels
from fprnet.models.pooling import pool_stripes
from fprnet.models.precision import without_autocast
from fprnet.models.weight_maps import Order

__all__ = ["FeaturePyramid", "Order"]


class FeaturePyramid(nn.Module):
    """Top-down path with lateral connections (paper 3.1.1, Table 2, Eq. 1).

    ``order`` is what is handed down to the next finer level:
        "released": the merged map before its smoothing, as in Lin et al. (CVPR 2017);
        "paper": the smoothed P'(k + 1), as Eq. 1 is written;
        "linear": the merged map, and there is no smoothing at all and no bias (whatever follows
            cancels it), so that levels are linear in the stages (preset ``fprnet``).

    Every order but "linear" smooths each level except the coarsest with a 3x3 convolution.
    Initialised Kaiming fan_in with bias 0, as released; "linear" with the gain of a linear layer.
    Parameters on which no asked-for level depends are kept, so that all pyramids of one set of
    stages have the same keys and size, but frozen: nothing would ever give them a gradient.

    Args:
        stage_channels: Stage number -> C_k, e.g. ``{2: 256, 3: 512, 4: 1024, 5: 2048}``.
        channels: P.
        order: See above.
        levels: Levels that ``forward`` returns; None returns every stage's.
        collapsed: ``pool`` never computes the maps (:mod:`fprnet.models.collapsed_pyramid`); False
            computes and pools them, the same up to rounding.
    """

    def __init__(
        self,
        stage_channels: Mapping[int, int],
        *,
        channels: int = 256,
        order: Order = "released",
        levels: Collection[int] | None = None,
        collapsed: bool = True,
    ) -> None:
        super().__init__()
        self.stages = tuple(sorted(stage_channels, reverse=True))  # coarsest first
        self.levels = self.stages if levels is None else tuple(sorted(levels, reverse=True))
        if unknown := sorted(set(self.levels) - set(self.stages)):
            raise ValueError(f"level {unknown[0]} is asked for but the stages are {self.stages}")
        self.channels = channels
        self.order: Order = order
        self.collapsed = collapsed
        smoothed = () if order == "linear" else self.stages[1:]
        self.lateral = nn.ModuleDict(
            {
                str(k): nn.Conv2d(stage_channels[k], channels, 1, bias=order != "linear")
                for k in self.stages
            }
        )
        self.smooth = nn.ModuleDict(
            {str(k): nn.Conv2d(channels, channels, 3, padding=1) for k in smoothed}
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(
                    module.weight, nonlinearity="linear" if order == "linear" else "relu"
                )
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        finest = min(self.levels, default=self.stages[0] + 1)
        for k in self.stages:
            needs_smoothing = k in self.levels or (order == "paper" and k > finest)
            self.lateral[str(k)].requires_grad_(k >= finest)
            if str(k) in self.smooth:
                self.smooth[str(k)].requires_grad_(needs_smoothing)

    def forward(self, stages: Mapping[int, Tensor]) -> dict[int, Tensor]:
        """Return the asked-for levels, coarsest first.

        Args:
            stages: Stage number -> map ``(N, C_k, H_k, W_k)``; other stages than those of the
                pyramid are left alone.

        Returns:
            Level -> map ``(N, P, H_k, W_k)``.

        Raises:
            ValueError: A stage is missing.
        """
        self._check(stages)
        levels: dict[int, Tensor] = {}
        handed_down: Tensor | None = None
        for k in self.stages:
            if k < min(self.levels, default=k + 1):
                break
            merged = self.lateral[str(k)](stages[k])
            if handed_down is not None:
                merged = merged + _resize_like(handed_down, merged)
            smooth = str(k) in self.smooth and (k in self.levels or self.order == "paper")
            level = self.smooth[str(k)](merged) if smooth else merged
            if k in self.levels:
                levels[k] = level
            handed_down = level if self.order == "paper" else merged
        return levels

    def pool(self, stages: Mapping[int, Tensor], stripes: Mapping[int, int]) -> dict[int, Tensor]:
        """Return levels pooled in horizontal stripes, coarsest first.

        Args:
            stages: Stage number -> map ``(N, C_k, H_k, W_k)``, on the pyramid's device; other
                stages than those of the pyramid are left alone.
            stripes: Level -> stripes, of any of the asked-for levels; 1 is the global average.

        Returns:
            Level -> ``(N, stripes * P)``, all channels of the top stripe first; float32, or float64
            of float64 maps.

        Raises:
            ValueError: A stage is missing, a level is not among the asked-for ones, or has fewer
                rows than stripes.
        """
        self._check(stages)
        if unknown := sorted(set(stripes) - set(self.levels)):
            raise ValueError(f"level {unknown[0]} is pooled but the levels are {self.levels}")
        if not self.collapsed:
            levels = self(stages)
            return {k: pool_stripes(levels[k], stripes[k]) for k in levels if k in stripes}
        with without_autocast(stages[self.stages[0]].device):
            return collapsed_levels(
                stages,
                stripes,
                order=self.order,
                lateral=_by_number(self.lateral),
                smooth=_by_number(self.smooth),
            )

    def _check(self, stages: Mapping[int, Tensor]) -> None:
        if missing := sorted(set(self.stages) - set(stages)):
            raise ValueError(f"stage {missing[0]} is missing; got {sorted(stages)}")


def _by_number(convolutions: nn.ModuleDict) -> dict[int, nn.Conv2d]:
    result = {}
    for name, module in convolutions.items():
        assert isinstance(module, nn.Conv2d)
        result[int(name)] = module
    return result


def _resize_like(coarse: Tensor, fine: Tensor) -> Tensor:
    """Bilinear resize of ``coarse`` to the height and width of ``fine``, odd sizes included."""
    return F.interpolate(coarse, size=fine.shape[-2:], mode="bilinear", align_corners=True)
