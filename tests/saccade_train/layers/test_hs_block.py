from __future__ import annotations

import pytest
import torch

from saccade.errors import OptionError
from saccade_train.layers.hs_block import HierarchicalSplit, hs_widths


@pytest.mark.parametrize(
    ("splits", "width", "widths"),
    [
        (8, 8, [8, 12, 14, 15, 15, 15, 15]),
        (5, 16, [16, 24, 28, 30]),
        (8, 28, [28, 42, 49, 52, 54, 55, 55]),
        (5, 13, [13, 19, 22, 24]),
        (4, 3, [3, 4, 5]),
        (2, 4, [4]),
        (1, 4, []),
    ],
)
def test_widths(splits: int, width: int, widths: list[int]) -> None:
    assert hs_widths(splits, width) == widths


@pytest.mark.parametrize(
    ("splits", "width", "count"),
    [
        (4, 16, 14_544),
        (5, 16, 22_644),
        (4, 26, 37_998),
        (5, 28, 68_877),
        (8, 28, 149_571),
        (6, 14, 23_562),
    ],
)
def test_convolution_parameters(splits: int, width: int, count: int) -> None:
    block = HierarchicalSplit(splits, width)
    assert sum(conv.conv.weight.numel() for conv in block.convs) == count
    assert len(block.convs) == splits - 1


@pytest.mark.parametrize("splits", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("width", [1, 2, 3, 7])
def test_no_channel_is_lost(splits: int, width: int) -> None:
    x = torch.randn(2, splits * width, 5, 4)
    y = HierarchicalSplit(splits, width)(x)
    assert y.shape == x.shape
    torch.testing.assert_close(y[:, :width], x[:, :width])  # the first group passes


def test_worked_example() -> None:
    """s=4, w=3, one pixel; the convolutions multiply by 10, 100 and 1000."""
    block = HierarchicalSplit(4, 3).eval()
    with torch.no_grad():
        for power, conv in enumerate(block.convs, start=1):
            conv.conv.weight.zero_()
            for channel in range(conv.conv.out_channels):
                conv.conv.weight[channel, channel, 1, 1] = 10.0**power
            conv.bn.eps = 0.0
    y = block(torch.arange(1.0, 13.0).reshape(1, 12, 1, 1)).flatten()
    kept = [1, 2, 3, 40, 50, 700, 800, 10_000, 11_000, 12_000, 900_000, 6_000_000]
    assert y.tolist() == pytest.approx(kept)


def test_stride_pools_before_the_split() -> None:
    torch.manual_seed(0)
    plain, strided = HierarchicalSplit(3, 4).eval(), HierarchicalSplit(3, 4, 2).eval()
    strided.load_state_dict(plain.state_dict())  # the weights don't know the stride
    x = torch.randn(1, 12, 7, 8)
    assert strided(x).shape == (1, 12, 4, 4)
    pooled = torch.nn.functional.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False)
    torch.testing.assert_close(strided(x), plain(pooled))


@pytest.mark.parametrize(("splits", "width"), [(0, 4), (4, 0)])
def test_impossible_sizes(splits: int, width: int) -> None:
    with pytest.raises(OptionError, match="at least 1"):
        HierarchicalSplit(splits, width)
