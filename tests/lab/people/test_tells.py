"""What must not tell who somebody is: backgrounds and cameras never, colours not across modalities.

A small scorer by definition; features that nothing has learned.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fprnet.embeddings.descriptors import DESCRIPTORS
from fprnet_lab.people import scene
from fprnet_lab.people.layer import Layer, person_layer
from fprnet_lab.people.render import Setting, rendered

pytestmark = pytest.mark.slow

IDENTITIES, IMAGES = range(1, 41), range(1, 4)
SETTING = Setting(seed=11, worlds=(1, 2, 3, 4))
CAMERAS = (1, 4, 5, 6)
KEYS = [(who, eye, number) for who in IDENTITIES for eye in CAMERAS for number in IMAGES]


@pytest.fixture(scope="module")
def images() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    pixels = np.stack([rendered(SETTING, *key, (64, 32)).pixels for key in KEYS])
    identity, camera, _ = np.array(KEYS).T
    return pixels, identity, camera


def rank_1(features: np.ndarray, identity: np.ndarray, query: np.ndarray, gallery: np.ndarray):
    """Share in percent of the queries whose nearest gallery image shows the same person."""
    hits = []
    for row in np.flatnonzero(query):
        distance = ((features[gallery] - features[row]) ** 2).sum(1)
        hits.append(identity[gallery][np.argmin(distance)] == identity[row])
    return 100 * float(np.mean(hits))


@pytest.fixture(scope="module")
def empty_images() -> np.ndarray:
    """The same images with the person left out: what a model that sees only the rest would see."""

    def nobody(*arguments: Any) -> Layer:
        layer = person_layer(*arguments)
        return replace(layer, light=layer.light * 0, alpha=layer.alpha * 0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scene, "person_layer", nobody)
        return np.stack([rendered(SETTING, *key, (64, 32)).pixels for key in KEYS])


def test_backgrounds_and_cameras_are_at_chance(images, empty_images):
    _, identity, camera = images
    visible = camera != 6
    first = np.arange(len(identity)) % len(IMAGES) == 0
    small = empty_images.reshape(-1, 8, 8, 4, 8, 3).mean((2, 4)).reshape(len(identity), -1)
    for features in (small, DESCRIPTORS["hsv"](empty_images)):
        found = rank_1(features, identity, visible & first, visible & ~first)
        assert found < 100 / len(IDENTITIES) + 4.3  # chance is 2.5; three standard deviations


def test_a_person_is_in_no_world_more_than_others():
    worlds = (1, 2, 3, 4)
    counts = np.zeros(len(worlds))
    for identity in range(1, 200):
        rng = np.random.default_rng([SETTING.seed, 12, identity, 4, 1])  # as in render
        counts[rng.integers(len(worlds))] += 1
    assert counts.min() > 30


def test_colours_find_people_by_day_and_not_across_modalities(images):
    pixels, identity, camera = images
    colours = DESCRIPTORS["hsv"](pixels)
    visible = camera != 6
    chance = 100 / len(IDENTITIES)
    assert rank_1(colours, identity, ~visible, visible) < chance + 5.5
    first = np.arange(len(identity)) % len(IMAGES) == 0
    assert rank_1(colours, identity, visible & first, visible & ~first) > 6 * chance


def test_outlines_find_some_across_modalities(images):
    pixels, identity, camera = images
    gradients = DESCRIPTORS["gradients"](pixels)
    visible = camera != 6
    assert rank_1(gradients, identity, ~visible, visible) > 100 / len(IDENTITIES)
