"""Options become a contact sheet: rows of identities, columns of cameras, to look at a world."""

from __future__ import annotations

import numpy as np
from PIL import Image

from fprnet_lab.synthetic.drawing import draw
from fprnet_lab.synthetic.options import GeneratorOptions

__all__ = ["contact_sheet"]

_ORDER = (1, 2, 4, 5, 3, 6)  # visible cameras first, then infrared


def contact_sheet(
    options: GeneratorOptions, *, identities: int = 8, images: int = 2, first: int = 1
) -> Image.Image:
    """Draw a sheet of the pictures that ``generate`` would write.

    Args:
        options: The world; seed, size and cameras count.
        identities: Number of rows.
        images: Pictures of one identity in one camera, side by side.
        first: Identity of the first row.

    Returns:
        An RGB picture: visible cameras on the left, infrared ones on the right.
    """
    cameras = [camera for camera in _ORDER if camera in options.cameras]
    rows = [
        np.concatenate(
            [
                draw(options.seed, identity, camera, frame, options.size)
                for camera in cameras
                for frame in range(1, images + 1)
            ],
            axis=1,
        )
        for identity in range(first, first + identities)
    ]
    return Image.fromarray(np.concatenate(rows, axis=0))
