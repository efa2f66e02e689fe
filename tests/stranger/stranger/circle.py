"""Features of one head to the circle loss. Shapes: R rows, D features."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from fprnet.models.heads import HeadOutput, unit_length
from fprnet.ranges import BelowOne, Positive

__all__ = ["Circle"]


@dataclass(frozen=True)
class Circle:
    """Circle loss (Sun et al., CVPR 2020, Eq. 6), the mean over the rows that have a match.

    Attributes:
        margin: m, relaxation of the similarities' targets 1 + m and -m.
        scale: gamma.
    """

    margin: BelowOne = 0.25
    scale: Positive = 32.0

    def __call__(self, output: HeadOutput) -> Tensor:
        """Return the loss of features ``(R, D)`` with labels ``(R,)``, a scalar."""
        vectors = unit_length(output.features)
        similarity = vectors @ vectors.T
        same = output.labels[:, None] == output.labels[None, :]
        itself = torch.eye(len(same), dtype=torch.bool, device=same.device)
        pull = (1 + self.margin - similarity.detach()).clamp(min=0)
        push = (similarity.detach() + self.margin).clamp(min=0)
        positive = -self.scale * pull * (similarity - (1 - self.margin))
        negative = self.scale * push * (similarity - self.margin)
        lowest = torch.finfo(similarity.dtype).min
        positives = positive.masked_fill(~same | itself, lowest).logsumexp(dim=1)
        negatives = negative.masked_fill(same, lowest).logsumexp(dim=1)
        has_match = (same & ~itself).any(dim=1)
        return F.softplus(positives + negatives)[has_match].mean()
