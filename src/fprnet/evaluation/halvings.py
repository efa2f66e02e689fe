"""Test identities become two halves: who is enrolled and who is a stranger, the same everywhere.

Five halvings are stored in ``halvings.json`` beside this module, as orders of the identities 1 to
1,100, which covers SYSU-MM01, RegDB and LLCM. A test set is halved by taking the first half of its
identities in that order. The order is that of the SHA-256 digests of "SEED:HALVING:IDENTITY", by
which identities beyond the list are ordered, too. What a version stands for never changes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TypedDict

__all__ = ["Halving", "halvings", "order_by_rule"]

FILE = "halvings.json"


class _Stored(TypedDict):
    version: str
    seed: int
    orders: list[list[int]]


@dataclass(frozen=True)
class Halving:
    """One division of the identities.

    Attributes:
        number: 1 to 5.
        first: Sorted identities of the first half, the larger one where their number is odd.
        second: Sorted identities of the second half.
    """

    number: int
    first: tuple[int, ...]
    second: tuple[int, ...]


def halvings(identities: Sequence[int]) -> list[Halving]:
    """Return the five stored halvings of some identities."""
    stored = _stored()
    people = sorted(set(identities))
    result = []
    for number, order in enumerate(stored["orders"], start=1):
        position = {identity: place for place, identity in enumerate(order)}
        if all(identity in position for identity in people):
            ordered = sorted(people, key=position.__getitem__)
        else:
            ordered = order_by_rule(people, number, stored["seed"])
        middle = (len(people) + 1) // 2
        result.append(
            Halving(number, tuple(sorted(ordered[:middle])), tuple(sorted(ordered[middle:])))
        )
    return result


def version() -> str:
    """Return the name of the stored halvings, e.g. "halvings@1"."""
    return _stored()["version"]


def order_by_rule(identities: Sequence[int], number: int, seed: int) -> list[int]:
    """Return the identities in the order of a halving, by the rule that made the stored list."""

    def digest(identity: int) -> str:
        return hashlib.sha256(f"{seed}:{number}:{identity}".encode()).hexdigest()

    return sorted(identities, key=digest)


@cache
def _stored() -> _Stored:
    stored: _Stored = json.loads((files("fprnet.evaluation") / FILE).read_text(encoding="utf-8"))
    return stored
