"""People who walk through a camera's view become a film's frames, with the truth about each.

Letters: H and W pixels of a frame. A film has one camera, one place and one light; everybody walks
a straight line. The truth is exact: who is where in which frame, and how much of them is seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fprnet.errors import DataError
from fprnet_lab.people.camera import Box, View
from fprnet_lab.people.layer import Layer, Shot, person_layer
from fprnet_lab.people.lighting import Light, draw_light
from fprnet_lab.people.person import Look
from fprnet_lab.people.places import Canvas
from fprnet_lab.people.pose import Action, draw_action, walked_by
from fprnet_lab.people.render import Setting, person_of
from fprnet_lab.people.scenery import canvas_of
from fprnet_lab.people.sensor import developed
from fprnet_lab.people.worlds import CAMERAS, Camera

__all__ = ["Film", "Frame", "Seen", "filmed"]

Floats = NDArray[np.float32]
_FILM, _WALK, _NOISE = 31, 32, 33  # streams of random numbers
REACH = (15.0, 21.0)  # width and height in decimetres of the window that a person is rendered in
MIN_SEEN = 0.3  # share of a person that has to be seen to be in the truth
COVERED = 0.5  # share of a pixel from which on it counts


@dataclass(frozen=True)
class Film:
    """What a film shows.

    Attributes:
        camera: Number of the camera, see ``worlds.CAMERAS``.
        identities: Who walks through it.
        seconds: Length.
        rate: Frames a second.
        size: Height and width of a frame in pixels.
        number: Number of the film; another one is another day.
    """

    camera: int
    identities: tuple[int, ...]
    seconds: float = 10.0
    rate: float = 12.5
    size: tuple[int, int] = (432, 640)
    number: int = 0

    def __post_init__(self) -> None:
        if self.camera not in CAMERAS:
            raise DataError(
                f"camera is {self.camera}; choose one of {', '.join(map(str, CAMERAS))}"
            )
        if not 0 < self.seconds <= 3600 or not 0 < self.rate <= 120:
            raise DataError(
                f"a film of {self.seconds:g} s at {self.rate:g} frames/s; give up to an hour and "
                "up to 120 frames/s"
            )
        if min(self.size) < 64 or max(self.size) > 4096:
            raise DataError(f"size is {self.size}; give height and width of 64 to 4096 pixels")


@dataclass(frozen=True)
class Seen:
    """Somebody in a frame.

    Attributes:
        identity: Who.
        left: Left edge of the box around what is in the frame, pixels.
        top: Top edge.
        width: Width.
        height: Height.
        visible: Share of the person that nobody nearer covers and that is in the frame.
        distance: To the camera, metres.
    """

    identity: int
    left: int
    top: int
    width: int
    height: int
    visible: float
    distance: float


@dataclass(frozen=True)
class Frame:
    """A frame: its time in seconds, its picture (H, W, 3) uint8, and who is seen."""

    time: float
    pixels: NDArray[np.uint8]
    seen: tuple[Seen, ...]


@dataclass(frozen=True)
class _Walker:
    """Somebody's walk: where it passes at a time, in which direction."""

    identity: int
    action: Action
    yaw: float
    passes: float
    at: tuple[float, float]
    seed: int


def filmed(setting: Setting, film: Film) -> Iterator[Frame]:
    """Render a film, frame by frame.

    Args:
        setting: Seeds of people and world; the film is taken in the first world.
        film: What it shows.
    """
    site = setting.world(setting.worlds[0])
    camera = site.cameras[film.camera]
    base = [setting.seed, _FILM, film.camera, film.number]
    rng = np.random.default_rng(base)
    canvas = canvas_of(site, camera, int(rng.integers(3)), "coarse", crowded=False)
    light = draw_light(rng, outdoors=camera.outdoors, sunny=canvas.sunny)
    walkers = [_draw_walker(setting, film, canvas, camera, who) for who in film.identities]
    develop = int(rng.integers(2**62))
    for index in range(round(film.seconds * film.rate)):
        time = index / film.rate
        noise = np.random.default_rng([*base, _NOISE, index])
        yield _frame(setting, film, canvas, camera, light, walkers, time, develop, noise)


def _draw_walker(
    setting: Setting, film: Film, canvas: Canvas, camera: Camera, identity: int
) -> _Walker:
    rng = np.random.default_rng([setting.seed, _WALK, film.camera, film.number, identity])
    geometry = canvas.geometry
    near, far = camera.distance
    ahead = rng.uniform(near * 1.1, far * 1.3)
    half = geometry.size[1] / 2 / geometry.focal * ahead * 0.7
    yaw = (
        rng.uniform(-180, 180) if rng.random() < 0.4 else rng.choice([-90, 90]) + rng.normal(0, 25)
    )
    action = draw_action(rng)
    return _Walker(
        identity,
        action,
        float(yaw),
        float(rng.uniform(0, film.seconds)),
        (float(rng.uniform(-half, half)), float(ahead)),
        int(rng.integers(2**62)),
    )


def _frame(
    setting: Setting,
    film: Film,
    canvas: Canvas,
    camera: Camera,
    light: Light,
    walkers: list[_Walker],
    time: float,
    develop: int,
    noise: np.random.Generator,
) -> Frame:
    image = _lit(canvas, camera, light, film.size)
    placed = []
    for walker in walkers:
        layer = _placed(setting, film, canvas, camera, light, walker, time)
        if layer is not None:
            placed.append((layer, walker.identity))
    placed.sort(key=lambda pair: -pair[0].distance)
    seen: list[Seen] = []
    for number, (one, identity) in enumerate(placed):
        image[one.window] = image[one.window] * (1 - one.alpha) + one.light
        nearer = [other for other, _ in placed[number + 1 :]]
        truth = _truth(one, identity, nearer, film.size)
        if truth is not None:
            seen.append(truth)
    rng = np.random.default_rng(develop)  # the same exposure in all frames
    pixels = developed(image, float(image.mean()), camera.sensor, rng, noise)
    return Frame(time, pixels, tuple(sorted(seen, key=lambda one: one.identity)))


