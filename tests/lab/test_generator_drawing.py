"""Parts of a drawn picture: shapes against their areas, joints against geometry, materials."""

import math

import numpy as np
import pytest

from fprnet_lab.synthetic.canvas import Canvas, Light
from fprnet_lab.synthetic.draws import bounded, pick
from fprnet_lab.synthetic.materials import KEEPS_CONTRAST, cloth, cloth_pair
from fprnet_lab.synthetic.skeleton import SOLE, Projection, Walk, draw_body, joints
from fprnet_lab.synthetic.textures import (
    ANGLE,
    PATTERNS,
    ROW,
    Texture,
    inside,
    mix,
    pattern,
    plain,
)

FLAT = Light(ambient=1.0, x=0.0, y=0.0, z=0.0)
WHITE = plain(np.ones(4, dtype=np.float32))


def black(height: int = 60, width: int = 60) -> Canvas:
    return Canvas(np.zeros((4, height, width), dtype=np.float32))


def test_capsule_covers_its_area_in_all_four_channels() -> None:
    canvas = black()
    canvas.capsule((15.3, 12.8), (40.1, 45.2), (6.0, 6.0), WHITE, FLAT)
    length = math.hypot(40.1 - 15.3, 45.2 - 12.8)
    area = 2 * 6 * length + math.pi * 36
    np.testing.assert_allclose(canvas.pixels.sum(axis=(1, 2)), area, rtol=0.01)


@pytest.mark.parametrize("tilt", [0.0, 0.7])
def test_ellipse_covers_its_area(tilt: float) -> None:
    canvas = black()
    canvas.superellipse((30.2, 29.7), (18.0, 9.0), WHITE, FLAT, tilt=tilt)
    assert canvas.pixels[3].sum() == pytest.approx(math.pi * 18 * 9, rel=0.015)


def test_revolution_covers_the_area_of_its_outline() -> None:
    canvas = black()
    rows = np.array([10.0, 30.0, 50.0], dtype=np.float32)
    half = np.array([5.0, 12.0, 8.0], dtype=np.float32)
    canvas.revolution(rows, np.full(3, 30.0, dtype=np.float32), half, WHITE, FLAT)
    trapezes = 20 * (5 + 12) + 20 * (12 + 8)
    assert canvas.pixels[0].sum() == pytest.approx(trapezes, rel=0.01)


def test_edges_are_smooth_and_shapes_outside_change_nothing() -> None:
    covered = []
    for shift in np.linspace(0, 1, 5):
        canvas = black()
        canvas.superellipse((20 + float(shift), 20), (8.0, 8.0), WHITE, FLAT)
        covered.append(float(canvas.pixels[0, :, :20].sum()))
    steps = -np.diff(covered)
    np.testing.assert_allclose(steps, 4, rtol=0.1)  # a quarter of 16 rows leaves the left half
    canvas = black()
    canvas.capsule((-40, -40), (-20, -30), (5, 5), WHITE, FLAT)
    canvas.superellipse((500, 10), (5, 5), WHITE, FLAT)
    assert not canvas.pixels.any()


def test_light_from_the_right_brightens_the_right() -> None:
    canvas = black()
    canvas.capsule((30, 5), (30, 55), (12, 12), WHITE, Light(ambient=0.5, x=0.4, y=0, z=0.3))
    row = canvas.pixels[0, 30]
    assert row[38] > row[30] > row[22] > 0


def test_a_print_faces_the_camera_only_when_its_wearer_does() -> None:
    ink = np.zeros(4, dtype=np.float32)
    chest = Texture(mix(np.ones(4, dtype=np.float32), ink, inside(0.3, 0.7, -0.5, 0.5)))
    rows = np.array([10.0, 50.0], dtype=np.float32)
    dark = {}
    for name, yaw in {"front": 0.0, "side": math.pi / 2, "back": math.pi}.items():
        canvas = black()
        canvas.revolution(rows, np.full(2, 30.0), np.full(2, 15.0), chest, FLAT, turn=-yaw)
        dark[name] = canvas.pixels[0, 25:35, 16:44] < 0.5
    assert dark["front"][:, 10:18].all()
    assert not dark["back"].any()
    # Turned by 90 degrees to the viewer's right, the chest is at the right edge.
    assert dark["side"][:, 24:].any()
    assert not dark["side"][:, :14].any()


