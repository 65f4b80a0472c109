"""Text detectors by name: a backbone, the DB pyramid and the DB head.

PP-OCRv2 (arXiv 2109.03144) deploys ``db_mobilenet_v3_large_x0_5`` and learns from
``db_resnet18_vd``, the detector of the PP-OCR server models. The variants on PP-LCNet are ours, and
so is ``db_resnet10_vd_x0_5``: full convolutions, which learn faster from scratch on a CPU.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from saccade.errors import OptionError, nearest
from saccade_train.backbones.base import Backbone
from saccade_train.backbones.lcnet import LCNet
from saccade_train.backbones.mobilenet_v3 import MobileNetV3
from saccade_train.backbones.resnet import ResNet
from saccade_train.heads.db import DBHead, DBMaps
from saccade_train.necks.dbfpn import DBFPN

__all__ = ["TEXT_DETECTORS", "TextDetector", "build_text_detector"]


class TextDetector(nn.Module):
    """A backbone, a :class:`DBFPN` and a :class:`DBHead`.

    Pictures are normalised float (N, 3, H, W); H and W are multiples of 32.

    Attributes:
        architecture: the name it was built by.
    """

    def __init__(self, architecture: str, backbone: Backbone, neck: DBFPN) -> None:
        super().__init__()
        self.architecture = architecture
        self.backbone = backbone
        self.neck = neck
        self.head = DBHead(neck.out_channels)

    def probability(self, x: Tensor) -> Tensor:
        """Map (N, 3, H, W) to the probability map (N, 1, H, W): the deployed function."""
        return self.head.probability(self.neck(self.backbone.forward_features(x)))

    def forward(self, x: Tensor) -> DBMaps:
        """Map (N, 3, H, W) to the three maps that the losses need, each (N, 1, H, W)."""
        maps: DBMaps = self.head(self.neck(self.backbone.forward_features(x)))
        return maps


def build_text_detector(architecture: str, *, neck_channels: int | None = None) -> TextDetector:
    """Build a text detector with freshly drawn weights.

    Args:
        architecture: a name of :data:`TEXT_DETECTORS`.
        neck_channels: width of the pyramid, a multiple of 4; by default 96; 256 and 64 on a ResNet.

    Raises:
        OptionError: an unknown name (the nearest are named), or a value out of range.

    Examples:
        >>> build_text_detector("db_mobilenet_v3_large_x0_5").neck.out_channels
        96
    """
    if architecture not in TEXT_DETECTORS:
        raise OptionError(
            f"unknown text detector {architecture!r}; {nearest(architecture, TEXT_DETECTORS)}"
        )
    make_backbone, channels = TEXT_DETECTORS[architecture]
    backbone = make_backbone()
    neck = DBFPN(backbone.feature_channels, neck_channels or channels)
    return TextDetector(architecture, backbone, neck)


TEXT_DETECTORS: dict[str, tuple[Callable[[], Backbone], int]] = {
    "db_mobilenet_v3_large_x0_35": (partial(MobileNetV3, "large", 0.35, se=False), 96),
    "db_mobilenet_v3_large_x0_5": (partial(MobileNetV3, "large", 0.5, se=False), 96),
    "db_mobilenet_v3_large_x1_0": (partial(MobileNetV3, "large", 1.0, se=False), 96),
    "db_lcnet_x0_25": (partial(LCNet, 0.25), 96),
    "db_lcnet_x0_35": (partial(LCNet, 0.35), 96),
    "db_lcnet_x0_5": (partial(LCNet, 0.5), 96),
    "db_lcnet_x0_75": (partial(LCNet, 0.75), 96),
    "db_lcnet_x1_0": (partial(LCNet, 1.0), 96),
    "db_resnet10_vd_x0_5": (partial(ResNet, 10, width=0.5), 64),
    "db_resnet18_vd": (partial(ResNet, 18), 256),
    "db_resnet50_vd": (partial(ResNet, 50), 256),
}
"""Name -> what makes the backbone, and the width of the pyramid."""
