"""Several losses of one head become one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import torch
from torch import Tensor

from fprnet.kinds import RANKING_LOSS
from fprnet.losses.ranking import RankingLoss
from fprnet.models.heads import HeadOutput
from fprnet.ranges import NonNegative

__all__ = ["weighted_sum"]


def weighted_sum(
    output: HeadOutput,
    *,
    losses: Annotated[Mapping[str, RankingLoss], RANKING_LOSS],
    weights: Mapping[str, NonNegative] = {},
) -> Tensor:
    """Return the sum of several ranking losses of one head, each times its weight.

    Args:
        output: What the head says about its rows.
        losses: Losses by name; a name that is a ranking loss's needs no class_path.
        weights: Name of a loss -> its weight; 1 where it is not named.
    """
    terms = [weights.get(name, 1.0) * loss(output) for name, loss in losses.items()]
    return torch.stack(terms).sum()


def _faults(options: Mapping[str, Any], config: Any) -> Iterable[str]:  # noqa: ANN401
    del config
    key, losses = "loss.ranking", options["losses"]
    if not losses:
        yield f"{key}.losses is empty; name a loss, or set {key} to null"
    for name in options["weights"]:
        if name not in losses:
            yield f"{key}.weights has {name}, which is none of {key}.losses ({', '.join(losses)})"


weighted_sum.faults = _faults  # type: ignore[attr-defined]
