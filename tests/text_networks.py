"""Small text networks whose numbers stay in a sensible range, for tests of export."""

from __future__ import annotations

import torch
from torch import nn

from saccade_train.models.text_detector import TextDetector, build_text_detector
from saccade_train.models.text_direction import TextDirection, build_text_direction
from saccade_train.models.text_recogniser import TextRecogniser, build_text_recogniser

ALPHABET = tuple("abcdefgh 0")


def settled(model: nn.Module, height: int, width: int) -> None:
    """Draw BatchNorms that do something, with the statistics of noise.

    Without those, a map of random weights saturates, and rounding becomes visible.
    """
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the plain mean of what is seen
            nn.init.uniform_(module.weight, 0.5, 1.5, generator=generator)
            nn.init.normal_(module.bias, 0, 0.2, generator=generator)
    model.train()
    with torch.no_grad():
        for _ in range(3):
            model(torch.randn(4, 3, height, width, generator=generator))
    model.eval()


def calmed(model: TextDetector) -> None:
    """Bring the logits of random weights, which reach hundreds, to those of a trained detector."""
    with torch.no_grad():
        for branch in (model.head.binarize, model.head.thresh):
            branch.conv3.weight.mul_(0.1)


def small_detector() -> TextDetector:
    torch.manual_seed(1)
    model = build_text_detector("db_lcnet_x0_25", neck_channels=24)
    settled(model, 64, 96)
    calmed(model)
    return model


def small_direction() -> TextDirection:
    torch.manual_seed(2)
    model = build_text_direction()
    settled(model, 48, 192)
    return model


def small_recogniser(classes: int = len(ALPHABET) + 1) -> TextRecogniser:
    torch.manual_seed(3)
    model = build_text_recogniser("crnn_lcnet_x0_25", classes, hidden=12, features=16)
    settled(model, 32, 96)
    return model
