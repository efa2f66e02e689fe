"""Arrays of anybody's program become features, and the protocol that needs no data set.

Every image of one modality queries all images of the other; images of the query's camera are
removed where cameras are known.
Shapes: N images, D numbers per embedding.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fprnet.data.protocols.protocol import Direction, Protocol, Trial, sides, tie_order
from fprnet.embeddings.store import Features
from fprnet.errors import FeaturesError

__all__ = ["as_array", "cross_modality_protocol", "features_of_arrays"]

UNKNOWN = -1  # camera


def as_array(values: ArrayLike) -> NDArray[np.generic]:
    """Return a NumPy array of a list, an array, or a tensor on any device."""
    detach = getattr(values, "detach", None)
    return np.asarray(values if detach is None else detach().cpu().numpy())


def features_of_arrays(
    features: ArrayLike,
    *,
    identities: ArrayLike | None,
    modalities: ArrayLike | None,
    cameras: ArrayLike | None = None,
) -> Features:
    """Return features whose columns are arrays or tensors.

    Args:
        features: ``(N, D)`` floating.
        identities: ``(N,)`` whole numbers.
        modalities: ``(N,)`` text, "visible" or "infrared".
        cameras: ``(N,)`` whole numbers; None where they are not known.

    Raises:
        FeaturesError: A column is missing, or is not what it should be.
    """
    if identities is None or modalities is None:
        raise FeaturesError(
            "an array of features says nothing about its images; give identities and modalities, "
            "one for each row"
        )
    vectors = as_array(features)
    if vectors.dtype.kind != "f":
        raise FeaturesError(f"features are {vectors.dtype}; give floating numbers")
    count = len(vectors) if vectors.ndim else 0
    return Features(
        features=vectors.astype(np.float32, copy=False),
        identity=as_array(identities),  # type: ignore[arg-type]  # Features checks types
        camera=(
            np.full(count, UNKNOWN, dtype=np.int64) if cameras is None else as_array(cameras)  # type: ignore[arg-type]
        ),
        modality=as_array(modalities),  # type: ignore[arg-type]
        path=np.array([f"row {row}" for row in range(count)], dtype=str),
    )


def cross_modality_protocol(
    features: Features, direction: Direction = "infrared-to-visible"
) -> Protocol:
    """Return the protocol of one trial in which all images take part.

    Args:
        features: Whose rows are ranked.
        direction: Which modality queries which.

    Raises:
        UsageError: There is no such direction.
        FeaturesError: A modality has no image.
    """
    querying, searched = sides(direction)
    query, gallery = (
        np.flatnonzero(features.modality == modality) for modality in (querying, searched)
    )
    for modality, rows in ((querying, query), (searched, gallery)):
        if not len(rows):
            raise FeaturesError(f"there are no {modality} images; give both modalities")
    known = bool((features.camera != UNKNOWN).any())
    return Protocol(
        name="cross-modality",
        settings={"direction": direction, "removed": "same camera" if known else "nothing"},
        trials=(Trial(query, gallery),),
        exclusion_group=features.camera,
        order=tie_order(features),
    )
