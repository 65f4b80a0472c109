from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from saccade.errors import OptionError
from saccade_train.layers.activation import HardSigmoid, activation
from saccade_train.layers.conv import ConvBN, conv2d, depthwise_conv2d, round8
from saccade_train.layers.depthwise import DepthwiseSeparable
from saccade_train.layers.dropout import DownscaleInInfer, dropout
from saccade_train.layers.pool import stride_pool
from saccade_train.layers.se import SqueezeExcite

X = torch.tensor([-4, -3, -2.5, -1, 0, 0.5, 1, 2.9, 3, 4])


def test_hard_sigmoid_values() -> None:
    expected = [0, 0, 0.0833333, 0.3333333, 0.5, 0.5833333, 0.6666667, 0.9833333, 1, 1]
    torch.testing.assert_close(HardSigmoid()(X), torch.tensor(expected), atol=2e-7, rtol=0)


def test_hard_sigmoid_of_mobilenet_has_slope_one_fifth() -> None:
    expected = [0, 0, 0, 0.3, 0.5, 0.6, 0.7, 1, 1, 1]
    torch.testing.assert_close(HardSigmoid(0.2)(X), torch.tensor(expected), atol=2e-7, rtol=0)


def test_h_swish_values() -> None:
    expected = [0, 0, -0.2083333, -0.3333333, 0, 0.2916667, 0.6666667, 2.8516667, 3, 4]
    torch.testing.assert_close(
        activation("hardswish")(X), torch.tensor(expected), atol=3e-7, rtol=0
    )


def test_unknown_activation_names_the_nearest() -> None:
    with pytest.raises(OptionError, match="did you mean 'hardswish'"):
        activation("hard_swish")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("scale", "widths"),
    [
        (0.25, (8, 8, 16, 32, 64, 128)),
        (0.35, (8, 16, 24, 48, 88, 176)),
        (0.5, (8, 16, 32, 64, 128, 256)),
        (0.75, (16, 24, 48, 96, 192, 384)),
        (1.0, (16, 32, 64, 128, 256, 512)),
        (1.5, (24, 48, 96, 192, 384, 768)),
        (2.0, (32, 64, 128, 256, 512, 1024)),
        (2.5, (40, 80, 160, 320, 640, 1280)),
    ],
)
def test_width_rule(scale: float, widths: tuple[int, ...]) -> None:
    assert tuple(round8(base * scale) for base in (16, 32, 64, 128, 256, 512)) == widths


@pytest.mark.parametrize("kernel", [1, 3, 5, 7])
@pytest.mark.parametrize("side", [10, 11])
@pytest.mark.parametrize("stride", [1, 2, (2, 1)])
def test_convolutions_keep_ceil_of_size_over_stride(
    kernel: int, side: int, stride: int | tuple[int, int]
) -> None:
    down, right = (stride, stride) if isinstance(stride, int) else stride
    y = conv2d(3, 4, kernel, stride)(torch.zeros(1, 3, side, side))
    assert y.shape == (1, 4, math.ceil(side / down), math.ceil(side / right))


def test_convolutions_are_drawn_by_fan_in() -> None:
    torch.manual_seed(0)
    wide = conv2d(256, 256, 3, bias=True)
    assert wide.bias is not None
    assert float(wide.weight.detach().std()) == pytest.approx(math.sqrt(2 / (256 * 9)), rel=0.02)
    assert float(wide.bias.detach().abs().max()) == 0.0
    assert float(depthwise_conv2d(4096, 5).weight.detach().std()) == pytest.approx(
        math.sqrt(2 / 25), rel=0.02
    )


def test_batch_norm_as_in_paddle() -> None:
    norm = ConvBN(3, 8, 3).bn
    assert (norm.eps, norm.momentum) == (1e-5, 0.1)


def test_conv_bn_has_no_bias_and_depthwise_keeps_channels() -> None:
    assert ConvBN(3, 8, 3).conv.bias is None
    with pytest.raises(ValueError, match="depthwise"):
        ConvBN(3, 8, 3, depthwise=True)


def test_se_against_its_definition() -> None:
    torch.manual_seed(1)
    se = SqueezeExcite(16, slope=0.2)
    x = torch.randn(2, 16, 5, 7)
    first, second = se.conv1.weight[:, :, 0, 0], se.conv2.weight[:, :, 0, 0]
    for number in range(2):
        mean = x[number].mean(dim=(1, 2))
        squeezed = (first @ mean + se.conv1.bias).clamp_min(0)
        gate = (0.2 * (second @ squeezed + se.conv2.bias) + 0.5).clamp(0, 1)
        torch.testing.assert_close(se(x)[number], x[number] * gate[:, None, None])
    assert se.conv1.out_channels == 4


def test_depthwise_separable_is_depthwise_then_se_then_pointwise() -> None:
    block = DepthwiseSeparable(8, 16, 5, 2, se=True).eval()
    x = torch.randn(1, 8, 9, 9)
    assert block.dw_conv.conv.groups == 8
    y = block.dw_conv(x)
    torch.testing.assert_close(block(x), block.pw_conv(block.se(y)))
    assert block(x).shape == (1, 16, 5, 5)


def test_downscale_in_infer() -> None:
    ones = torch.ones(20_000)
    layer = DownscaleInInfer(0.2)
    torch.testing.assert_close(layer.eval()(ones), ones * 0.8)
    torch.manual_seed(0)
    trained = layer.train()(ones)
    assert set(trained.unique().tolist()) == {0.0, 1.0}  # kept entries are not scaled
    assert float(trained.mean()) == pytest.approx(0.8, abs=0.01)


def test_dropout_forms() -> None:
    assert isinstance(dropout(0.2), nn.Dropout)
    assert isinstance(dropout(0.2, paddle_compat=True), DownscaleInInfer)
    assert isinstance(dropout(0.0, paddle_compat=True), nn.Identity)


def test_stride_pool_averages_what_lies_inside() -> None:
    x = torch.arange(15.0).reshape(1, 1, 3, 5)
    y = stride_pool(2)(x)[0, 0]
    assert y.tolist() == [[3.0, 5.0, 6.5], [10.5, 12.5, 14.0]]
    assert stride_pool((2, 1))(x).shape == (1, 1, 2, 5)
    assert isinstance(stride_pool(1), nn.Identity)
