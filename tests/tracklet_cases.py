"""Tracklets of a few numbers, whose right answers a test can compute."""

from datetime import UTC, datetime, timedelta

import numpy as np

from fprnet.tracklets import PathPoint, Tracklet, TrackletCrop
from gallery_cases import unit

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def image_of(number, crop=0):
    """Bytes that stand for the image file; no two alike."""
    return f"image of tracklet {number}, crop {crop}.".encode()


def seconds(count):
    return NOON + timedelta(seconds=count)


def tracklet(
    number=1,
    *,
    vectors=((1, 0, 0, 0, 0, 0, 0, 0),),
    camera="door",
    modality="visible",
    start=0.0,
    length=4.0,
    source="door.mp4",
    images=None,
):
    """One crop for each vector; from ``start`` seconds after noon on, ``length`` seconds long."""
    images = images or [image_of(number, crop) for crop in range(len(vectors))]
    step = length / max(len(vectors), 1)
    crops = tuple(
        TrackletCrop(
            image=image,
            time=seconds(start + place * step),
            box=(10 * place, 20, 64, 128),
            embedding=unit(np.asarray(vector, dtype=np.float32)),
            quality=0.9 - 0.1 * place,
        )
        for place, (vector, image) in enumerate(zip(vectors, images, strict=True))
    )
    path = tuple(
        PathPoint(seconds(start + length * share), 0.2 + share / 2, 0.25, 0.1, 0.5)
        for share in (0, 0.5, 1)
    )
    end = seconds(start + length)
    return Tracklet(camera, modality, seconds(start), end, path, crops, source, number)
