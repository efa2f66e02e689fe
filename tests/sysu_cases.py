"""Small splits, features and slow definitions that several tests share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fprnet.data.protocols.sysu_mm01 import sysu_mm01_protocol
from fprnet.data.sysu_mm01 import VISIBLE_CAMERAS, GalleryPermutations, SysuSplit
from fprnet.embeddings.store import Features
from fprnet.evaluation.scores import Scores, score

OF_SCORE = ("metric", "metrics", "rerank", "expand_query", "device")

# (camera, identity) -> images. Identity 2 is in no visible indoor camera, identity 3 has a visible
# image in camera 2 only, so its camera-3 queries have no match left.
IMAGES = {
    (1, 1): 4,
    (2, 1): 3,
    (4, 1): 2,
    (3, 1): 3,
    (6, 1): 2,
    (4, 2): 5,
    (5, 2): 1,
    (3, 2): 2,
    (2, 3): 12,
    (3, 3): 4,
    (6, 3): 1,
    (1, 7): 2,
    (6, 7): 2,
}


def small_split(images=IMAGES, *, test=(1, 2, 3), trials=10, seed=0) -> SysuSplit:
    """A split with permutations drawn from a seed."""
    generator = np.random.default_rng(seed)
    cells = {
        place: np.stack([generator.permutation(number) + 1 for _ in range(trials)])
        for place, number in images.items()
    }
    return SysuSplit((7,), (), tuple(test), GalleryPermutations(cells))


def small_features(images=IMAGES, *, dimensions=3, seed=0, ties=True) -> Features:
    """Features of every image; whole numbers from a small range where ties are wanted."""
    generator = np.random.default_rng(seed)
    rows = [(c, i, n) for (c, i), number in images.items() for n in range(1, number + 1)]
    camera, identity, index = np.array(rows, dtype=np.int64).T
    if ties:
        features = generator.integers(0, 3, (len(rows), dimensions)).astype(np.float32)
    else:
        features = generator.standard_normal((len(rows), dimensions), dtype=np.float32)
    return Features(
        features=features,
        identity=identity,
        camera=camera,
        modality=np.where(np.isin(camera, VISIBLE_CAMERAS), "visible", "infrared"),
        path=np.array([f"cam{c}/{i:04d}/{n:04d}.jpg" for c, i, n in rows]),
        index=index,
    )


@dataclass
class Definition:
    """The numbers of one query, None where no match is left."""

    identity_rank: int
    image_rank: int
    average_precision: float
    inverse_negative_penalty: float


def by_definition(distance, query_identity, gallery_identity, removed) -> Definition | None:
    """One query, written as slowly and plainly as the protocol says it."""
    ranking = sorted(range(len(distance)), key=lambda g: (float(distance[g]), g))
    people = [int(gallery_identity[g]) for g in ranking if not removed[g]]
    hits = [rank for rank, person in enumerate(people, start=1) if person == query_identity]
    if not hits:
        return None
    different = list(dict.fromkeys(people))  # first occurrences, in order
    return Definition(
        identity_rank=different.index(int(query_identity)) + 1,
        image_rank=hits[0],
        average_precision=sum(k / rank for k, rank in enumerate(hits, start=1)) / len(hits),
        inverse_negative_penalty=len(hits) / hits[-1],
    )


def evaluate(features: Features, split: SysuSplit, **options) -> Scores:
    """Score features under the protocol of SYSU-MM01."""
    chosen = {name: options.pop(name) for name in OF_SCORE if name in options}
    return score(features, sysu_mm01_protocol(features, split, **options), **chosen)
