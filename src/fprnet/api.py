"""The Python interface: what ``import fprnet`` offers, in terms of files and names."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from fprnet.data.data_set import Layout
from fprnet.embeddings.embedder import load_model
from fprnet.embeddings.formats import read_any_features
from fprnet.embeddings.store import Features
from fprnet.evaluation.data_set_protocol import ProtocolOptions, make_protocol
from fprnet.evaluation.leak import open_for_test
from fprnet.evaluation.ranking import Metric
from fprnet.evaluation.reranking import Reranking
from fprnet.evaluation.scores import Scores, score

__all__ = ["evaluate", "load_model"]


def evaluate(
    features: str | Path | Features,
    *,
    data: str | Path,
    protocol: Layout | Literal["auto"] = "auto",
    split: int | None = None,
    metric: Metric = "euclidean",
    rerank: Reranking | bool = False,
    expand_query: int | None = None,
    **options: Any,  # noqa: ANN401 - those of ProtocolOptions
) -> Scores:
    """Score a features file.

    Args:
        features: File in any format of :mod:`fprnet.embeddings.formats`, or the features
            themselves.
        data: Data set's folder, or one with its split files; no images are needed.
        protocol: "sysu-mm01", "regdb", "llcm", "manifest"; "auto" takes that of the data set.
        split: Of RegDB, 1 to 10; None takes that of the model that made the features.
        metric: "euclidean" on the vectors as they are, or "cosine".
        rerank: Adds the row "rerank"; True takes the k1, k2 and lambda of the paper.
        expand_query: Adds the row "query-expansion", of so many neighbours.
        options: ``direction``, ``mode``, ``shots``, ``trials``, ``gallery``, ``llcm_swapped``: see
            :class:`fprnet.evaluation.data_set_protocol.ProtocolOptions`.

    Raises:
        FprnetError: The features, the split or the options are not what they should be.
    """
    loaded = features if isinstance(features, Features) else read_any_features(Path(features))
    config = loaded.meta.get("config", {})
    data_set = open_for_test(Path(data), config, layout=protocol, split=split)
    chosen = ProtocolOptions(**options)
    reranking = (Reranking() if rerank else None) if isinstance(rerank, bool) else rerank
    return score(
        loaded,
        make_protocol(loaded, data_set, chosen),
        metric=metric,
        rerank=reranking,
        expand_query=expand_query,
    )
