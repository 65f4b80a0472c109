"""Detectors by name: PP-PicoDet (arXiv 2111.00902) of both generations.

``picodet_*`` are the second generation, of March 2022: PP-LCNet, LC-PAN, :class:`PicoHeadV2`.
``picodet_v1_*`` are those of the paper: ESNet or PP-LCNet, CSP-PAN, :class:`PicoHead`; PP-ShiTu
(arXiv 2111.00775) finds main bodies with ``picodet_v1_lcnet_x2_5``. The numbers of parameters are
those of PaddleDetection's ``configs/picodet``, to the unit.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from torch import Tensor, nn

from saccade.errors import OptionError, nearest
from saccade_train.backbones.base import Backbone
from saccade_train.backbones.esnet import ESNET_RATIOS_M, ESNET_RATIOS_S, ESNet
from saccade_train.backbones.lcnet import LCNet
from saccade_train.heads.picodet import PicoHead, PicoHeadV2, PicoOutput
from saccade_train.necks.pan import PAN, csp_pan, lc_pan

__all__ = ["DETECTORS", "PicoDet", "build_detector"]

_STEP = 32


class PicoDet(nn.Module):
    """A backbone, a :class:`PAN` and a head.

    Attributes:
        architecture: the name it was built by.
        backbone: the trunk; ``backbone.forward_features`` gives maps at strides 4, 8, 16, 32.
        neck: makes maps at strides 8, 16, 32, 64 of the last three.
        head: makes one row a point of them.
    """

    def __init__(
        self, architecture: str, backbone: Backbone, neck: PAN, head: PicoHead | PicoHeadV2
    ) -> None:
        super().__init__()
        self.architecture = architecture
        self.backbone = backbone
        self.neck = neck
        self.head = head

    @property
    def num_classes(self) -> int:
        """How many classes each point has scores of."""
        return self.head.num_classes

    @property
    def decay_norm(self) -> bool:
        """Whether weight decay applies to BatchNorm's gamma and beta.

        The reference spares those of backbone, towers and gates, and decays the few of the neck and
        the alignment, which looks like an oversight; here none decays.
        """
        return self.backbone.decay_norm

    def forward(self, x: Tensor) -> PicoOutput:
        """Map normalised pictures (N, 3, H, W) to scores, logits and sides of every point.

        Raises:
            OptionError: H or W is no multiple of 32.
        """
        height, width = x.shape[2], x.shape[3]
        if height % _STEP or width % _STEP:
            raise OptionError(
                f"a picture of {height}x{width} pixels for {self.architecture}: height and width "
                "must be multiples of 32; resize it first"
            )
        output: PicoOutput = self.head(self.neck(self.backbone.forward_features(x)))
        return output


class _Variant(NamedTuple):
    backbone: Callable[[], Backbone]
    neck: Callable[..., PAN]
    head: Callable[[int, int, int], PicoHead | PicoHeadV2]
    channels: int
    convs: int


def build_detector(
    architecture: str, num_classes: int, *, neck_channels: int | None = None
) -> PicoDet:
    """Build a detector with freshly drawn weights.

    Args:
        architecture: a name of :data:`DETECTORS`.
        num_classes: at least 1; there is no background class.
        neck_channels: width of neck and head; by default that of the reference.

    Raises:
        OptionError: an unknown name (the nearest are named), or a value out of range.

    Examples:
        >>> build_detector("picodet_s", 3).neck.out_channels
        96
    """
    if architecture not in DETECTORS:
        raise OptionError(f"unknown detector {architecture!r}; {nearest(architecture, DETECTORS)}")
    variant = DETECTORS[architecture]
    channels = variant.channels if neck_channels is None else neck_channels
    backbone = variant.backbone()
    neck = variant.neck(backbone.feature_channels, channels)
    head = variant.head(channels, num_classes, variant.convs)
    return PicoDet(architecture, backbone, neck, head)


DETECTORS: dict[str, _Variant] = {
    "picodet_xs": _Variant(partial(LCNet, 0.35), lc_pan, PicoHeadV2, 96, 2),
    "picodet_s": _Variant(partial(LCNet, 0.75), lc_pan, PicoHeadV2, 96, 2),
    "picodet_m": _Variant(partial(LCNet, 1.5), lc_pan, PicoHeadV2, 128, 4),
    "picodet_l": _Variant(partial(LCNet, 2.0), lc_pan, PicoHeadV2, 160, 4),
    "picodet_v1_s": _Variant(partial(ESNet, 0.75, ESNET_RATIOS_S), csp_pan, PicoHead, 96, 2),
    "picodet_v1_m": _Variant(partial(ESNet, 1.0, ESNET_RATIOS_M), csp_pan, PicoHead, 128, 4),
    "picodet_v1_l": _Variant(partial(ESNet, 1.25, ESNET_RATIOS_M), csp_pan, PicoHead, 160, 4),
    "picodet_v1_lcnet_x1_0": _Variant(partial(LCNet, 1.0), csp_pan, PicoHead, 128, 4),
    "picodet_v1_lcnet_x1_5": _Variant(partial(LCNet, 1.5), csp_pan, PicoHead, 128, 4),
    "picodet_v1_lcnet_x2_5": _Variant(partial(LCNet, 2.5), csp_pan, PicoHead, 128, 4),
}
"""Name -> backbone, neck, head, their width, and the convolutions of a tower."""
