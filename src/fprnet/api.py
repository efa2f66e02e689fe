"""The Python interface: what ``import fprnet`` offers, in terms of files and names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fprnet.data.data_set import AUTO
from fprnet.data.test_split import open_for_test
from fprnet.embeddings.embedder import load_model
from fprnet.embeddings.formats import read_any_features
from fprnet.embeddings.store import Features
from fprnet.evaluation.data_set_protocol import make_protocol, named_options
from fprnet.evaluation.metrics import Metric
from fprnet.evaluation.ranking import Distance
from fprnet.evaluation.reranking import Reranking
from fprnet.evaluation.scores import Scores, score

__all__ = ["evaluate", "load_model"]


def evaluate(
    features: str | Path | Features,
    *,
    data: str | Path,
    layout: str = AUTO,
    protocol: str | None = None,
    split: int | None = None,
    metric: Distance = "euclidean",
    metrics: Sequence[str | Metric] | None = None,
    rerank: Reranking | bool = False,
    expand_query: int | None = None,
    **options: Any,  # noqa: ANN401 - those of the layout's protocol
) -> Scores:
    """Score a features file.

    Args:
        features: File in any format of :mod:`fprnet.embeddings.formats`, or the features
            themselves.
        data: Data set's folder, or one with its split files; no images are needed.
        layout: Name or import path of the data set's reader; "auto" recognises it.
        protocol: Name of a published protocol, e.g. "sysu-mm01/all/1-shot@1"; None takes the
            layout's own, with ``options``.
        split: Number of RegDB's split, 1 to 10; None takes that of the model that made the
            features.
        metric: "euclidean" on the vectors as they are, or "cosine".
        metrics: Names, import paths or functions, see `fprnet.evaluation.metrics`; None takes
            rank-1, 5, 10, 20, mAP and mINP.
        rerank: Adds the row "rerank"; True takes the k1, k2 and lambda of the paper.
        expand_query: Adds the row "query-expansion", with this number of neighbours.
        options: Options of the layout's protocol, e.g. ``mode`` and ``shots`` of SYSU-MM01; see
            `fprnet.data.protocols`.

    Raises:
        FprnetError: The features, the split or the options are not what they should be.
    """
    loaded = features if isinstance(features, Features) else read_any_features(Path(features))
    config = loaded.meta.get("config", {})
    data_set = open_for_test(Path(data), config, layout=layout, split=split)
    if protocol is not None:
        options = {**named_options(protocol, data_set.layout), **options}
    reranking = (Reranking() if rerank else None) if isinstance(rerank, bool) else rerank
    return score(
        loaded,
        make_protocol(loaded, data_set, options),
        metric=metric,
        metrics=metrics,
        rerank=reranking,
        expand_query=expand_query,
    )
