"""The protocol of LLCM: features and the list of test identities become ten trials.

Source: the repository of the data set's authors, ZYK100/LLCM (``DEEN/data_manager.py``, ``test.py``
and ``eval_llcm``): trial t draws one gallery image of each identity in each camera after
``random.seed(t)``, and a gallery image of the query's identity *and* camera is removed.
Shapes: N images (rows of the features).
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import numpy as np

from fprnet.data.llcm import CAMERAS, LlcmSplit
from fprnet.data.protocols.protocol import Direction, Protocol, Rows, Trial, sides, tie_order
from fprnet.data.records import MODALITIES, ImageTable
from fprnet.errors import FeaturesError, UsageError

__all__ = ["llcm_protocol"]


def llcm_protocol(
    features: ImageTable,
    split: LlcmSplit,
    identities: Sequence[int] | None = None,
    *,
    direction: Direction = "infrared-to-visible",
    trials: int = 10,
    swapped: bool = False,
) -> Protocol:
    """Return the protocol of LLCM; the published CMC counts identities.

    Queries are all images of one modality, the gallery holds one image of the other for each
    identity and camera.

    Args:
        features: Rows of other identities are left alone.
        split: Whose test identities are asked.
        identities: Who is tested; None takes the split's test identities.
        direction: Which modality queries which.
        trials: How many galleries are drawn, 10 in published results.
        swapped: Visible to infrared as the authors' released code computes it: the drawn infrared
            images query *all* visible ones. Only for comparing with numbers of that code.

    Raises:
        UsageError: An option has no meaning.
        FeaturesError: Images are missing, or have no camera of LLCM.
    """
    querying, searched = sides(direction)
    if swapped and direction != "visible-to-infrared":
        raise UsageError(
            f"swapped is of direction visible-to-infrared, not of {direction}; the released code "
            "swaps only that one, so leave it out"
        )
    if trials < 1:
        raise UsageError(f"trials is {trials}; it must be 1 or more")
    people = sorted(split.test if identities is None else identities)
    if not people:
        raise UsageError("there are no identities to test; check the list of the split")
    shown = np.isin(features.identity, people)
    order = tie_order(features)
    rows = {m: np.flatnonzero(shown & (features.modality == m)) for m in MODALITIES}
    rows = {m: found[np.argsort(order[found])] for m, found in rows.items()}
    for found in rows.values():
        _check_rows(features, found)
    held = set(features.identity[shown].tolist())
    lost = [identity for identity in people if identity not in held]
    if lost:
        raise FeaturesError(
            f"the features lack {len(lost)} of {len(people)} identities to test, the first is "
            f"{lost[0]}; extract all images of the test identities"
        )
    whole = rows[querying]
    draws = _draws(features, rows[searched], trials)
    settings: dict[str, str | int] = {"direction": direction}
    if swapped:
        settings["swapped"] = "as the released code"
    return Protocol(
        name="llcm",
        settings=settings,
        trials=tuple(Trial(drawn, whole) if swapped else Trial(whole, drawn) for drawn in draws),
        exclusion_group=features.identity * (max(CAMERAS) + 1) + features.camera,
        order=order,
    )


def _draws(features: ImageTable, rows: Rows, trials: int) -> Iterator[Rows]:
    """Draw one row of each identity in each camera, by identity, then camera, as released."""
    groups: dict[tuple[int, int], list[int]] = {}
    places = zip(features.identity[rows].tolist(), features.camera[rows].tolist(), strict=True)
    for row, place in zip(rows.tolist(), places, strict=True):
        groups.setdefault(place, []).append(row)
    for trial in range(trials):
        generator = random.Random(trial)
        drawn = [generator.choice(groups[place]) for place in sorted(groups)]
        yield np.array(drawn, dtype=np.int64)


def _check_rows(features: ImageTable, rows: Rows) -> None:
    """Refuse images without a camera of LLCM, and folders of which images are missing."""
    unknown = rows[~np.isin(features.camera[rows], CAMERAS)]
    if len(unknown):
        raise FeaturesError(
            f"row {unknown[0]} has camera {features.camera[unknown[0]]} but LLCM has cameras 1 to "
            f"{max(CAMERAS)}; correct the camera"
        )
    if features.index is None:
        return
    places = np.stack([features.identity[rows], features.camera[rows]])
    unique, group, count = np.unique(places, axis=1, return_inverse=True, return_counts=True)
    last = np.zeros(len(count), dtype=np.int64)
    np.maximum.at(last, group.ravel(), features.index[rows])
    short = np.flatnonzero(last != count)
    if len(short):
        identity, camera = unique[:, short[0]].tolist()
        raise FeaturesError(
            f"the features hold {count[short[0]]} of {last[short[0]]} images of identity "
            f"{identity} in camera {camera}; extract all images of the test identities"
        )
