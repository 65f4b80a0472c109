"""ResNet-vd, plain ResNet, and HS-ResNet.

ResNet-vd ("ResNet-D" of He et al., arXiv 1812.01187) differs from the plain form ("vb") in the stem
of three 3x3 convolutions and in the shortcut that averages before its 1x1 convolution. HS-ResNet
(arXiv 2010.07621) puts a Hierarchical-Split block in place of the bottleneck's 3x3 convolution. The
table and the names of the modules follow
``PaddleClas/ppcls/arch/backbone/legendary_models/resnet.py``, so released weights fit by name; no
HS-ResNet was ever released.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import ClassVar, Literal, NamedTuple, get_args

from torch import Tensor, nn
from torch.nn import functional as F

from saccade.errors import OptionError, nearest
from saccade_train.backbones.base import Backbone, check_strides
from saccade_train.layers.check import check_number, check_whole
from saccade_train.layers.conv import ConvBN, Stride, pair, round8
from saccade_train.layers.hs_block import HierarchicalSplit
from saccade_train.layers.pool import stride_pool

__all__ = ["RESNET_DEPTHS", "HsMode", "HsOptions", "ResNet", "Variant"]

Variant = Literal["vd", "vb"]
HsMode = Literal["plain_stride2", "plain_transition", "all"]


class _Depth(NamedTuple):
    blocks: tuple[int, int, int, int]
    bottleneck: bool


RESNET_DEPTHS = {
    10: _Depth((1, 1, 1, 1), bottleneck=False),  # not published; trunk of our recogniser
    18: _Depth((2, 2, 2, 2), bottleneck=False),
    26: _Depth((2, 2, 2, 2), bottleneck=True),  # not published; for experiments on a CPU
    34: _Depth((3, 4, 6, 3), bottleneck=False),
    50: _Depth((3, 4, 6, 3), bottleneck=True),
    101: _Depth((3, 4, 23, 3), bottleneck=True),
    152: _Depth((3, 8, 36, 3), bottleneck=True),
    200: _Depth((3, 12, 48, 3), bottleneck=True),
}
"""Blocks per stage, and whether they are bottlenecks."""


@dataclass(frozen=True)
class HsOptions:
    """Where and how Hierarchical-Split blocks replace the 3x3 convolutions of the bottlenecks.

    The widths double from stage to stage: stage i takes w * 2^(i - 1). Every bottleneck, with or
    without the split, is s * w * 2^(i - 1) wide inside.

    Attributes:
        splits: s, the number of groups.
        width: w, the channels of a group in the first stage.
        mode: where a plain 3x3 stays. ``"plain_stride2"``: in the first block of stages 2 to 4;
            ``"plain_transition"``: in the first block of every stage; ``"all"``: nowhere, a stride
            is then a 2x2 average pool before the split. The paper leaves it open.
    """

    splits: int = 8
    width: int = 8
    mode: HsMode = "plain_stride2"

    def __post_init__(self) -> None:
        check_whole("hs_splits", self.splits, at_least=2)
        check_whole("hs_width", self.width, at_least=1)
        if self.mode not in get_args(HsMode):
            known = get_args(HsMode)
            raise OptionError(f"unknown hs_mode {self.mode!r}; {nearest(str(self.mode), known)}")

    def spatial(self, stage: int, first: bool, stride: Stride) -> nn.Module:
        """Make the middle of a bottleneck: (N, C, H, W) to (N, C, H / stride, W / stride).

        Args:
            stage: 0 to 3.
            first: whether it is the first block of its stage.
            stride: of the block; the weights do not depend on it.
        """
        width = self.width * 2**stage
        plain = first and (
            self.mode == "plain_transition" or (self.mode == "plain_stride2" and stage > 0)
        )
        if plain:
            return ConvBN(self.splits * width, self.splits * width, 3, stride, act="relu")
        return HierarchicalSplit(self.splits, width, stride)


class _Shortcut(ConvBN):
    """1x1 convolution with BatchNorm; in the vd form the stride is an average pool before it."""

    def __init__(self, in_channels: int, out_channels: int, stride: Stride, pooled: bool) -> None:
        super().__init__(in_channels, out_channels, 1, 1 if pooled else stride)
        self.pool = stride_pool(stride) if pooled else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, H / stride, W / stride)."""
        return super().forward(self.pool(x))


