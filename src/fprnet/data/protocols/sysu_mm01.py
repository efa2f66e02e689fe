"""The protocol of SYSU-MM01: features and the official split become ten trials.

Source: ``evaluation/*.m`` of the public repository wuancong/SYSU-MM01. Shapes: N images (rows of
the features), G gallery images of one trial.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from fprnet.data.protocols.protocol import (
    NEVER_EXCLUDED,
    Direction,
    Protocol,
    Rows,
    Trial,
    tie_order,
)
from fprnet.data.records import ImageTable
from fprnet.data.sysu_mm01 import (
    CAMERA_LOCATION,
    INFRARED_CAMERAS,
    PERMUTATION_FILE,
    VISIBLE_CAMERAS,
    WHERE_PERMUTATIONS,
    GalleryPermutations,
    SysuSplit,
)
from fprnet.errors import DataError, FeaturesError, UsageError

__all__ = ["GalleryDraw", "Mode", "sysu_mm01_protocol"]

Mode = Literal["all", "indoor"]
GalleryDraw = Literal["official", "seeded"]

GALLERY_CAMERAS: dict[Mode, tuple[int, ...]] = {"all": VISIBLE_CAMERAS, "indoor": (1, 2)}


def sysu_mm01_protocol(
    features: ImageTable,
    split: SysuSplit,
    identities: Sequence[int] | None = None,
    *,
    mode: Mode = "all",
    shots: int = 1,
    trials: int = 10,
    gallery: GalleryDraw = "official",
    direction: Direction = "infrared-to-visible",
) -> Protocol:
    """Return the protocol of SYSU-MM01: infrared images query a gallery of visible images.

    Queries are all images of the identities from cameras 3 and 6. The gallery holds, for each
    identity and camera, ``shots`` images, or all where there are fewer. Gallery images from the
    query's location (camera 2 for camera 3) are removed for every identity.

    Args:
        features: Rows of other identities are left alone.
        split: The lists and permutations. Without permutations the gallery is the seeded one, for
            identities that nobody publishes scores on, or where it is asked for; missing images
            cannot be noticed then.
        identities: Who is tested; None takes the split's test identities.
        mode: "all" searches cameras 1, 2, 4 and 5, "indoor" cameras 1 and 2.
        shots: Gallery images per identity and camera, 1 or 10 in published results.
        trials: How many galleries are drawn, 10 in published results.
        gallery: "official" takes trial t = 1.. of ``rand_perm_cam.mat``. "seeded" draws as the
            widely copied Python evaluators do, ``random.seed(t)`` for t = 0.., then for each
            identity and camera ``random.choice`` of the sorted files (more shots:
            ``random.sample``; the family has no common multi-shot draw).
        direction: Which modality queries which; only "infrared-to-visible" is defined.

    Raises:
        UsageError: An option has no meaning.
        DataError: The official gallery is asked for and the split has no permutations.
        FeaturesError: Images that the protocol needs are missing or mislabelled, or the official
            gallery is asked for and ``index`` is missing.
    """
    for name, value, allowed in (
        ("mode", mode, get_args(Mode)),
        ("gallery", gallery, get_args(GalleryDraw)),
    ):
        if value not in allowed:
            raise UsageError(f"{name} {value!r} is unknown; choose {' or '.join(allowed)}")
    if direction != "infrared-to-visible":
        raise UsageError(
            f"direction {direction} is not defined for sysu-mm01, whose galleries are drawn from "
            "visible images only; leave it out"
        )
    for name, number in (("shots", shots), ("trials", trials)):
        if number < 1:
            raise UsageError(f"{name} is {number}; it must be 1 or more")
    people = sorted(split.test if identities is None else set(identities))
    permutations = split.permutations
    if permutations is None:
        if gallery == "official" and identities is None:
            raise DataError(
                f"the official gallery needs {PERMUTATION_FILE}, which is missing; "
                f"{WHERE_PERMUTATIONS}, or ask for the seeded gallery"
            )
        gallery, permutations = "seeded", _as_counted(features)
    _check_people(people, permutations)
    if gallery == "official" and features.index is None:
        raise FeaturesError(
            "the features have no index, which the official gallery needs; add the 1-based "
            "position of each image in its sorted folder, or ask for the seeded gallery"
        )

    cameras = GALLERY_CAMERAS[mode]
    shown = np.isin(features.identity, people) & np.isin(features.camera, list(CAMERA_LOCATION))
    _check_modality(features, shown)
    query = np.flatnonzero(shown & np.isin(features.camera, INFRARED_CAMERAS))
    _check_complete(features, query, people, INFRARED_CAMERAS, permutations)
    candidates = np.flatnonzero(shown & np.isin(features.camera, cameras))
    if features.index is None:
        _check_complete(features, candidates, people, cameras, permutations)
    draw = _official_draws if gallery == "official" else _seeded_draws
    galleries = draw(permutations, people, cameras, shots, trials)
    order = tie_order(features)
    query = query[np.argsort(order[query])]  # so that sums over queries do not depend on the file
    location = np.array([NEVER_EXCLUDED, *CAMERA_LOCATION.values()], dtype=np.int64)
    known = np.isin(features.camera, list(CAMERA_LOCATION))
    return Protocol(
        name="sysu-mm01",
        settings={"mode": mode, "shots": shots, "gallery": gallery},
        trials=tuple(Trial(query, _find(features, candidates, images)) for images in galleries),
        exclusion_group=location[np.where(known, features.camera, 0)],
        order=order,
    )


def _as_counted(features: ImageTable) -> GalleryPermutations:
    """Return permutations that only count: each identity's images in each camera, in order."""
    pairs = np.stack([features.camera, features.identity], axis=1)
    unique, counts = np.unique(pairs, axis=0, return_counts=True)
    return GalleryPermutations(
        {
            (camera, identity): np.arange(1, count + 1)[None]
            for (camera, identity), count in zip(unique.tolist(), counts.tolist(), strict=True)
        }
    )


