"""The heads of PP-PicoDet (arXiv 2111.00902), of both generations, and how boxes are read off them.

Every cell of four maps, at strides 8, 16, 32 and 64, is a point at its centre. For each point a
head gives one logit a class, and for each of the four sides of a box a distribution over the
distances 0 .. 7 in strides (Generalized Focal Loss, arXiv 2006.04388). The facts are those of
``PaddleDetection/ppdet/modeling/heads/pico_head.py``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from saccade_train.layers.check import check_whole
from saccade_train.layers.conv import ConvBN, conv2d
from saccade_train.layers.depthwise import DepthwiseSeparable

__all__ = [
    "REG_MAX",
    "STRIDES",
    "PicoHead",
    "PicoHeadV2",
    "PicoOutput",
    "decode_boxes",
    "expected_distances",
    "grid_points",
]

STRIDES = (8, 16, 32, 64)
"""Of the four maps, in pixels of the network's input."""

REG_MAX = 7
"""The largest distance from a point to a side of its box, in strides."""

_SIDES = 4 * (REG_MAX + 1)
_PRIOR = -math.log((1 - 0.01) / 0.01)  # the bias at which every class begins with probability 0.01


class PicoOutput(NamedTuple):
    """What a detector says about every point, float32; P points, level by level, row by row.

    Attributes:
        scores: (N, P, C), probabilities in 0..1.
        logits: (N, P, C), of the classes, before the sigmoid.
        regression: (N, P, 4 * (REG_MAX + 1)), logits of the distances to the left, top, right and
            bottom side.
        points: (P, 2), x and y of the cells' centres, in pixels of the network's input.
        strides: (P,), in pixels.
    """

    scores: Tensor
    logits: Tensor
    regression: Tensor
    points: Tensor
    strides: Tensor


def expected_distances(regression: Tensor) -> Tensor:
    """Take the mean of each side's distribution: sum over j of j * softmax(z)_j.

    Args:
        regression: (..., 4 * bins), logits.

    Returns:
        (..., 4), distances to left, top, right and bottom, in strides, 0 .. bins - 1.

    Examples:
        >>> expected_distances(torch.zeros(1, 32))
        tensor([[3.5000, 3.5000, 3.5000, 3.5000]])
    """
    bins = regression.shape[-1] // 4
    probabilities = regression.reshape(*regression.shape[:-1], 4, bins).softmax(dim=-1)
    steps = torch.arange(bins, dtype=regression.dtype, device=regression.device)
    return torch.matmul(probabilities, steps)


def decode_boxes(output: PicoOutput) -> Tensor:
    """Compute the box of every point, (N, P, 4) xyxy in pixels of the input; nothing is clipped."""
    distances = expected_distances(output.regression) * output.strides[:, None]
    near, far = distances.chunk(2, dim=-1)
    return torch.cat([output.points - near, output.points + far], dim=-1)


def grid_points(
    sizes: Sequence[tuple[int, int]], device: torch.device | None = None
) -> tuple[Tensor, Tensor]:
    """Give the centres of all cells of the four maps, and the strides that they belong to.

    Args:
        sizes: (height, width) of each map.
        device: of the results.

    Returns:
        (P, 2), x and y in pixels, row by row; and (P,). Both float32.

    Examples:
        >>> points, strides = grid_points([(1, 2), (1, 1), (1, 1), (1, 1)])
        >>> points.tolist()
        [[4.0, 4.0], [12.0, 4.0], [8.0, 8.0], [16.0, 16.0], [32.0, 32.0]]
    """
    points, strides = [], []
    for stride, (height, width) in zip(STRIDES, sizes, strict=True):
        x = (torch.arange(width, dtype=torch.float32, device=device) + 0.5) * stride
        y = (torch.arange(height, dtype=torch.float32, device=device) + 0.5) * stride
        rows, columns = torch.meshgrid(y, x, indexing="ij")
        points.append(torch.stack([columns.flatten(), rows.flatten()], dim=1))
        strides.append(torch.full_like(rows, float(stride)).flatten())
    return torch.cat(points), torch.cat(strides)


class PicoHead(nn.Module):
    """The head of the paper: a tower and one 1x1 convolution for classes and sides, a level.

    The levels share nothing. A score is the sigmoid of its logit.

    Args:
        channels: of the four maps.
        num_classes: C.
        convs: separable 5x5 convolutions in a tower: 2 for S, 4 for M and L.

    Raises:
        OptionError: a number below 1.
    """

    def __init__(self, channels: int, num_classes: int, convs: int) -> None:
        super().__init__()
        check_whole("number of classes", num_classes, at_least=1)
        check_whole("tower convolutions", convs, at_least=1)
        self.num_classes = num_classes
        self.levels = nn.ModuleList(_Level(channels, num_classes, convs) for _ in STRIDES)

    def forward(self, features: Sequence[Tensor]) -> PicoOutput:
        """Map P3..P6, each (N, channels, H / s, W / s), to one row a point."""
        maps = [level(x) for level, x in zip(self.levels, features, strict=True)]
        rows = _rows(maps)
        logits, regression = rows[..., : self.num_classes], rows[..., self.num_classes :]
        return _output(logits.sigmoid(), logits, regression, features)


