"""The Python interface: what ``import fprnet`` offers, in terms of files and names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fprnet.data.sysu_mm01 import read_split
from fprnet.embeddings.embedder import load_model
from fprnet.embeddings.store import Features, read_features
from fprnet.errors import UsageError
from fprnet.evaluation.scores import Scores
from fprnet.evaluation.scores import evaluate as evaluate_sysu_mm01

__all__ = ["evaluate", "load_model"]


def evaluate(
    features: str | Path | Features,
    *,
    data: str | Path,
    protocol: str = "sysu-mm01",
    **options: Any,  # noqa: ANN401 - those of fprnet.evaluation.scores.evaluate
) -> Scores:
    """Score a features file.

    Args:
        features: File (see ``fprnet extract``) or the features themselves.
        data: Data set's folder, or one with its split files; no images are needed.
        protocol: "sysu-mm01".
        options: ``mode``, ``shots``, ``trials``, ``gallery``, ``metric``: see
            :func:`fprnet.evaluation.scores.evaluate`.

    Raises:
        FprnetError: The features, the split or the options are not what they should be.
    """
    if protocol != "sysu-mm01":
        raise UsageError(f"protocol {protocol!r} is unknown; use sysu-mm01")
    loaded = features if isinstance(features, Features) else read_features(Path(features))
    return evaluate_sysu_mm01(loaded, read_split(Path(data), needed=("test",)), **options)