Images = NDArray[np.int64]  # (G, 3): camera, identity, 1-based position in the sorted folder


def _official_draws(
    permutations: GalleryPermutations,
    people: Sequence[int],
    cameras: Sequence[int],
    shots: int,
    trials: int,
) -> Iterator[Images]:
    for trial in range(1, trials + 1):
        yield _images(
            (camera, identity, position)
            for camera, identity in product(cameras, people)
            for position in permutations.order(camera, identity, trial)[:shots].tolist()
        )


def _seeded_draws(
    permutations: GalleryPermutations,
    people: Sequence[int],
    cameras: Sequence[int],
    shots: int,
    trials: int,
) -> Iterator[Images]:
    for trial in range(trials):
        generator = random.Random(trial)
        drawn: list[tuple[int, int, int]] = []
        for identity, camera in product(people, cameras):
            positions = range(1, permutations.images(camera, identity) + 1)
            if shots == 1 and positions:
                drawn.append((camera, identity, generator.choice(positions)))
            else:
                chosen = generator.sample(positions, min(shots, len(positions)))
                drawn += [(camera, identity, position) for position in chosen]
        yield _images(drawn)


def _images(drawn: Iterable[tuple[int, int, int]]) -> Images:
    return np.array(list(drawn), dtype=np.int64).reshape(-1, 3)


def _find(features: ImageTable, candidates: Rows, images: Images) -> Rows:
    """Return the row of each drawn image among the candidate rows."""
    if features.index is None:
        position = _position_by_path(features, candidates)
    else:
        position = features.index[candidates]
    held = _code(features.camera[candidates], features.identity[candidates], position)
    wanted = _code(*images.T)
    sequence = np.argsort(held)
    at = np.searchsorted(held, wanted, sorter=sequence).clip(max=len(held) - 1)
    found = candidates[sequence[at]] if len(held) else np.zeros_like(wanted)
    absent = held[sequence[at]] != wanted if len(held) else np.ones(len(wanted), dtype=bool)
    if absent.any():
        camera, identity, number = images[np.flatnonzero(absent)[0]].tolist()
        raise FeaturesError(
            f"the features lack {int(absent.sum())} gallery images, the first is image {number} of "
            f"identity {identity} in camera {camera}; extract all images of the test identities"
        )
    return found


def _code(camera: Rows, identity: Rows, position: Rows) -> Rows:
    """Return one number per image, different for different images."""
    return (camera << 56) | (identity << 24) | position


def _position_by_path(features: ImageTable, rows: Rows) -> Rows:
    """Return the 1-based position of each row among the rows of its camera and identity."""
    camera, identity = features.camera[rows], features.identity[rows]
    sequence = np.lexsort((features.path[rows], identity, camera))
    group = _code(camera, identity, np.zeros_like(camera))[sequence]
    start = np.searchsorted(group, group)
    position = np.empty_like(sequence)
    position[sequence] = np.arange(len(rows)) - start + 1
    return position


def _check_people(people: Sequence[int], permutations: GalleryPermutations) -> None:
    if not people:
        raise UsageError("there are no identities to test; check the id list of the split")
    drawn = {identity for _, identity in permutations.cells}
    unknown = [identity for identity in people if identity not in drawn]
    if unknown:
        raise FeaturesError(
            f"{len(unknown)} identities to test are not in rand_perm_cam.mat, the first is "
            f"{unknown[0]}; take the id list and the permutations of one data set"
        )


def _check_modality(features: ImageTable, shown: NDArray[np.bool_]) -> None:
    expected = np.where(np.isin(features.camera, INFRARED_CAMERAS), "infrared", "visible")
    wrong = np.flatnonzero(shown & (features.modality != expected))
    if len(wrong):
        row = int(wrong[0])
        raise FeaturesError(
            f"row {row} says {str(features.modality[row])!r} but camera {features.camera[row]} of "
            f"SYSU-MM01 is {expected[row]}; correct the camera or the modality"
        )


def _check_complete(
    features: ImageTable,
    rows: Rows,
    people: Sequence[int],
    cameras: Sequence[int],
    permutations: GalleryPermutations,
) -> None:
    """Refuse features that hold only some of the images that the split counts."""
    pairs, counts = np.unique(
        _code(features.camera[rows], features.identity[rows], np.zeros_like(rows)),
        return_counts=True,
    )
    held = dict(zip(pairs.tolist(), counts.tolist(), strict=True))
    for camera, identity in product(cameras, people):
        expected = permutations.images(camera, identity)
        found = held.get((camera << 56) | (identity << 24), 0)
        if found != expected:
            raise FeaturesError(
                f"the features hold {found} of {expected} images of identity {identity} in camera "
                f"{camera}; extract all images of the test identities"
            )
