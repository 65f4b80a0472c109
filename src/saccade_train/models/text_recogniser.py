"""Recognisers of text lines by name: a trunk, a BiLSTM and a CTC head (a CRNN, arXiv 1507.05717).

PP-OCRv2's (arXiv 2109.03144) trunk, "MobileNetV1Enhance x0.5", is PP-LCNet x1.0 to the parameter;
only its strides are those of text: a line of 32xW pixels keeps a quarter of its width and becomes
one pixel high. The other widths are ours.

``crnn_resnet10_vd_x0_5`` is ours too, after the server recogniser of PP-OCR, which stands on
ResNet34-vd: its shortcuts and full 3x3 convolutions learn to read in a tenth of the steps that the
depthwise trunk needs (docs/results.md), at about the same latency.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from saccade.errors import OptionError, nearest
from saccade_train.backbones.base import Backbone
from saccade_train.backbones.lcnet import LCNet
from saccade_train.backbones.resnet import ResNet
from saccade_train.heads.ctc import CTCHead
from saccade_train.necks.bilstm import BiLSTM

__all__ = [
    "LINE_HEIGHT",
    "TEXT_RECOGNISERS",
    "TextRecogniser",
    "TextSteps",
    "build_text_recogniser",
]

LINE_HEIGHT = 32
"""Pixels: the height of lines that the strides are made for."""

_TEXT_STRIDES = (2, 1, (2, 1), (2, 1), (2, 1))  # leave two rows and half of the width
_RESNET_STRIDES = (2, 2, (2, 1), (2, 1), (2, 1))  # leave one row and a quarter of the width

TEXT_RECOGNISERS: dict[str, Callable[[], Backbone]] = {
    "crnn_lcnet_x0_25": partial(LCNet, 0.25, strides=_TEXT_STRIDES),
    "crnn_lcnet_x0_35": partial(LCNet, 0.35, strides=_TEXT_STRIDES),
    "crnn_lcnet_x0_5": partial(LCNet, 0.5, strides=_TEXT_STRIDES),
    "crnn_lcnet_x0_75": partial(LCNet, 0.75, strides=_TEXT_STRIDES),
    "crnn_lcnet_x1_0": partial(LCNet, 1.0, strides=_TEXT_STRIDES),
    "crnn_resnet10_vd_x0_25": partial(ResNet, 10, width=0.25, strides=_RESNET_STRIDES),
    "crnn_resnet10_vd_x0_5": partial(ResNet, 10, width=0.5, strides=_RESNET_STRIDES),
    "crnn_resnet18_vd_x0_5": partial(ResNet, 18, width=0.5, strides=_RESNET_STRIDES),
}
"""Name -> what makes the trunk; ``crnn_lcnet_x1_0`` is PP-OCRv2's."""


class TextSteps(NamedTuple):
    """What the recogniser says about every step of a line; T is a quarter of W, see ``time_steps``.

    Attributes:
        logits: (N, T, classes), class 0 is the blank.
        features: (N, T, F), what the last layer sees; for the centre loss.
        columns: (N, C, 1, T), the trunk's map; for the feature distance of U-DML.
    """

    logits: Tensor
    features: Tensor
    columns: Tensor


class TextRecogniser(nn.Module):
    """Trunk -> max pool 2x2 where the trunk leaves two rows -> BiLSTM -> CTC head.

    Attributes:
        architecture: the name it was built by.
    """

    def __init__(self, architecture: str, backbone: Backbone, neck: BiLSTM, head: CTCHead) -> None:
        super().__init__()
        self.architecture = architecture
        self.backbone = backbone
        self.neck = neck
        self.head = head

    @property
    def num_classes(self) -> int:
        """Characters of the alphabet, and the blank."""
        return self.head.num_classes

    def probabilities(self, x: Tensor) -> Tensor:
        """Map normalised lines (N, 3, 32, W) to softmax (N, T, classes): the deployed function."""
        steps: TextSteps = self(x)
        return torch.softmax(steps.logits.float(), dim=2)

    def forward(self, x: Tensor) -> TextSteps:
        """Map normalised lines (N, 3, 32, W) to logits, features and columns.

        Raises:
            OptionError: lines of another height, where the map doesn't come out one pixel high.
        """
        columns = self.backbone(x)
        if columns.shape[2] > 1:
            columns = F.max_pool2d(columns, 2)  # (N, C, 1, T)
        logits, features = self.head(self.neck(columns))
        return TextSteps(logits, features, columns)


def build_text_recogniser(
    architecture: str, num_classes: int, *, hidden: int = 64, layers: int = 2, features: int = 96
) -> TextRecogniser:
    """Build a recogniser with freshly drawn weights.

    Args:
        architecture: a name of :data:`TEXT_RECOGNISERS`.
        num_classes: characters of the alphabet, plus one for the blank.
        hidden: units of each direction of each LSTM.
        layers: LSTMs on top of each other.
        features: width of the layer before the last.

    Raises:
        OptionError: an unknown name (the nearest are named), or a value out of range.

    Examples:
        >>> build_text_recogniser("crnn_lcnet_x0_25", 97).num_classes
        97
    """
    make_backbone = TEXT_RECOGNISERS.get(architecture)
    if make_backbone is None:
        raise OptionError(
            f"unknown text recogniser {architecture!r}; {nearest(architecture, TEXT_RECOGNISERS)}"
        )
    backbone = make_backbone()
    neck = BiLSTM(backbone.out_channels, hidden, layers)
    head = CTCHead(neck.out_channels, num_classes, features)
    return TextRecogniser(architecture, backbone, neck, head)
