"""A linear layer whose weight vectors are made orthogonal by SVD (SVDNet, Sun et al., ICCV 2017).

Shapes: N rows, D inputs, E outputs; W is ``(D, E)``, its columns are the weight vectors. PyTorch
keeps ``weight`` = W^T, ``(E, D)``.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["SvdLayer", "decorrelated"]


class SvdLayer(nn.Module):
    """Eigenlayer: x -> W^T x without bias, and the step W <- U S of SVDNet's restraint.

    Args:
        inputs: D.
        outputs: E.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs))
        nn.init.kaiming_normal_(self.weight, mode="fan_out")

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(N, E)`` for ``(N, D)``."""
        return F.linear(x, self.weight)

    @torch.no_grad()
    def decorrelate_(self) -> None:
        """Replace W = U S V^T by U S, its columns in the order and sign nearest to the old ones.

        W W^T = U S^2 U^T does not change, so neither do distances between outputs; the columns of
        U S are orthogonal.
        """
        self.weight.copy_(decorrelated(self.weight))

    @torch.no_grad()
    def correlation(self) -> float:
        """Return S(W) = sum_i g_ii / sum_ij |g_ij| with G = W^T W; 1 where columns are orthogonal.

        SVDNet, Eq. 4: 1 / E is the other end, all columns alike.
        """
        gram = self.weight.float() @ self.weight.float().T
        return float(gram.trace() / gram.abs().sum())

    def extra_repr(self) -> str:
        """Return the sizes, for ``print(model)``."""
        return f"inputs={self.weight.shape[1]}, outputs={self.weight.shape[0]}"


def decorrelated(weight: Tensor) -> Tensor:
    """Return U S of ``weight^T`` = W = U S V^T as a weight ``(E, D)``, matched to the old columns.

    The pair of old and new column with the largest |cosine| is matched first, then the largest of
    the remaining, and so on; each new column takes the sign of its cosine, so that the next
    layer's weights stay usable. Where D < E the columns that U S lacks are 0.
    """
    outputs, inputs = weight.shape
    _, values, directions = torch.linalg.svd(weight.float(), full_matrices=False)
    columns = weight.new_zeros(outputs, inputs, dtype=torch.float32)
    columns[: len(values)] = values[:, None] * directions
    cosine = F.normalize(weight.float(), dim=1) @ F.normalize(columns, dim=1).T
    open_pairs = cosine.abs()
    result = torch.zeros_like(columns)
    for _ in range(outputs):
        old, new = divmod(int(open_pairs.argmax()), outputs)
        result[old] = columns[new] if cosine[old, new] >= 0 else -columns[new]
        open_pairs[old, :] = -1.0
        open_pairs[:, new] = -1.0
    return result.to(weight.dtype)