class PicoHeadV2(nn.Module):
    """The head of the second generation, a level: a tower, a gate, two 1x1 convolutions, alignment.

    Classes and sides are read from the gated map. The alignment p in 0..1 is read from the map
    before the gate, as in TOOD (arXiv 2108.07755), and a score is sqrt(sigmoid(logit) * p + 1e-9).

    Args:
        channels: of the four maps.
        num_classes: C.
        convs: separable 5x5 convolutions in a tower: 2 for XS and S, 4 for M and L.

    Raises:
        OptionError: a number below 1.
    """

    def __init__(self, channels: int, num_classes: int, convs: int) -> None:
        super().__init__()
        check_whole("number of classes", num_classes, at_least=1)
        check_whole("tower convolutions", convs, at_least=1)
        self.num_classes = num_classes
        self.levels = nn.ModuleList(_LevelV2(channels, num_classes, convs) for _ in STRIDES)

    def forward(self, features: Sequence[Tensor]) -> PicoOutput:
        """Map P3..P6, each (N, channels, H / s, W / s), to one row a point."""
        maps = [level(x) for level, x in zip(self.levels, features, strict=True)]
        logits, regression, align = (_rows(level) for level in zip(*maps, strict=True))
        # The rows are float32: 1e-9 is nothing in half precision, and the root's slope at 0 is not.
        scores = (logits.sigmoid() * align.sigmoid() + 1e-9).sqrt()
        return _output(scores, logits, regression, features)


class _Level(nn.Module):
    """(N, C, H, W) to logits of the classes and the sides, (N, num_classes + 32, H, W)."""

    def __init__(self, channels: int, num_classes: int, convs: int) -> None:
        super().__init__()
        self.tower = _tower(channels, convs)
        # The reference begins with this bias at the sides too; all bins alike, it says nothing.
        self.predict = _last(channels, num_classes + _SIDES, _PRIOR)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.predict(self.tower(x))
        return y


class _LevelV2(nn.Module):
    """(N, C, H, W) to (N, num_classes, H, W), (N, 32, H, W) and (N, 1, H, W), all logits."""

    def __init__(self, channels: int, num_classes: int, convs: int) -> None:
        super().__init__()
        self.tower = _tower(channels, convs)
        self.gate = _Gate(channels)
        self.classes = _last(channels, num_classes, _PRIOR)
        self.sides = _last(channels, _SIDES, 0.0)
        # Built in the reference as a separable block of one channel: hence a full 5x5.
        self.align = nn.Sequential(ConvBN(channels, 1, 5, act="hardswish"), ConvBN(1, 1, 1))
        for conv in self.align.modules():
            if isinstance(conv, nn.Conv2d):
                nn.init.kaiming_uniform_(conv.weight, mode="fan_in", nonlinearity="relu")

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = self.tower(x)
        gated = self.gate(x)
        return self.classes(gated), self.sides(gated), self.align(x)


class _Gate(nn.Module):
    """Weigh each channel by a plain sigmoid of the global average, then 1x1 with BN and H-Swish."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc = conv2d(channels, channels, 1, bias=True)
        nn.init.normal_(self.fc.weight, std=0.001)
        self.conv = _normal(ConvBN(channels, channels, 1, act="hardswish"))

    def forward(self, x: Tensor) -> Tensor:
        weights = self.fc(F.adaptive_avg_pool2d(x, 1)).sigmoid()
        y: Tensor = self.conv(x * weights)
        return y


def _tower(channels: int, convs: int) -> nn.Module:
    return _normal(
        nn.Sequential(*(DepthwiseSeparable(channels, channels, 5) for _ in range(convs)))
    )


def _last(channels: int, out_channels: int, bias: float) -> nn.Module:
    conv = conv2d(channels, out_channels, 1, bias=True)
    assert conv.bias is not None
    nn.init.constant_(conv.bias, bias)
    return _normal(conv)


def _normal(module: nn.Module) -> nn.Module:
    """Draw the convolutions from N(0, 0.01), the reference's choice in the head."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.normal_(part.weight, std=0.01)
    return module


def _rows(maps: Sequence[Tensor]) -> Tensor:
    """Join maps (N, C, H, W) to float32 rows (N, P, C)."""
    return torch.cat([one.flatten(2) for one in maps], dim=2).transpose(1, 2).float()


def _output(
    scores: Tensor, logits: Tensor, regression: Tensor, features: Sequence[Tensor]
) -> PicoOutput:
    sizes = [(one.shape[2], one.shape[3]) for one in features]
    points, strides = grid_points(sizes, features[0].device)
    return PicoOutput(scores, logits, regression, points, strides)
