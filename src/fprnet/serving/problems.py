"""A mistake becomes one JSON shape: what, which value, what to do next."""

from __future__ import annotations

import errno
import logging
from collections.abc import Mapping
from typing import Any, Self

from fprnet.errors import (
    FilterError,
    FprnetError,
    GalleryError,
    GalleryExistsError,
    GalleryLockedError,
    GalleryMissingError,
    GalleryModelError,
    GalleryUnavailableError,
)

__all__ = ["ProblemError", "any_problem", "as_problem"]

log = logging.getLogger(__name__)

# The first that fits counts, so subclasses stand before their parents.
STATUS: tuple[tuple[type[FprnetError], int, str], ...] = (
    (GalleryUnavailableError, 503, "gallery_gone"),
    (GalleryLockedError, 503, "gallery_locked"),
    (GalleryMissingError, 404, "record_unknown"),
    (GalleryExistsError, 409, "gallery_exists"),
    (GalleryModelError, 409, "model_differs"),
    (FilterError, 422, "filter"),
    (GalleryError, 422, "gallery"),
    (FprnetError, 422, "invalid"),
)
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
RETRY = {"Retry-After": "5"}  # seconds after which a server may be back


class ProblemError(FprnetError):
    """A request that gets a 4xx or 503 answer.

    Args:
        status: Status code of HTTP.
        code: One stable word for programs, e.g. "image_damaged".
        message: What is wrong, with the value.
        next_step: What the caller can do about it.
        headers: Headers of the answer, e.g. Retry-After.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        next_step: str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{message}; {next_step}")
        self.status = status
        self.code = code
        self.message = message
        self.next_step = next_step
        self.headers = dict(headers or {})

    @classmethod
    def of(cls, error: FprnetError, status: int, code: str) -> Self:
        """Take over the sentence of another error, "what is wrong; what to do next"."""
        message, _, step = str(error).rpartition("; ")
        if not message:
            message, step = step, "correct the request"
        return cls(status, code, message, step, RETRY if status == 503 else None)

    def as_dict(self) -> dict[str, str]:
        """Return code, message and next step."""
        return {"code": self.code, "message": self.message, "next": self.next_step}

    def body(self) -> dict[str, Any]:
        """Return the answer's JSON object."""
        return {"error": self.as_dict()}


def as_problem(error: FprnetError) -> ProblemError:
    """Return any error of this project as an answer."""
    if isinstance(error, ProblemError):
        return error
    status, code = next((status, code) for kind, status, code in STATUS if isinstance(error, kind))
    return ProblemError.of(error, status, code)


def any_problem(error: Exception) -> ProblemError:
    """Return whatever went wrong as an answer.

    A full disk is the operator's to mend. Anything else that is no error of this project is a fault
    of the service: its traceback goes to the log, and the caller learns nothing of it.
    """
    if isinstance(error, FprnetError):
        return as_problem(error)
    if isinstance(error, OSError) and error.errno in DISK_FULL:
        log.error("the disk is full: %s", error)
        return ProblemError(
            503,
            "disk_full",
            "the service's disk is full",
            "tell its operator, and send the request again afterwards",
            {"Retry-After": "60"},
        )
    log.error("a fault of the service", exc_info=error)
    return ProblemError(
        500,
        "internal",
        f"this is a fault of the service ({type(error).__name__})",
        "tell its operator; the time of the request finds it in the log",
    )
