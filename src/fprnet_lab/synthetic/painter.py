"""An identity, a moment of its walk and a camera's direction become a person on a canvas.

Each part (limb, torso, head, bag) is painted whole, the farthest part first.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from fprnet_lab.synthetic.appearance import Appearance
from fprnet_lab.synthetic.canvas import Canvas, Light, Point
from fprnet_lab.synthetic.head import paint_head
from fprnet_lab.synthetic.skeleton import Projection, Vector, Walk, joints
from fprnet_lab.synthetic.textures import Array, Texture

__all__ = ["paint_person"]

# Half width and half depth of the trunk in statures at knots from the neck to the seat, for a
# person of average girth; the shoulders' half width is added to the lateral column.
_TRUNK_ROW = np.array((0.0, 0.05, 0.11, 0.32, 0.62, 0.85, 1.0), dtype=np.float32)
_TRUNK_DEPTH = np.array((0.036, 0.046, 0.055, 0.068, 0.06, 0.068, 0.066), dtype=np.float32)


@dataclass
class _Scene:
    """One person being painted: where its joints are, and the parts found so far."""

    canvas: Canvas
    who: Appearance
    view: Projection
    light: Light
    at: dict[str, Vector]
    body: dict[str, Vector]
    parts: list[tuple[float, Callable[[], None]]] = field(default_factory=list)

    @property
    def scale(self) -> float:
        return self.view.scale

    def point(self, name: str) -> Point:
        """Return the screen position of a joint."""
        x, y, _ = self.at[name]
        return x, y

    def limb(
        self, start: Point, end: Point, radius: Point, texture: Texture, turn: float = 0.0
    ) -> None:
        """Paint a limb with radii in statures."""
        self.canvas.capsule(
            start,
            end,
            (max(radius[0] * self.scale, 0.35), max(radius[1] * self.scale, 0.35)),
            texture,
            self.light,
            turn=turn - self.view.yaw,
        )


def paint_person(
    canvas: Canvas, who: Appearance, walk: Walk, view: Projection, light: Light
) -> None:
    """Paint a person and the shadow under it.

    Args:
        canvas: Painted in place.
        who: The identity.
        walk: The moment of its gait.
        view: Where it stands, how large it is and from where it is seen.
        light: The camera's light.
    """
    body = joints(who.body, walk)
    scene = _Scene(canvas, who, view, light, {k: view(p) for k, p in body.items()}, body)
    canvas.shadow((view.x, view.y), (0.2 * view.scale, 0.035 * view.scale), 0.45)
    for side in (-1, 1):
        leg, arm = scene.at[f"knee{side}"][2], scene.at[f"elbow{side}"][2]
        scene.parts.append((-0.06 + 0.15 * leg, lambda side=side: _leg(scene, side)))  # type: ignore[misc]
        scene.parts.append((arm, lambda side=side: _arm(scene, side)))  # type: ignore[misc]
    scene.parts.append((-0.02, lambda: _seat(scene)))
    scene.parts.append((0.0, lambda: _trunk(scene)))
    scene.parts.append((0.012, lambda: paint_head(canvas, who, view, light, body)))
    _add_bag(scene)
    for _, paint in sorted(scene.parts, key=lambda part: part[0]):
        paint()


def _between(a: Point, b: Point, share: float) -> Point:
    return a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share


def _leg(scene: _Scene, side: int) -> None:
    """Paint thigh, shin and foot: skin first, cloth over it, the shoe last."""
    who, girth = scene.who, scene.who.body.girth
    hip, knee, ankle, toe = (scene.point(f"{n}{side}") for n in ("hip", "knee", "ankle", "toe"))
    thick, middle, thin = 0.054 * girth, 0.036 * girth, 0.023 * (0.5 + 0.5 * girth)
    bottom = who.bottom
    turn = side * 0.3
    covered = 0.0 if bottom.kind == "skirt" else bottom.length
    if covered < 0.9:
        scene.limb(hip, knee, (thick * 0.9, middle), who.skin)
        scene.limb(knee, ankle, (middle, thin), who.skin)
    foot = 0.019 * who.shoes.size
    low = (ankle[0], ankle[1] + 0.012 * scene.scale)
    scene.limb(
        _down(low, scene, 0.008), _down(toe, scene, 0.008), (foot, foot * 0.85), who.shoes.sole
    )
    scene.limb(low, toe, (foot * 1.1, foot * 0.8), who.shoes.upper)
    room = bottom.looseness
    if covered > 0.5:
        end = _between(knee, ankle, min((covered - 0.5) / 0.5, 1.0))
        width = middle + (thin - middle) * min((covered - 0.5) / 0.5, 1.0)
        width = (width + room) * (1 + max(bottom.flare, 0.0))
        scene.limb(knee, end, (middle + room, width), _half(bottom.texture, 1), turn)
        scene.limb(hip, knee, (thick + room, middle + room), _half(bottom.texture, 0), turn)
    elif covered > 0:
        end = _between(hip, knee, covered / 0.5)
        width = (thick + (middle - thick) * covered / 0.5 + room + 0.006) * 1.04
        scene.limb(hip, end, (thick + room, width), bottom.texture, turn)
    if who.shoes.boot:
        top = _between(ankle, knee, who.shoes.boot)
        wide = thin + (middle - thin) * who.shoes.boot + 0.008
        scene.limb(top, ankle, (wide, thin + 0.007), who.shoes.upper)


def _down(point: Point, scene: _Scene, statures: float) -> Point:
    return point[0], point[1] + statures * scene.scale


def _half(texture: Texture, part: int) -> Texture:
    """Return the upper (0) or lower (1) half of a texture's rows."""
    rows = texture.texels.shape[1]
    if rows == 1:
        return texture
    middle = rows // 2
    return Texture(texture.texels[:, middle:] if part else texture.texels[:, :middle])


