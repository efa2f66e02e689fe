"""Table 8, comparison of methods: the rows FPRnet and FPRnet + SRCNN so far.

Both rows are trained with the default preset and the same seeds and scored on the original images;
they differ in the training images of camera 1 alone.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fprnet.data.data_set import DataSet, open_data_set
from fprnet.data.generator.options import GeneratorOptions
from fprnet.data.generator.writer import generate
from fprnet.data.sysu_mm01 import VISIBLE_CAMERAS
from fprnet.embeddings.embedder import load_model
from fprnet.embeddings.from_disk import extract_data_set
from fprnet.errors import UsageError
from fprnet.evaluation.data_set_protocol import make_protocol
from fprnet.evaluation.scores import score
from fprnet.files import sha256
from fprnet.reporting.page import Command, Table, TablePage
from fprnet.reproduction.experiment import Request, Result, keep_cell, mean_and_deviation
from fprnet.superres.apply import apply_superres
from fprnet.superres.config import load_config
from fprnet.superres.train import train_superres
from fprnet.superres.weights import load_network
from fprnet.training.side_by_side import Training, train_side_by_side

__all__ = ["ROWS", "Row", "run", "score_table", "sharpened_data", "warm_start"]

NAME = "table8"
CAMERA = 1
METRICS = ("rank-1", "rank-10", "rank-20", "mAP")
WARM_WORLD = GeneratorOptions(
    validation_identities=0,
    test_identities=0,
    images_per_camera=8,
    seed=1,  # other people and other places than the data set's
    cameras=VISIBLE_CAMERAS,
)


@dataclass(frozen=True)
class Row:
    """A method of Table 8.

    Attributes:
        label: As the paper writes it.
        slug: Of its files.
        published: rank-1, rank-10, rank-20, mAP on SYSU-MM01, percent.
        preset: Of ``fprnet train``.
        sharpened: Whether it is trained on images that went through SRCNN.
    """

    label: str
    slug: str
    published: tuple[float, float, float, float]
    preset: str
    sharpened: bool


ROWS = (
    Row("FPRnet", "fprnet", (29.28, 68.43, 81.01, 31.43), "fprnet", False),
    Row("FPRnet + SRCNN", "fprnet-srcnn", (30.02, 69.08, 81.19, 32.12), "fprnet", True),
)


def run(request: Request) -> Result:
    """Train and score every row for each seed.

    Raises:
        FprnetError: The data set or a training is not what it should be.
    """
    folder = request.out / NAME
    data_set = open_data_set(request.data, needed=("train", "test"))
    start = _starting_weights(request, folder)
    data = {False: request.data, True: sharpened_data(request.data, folder)}
    cells = []
    for seed in range(request.seeds):
        trainings = {row: _training(row, data[row.sharpened], seed, request, start) for row in ROWS}
        train_side_by_side(list(trainings.values()), description=f"training, seed {seed}")
        for row, training in trainings.items():
            numbers = _score(folder, training, data_set)
            cells.append({"method": row.label, "seed": seed, **numbers})
    full = request.scale == "full"
    page = TablePage(
        title="Table 8: FPRnet, and FPRnet + SRCNN" + ("" if full else ", in miniature"),
        summary=(
            f"The preset fprnet at scale {request.scale}, trained on {request.data}: as it is, and "
            f"with the training images of camera {CAMERA} rewritten by SRCNN. Both are scored on "
            f"the original images. Seeds: {request.seeds}."
        ),
        tables=[score_table(cells, with_published=full)],
        illustrations=[],
        limits=[
            "Published numbers are of SYSU-MM01. On any other data set the differences to them "
            "mean nothing; compare the rows with each other."
            if full
            else "A miniature of the experiment: its numbers are not comparable with the "
            "published ones, which is why those do not stand here.",
            "A difference between rows that is smaller than the spread over seeds shows nothing.",
            "Other rows of Table 8 are not made by this version.",
        ],
        commands=_commands(request, folder, start),
    )
    return Result(page, cells)


def sharpened_data(root: Path, folder: Path) -> Path:
    """Train SRCNN (preset fprnet) on camera 1 and write the data set that it makes, once.

    Args:
        root: Original data set.
        folder: Of the experiment.

    Returns:
        Folder of the data set.
    """
    weights, sharp = folder / "srcnn", folder / "sharp"
    overrides = ["--data", str(root), "--camera", str(CAMERA)]
    train_superres(load_config(overrides=overrides), weights)
    apply_superres(root, sharp, load_network(weights), cameras=[CAMERA])
    return sharp


def warm_start(folder: Path) -> Path:
    """Train the tiny warm start on drawn people of another world, once.

    Returns:
        Its checkpoint.
    """
    training = Training("warm-start", folder / "warm-world", folder / "warm-start", "tiny")
    if not training.finished:
        generate(training.data, WARM_WORLD)
        train_side_by_side([training], description="warm start")
    return training.best


def _starting_weights(request: Request, folder: Path) -> Path | None:
    if request.weights is not None:
        if not request.weights.is_file():
            raise UsageError(f"{request.weights} does not exist; give a checkpoint to --weights")
        return request.weights
    return warm_start(folder) if request.scale == "tiny" else None


def _training(row: Row, data: Path, seed: int, request: Request, start: Path | None) -> Training:
    weights = () if start is None else ("--model.weights", str(start))
    return Training(
        row.preset,
        data,
        request.out / NAME / "runs" / f"{row.slug}-seed{seed}",
        request.scale,
        overrides=("--seed", str(seed), *weights),
    )


def _score(folder: Path, training: Training, data_set: DataSet) -> dict[str, float]:
    """Score on the original images, whatever the training has seen."""
    about = {"weights": sha256(training.best), "data": str(data_set.root.resolve())}

    def make() -> dict[str, float]:
        features = extract_data_set(
            load_model(training.out), data_set.records(), identities=data_set.test
        )
        metrics = score(features, make_protocol(features, data_set)).rows["plain"].metrics
        return {name: 100 * metrics[name].mean for name in METRICS}

    return keep_cell(folder / "cells" / f"{training.out.name}.json", about, make)


def score_table(cells: Sequence[Mapping[str, Any]], *, with_published: bool) -> Table:
    """Return one row for each method, mean and deviation of its cells over the seeds.

    Args:
        cells: "method" and every metric in percent, one for each method and seed.
        with_published: Whether the paper's numbers and the differences stand there, too: only where
            both are of the full scale.
    """
    rows = []
    for row in ROWS:
        of_row = [cell for cell in cells if cell["method"] == row.label]
        values = {name: [cell[name] for cell in of_row] for name in METRICS}
        ours = [mean_and_deviation(values[name], 1) for name in METRICS]
        if not with_published:
            rows.append([row.label, *ours])
            continue
        means = [statistics.fmean(values[name]) for name in METRICS]
        difference = [f"{m - p:+.1f}" for m, p in zip(means, row.published, strict=True)]
        rows += [
            [row.label, "published", *(f"{value:.2f}" for value in row.published)],
            ["", "ours", *ours],
            ["", "difference", *difference],
        ]
    return Table(
        title="Scores",
        head=["method", *([""] if with_published else []), *METRICS],
        rows=rows,
        note="Percent, single-shot all-search; ours: mean over ten galleries, then mean ± standard "
        "deviation over seeds." + (" Published: SYSU-MM01." if with_published else ""),
    )


def _commands(request: Request, folder: Path, start: Path | None) -> list[Command]:
    root, sharp, weights = request.data, folder / "sharp", folder / "srcnn"
    weights_option = "" if start is None else f" --model.weights {start}"
    lines = [
        ("SRCNN", f"fprnet superres train --data {root} --camera {CAMERA} --out {weights}"),
        (
            "sharper training images",
            f"fprnet superres apply {root} --out {sharp} --cameras {CAMERA} --weights {weights}",
        ),
    ]
    for row in ROWS:
        run_folder = folder / "runs" / f"{row.slug}-seed0"
        data = sharp if row.sharpened else root
        lines += [
            (
                f"training of {row.label}, seed 0",
                f"fprnet train --preset {row.preset} --scale {request.scale} --data {data} "
                f"--out {run_folder} --seed 0{weights_option}",
            ),
            (f"scores of {row.label}", f"fprnet evaluate {run_folder} --data {root}"),
        ]
    return [Command(does, line) for does, line in lines]
