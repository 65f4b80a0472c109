"""MobileNetV3 (Howard et al., arXiv 1905.02244) as PaddleClas and the OCR networks have it.

The table and the names of the modules follow
``PaddleClas/ppcls/arch/backbone/legendary_models/mobilenet_v3.py``, so released weights fit by
name. It differs from the paper in details: every block has its expanding 1x1 convolution, also
where it does not expand; the SE squeezes to a quarter of its own channels without rounding; its
hard sigmoid has slope 0.2; both sizes end in 1280 channels before the classifier.

Text networks (PP-OCRv2, arXiv 2109.03144) are strides and switches of this one:

- text detector: ``MobileNetV3("large", 0.5, se=False)``, all four taps;
- direction classifier: ``MobileNetV3("small", 0.35, strides=(2, (2, 1), (2, 1), (2, 1), (2, 1)))``,
  the last map.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from torch import Tensor, nn

from saccade.errors import OptionError
from saccade_train.backbones.base import Backbone, check_strides
from saccade_train.layers.activation import ActivationName
from saccade_train.layers.check import check_flag, check_number
from saccade_train.layers.conv import ConvBN, Stride, pair, round8
from saccade_train.layers.se import SqueezeExcite

__all__ = ["MOBILENET_V3_SCALES", "MobileNetV3", "MobileNetV3Size"]

MobileNetV3Size = Literal["small", "large"]

MOBILENET_V3_SCALES = (0.35, 0.5, 0.75, 1.0, 1.25)
"""The widths of which PaddleClas released weights."""

_SE_SLOPE = 0.2


class _Row(NamedTuple):
    kernel: int
    expand: int
    out: int
    se: bool
    act: ActivationName
    strided: bool


_TABLES: dict[MobileNetV3Size, tuple[_Row, ...]] = {
    "large": (
        _Row(3, 16, 16, False, "relu", False),
        _Row(3, 64, 24, False, "relu", True),
        _Row(3, 72, 24, False, "relu", False),
        _Row(5, 72, 40, True, "relu", True),
        _Row(5, 120, 40, True, "relu", False),
        _Row(5, 120, 40, True, "relu", False),
        _Row(3, 240, 80, False, "hardswish", True),
        _Row(3, 200, 80, False, "hardswish", False),
        _Row(3, 184, 80, False, "hardswish", False),
        _Row(3, 184, 80, False, "hardswish", False),
        _Row(3, 480, 112, True, "hardswish", False),
        _Row(3, 672, 112, True, "hardswish", False),
        _Row(5, 672, 160, True, "hardswish", True),
        _Row(5, 960, 160, True, "hardswish", False),
        _Row(5, 960, 160, True, "hardswish", False),
    ),
    "small": (
        _Row(3, 16, 16, True, "relu", True),
        _Row(3, 72, 24, False, "relu", True),
        _Row(3, 88, 24, False, "relu", False),
        _Row(5, 96, 40, True, "hardswish", True),
        _Row(5, 240, 40, True, "hardswish", False),
        _Row(5, 240, 40, True, "hardswish", False),
        _Row(5, 120, 48, True, "hardswish", False),
        _Row(5, 144, 48, True, "hardswish", False),
        _Row(5, 288, 96, True, "hardswish", True),
        _Row(5, 576, 96, True, "hardswish", False),
        _Row(5, 576, 96, True, "hardswish", False),
    ),
}
_LAST = {"large": 960, "small": 576}  # width of the last 1x1 convolution of the trunk


class _InvertedResidual(nn.Module):
    """1x1 expand -> depthwise k x k -> optional SE -> 1x1 linear, plus the input where it fits."""

    def __init__(
        self, in_channels: int, row: _Row, scale: float, stride: Stride, with_se: bool
    ) -> None:
        super().__init__()
        expand, out = round8(row.expand * scale), round8(row.out * scale)
        self.residual = pair(stride) == (1, 1) and in_channels == out
        self.expand_conv = ConvBN(in_channels, expand, 1, act=row.act)
        self.bottleneck_conv = ConvBN(
            expand, expand, row.kernel, stride, depthwise=True, act=row.act
        )
        self.mid_se = SqueezeExcite(expand, _SE_SLOPE) if row.se and with_se else nn.Identity()
        self.linear_conv = ConvBN(expand, out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, out, H / stride, W / stride)."""
        y: Tensor = self.linear_conv(self.mid_se(self.bottleneck_conv(self.expand_conv(x))))
        return x + y if self.residual else y


class MobileNetV3(Backbone):
    """The trunk of MobileNetV3, up to its last 1x1 convolution.

    Args:
        size: ``"small"`` (11 blocks) or ``"large"`` (15 blocks).
        scale: multiplies every width; :data:`MOBILENET_V3_SCALES` are the published ones.
        se: ``False`` leaves out every SE, as the text detector does.
        strides: of the stem and of the four blocks that halve the map (small: 0, 1, 3, 8; large: 1,
            3, 6, 12).

    Raises:
        OptionError: a value outside its range.
    """

    def __init__(
        self,
        size: MobileNetV3Size = "large",
        scale: float = 1.0,
        *,
        se: bool = True,
        strides: Sequence[Stride | Sequence[int]] = (2, 2, 2, 2, 2),
    ) -> None:
        super().__init__()
        if size not in _TABLES:
            raise OptionError(f"size {size!r}: expected 'small' or 'large'")
        check_number("scale", scale, above=0, up_to=8)
        check_flag("se", se)
        table = _TABLES[size]
        stem_stride, *block_strides = check_strides(strides, 5)
        strided = [number for number, row in enumerate(table) if row.strided]

        channels = round8(16 * scale)
        self.conv = ConvBN(3, channels, 3, stem_stride, act="hardswish")
        self.blocks = nn.Sequential()
        for number, row in enumerate(table):
            stride = block_strides[strided.index(number)] if row.strided else 1
            self.blocks.append(_InvertedResidual(channels, row, scale, stride, se))
            channels = round8(row.out * scale)
        last = round8(_LAST[size] * scale)
        self.last_second_conv = ConvBN(channels, last, 1, act="hardswish")

        # A tap is the last map before the next halving; the stem alone makes stride 2.
        self._taps = [number - 1 for number in strided[1:]]
        widths = [round8(table[number].out * scale) for number in self._taps]
        self.feature_channels = dict(zip((4, 8, 16, 32), (*widths, last), strict=True))

    def forward_features(self, x: Tensor) -> tuple[Tensor, ...]:
        """Map (N, 3, H, W) to three block outputs and that of the last 1x1 convolution."""
        x = self.conv(x)
        features = []
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in self._taps:
                features.append(x)
        return (*features, self.last_second_conv(x))

    def stages(self) -> dict[str, list[nn.Module]]:
        """Groups of three blocks, as PaddleDetection has them; the ends go to their neighbours."""
        blocks = list(self.blocks)
        groups: list[list[nn.Module]] = [blocks[at : at + 3] for at in range(0, len(blocks), 3)]
        groups[0].insert(0, self.conv)
        groups[-1].append(self.last_second_conv)
        return {f"stage{number}": group for number, group in enumerate(groups, start=1)}
