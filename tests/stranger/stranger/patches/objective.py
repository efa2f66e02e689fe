"""Outputs of the network "patches" to its loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from torch import Tensor

from fprnet.kinds import RANKING_LOSS
from fprnet.losses.identity import accuracy, identity_loss
from fprnet.losses.ranking import RankingLoss
from fprnet.losses.terms import LossTerms
from fprnet.models.heads import HeadOutput
from fprnet.ranges import NonNegative

__all__ = ["PatchLoss"]


@dataclass(frozen=True)
class PatchLoss:
    """Cross entropy, a ranking loss, and a pull of the two modalities' means to each other.

    Attributes:
        ranking: Ranking loss, any of those that a config can name.
        pull: Weight of the squared distance of the modalities' mean features.
    """

    ranking: Annotated[RankingLoss, RANKING_LOSS]
    pull: NonNegative = 0.1

    def __call__(self, outputs: Mapping[str, HeadOutput]) -> LossTerms:
        """Return the loss of one batch."""
        main = outputs["main"]
        terms: dict[str, Tensor] = {
            "identity": identity_loss(main),
            "ranking": self.ranking(main),
        }
        if main.visible_rows is not None:
            means = [
                part.mean(dim=0)
                for part in (
                    main.features[: main.visible_rows],
                    main.features[main.visible_rows :],
                )
            ]
            terms["pull"] = self.pull * (means[0] - means[1]).square().sum()
        total = sum(terms.values(), start=main.features.new_zeros(()))
        detached = {name: term.detach() for name, term in terms.items()}
        return LossTerms(total, {**detached, "accuracy_main": accuracy(main)})
