"""What the command line asks of the reproduction."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fprnet.config.schema import Scale

__all__ = ["Base", "Request"]

Base = Literal["paper", "released"]


@dataclass(frozen=True)
class Request:
    """What the command line asks for.

    Attributes:
        data: Data set.
        out: Folder; each table has its own inside it, and all share the trainings.
        scale: Scale of the re-identification models: "tiny" or "full".
        seeds: Number of seeds; they are 0, 1, ...
        weights: The warm start of every training; None makes one at the tiny scale, and leaves
            the presets' own (ImageNet) at the full one.
        split: Number of RegDB's split, 1 to 10; None for other layouts.
        base: Preset that tables 3 to 6 change.
        only: Patterns of the rows that are wanted; none wants all.
        workers: Number of processes at the same time.
        overrides: Changes of all trainings' configs; ``--superres.KEY`` are those of SRCNN.
    """

    data: Path
    out: Path
    scale: Scale = "tiny"
    seeds: int = 1
    weights: Path | None = None
    split: int | None = None
    base: Base = "paper"
    only: tuple[str, ...] = ()
    workers: int = 1
    overrides: tuple[str, ...] = ()

    @property
    def with_published(self) -> bool:
        """Whether published values are shown beside ours: both are of the full scale."""
        return self.scale == "full"

    def titled(self, title: str) -> str:
        """Return the title of a page, which says so where it is a miniature."""
        return title if self.scale == "full" else f"{title}, in miniature"
