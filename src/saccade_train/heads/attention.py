"""WS-DAN's head: the vector of each part that attention finds (arXiv 1901.09891).

A 1x1 convolution with BatchNorm and ReLU makes M attention maps out of the last feature map;
bilinear attention pooling gives each part its vector; the classifier is linear. The factor 100
before it is that of ``GuYuc/WS-DAN.PyTorch``: vectors of unit length would make logits too alike.
"""

from __future__ import annotations

from torch import Tensor

from saccade_train.heads.pooled import PooledHead
from saccade_train.layers.check import check_whole
from saccade_train.layers.conv import ConvBN
from saccade_train.semisup.wsdan import bilinear_attention_pool

__all__ = ["AttentionHead"]

_SCALE = 100.0


class AttentionHead(PooledHead):
    """Attention maps -> bilinear attention pooling -> linear, in place of a pooled head.

    Args:
        in_channels: channels C of the feature map.
        num_classes: how many logits.
        maps: attention maps M; the vector before the linear layer has M * C numbers.
    """

    def __init__(self, in_channels: int, num_classes: int, maps: int) -> None:
        check_whole("maps", maps, at_least=1)
        super().__init__(maps * in_channels, num_classes, fc_init="fan_in")
        self.attention = ConvBN(in_channels, maps, 1, act="relu")

    def look(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Map (N, C, H, W) to part vectors of unit length (N, M * C) and to maps (N, M, H, W)."""
        maps: Tensor = self.attention(features)
        # In float32: a square root near 0 magnifies what bfloat16 rounds off.
        return bilinear_attention_pool(features.float(), maps.float()), maps

    def classify(self, parts: Tensor) -> Tensor:
        """Map part vectors (N, M * C) to logits (N, num_classes)."""
        logits: Tensor = self.fc(_SCALE * parts)
        return logits

    def embed(self, features: Tensor) -> Tensor:
        """Map (N, C, H, W) to the vector before the linear layer, (N, M * C), of length 100."""
        return _SCALE * self.look(features)[0]
