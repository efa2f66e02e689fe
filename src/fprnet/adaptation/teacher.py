"""A network becomes a student that learns and a teacher that is its running average.

Source: Tarvainen and Valpola, "Mean teachers are better role models", NeurIPS 2017.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from fprnet.methods.callbacks import Callback

__all__ = ["Averaging", "StudentAndTeacher"]


class StudentAndTeacher(nn.Module):
    """Both networks; in training the student embeds.

    Args:
        network: A `fprnet.methods.network.Network`; both begin as copies of it.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.student = copy.deepcopy(network).requires_grad_(True)
        self.teacher = copy.deepcopy(network).requires_grad_(False)

    def forward(self, visible: Tensor, infrared: Tensor) -> tuple[Tensor, Tensor]:
        """Return the student's embeddings ``(V, D)`` and ``(I, D)`` of both modalities."""
        embed = self.student.embed
        return embed(visible, "visible"), embed(infrared, "infrared")  # type: ignore[operator]


class Averaging(Callback):
    """Lets the teacher follow the student, and leaves the statistics of BatchNorm as they were.

    The running statistics stay those of the start model: a batch of one site's few people is a
    poor measure of them, and student and teacher see images in the same way.

    Args:
        networks: Student and teacher.
        momentum: Share of the teacher that a step leaves; 0 makes it the student.
    """

    def __init__(self, networks: StudentAndTeacher, momentum: float) -> None:
        self.networks, self.momentum = networks, momentum

    def set_modes(self, epoch: int) -> None:
        """Put the teacher, and every BatchNorm, into evaluation mode."""
        del epoch
        self.networks.teacher.eval()
        for part in self.networks.student.modules():
            if isinstance(part, _BatchNorm):
                part.eval()

    def after_backward(self, epoch: int) -> None:
        """Average the weights that the step before has left."""
        del epoch
        follow(self.networks, self.momentum)


def follow(networks: StudentAndTeacher, momentum: float) -> None:
    """Move the teacher's weights towards the student's."""
    with torch.no_grad():
        pairs = zip(networks.teacher.parameters(), networks.student.parameters(), strict=True)
        for mean, new in pairs:
            mean.lerp_(new, 1 - momentum)
