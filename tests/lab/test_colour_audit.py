"""Colour must not solve the task: descriptors that nothing has learned, on 64 unseen identities.

Rules of SYSU-MM01, all-search, single-shot; a small scorer by definition, independent of
``fprnet.evaluation``.
"""

import io
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image

from fprnet.embeddings.descriptors import DESCRIPTORS
from fprnet_lab.synthetic.layouts.sysu_mm01 import images_of
from fprnet_lab.synthetic.options import GeneratorOptions
from fprnet_lab.synthetic.writer import encoded

pytestmark = pytest.mark.slow

LOCATION = np.array([0, 1, 2, 2, 4, 5, 6])
TRIALS = 5


@dataclass(frozen=True)
class TestImages:
    __test__ = False
    pictures: np.ndarray
    identity: np.ndarray
    camera: np.ndarray
    galleries: list[np.ndarray]  # of each trial: rows of one visible image per identity and camera


@pytest.fixture(scope="module")
def unseen() -> TestImages:
    options = GeneratorOptions()
    keys = [
        (identity, camera, frame)
        for identity in options.splits["test"]
        for camera, count in images_of(options, identity).items()
        for frame in range(1, count + 1)
    ]
    files = [encoded(options.seed, *key, options.size) for key in keys]
    pictures = np.stack([np.asarray(Image.open(io.BytesIO(file))) for file in files])
    identity, camera, _ = np.array(keys).T
    rng = np.random.default_rng(0)
    cells = [
        rows
        for i in options.splits["test"]
        for c in (1, 2, 4, 5)
        if len(rows := np.flatnonzero((identity == i) & (camera == c)))
    ]
    galleries = [np.array([rng.choice(rows) for rows in cells]) for _ in range(TRIALS)]
    return TestImages(pictures, identity, camera, galleries)


def scores(unseen: TestImages, features: np.ndarray, *, infrared: bool) -> tuple[float, float]:
    """Rank-1 and mAP in percent of infrared, or of the remaining visible, queries."""
    first, precision = [], []
    for gallery in unseen.galleries:
        query = np.isin(unseen.camera, (3, 6)) == infrared
        query[gallery] = False
        for row in np.flatnonzero(query):
            elsewhere = gallery[LOCATION[unseen.camera[gallery]] != LOCATION[unseen.camera[row]]]
            distance = ((features[elsewhere] - features[row]) ** 2).sum(axis=1)
            order = elsewhere[np.argsort(distance, kind="stable")]
            ranks = np.flatnonzero(unseen.identity[order] == unseen.identity[row]) + 1
            if len(ranks):
                first.append(ranks[0] == 1)
                precision.append(np.mean(np.arange(1, len(ranks) + 1) / ranks))
    return 100 * float(np.mean(first)), 100 * float(np.mean(precision))


@pytest.fixture(scope="module")
def chance(unseen: TestImages) -> tuple[float, float]:
    noise = np.random.default_rng(1).standard_normal((len(unseen.pictures), 16))
    return scores(unseen, noise, infrared=True)


def test_chance_is_near_that_of_64_identities(chance: tuple[float, float]) -> None:
    rank_1, mean_precision = chance
    assert 0.8 < rank_1 < 2.4
    assert 3.3 < mean_precision < 4.5


def test_colours_do_not_find_infrared_people(
    unseen: TestImages, chance: tuple[float, float]
) -> None:
    rank_1, mean_precision = scores(unseen, DESCRIPTORS["hsv"](unseen.pictures), infrared=True)
    assert rank_1 < chance[0] + 2
    assert mean_precision < chance[1] + 1.5


def test_the_same_colours_do_find_visible_people(
    unseen: TestImages, chance: tuple[float, float]
) -> None:
    rank_1, mean_precision = scores(unseen, DESCRIPTORS["hsv"](unseen.pictures), infrared=False)
    assert rank_1 > 10 * chance[0]
    assert mean_precision > 3 * chance[1]


def test_brightness_hardly_finds_infrared_people(
    unseen: TestImages, chance: tuple[float, float]
) -> None:
    _, mean_precision = scores(unseen, DESCRIPTORS["gray"](unseen.pictures), infrared=True)
    assert mean_precision < chance[1] + 2


def test_outlines_and_patterns_find_some(unseen: TestImages) -> None:
    rank_1, mean_precision = scores(
        unseen, DESCRIPTORS["gradients"](unseen.pictures), infrared=True
    )
    assert 5 < rank_1 < 13
    assert 6 < mean_precision < 12
