"""From the last feature map to one vector, and from that to class logits."""

from __future__ import annotations

import math
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from saccade.errors import OptionError
from saccade_train.layers.activation import ActivationName, activation
from saccade_train.layers.check import check_flag, check_whole
from saccade_train.layers.conv import conv2d
from saccade_train.layers.dropout import dropout as make_dropout

__all__ = ["FcInit", "PooledHead"]

FcInit = Literal["xavier", "fan_in"]


class PooledHead(nn.Module):
    """Global average pool -> [1x1 conv -> activation -> dropout] -> linear.

    The part in brackets is PP-LCNet's and MobileNetV3's "last conv": a wide layer behind the
    pooling, where it costs next to nothing.

    Args:
        in_channels: channels of the feature map.
        num_classes: how many logits.
        expand: width of the layer in brackets; ``None`` leaves the brackets out.
        expand_bias: whether the 1x1 conv has a bias; timm's PP-LCNet has one, the reference none.
        act: its activation; None for none.
        dropout: its dropout rate, in [0, 1).
        paddle_compat: dropout in Paddle's form, see :mod:`saccade_train.layers.dropout`.
        fc_init: ``"xavier"`` uniform (Paddle's default), or ``"fan_in"``: uniform within
            1 / sqrt(in_features), as PaddleClas' ResNet. The bias starts at 0.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        *,
        expand: int | None = None,
        expand_bias: bool = False,
        act: ActivationName | None = "hardswish",
        dropout: float = 0.2,
        paddle_compat: bool = False,
        fc_init: FcInit = "xavier",
    ) -> None:
        super().__init__()
        check_flag("last_conv_bias", expand_bias)
        check_flag("paddle_compat", paddle_compat)
        if expand is not None:
            check_whole("class_expand", expand, at_least=1)
        if type(dropout) not in (int, float) or not 0 <= dropout < 1:
            raise OptionError(f"dropout {dropout!r}: expected a rate from 0 up to below 1")
        self.fc_init = fc_init
        self.embedding_dim = in_channels if expand is None else expand
        if expand is None:
            self.last_conv: nn.Module = nn.Identity()
            self.act: nn.Module = nn.Identity()
            self.dropout: nn.Module = nn.Identity()
        else:
            self.last_conv = conv2d(in_channels, expand, 1, bias=expand_bias)
            self.act = activation(act)
            self.dropout = make_dropout(dropout, paddle_compat=paddle_compat)
        self.reset(num_classes)

    def reset(self, num_classes: int) -> None:
        """Put a new linear layer for that many classes, freshly drawn."""
        check_whole("number of classes", num_classes, at_least=1)
        self.num_classes = num_classes
        self.fc = nn.Linear(self.embedding_dim, num_classes)
        if self.fc_init == "xavier":
            nn.init.xavier_uniform_(self.fc.weight)
        else:
            bound = 1.0 / math.sqrt(self.embedding_dim)
            nn.init.uniform_(self.fc.weight, -bound, bound)
        nn.init.zeros_(self.fc.bias)

    def embed(self, features: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to the vector before the linear layer, (N, embedding_dim)."""
        pooled = F.adaptive_avg_pool2d(features, 1)
        vector: Tensor = self.dropout(self.act(self.last_conv(pooled)))
        return vector.flatten(1)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to logits (N, num_classes)."""
        logits: Tensor = self.fc(self.embed(features))
        return logits
