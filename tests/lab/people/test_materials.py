"""Materials under daylight and under an infrared lamp, and cloth point by point."""

from dataclasses import replace

import numpy as np
import pytest

from fprnet_lab.people import materials
from fprnet_lab.people.cloth import Cloth, draw_cloth
from fprnet_lab.people.person import Person, Population, draw_person
from fprnet_lab.people.thermal import thermal_outfit

DRAWS = 400


@pytest.fixture(scope="module")
def person() -> Person:
    return draw_person((1, 2), Population())


def rows(draw) -> np.ndarray:
    return np.stack([draw(np.random.default_rng(seed)) for seed in range(DRAWS)])


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng: materials.dyed(rng, materials.TOPS),
        lambda rng: materials.dyed(rng, materials.SHOES, "rubber"),
        lambda rng: materials.dyed(rng, materials.BAGS, "leather"),
        materials.denim,
        lambda rng: materials.hair(rng, 0.2, light=True),
        lambda rng: materials.hair(rng, 0.7, light=False),
        lambda rng: materials.skin(rng, (0.4, 0.3, 0.3)),
    ],
)
def test_a_reflectance_is_a_share_of_the_light(draw):
    found = rows(draw)
    assert found.shape == (DRAWS, 4)
    assert found.min() > 0
    assert found.max() <= 1


def test_black_cotton_is_dark_by_day_and_mostly_bright_in_infrared():
    found = rows(lambda rng: materials.dyed(rng, {"black": 1}))
    assert found[:, :3].max() < 0.06
    bright = found[:, 3] > 0.3
    assert 0.65 < bright.mean() < 0.85  # a quarter is dyed with carbon black
    assert found[~bright, 3].max() < 0.21


def test_skin_tones_differ_by_day_and_hardly_in_infrared():
    dark, light = (
        rows(lambda rng, tone=tone: materials.skin(rng, tone)) for tone in ((1, 0, 0), (0, 0, 1))
    )
    assert light[:, :3].mean() > 2 * dark[:, :3].mean()
    assert light[:, 3].mean() < 1.3 * dark[:, 3].mean()


def test_half_of_the_patterns_vanish_in_infrared():
    def contrast(rng: np.random.Generator) -> np.ndarray:
        base = materials.dyed(rng, materials.TOPS)
        return np.abs(materials.contrasting(rng, base, materials.TOPS, vanish=0.5) - base)

    found = rows(contrast)
    assert (found[:, :3].max(1) > 0.02).mean() > 0.97  # by day every pattern is seen
    assert 0.42 < (found[:, 3] < 1e-6).mean() < 0.58
    assert (found[:, 3] > 0.15).mean() > 0.12  # pigments stay


def cloth(**changes) -> Cloth:
    grounds = [np.full(4, value, np.float32) for value in (0.1, 0.5, 0.9)]
    values = {"ground": grounds[0], "second": grounds[1], "third": grounds[2]} | changes
    return Cloth(**values)


def test_stripes_repeat_with_their_pitch():
    striped = cloth(pattern="stripes", pitch=(2.0, 1.0), duty=0.25, phase=0.0)
    down = np.array([0.1, 0.4, 0.6, 1.9, 2.1, 2.6], np.float32)
    # A quarter of two decimetres is striped: 0 to 0.5, 2 to 2.5, ...
    assert striped.at(np.zeros(6, np.float32), down)[:, 0] == pytest.approx(
        [0.5, 0.5, 0.1, 0.1, 0.5, 0.1]
    )


def test_a_check_is_lightest_where_both_bands_cross():
    checked = cloth(pattern="check", pitch=(1.0, 1.0), duty=0.3, phase=0.0)
    across = np.array([0.1, 0.1, 0.6, 0.6], np.float32)
    down = np.array([0.1, 0.6, 0.1, 0.6], np.float32)
    assert checked.at(across, down)[:, 3] == pytest.approx([0.5, 0.3, 0.3, 0.1])


def test_most_cloth_is_plain():
    found = [
        draw_cloth(np.random.default_rng(seed), np.full(4, 0.2, np.float32)).pattern
        for seed in range(DRAWS)
    ]
    assert 0.5 < found.count("plain") / DRAWS < 0.72
    assert len(set(found)) >= 6


def test_warmth_knows_no_pattern(person):
    outfit = thermal_outfit(person.outfit)
    assert outfit.head.skin[3] > outfit.head.hair[3] > outfit.shoes.upper[3]
    # The thicker the cloth, the less of the body's heat comes through.
    thin, thick = (
        thermal_outfit(replace(person.outfit, tops=(replace(person.outfit.tops[0], thickness=t),)))
        for t in (0.05, 0.4)
    )
    assert outfit.head.skin[3] > thin.tops[0].cloth.ground[3] > thick.tops[0].cloth.ground[3]
    assert all(top.cloth.pattern == "plain" for top in outfit.tops)
