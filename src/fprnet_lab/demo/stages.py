"""The stages of the demo: each looks at what is there and does only what is missing.

So a demo that was killed resumes where it was, and a finished one is repeated in seconds.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fprnet.data.data_set import open_data_set
from fprnet.data.images import map_with_bar, read_image
from fprnet.data.records import Records
from fprnet.embeddings.descriptors import gradient_histogram
from fprnet.embeddings.embedder import Embedder
from fprnet.embeddings.from_disk import extract_data_set
from fprnet.embeddings.loading import load_model
from fprnet.embeddings.store import Features, read_features, write_features
from fprnet.errors import DataError, UsageError
from fprnet.evaluation.data_set_protocol import make_protocol
from fprnet.evaluation.scores import score
from fprnet.files import locked, write_text
from fprnet_lab.demo.plan import ROWS, SEED, Plan, plan_demo
from fprnet_lab.demo.report import Result, write_report, write_scores
from fprnet_lab.demo.search import calibrate_demo, fill_and_search
from fprnet_lab.jobs import run_jobs
from fprnet_lab.people.writer import generate

__all__ = ["run_demo"]

CHANCE_DIMENSIONS = 64


def run_demo(out: Path, *, quick: bool = False) -> Result:
    """Do what is left of the demo, and write ``scores.json`` and ``report.html``.

    Args:
        out: Folder of everything; made if it does not exist.
        quick: A few people and a few steps: under a minute, numbers without meaning.

    Raises:
        FprnetError: A stage failed.
    """
    plan = plan_demo(out, quick=quick)
    torch.set_num_threads(1)  # where cores are busy, two are several times slower than one
    workers = os.cpu_count() or 1
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"--out {out} cannot be a folder ({error.strerror}); give another one"
        ) from error
    try:
        # The trainings inherit the lock: if this process is killed, the next one waits for them.
        waiting = f"another demo uses {out}; waiting for it"
        with locked(out / ".lock", waiting=waiting) as lock:
            stages = _Stages(plan.work / "seconds.json")
            held = [lock.fileno()]
            with stages.stage("generating the pre-training set of the warm start"):
                plan.warm_start.generate(workers)
            with stages.stage("generating the data set"):
                generate(plan.data, plan.people, workers=workers)
            with stages.stage("warm start, then training of one-stream and fprnet side by side"):
                run_jobs(
                    plan.jobs(),
                    description="training",
                    workers=len(plan.trainings),
                    keep_open=held,
                )
            data_set = open_data_set(plan.data, needed=("test",))
            with stages.stage("embedding the test images"):
                images = data_set.records()
                test = data_set.test
                features = {label: _features_of(label, plan, images, test) for label in ROWS}
            with stages.stage("scoring"):
                scores = {
                    label: score(of_label, make_protocol(of_label, data_set))
                    for label, of_label in features.items()
                }
            ours = load_model(plan.trainings["fprnet"].out)
            with stages.stage("calibrating on the validation people"):
                ours, calibration, measured = calibrate_demo(
                    plan, ours, open_data_set(plan.data, needed=("train", "validation"))
                )
            with stages.stage("gallery and one search"):
                found = fill_and_search(
                    plan, ours, data_set, features["fprnet"], calibration, measured
                )
            result = Result(plan, scores, features["fprnet"], data_set, stages.seconds, found)
            write_scores(result)
            write_report(result)
            return result
    except OSError as error:
        raise DataError(
            f"the demo stopped at {error.filename or out} ({error.strerror or error}); fix this "
            "and run the same command again; it resumes"
        ) from error


class _Stages:
    """Says what is being done, and remembers how long each stage took, over several starts."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.seconds: dict[str, float] = {}
        if file.is_file():
            self.seconds = json.loads(file.read_text(encoding="utf-8"))

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage; where there was nothing left to do, the longer time of before stays."""
        print(f"{name} ...", file=sys.stderr)
        started = time.monotonic()
        yield
        spent = time.monotonic() - started
        self.seconds[name] = max(spent, self.seconds.get(name, 0.0))
        write_text(self._file, json.dumps(self.seconds, indent=1) + "\n")


def _features_of(label: str, plan: Plan, images: Records, people: tuple[int, ...]) -> Features:
    """Return the features of the test images for a row of scores; they are made once."""
    if label in DESCRIBED:
        about: dict[str, Any] = {"preset": label, "seed": SEED}

        def make() -> Features:
            test = images.of(people)
            return _as_features(test, DESCRIBED[label](test), about)

    else:
        trained = plan.trainings.get(label)
        embedder = _untrained() if trained is None else load_model(trained.out)
        about = embedder.about

        def make() -> Features:
            return extract_data_set(embedder, images, identities=people)

    file = plan.features(label)
    if file.is_file():
        kept = read_features(file)
        if kept.meta.get("model") == about:
            return kept
    features = make()
    write_features(file, features)
    return features


def _untrained() -> Embedder:
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        embedder = load_model("fprnet", scale="tiny")
    embedder.about["seed"] = SEED
    return embedder


def _random_numbers(test: Records) -> NDArray[np.float32]:
    generator = np.random.default_rng(SEED)
    return generator.standard_normal((len(test), CHANCE_DIMENSIONS), dtype=np.float32)


def _gradient_histograms(test: Records) -> NDArray[np.float32]:
    workers = os.cpu_count() or 1
    pictures = map_with_bar(read_image, test.files(), workers, "reading test images")
    return gradient_histogram(np.stack(list(pictures)))


DESCRIBED: dict[str, Callable[[Records], NDArray[np.float32]]] = {
    "chance": _random_numbers,
    "histogram of oriented gradients": _gradient_histograms,
}


def _as_features(images: Records, vectors: NDArray[np.float32], about: dict[str, Any]) -> Features:
    return Features(
        features=vectors,
        identity=images.identity,
        camera=images.camera,
        modality=images.modality,
        path=images.path,
        index=images.index,
        meta={"model": about},
    )
