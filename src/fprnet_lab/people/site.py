"""A YAML file becomes what it says about cameras and season, laid over a drawn world.

What the file leaves out is drawn from the world's seed::

    season: 0.2              # what people wear, from winter (0) to summer (1)
    old: 0.4                 # mean age, from young (0) to old (1) adults
    cameras:
      1: {height: 3.2, distance: [4, 12], outdoors: true, crowd: 2}
      3: {brightness: [0.4, 0.6], noise: [0.01, 0.02], quality: [60, 75]}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from fprnet.errors import DataError
from fprnet.plain_text import parse_yaml
from fprnet_lab.people.sensor import Sensor
from fprnet_lab.people.worlds import CAMERAS, Camera, World

__all__ = ["Site", "read_site"]

METRE = 10.0  # decimetres
# Least and largest value of each camera's entry.
NUMBERS = {"crowd": (0.0, 7.0), "clutter": (0.0, 1.0), "roll": (0.0, 30.0)}
SHARES = ("enlarged", "sharpened")
RANGES: dict[str, tuple[float, float]] = {
    "distance": (2.0, 40.0),
    "brightness": (0.01, 1.0),
    "gamma": (0.5, 4.0),
    "saturation": (0.0, 3.0),
    "contrast": (0.0, 3.0),
    "black": (-0.5, 0.5),
    "haze": (0.0, 0.9),
    "blur": (0.0, 8.0),
    "resolution": (0.05, 1.0),
    "noise": (0.0, 0.5),
    "quality": (1.0, 100.0),
}
HEIGHT = (0.5, 30.0)
Value = bool | str | float | tuple[float, float]
Entries = tuple[tuple[str, Value], ...]


@dataclass(frozen=True)
class Site:
    """What a file says.

    Attributes:
        season: From winter (0) to summer (1), or None.
        old: Mean age, or None.
        cameras: Number of each camera, and its entries.
    """

    season: float | None
    old: float | None
    cameras: tuple[tuple[int, Entries], ...]

    def applied(self, drawn: World) -> World:
        """Return a world as the file changes it."""
        population = drawn.population
        if self.season is not None:
            population = replace(population, warmth=self.season)
        if self.old is not None:
            population = replace(population, old=self.old)
        cameras = dict(drawn.cameras)
        for number, entries in self.cameras:
            cameras[number] = _changed(cameras[number], dict(entries))
        return replace(drawn, population=population, cameras=cameras)


def read_site(file: Path) -> Site:
    """Read a site's file.

    Raises:
        DataError: It is missing, no YAML, or has an entry that does not exist or is out of range.
    """
    try:
        values = parse_yaml(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"cannot read {file} ({error.strerror}); check the path") from error
    except ValueError as error:
        raise DataError(f"{file} is no YAML: {error}; correct the file") from error
    top = _mapping(file, "the file", values, ("season", "old", "cameras"))
    cameras = top.get("cameras")
    found = []
    for number, entries in _mapping(file, "cameras", {} if cameras is None else cameras).items():
        if not isinstance(number, int) or number not in CAMERAS:
            known = ", ".join(str(camera) for camera in CAMERAS)
            raise DataError(f"{file} describes camera {number!r}; choose one of {known}")
        found.append((number, _entries(file, number, entries)))
    return Site(
        _optional(file, "season", top.get("season"), (0.0, 1.0)),
        _optional(file, "old", top.get("old"), (0.01, 0.9)),
        tuple(sorted(found)),
    )


def _entries(file: Path, number: int, values: object) -> Entries:
    names = ("height", "outdoors", *NUMBERS, *SHARES, *RANGES)
    entries: list[tuple[str, Value]] = []
    for name, value in _mapping(file, f"camera {number}", values, names).items():
        where = f"{name} of camera {number}"
        if name == "outdoors":
            if not isinstance(value, bool):
                raise DataError(f"{file}: {where} is {value!r}; give true or false")
            entries.append((name, value))
        elif name in RANGES:
            entries.append((name, _range(file, where, value, RANGES[name])))
        else:
            limits = HEIGHT if name == "height" else NUMBERS.get(name, (0.0, 1.0))
            entries.append((name, _number(file, where, value, limits)))
    return tuple(sorted(entries))


def _changed(camera: Camera, entries: dict[str, Any]) -> Camera:
    in_sensor = {field.name for field in fields(Sensor)} & set(entries)
    sensor = replace(camera.sensor, **{name: entries.pop(name) for name in in_sensor})
    if "height" in entries:
        height = entries.pop("height") * METRE
        entries["height"] = (height, height)
    if "distance" in entries:
        low, high = entries["distance"]
        entries["distance"] = (low * METRE, high * METRE)
    return replace(camera, sensor=sensor, **entries)


def _mapping(
    file: Path, what: str, values: object, names: tuple[str, ...] | None = None
) -> Mapping[Any, Any]:
    if not isinstance(values, Mapping):
        raise DataError(f"{file}: {what} is {values!r}; give entries as 'name: value'")
    for name in values:
        if names is not None and name not in names:
            raise DataError(
                f"{file}: {what} has no entry {name!r}; choose one of {', '.join(names)}"
            )
    return values


def _optional(file: Path, where: str, value: object, limits: tuple[float, float]) -> float | None:
    return None if value is None else _number(file, where, value, limits)


def _number(file: Path, where: str, value: object, limits: tuple[float, float]) -> float:
    low, high = limits
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise DataError(f"{file}: {where} is {value!r}; give a number from {low:g} to {high:g}")
    return float(value)


def _range(
    file: Path, where: str, value: object, limits: tuple[float, float]
) -> tuple[float, float]:
    if not isinstance(value, list) or len(value) != 2:
        raise DataError(f"{file}: {where} is {value!r}; give two numbers as [low, high]")
    low, high = (_number(file, where, end, limits) for end in value)
    if low > high:
        raise DataError(f"{file}: {where} is {value!r}; give the smaller number first")
    return low, high
