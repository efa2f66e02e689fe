"""Evaluation protocols: a table of images becomes trials, each a set of queries and a gallery.

A protocol is data, not code: which rows query which gallery, which gallery images a query must not
see, and which CMC is the published one. What the data sets differ in are values of one dataclass.
Shapes: N images (rows of the features), Q queries, G gallery images of one trial.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fprnet.data.records import Modality
from fprnet.embeddings.store import Features
from fprnet.errors import UsageError

__all__ = ["DIRECTIONS", "NOWHERE", "Direction", "Protocol", "Rows", "Trial", "sides", "tie_order"]

Rows = NDArray[np.int64]
Direction = Literal["infrared-to-visible", "visible-to-infrared"]
DIRECTIONS: dict[Direction, tuple[Modality, Modality]] = {
    "infrared-to-visible": ("infrared", "visible"),
    "visible-to-infrared": ("visible", "infrared"),
}

NOWHERE = -1  # the place of an image that is never removed


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
        name: As it stands in the result, e.g. "sysu-mm01".
        settings: What else the result must say to be understood, e.g. mode, shots, gallery.
        trials: The tasks whose scores are averaged.
        place: ``(N,)`` A gallery image is removed for every query with the same place; NOWHERE is
            the place of an image that is never removed and removes nothing. SYSU-MM01: location;
            LLCM: a number for each pair of identity and camera; RegDB: NOWHERE.
        order: ``(N,)`` Equal distances are ranked by this number, smallest first.
        cmc: The published CMC counts identities (each where its first image stands) or images.
    """

    name: str
    settings: Mapping[str, str | int]
    trials: tuple[Trial, ...]
    place: Rows
    order: Rows
    cmc: Literal["identity", "image"] = "identity"


def sides(direction: Direction) -> tuple[Modality, Modality]:
    """Return the modality of the queries and that of the gallery.

    Raises:
        UsageError: There is no such direction.
    """
    if direction not in DIRECTIONS:
        raise UsageError(f"direction {direction!r} is unknown; choose {' or '.join(DIRECTIONS)}")
    return DIRECTIONS[direction]


def tie_order(features: Features) -> Rows:
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