def _seat(scene: _Scene) -> None:
    """Paint the hips, or the skirt down to its hem."""
    who, view, scale = scene.who, scene.view, scene.scale
    body, bottom = who.body, who.bottom
    x, y, _ = scene.at["pelvis"]
    waist = y - 0.1 * scale
    wide = view.half_width(body.hips + 0.016, 0.064 * body.girth)
    if bottom.kind == "skirt":
        hem = y + bottom.length * (body.leg - 0.05) * scale
        knees = (
            abs(scene.at["knee1"][0] - scene.at["knee-1"][0]) * 0.5 * min(bottom.length * 1.6, 1)
        )
        end = max(wide * (1.12 + bottom.flare), knees + 0.045 * scale)
        rows = np.array((waist, y, hem), dtype=np.float32)
        widths = np.array((wide * 0.86, wide * 1.06, end), dtype=np.float32)
    else:
        rows = np.array((waist, y - 0.03 * scale, y + 0.045 * scale), dtype=np.float32)
        widths = np.array((wide * 0.86, wide, wide * 0.9), dtype=np.float32)
    texture = bottom.texture if bottom.kind == "skirt" else _half(bottom.texture, 0)
    scene.canvas.revolution(
        rows,
        np.full(3, x, dtype=np.float32),
        widths,
        texture,
        scene.light,
        turn=-view.yaw,
        dip=0.05 * scale * math.sin(view.pitch),
        rounding=0.4,
    )


def _trunk(scene: _Scene) -> None:
    """Paint neck, torso and, for a coat, its skirt."""
    who, view, scale = scene.who, scene.view, scene.scale
    body, top = who.body, who.top
    nx, ny, _ = scene.at["neck"]
    px, py, _ = scene.at["pelvis"]
    scene.limb(
        (nx, ny + 0.01 * scale),
        _between((nx, ny), scene.point("head"), 0.6),
        (0.034, 0.03),
        who.skin,
    )
    if top.hood is not None:
        hx, hy, _ = view((0.0, scene.body["neck"][1] + 0.005, scene.body["neck"][2] - 0.035))
        scene.canvas.superellipse((hx, hy), (0.062 * scale, 0.04 * scale), top.hood, scene.light)
    length = py - ny
    knots = ny + _TRUNK_ROW * length
    half = np.sqrt(
        (_lateral(who) * math.cos(view.yaw)) ** 2
        + ((_TRUNK_DEPTH * body.girth + top.looseness) * math.sin(view.yaw)) ** 2
    )
    centres = nx + (px - nx) * _TRUNK_ROW
    hem = py + max(top.hem, 0.002) * scale
    flare = 1.0 + (0.9 * top.hem if top.cut == "coat" else 0.15 * top.hem)
    rows = np.append(knots, hem).astype(np.float32)
    scene.canvas.revolution(
        rows,
        np.append(centres, px).astype(np.float32),
        np.append(half, half[-1] * flare).astype(np.float32) * np.float32(scale),
        top.texture,
        scene.light,
        turn=-view.yaw,
        dip=0.06 * scale * math.sin(view.pitch) + 0.006 * scale,
        rounding=0.7,
    )


