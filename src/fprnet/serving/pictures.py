"""Images of gallery records: the service's own copies, and files that the operator lets it show."""

from __future__ import annotations

import hashlib
import io
import os
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from fprnet.data.images import decode_image
from fprnet.errors import ImageFileError
from fprnet.files import replacing, sha256
from fprnet.gallery.records import GalleryRecord
from fprnet.serving.images import suffix_of
from fprnet.serving.problems import ProblemError

__all__ = ["Pictures", "as_jpeg"]

QUALITY = 88  # of the JPEGs that are sent
MAX_HASHES = 100_000  # files whose hash is remembered
MAX_BYTES = 256 * 2**20  # of a file that is hashed to be shown
ABANDONED = 3600.0  # seconds after which nobody writes to a temporary file any more
COPY = re.compile(r"[0-9a-f]{64}")  # the id in the name of a copy


class Pictures:
    """Finds, keeps and erases images.

    A record's path is somebody's word: it is only followed to a file whose real place (after
    symbolic links) is under one of the folders that the operator named, and an image is only shown
    where its SHA-256 is the record's: a file that was overwritten shows somebody else.

    Args:
        copies: Folder of the copies of uploaded images, by their SHA-256.
        roots: Folders whose files may be shown.
        max_pixels: Most pixels that an image may have.
        stored: Returns the image of a record that the gallery keeps itself; None of others.
    """

    def __init__(
        self,
        copies: Path,
        roots: Iterable[Path],
        max_pixels: int,
        stored: Callable[[str], bytes | None] = lambda id: None,
    ) -> None:
        self._copies = copies.resolve()
        self._roots = [root.resolve() for root in roots]
        self._max_pixels = max_pixels
        self._stored = stored
        self._writing = threading.Lock()
        self._hashing = threading.Lock()
        self._hashes: OrderedDict[Path, tuple[tuple[int, ...], str]] = OrderedDict()

    def address(self, record: GalleryRecord) -> str | None:
        """Return where the service shows the record's image; None where it does not."""
        if self._file(record) is None and self._stored(record.id) is None:
            return None
        return f"/v1/gallery/images/{record.id}/content"

    def content(self, record: GalleryRecord) -> bytes:
        """Return the bytes of a record's image.

        Raises:
            ProblemError: There is none that may be shown.
        """
        file = self._file(record)
        if file is None and (stored := self._stored(record.id)) is not None:
            return stored
        if file is None:
            raise _not_shown(record)
        try:
            content = file.read_bytes()
        except OSError as error:
            raise _not_shown(record) from error
        if hashlib.sha256(content).hexdigest() != record.id:  # changed since it was looked at
            raise _not_shown(record)
        return content

    def jpeg(self, record: GalleryRecord, height: int) -> bytes:
        """Return a record's image as a JPEG at most ``height`` pixels high.

        It is drawn anew, so nothing but pixels leaves: no position of a camera, no second file
        hidden in the first.

        Raises:
            ProblemError: There is none that may be shown, or it is no image.
        """
        try:
            pixels, _ = decode_image(self.content(record), max_pixels=self._max_pixels)
        except ImageFileError as error:
            raise _not_shown(record) from error
        return as_jpeg(Image.fromarray(pixels), height)

    def kept(self, id: str) -> Path | None:
        """Return the copy of an image that was uploaded; None if there is none."""
        return next(iter(self._folder(id).glob(f"{id}.*")), None)

    def place(self, id: str, content: bytes) -> Path:
        """Return where the copy of an image is or would be; its ending says what it is."""
        return self._folder(id) / f"{id}{suffix_of(content)}"

    @contextmanager
    def keeping(self, id: str, content: bytes) -> Iterator[None]:
        """Keep a copy, unless the block, which adds its record, raises.

        It is on the disk before the block begins, under the name of an unfinished file: where a
        process is killed, the next `sweep` finishes the copies that have a record by then, and
        erases the others.
        """
        with replacing(self.place(id, content)) as temporary:
            _write(temporary, content)
            yield
            if not temporary.exists():  # another process's sweep was faster
                _write(temporary, content)

    def erase(self, id: str) -> bool:
        """Erase the copy, and what a killed process left of it; returns whether there was one."""
        with self._writing:
            kept = self.kept(id) is not None
            for file in self._folder(id).glob(f"*{id}*"):
                file.unlink(missing_ok=True)
            return kept

    def sweep(self, known: Callable[[Iterable[str]], set[str]]) -> int:
        """Erase copies without a record, and finish those with one that killed processes left.

        Args:
            known: Tells which of some ids are records.

        Returns:
            How many files were erased.
        """
        files: dict[Path, str] = {}
        for file in self._copies.glob("??/*"):
            if found := COPY.search(file.name):
                files[file] = found.group()
        records = known(set(files.values()))
        limit = time.time() - ABANDONED
        gone = 0
        for file, id in files.items():
            with self._writing:
                unfinished = file.name.startswith(".")
                if id in records and unfinished and self.kept(id) is None and _finish(file, id):
                    continue
                if id not in records or (unfinished and _written(file) < limit):
                    file.unlink(missing_ok=True)
                    gone += 1
        return gone

    def _folder(self, id: str) -> Path:
        return self._copies / id[:2]

    def _file(self, record: GalleryRecord) -> Path | None:
        if (kept := self.kept(record.id)) is not None:
            return kept
        if "://" in record.path or "\0" in record.path:
            return None
        for root in self._roots:
            try:
                file = (root / record.path).resolve()
                if file.is_relative_to(root) and self._sha256(file) == record.id:
                    return file
            except (OSError, RuntimeError):  # a name too long, a loop of links
                continue
        return None

    def _sha256(self, file: Path) -> str | None:
        """Return the hash of a file as it is now; of one that has not changed it is remembered."""
        if not file.is_file():
            return None
        facts = file.stat()
        state = (facts.st_mtime_ns, facts.st_size, facts.st_ino, facts.st_dev)
        with self._hashing:
            known = self._hashes.pop(file, None)
            if known is None or known[0] != state:
                if facts.st_size > MAX_BYTES:
                    return None
                known = (state, sha256(file))
            self._hashes[file] = known
            if len(self._hashes) > MAX_HASHES:
                self._hashes.popitem(last=False)
        return known[1]


def as_jpeg(image: Image.Image, height: int) -> bytes:
    """Return a JPEG, reduced to ``height`` pixels if it is higher."""
    if image.height > height:
        width = max(1, round(image.width * height / image.height))
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


def _write(file: Path, content: bytes) -> None:
    """Write a file that nobody else may read, down to the disk."""
    with file.open("wb") as opened:
        file.chmod(0o600)
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())


def _finish(file: Path, id: str) -> bool:
    """Give a copy its own name if it is whole; returns whether it was."""
    try:
        is_whole = sha256(file) == id
        if is_whole:
            file.replace(file.with_name(f"{id}{file.suffix}"))
    except FileNotFoundError:  # it has just got it
        return True
    return is_whole


def _written(file: Path) -> float:
    """Return when a file was written; now, if it has gone."""
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return time.time()


def _not_shown(record: GalleryRecord) -> ProblemError:
    return ProblemError(
        404,
        "image_not_shown",
        f"the image of record {record.id[:12]} is not where this service may read it, or the file "
        "there is another image now",
        "name its folder with 'fprnet serve --images FOLDER', or send the image again",
    )
