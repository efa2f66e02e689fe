"""What became of many tries, as one row of the campaign's table."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from fprnet.errors import FprnetError

__all__ = ["Row", "table"]

COLUMNS = ("attack", "tries", "kills", "taken", "refused", "faults", "hung", "slowest (s)", "note")


@dataclass
class Row:
    """One kind of attack.

    Attributes:
        name: What was tried.
        patience: Seconds after which a try counts as hung.
        counts: "taken", "refused", "faults", "hung" -> how many.
        kills: Processes that were alive when they were killed; the others had ended before.
        examples: The first faults.
        slowest: Seconds of the slowest try.
        note: What else was measured.
    """

    name: str
    patience: float = 10.0
    counts: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    examples: list[str] = field(default_factory=list)
    slowest: float = 0.0
    note: str = ""

    @contextmanager
    def one(self, what: str) -> Iterator[None]:
        """Count one try: whether the block ends, refuses in one line, or fails otherwise."""
        began = time.perf_counter()
        try:
            yield
        except FprnetError as error:
            if "\n" in str(error) or "\x1b" in str(error):
                self.fault(f"{what}: several lines: {error!s:.200}")
            else:
                self.counts["refused"] += 1
        except BaseException as error:
            if isinstance(error, (KeyboardInterrupt, SystemExit)):
                raise
            self.fault(f"{what}: {type(error).__name__}: {error!s:.200}")
        else:
            self.counts["taken"] += 1
        seconds = time.perf_counter() - began
        self.slowest = max(self.slowest, seconds)
        self.counts["hung"] += seconds > self.patience

    def fault(self, what: str) -> None:
        """Count a try that should not have ended so."""
        self.counts["faults"] += 1
        if len(self.examples) < 5:
            self.examples.append(what)

    @property
    def tries(self) -> int:
        """How many there were."""
        return sum(self.counts[name] for name in ("taken", "refused", "faults"))

    def cells(self) -> list[str]:
        """Return the row's cells."""
        numbers = [self.counts[name] for name in ("taken", "refused", "faults", "hung")]
        kills = str(self.kills) if self.kills else ""
        seconds = f"{self.slowest:.2f}"
        return [self.name, str(self.tries), kills, *map(str, numbers), seconds, self.note]


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table, what they sum to, and the first faults."""
    lines = [f"| {' | '.join(COLUMNS)} |", f"|{'---|' * len(COLUMNS)}"]
    lines += [f"| {' | '.join(row.cells())} |" for row in rows]
    lines += ["", _sum(rows), ""]
    lines += [f"- {example}" for row in rows for example in row.examples]
    return "\n".join(lines).rstrip()


def _sum(rows: Sequence[Row]) -> str:
    kills = sum(row.kills for row in rows)
    inputs = sum(row.tries for row in rows if not row.kills)
    faults, hung = (sum(row.counts[name] for row in rows) for name in ("faults", "hung"))
    return f"{kills} kills and {inputs} inputs: {faults} faults, {hung} hung."
