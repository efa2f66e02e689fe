"""What a reader of one layout must say: its signs, who trains, which images, which protocol.

A layout is known to its reader only; everything else asks. A reader of your own derives from
`Reader`, is named as an import path (``--layout my_reader:MyReader --plugin my_reader.py``), and
takes no arguments to be made.
Shapes: N images.
"""

from __future__ import annotations

import typing
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from fprnet.data.checks.findings import Findings, Lists, Seen
from fprnet.data.protocols.protocol import NamedProtocol, Protocol
from fprnet.data.records import Modality, Records
from fprnet.errors import DataError

__all__ = ["PARTS", "Part", "Reader", "Split"]

Part = typing.Literal["train", "validation", "test"]
PARTS: tuple[Part, Part, Part] = ("train", "validation", "test")


class Split(typing.Protocol):
    """What a layout's files say about people; a reader's own split may hold more."""

    @property
    def train(self) -> tuple[int, ...]:
        """Sorted identities; empty where the list was not asked for."""

    @property
    def validation(self) -> tuple[int, ...]:
        """Sorted identities; empty where the layout has no such list."""

    @property
    def test(self) -> tuple[int, ...]:
        """Sorted identities; empty where the list was not asked for."""


class Reader(typing.Protocol):
    """One layout of folders and lists.

    Attributes:
        signs: Patterns below the root; a folder with any of them has this layout.
        weak_signs: Patterns that decide only where no reader finds one of its signs.
        example: Name and signs for people, e.g. "RegDB (idx/train_visible_1.txt ...)".
        splits: Numbers of its splits where there are several; empty where there is one.
        has_validation_list: Whether the layout says who validates; else every 8th training
            identity does.
        cameras: Cameras with their modality that `fprnet data check` shows, also where they are
            empty; () shows those that are there.
        protocol: Function ``(images, split, identities, *, option=...)`` that returns the
            protocol; ``images`` is an `ImageTable`, ``split`` what `read_split` returned, and
            ``identities`` says who is tested (None: the split's test identities). Its keyword
            arguments are the options that a user may choose, with their types.
        protocols: Name -> named choice of these options, beside those of
            `fprnet.data.protocols.named.PROTOCOLS`.
    """

    signs: ClassVar[tuple[str, ...]]
    weak_signs: ClassVar[tuple[str, ...]] = ()
    example: ClassVar[str] = ""
    splits: ClassVar[tuple[int, ...]] = ()
    has_validation_list: ClassVar[bool] = False
    cameras: ClassVar[tuple[tuple[int, Modality], ...]] = ()
    protocol: ClassVar[Callable[..., Protocol]]
    protocols: ClassVar[Mapping[str, NamedProtocol]] = {}

    @abstractmethod
    def read_split(self, root: Path, number: int | None, needed: Sequence[Part]) -> Split:
        """Read who trains, validates and tests; no image is looked at.

        Args:
            root: The data set's folder, or one with its lists only.
            number: One of `splits`; None where there is only one split.
            needed: Parts whose lists must be there. Scoring features needs ("test",) only.

        Raises:
            DataError: A list is missing or cannot be understood.
        """

    @abstractmethod
    def read_records(self, root: Path, *, visible_only: bool = False) -> Records:
        """List the images, sorted; lists of the split may be missing.

        Args:
            root: The data set's folder.
            visible_only: Infrared images are left out, and their folders may be missing.

        Raises:
            DataError: Folders or listed images are missing.
        """

    def takes_file(self, path: Path) -> bool:
        """Return whether the root may be this file, as that of a manifest is; none by default."""
        return False

    def check_split(self, records: Records, split: Any) -> None:  # noqa: ANN401 - its own split
        """Compare the lists with the images that were read; by default, everybody has an image.

        Raises:
            DataError: A listed identity or image is missing.
        """
        listed = {*split.train, *split.validation, *split.test}
        unseen = sorted(listed - set(records.identity.tolist()))
        if unseen:
            raise DataError(
                f"{len(unseen)} listed identities have no image in {records.root}, the first is "
                f"{unseen[0]}; copy their images again, or correct the lists"
            )

    def instants(self, split: Any, paths: Sequence[str]) -> Sequence[str]:  # noqa: ANN401
        """Return when each image was taken, as any text; images of one instant have the same one.

        Args:
            split: What `read_split` returned.
            paths: Paths of the images, as records have them.

        Returns:
            One text for each path, "" where it is not known; () where nothing is known.
        """
        return ()

    def look(self, findings: Findings) -> tuple[Lists, list[Seen]]:
        """Return who is listed for which part, and all images; note all that is wrong.

        By default what `read_split` and `read_records` say; each stops at its first fault.

        Args:
            findings: Takes the problems; its root is the data set's folder.
        """
        lists: Lists = dict.fromkeys(PARTS, ())
        images: list[Seen] = []
        try:
            split = self.read_split(findings.root, next(iter(self.splits), None), PARTS)
            lists = {part: getattr(split, part) for part in PARTS}
        except DataError as error:
            findings.add_error(findings.root, error)
        try:
            records = self.read_records(findings.root)
        except DataError as error:
            findings.add_error(findings.root, error)
            return lists, images
        columns = records.identity.tolist(), records.camera.tolist(), records.modality.tolist()
        images = [Seen(*row) for row in zip(records.files(), *columns, strict=True)]
        findings.compare(lists, set(columns[0]))
        return lists, images
