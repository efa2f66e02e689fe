"""Logits to identity loss and accuracy. Shapes: R rows, M identities."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from fprnet.models.heads import HeadOutput
from fprnet.models.precision import at_least_float32

__all__ = ["accuracy", "correct_rows", "identity_loss"]


def identity_loss(output: HeadOutput, *, smoothing: float = 0.0) -> Tensor:
    """Mean softmax cross entropy over the rows, float32 even under autocast.

    Args:
        output: Logits ``(R, M)`` and labels ``(R,)``.
        smoothing: Share of the target spread evenly over all identities, in [0, 1).
    """
    logits = at_least_float32(output.logits)
    with torch.autocast(logits.device.type, enabled=False):
        return F.cross_entropy(logits, output.labels, label_smoothing=smoothing)


def correct_rows(output: HeadOutput) -> Tensor:
    """Number of rows whose largest logit is their identity's, int64 scalar, no gradient."""
    return (output.logits.detach().argmax(dim=1) == output.labels).sum()


def accuracy(output: HeadOutput) -> Tensor:
    """Share of such rows, float32 scalar in [0, 1]."""
    return correct_rows(output) / len(output.labels)
