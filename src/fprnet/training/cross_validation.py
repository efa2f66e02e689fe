"""A config for each split of a data set becomes a run each, and their scores one result."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fprnet.config import RunConfig
from fprnet.data.data_set import AUTO, DataSet, open_data_set, recognise
from fprnet.data.protocols.protocol import Direction
from fprnet.data.readers import reader_of
from fprnet.embeddings.from_disk import extract_data_set
from fprnet.embeddings.loading import load_model
from fprnet.errors import UsageError
from fprnet.evaluation.data_set_protocol import make_protocol
from fprnet.evaluation.scores import FORMAT, Scores, Trials, score
from fprnet.text_table import text_table
from fprnet.training.run import run_training

__all__ = ["CrossValidation", "cross_validate", "splits_of"]


@dataclass(frozen=True)
class CrossValidation:
    """Scores of every split, each by a model of its own.

    Attributes:
        scores: Number of the split -> scores on its test identities.
    """

    scores: Mapping[int, Scores]

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics, as all splits have them."""
        return tuple(next(iter(self.scores.values())).metrics.components)

    def mean(self, label: str, metric: str) -> Trials:
        """Return a metric of a row over the splits, each of which counts as one trial."""
        return Trials(tuple(s.rows[label].metrics[metric].mean for s in self.scores.values()))

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object: as that of ``fprnet evaluate``, ``per_trial`` is per split."""
        first = next(iter(self.scores.values()))
        return {
            "format": FORMAT,
            "protocol": first.protocol,
            **{name: value for name, value in first.settings.items() if name != "split"},
            "splits": list(self.scores),
            "trials": len(self.scores),
            "queries": self._size(lambda scores: scores.queries),
            "valid_queries": self._size(lambda scores: scores.valid_queries),
            "gallery_size": self._size(lambda scores: scores.gallery_size),
            "scores": {
                label: {metric: self.mean(label, metric).as_dict() for metric in self.metrics}
                for label in first.rows
            },
            "models": {str(number): dict(scores.model) for number, scores in self.scores.items()},
            "versions": {name: version(name) for name in ("fprnet", "numpy", "torch")},
        }

    def table(self) -> str:
        """Return the scores as text, in percent: a line per split, then mean and deviation."""
        first = next(iter(self.scores.values()))
        settings = (f"{n} {value}" for n, value in first.settings.items() if n != "split")
        lines = [
            f"{first.protocol}, {', '.join(settings)}, {len(self.scores)} splits, a model each: "
            f"{self._size(lambda scores: scores.valid_queries)} queries with a match, against "
            f"{self._size(lambda scores: scores.gallery_size)} gallery images",
        ]
        for label in first.rows:
            rows = [
                [f"split {number}"]
                + [f"{100 * scores.rows[label].metrics[name].mean:.2f}" for name in self.metrics]
                for number, scores in self.scores.items()
            ]
            means = (self.mean(label, metric) for metric in self.metrics)
            rows.append(["mean", *(f"{100 * m.mean:.2f} ± {100 * m.std:.2f}" for m in means)])
            lines.append(text_table([label, *self.metrics], rows))
        lines.append("percent; the last line: mean ± sample standard deviation over the splits")
        return "\n".join(lines)

    def _size(self, of: Callable[[Scores], int]) -> int | list[int]:
        """Return a number of images: one where all splits have the same, else one per split."""
        sizes = [of(scores) for scores in self.scores.values()]
        return sizes[0] if len(set(sizes)) == 1 else sizes


def splits_of(root: Path, layout: str = AUTO) -> tuple[int, ...]:
    """Return the numbers of a data set's splits.

    Args:
        root: The data set's folder.
        layout: A reader's name or import path; "auto" recognises it.

    Raises:
        UsageError: The layout has one split only.
    """
    layout = recognise(root) if layout == AUTO else layout
    splits = reader_of(layout).splits
    if not splits:
        raise UsageError(
            f"{root} is {layout}, which has one split; use 'fprnet train' and 'fprnet evaluate'"
        )
    return splits


def cross_validate(
    configs: Mapping[int, RunConfig],
    out: Path,
    *,
    direction: Direction = "infrared-to-visible",
    flip: bool = False,
) -> CrossValidation | None:
    """Train a run for each split in ``out/split-N``, finished ones not again, and score each.

    Args:
        configs: Number of the split -> config with that ``data.split``; roots are all the same.
        out: Folder of the runs.
        direction: Which modality queries which.
        flip: Add a row averaged with the mirror image.

    Returns:
        The scores; None in the processes of ``torchrun`` that do not talk.

    Raises:
        UsageError: A config is one of another split.
        FprnetError: See `run_training`.
    """
    for number, config in configs.items():
        if config.data.split != number:
            raise UsageError(
                f"data.split is {config.data.split} in the config of split {number}; leave it out"
            )
    results: dict[int, Scores] = {}
    for number, config in configs.items():
        run = out / f"split-{number}"
        print(f"split {number} of {len(configs)}: {run}", file=sys.stderr)
        if run_training(config, run).is_main_process:
            results[number] = _score(config, run, direction, flip)
    return CrossValidation(results) if results else None


def _score(config: RunConfig, run: Path, direction: Direction, flip: bool) -> Scores:
    """Score a finished run on the test identities of its split."""
    data_set = open_data_set(
        Path(config.data.root),
        layout=config.data.layout,
        split=config.data.split,
        needed=("test",),
    )
    plain, *flipped = (
        _score_once(config, run, data_set, direction, flip=mirrored)
        for mirrored in ((False, True) if flip else (False,))
    )
    return plain.with_row("flip", flipped[0].rows["plain"]) if flipped else plain


def _score_once(
    config: RunConfig, run: Path, data_set: DataSet, direction: Direction, *, flip: bool
) -> Scores:
    features = extract_data_set(
        load_model(run, precision="float32"),
        data_set.records(),
        identities=data_set.test,
        flip=flip,
        cache=Path(config.data.cache) if config.data.cache else None,
    )
    return score(features, make_protocol(features, data_set, {"direction": direction}))
