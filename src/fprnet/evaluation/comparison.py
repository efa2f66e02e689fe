"""Two result files of one protocol become differences with bootstrap intervals over identities.

Both systems rank the same queries, so their scores are compared person by person: a bootstrap draws
the query identities with replacement, and takes both systems' queries of whoever is drawn. That
keeps the queries of one person together, which are no independent evidence.
Shapes: I identities that query, R resamples, M metrics.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fprnet.errors import UsageError
from fprnet.plain_text import parse_json
from fprnet.text_table import text_table

__all__ = ["Comparison", "Difference", "bootstrap_interval", "compare", "read_result"]

FORMAT = 1
RESAMPLES = 10_000
PERCENTILES = (2.5, 97.5)
# What two comparable results may differ in; all else is the protocol.
FREE = frozenset(
    {
        *("scores", "curves", "per_identity", "model", "versions", "metric", "metrics"),
        *("postprocessing", "open_set", "calibration", "corrupted", "leaks", "trained_on"),
        *("cross_data_set", "runtime", "precision"),
    }
)


@dataclass(frozen=True)
class Difference:
    """One metric of two results.

    Attributes:
        first: Score of the first result, a fraction.
        second: Score of the second result, a fraction.
        ci95: 95 % percentile bootstrap interval of second - first.
    """

    first: float
    second: float
    ci95: tuple[float, float]

    @property
    def difference(self) -> float:
        """How much the second is above the first."""
        return self.second - self.first


@dataclass(frozen=True)
class Comparison:
    """What two results say about one protocol.

    Attributes:
        files: Names of the two result files.
        identities: I, number of identities with a valid query.
        resamples: R, number of bootstrap resamples.
        seed: Seed of the bootstrap.
        rows: Label -> metric -> difference, for the rows that both results have.
        not_compared: Labels of the rows that only one of them has.
    """

    files: tuple[str, str]
    identities: int
    resamples: int
    seed: int
    rows: Mapping[str, Mapping[str, Difference]]
    not_compared: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object that ``fprnet evaluate --compare A B --json`` prints."""
        return {
            "format": FORMAT,
            "compared": list(self.files),
            "identities": self.identities,
            "resamples": self.resamples,
            "seed": self.seed,
            "scores": {
                label: {
                    name: {
                        "first": metric.first,
                        "second": metric.second,
                        "difference": metric.difference,
                        "ci95": list(metric.ci95),
                    }
                    for name, metric in row.items()
                }
                for label, row in self.rows.items()
            },
            "not_compared": list(self.not_compared),
        }

    def table(self) -> str:
        """Return the differences as text, in percent."""
        first, second = self.files
        head = ["", "", "first", "second", "difference", "95 % interval"]
        rows = [
            [
                label,
                name,
                f"{100 * metric.first:.2f}",
                f"{100 * metric.second:.2f}",
                f"{100 * metric.difference:+.2f}",
                f"{100 * metric.ci95[0]:+.2f} to {100 * metric.ci95[1]:+.2f}",
            ]
            for label, row in self.rows.items()
            for name, metric in row.items()
        ]
        lines = [f"first {first}, second {second}", text_table(head, rows, left=(0, 1))]
        lines.append(
            f"percent; second minus first, bootstrap of {self.identities} query identities, "
            f"{self.resamples} resamples"
        )
        if self.not_compared:
            lines.append(f"only in one of the two: {', '.join(self.not_compared)}")
        return "\n".join(lines)


def read_result(path: Path) -> dict[str, Any]:
    """Read what ``fprnet evaluate --json`` or ``--out`` left.

    Raises:
        UsageError: It is missing, no such file, or of a version that kept nothing per identity.
    """
    path = Path(path)
    if not path.is_file():
        raise UsageError(f"{path} does not exist; write it with 'fprnet evaluate ... --out {path}'")
    try:
        result = parse_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UsageError(f"{path} is no JSON text ({error}); write it with --out") from error
    if not isinstance(result, dict) or result.get("format") != FORMAT or "protocol" not in result:
        raise UsageError(f"{path} is no result of 'fprnet evaluate'; write it with --out")
    try:
        people = result["per_identity"]
        columns = [_column(people[name]) for name in ("identity", "valid")]
        for row in people["scores"].values():
            columns += [_column(sums) for name, sums in row.items() if name != "image-level"]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            f"{path} has no complete per_identity block; evaluate again with this version"
        ) from error
    if len({len(column) for column in columns}) != 1 or not len(columns[0]):
        raise UsageError(f"{path} has columns of different lengths in per_identity; evaluate again")
    return result