def test_reduced_texture_keeps_its_mean() -> None:
    share = pattern("dots", np.random.default_rng(0))
    texture = Texture(mix(np.zeros(4), np.ones(4), share))
    smaller = texture.reduced(4)
    assert smaller.texels.shape == (4, len(ROW) // 4, ANGLE.shape[1] // 4)
    assert smaller.texels.mean() == pytest.approx(share.mean(), abs=1e-5)


@pytest.mark.parametrize("kind", sorted(PATTERNS))
@pytest.mark.parametrize("seed", range(5))
def test_patterns_are_shares_that_show_both_cloths(kind: str, seed: int) -> None:
    share = pattern(kind, np.random.default_rng(seed))
    assert share.shape == (len(ROW), ANGLE.shape[1])
    assert share.min() >= 0
    assert share.max() <= 1
    assert 0.05 < share.mean() < 0.95


def test_near_infrared_does_not_follow_from_colour() -> None:
    rng = np.random.default_rng(0)
    cloths = np.array([cloth(rng) for _ in range(3000)])
    for channel in range(3):
        assert abs(np.corrcoef(cloths[:, channel], cloths[:, 3])[0, 1]) < 0.06


def test_four_of_five_patterns_keep_an_infrared_contrast_of_random_sign() -> None:
    rng = np.random.default_rng(0)
    pairs = [cloth_pair(rng) for _ in range(3000)]
    contrast = np.array([other[3] - base[3] for base, other in pairs])
    kept = np.abs(contrast) > 0.05
    assert kept.mean() == pytest.approx(KEEPS_CONTRAST, abs=0.03)
    assert (contrast[kept] > 0).mean() == pytest.approx(0.5, abs=0.04)
    brightness = np.array([other[:3].sum() - base[:3].sum() for base, other in pairs])
    assert abs(np.corrcoef(brightness, contrast)[0, 1]) < 0.06


@pytest.mark.parametrize("phase", np.linspace(0, 2 * math.pi, 7))
def test_one_foot_is_on_the_ground_and_legs_take_turns(phase: float) -> None:
    body = draw_body(np.random.default_rng(3))
    now = joints(body, Walk(phase, 1.0, 0))
    later = joints(body, Walk(phase + math.pi, 1.0, 0))
    assert min(now["ankle1"][1], now["ankle-1"][1]) == pytest.approx(SOLE)
    for name in ("knee", "ankle", "elbow", "hand"):
        x, y, z = later[f"{name}-1"]
        assert now[f"{name}1"] == pytest.approx((-x, y, z))


def test_bones_keep_their_length_while_walking() -> None:
    body = draw_body(np.random.default_rng(4))
    lengths = [
        math.dist(at["hip1"][1:], at["knee1"][1:])
        for at in (joints(body, Walk(phase, 1.0, 0)) for phase in np.linspace(0, 6, 9))
    ]
    np.testing.assert_allclose(lengths, (body.leg - SOLE) * 0.52, rtol=1e-9)


def test_a_turn_shows_depth_as_width() -> None:
    point = (0.1, 0.5, 0.3)
    front = Projection(x=32, y=120, scale=100, yaw=0.0, pitch=0.0)
    side = Projection(x=32, y=120, scale=100, yaw=math.pi / 2, pitch=0.0)
    assert front(point) == pytest.approx((42, 70, 0.3))
    assert side(point) == pytest.approx((62, 70, -0.1))
    assert front.half_width(0.2, 0.1) == pytest.approx(20)
    assert side.half_width(0.2, 0.1) == pytest.approx(10)


def test_a_camera_above_sees_near_things_lower() -> None:
    view = Projection(x=0, y=100, scale=100, yaw=0.0, pitch=0.2)
    assert view((0, 0, 0.2))[1] > view((0, 0, 0))[1] > view((0, 0, -0.2))[1]


def test_draws_keep_their_bounds_and_weights() -> None:
    rng = np.random.default_rng(0)
    values = [bounded(rng, 0.0, 1.0, -0.5, 0.5) for _ in range(200)]
    assert (min(values), max(values)) == (-0.5, 0.5)
    names = [pick(rng, often=3, never=0, seldom=1) for _ in range(2000)]
    assert names.count("never") == 0
    assert names.count("often") / 2000 == pytest.approx(0.75, abs=0.03)
