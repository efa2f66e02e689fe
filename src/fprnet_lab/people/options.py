"""What a rendered set holds: numbers of people and images, size, seed, and the worlds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fprnet.errors import DataError
from fprnet_lab.people import GENERATOR_VERSION, VERSIONS
from fprnet_lab.people.ingredients import INGREDIENTS
from fprnet_lab.people.render import Setting
from fprnet_lab.people.site import Site

__all__ = ["LAYOUT_DEFAULTS", "MAX_IMAGES", "PeopleOptions", "Split"]

MAX_IDENTITIES = 100_000  # of a part

MAX_IMAGES = 200  # per identity and camera: SYSU-MM01's lists store positions as uint8
Split = str  # "train", "val" or "test"

# What other layouts than SYSU-MM01's and the manifest's have otherwise.
LAYOUT_DEFAULTS: dict[str, dict[str, Any]] = {
    "sysu-mm01": {},
    "regdb": {
        "identities": 100,
        "validation_identities": 0,
        "test_identities": 100,  # each of the ten splits draws that many of all
        "images_per_camera": 10,
    },
    "llcm": {"validation_identities": 0, "images_per_camera": 3},
    "hitsz-vcm": {
        "validation_identities": 0,
        "images_per_camera": 24,
        "size": (256, 128),
    },
    "manifest": {},
}


@dataclass(frozen=True)
class PeopleOptions:
    """Options of a rendered set.

    Two shares decide who is seen where, since not every camera of a real site sees everybody; the
    protocol of SYSU-MM01 has special cases that hang on it. Set both to 0 to show everybody
    everywhere.

    Attributes:
        identities: Training identities, numbered from 1.
        validation_identities: Numbered after the training identities.
        test_identities: Numbered last.
        images_per_camera: Mean per identity and camera; each draws from mean - 1 to mean + 1. Of
            tracklets: images of each.
        size: Height and width in pixels.
        seed: Seed of the people, their poses and the moments.
        worlds: Seeds of the sites; each image is taken at one of them, drawn anew.
        cameras: Numbers of the cameras, from 1 to 6.
        outdoor_share: Share of the identities that the visible indoor cameras 1 and 2 never see.
        missed_share: Chance that any one camera never sees an identity.
        layout: Layout of the folder; RegDB, LLCM and HITSZ-VCM have their own cameras.
        site: What a file says about cameras and season, or None.
        version: Version of the generator whose pictures are made.
        without: What is left out of the pictures, of ``INGREDIENTS``.

    Raises:
        DataError: A value is out of range.
    """

    identities: int = 200
    validation_identities: int = 32
    test_identities: int = 64
    images_per_camera: int = 6
    size: tuple[int, int] = (128, 64)
    seed: int = 0
    worlds: tuple[int, ...] = (0,)
    cameras: tuple[int, ...] = (1, 2, 3, 4, 5, 6)
    outdoor_share: float = 0.12
    missed_share: float = 0.03
    layout: str = "sysu-mm01"
    site: Site | None = None
    version: int = GENERATOR_VERSION
    without: tuple[str, ...] = ()

    @classmethod
    def of_layout(cls, layout: str, **given: Any) -> PeopleOptions:  # noqa: ANN401
        """Return the options of a layout: its defaults, and what is given and not None."""
        if layout not in LAYOUT_DEFAULTS:
            raise DataError(f"layout {layout!r} is unknown; choose {', '.join(LAYOUT_DEFAULTS)}")
        chosen = {name: value for name, value in given.items() if value is not None}
        return cls(layout=layout, **LAYOUT_DEFAULTS[layout] | chosen)

    def __post_init__(self) -> None:
        for name in ("identities", "validation_identities", "test_identities"):
            if not 0 <= getattr(self, name) <= MAX_IDENTITIES:
                raise DataError(f"{name} is {getattr(self, name)}; give 0 to {MAX_IDENTITIES}")
        if self.total == 0:
            raise DataError("the set would hold nobody; give at least 1 identity")
        if "validation_identities" in LAYOUT_DEFAULTS[self.layout] and self.validation_identities:
            raise DataError(
                f"{self.layout} lists no validation identities, but validation_identities is "
                f"{self.validation_identities}; leave it out"
            )
        if not 1 <= self.images_per_camera <= MAX_IMAGES:
            raise DataError(
                f"images_per_camera is {self.images_per_camera}; give 1 to {MAX_IMAGES}"
            )
        if len(self.size) != 2 or min(self.size) < 24 or max(self.size) > 1024:
            raise DataError(f"size is {self.size}; give height and width of 24 to 1024 pixels")
        unknown = set(self.cameras) - set(range(1, 7))
        if unknown or not self.cameras or len(set(self.cameras)) != len(self.cameras):
            raise DataError(f"cameras is {self.cameras}; give some of 1 to 6, each once")
        for name, seeds in (("seed", (self.seed,)), ("worlds", self.worlds)):
            if not seeds or min(seeds) < 0 or max(seeds) >= 2**63:
                raise DataError(f"{name} is {getattr(self, name)}; give 0 to {2**63 - 1}")
        if self.version not in VERSIONS:
            known = ", ".join(map(str, VERSIONS))
            raise DataError(f"version is {self.version}; of the generator there are {known}")
        if len(set(self.worlds)) != len(self.worlds):
            raise DataError(f"worlds is {self.worlds}; give each world once")
        if set(self.without) - set(INGREDIENTS) or len(set(self.without)) != len(self.without):
            raise DataError(
                f"without is {', '.join(self.without)}; give some of {', '.join(INGREDIENTS)}, "
                "each once"
            )
        for name in ("outdoor_share", "missed_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise DataError(f"{name} is {getattr(self, name)}; give a share from 0 to 1")

    @property
    def setting(self) -> Setting:
        """Where all images of the set come from."""
        return Setting(self.seed, self.worlds, self.site, self.version, self.without)

    @property
    def total(self) -> int:
        """Number of identities of the set."""
        return self.identities + self.validation_identities + self.test_identities

    @property
    def splits(self) -> dict[Split, tuple[int, ...]]:
        """Identity numbers of ``train``, ``val`` and ``test``."""
        first = self.identities + 1
        second = first + self.validation_identities
        return {
            "train": tuple(range(1, first)),
            "val": tuple(range(first, second)),
            "test": tuple(range(second, self.total + 1)),
        }
