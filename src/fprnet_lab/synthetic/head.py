"""A head's attributes become hair, face, hat and scarf on a canvas."""

from __future__ import annotations

import math

import numpy as np

from fprnet_lab.synthetic.appearance import Appearance
from fprnet_lab.synthetic.canvas import Canvas, Light
from fprnet_lab.synthetic.skeleton import Projection, Vector
from fprnet_lab.synthetic.textures import Array, Texture

__all__ = ["paint_head"]

HALF_HEIGHT, HALF_WIDTH, HALF_DEPTH = 0.067, 0.046, 0.056  # of an average head, in statures

_DOWN = np.linspace(0, 1, 13, dtype=np.float32)
_OVAL = np.sqrt(np.maximum(1 - (2 * _DOWN - 1) ** 2, 0.0)).astype(np.float32)
_SKULL = (_OVAL ** np.float32(0.85)) * (1 - np.float32(0.2) * (_DOWN - 0.5).clip(0, 1) / 0.5)
_DOME = np.sqrt(np.maximum(1 - (1 - _DOWN) ** 2, 0.0)).astype(np.float32)


def paint_head(
    canvas: Canvas, who: Appearance, view: Projection, light: Light, body: dict[str, Vector]
) -> None:
    """Paint the head of a person whose joints (in body coordinates) are ``body``."""
    head, size, scale = who.head, who.body.head, view.scale
    middle = body["head"]
    x, y, _ = view(middle)
    wide, high = view.half_width(HALF_WIDTH, HALF_DEPTH) * size, HALF_HEIGHT * size * scale
    seen_from_behind = math.cos(view.yaw) < 0

    if head.hair == "afro" and head.hat == "none":
        reach = 1.35 + 0.25 * head.hair_volume
        _back_of_hair(
            canvas, view, light, middle, head.hair_texture, wide * reach, high * reach * 0.95
        )
    if not seen_from_behind:
        _hair(canvas, who, view, light, middle, wide, high)
    rows = y + (2 * _DOWN - 1) * high
    canvas.revolution(rows, _along(x), _SKULL * wide, head.face, light, turn=-view.yaw)
    if head.scarf is not None:
        nx, ny, _ = view(body["neck"])
        canvas.superellipse(
            (nx, ny - 0.004 * scale),
            (0.055 * scale, 0.026 * scale),
            head.scarf,
            light,
            exponent=3.0,
        )
    if seen_from_behind:
        _hair(canvas, who, view, light, middle, wide, high)
    _hat(canvas, who, view, light, (x, y), wide, high)


def _along(x: float) -> Array:
    return np.full(len(_DOWN), x, dtype=np.float32)


def _back_of_hair(
    canvas: Canvas,
    view: Projection,
    light: Light,
    middle: Vector,
    texture: Texture,
    wide: float,
    high: float,
) -> None:
    """Paint a round mass of hair around the upper back of the head."""
    x, y, _ = view((middle[0], middle[1] + 0.012, middle[2] - 0.012))
    rows = y + (2 * _DOWN - 1) * high
    canvas.revolution(rows, _along(x), _OVAL * wide, texture, light)


def _hair(
    canvas: Canvas,
    who: Appearance,
    view: Projection,
    light: Light,
    middle: Vector,
    wide: float,
    high: float,
) -> None:
    """Paint the hair that stands off the skull: behind the face, or over the back of the head."""
    head, scale, size = who.head, view.scale, who.body.head
    texture, style = head.hair_texture, head.hair
    if style == "bald":
        return
    volume = 1.04 + 0.14 * head.hair_volume
    if head.hat == "none":
        x, y, _ = view((0.0, middle[1] + 0.01, middle[2] - 0.014 * size))
        rows = y - high * volume + 1.5 * _DOWN * high
        canvas.revolution(rows, _along(x), _SKULL_TOP * wide * volume, texture, light)
    width = 0.036 + 0.016 * head.hair_volume
    if style in ("bob", "long"):
        length = 0.085 if style == "bob" else 0.16 + 0.06 * head.hair_volume
        sx, sy, _ = view((0.0, middle[1] + 0.005, middle[2] - 0.016))
        ex, ey, _ = view((0.0, middle[1] - length, middle[2] - 0.03))
        canvas.capsule(
            (sx, sy), (ex, ey), (wide * 1.12, max(width, 0.03) * scale * 1.15), texture, light
        )
    elif style == "ponytail":
        sx, sy, _ = view((0.0, middle[1] + 0.035, middle[2] - 0.06))
        ex, ey, _ = view((0.0, middle[1] - 0.1 - 0.05 * head.hair_volume, middle[2] - 0.085))
        canvas.capsule((sx, sy), (ex, ey), (0.018 * scale, 0.011 * scale), texture, light)
    elif style == "bun":
        x, y, _ = view((0.0, middle[1] + 0.055, middle[2] - 0.045))
        canvas.superellipse((x, y), (0.028 * scale, 0.025 * scale), texture, light)


# The upper three quarters of a skull: what a hat or a head of short hair covers.
_SKULL_TOP = np.interp(_DOWN * 0.75, _DOWN, _SKULL).astype(np.float32)


def _hat(
    canvas: Canvas,
    who: Appearance,
    view: Projection,
    light: Light,
    centre: tuple[float, float],
    wide: float,
    high: float,
) -> None:
    """Paint a cap, a beanie or a hat with a brim."""
    head, (x, y) = who.head, centre
    texture = head.hat_texture
    if head.hat == "none":
        return
    top, hem = {"cap": (1.12, 0.28), "beanie": (1.25, 0.12), "brim": (1.3, 0.35)}[head.hat]
    rows = y - top * high + _DOWN * (top - hem) * high
    dip = 0.3 * high * math.sin(view.pitch)
    canvas.revolution(rows, _along(x), _DOME * wide * 1.12, texture, light, turn=-view.yaw, dip=dip)
    level = y - hem * high
    if head.hat == "brim":
        canvas.superellipse((x, level), (wide * 1.9, 0.16 * high), texture, light)
    elif head.hat == "cap":
        facing, aside = math.cos(view.yaw), math.sin(view.yaw)
        if facing > -0.5:
            reach = 0.9 * wide * (0.5 + 0.5 * abs(aside)) + 0.4 * wide * max(facing, 0)
            canvas.superellipse(
                (x + aside * wide * 1.15, level + 0.06 * high * max(facing, 0)),
                (max(reach, 1.0), 0.13 * high),
                texture,
                light,
            )
