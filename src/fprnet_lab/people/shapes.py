"""Simple closed surfaces: the quads of bags, knots of hair, brims and hoods."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["ellipsoid"]

Floats = NDArray[np.float32]


def ellipsoid(
    centre: tuple[float, float, float],
    half_size: tuple[float, float, float],
    *,
    rings: int = 12,
    sectors: int = 18,
    power: float = 3.5,
) -> tuple[Floats, NDArray[np.int32]]:
    """Return a superellipsoid: a ball at ``power`` 2, nearer to a box the larger it is.

    Args:
        centre: Centre of the body, decimetres.
        half_size: Half its size along x, y and z.
        rings: Circles of latitude, the poles among them.
        sectors: Points of each.
        power: Exponent.

    Returns:
        Vertices (rings * sectors, 3) and quads (Q, 4).
    """
    latitude = np.linspace(-np.pi / 2, np.pi / 2, rings)[:, None]
    longitude = np.linspace(0, 2 * np.pi, sectors, endpoint=False)[None]

    def bent(value: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.sign(value) * np.abs(value) ** (2 / power))

    x = bent(np.cos(latitude)) * bent(np.cos(longitude))
    y = bent(np.sin(latitude)) * np.ones_like(longitude)
    z = bent(np.cos(latitude)) * bent(np.sin(longitude))
    vertices = np.stack([x, y, z], 2).reshape(-1, 3) * half_size + centre
    ring, sector = np.mgrid[: rings - 1, :sectors]
    after = (sector + 1) % sectors
    low, high = ring * sectors, (ring + 1) * sectors
    quads = np.stack([low + sector, high + sector, high + after, low + after], 2).reshape(-1, 4)
    return vertices.astype(np.float32), quads.astype(np.int32)
