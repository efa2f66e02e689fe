"""Result files of one protocol become differences of methods with paired bootstrap intervals.

All methods rank the same queries, so their scores are compared person by person: a bootstrap draws
the query identities with replacement, and takes every method's queries of whoever is drawn. That
keeps the queries of one person together, which are no independent evidence. Where a method has
several runs, which differ in their seed, its runs are drawn as well.
Shapes: A and B runs of two methods, I identities that query, R resamples, M metrics.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fprnet.errors import UsageError
from fprnet.evaluation.result_rows import check_runs
from fprnet.plain_text import parse_json
from fprnet.text_table import text_table

__all__ = ["Comparison", "Method", "MethodScore", "bootstrap_interval", "compare", "read_result"]

RESULT_FORMAT = 1
COMPARISON_FORMAT = 2
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
class MethodScore:
    """One metric of one method, beside that of the reference.

    Attributes:
        mean: Mean over the method's runs, a fraction.
        std: Sample standard deviation over the runs; None of a single run.
        difference: How far the mean is above the reference's; None of the reference itself.
        ci95: 95 % percentile bootstrap interval of the difference; None of the reference itself.
    """

    mean: float
    std: float | None
    difference: float | None = None
    ci95: tuple[float, float] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON; a reference has no difference."""
        alone = {"mean": self.mean, "std": self.std}
        if self.ci95 is None:
            return alone
        return {**alone, "difference": self.difference, "ci95": list(self.ci95)}


@dataclass(frozen=True)
class Method:
    """The runs of one method, scored by one protocol.

    Attributes:
        files: Names of its result files, one for each run.
        rows: Label -> metric -> score, for the rows and metrics that all results have.
    """

    files: tuple[str, ...]
    rows: Mapping[str, Mapping[str, MethodScore]]


@dataclass(frozen=True)
class Comparison:
    """What results of several methods say about one protocol.

    Attributes:
        methods: Name -> method; the first is the reference, which the others are compared with.
        identities: I, number of identities with a valid query.
        resamples: R, number of bootstrap resamples.
        seed: Seed of the bootstrap.
        not_compared: Labels of the rows that some of the results do not have.
    """

    methods: Mapping[str, Method]
    identities: int
    resamples: int
    seed: int
    not_compared: tuple[str, ...]

    @property
    def reference(self) -> str:
        """Name of the method that the others are compared with."""
        return next(iter(self.methods))

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object that ``fprnet evaluate --compare ... --json`` prints."""
        return {
            "format": COMPARISON_FORMAT,
            "reference": self.reference,
            "identities": self.identities,
            "resamples": self.resamples,
            "seed": self.seed,
            "methods": {
                name: {
                    "files": list(method.files),
                    "scores": {
                        label: {metric: score.as_dict() for metric, score in row.items()}
                        for label, row in method.rows.items()
                    },
                }
                for name, method in self.methods.items()
            },
            "not_compared": list(self.not_compared),
        }

    def table(self) -> str:
        """Return scores and differences as text, in percent; a line for each method and metric."""
        head = ["", "", "", "mean", "difference", "95 % interval"]
        several = any(len(method.files) > 1 for method in self.methods.values())
        if several:
            head.insert(4, "std")
        rows = []
        for label, names in self.methods[self.reference].rows.items():
            for metric in names:
                for name, method in self.methods.items():
                    score = method.rows[label][metric]
                    cells = [label, metric, name, f"{100 * score.mean:.2f}"]
                    if several:
                        cells.append("" if score.std is None else f"{100 * score.std:.2f}")
                    rows.append([*cells, *_difference(score)])
        drawn = f"{self.identities} query identities{' and of the runs' if several else ''}"
        lines = [
            text_table(head, rows, left=(0, 1, 2)),
            f"percent; difference from {self.reference}, bootstrap of {drawn}, "
            f"{self.resamples} resamples",
        ]
        lines += [
            f"{name} is the mean of {len(method.files)} runs: {', '.join(method.files)}"
            for name, method in self.methods.items()
            if len(method.files) > 1
        ]
        if self.not_compared:
            lines.append(f"not in all results: {', '.join(self.not_compared)}")
        return "\n".join(lines)


def _difference(score: MethodScore) -> list[str]:
    if score.difference is None or score.ci95 is None:
        return ["reference", ""]
    low, high = score.ci95
    return [f"{100 * score.difference:+.2f}", f"{100 * low:+.2f} to {100 * high:+.2f}"]


def read_result(path: str | Path) -> dict[str, Any]:
    """Read what ``fprnet evaluate --json`` or ``--out`` left.

    Raises:
        UsageError: It is missing, no such file, or of a version that kept nothing per identity.
    """
    path = Path(path)
    if not path.is_file():
        what = "is a folder, no result file" if path.is_dir() else "does not exist"
        out = f"{path}.json" if path.is_dir() else path
        raise UsageError(f"{path} {what}; write one with 'fprnet evaluate ... --out {out}'")
    try:
        result = parse_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UsageError(f"{path} is no JSON text ({error}); write it with --out") from error
    if (
        not isinstance(result, dict)
        or result.get("format") != RESULT_FORMAT
        or "protocol" not in result
    ):
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


def compare(
    methods: Mapping[str, Sequence[str | Path]], *, resamples: int = RESAMPLES, seed: int = 0
) -> Comparison:
    """Compare the results of several methods row by row with those of the first.

    Args:
        methods: Name of a method -> its result files, one for each run (trainings that differ in
            their seed); two methods or more, the first is the reference.
        resamples: R, draws of the bootstrap.
        seed: Seed of the bootstrap.

    Raises:
        UsageError: There is one method only, a file cannot be read, the results are not of one
            protocol, one gallery and the same queries, those of one method are no runs of it, or
            fewer than two identities have a valid query.
    """
    if len(methods) < 2:
        raise UsageError(
            f"there is nothing to compare {next(iter(methods), 'no result')} with; give the "
            "results of two methods or more"
        )
    results = {name: [read_result(file) for file in files] for name, files in methods.items()}
    every = [result for runs in results.values() for result in runs]
    files = [Path(file) for runs in methods.values() for file in runs]
    for file, result in zip(files[1:], every[1:], strict=True):
        _check_comparable(files[0], file, every[0], result)
    for name, runs in results.items():
        for number, run in enumerate(runs):
            for earlier in runs[:number]:
                check_runs(name, run, earlier)
    valid = _column(every[0]["per_identity"]["valid"])
    querying = valid > 0
    if querying.sum() < 2:
        raise UsageError(
            f"{files[0]} has valid queries of {int(querying.sum())} identity; a bootstrap over "
            "identities needs 2 or more"
        )
    labels = [list(result["per_identity"]["scores"]) for result in every]
    rows: dict[str, dict[str, dict[str, MethodScore]]] = {name: {} for name in methods}
    for label in _common(labels):
        names = _common([list(result["per_identity"]["scores"][label]) for result in every])
        names = [name for name in names if name != "image-level"]
        sums = {name: _sums(runs, label, names)[..., querying] for name, runs in results.items()}
        scores = _row_scores(sums, valid[querying], resamples=resamples, seed=seed)
        for name, of_metrics in scores.items():
            rows[name][label] = dict(zip(names, of_metrics, strict=True))
    return Comparison(
        methods={
            name: Method(tuple(map(str, files)), rows[name]) for name, files in methods.items()
        },
        identities=int(querying.sum()),
        resamples=resamples,
        seed=seed,
        not_compared=tuple(sorted(set().union(*labels) - set(_common(labels)))),
    )


def _common(lists: Sequence[Sequence[str]]) -> list[str]:
    """Return what all lists have, in the first one's order."""
    return [word for word in lists[0] if all(word in others for others in lists[1:])]


