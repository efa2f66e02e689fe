"""What a rendered set holds: numbers of people and images, size, seed, and the worlds."""

from __future__ import annotations

from dataclasses import dataclass

from fprnet.errors import DataError

__all__ = ["MAX_IMAGES", "PeopleOptions", "Split"]

MAX_IMAGES = 200  # per identity and camera: SYSU-MM01's lists store positions as uint8
Split = str  # "train", "val" or "test"


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
        images_per_camera: Mean per identity and camera; each draws from mean - 1 to mean + 1.
        size: Height and width in pixels.
        seed: Seed of the people, their poses and the moments.
        worlds: Seeds of the sites; each image is taken at one of them, drawn anew.
        cameras: Numbers of the cameras, from 1 to 6.
        outdoor_share: Share of the identities that the visible indoor cameras 1 and 2 never see.
        missed_share: Chance that any one camera never sees an identity.

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

    def __post_init__(self) -> None:
        for name in ("identities", "validation_identities", "test_identities"):
            if getattr(self, name) < 0:
                raise DataError(f"{name} is {getattr(self, name)}; give 0 or more")
        if self.total == 0:
            raise DataError("the set would hold nobody; give at least 1 identity")
        if not 1 <= self.images_per_camera <= MAX_IMAGES:
            raise DataError(
                f"images_per_camera is {self.images_per_camera}; give 1 to {MAX_IMAGES}"
            )
        if len(self.size) != 2 or min(self.size) < 24 or max(self.size) > 1024:
            raise DataError(f"size is {self.size}; give height and width of 24 to 1024 pixels")
        unknown = set(self.cameras) - set(range(1, 7))
        if unknown or not self.cameras or len(set(self.cameras)) != len(self.cameras):
            raise DataError(f"cameras is {self.cameras}; give some of 1 to 6, each once")
        if self.seed < 0:
            raise DataError(f"seed is {self.seed}; give 0 or more")
        if not self.worlds or min(self.worlds) < 0:
            raise DataError(f"worlds is {self.worlds}; give at least one seed of 0 or more")
        for name in ("outdoor_share", "missed_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise DataError(f"{name} is {getattr(self, name)}; give a share from 0 to 1")

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
