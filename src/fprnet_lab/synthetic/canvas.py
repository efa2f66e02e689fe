"""Shapes and materials become pixels of one four-channel picture: red, green, blue, near infrared.

Every shape is an analytic mask (a signed distance clipped over one pixel), painted inside its own
bounding box, so that edges are smooth without drawing at a larger size.

Shapes: C = 4 channels (R, G, B, NIR), H x W pixels; h x w is the bounding box of one shape.
Screen coordinates are pixels, x to the right, y down.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fprnet_lab.synthetic.textures import Array, Texture

__all__ = ["Canvas", "Light", "Point"]

Point = tuple[float, float]
Window = tuple[Array, Array, Array]


@dataclass(frozen=True)
class Light:
    """How bright a surface looks: ``ambient + x * right + y * up + z * towards`` of its normal.

    A surface that faces the camera gets ``ambient + z``, about 1.
    """

    ambient: float
    x: float  # share of light from the right, negative from the left
    y: float  # share of light from above
    z: float  # share of light from the camera; a coaxial lamp has only this one


class Canvas:
    """A picture ``(4, H, W)`` float32 of reflected light, painted back to front.

    Args:
        pixels: The background; painting changes it in place.
    """

    def __init__(self, pixels: Array) -> None:
        self.pixels = pixels
        _, self.height, self.width = pixels.shape
        self._x = np.arange(self.width, dtype=np.float32) + np.float32(0.5)
        self._y = np.arange(self.height, dtype=np.float32)[:, None] + np.float32(0.5)

    def capsule(
        self,
        start: Point,
        end: Point,
        radius: Point,
        texture: Texture,
        light: Light,
        *,
        turn: float = 0.0,
    ) -> None:
        """Paint a limb, strap or lock of hair: a rounded cone seen from its side.

        Args:
            start: Centre of the first end.
            end: Centre of the other end.
            radius: Radii in pixels at the first and at the other end.
            texture: Its rows run from start to end, its columns around the limb.
            light: Light on the scene.
            turn: Angle in radians of the texture column that faces the camera.
        """
        (ax, ay), (bx, by), (ra, rb) = start, end, radius
        window = self._window(
            min(ax - ra, bx - rb),
            min(ay - ra, by - rb),
            max(ax + ra, bx + rb),
            max(ay + ra, by + rb),
        )
        if window is None:
            return
        view, x, y = window
        dx, dy = bx - ax, by - ay
        length = math.hypot(dx, dy) + 1e-6
        px, py = x - ax, y - ay
        along = (px * (dx / length**2) + py * (dy / length**2)).clip(0, 1)
        qx, qy = px - along * dx, py - along * dy
        width = along * (rb - ra) + ra
        mask = (width - np.sqrt(qx * qx + qy * qy) + 0.5).clip(0, 1)
        across = ((px * (dy / length) - py * (dx / length)) / width).clip(-1, 1)
        facing = np.sqrt(1 - across * across)
        sideways = (light.x * dy + light.y * dx) / length
        shade = across * sideways + facing * light.z + light.ambient
        _blend(view, mask, texture.sample(along, across, turn) * shade)

    def revolution(
        self,
        rows: Array,
        centre: Array,
        half_width: Array,
        texture: Texture,
        light: Light,
        *,
        turn: float = 0.0,
        dip: float = 0.0,
        rounding: float = 1.0,
    ) -> None:
        """Paint a torso, skirt, coat or head: an upright body whose outline is a curve.

        Args:
            rows: ``(K,)`` increasing y of the outline's knots, from its top to its hem.
            centre: ``(K,)`` x of the axis at the knots.
            half_width: ``(K,)`` half width in pixels at the knots.
            texture: Its rows run from top to hem, its columns around the body.
            light: Light on the scene.
            turn: Angle in radians of the texture column that faces the camera.
            dip: Pixels by which the nearest point of a ring lies lower than its sides, as
                a camera above the person sees it.
            rounding: Strength of the light from above on sloping parts.
        """
        top, hem = float(rows[0]), float(rows[-1])
        window = self._window(
            float((centre - half_width).min()), top, float((centre + half_width).max()), hem + dip
        )
        if window is None:
            return
        view, x, y = window
        row = y[:, 0]
        width = np.interp(row, rows, half_width).astype(np.float32)
        axis = np.interp(row, rows, centre).astype(np.float32)
        slope = np.gradient(width) if len(width) > 1 else np.zeros_like(width)
        upward = np.float32(light.y * rounding) * slope / np.sqrt(1 + slope * slope)
        offset = x - axis[:, None]
        across = (offset / np.maximum(width, 0.5)[:, None]).clip(-1, 1)
        facing = np.sqrt(1 - across * across)
        level = y - facing * dip if dip else y
        mask = (width[:, None] - np.abs(offset) + 0.5).clip(0, 1)
        mask *= (level - (top - 0.5)).clip(0, 1) * ((hem + 0.5) - level).clip(0, 1)
        shade = across * light.x + facing * light.z + (upward[:, None] + light.ambient)
        down = ((level - top) / max(hem - top, 1.0)).clip(0, 1)
        _blend(view, mask, texture.sample(down, across, turn) * shade)

    def superellipse(
        self,
        centre: Point,
        half: Point,
        texture: Texture,
        light: Light,
        *,
        exponent: float = 2.0,
        tilt: float = 0.0,
        turn: float = 0.0,
    ) -> None:
        """Paint a bag, a brim or a bun: an ellipse (exponent 2) up to a rounded box (exponent 6).

        Args:
            centre: Middle of the shape.
            half: Half width and half height in pixels.
            texture: Its rows run from top to bottom.
            light: Light on the scene.
            exponent: Squareness.
            tilt: Clockwise rotation in radians.
            turn: Angle in radians of the texture column that faces the camera.
        """
        (cx, cy), (a, b) = centre, half
        c, s = math.cos(tilt), math.sin(tilt)
        reach_x, reach_y = abs(a * c) + abs(b * s), abs(a * s) + abs(b * c)
        window = self._window(cx - reach_x, cy - reach_y, cx + reach_x, cy + reach_y)
        if window is None:
            return
        view, x, y = window
        px, py = x - cx, y - cy
        u, v = (px * c + py * s) / a, (py * c - px * s) / b
        if exponent == 2.0:
            size = np.sqrt(u * u + v * v)
        else:
            size = (np.abs(u) ** exponent + np.abs(v) ** exponent) ** (1 / exponent)
        mask = ((1 - size) * min(a, b) + 0.5).clip(0, 1)
        across = u.clip(-1, 1)
        bulge = np.sqrt(1 - across * across)
        shade = across * light.x + bulge * light.z + (light.ambient - light.y * 0.5 * v)
        _blend(view, mask, texture.sample((v * 0.5 + 0.5).clip(0, 1), across, turn) * shade)

    def shadow(self, centre: Point, half: Point, strength: float) -> None:
        """Darken a soft ellipse on the ground; ``strength`` 1 is black in the middle."""
        (cx, cy), (a, b) = centre, half
        window = self._window(cx - a, cy - b, cx + a, cy + b)
        if window is None:
            return
        view, x, y = window
        u, v = (x - cx) / a, (y - cy) / b
        view *= 1 - strength * (1 - u * u - v * v).clip(0, 1)

    def _window(self, left: float, top: float, right: float, bottom: float) -> Window | None:
        """Return the pixels of a bounding box with their x and y, or None outside the picture."""
        x0, x1 = max(int(left) - 1, 0), min(int(right) + 2, self.width)
        y0, y1 = max(int(top) - 1, 0), min(int(bottom) + 2, self.height)
        if x0 >= x1 or y0 >= y1:
            return None
        return self.pixels[:, y0:y1, x0:x1], self._x[x0:x1], self._y[y0:y1]


def _blend(view: Array, mask: Array, colour: Array) -> None:
    """Lay ``colour`` ``(4, h, w)`` over ``view``, as opaque as ``mask`` ``(h, w)`` says."""
    colour -= view
    colour *= mask
    view += colour
