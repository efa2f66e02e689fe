"""People become a contact sheet: a row for each, columns by camera."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from fprnet_lab.people.render import Setting, rendered

__all__ = ["contact_sheet"]

CAMERAS = (1, 2, 4, 5, 3, 6)
GAP = 2  # pixels between images


def contact_sheet(
    setting: Setting,
    identities: Sequence[int],
    *,
    size: tuple[int, int] = (128, 64),
    cameras: Sequence[int] = CAMERAS,
    images: int = 2,
) -> Image.Image:
    """Return a picture of people side by side, as sets of this setting show them.

    Args:
        setting: Seeds of people and worlds.
        identities: A row for each.
        size: Height and width of each image in pixels.
        cameras: Cameras of the columns, see ``worlds.CAMERAS``.
        images: Images of each camera.
    """
    rows = []
    for identity in identities:
        pixels = [
            rendered(setting, identity, camera, number, size).pixels
            for camera in cameras
            for number in range(1, images + 1)
        ]
        padded = [np.pad(one, ((0, GAP), (0, GAP), (0, 0))) for one in pixels]
        rows.append(np.concatenate(padded, 1))
    return Image.fromarray(np.concatenate(rows))
