"""The direction classifier of PP-OCRv2: is a line of text upside down?

MobileNetV3-small x0.35 whose strides shrink the height only, so that 48x192 pixels become 1x48,
a max pool, and one linear layer (``PaddleOCR/configs/cls/cls_mv3.yml``). The hard sigmoid of its SE
has slope 0.2, as in the released weights.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from saccade_train.backbones.base import Backbone
from saccade_train.backbones.mobilenet_v3 import MobileNetV3
from saccade_train.layers.check import check_whole

__all__ = ["DIRECTIONS", "TextDirection", "build_text_direction"]

DIRECTIONS = ("0", "180")
"""What the classes mean: degrees by which a line is turned."""


class TextDirection(nn.Module):
    """Backbone -> max pool 2x2 -> mean -> linear layer.

    Attributes:
        architecture: the name of what was built.
    """

    architecture = "direction_mobilenet_v3_small_x0_35"

    def __init__(self, backbone: Backbone, num_classes: int = len(DIRECTIONS)) -> None:
        super().__init__()
        check_whole("number of classes", num_classes, at_least=2)
        self.backbone = backbone
        self.head = nn.Linear(backbone.out_channels, num_classes)
        nn.init.xavier_uniform_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map lines (N, 3, H, W), H above 32, to logits (N, num_classes); made for 48x192."""
        x = self.backbone(x)  # (N, C, ceil(H / 32), ceil(W / 2))
        x = F.max_pool2d(x, 2)
        logits: Tensor = self.head(x.mean((2, 3)))
        return logits


def build_text_direction(num_classes: int = len(DIRECTIONS)) -> TextDirection:
    """Build the direction classifier with freshly drawn weights.

    Args:
        num_classes: 2, or 4 for quarter turns.
    """
    strides = (2, (2, 1), (2, 1), (2, 1), (2, 1))
    return TextDirection(MobileNetV3("small", 0.35, strides=strides), num_classes)
