"""A request becomes a folder of runs that all tables and figures share.

A run's name holds a hash of all that it depends on: its whole config but the seed, the images, the
weights that it starts from. So a row that several tables have is trained once, and other data,
sizes or weights in the same folder share nothing with it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fprnet.config import RunConfig, load_config
from fprnet.data.data_set import DataSet, open_data_set
from fprnet.data.records import Records
from fprnet.errors import ConfigError, UsageError
from fprnet.files import locked, sha256
from fprnet.training.run_folder import RUN
from fprnet_lab.jobs import Failure, Job, Training, run_jobs
from fprnet_lab.reproduction.request import Request
from fprnet_lab.reproduction.runs import (
    SRCNN_PRESETS,
    ScoredRun,
    SuperResolution,
    SuperResolvedDataset,
    SuperresRun,
    Variant,
)
from fprnet_lab.superres.config import load_config as load_superres_config
from fprnet_lab.warm_start import PRETRAINING_SET, WarmStart

__all__ = ["RunCache", "keys_of"]

# Overrides of the user that the warm start takes: what makes it smaller, and its trunk.
WARM_START_KEYS = frozenset(
    {"data.height", "data.width", "data.cache", "batches.identities"}
    | {"model.backbone", "model.backbone.width", "model.backbone.last_stride"}
    | {"training.epochs", "training.steps_per_epoch", "training.precision"}
    | {"training.channels_last", "training.accelerator", "training.threads"}
)
SUPERRES = "--superres."
RESERVED = {  # what the command has options of its own for
    "seed": "--seeds",
    "model.weights": "--weights",
    "data.root": "--data",
    "data.split": "--split",
}


class RunCache:
    """The runs of a folder. Making this object reads lists, never images, and writes nothing.

    Args:
        request: What is asked for.

    Raises:
        FprnetError: The data set, the weights or an override are not what they should be.
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        self.data_set: DataSet = open_data_set(request.data, split=request.split)
        self._models, self._superres = _split_overrides(request.overrides)
        if self._superres:  # faults of these are the user's, whatever is trained
            for preset in SRCNN_PRESETS:
                load_superres_config(preset, overrides=self._superres)
        self._images = _hash_of_images(self.data_set.records())
        self._runs: dict[tuple[Variant, int], ScoredRun] = {}
        self._super_resolved: dict[SuperResolution, SuperResolvedDataset] = {}
        self.left_out: dict[str, str] = {}  # label of a row -> why it cannot be trained
        self.warm_start: WarmStart | None = None
        self._weights: tuple[str, str] | None = None  # path, hash of its content or of its making
        if request.weights is not None:
            if not request.weights.is_file():
                raise UsageError(
                    f"{request.weights} does not exist; give a checkpoint to --weights"
                )
            self._weights = (str(request.weights.resolve()), sha256(request.weights))
        elif request.scale == "tiny":
            self.warm_start = self._plan_warm_start()

    @property
    def runs(self) -> Path:
        """Folder of the run folders."""
        return self.request.out / "runs"

    def scored_run(self, variant: Variant, seed: int) -> ScoredRun:
        """Return the run of a variant, to be trained and scored.

        Raises:
            ConfigError: The overrides do not fit the preset.
            UsageError: One of the user's overrides is what the variant itself changes.
        """
        if (variant, seed) not in self._runs:
            training = self.training(variant, seed)
            self._runs[variant, seed] = ScoredRun(
                training=training,
                data=self.request.data,
                scores=self.request.out / "cells" / f"{training.out.name}.json",
                needs=self.needs_of(variant),
            )
        return self._runs[variant, seed]

    def fault_of(self, variant: Variant) -> str | None:
        """Return why a variant cannot be trained with the user's overrides; None: it can."""
        try:
            self.scored_run(variant, 0)
        except ConfigError as error:
            return str(error)
        return None

    def training(self, variant: Variant, seed: int) -> Training:
        """Return the training of a variant; raises what `scored_run` does."""
        for key in keys_of(self._models) & keys_of(variant.overrides):
            raise UsageError(f"--{key} is what the rows of this experiment differ in; leave it out")
        split = self.request.split
        overrides = [*self._models, *variant.overrides]
        overrides += [] if split is None else ["--data.split", str(split)]
        config = self._config(variant.preset, overrides)
        inputs = {"images": self._images, "weights": config.model.options["weights"]}
        if self._weights is not None:
            overrides += ["--model.weights", self._weights[0]]
            inputs["weights"] = self._weights[1]
        data = self.request.data
        if variant.superres is not None:
            data = self.super_resolved(variant.superres).out
            inputs["images"] = data.name
        name = f"{variant.preset}-{_hash(_computed(config) | inputs)}-seed{seed}"
        return Training(
            variant.preset,
            data,
            self.runs / name,
            self.request.scale,
            overrides=tuple(overrides),
            seed=seed,
        )

    def superres_run(self, preset: str, seed: int) -> SuperresRun:
        """Return the training of SRCNN.

        Raises:
            ConfigError: The overrides do not fit it.
        """
        split = self.request.split
        overrides = self._superres + (() if split is None else ("--split", str(split)))
        config = load_superres_config(preset, overrides=overrides)
        values = {k: v for k, v in vars(config).items() if k not in ("seed", "data", "threads")}
        name = f"srcnn-{preset}-{_hash(values | {'images': self._images})}-seed{seed}"
        return SuperresRun(preset, seed, self.request.data, self.runs / name, overrides)

    def super_resolved(self, options: SuperResolution) -> SuperResolvedDataset:
        """Return the data set whose training images of one camera SRCNN rewrites."""
        if options not in self._super_resolved:
            network = self.superres_run(options.preset, 0)
            size = "" if options.input_size is None else f"-{options.input_size}"
            name = f"super-resolved-{network.out.name.removeprefix('srcnn-')}{size}"
            self._super_resolved[options] = SuperResolvedDataset(
                network, self.request.out / name, options.input_size, self.request.split
            )
        return self._super_resolved[options]

    def needs_of(self, variant: Variant) -> tuple[Job, ...]:
        """Return what has to be finished before a variant can be trained."""
        needs = [] if self.warm_start is None else [self.warm_start.training.job()]
        if variant.superres is not None:
            needs.append(self.super_resolved(variant.superres).job)
        return tuple(needs)

    @contextmanager
    def opened(self) -> Iterator[list[int]]:
        """Hold the folder, and yield the file descriptors that processes keep open to hold it.

        Raises:
            UsageError: It cannot be a folder.
        """
        out = self.request.out
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"--out {out} cannot be a folder ({error.strerror}); give another one"
            ) from error
        # The processes inherit the lock: if this one is killed, the next one waits for them.
        waiting = f"another process uses {out}; waiting for it"
        with locked(out / ".lock", waiting=waiting) as lock:
            yield [lock.fileno()]

    def run(self, jobs: Sequence[Job], description: str, keep_open: list[int]) -> list[Failure]:
        """Do what is left of some jobs; a training that fails does not stop the others.

        Args:
            jobs: Jobs of this cache.
            description: Text before the progress bar.
            keep_open: The file descriptors of `opened`.

        Raises:
            FprnetError: The pre-training set of the warm start cannot be written.
        """
        warm = self.warm_start
        if warm is not None and warm.training.next_command() is not None:
            name = warm.training.name
            if any(need.name == name for job in jobs if not job.finished for need in job.needs):
                warm.generate(self.request.workers)
        return run_jobs(
            jobs,
            description=description,
            workers=self.request.workers,
            keep_open=keep_open,
            keep_going=True,
        )

    def _plan_warm_start(self) -> WarmStart:
        # Nothing of the data set is used: the pre-training set has other people.
        overrides = _only(self._models, WARM_START_KEYS)
        name = f"warm-start-{_hash(_computed(self._config('warm-start', overrides)))}"
        data, out = self.request.out / "pre-training-set", self.runs / name
        training = Training("warm-start", data, out, "tiny", overrides=overrides)
        self._weights = (str(training.best.resolve()), name)
        return WarmStart(PRETRAINING_SET, training)

    def _config(self, preset: str, overrides: Sequence[str]) -> RunConfig:
        try:
            return load_config(preset, scale=self.request.scale, overrides=overrides)
        except ConfigError as error:
            raise ConfigError(f"preset {preset}: {error}") from error


