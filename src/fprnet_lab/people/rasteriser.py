"""Triangles on the screen become, for each sample, the nearest triangle and its weights there.

Letters: V vertices, T triangles, H and W samples of the image, N samples covered. A sample lies at
the middle of its cell; a triangle covers it where all three weights are at least -1e-5, so
neighbours leave no gaps; of equal depths the first triangle wins. Weights are linear on the screen:
people are far away for their thickness.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fprnet_lab.people.kernels import jit

__all__ = ["Coverage", "depth_map", "interpolated", "rasterised", "vertex_normals"]

Floats = NDArray[np.float32]
Indices = NDArray[np.int32]
FAR = np.float32(1e9)
_EDGE = -1e-5
_FLAT = 1e-9  # double area in samples below which a triangle covers nothing


@dataclass(frozen=True)
class Coverage:
    """What covers the samples of an image.

    Attributes:
        depth: Distance of the nearest surface, (H, W); ``FAR`` where there is none.
        rows: Rows of the covered samples, (N,).
        columns: Their columns, (N,).
        triangles: Number of the nearest triangle, (N,).
        weights: Weights of its three corners, (N, 3).
    """

    depth: Floats
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    triangles: Indices
    weights: Floats


def rasterised(points: Floats, triangles: Indices, height: int, width: int) -> Coverage:
    """Find the nearest triangle of each sample.

    Args:
        points: Column, row and depth of each vertex, (V, 3), in samples; the depth in any unit.
        triangles: Vertices of each, (T, 3), in either sense of rotation.
        height: Rows of samples.
        width: Columns of samples.
    """
    depth = np.full((height, width), FAR, np.float32)
    nearest = np.full((height, width), -1, np.int32)
    weights = np.zeros((height, width, 2), np.float32)
    _rasterise(points.astype(np.float64), triangles, depth, nearest, weights)
    rows, columns = np.nonzero(nearest >= 0)
    first = weights[rows, columns]
    third = np.float32(1) - first[:, 0] - first[:, 1]
    return Coverage(
        depth,
        rows,
        columns,
        nearest[rows, columns],
        np.concatenate([first, third[:, None]], 1),
    )


def _rasterise_arrays(
    points: NDArray[np.float64],
    triangles: Indices,
    depth: Floats,
    nearest: Indices,
    weights: Floats,
) -> None:
    """Evaluate every sample in every triangle's bounding box at once, then sort by depth."""
    height, width = depth.shape
    p, q, r = (points[triangles[:, corner]] for corner in range(3))
    area = (q[:, 1] - r[:, 1]) * (p[:, 0] - r[:, 0]) + (r[:, 0] - q[:, 0]) * (p[:, 1] - r[:, 1])
    low = np.minimum(p, np.minimum(q, r))[:, :2]
    high = np.maximum(p, np.maximum(q, r))[:, :2]
    start = np.maximum(0, np.ceil(low - 0.5)).astype(np.int64)
    stop = np.minimum([width - 1, height - 1], np.floor(high - 0.5)).astype(np.int64)
    columns, rows = np.maximum(0, stop - start + 1).T
    number = np.where(np.abs(area) < _FLAT, 0, columns * rows)
    t = np.repeat(np.arange(len(triangles)), number)
    place = np.arange(len(t)) - np.repeat(np.cumsum(number) - number, number)
    x = start[t, 0] + place % columns[t]
    y = start[t, 1] + place // columns[t]
    dx, dy = x + 0.5 - r[t, 0], y + 0.5 - r[t, 1]
    inverse = 1.0 / np.where(np.abs(area) < _FLAT, 1.0, area)
    a = ((q[t, 1] - r[t, 1]) * dx + (r[t, 0] - q[t, 0]) * dy) * inverse[t]
    b = ((r[t, 1] - p[t, 1]) * dx + (p[t, 0] - r[t, 0]) * dy) * inverse[t]
    c = 1.0 - a - b
    z = (a * p[t, 2] + b * q[t, 2] + c * r[t, 2]).astype(np.float32)
    inside = (a >= _EDGE) & (b >= _EDGE) & (c >= _EDGE)
    t, x, y, z, a, b = (values[inside] for values in (t, x, y, z, a, b))
    cell = y * width + x
    order = np.lexsort((t, z, cell))
    cells, first = np.unique(cell[order], return_index=True)
    winner = order[first]
    depth.ravel()[cells] = z[winner]
    nearest.ravel()[cells] = t[winner]
    weights.reshape(-1, 2)[cells, 0] = a[winner]
    weights.reshape(-1, 2)[cells, 1] = b[winner]


@jit(_rasterise_arrays)
def _rasterise(
    points: NDArray[np.float64],
    triangles: Indices,
    depth: Floats,
    nearest: Indices,
    weights: Floats,
) -> None:
    height, width = depth.shape
    for t in range(triangles.shape[0]):
        i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        px, py, qx, qy = points[i, 0], points[i, 1], points[j, 0], points[j, 1]
        rx, ry = points[k, 0], points[k, 1]
        left = max(0, int(np.ceil(min(px, min(qx, rx)) - 0.5)))
        right = min(width - 1, int(np.floor(max(px, max(qx, rx)) - 0.5)))
        top = max(0, int(np.ceil(min(py, min(qy, ry)) - 0.5)))
        bottom = min(height - 1, int(np.floor(max(py, max(qy, ry)) - 0.5)))
        if right < left or bottom < top:
            continue
        area = (qy - ry) * (px - rx) + (rx - qx) * (py - ry)
        if -_FLAT < area < _FLAT:
            continue
        inverse = 1.0 / area
        for y in range(top, bottom + 1):
            dy = y + 0.5 - ry
            a_row, b_row = (rx - qx) * dy, (px - rx) * dy
            for x in range(left, right + 1):
                dx = x + 0.5 - rx
                a = ((qy - ry) * dx + a_row) * inverse
                b = ((ry - py) * dx + b_row) * inverse
                c = 1.0 - a - b
                if a >= _EDGE and b >= _EDGE and c >= _EDGE:
                    z = np.float32(a * points[i, 2] + b * points[j, 2] + c * points[k, 2])
                    if z < depth[y, x]:
                        depth[y, x] = z
                        nearest[y, x] = t
                        weights[y, x, 0] = np.float32(a)
                        weights[y, x, 1] = np.float32(b)


