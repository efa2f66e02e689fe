"""Rows of one process to the rows of all processes, with gradients.

Convention: every process computes the same loss on the whole batch; the backward of a gather sums
over the processes, and averaging parameter gradients (DistributedDataParallel) then gives what one
process would have computed on the whole batch.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

__all__ = ["gather_rows"]


def gather_rows(rows: Tensor) -> Tensor:
    """Return ``(n * processes, ...)``: the rows ``(n, ...)`` of every process, in rank order.

    Every process must hand in as many rows. Without a process group, or with one process, the
    rows come back as they are.
    """
    if not dist.is_available() or not dist.is_initialized() or dist.get_world_size() == 1:
        return rows
    if len(rows) == 0:
        return rows
    return _GatherRows.apply(rows)  # type: ignore[no-any-return, no-untyped-call]


class _GatherRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:  # noqa: ANN401
        ctx.count = len(rows)
        rows = rows.contiguous()  # NCCL sends memory as it lies, and maps may be channels-last
        everyone = [torch.empty_like(rows) for _ in range(dist.get_world_size())]
        dist.all_gather(everyone, rows)
        return torch.cat(everyone)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ANN401
        gradient = gradient.contiguous().clone()
        dist.all_reduce(gradient)
        first = dist.get_rank() * ctx.count
        return gradient[first : first + ctx.count]
