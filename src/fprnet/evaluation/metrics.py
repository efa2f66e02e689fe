"""Metrics: the ranking of every query becomes one number per query, whose mean is the score.

The one place that lists ranks and names. A metric is a function of `QueryScores` that returns a
value ``(Q,)``; values of queries that are not valid are not read. A metric of your own is passed as
a function, or named as an import path (``--metrics my_metric:precision --plugin my_metric.py``).
Shapes: Q queries, m gallery images of one query's identity.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fprnet import plugins
from fprnet.components import Component
from fprnet.errors import UsageError
from fprnet.evaluation.ranking_metrics import QueryScores
from fprnet.filling import parse_component
from fprnet.kinds import METRIC

__all__ = ["CMC", "METRICS", "RANKS", "Metrics", "parse_metrics", "per_query"]

Metric = Callable[..., Any]

RANKS = (1, 5, 10, 20)


def per_query(function: Callable[[NDArray[np.int64], int], float]) -> Metric:
    """Turn a function of one ranked query into a metric; queries are looped over.

    >>> @per_query
    ... def precision_at_5(ranks, images):
    ...     return (ranks <= 5).sum() / 5

    Args:
        function: Takes the ranks ``(m,)`` of the query's matches, from 1, ascending, and the number
            of gallery images that the query may see; returns its value.
    """

    def metric(ranked: QueryScores) -> Tensor:
        values = np.full(len(ranked.valid), np.nan)
        ranks, images = ranked.match_rank.numpy().astype(np.int64), ranked.images.tolist()
        for query in ranked.valid.nonzero().flatten().tolist():
            values[query] = function(ranks[query][ranks[query] > 0], images[query])
        return torch.from_numpy(values)

    for name in ("__module__", "__name__", "__qualname__", "__doc__"):
        setattr(metric, name, getattr(function, name))
    return metric


def hit_within(rank: int) -> Metric:
    """Return the metric that is 1 where the query's identity stands within the first ranks.

    Its mean is the CMC at that rank, counted as the protocol publishes it.
    """

    def hit(ranked: QueryScores) -> Tensor:
        return ranked.first_rank <= rank

    return hit


def average_precision(ranked: QueryScores) -> Tensor:
    """Return the mean over the matches of k / (rank of the k-th match); its mean is mAP."""
    return ranked.average_precision


def inverse_negative_penalty(ranked: QueryScores) -> Tensor:
    """Return matches / (rank of the last match); its mean is mINP (Ye et al., TPAMI 2021)."""
    return ranked.inverse_negative_penalty


CMC: dict[str, Metric] = {f"rank-{rank}": hit_within(rank) for rank in RANKS}
"""Points of the CMC, which are also given at image level."""

METRICS: dict[str, Metric] = {
    **CMC,
    "mAP": average_precision,
    "mINP": inverse_negative_penalty,
}
"""Name -> function of `QueryScores` that returns ``(Q,)``; all of them are computed by default."""


@dataclass(frozen=True)
class Metrics:
    """The metrics of a result, in the order of its columns.

    Attributes:
        components: Name of the column -> what computes it.
    """

    components: Mapping[str, Component]

    def values(
        self, ranked: QueryScores, *, only: Sequence[str] | None = None
    ) -> dict[str, Tensor]:
        """Return the value ``(Q,)`` of every query for each metric.

        Args:
            ranked: What one gallery says about the queries.
            only: Names of the metrics; None takes all.

        Raises:
            UsageError: A metric returns something else than one finite number per query.
        """
        names = [name for name in self.components if only is None or name in only]
        return {name: _checked(name, self.components[name].build(ranked), ranked) for name in names}

    def as_dict(self) -> dict[str, str | None]:
        """Return name -> whose code it is; null is fprnet's."""
        return {name: component.source for name, component in self.components.items()}


def parse_metrics(chosen: Sequence[str | Metric] | None = None) -> Metrics:
    """Return the metrics that are meant.

    Args:
        chosen: Names in METRICS, import paths, or functions; None takes all of METRICS.

    Raises:
        UsageError: There is none, one is there twice, or a function has no name.
        ConfigError: There is no such metric, or it is code of somebody else that was not allowed.
    """
    components: dict[str, Component] = {}
    for metric in METRICS if chosen is None else chosen:
        path = metric if isinstance(metric, str) else plugins.offer(metric)
        component = parse_component(METRIC, path, key="metrics", of_config=False)
        name = path if path in METRICS else path.rpartition(":")[2].rpartition(".")[2]
        try:
            inspect.signature(component.target).bind(None)
        except TypeError as error:
            raise UsageError(
                f"metric {path} is no function of one QueryScores ({error}); give it one parameter"
            ) from error
        if name in components or (name in METRICS and path not in METRICS):
            raise UsageError(f"metric {name} is there twice; rename one of the two functions")
        components[name] = component
    if not components:
        raise UsageError(f"there are no metrics; name some of {', '.join(METRICS)}")
    return Metrics(components)


def _checked(name: str, values: object, ranked: QueryScores) -> Tensor:
    tensor = torch.as_tensor(values)
    if tensor.shape != ranked.valid.shape:
        raise UsageError(
            f"metric {name} returned shape {tuple(tensor.shape)} for {len(ranked.valid)} queries; "
            "return one value per query"
        )
    if not tensor[ranked.valid].double().isfinite().all():
        raise UsageError(f"metric {name} is NaN or infinite for a valid query; return a number")
    return tensor
