"""A reader as somebody else writes it: one table of images, and a protocol of its own."""

from pathlib import Path
from typing import ClassVar

import numpy as np

from fprnet.data.protocols.protocol import NEVER_EXCLUDED, NamedProtocol, Protocol, Trial, tie_order
from fprnet.data.reader import Reader
from fprnet.data.records import Records, positions
from fprnet.errors import DataError


class People:
    """Who trains, validates and tests."""

    def __init__(self, root: Path) -> None:
        if not (root / "people.txt").is_file():
            raise DataError(f"{root / 'people.txt'} is missing; write one line for each part")
        lines = (root / "people.txt").read_text().splitlines()
        self.train, self.validation, self.test = (tuple(map(int, line.split())) for line in lines)


def my_protocol(images, split, identities=None, *, every: int = 1) -> Protocol:
    """Every n-th infrared image queries all visible ones, and nothing is removed."""
    shown = np.isin(images.identity, split.test if identities is None else identities)
    query = np.flatnonzero(shown & (images.modality == "infrared"))[::every]
    gallery = np.flatnonzero(shown & (images.modality == "visible"))
    nothing = np.full(len(images), NEVER_EXCLUDED, dtype=np.int64)
    settings = {"every": every}
    return Protocol("mine", settings, (Trial(query, gallery),), nothing, tie_order(images))


class MyReader(Reader):
    """``IDENTITY_CAMERA_NUMBER_v.png`` or ``_i.png`` in one folder, and people.txt."""

    signs = ("people.txt",)
    has_validation_list = True
    protocol = staticmethod(my_protocol)
    protocols: ClassVar = {
        "mine/half@1": NamedProtocol("my_reader:MyReader", {"every": 2}, "this file")
    }

    def read_split(self, root, number, needed):
        return People(root)

    def read_records(self, root, *, visible_only=False):
        names = sorted(file.name for file in root.glob("*.png"))
        fields = [name.removesuffix(".png").split("_") for name in names]
        identity, camera = (np.array([int(f[k]) for f in fields], dtype=np.int64) for k in (0, 1))
        modality = np.array(["visible" if f[3] == "v" else "infrared" for f in fields])
        records = Records(
            root=root,
            path=np.array(names),
            identity=identity,
            camera=camera,
            modality=modality,
            location=camera,
            index=positions(camera, identity, modality),
        )
        return records.where(modality == "visible") if visible_only else records


class NoReader:
    """Something else."""


def misses(ranked):
    """1 where the query's identity is not first."""
    return ranked.first_rank > 1
