"""The images of a data set as one table: which person, which camera, which modality, where on disk.

Shapes: N images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from fprnet.errors import DataError

__all__ = ["MODALITIES", "ImageTable", "Modality", "Records", "positions"]

Modality = Literal["visible", "infrared"]
MODALITIES: tuple[Modality, Modality] = ("visible", "infrared")


class ImageTable(Protocol):
    """What is known of N images, as columns: records of a data set, or features of them."""

    @property
    def path(self) -> NDArray[np.str_]:
        """``(N,)`` text, no two alike."""

    @property
    def identity(self) -> NDArray[np.int64]:
        """``(N,)`` the person's number in the data set."""

    @property
    def camera(self) -> NDArray[np.int64]:
        """``(N,)`` the camera's number; -1 where unknown."""

    @property
    def modality(self) -> NDArray[np.str_]:
        """``(N,)`` text, "visible" or "infrared"."""

    @property
    def index(self) -> NDArray[np.int64] | None:
        """``(N,)`` 1-based position in the sorted folder (one identity in one camera), or None."""

    def __len__(self) -> int:
        """Return N."""


@dataclass(frozen=True)
class Records:
    """N images as columns; row i of every column is image i.

    Attributes:
        root: Folder that the paths start from.
        path: ``(N,)`` text, POSIX, relative to ``root``.
        identity: ``(N,)`` int64, the person's number in the data set.
        camera: ``(N,)`` int64; -1 where the data set does not say.
        modality: ``(N,)`` text, "visible" or "infrared".
        location: ``(N,)`` int64; cameras that see one place share it; -1 where unknown.
        index: ``(N,)`` int64, 1-based position of the image in its sorted folder (one identity in
            one camera), which is what ``rand_perm_cam.mat`` counts in.
    """

    root: Path
    path: NDArray[np.str_]
    identity: NDArray[np.int64]
    camera: NDArray[np.int64]
    modality: NDArray[np.str_]
    location: NDArray[np.int64]
    index: NDArray[np.int64]

    def __post_init__(self) -> None:
        lengths = {f.name: len(getattr(self, f.name)) for f in fields(self) if f.name != "root"}
        if len(set(lengths.values())) != 1:
            raise ValueError(f"columns differ in length: {lengths}")
        unknown = set(np.unique(self.modality)) - set(MODALITIES)
        if unknown:
            raise DataError(
                f"modality {sorted(unknown)[0]!r} in {self.root} is unknown; "
                "write 'visible' or 'infrared'"
            )

    def __len__(self) -> int:
        return len(self.path)

    def where(self, selection: NDArray[Any]) -> Records:
        """Return the rows of a boolean mask ``(N,)`` or of an index array, in that order."""
        names = [f.name for f in fields(self) if f.name != "root"]
        return Records(root=self.root, **{name: getattr(self, name)[selection] for name in names})

    def of(self, identities: Sequence[int], modality: Modality | None = None) -> Records:
        """Return the images of some identities, and of one modality if it is given."""
        keep = np.isin(self.identity, np.asarray(identities, dtype=np.int64))
        if modality is not None:
            keep &= self.modality == modality
        return self.where(keep)

    def files(self) -> list[Path]:
        """Return the full path of every image."""
        return [self.root / path for path in self.path]


def positions(
    camera: NDArray[np.int64], identity: NDArray[np.int64], modality: NDArray[np.str_]
) -> NDArray[np.int64]:
    """Number the images ``(N,)`` of an identity in a camera and modality from 1, as they come."""
    columns = np.stack([camera, identity, modality == MODALITIES[0]])
    group = np.unique(columns, axis=1, return_inverse=True)[1].ravel()
    sequence = np.argsort(group, kind="stable")
    ordered = group[sequence]
    position = np.empty(len(group), dtype=np.int64)
    position[sequence] = np.arange(len(group)) - np.searchsorted(ordered, ordered) + 1
    return position
