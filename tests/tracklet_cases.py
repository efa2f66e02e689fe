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


def person_vectors(person, count, size, spread=0.15, seed=0):
    """Unit vectors around an axis of each person's own: cosines of about 0.98 among them."""
    random = np.random.default_rng([seed, person])
    vectors = spread / np.sqrt(size) * random.standard_normal((count, size))
    vectors[:, person] += 1
    return unit(vectors)


# Person, camera, modality, seconds after noon: person 0 walks by four cameras, 1 by two at the
# same times, 2 is seen once.
WALKS = [
    (0, "gate", "visible", 0),
    (0, "hall", "visible", 60),
    (0, "yard", "infrared", 130),
    (0, "dock", "infrared", 200),
    (1, "gate", "visible", 1),
    (1, "hall", "visible", 61),
    (2, "yard", "infrared", 300),
]


def make_walks(uri, walks=WALKS, images=None):
    """Make a gallery of the shipped model, and add a tracklet of three crops for each walk.

    Crops are noise, or ``images(walk, crop)``; the embeddings are made up, so who is who is known.
    """
    from fprnet import create_gallery
    from fprnet.gallery.tracklets import add_tracklet
    from service_cases import image_bytes

    images = images or (lambda walk, crop: image_bytes(100 + 10 * walk + crop))
    with create_gallery(str(uri)) as gallery:
        size = gallery.model.embedding_size
        return [
            add_tracklet(
                gallery,
                tracklet(
                    number,
                    vectors=person_vectors(person, 3, size, seed=number),
                    camera=camera,
                    modality=modality,
                    start=start,
                    source=f"{camera}.mp4",
                    images=[images(number, crop) for crop in range(3)],
                ),
            ).id
            for number, (person, camera, modality, start) in enumerate(walks)
        ]


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
