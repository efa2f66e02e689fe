"""One function in two forms: compiled loops where numba is installed, array operations elsewhere.

Both forms do the same operations on the same float32 numbers in the same order, without fused
multiply-adds, so a picture's bytes do not depend on the form.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

__all__ = ["COMPILED", "jit", "say_once_how_slow"]

try:
    if os.environ.get("FPRNET_PEOPLE_PLAIN"):  # tests compare both forms
        raise ImportError
    import numba
except ImportError:
    numba = None  # type: ignore[assignment]

COMPILED = numba is not None
_said = False


def jit(plain: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator of loops that numba compiles; without numba it returns ``plain``."""

    def choose(loops: Callable[..., Any]) -> Callable[..., Any]:
        if numba is None:
            return plain
        compiled: Callable[..., Any] = numba.njit(cache=True)(loops)
        return compiled

    return choose


def say_once_how_slow() -> None:
    """Say on stderr, once in a process, that numba would make this faster."""
    global _said
    if not COMPILED and not _said:
        print("without numba rendering is several times slower: pip install numba", file=sys.stderr)
        _said = True
