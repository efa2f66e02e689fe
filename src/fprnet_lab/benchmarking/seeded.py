"""Features and a split to measure with: as many images as SYSU-MM01 tests on, and no data set.

Shapes: N images, D numbers per embedding.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fprnet.data.sysu_mm01 import VISIBLE_CAMERAS, GalleryPermutations, SysuSplit, read_split
from fprnet.embeddings.store import Features

__all__ = ["official_sized_split", "random_features", "split_for"]

TRIALS = 10
# Camera -> (first and last identity, images of all together): the counts of the official test set,
# 3,803 queries and a single-shot gallery of 301, all queries with a match. Visible images: 20 each.
CAMERAS = {
    1: (1, 56, 1120),
    2: (1, 56, 1120),
    3: (1, 93, 1883),
    4: (3, 96, 1880),
    5: (1, 95, 1900),
    6: (1, 96, 1920),
}


def official_sized_split(seed: int = 0) -> SysuSplit:
    """Return a split of the official size with permutations of its own."""
    generator = np.random.default_rng(seed)
    cells = {}
    for camera, (first, last, images) in CAMERAS.items():
        people = last - first + 1
        for place in range(people):
            count = images // people + (place < images % people)
            drawn = [generator.permutation(count) + 1 for _ in range(TRIALS)]
            cells[camera, first + place] = np.stack(drawn)
    test = sorted({identity for _, identity in cells})
    return SysuSplit((), (), tuple(test), GalleryPermutations(cells))


def split_for(data: Path | None) -> SysuSplit:
    """Read the split of a data set, or draw one where there is none.

    Raises:
        DataError: The split files are missing or damaged.
    """
    return official_sized_split() if data is None else read_split(data, needed=("test",))


def random_features(split: SysuSplit, dimensions: int, seed: int) -> Features:
    """Return vectors of every test image that the split counts, with some identity in them."""
    generator = np.random.default_rng(seed)
    tested = set(split.test)
    assert split.permutations is not None  # a benchmark's data set is whole
    rows = [
        (camera, identity, index)
        for (camera, identity), cell in split.permutations.cells.items()
        if identity in tested
        for index in range(1, cell.shape[1] + 1)
    ]
    camera, identity, index = np.array(rows, dtype=np.int64).T
    centre = generator.standard_normal((identity.max() + 1, dimensions), dtype=np.float32)
    noise = generator.standard_normal((len(rows), dimensions), dtype=np.float32)
    return Features(
        features=0.25 * centre[identity] + noise,
        identity=identity,
        camera=camera,
        modality=np.where(np.isin(camera, VISIBLE_CAMERAS), "visible", "infrared"),
        path=np.array([f"cam{c}/{i:04d}/{n:04d}.jpg" for c, i, n in rows]),
        index=index,
    )
