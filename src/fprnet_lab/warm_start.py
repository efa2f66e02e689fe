"""Visible images of other people become the weights that trainings at the tiny scale start from."""

from __future__ import annotations

import dataclasses
import shlex
from dataclasses import dataclass
from pathlib import Path

from fprnet.data.sysu_mm01 import VISIBLE_CAMERAS
from fprnet_lab.jobs import Training
from fprnet_lab.people.options import PeopleOptions
from fprnet_lab.people.writer import generate
from fprnet_lab.reporting.page import Command

__all__ = ["PRETRAINING_SET", "WarmStart", "generate_arguments"]

PRETRAINING_SET = PeopleOptions(
    validation_identities=0,
    test_identities=0,
    images_per_camera=8,
    seed=1,  # other people than those of a data set of seed 0,
    worlds=(1,),  # and other places
    cameras=VISIBLE_CAMERAS,
)


@dataclass(frozen=True)
class WarmStart:
    """A training on a rendered pre-training set.

    Attributes:
        options: The pre-training set.
        training: The run, whose data is that set.
    """

    options: PeopleOptions
    training: Training

    def generate(self, workers: int) -> None:
        """Write what is missing of the pre-training set.

        Args:
            workers: Number of processes that render.

        Raises:
            FprnetError: It cannot be written.
        """
        generate(self.training.data, self.options, workers=workers)

    def commands(self) -> list[Command]:
        """Return the commands that do the same by hand."""
        by_hand = dataclasses.replace(self.options, validation_identities=1, test_identities=1)
        return [
            Command(
                "pre-training set (made here without the infrared images and the two people that "
                "no training reads)",
                shlex.join(["fprnet", *generate_arguments(self.training.data, by_hand)]),
            ),
            Command("warm start", shlex.join(["fprnet", *self.training.arguments])),
        ]


def generate_arguments(root: Path, options: PeopleOptions) -> list[str]:
    """Return the words after ``fprnet`` that generate a data set of some size."""
    numbers = {
        "--identities": options.identities,
        "--validation-identities": options.validation_identities,
        "--test-identities": options.test_identities,
        "--images-per-camera": options.images_per_camera,
        "--seed": options.seed,
        "--world": ",".join(map(str, options.worlds)),
    }
    words = [str(word) for pair in numbers.items() for word in pair]
    return ["data", "generate", str(root), *words]
