"""PP-LCNet (arXiv 2109.15099): a trunk of depthwise separable blocks made for CPUs.

Its four ingredients can be switched off one by one, as in the paper's ablation: H-Swish (``act``),
SE in the last two blocks (``se``), 5x5 kernels in the last seven (``large_kernel``), and the wide
layer before the classifier (``last_conv`` of the builder in ``models/classifier.py``). The table,
the width rule and the names of the modules follow
``PaddleClas/ppcls/arch/backbone/legendary_models/pp_lcnet.py``, so released weights fit by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn

from saccade.errors import OptionError
from saccade_train.backbones.base import Backbone, check_strides
from saccade_train.layers.activation import ActivationName
from saccade_train.layers.check import check_number
from saccade_train.layers.conv import ConvBN, Stride, round8
from saccade_train.layers.depthwise import DepthwiseSeparable

__all__ = ["LCNET_SCALES", "LCNet"]

LCNET_SCALES = (0.25, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5)
"""The published widths."""


class _Stage(NamedTuple):
    name: str
    in_channels: int
    out_channels: int
    blocks: int


_STAGES = (
    _Stage("blocks2", 16, 32, 1),  # stride 1
    _Stage("blocks3", 32, 64, 2),
    _Stage("blocks4", 64, 128, 2),
    _Stage("blocks5", 128, 256, 6),
    _Stage("blocks6", 256, 512, 2),
)
_BLOCKS = sum(stage.blocks for stage in _STAGES)  # 13
_SE_MASK = "0000000000011"
_LARGE_KERNEL_MASK = "0000001111111"  # the first block of stage 5 keeps its 3x3


class LCNet(Backbone):
    """The trunk of PP-LCNet: ``conv1`` and ``blocks2`` to ``blocks6``.

    Args:
        scale: multiplies every width; :data:`LCNET_SCALES` are the published ones.
        act: activation of every block (the SE keeps its own).
        se: ``True`` for the paper's SE in the last two blocks, ``False`` for none, or a mask of 13
            digits, one a block, as the ablation tables write it.
        large_kernel: ``True`` for 5x5 in the last seven blocks, ``False`` for none, or such a mask.
        strides: of ``conv1`` and of the first block of ``blocks3`` to ``blocks6``. Text recognition
            takes ``(2, 1, (2, 1), (2, 1), (2, 1))``, where a pair is (height, width).

    Raises:
        OptionError: a value outside its range.
    """

    blocks2: nn.Sequential
    blocks3: nn.Sequential
    blocks4: nn.Sequential
    blocks5: nn.Sequential
    blocks6: nn.Sequential

    def __init__(
        self,
        scale: float = 1.0,
        *,
        act: ActivationName = "hardswish",
        se: bool | str = True,
        large_kernel: bool | str = True,
        strides: Sequence[Stride | Sequence[int]] = (2, 2, 2, 2, 2),
    ) -> None:
        super().__init__()
        check_number("scale", scale, above=0, up_to=8)
        stem_stride, *stage_strides = check_strides(strides, 5)
        with_se = _read_mask("se", se, _SE_MASK)
        with_5x5 = _read_mask("large_kernel", large_kernel, _LARGE_KERNEL_MASK)

        self.conv1 = ConvBN(3, round8(16 * scale), 3, stem_stride, act=act)
        number = 0
        for stage, stage_stride in zip(_STAGES, (1, *stage_strides), strict=True):
            blocks = nn.Sequential()
            for index in range(stage.blocks):
                first = index == 0
                blocks.append(
                    DepthwiseSeparable(
                        round8((stage.in_channels if first else stage.out_channels) * scale),
                        round8(stage.out_channels * scale),
                        kernel=5 if with_5x5[number] else 3,
                        stride=stage_stride if first else 1,
                        se=with_se[number],
                        act=act,
                    )
                )
                number += 1
            self.add_module(stage.name, blocks)
        self.feature_channels = {
            tap: round8(width * scale) for tap, width in ((4, 64), (8, 128), (16, 256), (32, 512))
        }

    def forward_features(self, x: Tensor) -> tuple[Tensor, ...]:
        """Map (N, 3, H, W) to the outputs of ``blocks3`` to ``blocks6``."""
        x = self.blocks2(self.conv1(x))  # stride 2
        c2 = self.blocks3(x)
        c3 = self.blocks4(c2)
        c4 = self.blocks5(c3)
        c5 = self.blocks6(c4)
        return c2, c3, c4, c5

    def stages(self) -> dict[str, list[nn.Module]]:
        """The six groups of the reference."""
        return {name: [module] for name, module in self.named_children()}


def _read_mask(option: str, value: bool | str, default: str) -> list[bool]:
    """Turn True, False or a string of 13 digits into one bool a block."""
    mask = {True: default, False: "0" * _BLOCKS}.get(value) if isinstance(value, bool) else value
    if not isinstance(mask, str) or len(mask) != _BLOCKS or set(mask) - {"0", "1"}:
        raise OptionError(
            f"{option} {value!r}: expected true, false, or {_BLOCKS} digits 0 and 1 in quotes, "
            f"such as {default!r}"
        )
    return [digit == "1" for digit in mask]
