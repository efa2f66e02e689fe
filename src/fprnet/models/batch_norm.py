"""BatchNorm over the images of all processes, on CPU too (PyTorch's SyncBatchNorm is GPU only).

Shapes: maps ``(N, C, H, W)`` of this process; n = N H W values per channel, summed over processes.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["SynchronisedBatchNorm2d", "synchronise_batch_norm"]


class SynchronisedBatchNorm2d(nn.BatchNorm2d):
    """``nn.BatchNorm2d`` whose training statistics run over the images of all processes.

    Same parameters, buffers and keys. In evaluation, and with one process, it is the parent.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalised maps, ``(N, C, H, W)``."""
        use_batch = self.training or self.running_mean is None
        if not use_batch or not dist.is_initialized() or dist.get_world_size() == 1:
            return super().forward(x)
        self._check_input_dim(x)
        result: Tensor
        result, mean, variance, count = _Normalise.apply(  # type: ignore[no-untyped-call]
            x, self.weight, self.bias, self.eps
        )
        if self.running_mean is not None and self.running_var is not None:
            self._remember(mean, variance * (count / (count - 1)))
        return result

    @torch.no_grad()
    def _remember(self, mean: Tensor, unbiased_variance: Tensor) -> None:
        assert self.num_batches_tracked is not None
        assert self.running_mean is not None
        assert self.running_var is not None
        self.num_batches_tracked.add_(1)
        share = 1.0 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(unbiased_variance, share)


def synchronise_batch_norm(module: nn.Module, device: torch.device) -> nn.Module:
    """Return ``module`` with every ``nn.BatchNorm2d`` in it replaced, parameters and state kept.

    Args:
        module: Module that sees the images of one process; a BatchNorm layer itself, or changed in
            place.
        device: Device that it will train on. On GPUs layers become ``nn.SyncBatchNorm``, which is
            fused.
    """
    if device.type == "cuda":
        return nn.SyncBatchNorm.convert_sync_batchnorm(module)  # type: ignore[no-any-return,no-untyped-call]
    if type(module) is nn.BatchNorm2d:
        replacement = SynchronisedBatchNorm2d(
            module.num_features,
            eps=module.eps,
            momentum=module.momentum,
            affine=module.affine,
            track_running_stats=module.track_running_stats,
        )
        for name, parameter in module.named_parameters():
            setattr(replacement, name, parameter)
        for name, buffer in module.named_buffers():
            setattr(replacement, name, buffer)
        return replacement.train(module.training)
    for name, child in module.named_children():
        setattr(module, name, synchronise_batch_norm(child, device))
    return module


class _Normalise(torch.autograd.Function):
    """Forward and backward of batch normalisation, one collective each."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        x: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        eps: float,
    ) -> tuple[Tensor, Tensor, Tensor, float]:
        values = x.float()
        local_variance, local_mean = torch.var_mean(values, dim=(0, 2, 3), correction=0)
        local_count = values.new_full((1,), x.numel() // x.shape[1])
        own = torch.cat((local_count, local_mean, local_variance))
        everyone = [torch.empty_like(own) for _ in range(dist.get_world_size())]
        dist.all_gather(everyone, own)
        stacked = torch.stack(everyone)
        counts, (means, variances) = stacked[:, :1], stacked[:, 1:].chunk(2, dim=1)
        # Chan et al. (1979): variances combine exactly without sums of squares, which cancel.
        shares = counts / counts.sum()
        mean = (shares * means).sum(dim=0)
        variance = (shares * (variances + (means - mean).square())).sum(dim=0)
        inverse = (variance + eps).rsqrt()
        result = F.batch_norm(x, mean, variance, weight, bias, training=False, eps=eps)
        ctx.save_for_backward(x, weight, mean, inverse)
        ctx.count = float(counts.sum())
        ctx.has_bias = bias is not None
        ctx.mark_non_differentiable(mean, variance)
        return result, mean, variance, ctx.count

    @staticmethod
    def backward(
        ctx: Any,  # noqa: ANN401
        gradient: Tensor,
        *_: Any,  # noqa: ANN401
    ) -> tuple[Tensor, Tensor | None, Tensor | None, None]:
        x, weight, mean, inverse = ctx.saved_tensors
        gradient = gradient.float()
        normalised = (x.float() - _per_channel(mean)) * _per_channel(inverse)
        sum_gradient = gradient.sum(dim=(0, 2, 3))
        sum_product = (gradient * normalised).sum(dim=(0, 2, 3))
        means = torch.cat((sum_gradient, sum_product)) / ctx.count
        dist.all_reduce(means)
        mean_gradient, mean_product = means.chunk(2)
        scale = inverse if weight is None else inverse * weight
        of_x = _per_channel(scale) * (
            gradient - _per_channel(mean_gradient) - normalised * _per_channel(mean_product)
        )
        of_weight = None if weight is None else sum_product
        return of_x.to(x.dtype), of_weight, sum_gradient if ctx.has_bias else None, None


def _per_channel(values: Tensor) -> Tensor:
    return values[None, :, None, None]
