"""A heat map over an image."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["overlay", "png"]


def overlay(picture: Image.Image, heat: NDArray[np.float32]) -> Image.Image:
    """Return the picture with the map over it: red where it adds, blue where it subtracts."""
    strength = np.clip(heat / max(float(np.abs(heat).max()), 1e-12), -1, 1)[..., None]
    colour = np.where(strength > 0, [255, 60, 0], [0, 90, 255])
    pixels = np.asarray(picture.convert("RGB"), dtype=np.float64)
    alpha = 0.65 * np.abs(strength)
    return Image.fromarray((pixels * (1 - alpha) + colour * alpha).astype(np.uint8))


def png(picture: Image.Image) -> bytes:
    """Return a PNG file's bytes."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
