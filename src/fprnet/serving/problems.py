"""A mistake becomes one JSON shape: what, which value, what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fprnet.errors import (
    FprnetError,
)

__all__ = ["ProblemError", "problem_body", "sentence_and_next"]


class ProblemError(FprnetError):
    """A request that gets a 4xx or 503 answer.

    Args:
        status: Of HTTP.
        code: One stable word for programs, e.g. "image_damaged".
        message: What is wrong, with the value.
        next_step: What the caller can do about it.
        headers: Of the answer, e.g. Retry-After.
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

    def body(self) -> dict[str, Any]:
        """Return the answer's JSON object."""
        return problem_body(self.code, self.message, self.next_step)


def problem_body(code: str, message: str, next_step: str) -> dict[str, Any]:
    """Return the object that every 4xx and 5xx answer holds."""
    return {"error": {"code": code, "message": message, "next": next_step}}


def sentence_and_next(error: FprnetError) -> tuple[str, str]:
    """Split an error of this project into what is wrong and what to do.

    Messages are written as "what is wrong; what to do next".

    >>> sentence_and_next(FprnetError("a.jpg is empty; copy it again"))
    ('a.jpg is empty', 'copy it again')
    """
    message, _, step = str(error).rpartition("; ")
    return (message, step) if message else (step, "correct the request")
