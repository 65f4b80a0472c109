"""The head of the DB text detector (arXiv 1911.08947, section 3.2 and equation 2)."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from saccade.errors import OptionError
from saccade_train.layers.conv import conv2d

__all__ = ["DBHead", "DBMaps", "step"]


class DBMaps(NamedTuple):
    """What the detector says about every pixel, each float32 (N, 1, H, W) in 0..1.

    Attributes:
        shrink: P, the probability of lying in the shrunk core of a text region.
        threshold: T, the threshold that belongs to the pixel.
        binary: B, P held against T through a steep sigmoid.
    """

    shrink: Tensor
    threshold: Tensor
    binary: Tensor


def step(probability: Tensor, threshold: Tensor, k: float = 50.0) -> Tensor:
    """Binarise so that a gradient passes: 1 / (1 + exp(-k (P - T))).

    Examples:
        >>> round(float(step(torch.tensor(0.31), torch.tensor(0.3))), 4)
        0.6225
    """
    return torch.sigmoid(k * (probability - threshold))


class DBHead(nn.Module):
    """Two branches alike, ``binarize`` for P and ``thresh`` for T, from stride 4 to stride 1.

    Args:
        in_channels: channels of the neck's map, a multiple of 4.
        k: steepness of :func:`step`.

    Raises:
        OptionError: ``in_channels`` is no multiple of 4.
    """

    def __init__(self, in_channels: int, k: float = 50.0) -> None:
        super().__init__()
        if in_channels < 4 or in_channels % 4:
            raise OptionError(f"head channels {in_channels}: expected a multiple of 4")
        self.k = k
        self.binarize = _Branch(in_channels)
        self.thresh = _Branch(in_channels)

    def probability(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, H / 4, W / 4) to P (N, 1, H, W): all that a deployed model needs."""
        p: Tensor = self.binarize(x)
        return p

    def forward(self, x: Tensor) -> DBMaps:
        """Map (N, in_channels, H / 4, W / 4) to the three maps (N, 1, H, W)."""
        p, t = self.binarize(x), self.thresh(x)
        return DBMaps(p, t, step(p, t, self.k))


class _Branch(nn.Module):
    """3x3 convolution, two transposed 2x2 convolutions, sigmoid; the names are the reference's."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        inner = in_channels // 4
        self.conv1 = conv2d(in_channels, inner, 3)
        self.conv_bn1 = _batch_norm(inner)
        self.conv2 = _double(inner, inner)
        self.conv_bn2 = _batch_norm(inner)
        self.conv3 = _double(inner, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.conv_bn1(self.conv1(x)))
        x = torch.relu(self.conv_bn2(self.conv2(x)))
        # In half precision a sigmoid saturates at 1 far too early for the losses on maps.
        return torch.sigmoid(self.conv3(x).float())


def _batch_norm(channels: int) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(channels, eps=1e-5, momentum=0.1)
    nn.init.constant_(norm.bias, 1e-4)
    return norm


def _double(in_channels: int, out_channels: int) -> nn.ConvTranspose2d:
    """A transposed convolution that doubles both sides."""
    deconv = nn.ConvTranspose2d(in_channels, out_channels, 2, stride=2)
    nn.init.kaiming_uniform_(deconv.weight, mode="fan_in", nonlinearity="relu")
    assert deconv.bias is not None
    bound = 1.0 / math.sqrt(in_channels)
    nn.init.uniform_(deconv.bias, -bound, bound)
    return deconv
