"""Rankings of queries to numbers. Shapes: Q queries, m matches of one query."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from fprnet.evaluation.metrics import per_query
from fprnet.evaluation.ranking_metrics import QueryScores

__all__ = ["misses", "precision_at_5"]


@per_query
def precision_at_5(ranks: NDArray[np.int64], images: int) -> float:
    """Return the share of matches among the first five images, or among all if they are fewer."""
    return float((ranks <= 5).sum() / min(5, images))


def misses(ranked: QueryScores) -> Tensor:
    """Return 1 where the query's identity does not stand first."""
    return ranked.first_rank > 1
