"""What a generated set holds: numbers of people and images, size, and the seed of its world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fprnet.errors import DataError
from fprnet_lab.synthetic.cameras import CAMERAS

__all__ = ["GeneratorOptions"]

MAX_IDENTITIES = 100_000  # of a part
MOST_IMAGES = 200  # per identity and camera: positions are stored as uint8

# What other layouts than SYSU-MM01's and the manifest's have otherwise.
LAYOUT_DEFAULTS: dict[str, dict[str, Any]] = {
    "sysu-mm01": {},
    "regdb": {
        "identities": 100,
        "validation_identities": 0,
        "test_identities": 100,  # each of the ten splits draws so many of all
        "images_per_camera": 10,
    },
    "llcm": {"validation_identities": 0, "images_per_camera": 3},
    "manifest": {},
}


@dataclass(frozen=True)
class GeneratorOptions:
    """Options of ``generate``.

    Two shares decide who is seen where. As in SYSU-MM01 not everybody is seen by every camera,
    because the protocol's special cases hang on it: people never seen by the visible indoor
    cameras 1 and 2 have no match in indoor search, so their queries must be skipped and
    counted; and one seen by camera 2 but not by 1 loses the only indoor match of its camera 3
    queries to the same-location rule. Set both shares to 0 to show everybody everywhere.

    Raises:
        DataError: A value is out of range.
    """

    identities: int = 200  # training identities, numbered from 1
    validation_identities: int = 32  # numbered after the training identities
    test_identities: int = 64  # numbered last
    images_per_camera: int = 6  # mean per identity and camera; each draws from mean - 1 to mean + 1
    size: tuple[int, int] = (128, 64)  # height and width in pixels
    seed: int = 0  # another seed is another world: other people, other places
    cameras: tuple[int, ...] = (1, 2, 3, 4, 5, 6)  # 1, 2, 4, 5 alone: a visible-only world
    outdoor_share: float = 0.12  # identities never seen by the visible indoor cameras 1 and 2
    missed_share: float = 0.03  # chance that any one camera never sees an identity
    layout: str = "sysu-mm01"  # of the folder; RegDB and LLCM have their own cameras

    @classmethod
    def of_layout(cls, layout: str, **given: Any) -> GeneratorOptions:  # noqa: ANN401
        """Return the options of a layout: its defaults, and what is given and not None."""
        if layout not in LAYOUT_DEFAULTS:
            raise DataError(f"layout {layout!r} is unknown; choose {', '.join(LAYOUT_DEFAULTS)}")
        chosen = {name: value for name, value in given.items() if value is not None}
        return cls(layout=layout, **LAYOUT_DEFAULTS[layout] | chosen)

    def __post_init__(self) -> None:
        counts = ("identities", "validation_identities", "test_identities")
        for name in counts:
            if not 0 <= getattr(self, name) <= MAX_IDENTITIES:
                raise DataError(f"{name} is {getattr(self, name)}; give 0 to {MAX_IDENTITIES}")
        if self.total == 0:
            raise DataError("the set would hold nobody; give at least 1 identity")
        if "validation_identities" in LAYOUT_DEFAULTS[self.layout] and self.validation_identities:
            raise DataError(
                f"{self.layout} lists no validation identities, but validation_identities is "
                f"{self.validation_identities}; leave it out"
            )
        if not 1 <= self.images_per_camera <= MOST_IMAGES:
            raise DataError(
                f"images_per_camera is {self.images_per_camera}; give 1 to {MOST_IMAGES}"
            )
        if len(self.size) != 2 or min(self.size) < 24 or max(self.size) > 1024:
            raise DataError(f"size is {self.size}; give height and width of 24 to 1024 pixels")
        unknown = sorted(set(self.cameras) - set(CAMERAS))
        if unknown or not self.cameras or len(set(self.cameras)) != len(self.cameras):
            raise DataError(f"cameras is {self.cameras}; give some of 1 to 6, each once")
        if not 0 <= self.seed < 2**63:
            raise DataError(f"seed is {self.seed}; give 0 to {2**63 - 1}")
        for name in ("outdoor_share", "missed_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise DataError(f"{name} is {getattr(self, name)}; give a share from 0 to 1")

    @property
    def total(self) -> int:
        """Number of identities of the set."""
        return self.identities + self.validation_identities + self.test_identities

    @property
    def splits(self) -> dict[str, tuple[int, ...]]:
        """Identity numbers of ``train``, ``val`` and ``test``."""
        first = self.identities + 1
        second = first + self.validation_identities
        return {
            "train": tuple(range(1, first)),
            "val": tuple(range(first, second)),
            "test": tuple(range(second, self.total + 1)),
        }
