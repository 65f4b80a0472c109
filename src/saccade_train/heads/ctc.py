"""The head of a CTC recogniser: two linear layers over every step of a sequence.

``PaddleOCR/ppocr/modeling/heads/rec_ctc_head.py`` with ``mid_channels``. There is no activation
between the two layers: the narrow one keeps the matrix of a large alphabet small, and its output is
the feature that the centre loss pulls together.
"""

from __future__ import annotations

from torch import Tensor, nn

from saccade_train.layers.check import check_whole

__all__ = ["CTCHead"]


class CTCHead(nn.Module):
    """(N, T, in_channels) -> fc1 -> (N, T, features) -> fc2 -> (N, T, classes).

    Args:
        in_channels: length of a step's vector.
        num_classes: the alphabet and the blank, which is class 0.
        features: width of the layer in between.
    """

    def __init__(self, in_channels: int, num_classes: int, features: int = 96) -> None:
        super().__init__()
        check_whole("features", features, at_least=1)
        self.features = features
        # PyTorch draws weights and biases uniform within 1 / sqrt(fan_in), as the reference does.
        self.fc1 = nn.Linear(in_channels, features)
        self.reset(num_classes)

    def reset(self, num_classes: int) -> None:
        """Put a new last layer for that many classes, freshly drawn."""
        check_whole("number of classes", num_classes, at_least=2)
        self.num_classes = num_classes
        self.fc2 = nn.Linear(self.features, num_classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map (N, T, in_channels) to logits (N, T, num_classes) and features (N, T, features)."""
        features = self.fc1(x)
        return self.fc2(features), features
