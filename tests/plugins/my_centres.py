"""A loss with weights and a memory of its own, and a callback that watches steps."""

import torch
from torch import nn

from fprnet.methods.callbacks import Callback


class Centres(nn.Module):
    """A learnt centre for each person and head, and a remembered vector for each person."""

    def begin_training(self, sizes):
        self.centres = nn.ParameterDict(
            {head: torch.randn(sizes.identities, size) for head, size in sizes.features.items()}
        )
        self.register_buffer("seen", torch.zeros(sizes.identities, sizes.features["main"]))

    def begin_step(self, progress):
        self.weight = 0.001 * min(1.0, progress.epochs)  # warms up over the first epoch

    def forward(self, output):
        features, labels = output.features, output.labels
        gaps = features - self.centres[output.head][labels]
        if output.head == "main":
            gaps = gaps + 0.1 * (features - self.seen[labels])
            self.seen[labels] = features.detach()
        return self.weight * gaps.square().sum(dim=1).mean()


class Watching(Callback):
    """Says whether each step moved a weight between its two calls."""

    def __init__(self, model) -> None:
        self.weight, self.moved, self.steps = next(model.parameters()), [], []

    def begin_step(self, progress):
        self.steps.append(progress.step)

    def after_backward(self, epoch):
        self.before = self.weight.detach().clone()

    def after_step(self, epoch):
        self.moved.append(not torch.equal(self.before, self.weight))

    def record(self):
        return {"moved": all(self.moved), "last_begun": self.steps[-1]}
