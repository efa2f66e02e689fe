"""Rendered sets that differ in one thing become scores in worlds that none of them was trained in.

Every row is trained alike: the same steps from the same warm start, which has seen visible images
with every ingredient. The last epoch is scored on the test people of each world.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from fprnet.api import evaluate, extract
from fprnet.config.sections import augmentation_overrides
from fprnet.embeddings.loading import load_model
from fprnet.files import write_text
from fprnet_lab.jobs import Training
from fprnet_lab.people.ingredients import INGREDIENTS
from fprnet_lab.people.options import PeopleOptions

__all__ = ["ROWS", "TESTS", "scores_of", "table", "training_of"]

PRESET, AUGMENTATION = "resnet50", "fprnet"  # whose augmentation all presets get
EPOCHS, STEPS = 3, 60
METRICS = ("rank-1", "mAP")
Scores = Mapping[str, Mapping[str, float]]  # of test worlds, of metrics; 0 to 1

BASE = PeopleOptions(
    identities=200,
    validation_identities=1,
    test_identities=1,
    images_per_camera=2,
    size=(96, 48),
    seed=51,
    worlds=tuple(range(51, 61)),
)

ROWS: dict[str, PeopleOptions] = {
    "base": BASE,
    **{f"without-{name}": replace(BASE, without=(name,)) for name in INGREDIENTS},
    "1-world": replace(BASE, worlds=BASE.worlds[:1]),
    **{f"{number}-people": replace(BASE, identities=number) for number in (100, 400, 800, 3200)},
    "100-people-x4": replace(BASE, identities=100, images_per_camera=4),
    "400-people-x1": replace(BASE, identities=400, images_per_camera=1),
}
"""Sets to train on, by name; those with x4 and x1 have as many images as the base."""

TESTS: dict[str, PeopleOptions] = {
    name: replace(
        BASE, identities=1, test_identities=64, images_per_camera=4, seed=seed, worlds=(seed,)
    )
    for name, seed in (("B", 81), ("C", 82))
}
"""Worlds to test in, with other people, cameras, places and seasons than any row."""


def training_of(
    data: Path, out: Path, *, warm_start: Path, seed: int, overrides: Sequence[str] = ()
) -> Training:
    """Return the training that all rows have, with what is overridden."""
    return Training(
        PRESET,
        data,
        out,
        "tiny",
        overrides=(
            *("--model.weights", str(warm_start)),
            *augmentation_overrides(PRESET, wanted=AUGMENTATION, scale="tiny"),
            *("--training.epochs", str(EPOCHS), "--training.steps_per_epoch", str(STEPS)),
            *("--training.validate_every", str(EPOCHS)),
            *overrides,
        ),
        seed=seed,
    )


def scores_of(training: Training, tests: Mapping[str, Path]) -> Scores:
    """Score the last epoch of a run on the test people of data sets; scores are kept beside it.

    Args:
        training: A finished run.
        tests: Data sets by name.

    Returns:
        By data set: ``rank-1`` and ``mAP`` of its official protocol, 0 to 1.
    """
    file = training.out / "transfer.json"
    kept = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    keys = {name: str(root.resolve()) for name, root in tests.items()}
    missing = [key for key in keys.values() if key not in kept]
    if missing:
        last = training.out / "checkpoints" / "last.pt"
        model = load_model(last, runtime="pytorch", precision="float32")
        for root in missing:
            metrics = evaluate(extract(model, root), data=root).rows["plain"].metrics
            kept[root] = {metric: metrics[metric].mean for metric in METRICS}
        write_text(file, json.dumps(kept, indent=1) + "\n")
    return {name: kept[key] for name, key in keys.items()}


def table(rows: Mapping[str, Sequence[Scores]]) -> str:
    """Return a Markdown table: percent, mean and standard deviation over the seeds of each row.

    Args:
        rows: By name, the scores of each seed; all of the same test worlds.
    """
    tests = list(next(iter(rows.values()))[0])
    columns = [(test, metric) for test in tests for metric in METRICS]
    head = [f"{test}: {metric}" for test, metric in columns]
    lines = ["| trained on | seeds | " + " | ".join(head) + " |", "|---" * (len(head) + 2) + "|"]
    for name, scores in rows.items():
        cells = [_cell([100 * one[test][metric] for one in scores]) for test, metric in columns]
        lines.append(f"| {name} | {len(scores)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(values: Sequence[float]) -> str:
    mean = f"{statistics.mean(values):.1f}"
    return f"{mean} ± {statistics.stdev(values):.1f}" if len(values) > 1 else mean
