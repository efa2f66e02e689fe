"""A searcher and settings become what all routes share: threads, queue, files, counters.

Shapes: D numbers per embedding.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from starlette.types import Scope

from fprnet.data.records import Modality
from fprnet.errors import FprnetError, GalleryUnavailableError, UsageError
from fprnet.gallery.audit import AuditEntry
from fprnet.gallery.gallery import Gallery
from fprnet.gallery.searcher import Searcher
from fprnet.gallery.tracklets import stored_image
from fprnet.serving.audit import open_audit
from fprnet.serving.batching import Batcher, ClosedError, FullError
from fprnet.serving.callers import Caller
from fprnet.serving.decoding import Decoders
from fprnet.serving.feedback import FeedbackStore
from fprnet.serving.folder import claim
from fprnet.serving.housekeeping import Housekeeper
from fprnet.serving.images import Upload, decode_upload
from fprnet.serving.keys import list_keys
from fprnet.serving.metrics import Metrics
from fprnet.serving.pictures import Pictures
from fprnet.serving.problems import ProblemError, any_problem, as_problem
from fprnet.serving.remembered_info import RememberedInfo
from fprnet.serving.sessions import RecentSearches
from fprnet.serving.settings import Settings

__all__ = ["Noted", "Service"]

DECODERS = 2  # processes; decoding is short beside the model
GALLERY_THREADS = 8
SERVER_PATIENCE = 20.0  # seconds that a search waits for a database server
HEALTH_PATIENCE = 5.0
FULL_PAUSE = 0.05  # seconds until an upload tries again to get into the queue

Result = TypeVar("Result")
log = logging.getLogger(__name__)


@dataclass
class Noted:
    """What the audit log says about a request.

    Attributes:
        details: Anything that JSON can hold, but no hashes of images.
        images: Kind, e.g. "ids" or "queries" -> SHA-256 of images.
    """

    details: dict[str, Any] = field(default_factory=dict)
    images: dict[str, Sequence[str]] = field(default_factory=dict)

    def entry(self, caller: Caller, event: str, outcome: str) -> AuditEntry:
        """Return the entry."""
        return AuditEntry(
            event, caller.name, caller.role, caller.address, outcome, self.details, self.images
        )


class Service:
    """Everything that lives as long as the process.

    Args:
        searcher: Model, gallery and calibration; the service does not close the gallery.
        settings: Limits and folders.
    """

    def __init__(self, searcher: Searcher, settings: Settings) -> None:
        self.searcher = searcher
        self.settings = settings
        self.metrics = Metrics()
        database = searcher.gallery.database
        if settings.audit is None and database.read_only:
            raise UsageError(
                f"gallery {database.uri} may only be read here, so it takes no audit log; give "
                "--audit FILE"
            )
        if settings.keys and not any(key.revoked is None for key in list_keys(database)):
            raise UsageError(
                f"nobody has a key of gallery {database.uri}; make one with "
                "'fprnet keys add NAME --role search --gallery URI'"
            )
        if searcher.gallery.writable:
            claim(settings.folder, searcher.gallery)
        self.audit = open_audit(database, settings.audit)
        self.pictures = Pictures(
            settings.folder / "images",
            settings.image_roots,
            settings.image_pixels,
            stored=partial(stored_image, searcher.gallery),
        )
        self.feedback = FeedbackStore(database, settings.folder / "feedback")
        self.searches = RecentSearches(lambda change: searcher.gallery.erased_since(change)[0])
        self.accepting = True
        self.streams = 0  # of events that are open
        self.batcher = Batcher(
            searcher.embedder.embed,
            most=settings.batch,
            wait=settings.wait,
            room=settings.queue,
            observe=self.metrics.batches.observe,
        )
        self._decoders = Decoders(
            DECODERS,
            searcher.embedder.size,
            settings.image_pixels,
            depth_range=searcher.embedder.depth_range,
        )
        self._decoding_threads = ThreadPoolExecutor(DECODERS, "decode")
        self._gallery_threads = ThreadPoolExecutor(GALLERY_THREADS, "gallery")
        self.facts = RememberedInfo(searcher.gallery.info)
        self.metrics.watch(queue=lambda: len(self.batcher), records=self._records)
        self._housekeeper = Housekeeper(searcher.gallery, self.expire, self.sweep)
        self.sweep()
        self._housekeeper.start()

    def close(self) -> None:
        """Finish what was accepted, and stop."""
        self.accepting = False
        self._housekeeper.stop()
        self.batcher.close()
        self._decoding_threads.shutdown()
        self._decoders.close()
        self._gallery_threads.shutdown()
        self.audit.close()

    async def decode(self, content: bytes, name: str, modality: Modality) -> Upload:
        """Decode an image in a process of its own.

        Raises:
            ProblemError: It is no image that can be used.
        """
        return await asyncio.get_running_loop().run_in_executor(
            self._decoding_threads,
            lambda: decode_upload(content, name, modality, self._decoders.decode),
        )

    async def embed(self, uploads: Sequence[Upload], modality: Modality) -> NDArray[np.float32]:
        """Return ``(n, D)`` embeddings of n images; they share a batch with other requests'.

        Raises:
            ProblemError: Too many images wait, or the service shuts down.
        """
        futures = self._queued(
            lambda: self.batcher.submit([upload.pixels for upload in uploads], modality)
        )
        rows: list[NDArray[np.float32]] = []
        for future in futures:
            row: NDArray[np.float32] = await asyncio.wrap_future(future)
            rows.append(row)
        return np.stack(rows)

    async def embed_patiently(
        self, uploads: Sequence[Upload], modality: Modality
    ) -> NDArray[np.float32]:
        """Do as `embed`, but wait where the queue is full: searches go first.

        Raises:
            ProblemError: The service shuts down.
        """
        rows: list[NDArray[np.float32]] = []
        while len(rows) < len(uploads):
            part = uploads[len(rows) : len(rows) + self.settings.batch]
            try:
                rows.extend(await self.embed(part, modality))
            except ProblemError as problem:
                if problem.code != "busy":
                    raise
                await asyncio.sleep(FULL_PAUSE)
        return np.stack(rows)

    async def with_model(self, function: Callable[[], Result]) -> Result:
        """Run something else with the model, between two batches.

        Raises:
            ProblemError: Too many wait, or the service shuts down.
        """
        return await asyncio.wrap_future(self._queued(lambda: self.batcher.call(function)))

    def writable_gallery(self) -> Gallery:
        """Return the gallery for a change.

        Raises:
            ProblemError: The service only reads it.
        """
        gallery = self.searcher.gallery
        if not isinstance(gallery, Gallery) or not gallery.writable:
            raise ProblemError(
                403,
                "read_only",
                "this service only reads its gallery",
                "start it without --read-only",
            )
        return gallery

    async def ask(self, function: Callable[[], Result]) -> Result:
        """Ask the gallery in a thread. A server may be gone; a file is only busy.

        Raises:
            GalleryUnavailableError: A server takes too long.
        """
        server = self.searcher.gallery.database.server
        return await self.in_thread(function, SERVER_PATIENCE if server else None)

    async def in_thread(
        self, function: Callable[[], Result], patience: float | None = None
    ) -> Result:
        """Run something that asks the gallery or the disk, and has to be finished.

        Args:
            function: What.
            patience: Seconds until the gallery counts as gone; the function goes on.

        Raises:
            GalleryUnavailableError: It takes too long.
        """
        running = asyncio.get_running_loop().run_in_executor(self._gallery_threads, function)
        try:
            async with asyncio.timeout(patience):
                return await asyncio.shield(running)
        except TimeoutError as error:
            running.add_done_callback(_drop)
            raise GalleryUnavailableError(
                f"the gallery did not answer in {patience:g} seconds; try again later"
            ) from error

    async def healthy(self) -> bool:
        """Whether the gallery answers."""
        try:
            await self.in_thread(lambda: len(self.searcher.gallery), HEALTH_PATIENCE)
        except FprnetError:
            return False
        return True

    def erase(self, ids: Sequence[str], audit: Sequence[AuditEntry]) -> bool:
        """Erase images wherever this service has them: copies, records, searches, feedback.

        The copies go first: as long as the records are there, the same can be asked for again.

        Returns:
            Whether there was a copy of one of them.

        Raises:
            GalleryError: See :meth:`fprnet.gallery.gallery.Gallery.erase`.
        """
        gallery = self.searcher.gallery
        gallery.get(list(set(ids) - gallery.erasable(ids)))  # where one is unknown, all stay
        copies = [self.pictures.erase(id) | self.feedback.keeps(id) for id in ids]
        gallery.erase(ids, audit=audit)
        self.searches.sweep()
        self.feedback.sweep(young=0)
        self.facts.forget()
        return any(copies)

    def expire(self) -> int:
        """Erase what is older than the gallery keeps it; returns how many records there were."""
        gallery = self.searcher.gallery
        ids = gallery.expired() if gallery.writable else []
        if ids:
            details = {"records": len(ids), "keep_days": gallery.keep_days}
            self.erase(ids, [AuditEntry("expire", "service", "service", details=details)])
        return len(ids)

    def sweep(self) -> int:
        """Forget what is left of erased records, whoever erased them; returns how many copies."""
        self.searches.sweep()
        self.facts.forget()
        gallery = self.searcher.gallery
        if not gallery.writable:
            return 0
        return self.pictures.sweep(gallery.known) + self.feedback.sweep()

    async def record(self, caller: Caller, entry: AuditEntry) -> None:
        """Write into the audit log; it is on the disk afterwards.

        Raises:
            ProblemError: It cannot be written; what it is about must not go on then.
        """
        try:
            await asyncio.shield(asyncio.wrap_future(self.audit.write(entry)))
        except (OSError, FprnetError) as error:
            log.error("the audit log cannot be written: %s", error)
            raise ProblemError(
                503,
                "audit_failed",
                "the audit log cannot be written",
                "tell the operator of this service",
                {"Retry-After": "60"},
            ) from error

    @asynccontextmanager
    async def audited(self, caller: Caller, event: str) -> AsyncIterator[Noted]:
        """Log what the block reads, with its outcome, before the answer leaves.

        Yields:
            What to say about it.

        Raises:
            ProblemError: The log cannot be written.
        """
        noted = Noted()
        try:
            yield noted
        except FprnetError as error:
            await self.record(caller, noted.entry(caller, event, as_problem(error).code))
            raise
        except BaseException as error:
            await self.record(caller, noted.entry(caller, event, type(error).__name__))
            raise
        await self.record(caller, noted.entry(caller, event, "ok"))

    async def change(
        self,
        caller: Caller,
        event: str,
        noted: Noted,
        function: Callable[[Sequence[AuditEntry]], Result],
    ) -> Result:
        """Change something, and log it: there is no change without its entry.

        Where the log is in the gallery, the function writes the entry in the transaction of its
        change. Where it is a file, an entry "begun" comes before, one with the outcome after.

        Args:
            caller: Who asks.
            event: What is done.
            noted: What to say about it.
            function: Makes the change, given the entries to write with it.

        Raises:
            ProblemError: The log cannot be written; nothing has changed then, or the log says
                that it was begun.
        """
        in_file = self.settings.audit is not None
        if in_file:
            await self.record(caller, noted.entry(caller, event, "begun"))
        done = noted.entry(caller, event, "ok")
        try:
            result = await self.in_thread(lambda: function([] if in_file else [done]))
        except (FprnetError, OSError) as error:
            await self.record(caller, noted.entry(caller, event, any_problem(error).code))
            raise
        if in_file:
            await self.record(caller, done)
        return result

    def note_denied(self, scope: Scope, problem: ProblemError) -> None:
        """Log that somebody was not let in; the answer does not wait for it."""
        client = scope.get("client")
        self.audit.note_denied(
            AuditEntry(
                event="denied",
                by=None,
                address=client[0] if client else "unknown",
                outcome=problem.code,
                details={"method": scope["method"][:20], "path": scope["path"][:200]},
            )
        )

    def _records(self) -> float:
        try:
            return float(len(self.searcher.gallery))
        except FprnetError:
            return float("nan")

    def _queued(self, submit: Callable[[], Result]) -> Result:
        try:
            return submit()
        except FullError as error:
            raise ProblemError(
                503,
                "busy",
                f"{self.settings.queue} images wait for the model",
                "come back in a second",
                {"Retry-After": "1"},
            ) from error
        except ClosedError as error:
            raise shutting_down() from error


def shutting_down() -> ProblemError:
    """Return the answer to what comes after the shutdown has begun."""
    return ProblemError(
        503, "shutting_down", "the service shuts down", "try again later", {"Retry-After": "10"}
    )


def _drop(future: Future[Any] | asyncio.Future[Any]) -> None:
    """Take note of what became of a call that nobody waits for any more."""
    if not future.cancelled() and (error := future.exception()) is not None:
        log.warning("the gallery answered too late: %s", error)
