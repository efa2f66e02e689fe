"""On CPUs with matrix units, the weights of small-map convolutions get gradients by one product.

oneDNN, as PyTorch 2.13 uses it, computes a bfloat16 convolution near the speed of the matrix units
(AMX), but its gradient by the weights at a quarter of that or less where a layer has many weights
and small maps: the last stages of a ResNet. There the windows of the images, written out as rows,
and one matrix product are up to five times as fast (``benchmarks/weight_gradients.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.grad import conv2d_input

__all__ = ["product_is_faster", "quicken_weight_gradients", "weight_gradient"]

WEIGHTS_PER_POSITION = 500  # entries of a weight matrix per output pixel; from there on it pays


def product_is_faster(layer: nn.Conv2d, height: int, width: int) -> bool:
    """Return whether the weights' gradient is quicker as one product, by the layer's shape.

    Args:
        layer: A convolution.
        height: Rows of its output, pixels.
        width: Columns of its output.
    """
    weights = layer.in_channels * layer.out_channels
    return weights >= WEIGHTS_PER_POSITION * height * width


def quicken_weight_gradients(model: nn.Module, device: torch.device) -> None:
    """Let the convolutions of a network compute their weights' gradients in the quicker way.

    What is computed in bfloat16, by autocast, is the same sum in another order. Nothing else
    changes, neither in float32 nor without gradients nor on another machine.

    Args:
        model: Network; its plain ``Conv2d`` layers change class, names and state stay. Those with
            groups, dilation or another padding than a number of zeros are left alone.
        device: Device that trains.
    """
    capabilities_of_cpu: Callable[[], Mapping[str, object]] = getattr(
        torch.cpu, "get_capabilities", dict
    )  # older versions cannot say
    if device.type != "cpu" or not capabilities_of_cpu().get("amx_bf16", False):
        return
    for layer in model.modules():
        if type(layer) is nn.Conv2d and _is_plain(layer):
            layer.__class__ = _QuickConv2d


def _is_plain(layer: nn.Conv2d) -> bool:
    return (
        layer.groups == 1
        and layer.dilation == (1, 1)
        and layer.padding_mode == "zeros"
        and not isinstance(layer.padding, str)
    )


class _QuickConv2d(nn.Conv2d):
    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        quicker = (
            weight.requires_grad
            and torch.is_grad_enabled()
            and _in_bfloat16(input)
            and product_is_faster(self, *self._output_size(input))
        )
        convolution = _Convolution.apply if quicker else F.conv2d
        output: Tensor = convolution(input, weight, bias, self.stride, self.padding)
        return output

    def _output_size(self, images: Tensor) -> tuple[int, int]:
        height, width = (
            (images.shape[2 + axis] + 2 * int(self.padding[axis]) - self.kernel_size[axis])
            // self.stride[axis]
            + 1
            for axis in (0, 1)
        )
        return height, width


def _in_bfloat16(images: Tensor) -> bool:
    return (
        images.device.type == "cpu"
        and images.dim() == 4
        and torch.is_autocast_enabled("cpu")
        and torch.get_autocast_dtype("cpu") == torch.bfloat16
    )


class _Convolution(torch.autograd.Function):
    """A convolution in bfloat16 whose weights' gradient is a product of two matrices."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - PyTorch's
        images: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        strides: tuple[int, int],
        padding: tuple[int, int],
    ) -> Tensor:
        images, weight = images.bfloat16(), weight.bfloat16()
        bias = None if bias is None else bias.bfloat16()
        ctx.save_for_backward(images, weight)
        ctx.strides, ctx.padding, ctx.has_bias = strides, padding, bias is not None
        with torch.autocast("cpu", enabled=False):
            return F.conv2d(images, weight, bias, strides, padding)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        images, weight = ctx.saved_tensors
        (of_output,) = gradients
        of_images = None
        if ctx.needs_input_grad[0]:
            of_images = conv2d_input(  # type: ignore[no-untyped-call]
                images.shape, weight, of_output, ctx.strides, ctx.padding
            )
        of_weight = weight_gradient(
            images, of_output, (weight.shape[2], weight.shape[3]), ctx.strides, ctx.padding
        )
        of_bias = of_output.sum((0, 2, 3)) if ctx.has_bias else None
        return of_images, of_weight, of_bias, None, None


def weight_gradient(
    images: Tensor,
    of_output: Tensor,
    kernel: tuple[int, int],
    strides: tuple[int, int],
    padding: tuple[int, int],
) -> Tensor:
    """Return the gradient of a convolution by its weights: windows times the output's gradient.

    Args:
        images: ``(N, C, H, W)``.
        of_output: Gradient by the output, ``(N, D, h, w)``.
        kernel: Rows and columns of the kernel, k and l.
        strides: Steps of the window down and to the right.
        padding: Rows of zeros above and below, columns left and right.

    Returns:
        ``(D, C, k, l)``, in the type of the images.
    """
    (down, right), channels, (out, height, width) = padding, images.shape[1], of_output.shape[1:]
    rows = F.pad(images.permute(0, 2, 3, 1), (0, 0, right, right, down, down))
    windows = rows.unfold(1, kernel[0], strides[0]).unfold(2, kernel[1], strides[1])
    windows = windows.permute(0, 1, 2, 4, 5, 3)[:, :height, :width]  # N, h, w, k, l, C
    by_pixel = of_output.permute(0, 2, 3, 1).reshape(-1, out)
    product = by_pixel.t() @ windows.reshape(len(by_pixel), -1)
    return product.view(out, *kernel, channels).permute(0, 3, 1, 2)
