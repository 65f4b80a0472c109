"""The Hierarchical-Split block of HS-ResNet (Yuan et al., arXiv 2010.07621, section 3.1)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from saccade_train.layers.check import check_whole
from saccade_train.layers.conv import ConvBN, Stride
from saccade_train.layers.pool import stride_pool

__all__ = ["HierarchicalSplit", "hs_widths"]


def hs_widths(splits: int, width: int) -> list[int]:
    """Give the widths of the 3x3 convolutions c_2 .. c_s.

    c_2 = w and c_(i+1) = w + floor(c_i / 2): each convolution sees its own group and the half that
    the one before passes on. An odd c_i keeps its larger half.

    Args:
        splits: s, the number of groups, at least 1.
        width: w, the channels of a group, at least 1.

    Returns:
        s - 1 numbers, growing from w towards 2 w.

    Raises:
        OptionError: s or w below 1.

    Examples:
        >>> hs_widths(5, 13)
        [13, 19, 22, 24]
    """
    check_whole("splits", splits, at_least=1)
    check_whole("width", width, at_least=1)
    widths: list[int] = []
    for _ in range(splits - 1):
        widths.append(width + (widths[-1] // 2 if widths else 0))
    return widths


class HierarchicalSplit(nn.Module):
    """Stands in for a 3x3 convolution of s * w channels; every bottleneck can take it.

    The channels are cut into s groups x_1 .. x_s of w. y_1 = x_1; y_2 = F_2(x_2);
    y_i = F_i([x_i, passed_(i-1)]), where F_i is a 3x3 convolution with BatchNorm and ReLU. Each y_i
    from 2 to s - 1 is cut in two: the first half is kept for the output, the second one is passed
    on. y_s is kept whole. No channel is lost, so the output has s * w channels again, and its parts
    have seen 0, 1, .. s - 1 convolutions: receptive fields of 1, 3, .. 2 s - 1.

    The paper prints neither the order of the halves nor that of the concatenation. Keeping the
    first half and putting the own group first is what the public re-implementations agree on; the
    alternatives differ by a permutation of channels.

    Args:
        splits: s, the number of groups. 1 is the identity.
        width: w, the channels of a group.
        stride: a stride is an average pool before the split; the weights don't depend on it.
    """

    def __init__(self, splits: int, width: int, stride: Stride = 1) -> None:
        super().__init__()
        self.pool = stride_pool(stride)
        self.splits = splits
        self.width = width
        self.convs = nn.ModuleList(ConvBN(c, c, 3, act="relu") for c in hs_widths(splits, width))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, s * w, H, W) to (N, s * w, H / stride, W / stride), sides rounded up."""
        groups = self.pool(x).split(self.width, dim=1)  # s times (N, w, H, W)
        kept = [groups[0]]
        passed: Tensor | None = None
        for number, (group, conv) in enumerate(zip(groups[1:], self.convs, strict=True), start=2):
            y = conv(group if passed is None else torch.cat([group, passed], dim=1))
            if number < self.splits:
                pass_on = y.shape[1] // 2
                y, passed = y.split([y.shape[1] - pass_on, pass_on], dim=1)
            kept.append(y)
        return torch.cat(kept, dim=1)

    def extra_repr(self) -> str:
        """Show s and w when printed."""
        return f"splits={self.splits}, width={self.width}"