def _lateral(who: Appearance) -> Array:
    """Return the half widths of the trunk at its knots, in statures."""
    body, room = who.body, who.top.looseness
    waist = (0.55 * body.shoulders + 0.45 * body.hips) * (0.45 + 0.45 * body.girth) + 0.006
    return np.array(
        (
            0.036,
            0.74 * body.shoulders,
            body.shoulders + 0.004,
            0.96 * body.shoulders * (0.8 + 0.2 * body.girth) + room,
            waist + room,
            body.hips + 0.016 + room,
            body.hips + 0.02 + room,
        ),
        dtype=np.float32,
    )


def _arm(scene: _Scene, side: int) -> None:
    """Paint an arm: skin first, the sleeve over it, the hand last; then a tote in the hand."""
    who, girth, top = scene.who, 0.5 + 0.5 * scene.who.body.girth, scene.who.top
    shoulder, elbow, wrist, hand = (
        scene.point(f"{n}{side}") for n in ("shoulder", "elbow", "wrist", "hand")
    )
    thick, middle, thin = 0.028 * girth, 0.023 * girth, 0.017 * girth
    turn = side * 0.3
    if top.sleeves != "long":
        scene.limb(shoulder, elbow, (thick, middle), who.skin)
        scene.limb(elbow, wrist, (middle, thin), who.skin)
    scene.limb(_between(wrist, hand, 0.35), hand, (0.017, 0.013), who.skin)
    room = 0.004 + 0.6 * top.looseness
    if top.sleeves == "long":
        scene.limb(elbow, wrist, (middle + room, thin + room), _half(top.sleeve, 1), turn)
        scene.limb(shoulder, elbow, (thick + room, middle + room), _half(top.sleeve, 0), turn)
    elif top.sleeves == "short":
        end = _between(shoulder, elbow, 0.72)
        scene.limb(shoulder, end, (thick + room, middle + room + 0.006), _half(top.sleeve, 0), turn)
    bag = who.bag
    if bag.kind == "tote" and bag.side == side:
        half = 0.05 * bag.size * scene.scale
        across = half * (0.55 + 0.45 * abs(math.sin(scene.view.yaw)))
        middle_of_bag = (hand[0], hand[1] + 0.03 * scene.scale + half)
        scene.limb(hand, (hand[0], middle_of_bag[1]), (0.012, 0.02), bag.strap)
        scene.canvas.superellipse(
            middle_of_bag, (across, half), bag.texture, scene.light, exponent=5.0
        )


def _add_bag(scene: _Scene) -> None:
    """Queue a backpack behind the back or a sling's bag at the hip."""
    who, view, scale = scene.who, scene.view, scene.scale
    bag, light = who.bag, scene.light
    neck, pelvis = scene.body["neck"], scene.body["pelvis"]
    if bag.kind == "backpack":
        height = 0.105 * bag.size
        x, y, near = view((0.0, neck[1] - 0.05 - height, neck[2] * 0.5 - 0.085))
        half = view.half_width(0.085 * bag.size, 0.05 * bag.size)
        scene.parts.append(
            (
                near * 0.7 + 0.004,
                lambda: scene.canvas.superellipse(
                    (x, y), (half, height * scale), bag.texture, light, exponent=4.0,
                    turn=math.pi - view.yaw,
                ),
            )
        )  # fmt: skip
    elif bag.kind == "sling":
        side = bag.side * (who.body.hips + 0.04)
        x, y, near = view((side, pelvis[1] + 0.01, 0.01))
        half = view.half_width(0.03 * bag.size, 0.06 * bag.size)
        scene.parts.append(
            (
                near + 0.003,
                lambda: scene.canvas.superellipse(
                    (x, y), (half, 0.042 * bag.size * scale), bag.texture, light, exponent=5.0
                ),
            )
        )
