"""Two folders, day and night, and a list of people become records, a split and a protocol.

``day/0007_c1_02.jpg`` is the second image of person 7 in camera 1; people.json says who trains.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from fprnet.data.protocols.protocol import NEVER_EXCLUDED, NamedProtocol, Protocol, Trial, tie_order
from fprnet.data.reader import Part, Reader
from fprnet.data.records import ImageTable, Records, positions
from fprnet.errors import DataError

__all__ = ["TwoFolders", "day_after_night"]


@dataclass(frozen=True)
class People:
    """Who trains, validates and tests."""

    train: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]


def day_after_night(
    images: ImageTable,
    split: People,
    identities: Sequence[int] | None = None,
    *,
    every: int = 1,
) -> Protocol:
    """Every n-th night image queries all images of the day; nothing is removed.

    Args:
        images: What is ranked.
        split: Says who is tested.
        identities: Who is tested instead.
        every: n.
    """
    shown = np.isin(images.identity, split.test if identities is None else identities)
    return Protocol(
        name="two-folders",
        settings={"every": every},
        trials=(
            Trial(
                query=np.flatnonzero(shown & (images.modality == "infrared"))[::every],
                gallery=np.flatnonzero(shown & (images.modality == "visible")),
            ),
        ),
        exclusion_group=np.full(len(images), NEVER_EXCLUDED, dtype=np.int64),
        order=tie_order(images),
    )


class TwoFolders(Reader):
    """The folders day and night, and people.json."""

    signs = ("people.json",)
    has_validation_list = True
    protocol = staticmethod(day_after_night)
    protocols: ClassVar[Mapping[str, NamedProtocol]] = {
        "two-folders/half@1": NamedProtocol(
            "stranger.two_folders:TwoFolders", {"every": 2}, "this module"
        )
    }

    def read_split(self, root: Path, _number: int | None, _needed: Sequence[Part]) -> People:
        file = root / "people.json"
        if not file.is_file():
            raise DataError(f"{file} is missing; write who trains, validates and tests")
        parts = json.loads(file.read_text(encoding="utf-8"))
        return People(*(tuple(parts[part]) for part in ("train", "validation", "test")))

    def read_records(self, root: Path, *, visible_only: bool = False) -> Records:
        folders = ("day",) if visible_only else ("day", "night")
        names = [f"{f}/{file.name}" for f in folders for file in sorted((root / f).glob("*.jpg"))]
        words = [Path(name).stem.split("_") for name in names]
        identity = np.array([int(word[0]) for word in words], dtype=np.int64)
        camera = np.array([int(word[1].removeprefix("c")) for word in words], dtype=np.int64)
        modality = np.where([name.startswith("day") for name in names], "visible", "infrared")
        return Records(
            root=root,
            path=np.array(names),
            identity=identity,
            camera=camera,
            modality=modality,
            location=camera,
            index=positions(camera, identity, modality),
        )
