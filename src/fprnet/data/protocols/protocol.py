"""Evaluation protocols: a table of images becomes trials, each a set of queries and a gallery.

A protocol is data, not code: which rows query which gallery, which gallery images a query must not
see, and which CMC is the published one. What the data sets differ in are values of one dataclass.
Shapes: N images (rows of the features), Q queries, G gallery images of one trial.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fprnet.data.records import ImageTable, Modality
from fprnet.errors import UsageError

__all__ = [
    "DIRECTIONS",
    "NEVER_EXCLUDED",
    "Direction",
    "NamedProtocol",
    "Protocol",
    "Rows",
    "Trial",
    "sides",
    "tie_order",
]

Rows = NDArray[np.int64]
Direction = Literal["infrared-to-visible", "visible-to-infrared"]
DIRECTIONS: dict[Direction, tuple[Modality, Modality]] = {
    "infrared-to-visible": ("infrared", "visible"),
    "visible-to-infrared": ("visible", "infrared"),
}

NEVER_EXCLUDED = -1  # exclusion group of images that are never removed


@dataclass(frozen=True)
class Trial:
    """One ranking task.

    Attributes:
        query: ``(Q,)`` rows of the features.
        gallery: ``(G,)`` rows of the features.
    """

    query: Rows
    gallery: Rows


@dataclass(frozen=True)
class Protocol:
    """What is ranked against what, and how the ranking is read.

    Attributes:
        name: The layout, as the result names it, e.g. "sysu-mm01".
        settings: What else the result must say to be understood, e.g. mode, shots, gallery.
        trials: The tasks whose scores are averaged.
        exclusion_group: ``(N,)`` A gallery image is removed (junk) for every query of the same
            group; images in NEVER_EXCLUDED are never removed and remove nothing. SYSU-MM01: the
            location; LLCM: a number for each pair of identity and camera; RegDB: NEVER_EXCLUDED.
        order: ``(N,)`` Equal distances are ranked by this number, smallest first.
        cmc: The published CMC counts identities (each where its first image stands) or images.
        published_as: Name in `fprnet protocols`, e.g. "sysu-mm01/all/1-shot@1"; None where the
            options are nobody's.
        members: Row that stands for a tracklet -> rows of its images; empty where single images
            are ranked.
        sequences: How tracklets are compared: by the mean of their images' embeddings, or by the
            most similar pair.
    """

    name: str
    settings: Mapping[str, str | int]
    trials: tuple[Trial, ...]
    exclusion_group: Rows
    order: Rows
    cmc: Literal["identity", "image"] = "identity"
    published_as: str | None = None
    members: Mapping[int, Rows] = field(default_factory=dict)
    sequences: Literal["none", "mean", "best-pair"] = "none"


@dataclass(frozen=True)
class NamedProtocol:
    """A choice of a layout's options that results are published under; it never changes.

    Attributes:
        layout: The reader whose protocol it is.
        options: Every option that the name stands for.
        reference: Where it is defined or first published.
    """

    layout: str
    options: Mapping[str, Any]
    reference: str


def sides(direction: Direction) -> tuple[Modality, Modality]:
    """Return the modality of the queries and that of the gallery.

    Raises:
        UsageError: There is no such direction.
    """
    if direction not in DIRECTIONS:
        raise UsageError(f"direction {direction!r} is unknown; choose {' or '.join(DIRECTIONS)}")
    return DIRECTIONS[direction]


def tie_order(features: ImageTable) -> Rows:
    """Return ``(N,)`` the position of each row by camera, identity, then index (else path).

    This is the order in which the official evaluation of SYSU-MM01 lists a gallery, up to images
    of one identity in one camera, whose order no score depends on. It makes scores independent of
    the order of rows in the file.
    """
    last = features.path if features.index is None else features.index
    sequence = np.lexsort((last, features.identity, features.camera))
    order = np.empty(len(features), dtype=np.int64)
    order[sequence] = np.arange(len(features))
    return order
