"""The loss of preset ``fprnet``: identity and ranking on the main head and on every level.

L = CE_main + mean_k CE_k + R_main + mean_k R_k (docs/model.md), R the ranking loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from fprnet.errors import ConfigError
from fprnet.kinds import RANKING_LOSS
from fprnet.losses.identity import accuracy, identity_loss
from fprnet.losses.ranking import RankingLoss
from fprnet.losses.terms import LossTerms
from fprnet.models.heads import HeadOutput
from fprnet.ranges import BelowOne, NonNegative

__all__ = ["LevelLoss"]


@dataclass(frozen=True)
class LevelLoss:
    """Cross entropy after the neck and a ranking loss before it, for one head or several.

    Without levels (a one- or two-stream baseline) only the main head's terms are left.

    Attributes:
        ranking: Ranking loss on every head's features; None leaves it out.
        ranking_weight: Weight of R_main + mean_k R_k.
        level_weight: Weight of what the levels add, both their means.
        label_smoothing: Label smoothing of every cross entropy, in [0, 1).
    """

    ranking: Annotated[RankingLoss | None, RANKING_LOSS] = None
    ranking_weight: NonNegative = 1.0
    level_weight: NonNegative = 1.0
    label_smoothing: BelowOne = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.label_smoothing < 1:
            raise ConfigError(f"label smoothing is {self.label_smoothing}; it must be in [0, 1)")

    def __call__(self, outputs: Mapping[str, HeadOutput]) -> LossTerms:
        """Return the loss of outputs "main" and any number of others, the levels."""
        terms: dict[str, Tensor] = {}
        main: list[Tensor] = []
        levels: list[Tensor] = []
        for head, output in outputs.items():
            terms[head] = identity_loss(output, smoothing=self.label_smoothing)
            loss = terms[head]
            if self.ranking is not None:
                ranking = self.ranking(output)
                terms[f"ranking_{head}"] = ranking
                loss = loss + self.ranking_weight * ranking
            (main if head == "main" else levels).append(loss)
        if len(main) != 1:
            raise ConfigError(f"a level loss needs a main head but got {', '.join(outputs)}")
        total = main[0]
        if levels:
            total = total + self.level_weight * torch.stack(levels).mean()
        terms |= {f"accuracy_{head}": accuracy(output) for head, output in outputs.items()}
        return LossTerms(total, {name: term.detach() for name, term in terms.items()})
