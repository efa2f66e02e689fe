"""Trainings as work that processes do: a scored run, a run of SRCNN, a sharpened data set."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from fprnet.errors import UsageError
from fprnet_lab.jobs import Training, Work, read_history
from fprnet_lab.superres.config import load_config

__all__ = ["CAMERA", "Ranking", "Scored", "ScoredRun", "Sharpening", "SuperresRun", "Variant"]

CAMERA = 1  # whose training images SRCNN learns from and sharpens; the paper: any one will do

Ranking = Literal["plain", "rerank"]


@dataclass(frozen=True)
class Variant:
    """What is trained, but for the seed: a preset, and what is changed in it.

    Attributes:
        preset: Of ``fprnet train``.
        overrides: ``("--loss.game", "sum", ...)``.
        sharpened: Whether the training images of one camera go through SRCNN before.
    """

    preset: str
    overrides: tuple[str, ...] = ()
    sharpened: bool = False


@dataclass(frozen=True)
class Scored:
    """What a trained model is worth; percent.

    Attributes:
        metrics: "rank-1", ..., "mAP", "mINP": mean over the trials.
        curve: The CMC at ranks 1, 2, ..., likewise.
    """

    metrics: Mapping[str, float]
    curve: Sequence[float]


@dataclass(frozen=True)
class ScoredRun:
    """A training and then its scores, plain and re-ranked from the same features.

    Attributes:
        training: The run.
        data: Scored on these images, whatever the training has seen.
        scores: File of ``fprnet evaluate --out``.
        needs: What its training starts from: the warm start, the sharpened data set.
    """

    training: Training
    data: Path
    scores: Path
    needs: tuple[Work, ...] = ()

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.training.name

    @property
    def log(self) -> Path:
        """Where its processes write."""
        return self.training.log

    @property
    def size(self) -> int:
        """Epochs; the scores count as one."""
        return self.training.epochs + 1

    @property
    def done(self) -> int:
        """Epochs on the disk, and 1 for the scores."""
        return self.training.epochs_done + self.scores.is_file()

    def next_command(self) -> list[str] | None:
        """Return the training, then the evaluation; None where there are scores."""
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
    """A training of SRCNN: what ``fprnet superres train`` is told.

    Attributes:
        preset: Of ``fprnet superres train``.
        seed: Of its random numbers.
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
    def name(self) -> str:
        """What messages call it."""
        return f"the training of {self.out}"

    @property
    def log(self) -> Path:
        """Where its process writes."""
        return self.out.with_name(f"{self.out.name}.log")

    @property
    def best(self) -> Path:
        """The checkpoint that the run is for."""
        return self.out / "checkpoints" / "best.pt"

    @cached_property
    def steps(self) -> int:
        """Steps of the whole run."""
        return load_config(self.preset, overrides=self.overrides).steps

    @property
    def size(self) -> int:
        """As much as one epoch."""
        return 1

    @property
    def done(self) -> int:
        """1 where it is finished."""
        history: list[dict[str, Any]] = read_history(self.out)
        finished = bool(history) and history[-1]["step"] >= self.steps and self.best.is_file()
        return int(finished)

    @property
    def needs(self) -> Sequence[Work]:
        """Nothing."""
        return ()

    def next_command(self) -> list[str] | None:
        """Return the command that begins or continues it; None where it is finished."""
        return None if self.done else self.arguments


@dataclass(frozen=True)
class Sharpening:
    """SRCNN rewrites the training images of its camera.

    Attributes:
        network: Its training.
        out: Folder of the rewritten data set.
        split: Of RegDB.
    """

    network: SuperresRun
    out: Path
    split: int | None

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"the super-resolution of {self.network.data}"

    @property
    def log(self) -> Path:
        """Where its processes write."""
        return self.out.with_name(f"{self.out.name}.log")

    @property
    def size(self) -> int:
        """As much as one epoch."""
        return 1

    @property
    def done(self) -> int:
        """1 where it is finished."""
        marker = self.out / "superres.json"
        if not marker.is_file():
            return 0
        return int(json.loads(marker.read_text(encoding="utf-8"))["complete"])

    @property
    def needs(self) -> Sequence[Work]:
        """The network."""
        return (self.network,)

    def next_command(self) -> list[str] | None:
        """Return the command that begins or continues it; None where it is finished."""
        return None if self.done else self.arguments

    @property
    def arguments(self) -> list[str]:
        """The words after ``fprnet`` that rewrite the images."""
        split = [] if self.split is None else ["--split", str(self.split)]
        return [
            *("superres", "apply", str(self.network.data), "--out", str(self.out)),
            *("--cameras", str(CAMERA), "--weights", str(self.network.out), "--workers", "1"),
            *split,
        ]
