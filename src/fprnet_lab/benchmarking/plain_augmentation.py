"""Pad, crop, mirror, normalise and erase one image after the other with Pillow and NumPy.

What the field's loaders do, and a slow oracle of :mod:`fprnet.data.augmentation`. The random
numbers are handed in, so that both sides can be given the same. Shapes: B images of H x W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

__all__ = ["plain_augmented"]

MEAN = np.array((0.485, 0.456, 0.406), dtype=np.float32)  # ImageNet's, of R, G, B in [0, 1]
DEVIATION = np.array((0.229, 0.224, 0.225), dtype=np.float32)


def plain_augmented(
    images: NDArray[np.uint8],
    *,
    padding: int,
    corner: Sequence[Sequence[int]],
    mirrored: Sequence[bool],
    erased: Sequence[Sequence[int]],
) -> Tensor:
    """Return normalised images ``(B, 3, H, W)`` float32.

    Args:
        images: ``(B, H, W, 3)``.
        padding: Black pixels on every side before the crop.
        corner: Top and left of each crop in the padded image.
        mirrored: Whether left becomes right.
        erased: Top, left, bottom, right of the rectangle that is set to 0; empty: none.
    """
    height, width = images.shape[1:3]
    results = []
    for number, pixels in enumerate(images):
        image = ImageOps.expand(Image.fromarray(pixels), padding)
        top, left = corner[number]
        image = image.crop((left, top, left + width, top + height))
        if mirrored[number]:
            image = ImageOps.mirror(image)
        values = np.asarray(image, dtype=np.float32) / 255
        values = (values - MEAN) / DEVIATION
        top, left, bottom, right = erased[number]
        values[top:bottom, left:right] = 0
        results.append(torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1))))
    return torch.stack(results)