def interpolated(values: Floats, triangles: Indices, coverage: Coverage) -> Floats:
    """Return values (V, k) at the vertices as values (k, N) at the covered samples."""
    result = np.empty((values.shape[1], len(coverage.triangles)), np.float32)
    _interpolate(values, triangles, coverage.triangles, coverage.weights, result)
    return result


def _interpolate_arrays(
    values: Floats, triangles: Indices, covering: Indices, weights: Floats, result: Floats
) -> None:
    corners = triangles[covering]
    mixed = (
        values[corners[:, 0]] * weights[:, :1] + values[corners[:, 1]] * weights[:, 1:2]
    ) + values[corners[:, 2]] * weights[:, 2:]
    result[:] = mixed.T


@jit(_interpolate_arrays)
def _interpolate(
    values: Floats, triangles: Indices, covering: Indices, weights: Floats, result: Floats
) -> None:
    for n in range(covering.shape[0]):
        t = covering[n]
        i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        a, b, c = weights[n, 0], weights[n, 1], weights[n, 2]
        for f in range(values.shape[1]):
            result[f, n] = (values[i, f] * a + values[j, f] * b) + values[k, f] * c


def depth_map(points: Floats, triangles: Indices, height: int, width: int) -> Floats:
    """Return the least depth of the triangles whose centre lies in each cell, (H, W).

    A cheap stand-in for ``rasterised`` where the triangles are smaller than the cells, as in a
    shadow map.
    """
    depth = np.full((height, width), FAR, np.float32)
    _splat(points, triangles, depth)
    return depth


def _splat_arrays(points: Floats, triangles: Indices, depth: Floats) -> None:
    height, width = depth.shape
    centres = (
        (points[triangles[:, 0]] + points[triangles[:, 1]]) + points[triangles[:, 2]]
    ) / np.float32(3)
    x, y = np.floor(centres[:, 0]).astype(np.int64), np.floor(centres[:, 1]).astype(np.int64)
    inside = (x >= 0) & (y >= 0) & (x < width) & (y < height)
    np.minimum.at(depth, (y[inside], x[inside]), centres[inside, 2])


@jit(_splat_arrays)
def _splat(points: Floats, triangles: Indices, depth: Floats) -> None:
    height, width = depth.shape
    three = np.float32(3)
    for t in range(triangles.shape[0]):
        i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        x = int(np.floor(((points[i, 0] + points[j, 0]) + points[k, 0]) / three))
        y = int(np.floor(((points[i, 1] + points[j, 1]) + points[k, 1]) / three))
        z = ((points[i, 2] + points[j, 2]) + points[k, 2]) / three
        if 0 <= x < width and 0 <= y < height and z < depth[y, x]:
            depth[y, x] = z


def vertex_normals(vertices: Floats, quads: Indices) -> Floats:
    """Return the unit normals (V, 3): sums of the faces' normals, each as long as its area."""
    normals = np.zeros_like(vertices)
    _add_normals(vertices, quads, normals)
    x, y, z = np.ascontiguousarray(normals.T)
    length = np.sqrt((x * x + y * y) + z * z) + np.float32(1e-12)
    return np.asarray(normals / length[:, None], np.float32)


def _add_normals_arrays(vertices: Floats, quads: Indices, normals: Floats) -> None:
    u = vertices[quads[:, 2]] - vertices[quads[:, 0]]
    v = vertices[quads[:, 3]] - vertices[quads[:, 1]]
    face = np.stack(
        [
            u[:, 1] * v[:, 2] - u[:, 2] * v[:, 1],
            u[:, 2] * v[:, 0] - u[:, 0] * v[:, 2],
            u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0],
        ],
        1,
    )
    for corner in range(4):
        np.add.at(normals, quads[:, corner], face)


@jit(_add_normals_arrays)
def _add_normals(vertices: Floats, quads: Indices, normals: Floats) -> None:
    face = np.empty((quads.shape[0], 3), np.float32)
    for f in range(quads.shape[0]):
        a, b, c, d = quads[f, 0], quads[f, 1], quads[f, 2], quads[f, 3]
        ux = vertices[c, 0] - vertices[a, 0]
        uy = vertices[c, 1] - vertices[a, 1]
        uz = vertices[c, 2] - vertices[a, 2]
        vx = vertices[d, 0] - vertices[b, 0]
        vy = vertices[d, 1] - vertices[b, 1]
        vz = vertices[d, 2] - vertices[b, 2]
        face[f, 0] = uy * vz - uz * vy
        face[f, 1] = uz * vx - ux * vz
        face[f, 2] = ux * vy - uy * vx
    for corner in range(4):
        for f in range(quads.shape[0]):
            v = quads[f, corner]
            for axis in range(3):
                normals[v, axis] += face[f, axis]