def keys_of(overrides: Sequence[str]) -> set[str]:
    """Return the keys of ``["--training.epochs", "40", "--loss.game=sum"]``."""
    return {word.removeprefix("--").partition("=")[0] for word in overrides if word[:2] == "--"}


def _only(overrides: Sequence[str], keys: frozenset[str]) -> tuple[str, ...]:
    """Return the overrides of some keys, each as one word."""
    kept, words = [], list(overrides)
    while words:
        key, equals, value = words.pop(0).partition("=")
        value = value if equals else (words.pop(0) if words else "")
        if key.removeprefix("--") in keys:
            kept.append(f"{key}={value}")
    return tuple(kept)


def _split_overrides(words: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the overrides of re-identification models, and those of SRCNN.

    Raises:
        UsageError: One is no override, or something that has an option of its own.
    """
    models: list[str] = []
    superres: list[str] = []
    target = models
    for word in words:
        if word.startswith("--"):
            key = word.removeprefix("--").partition("=")[0]
            if key in RESERVED:
                raise UsageError(f"--{key} is given as {RESERVED[key]} here")
            if "." not in key:
                raise UsageError(f"unknown option --{key}; see its --help")
            target = superres if word.startswith(SUPERRES) else models
            word = "--" + word.removeprefix(SUPERRES) if target is superres else word
        target.append(word)
    return tuple(models), tuple(superres)


def _computed(config: RunConfig) -> dict[str, Any]:
    """Return the values of a config that decide what a run computes, its seed aside."""
    free = RUN.free | {"preset", "seed", "model.weights"}
    return {key: value for key, value in RUN.keys(config).items() if key not in free}


def _hash_of_images(records: Records) -> str:
    """Return a hash of all images' names and sizes in bytes: where the folder lies is no matter."""
    digest = hashlib.sha256()
    for path, file in zip(records.path, records.files(), strict=True):
        size = file.stat().st_size if file.is_file() else -1
        digest.update(f"{path} {size}\n".encode())
    return digest.hexdigest()


def _hash(values: Mapping[str, Any]) -> str:
    text = json.dumps(values, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:10]
