"""Images of many requests become few batches for one model, by one thread that owns it.

Shapes: n images of a batch, H x W pixels, D numbers per embedding.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from fprnet.data.records import Modality

__all__ = ["Batcher", "ClosedError", "FullError"]

Pixels = NDArray[np.uint8]
Embedding = NDArray[np.float32]
Result = TypeVar("Result")


class FullError(Exception):
    """So many images wait already that the caller should come back later."""


class ClosedError(Exception):
    """The service shuts down and takes nothing new."""


@dataclass
class _Image:
    pixels: Pixels
    modality: Modality
    arrived: float
    done: Future[Embedding] = field(default_factory=Future)


class Batcher:
    """A queue in front of a model.

    An image waits at most ``wait`` seconds for company when the model is idle; while the model
    works, whatever arrives forms the next batch.

    Args:
        embed: ``(n, H, W, 3)`` uint8 of one modality -> ``(n, D)``; only called by one thread.
        most: Images of a batch.
        wait: Seconds.
        room: Images that may wait.
        observe: Told the size of every batch.
    """

    def __init__(
        self,
        embed: Callable[[Pixels, Modality], Embedding],
        *,
        most: int = 16,
        wait: float = 0.005,
        room: int = 128,
        observe: Callable[[int], None] = lambda size: None,
    ) -> None:
        self._embed = embed
        self._most = most
        self._wait = wait
        self._room = room
        self._observe = observe
        self._images: deque[_Image] = deque()
        self._tasks: deque[Callable[[], None]] = deque()
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        """Images that wait."""
        return len(self._images)

    def submit(self, images: Sequence[Pixels], modality: Modality) -> list[Future[Embedding]]:
        """Queue images, all or none.

        Args:
            images: Each ``(H, W, 3)`` uint8.
            modality: Modality of all images.

        Returns:
            For each image its embedding ``(D,)``, later.

        Raises:
            FullError: There is no room for all of them.
            ClosedError: `close` was called.
        """
        now = time.monotonic()
        entries = [_Image(pixels, modality, now) for pixels in images]
        with self._changed:
            self._check_open()
            if len(self._images) + len(entries) > self._room:
                raise FullError
            self._images.extend(entries)
            self._changed.notify_all()
        return [entry.done for entry in entries]

    def call(self, function: Callable[[], Result]) -> Future[Result]:
        """Let the model's thread run something else with the model, between two batches.

        Raises:
            FullError: As many tasks wait as images may.
            ClosedError: `close` was called.
        """
        done: Future[Result] = Future()

        def task() -> None:
            if done.set_running_or_notify_cancel():
                _resolve(done, function)

        with self._changed:
            self._check_open()
            if len(self._tasks) >= self._room:
                raise FullError
            self._tasks.append(task)
            self._changed.notify_all()
        return done

    def close(self) -> None:
        """Take nothing new, finish what was accepted, end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._images or self._tasks or self._closed)
                if not (self._images or self._tasks):
                    return
                task = self._tasks.popleft() if self._tasks else None
                batch = [] if task else self._next_batch()
            if task:
                task()
            else:
                self._run_batch(batch)

    def _next_batch(self) -> list[_Image]:
        """Take the oldest image and those of its modality; called with the lock held."""
        modality = self._images[0].modality
        deadline = self._images[0].arrived + self._wait

        def enough() -> bool:
            return self._closed or sum(i.modality == modality for i in self._images) >= self._most

        while not enough() and (left := deadline - time.monotonic()) > 0:
            self._changed.wait(left)
        batch = [image for image in self._images if image.modality == modality][: self._most]
        chosen = {id(image) for image in batch}
        self._images = deque(image for image in self._images if id(image) not in chosen)
        return batch

    def _run_batch(self, batch: list[_Image]) -> None:
        wanted = [image for image in batch if image.done.set_running_or_notify_cancel()]
        if not wanted:
            return
        self._observe(len(wanted))
        try:
            embeddings = self._embed(np.stack([i.pixels for i in wanted]), wanted[0].modality)
        except BaseException as error:
            for image in wanted:
                image.done.set_exception(error)
            return
        for image, embedding in zip(wanted, embeddings, strict=True):
            image.done.set_result(embedding)


def _resolve(done: Future[Result], function: Callable[[], Result]) -> None:
    try:
        done.set_result(function())
    except BaseException as error:
        done.set_exception(error)