def _sums(
    runs: Sequence[Mapping[str, Any]], label: str, names: Sequence[str]
) -> NDArray[np.float64]:
    """Return ``(A, M, I)`` sums over each identity's queries, of the runs of one method."""
    people = [run["per_identity"]["scores"][label] for run in runs]
    return np.array([[_column(row[name]) for name in names] for row in people])


def _row_scores(
    sums: Mapping[str, NDArray[np.float64]],
    valid: NDArray[np.float64],
    *,
    resamples: int,
    seed: int,
) -> dict[str, list[MethodScore]]:
    """Return the scores of one row by method, a list over the metrics each; the first refers."""
    scores: dict[str, list[MethodScore]] = {}
    reference = next(iter(sums.values()))
    for name, runs in sums.items():
        per_run = runs.sum(axis=2) / valid.sum()
        means = per_run.mean(axis=0)
        stds = per_run.std(axis=0, ddof=1).tolist() if len(runs) > 1 else [None] * len(means)
        if runs is reference:
            scores[name] = [MethodScore(float(m), s) for m, s in zip(means, stds, strict=True)]
            continue
        differences = means - reference.sum(axis=2).mean(axis=0) / valid.sum()
        low, high = bootstrap_interval(reference, runs, valid, resamples=resamples, seed=seed)
        scores[name] = [
            MethodScore(
                float(means[m]), stds[m], float(differences[m]), (float(low[m]), float(high[m]))
            )
            for m in range(len(means))
        ]
    return scores


def bootstrap_interval(
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    valid: NDArray[np.float64],
    *,
    resamples: int,
    seed: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the 2.5 % and 97.5 % percentiles ``(M,)`` of second - first over resamples.

    A resample draws I of the I identities with replacement, the same for all runs, and n - 1 of the
    n runs of each method with replacement: of so many draws, their mean has the variance s^2 / n of
    a mean of n runs, where n draws would have less (McCarthy and Snowden, 1985). A single run is
    taken as it is.

    Args:
        first: ``(A, M, I)`` sum over each identity's queries, in each run of the first method.
        second: ``(B, M, I)`` the same of the second method.
        valid: ``(I,)`` how many queries that is, 1 or more.
        resamples: R, number of resamples.
        seed: Seed of the draws.
    """
    people, runs = np.random.default_rng(seed), np.random.default_rng([seed, 1])
    metrics, count = first.shape[1:]
    gaps = np.empty((resamples, metrics))
    block = max(1, 2**22 // count)
    for start in range(0, resamples, block):
        part = slice(start, min(start + block, resamples))
        size = part.stop - part.start
        drawn = people.multinomial(count, np.full(count, 1 / count), size)
        means = [
            np.einsum("ra,arm->rm", _run_weights(len(sums), size, runs), drawn @ sums.mT)
            for sums in (first, second)
        ]
        gaps[part] = (means[1] - means[0]) / (drawn @ valid)[:, None]
    low, high = np.percentile(gaps, PERCENTILES, axis=0)
    return low, high


def _run_weights(count: int, size: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """Return ``(size, count)`` weights of a method's runs in resamples; each row sums to 1."""
    if count == 1:
        return np.ones((size, 1))
    return generator.multinomial(count - 1, np.full(count, 1 / count), size) / (count - 1)


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
