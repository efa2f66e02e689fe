"""What the demo does, as values: a data set, a warm start, two trainings, five rows of scores."""

from __future__ import annotations

import dataclasses
import shlex
from dataclasses import dataclass
from pathlib import Path

from fprnet.config.sections import augmentation_overrides
from fprnet_lab.jobs import Job, Training
from fprnet_lab.people.options import PeopleOptions
from fprnet_lab.reporting.page import Command
from fprnet_lab.warm_start import PRETRAINING_SET, WarmStart, generate_arguments

__all__ = ["ROWS", "SEED", "Plan", "plan_demo"]

SEED = 0  # of the trainings, of the untrained network and of the chance row

ROWS = {
    "chance": "random numbers instead of an embedding",
    "untrained": "the preset fprnet with random weights",
    "histogram of oriented gradients": "a descriptor that learns nothing, on whole images",
    "one-stream": "one network for both modalities, cross entropy; warm start, steps, images per "
    "step and augmentation as fprnet",
    "fprnet": "the default preset",
}


@dataclass(frozen=True)
class Plan:
    """The demo in one folder.

    Attributes:
        out: Folder of the report.
        quick: Whether it is the small one, whose numbers mean nothing.
        people: The rendered data set.
        warm_start: The weights that all trainings start from.
        trainings: Label of a row of scores -> its training on the data set.
    """

    out: Path
    quick: bool
    people: PeopleOptions
    warm_start: WarmStart
    trainings: dict[str, Training]

    @property
    def data(self) -> Path:
        """Folder of the data set."""
        return next(iter(self.trainings.values())).data

    @property
    def work(self) -> Path:
        """Folder of all that is kept between the stages."""
        return _work(self.out, self.quick)

    def features(self, label: str) -> Path:
        """Return the file of the features of a row of scores."""
        return self.work / "features" / f"{label.replace(' ', '-')}.npz"

    def gallery(self, model_sha256: str) -> Path:
        """Return the file of the gallery of a model; another model has another one."""
        return self.work / f"people-{model_sha256[:12]}.db"

    def jobs(self) -> list[Job]:
        """Return the trainings, which need the warm start."""
        needs = (self.warm_start.training.job(),)
        return [training.job(needs) for training in self.trainings.values()]

    def commands(self) -> list[Command]:
        """Return the commands that do the same by hand, one after the other."""
        return [
            *self.warm_start.commands(),
            Command("data set", _line(*generate_arguments(self.data, self.people))),
            *(
                Command(f"training of {label}", _line(*training.arguments))
                for label, training in self.trainings.items()
            ),
            *(
                Command(
                    f"scores of {label}",
                    _line("evaluate", str(training.out), "--data", str(self.data)),
                )
                for label, training in self.trainings.items()
            ),
            Command(
                "scores of any other row, from the features that the demo left",
                _line("evaluate", str(self.features("untrained")), "--data", str(self.data)),
            ),
            *self._gallery_commands(),
        ]

    def _gallery_commands(self) -> list[Command]:
        model, uri, data = (
            str(path)
            for path in (self.trainings["fprnet"].out, self.work / "by-hand.db", self.data)
        )
        return [
            Command("probabilities", _line("calibrate", model, "--data", data)),
            Command("gallery", _line("gallery", "create", "--uri", uri, "--model", model)),
            Command(
                "images for it (the demo adds those of the test people only)",
                _line("gallery", "add", "--uri", uri, "--data", data, "--modality", "visible"),
            ),
            Command(
                "search for anybody",
                f"{_line('search')} IMAGE {_line('--gallery', uri)[len('fprnet ') :]} --explain",
            ),
        ]


def plan_demo(out: Path, *, quick: bool) -> Plan:
    """Return the demo of about five minutes on two cores, or the quick one.

    Args:
        out: Folder of the report.
        quick: A few people and a few steps.
    """
    work = _work(out, quick)
    data, runs = work / "data", work / "runs"
    steps: tuple[str, ...] = ()
    if quick:
        people = PeopleOptions(
            identities=32, validation_identities=6, test_identities=12, images_per_camera=3
        )
        steps = ("--training.epochs", "2", "--training.steps_per_epoch", "6")
    else:
        people = PeopleOptions()
    pretraining_set = dataclasses.replace(
        PRETRAINING_SET,
        identities=people.identities,
        images_per_camera=people.images_per_camera if quick else PRETRAINING_SET.images_per_camera,
    )
    pretraining = Training(
        "warm-start", work / "pre-training-set", runs / "warm-start", "tiny", overrides=steps
    )
    warm = ("--model.weights", str(pretraining.best))
    return Plan(
        out=out,
        quick=quick,
        people=people,
        warm_start=WarmStart(pretraining_set, pretraining),
        trainings={
            preset: Training(
                preset,
                data,
                runs / preset,
                "tiny",
                overrides=(
                    *warm,
                    *augmentation_overrides(preset, wanted="fprnet", scale="tiny"),
                    *steps,
                ),
            )
            for preset in ("one-stream", "fprnet")
        },
    )


def _work(out: Path, quick: bool) -> Path:
    # The two sizes keep their files apart, so that one can follow the other in the same folder.
    return out / "quick" if quick else out


def _line(*words: str) -> str:
    return shlex.join(["fprnet", *words])