class _Block(nn.Module):
    """relu(conv2(conv1(conv0(x))) + shortcut(x)); a basic block has no ``conv2``.

    Args:
        convs: two or three layers in a row.
        short: the projection, or ``None`` for an identity.
    """

    def __init__(self, convs: Sequence[nn.Module], short: _Shortcut | None) -> None:
        super().__init__()
        self.conv0, self.conv1 = convs[:2]
        self.conv2 = convs[2] if len(convs) == 3 else nn.Identity()
        self.short = nn.Identity() if short is None else short

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, H / stride, W / stride)."""
        return F.relu(self.conv2(self.conv1(self.conv0(x))) + self.short(x))


class ResNet(Backbone):
    """Stem, max pool, four stages of residual blocks.

    Args:
        depth: a key of :data:`RESNET_DEPTHS`.
        variant: ``"vd"``, or ``"vb"`` for the plain form.
        width: multiplies all widths (the first stage has round8(64 * width)); 1 is the published.
        strides: of the stem, of the max pool, and of stages 2, 3 and 4. Small pictures keep more of
            themselves with ``(1, 1, 2, 2, 2)``.
        hs: Hierarchical-Split blocks in the bottlenecks, or ``None``.

    Raises:
        OptionError: a value outside its range, or ``hs`` for a depth that has no bottlenecks.
    """

    decay_norm: ClassVar[bool] = True

    def __init__(
        self,
        depth: int = 50,
        *,
        variant: Variant = "vd",
        width: float = 1.0,
        strides: Sequence[Stride | Sequence[int]] = (2, 2, 2, 2, 2),
        hs: HsOptions | None = None,
    ) -> None:
        super().__init__()
        if depth not in RESNET_DEPTHS:
            raise OptionError(f"depth {depth!r}: expected one of {sorted(RESNET_DEPTHS)}")
        if variant not in get_args(Variant):
            raise OptionError(f"variant {variant!r}: expected 'vd' or 'vb'")
        check_number("width", width, above=0, up_to=8)
        blocks, bottleneck = RESNET_DEPTHS[depth]
        if hs is not None and not bottleneck:
            raise OptionError(f"depth {depth} has no bottlenecks to split; take 26, 50 or more")
        stem_stride, pool_stride, *stage_strides = check_strides(strides, 5)

        base = round8(64 * width)
        if variant == "vd":
            self.stem = nn.Sequential(
                ConvBN(3, base // 2, 3, stem_stride, act="relu"),
                ConvBN(base // 2, base // 2, 3, act="relu"),
                ConvBN(base // 2, base, 3, act="relu"),
            )
        else:
            self.stem = nn.Sequential(ConvBN(3, base, 7, stem_stride, act="relu"))
        self.max_pool = nn.MaxPool2d(3, pair(pool_stride), padding=1)

        self.blocks = nn.Sequential()
        in_channels = base
        for stage, stage_stride in enumerate((1, *stage_strides)):
            channels = base * 2**stage
            out_channels = channels * 4 if bottleneck else channels
            for index in range(blocks[stage]):
                first = index == 0
                stride = stage_stride if first else 1
                # PaddleClas projects in the first block of stage 1 too, also in depths 18 and 34,
                # where an identity would fit; that one is never pooled.
                pooled = variant == "vd" and stage > 0
                short = _Shortcut(in_channels, out_channels, stride, pooled) if first else None
                if bottleneck:
                    convs = _bottleneck(
                        in_channels, channels, out_channels, stage, stride, first, hs
                    )
                else:
                    convs = _basic(in_channels, channels, stride)
                self.blocks.append(_Block(convs, short))
                in_channels = out_channels
        self._stage_ends = [end - 1 for end in accumulate(blocks)]
        self.feature_channels = {
            4 * 2**stage: base * 2**stage * (4 if bottleneck else 1) for stage in range(4)
        }

    def forward_features(self, x: Tensor) -> tuple[Tensor, ...]:
        """Map (N, 3, H, W) to the outputs of the four stages."""
        x = self.max_pool(self.stem(x))
        features = []
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in self._stage_ends:
                features.append(x)
        return tuple(features)

    def stages(self) -> dict[str, list[nn.Module]]:
        """The five groups of the reference: the stem and the four stages."""
        groups: dict[str, list[nn.Module]] = {"stem": [self.stem]}
        blocks = [*self.blocks]
        start = 0
        for number, last in enumerate(self._stage_ends, start=1):
            groups[f"stage{number}"] = blocks[start : last + 1]
            start = last + 1
        return groups


def _basic(in_channels: int, channels: int, stride: Stride) -> list[nn.Module]:
    """3x3 with the stride, 3x3 without activation."""
    return [
        ConvBN(in_channels, channels, 3, stride, act="relu"),
        ConvBN(channels, channels, 3),
    ]


def _bottleneck(
    in_channels: int,
    channels: int,
    out_channels: int,
    stage: int,
    stride: Stride,
    first: bool,
    hs: HsOptions | None,
) -> list[nn.Module]:
    """1x1, a spatial layer with the stride, 1x1 without activation."""
    if hs is None:
        middle: nn.Module = ConvBN(channels, channels, 3, stride, act="relu")
    else:
        channels = hs.splits * hs.width * 2**stage
        middle = hs.spatial(stage, first, stride)
    return [
        ConvBN(in_channels, channels, 1, act="relu"),
        middle,
        ConvBN(channels, out_channels, 1),
    ]
