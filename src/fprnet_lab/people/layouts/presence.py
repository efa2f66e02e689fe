"""Who is seen by which camera, and how often: draws that the layouts share."""

from __future__ import annotations

import numpy as np

from fprnet_lab.people.options import PeopleOptions

__all__ = ["cameras_of", "count_images"]

_COUNT, _SOME = 22, 24  # streams of random numbers, see also render
SEEN = 0.4  # share of a site's cameras that see a person
MIN_CAMERAS = 3


def count_images(seed: int, identity: int, camera: int, mean: int) -> int:
    """Draw the number of images from mean - 1, mean, mean + 1; one image stays one."""
    if mean == 1:
        return 1
    rng = np.random.default_rng([seed, _COUNT, identity, camera])
    return mean + int(rng.integers(-1, 2))


def cameras_of(options: PeopleOptions, identity: int, cameras: tuple[int, ...]) -> list[int]:
    """Draw the cameras of a larger site that see a person, at least three."""
    rng = np.random.default_rng([options.seed, _SOME, identity])
    number = max(MIN_CAMERAS, int(rng.binomial(len(cameras), SEEN)))
    return sorted(rng.choice(cameras, number, replace=False).tolist())
