"""The direction classifier of PP-OCRv2: is a line of text upside down?

MobileNetV3-small x0.35 whose strides shrink the height only, so that 48x192 pixels become 1x48,
a max pool, and one linear layer (``PaddleOCR/configs/cls/cls_mv3.yml``). The hard sigmoid of its SE
has slope 0.2, as in the released weights.

``direction_resnet10_vd_x0_25`` is ours: full 3x3 convolutions, which learn the task in minutes,
where the depthwise ones had not begun.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn
from torch.nn import functional as F

from saccade.errors import OptionError, nearest
from saccade_train.backbones.base import Backbone
from saccade_train.backbones.mobilenet_v3 import MobileNetV3
from saccade_train.backbones.resnet import ResNet
from saccade_train.layers.check import check_whole

__all__ = ["DIRECTIONS", "TEXT_DIRECTIONS", "TextDirection", "build_text_direction"]

DIRECTIONS = ("0", "180")
"""What the classes mean: degrees by which a line is turned."""


_PADDLE = "direction_mobilenet_v3_small_x0_35"

TEXT_DIRECTIONS: dict[str, Callable[[], Backbone]] = {
    _PADDLE: partial(MobileNetV3, "small", 0.35, strides=(2, (2, 1), (2, 1), (2, 1), (2, 1))),
    "direction_resnet10_vd_x0_25": partial(ResNet, 10, width=0.25),
}
"""Name -> what makes the backbone; the first one is PP-OCRv2's."""


class TextDirection(nn.Module):
    """Backbone -> max pool 2x2 -> mean -> linear layer.

    Attributes:
        architecture: the name of what was built.
    """

    def __init__(
        self, architecture: str, backbone: Backbone, num_classes: int = len(DIRECTIONS)
    ) -> None:
        super().__init__()
        check_whole("number of classes", num_classes, at_least=2)
        self.architecture = architecture
        self.backbone = backbone
        self.head = nn.Linear(backbone.out_channels, num_classes)
        nn.init.xavier_uniform_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map lines (N, 3, H, W), H above 32, to logits (N, num_classes); made for 48x192."""
        x = self.backbone(x)  # (N, C, ceil(H / 32), W / 2 or less)
        x = F.max_pool2d(x, 2)
        logits: Tensor = self.head(x.mean((2, 3)))
        return logits


def build_text_direction(
    num_classes: int = len(DIRECTIONS), architecture: str = _PADDLE
) -> TextDirection:
    """Build a direction classifier with freshly drawn weights.

    Args:
        num_classes: 2, or 4 for quarter turns.
        architecture: a name of :data:`TEXT_DIRECTIONS`.

    Raises:
        OptionError: an unknown name (the nearest are named).
    """
    make_backbone = TEXT_DIRECTIONS.get(architecture)
    if make_backbone is None:
        raise OptionError(
            f"unknown direction network {architecture!r}; {nearest(architecture, TEXT_DIRECTIONS)}"
        )
    return TextDirection(architecture, make_backbone(), num_classes)
