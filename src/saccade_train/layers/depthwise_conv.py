"""A depthwise convolution whose weight gradient stays cheap on small maps.

oneDNN, PyTorch's CPU backend, has a fast weight gradient for depthwise convolutions, but not where
a side of the map is shorter than the kernel: there it takes 60 to 100 times the forward pass. The
5x5 kernels of PP-LCNet meet such maps wherever inputs are small (4x4 and 2x2 at 64 pixels) or flat
(text lines, 32 pixels high). :func:`depthwise_weight_gradient` is the definition, written as one
product and sum for each kernel position that touches the map at all.
``benchmarks/depthwise_gradient.py`` compares the two.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

__all__ = ["DepthwiseConv2d", "depthwise_weight_gradient"]


def depthwise_weight_gradient(
    x: Tensor, grad: Tensor, kernel: tuple[int, int], stride: tuple[int, int]
) -> Tensor:
    """Sum what each kernel position saw, weighted by the gradient of what it made.

    dW[c, i, j] = sum over n, h, w of grad[n, c, h, w] * x[n, c, h * s + i - p, w * s + j - p],
    where positions outside ``x`` count as zero and the padding p is (kernel - 1) // 2.

    Args:
        x: the input, (N, C, H, W), float.
        grad: the gradient of the output, (N, C, H', W'), float.
        kernel: (height, width), odd.
        stride: (height, width).

    Returns:
        (C, 1, kernel height, kernel width), float32 or the wider type of ``x``.
    """
    # Channels last, so that each sum runs over contiguous vectors of C.
    exact = torch.promote_types(x.dtype, torch.float32)
    x, grad = x.to(exact).permute(0, 2, 3, 1), grad.to(exact).permute(0, 2, 3, 1)
    result = x.new_zeros(*kernel, x.shape[3])
    for i in range(kernel[0]):
        rows_in, rows_out = _overlap(i, kernel[0], stride[0], x.shape[1], grad.shape[1])
        for j in range(kernel[1]):
            columns_in, columns_out = _overlap(j, kernel[1], stride[1], x.shape[2], grad.shape[2])
            seen = x[:, rows_in, columns_in]
            if seen.numel():
                result[i, j] = (seen * grad[:, rows_out, columns_out]).sum((0, 1, 2))
    return result.permute(2, 0, 1).unsqueeze(1)


def _overlap(
    position: int, kernel: int, stride: int, size_in: int, size_out: int
) -> tuple[slice, slice]:
    """Which inputs one kernel position meets along one side, and the outputs that it feeds.

    Output ``o`` sees input ``o * stride + offset``; both must exist.
    """
    offset = position - (kernel - 1) // 2
    first = max(0, -(offset // stride))  # the smallest o with o * stride + offset >= 0
    last = min(size_out - 1, (size_in - 1 - offset) // stride)
    if last < first:
        return slice(0, 0), slice(0, 0)
    start = first * stride + offset
    return slice(start, last * stride + offset + 1, stride), slice(first, last + 1)


class _SmallMapConvolution(torch.autograd.Function):
    """Depthwise convolution with our weight gradient and PyTorch's everything else."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: tuple[int, int]) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        padding = [(side - 1) // 2 for side in weight.shape[2:]]
        return F.conv2d(x, weight, None, stride, padding, groups=weight.shape[0])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        kernel = tuple(weight.shape[2:])
        grad_x = grad_weight = None
        if ctx.needs_input_grad[0]:
            grad_x = torch.ops.aten.convolution_backward(
                grad, x.to(grad.dtype), weight.to(grad.dtype), None, ctx.stride,
                [(side - 1) // 2 for side in kernel], [1, 1], False, [0, 0], weight.shape[0],
                [True, False, False],
            )[0].to(x.dtype)  # fmt: skip
        if ctx.needs_input_grad[1]:
            grad_weight = depthwise_weight_gradient(x, grad, kernel, ctx.stride).to(weight.dtype)
        return grad_x, grad_weight, None


class DepthwiseConv2d(nn.Conv2d):
    """A bias-free depthwise convolution with padding ``(kernel - 1) // 2``.

    The same function, weights and state as ``nn.Conv2d(channels, channels, kernel,
    groups=channels)``; only the way to the weight gradient differs, on CPU, where a side of the map
    is shorter than the kernel.
    """

    def __init__(self, channels: int, kernel: int, stride: tuple[int, int]) -> None:
        super().__init__(
            channels, channels, kernel, stride, (kernel - 1) // 2, groups=channels, bias=False
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, ceil(H / stride), ceil(W / stride)) for an odd kernel."""
        small = min(x.shape[2:]) < self.kernel_size[0]
        if small and self.training and torch.is_grad_enabled() and x.device.type == "cpu":
            y: Tensor = _SmallMapConvolution.apply(  # type: ignore[no-untyped-call]
                x, self.weight, self.stride
            )
            return y
        return super().forward(x)
