"""What a row of a table trains: a scored run, a run of SRCNN, a super-resolved data set."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from fprnet.errors import UsageError
from fprnet_lab.jobs import Job, Training, log_beside, read_history
from fprnet_lab.superres.config import load_config

__all__ = [
    "CAMERA",
    "SRCNN_PRESETS",
    "Ranking",
    "Scored",
    "ScoredRun",
    "SuperResolution",
    "SuperResolvedDataset",
    "SuperresRun",
    "Variant",
]

CAMERA = 1  # whose training images SRCNN learns from and rewrites; the paper: any one will do
SRCNN_PRESETS = {  # of Table 7, and of the rows + SRCNN of Table 8
    "paper": "the paper's options, literally",
    "fprnet": "the same network, taught what bicubic enlargement lacks, by Adam",
}

Ranking = Literal["plain", "rerank"]


@dataclass(frozen=True)
class SuperResolution:
    """How the training images of one camera are enlarged before a model is trained.

    Attributes:
        preset: Preset of ``fprnet superres train``.
        input_size: "HxW" that an image is resized to before, as ``fprnet superres apply`` takes it;
            None keeps its own size.
    """

    preset: str
    input_size: str | None = None


@dataclass(frozen=True)
class Variant:
    """What is trained, but for the seed: a preset, and what is changed in it.

    Attributes:
        preset: Preset of ``fprnet train``.
        overrides: ``("--loss.game", "sum", ...)``.
        superres: What the training images of one camera go through before; None: nothing.
    """

    preset: str
    overrides: tuple[str, ...] = ()
    superres: SuperResolution | None = None


@dataclass(frozen=True)
class Scored:
    """Scores of a trained model; percent.

    Attributes:
        metrics: "rank-1", ..., "mAP", "mINP": mean over the trials.
        curve: CMC at ranks 1, 2, ...: mean over the trials.
    """

    metrics: Mapping[str, float]
    curve: Sequence[float]


@dataclass(frozen=True)
class ScoredRun:
    """A training and then its scores, plain and re-ranked from the same features.

    Attributes:
        training: The run.
        data: Data set that it is scored on, whatever it was trained on.
        scores: File of ``fprnet evaluate --out``.
        needs: What its training starts from: the warm start, the super-resolved data set.
    """

    training: Training
    data: Path
    scores: Path
    needs: tuple[Job, ...] = ()

    @property
    def log(self) -> Path:
        """Output of its processes."""
        return self.training.log

    @cached_property
    def job(self) -> Job:
        """The training, then the evaluation, which counts as one epoch."""
        training = self.training
        return Job(
            training.name,
            training.log,
            self._next_command,
            training.epochs + 1,
            lambda: training.epochs_done() + self.scores.is_file(),
            self.needs,
        )

    def _next_command(self) -> list[str] | None:
        if self.scores.is_file():
            return None
        return self.training.next_command() or self.evaluation

    @property
    def evaluation(self) -> list[str]:
        """The words after ``fprnet`` that score the finished run."""
        options = ["--data", str(self.data), "--rerank", "--out", str(self.scores)]
        return ["evaluate", str(self.training.out), *options]

    def read(self, ranking: Ranking) -> Scored | None:
        """Return the scores of one way of ranking; None where the run has failed.

        Raises:
            UsageError: The file is damaged.
        """
        if not self.scores.is_file():
            return None
        try:
            result = json.loads(self.scores.read_text(encoding="utf-8"))
            row = result["scores"][ranking]
            return Scored(
                {n: 100 * value["mean"] for n, value in row.items() if n != "image-level"},
                [100 * share for share in result["curves"][ranking]["mean"]],
            )
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{self.scores} is damaged; remove it and start again") from error


@dataclass(frozen=True)
class SuperresRun:
    """A training of SRCNN: the options of ``fprnet superres train``.

    Attributes:
        preset: Preset of ``fprnet superres train``.
        seed: Seed of its random numbers.
        data: Data set.
        out: Run folder.
        overrides: ``("--steps", "400", ...)``.
    """

    preset: str
    seed: int
    data: Path
    out: Path
    overrides: tuple[str, ...] = ()

    @property
    def arguments(self) -> list[str]:
        """The words after ``fprnet``."""
        return [
            *("superres", "train", "--preset", self.preset, "--data", str(self.data)),
            *("--camera", str(CAMERA), "--out", str(self.out), "--seed", str(self.seed)),
            *self.overrides,
        ]

    @property
    def best(self) -> Path:
        """The checkpoint that the run is for."""
        return self.out / "checkpoints" / "best.pt"

    @property
    def finished(self) -> bool:
        """Whether all steps are done."""
        history = read_history(self.out)
        return bool(history) and history[-1]["step"] >= self._steps and self.best.is_file()

    @cached_property
    def job(self) -> Job:
        """The training, which counts as one epoch."""
        return Job(
            f"the training of {self.out}",
            log_beside(self.out),
            lambda: None if self.finished else self.arguments,
            1,
            lambda: int(self.finished),
        )

    @cached_property
    def _steps(self) -> int:
        return load_config(self.preset, overrides=self.overrides).steps


@dataclass(frozen=True)
class SuperResolvedDataset:
    """A data set whose training images of one camera SRCNN has rewritten.

    Attributes:
        network: Training of SRCNN.
        out: Folder of the rewritten data set.
        input_size: See `SuperResolution`.
        split: Number of RegDB's split; None for other layouts.
    """

    network: SuperresRun
    out: Path
    input_size: str | None = None
    split: int | None = None

    @property
    def arguments(self) -> list[str]:
        """The words after ``fprnet`` that rewrite the images."""
        size = [] if self.input_size is None else ["--input-size", self.input_size]
        split = [] if self.split is None else ["--split", str(self.split)]
        return [
            *("superres", "apply", str(self.network.data), "--out", str(self.out)),
            *("--cameras", str(CAMERA), "--weights", str(self.network.out), "--workers", "1"),
            *size,
            *split,
        ]

    @property
    def finished(self) -> bool:
        """Whether every image is there."""
        marker = self.out / "superres.json"
        if not marker.is_file():
            return False
        return bool(json.loads(marker.read_text(encoding="utf-8"))["complete"])

    @cached_property
    def job(self) -> Job:
        """The super-resolution, which counts as one epoch and needs the network."""
        return Job(
            f"the super-resolution of {self.out}",
            log_beside(self.out),
            lambda: None if self.finished else self.arguments,
            1,
            lambda: int(self.finished),
            (self.network.job,),
        )
