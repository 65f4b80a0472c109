"""Losses of boxes by how they overlap, pair by pair: IoU, GIoU, DIoU, CIoU.

GIoU is arXiv 1902.09630, algorithm 1; DIoU and CIoU are arXiv 1911.08287, equations 7 and 10. As in
``PaddleDetection/ppdet/modeling/losses/iou_loss.py``, 1e-10 is added to what divides. Boxes are
xyxy of any unit; two shapes that broadcast, (..., 4) each, give (...). Boxes without area are
allowed: what they lack is a gradient, not a value.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["ciou_loss", "diou_loss", "giou", "giou_loss", "iou_loss"]

_EPS = 1e-10


def iou_loss(boxes: Tensor, targets: Tensor) -> Tensor:
    """1 - IoU: without a slope where boxes don't touch. In 0..1."""
    shared, union = _areas(boxes, targets)
    return 1 - shared / union


def giou(boxes: Tensor, targets: Tensor) -> Tensor:
    """IoU - (C - U) / C with the union U and the smallest box C around both. In -1..1."""
    shared, union = _areas(boxes, targets)
    around = _product(_around(boxes, targets)) + _EPS
    return shared / union - (around - union) / around


def giou_loss(boxes: Tensor, targets: Tensor) -> Tensor:
    """1 - GIoU, in 0..2."""
    return 1 - giou(boxes, targets)


def diou_loss(boxes: Tensor, targets: Tensor) -> Tensor:
    """1 - IoU + d^2 / c^2: distance of the centres by the diagonal of the box around both."""
    return iou_loss(boxes, targets) + _distance(boxes, targets)


def ciou_loss(boxes: Tensor, targets: Tensor) -> Tensor:
    """DIoU loss + a v, with v = (4 / pi^2) * (difference of atan(w / h))^2, a = v / (1 - IoU + v).

    The factor ``a`` has no gradient, as in the paper.
    """
    apart = iou_loss(boxes, targets)
    v = 4 / math.pi**2 * (_angle(targets) - _angle(boxes)).square()
    a = (v / (apart + v + _EPS)).detach()
    return apart + _distance(boxes, targets) + a * v


def _areas(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Intersection and union, the latter with eps."""
    low = torch.maximum(first[..., :2], second[..., :2])
    high = torch.minimum(first[..., 2:], second[..., 2:])
    shared = _product((high - low).clamp_min(0))
    own = _product(first[..., 2:] - first[..., :2])
    other = _product(second[..., 2:] - second[..., :2])
    return shared, own + other - shared + _EPS


def _around(first: Tensor, second: Tensor) -> Tensor:
    """Width and height of the smallest box around both, (..., 2)."""
    low = torch.minimum(first[..., :2], second[..., :2])
    high = torch.maximum(first[..., 2:], second[..., 2:])
    return high - low


def _product(sides: Tensor) -> Tensor:
    """Width * height; the gradient of ``prod`` is far slower, and worse where a side is 0."""
    return sides[..., 0] * sides[..., 1]


def _distance(first: Tensor, second: Tensor) -> Tensor:
    """Squared distance of the centres by the squared diagonal around both, in 0..1."""
    centres = (first[..., :2] + first[..., 2:] - second[..., :2] - second[..., 2:]) / 2
    diagonal = _around(first, second).square().sum(-1) + _EPS
    return centres.square().sum(-1) / diagonal


def _angle(boxes: Tensor) -> Tensor:
    """atan(width / height)."""
    sides = boxes[..., 2:] - boxes[..., :2]
    return torch.atan2(sides[..., 0], sides[..., 1].clamp_min(_EPS))
