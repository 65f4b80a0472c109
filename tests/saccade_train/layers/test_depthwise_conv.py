"""The depthwise convolution against PyTorch's own and against a slow loop."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

from saccade_train.layers.depthwise_conv import DepthwiseConv2d, depthwise_weight_gradient

SHAPES = list(itertools.product((1, 2, 4, 9), (1, 3, 13), (3, 5), ((1, 1), (2, 2), (2, 1), (1, 3))))


def plain_twin(conv: DepthwiseConv2d) -> nn.Conv2d:
    twin = nn.Conv2d(
        conv.in_channels,
        conv.out_channels,
        conv.kernel_size,
        conv.stride,
        conv.padding,
        groups=conv.groups,
        bias=False,
    )
    twin.load_state_dict(conv.state_dict())
    return twin


@pytest.mark.parametrize(("height", "width", "kernel", "stride"), SHAPES)
def test_equals_pytorch(height: int, width: int, kernel: int, stride: tuple[int, int]) -> None:
    torch.manual_seed(0)
    ours = DepthwiseConv2d(6, kernel, stride).double()
    twin = plain_twin(ours).double()
    x = torch.randn(3, 6, height, width, dtype=torch.double, requires_grad=True)
    same_x = x.detach().clone().requires_grad_()
    y, expected = ours(x), twin(same_x)
    grad = torch.randn_like(y)
    y.backward(grad)
    expected.backward(grad)
    assert torch.equal(y, expected)
    assert x.grad is not None and same_x.grad is not None
    torch.testing.assert_close(x.grad, same_x.grad)
    torch.testing.assert_close(ours.weight.grad, twin.weight.grad)


def test_weight_gradient_equals_a_slow_loop() -> None:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(2, 3, 4, 2, generator=generator)
    grad = torch.randn(2, 3, 2, 2, generator=generator)  # stride (2, 1)
    expected = torch.zeros(3, 1, 5, 5)
    for n, c, h, w, i, j in itertools.product(
        range(2), range(3), range(2), range(2), range(5), range(5)
    ):
        row, column = 2 * h + i - 2, w + j - 2
        if 0 <= row < 4 and 0 <= column < 2:
            expected[c, 0, i, j] += grad[n, c, h, w] * x[n, c, row, column]
    found = depthwise_weight_gradient(x, grad, (5, 5), (2, 1))
    torch.testing.assert_close(found, expected)


def test_bfloat16_autocast_gives_float32_weight_gradients() -> None:
    torch.manual_seed(2)
    ours = DepthwiseConv2d(8, 5, (1, 1))
    twin = plain_twin(ours)
    x = torch.randn(2, 8, 3, 3)
    with torch.autocast("cpu", torch.bfloat16):
        ours(x).float().square().sum().backward()
    twin(x).square().sum().backward()
    assert ours.weight.grad is not None and ours.weight.grad.dtype == torch.float32
    torch.testing.assert_close(ours.weight.grad, twin.weight.grad, rtol=0.05, atol=0.2)


def test_large_maps_and_evaluation_take_pytorchs_way() -> None:
    conv = DepthwiseConv2d(4, 5, (1, 1))
    assert "SmallMap" not in str(conv(torch.zeros(1, 4, 8, 8)).grad_fn)
    assert "SmallMap" in str(conv(torch.zeros(1, 4, 8, 4)).grad_fn)
    assert "SmallMap" not in str(conv.eval()(torch.zeros(1, 4, 8, 4)).grad_fn)
