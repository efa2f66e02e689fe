"""The protocols of video data sets: tracklets query tracklets.

Every tracklet is represented by some of its images, drawn evenly; the published CMC counts
tracklets. Published numbers come from networks that see whole sequences: here a network of single
images is scored, and sets of embeddings are compared, as the result says.
Shapes: N images (rows of the features), S images drawn from a tracklet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from fprnet.data.protocols.protocol import (
    NEVER_EXCLUDED,
    Direction,
    Protocol,
    Rows,
    Trial,
    sides,
    tie_order,
)
from fprnet.data.records import ImageTable
from fprnet.data.tracklets import Tracklet, TrackletSplit
from fprnet.errors import FeaturesError, UsageError

__all__ = ["Sequences", "buptcampus_protocol", "hitsz_vcm_protocol"]

Sequences = Literal["mean", "best-pair"]
SHORTEST = 12  # images of a tracklet of HITSZ-VCM that is used
PREFIXES = ("Train/", "Test/", "DATA/")


def hitsz_vcm_protocol(
    features: ImageTable,
    split: TrackletSplit,
    identities: Sequence[int] | None = None,
    *,
    direction: Direction = "infrared-to-visible",
    sequences: Sequences = "mean",
    images: int = 6,
) -> Protocol:
    """Return the protocol of HITSZ-VCM (Lin et al., CVPR 2022; repository VCM-project233/MITML).

    The listed query tracklets, which are infrared, query all others, or the mirror; tracklets of
    fewer than 12 images are left out; a gallery tracklet of the query's identity *and* camera is
    removed.

    Args:
        features: Rows of other images are left alone.
        split: The tracklets.
        identities: Who is tested; None takes the split's test identities.
        direction: Which modality queries which.
        sequences: Tracklets are compared by the "mean" of their images' embeddings, or by their
            most similar pair of images, "best-pair".
        images: S, images drawn from each tracklet, at even steps; 6 in published results.

    Raises:
        UsageError: An option has no meaning.
        FeaturesError: Images of the tracklets are missing.
    """

    def drawn(length: int) -> Rows:
        step = -(-length // images)
        return np.minimum(np.arange(images) * step, length - 1)

    def role(tracklet: Tracklet) -> str:
        if direction == "infrared-to-visible":
            return tracklet.role
        return "gallery" if tracklet.role == "query" else "query"

    tested = _tested(split, identities)
    used = [tracklet for tracklet in tested if len(tracklet.paths) >= SHORTEST]
    protocol = _protocol(
        "hitsz-vcm",
        features,
        used,
        (direction, sequences, images),
        role,
        drawn,
        exclude=True,
    )
    left_out = f"{len(tested) - len(used)} tracklets of fewer than {SHORTEST} images"
    return replace(protocol, settings={**protocol.settings, "left_out": left_out})


def buptcampus_protocol(
    features: ImageTable,
    split: TrackletSplit,
    identities: Sequence[int] | None = None,
    *,
    direction: Direction = "infrared-to-visible",
    sequences: Sequences = "mean",
    images: int = 10,
) -> Protocol:
    """Return the protocol of BUPTCampus (Du et al., TIFS 2023; repository dyhBUPT/BUPTCampus).

    The listed query tracklets of one modality query the listed gallery tracklets of the other;
    nothing is removed.

    Args:
        features: Rows of other images are left alone.
        split: The tracklets.
        identities: Who is tested; None takes the split's test identities.
        direction: Which modality queries which.
        sequences: Tracklets are compared by the "mean" of their images' embeddings, or by their
            most similar pair of images, "best-pair".
        images: S, images drawn from each tracklet, at even steps; 10 in published results.

    Raises:
        UsageError: An option has no meaning.
        FeaturesError: Images of the tracklets are missing.
    """

    def drawn(length: int) -> Rows:
        return np.linspace(0, length, images, endpoint=False).astype(np.int64)

    return _protocol(
        "buptcampus",
        features,
        _tested(split, identities),
        (direction, sequences, images),
        lambda tracklet: tracklet.role,
        drawn,
        exclude=False,
    )


def _tested(split: TrackletSplit, identities: Sequence[int] | None) -> list[Tracklet]:
    people = set(split.test if identities is None else identities)
    if not people:
        raise UsageError("there are no identities to test; check the lists of the split")
    part = "test" if people & set(split.test) else "train"
    return [t for t in split.tracklets if t.part == part and t.identity in people]


def _protocol(
    name: str,
    features: ImageTable,
    tracklets: Sequence[Tracklet],
    options: tuple[Direction, Sequences, int],
    role: Callable[[Tracklet], str],
    drawn: Callable[[int], Rows],
    *,
    exclude: bool,
) -> Protocol:
    direction, sequences, images = options
    querying, searched = sides(direction)
    if images < 1:
        raise UsageError(f"images is {images}; it must be 1 or more")
    row_of = {_tail(path): row for row, path in enumerate(features.path.tolist())}
    rows: dict[str, list[int]] = {"query": [], "gallery": []}
    members: dict[int, Rows] = {}
    group = np.full(len(features), NEVER_EXCLUDED, dtype=np.int64)
    absent: list[str] = []
    for one in tracklets:
        # Training people, who have no roles, query as validation people do.
        side = role(one) if one.role else "query" if one.modality == querying else "gallery"
        if one.modality != (querying if side == "query" else searched) or not one.paths:
            continue
        paths = [_tail(one.paths[at]) for at in drawn(len(one.paths)).tolist()]
        found = [row_of[path] for path in paths if path in row_of]
        absent += [path for path in paths if path not in row_of]
        if len(found) < len(paths):
            continue
        members[found[0]] = np.array(found, dtype=np.int64)
        rows[side].append(found[0])
        if exclude:
            group[found[0]] = one.identity * 1000 + one.camera
    if absent:
        raise FeaturesError(
            f"the features lack {len(absent)} images of the tracklets, the first is {absent[0]}; "
            "extract all images of the test identities"
        )
    return Protocol(
        name=name,
        settings={"direction": direction, "sequences": f"{sequences} of {images} images"},
        trials=(
            Trial(
                np.array(rows["query"], dtype=np.int64), np.array(rows["gallery"], dtype=np.int64)
            ),
        ),
        exclusion_group=group,
        order=tie_order(features),
        cmc="image",
        members=members,
        sequences=sequences,
    )


def _tail(path: str) -> str:
    for prefix in PREFIXES:
        path = path.removeprefix(prefix)
    return path
