"""Crops are measured by hand-worked cases, and rejected for the first reason that holds."""

import numpy as np
import pytest

from fprnet.watch.quality import REASONS, Quality, QualityLimits, measure_quality

FRAME = np.random.default_rng(0).integers(0, 256, (200, 300, 3)).astype(np.uint8)
GOOD = Quality(100, 0.0, 0.0, 20.0, 0.0, 0.0, 120.0)


def boxes(*rows):
    return np.array(rows, np.float32)


def test_truncation_and_occlusion_by_hand():
    measured = measure_quality(
        FRAME,
        boxes(
            (100, 50, 40, 100),  # whole
            (120, 60, 40, 100),  # nearer (its feet are at 160): covers 20 of 40 columns, 90 of 100
            (-10, 20, 40, 100),  # a quarter outside
            (200, 150, 40, 80),  # 30 of 80 rows below the frame
        ),
    )
    quality = [one for _, one in measured]
    assert quality[0].occluded == pytest.approx(20 * 90 / (40 * 100))
    assert quality[1].occluded == 0
    assert quality[0].truncated == 0
    # 10 of 40 columns are outside; of a person 100 tall, who is 41 wide, 30 are seen
    assert quality[2].truncated == pytest.approx(1 - 30 / 41)
    # 50 rows are seen of a person 40 wide, who is 40 / 0.41 tall
    assert quality[3].truncated == pytest.approx(1 - 50 * 0.41 / 40)
    assert [box for box, _ in measured] == [
        (100, 50, 40, 100), (120, 60, 40, 100), (0, 20, 30, 100), (200, 150, 40, 50)
    ]  # fmt: skip


def test_a_box_that_a_detector_ends_at_the_border_is_truncated_too():
    ((_, quality),) = measure_quality(FRAME, boxes((0, 40, 15, 100)))
    assert quality.truncated == pytest.approx(1 - 15 / 41)


def test_light_and_sharpness_by_hand():
    frame = np.zeros((100, 100, 3), np.uint8)
    frame[:, 50:] = 250
    frame[50:, :50] = 100  # one edge of 100 in 50 of 99 x 100 steps between rows
    ((_, quality),) = measure_quality(frame, boxes((0, 0, 100, 100)))
    assert quality.dark == pytest.approx(0.25)
    assert quality.bright == pytest.approx(0.5)
    assert quality.contrast == 250
    assert quality.height == 100
    smooth = np.repeat(np.arange(100, dtype=np.uint8)[:, None, None], 3, 2).repeat(100, 1)
    ((_, quality),) = measure_quality(smooth, boxes((0, 0, 100, 100)))
    assert quality.sharpness == pytest.approx(1)  # a ramp of one gray value a row


def test_boxes_outside_are_useless_and_nobody_is_nothing():
    assert measure_quality(FRAME, np.zeros((0, 4), np.float32)) == []
    for (x, y, width, height), quality in measure_quality(
        FRAME, boxes((400, 10, 20, 50), (-90, -90, 20, 50), (10, 10, 0.2, 50))
    ):
        assert width * height == 0
        assert x <= 300
        assert y <= 200
        assert quality.rejected(QualityLimits())
        assert quality.score == 0


@pytest.mark.parametrize(
    ("reason", "changes"),
    [
        ("small", {"height": 39}),
        ("truncated", {"truncated": 0.31}),
        ("occluded", {"occluded": 0.51}),
        ("blurred", {"sharpness": 1.0}),
        ("dark", {"dark": 0.9}),
        ("bright", {"bright": 0.7}),
        ("flat", {"contrast": 5.0}),
    ],
)
def test_each_reason(reason, changes):
    worse = Quality(**{**vars(GOOD), **changes})
    assert GOOD.rejected(QualityLimits()) == ""
    assert worse.rejected(QualityLimits()) == reason
    assert worse.score < GOOD.score or reason == "small"
    assert reason in REASONS
    assert 0 <= worse.score <= 1
