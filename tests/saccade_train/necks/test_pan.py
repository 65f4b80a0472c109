"""CSP-PAN and LC-PAN: shapes, the order of joining, first values."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from saccade.errors import OptionError
from saccade_train.necks.pan import PAN, csp_pan, lc_pan

torch.set_num_threads(1)

CHANNELS = {4: 5, 8: 6, 16: 7, 32: 8}
Make = Callable[[dict[int, int], int], PAN]


@pytest.fixture(params=[csp_pan, lc_pan])
def make(request: pytest.FixtureRequest) -> Make:
    chosen: Make = request.param
    return chosen


def maps(height: int, width: int) -> list[Tensor]:
    torch.manual_seed(0)
    return [torch.randn(2, c, height // s, width // s) for s, c in CHANNELS.items()]


@pytest.mark.parametrize(("height", "width"), [(64, 64), (96, 32), (32, 160)])
@torch.no_grad()
def test_shapes(make: Make, height: int, width: int) -> None:
    neck = make(CHANNELS, 12).eval()
    features = maps(height, width)
    outputs = neck(features)
    assert [tuple(y.shape) for y in outputs] == [
        (2, 12, math.ceil(height / s), math.ceil(width / s)) for s in (8, 16, 32, 64)
    ]
    for found, expected in zip(neck(features[1:]), outputs, strict=True):
        assert torch.equal(found, expected)  # the map at stride 4 counts for nothing


@torch.no_grad()
def test_what_is_joined_in_which_order(make: Make) -> None:
    """Blocks that only add their halves with different weights tell what they were given."""
    neck = make(CHANNELS, 4).eval()
    given = [torch.full((1, 4, n, n), value) for n, value in ((8, 3.0), (4, 4.0), (2, 5.0))]
    neck.conv_t = nn.ModuleList([nn.Identity()] * 3)
    double = [_Scaled(10.0), _Scaled(100.0)]
    neck.top_down_blocks = nn.ModuleList([_Join(), _Join()])
    neck.bottom_up_blocks = nn.ModuleList([_Join(), _Join()])
    neck.downsamples = nn.ModuleList(double)
    neck.first_top_conv, neck.second_top_conv = _Scaled(7.0), _Scaled(11.0)
    p3, p4, p5, p6 = (float(y.max()) for y in neck(given))
    i4 = 5.0 + 2 * 4.0  # the coarser first
    assert p3 == i4 + 2 * 3.0
    assert p4 == 10 * p3 + 2 * i4  # the finer first
    assert p5 == 100 * p4 + 2 * 5.0
    assert p6 == 7 * 5.0 + 11 * p5


class _Join(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        first, second = x.chunk(2, dim=1)
        return first + 2 * second


class _Scaled(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * x[:, :, ::2, ::2]


def test_every_parameter_gets_a_gradient(make: Make) -> None:
    neck = make(CHANNELS, 8)
    sum(y.square().mean() for y in neck(maps(96, 64))).backward()
    for name, parameter in neck.named_parameters():
        assert parameter.grad is not None, name
        assert bool(parameter.grad.abs().sum() > 0), name


def test_two_necks_in_one_process_are_alike(make: Make) -> None:
    first, second = make(CHANNELS, 8), make(CHANNELS, 8)
    assert list(first.state_dict()) == list(second.state_dict())


def test_first_values() -> None:
    torch.manual_seed(0)
    neck = csp_pan({8: 96, 16: 192, 32: 384}, 96)
    weight = neck.conv_t[2].conv.weight.detach()
    bound = math.sqrt(6 / 384)
    assert float(weight.abs().max()) == pytest.approx(bound, rel=0.01)
    assert float(weight.std()) == pytest.approx(bound / math.sqrt(3), rel=0.05)


def test_bad_widths(make: Make) -> None:
    with pytest.raises(OptionError, match="neck channels 0"):
        make(CHANNELS, 0)
    with pytest.raises(OptionError, match="neck channels 9: expected an even number"):
        csp_pan(CHANNELS, 9)
