"""PP-LCNetV2: LCNet with kernels learnt in parallel, shortcuts and ReLU; of PP-ShiTu V2.

No paper: the table and the names of the modules follow
``PaddleClas/ppcls/arch/backbone/legendary_models/pp_lcnet_v2.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn

from saccade.errors import OptionError
from saccade_train.backbones.base import Backbone, check_strides
from saccade_train.layers.conv import ConvBN, Stride, round8
from saccade_train.layers.rep_depthwise import RepDepthwiseSeparable

__all__ = ["LCNET_V2_SIZES", "LCNetV2"]


class _Size(NamedTuple):
    scale: float
    depths: tuple[int, int, int, int]


LCNET_V2_SIZES = {
    "small": _Size(0.75, (2, 2, 4, 2)),
    "base": _Size(1.0, (2, 2, 6, 2)),
    "large": _Size(1.25, (2, 2, 8, 2)),
}
"""The three published sizes: width, and blocks of each stage."""


class _Stage(NamedTuple):
    channels: int  # in; twice as many come out
    kernel: int
    split: bool
    rep: bool
    se: bool
    shortcut: bool


_STAGES = (
    _Stage(64, 3, split=False, rep=False, se=False, shortcut=False),
    _Stage(128, 3, split=False, rep=False, se=False, shortcut=False),
    _Stage(256, 5, split=True, rep=True, se=True, shortcut=False),
    _Stage(512, 5, split=False, rep=True, se=False, shortcut=True),
)


class LCNetV2(Backbone):
    """The trunk of PP-LCNetV2: a stem and four stages.

    Args:
        size: ``"small"``, ``"base"`` or ``"large"``.
        strides: of the stem's first layer and of the stages; PP-ShiTu V2 ends in 1.

    Raises:
        OptionError: a value outside its range.
    """

    def __init__(
        self,
        size: str = "base",
        *,
        strides: Sequence[Stride | Sequence[int]] = (2, 2, 2, 2, 2),
    ) -> None:
        super().__init__()
        if size not in LCNET_V2_SIZES:
            raise OptionError(f"size {size!r}: expected one of {', '.join(LCNET_V2_SIZES)}")
        scale, depths = LCNET_V2_SIZES[size]
        stem_stride, *stage_strides = check_strides(strides, 5)

        def width(channels: int) -> int:
            return round8(channels * scale)

        self.stem = nn.Sequential(
            ConvBN(3, width(32), 3, stem_stride, act="relu"),
            RepDepthwiseSeparable(width(32), width(64)),
        )
        # The reference's name, "stages", is taken by a method.
        self.rep_stages = nn.ModuleList()
        for stage, depth, stride in zip(_STAGES, depths, stage_strides, strict=True):
            blocks = [
                RepDepthwiseSeparable(
                    width(stage.channels if index == 0 else 2 * stage.channels),
                    width(2 * stage.channels),
                    stage.kernel,
                    stride if index == 0 else 1,
                    rep=stage.rep,
                    split=stage.split,
                    se=stage.se,
                    shortcut=stage.shortcut,
                )
                for index in range(depth)
            ]
            self.rep_stages.append(nn.Sequential(*blocks))
        self.feature_channels = {
            4 * 2**number: width(2 * stage.channels) for number, stage in enumerate(_STAGES)
        }

    def forward_features(self, x: Tensor) -> tuple[Tensor, ...]:
        """Map (N, 3, H, W) to the outputs of the four stages."""
        x = self.stem(x)
        features = []
        for stage in self.rep_stages:
            x = stage(x)
            features.append(x)
        return tuple(features)

    def stages(self) -> dict[str, list[nn.Module]]:
        """The stem and the four stages."""
        groups: dict[str, list[nn.Module]] = {"stem": [self.stem]}
        for number, stage in enumerate(self.rep_stages, start=1):
            groups[f"stage{number}"] = [stage]
        return groups