def compare(first: Path, second: Path, *, resamples: int = RESAMPLES, seed: int = 0) -> Comparison:
    """Compare two result files row by row, the second with the first.

    Args:
        first: Result file that is subtracted.
        second: Result file that it is subtracted from.
        resamples: R, draws of the bootstrap.
        seed: Seed of the bootstrap.

    Raises:
        UsageError: A file cannot be read, the two are not of one protocol, one gallery and the same
            queries, or fewer than two identities have a valid query.
    """
    results = read_result(first), read_result(second)
    _check_comparable(first, second, *results)
    one, other = (result["per_identity"] for result in results)
    valid = _column(one["valid"])
    querying = valid > 0
    if querying.sum() < 2:
        raise UsageError(
            f"{first} has valid queries of {int(querying.sum())} identity; a bootstrap over "
            "identities needs 2 or more"
        )
    rows = {}
    for label in (label for label in one["scores"] if label in other["scores"]):
        names = [
            name
            for name in one["scores"][label]
            if name in other["scores"][label] and name != "image-level"
        ]
        sums = [
            np.stack([_column(people["scores"][label][name]) for name in names])[:, querying]
            for people in (one, other)
        ]
        low, high = bootstrap_interval(
            sums[1] - sums[0], valid[querying], resamples=resamples, seed=seed
        )
        means = [matrix.sum(axis=1) / valid.sum() for matrix in sums]
        rows[label] = {
            name: Difference(
                float(means[0][m]), float(means[1][m]), (float(low[m]), float(high[m]))
            )
            for m, name in enumerate(names)
        }
    return Comparison(
        files=(str(first), str(second)),
        identities=int(querying.sum()),
        resamples=resamples,
        seed=seed,
        rows=rows,
        not_compared=tuple(sorted(set(one["scores"]) ^ set(other["scores"]))),
    )


def bootstrap_interval(
    sums: NDArray[np.float64], valid: NDArray[np.float64], *, resamples: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the 2.5 % and 97.5 % percentiles ``(M,)`` of resampled means.

    Args:
        sums: ``(M, I)`` sum over each identity's queries.
        valid: ``(I,)`` how many queries that is, 1 or more.
        resamples: R, number of resamples.
        seed: Seed of the draws.
    """
    generator = np.random.default_rng(seed)
    people = sums.shape[1]
    means = np.empty((resamples, len(sums)))
    block = max(1, 2**22 // people)
    for start in range(0, resamples, block):
        part = slice(start, min(start + block, resamples))
        drawn = generator.multinomial(people, np.full(people, 1 / people), part.stop - part.start)
        means[part] = (drawn @ sums.T) / (drawn @ valid)[:, None]
    low, high = np.percentile(means, PERCENTILES, axis=0)
    return low, high


def _check_comparable(
    first: Path, second: Path, one: Mapping[str, Any], other: Mapping[str, Any]
) -> None:
    for name in [*one, *other]:
        if name not in FREE and one.get(name) != other.get(name):
            raise UsageError(
                f"{first} has {name} {one.get(name)} but {second} has {other.get(name)}; compare "
                "results of one protocol"
            )
    for name in ("identity", "valid"):
        if one["per_identity"][name] != other["per_identity"][name]:
            raise UsageError(
                f"{first} and {second} do not have the same query identities and valid queries; "
                "compare results on one test set"
            )


def _column(values: Any) -> NDArray[np.float64]:  # noqa: ANN401 - JSON
    column = np.array(values, dtype=np.float64)
    if column.ndim != 1 or not np.isfinite(column).all():
        raise ValueError("not a list of numbers")
    return column
