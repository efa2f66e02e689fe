"""What the demo does, as values: two worlds of people, three trainings, five rows of scores."""

from __future__ import annotations

import dataclasses
import shlex
from dataclasses import dataclass
from pathlib import Path

from fprnet.config.sections import augmentation_overrides
from fprnet.data.sysu_mm01 import VISIBLE_CAMERAS
from fprnet_lab.jobs import Training
from fprnet_lab.reporting.page import Command
from fprnet_lab.synthetic.options import GeneratorOptions

__all__ = ["ROWS", "SEED", "Plan", "plan_demo"]

SEED = 0  # of the trainings, of the untrained network and of the chance row
WARM_WORLD_SEED = 1  # other people and other places than the data set's

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
        out: Where the report goes.
        quick: The small one, whose numbers mean nothing.
        world: The data set.
        warm_world: Visible images of other people, for the warm start.
        warm_start: Trains on the warm world.
        trainings: Label of a row of scores -> its training on the data set.
    """

    out: Path
    quick: bool
    world: GeneratorOptions
    warm_world: GeneratorOptions
    warm_start: Training
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
        """File of the features of a row of scores."""
        return self.work / "features" / f"{label.replace(' ', '-')}.npz"

    def gallery(self, checkpoint_sha256: str) -> Path:
        """Folder of the gallery of a model; another training gets another one."""
        return self.work / f"people-{checkpoint_sha256[:12]}.db"

    def commands(self) -> list[Command]:
        """Return what does the same by hand, one command after the other."""
        warm = dataclasses.replace(self.warm_world, validation_identities=1, test_identities=1)
        return [
            Command(
                "people for the warm start (the demo leaves out the infrared images and the two "
                "people that no training reads)",
                _line(*_generate(self.warm_start.data, warm)),
            ),
            Command("warm start", _line(*self.warm_start.arguments)),
            Command("data set", _line(*_generate(self.data, self.world))),
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
    """Return the demo of about six minutes on two cores, or the quick one.

    Args:
        out: Folder of the report.
        quick: A few people and a few steps.
    """
    work = _work(out, quick)
    data, runs = work / "data", work / "runs"
    steps: tuple[str, ...] = ()
    if quick:
        world = GeneratorOptions(
            identities=32, validation_identities=6, test_identities=12, images_per_camera=3
        )
        steps = ("--training.epochs", "2", "--training.steps_per_epoch", "6")
    else:
        world = GeneratorOptions()
    warm_world = GeneratorOptions(
        identities=world.identities,
        validation_identities=0,
        test_identities=0,
        images_per_camera=3 if quick else 8,
        seed=WARM_WORLD_SEED,
        cameras=VISIBLE_CAMERAS,
    )
    warm_start = Training(
        "warm-start", work / "warm-world", runs / "warm-start", "tiny", overrides=steps
    )
    warm = ("--model.weights", str(warm_start.best))
    return Plan(
        out=out,
        quick=quick,
        world=world,
        warm_world=warm_world,
        warm_start=warm_start,
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


def _generate(root: Path, options: GeneratorOptions) -> list[str]:
    numbers = {
        "--identities": options.identities,
        "--validation-identities": options.validation_identities,
        "--test-identities": options.test_identities,
        "--images-per-camera": options.images_per_camera,
        "--seed": options.seed,
    }
    return [
        "data",
        "generate",
        str(root),
        *(str(word) for pair in numbers.items() for word in pair),
    ]


def _line(*words: str) -> str:
    return shlex.join(["fprnet", *words])