def _region(
    canvas: tuple[int, int], frame: tuple[int, int]
) -> tuple[tuple[float, float, float, float], float]:
    """Return the middle of a canvas that a frame shows, and pixels of the frame to one of it.

    Args:
        canvas: Height and width of the canvas.
        frame: Height and width of the frame, which may have other proportions.

    Returns:
        Left, top, right and lower edge in the canvas, and the factor.
    """
    zoom = max(frame[0] / canvas[0], frame[1] / canvas[1])
    height, width = frame[0] / zoom, frame[1] / zoom
    left, top = (canvas[1] - width) / 2, (canvas[0] - height) / 2
    return (left, top, left + width, top + height), zoom


@dataclass(frozen=True)
class _Placed:
    """A layer cut to the frame: its light and coverage there, where that is, and all coverage."""

    light: Floats
    alpha: Floats
    window: tuple[slice, slice]
    whole: float
    distance: float


def _placed(
    setting: Setting,
    film: Film,
    canvas: Canvas,
    camera: Camera,
    light: Light,
    walker: _Walker,
    time: float,
) -> _Placed | None:
    """Render somebody where they are at a time; None where they are out of view."""
    person = person_of(setting, walker.identity, "coarse")
    right, nearer = walked_by(person.gait, walker.action, walker.yaw, time - walker.passes)
    x, ahead = walker.at[0] + right, walker.at[1] - nearer
    geometry = canvas.geometry
    region, zoom = _region(geometry.size, film.size)
    if ahead < 18:
        return None
    column, row, depth = geometry.pixel(x, 8.5, ahead)
    column, row = (column - region[0]) * zoom, (row - region[1]) * zoom
    scale = geometry.focal / depth * zoom  # pixels to a decimetre
    height, width = int(REACH[1] * scale), int(REACH[0] * scale)
    top, left = round(row - height / 2), round(column - width / 2)
    rows = slice(max(0, top), min(film.size[0], top + height))
    columns = slice(max(0, left), min(film.size[1], left + width))
    if height < 12 or rows.stop - rows.start < 4 or columns.stop - columns.start < 2:
        return None
    bearing = float(np.degrees(np.arctan2(x, ahead)))
    elevation = float(np.degrees(np.arctan2(geometry.height - 8.5, ahead)))
    view = View(walker.yaw - bearing, elevation, float(depth))
    shot = Shot((height, width), camera.band, light, 0.35)
    rng = np.random.default_rng(walker.seed)  # the same folds in all frames
    box = Box(0.0, 0.0, *REACH)
    layer: Layer = person_layer(person, Look(), walker.action, view, shot, rng, box, time)
    inside = (
        slice(rows.start - top, rows.stop - top),
        slice(columns.start - left, columns.stop - left),
    )
    whole = float((layer.alpha > COVERED).sum())
    if whole == 0:
        return None
    # Things of the place that are nearer stand in the way.
    far = Image.fromarray(canvas.distance).resize((film.size[1], film.size[0]), box=region)
    free = np.asarray(far)[rows, columns] > np.log(depth * 0.96) * 32 - 1
    cut = free[:, :, None].astype(np.float32)
    light_here, alpha_here = layer.light[inside] * cut, layer.alpha[inside] * cut
    return _Placed(light_here, alpha_here, (rows, columns), whole, float(depth))


def _truth(
    one: _Placed, identity: int, nearer: list[_Placed], size: tuple[int, int]
) -> Seen | None:
    """Return where somebody is seen, or None where too little of them is."""
    there = np.zeros(size, bool)
    there[one.window] = one.alpha[:, :, 0] > COVERED
    if not there.any():
        return None
    free = there.copy()
    for other in nearer:
        free[other.window] &= other.alpha[:, :, 0] <= COVERED
    visible = float(free.sum()) / one.whole
    if visible < MIN_SEEN:
        return None
    rows, columns = np.flatnonzero(there.any(1)), np.flatnonzero(there.any(0))
    top, left = int(rows[0]), int(columns[0])
    width, height = int(columns[-1]) - left + 1, int(rows[-1]) - top + 1
    return Seen(identity, left, top, width, height, round(visible, 3), round(one.distance / 10, 2))


def _lit(canvas: Canvas, camera: Camera, light: Light, size: tuple[int, int]) -> Floats:
    """Return the light of the empty place, (H, W, C)."""
    pixels = (size[1], size[0])
    bilinear = Image.Resampling.BILINEAR
    region, _ = _region(canvas.geometry.size, size)
    whole = Image.fromarray(canvas.reflectance, "CMYK").resize(pixels, bilinear, region)
    value = (np.asarray(whole).astype(np.float32) / np.float32(255)) ** 2
    if camera.band == "thermal":
        return np.asarray(value[:, :, 3:] * 0.1 + np.float32(0.25), np.float32)
    if camera.band == "visible":
        bright = np.float32(light.ambient * 0.9 + light.sun * 0.4)
        return np.asarray(value[:, :, :3] * bright * light.ambient_colour, np.float32)
    far = Image.fromarray(canvas.distance).resize(pixels, bilinear, region)
    distance = np.exp(np.asarray(far).astype(np.float32) / np.float32(32))
    middle = sum(camera.distance) / 2
    lamp = np.minimum(np.float32(middle) / distance, 2.0)
    bright = light.night * 0.8 + light.lamp * 0.45 * lamp
    return np.asarray(value[:, :, 3:] * bright[:, :, None], np.float32)
