"""Axis-aligned boxes as arrays.

A box is ``(x1, y1, x2, y2)`` in pixels, ``(x1, y1)`` top left; its width is ``x2 - x1`` (no "+1").
Functions take any real dtype and answer in float64 for float64 and in float32 otherwise. A box
with ``x2 <= x1`` or ``y2 <= y1`` has no area and overlaps nothing.

>>> iou_matrix(np.array([[0, 0, 2, 2]]), np.array([[1, 0, 3, 2], [5, 5, 6, 6]])).round(3)
array([[0.333, 0.   ]], dtype=float32)
"""

from __future__ import annotations

import numpy as np

from saccade.errors import OptionError

__all__ = [
    "area",
    "clip",
    "cxcywh_to_xyxy",
    "giou_matrix",
    "giou_pairs",
    "iou_matrix",
    "iou_pairs",
    "xywh_to_xyxy",
    "xyxy_to_cxcywh",
    "xyxy_to_xywh",
]


def area(boxes: np.ndarray) -> np.ndarray:
    """Measure boxes.

    Args:
        boxes: (..., 4) xyxy.

    Returns:
        (...), 0 for a degenerate box.
    """
    boxes = _boxes(boxes)
    return _product(np.maximum(boxes[..., 2:] - boxes[..., :2], 0))


def clip(boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Move corners that lie outside a picture to its border.

    Args:
        boxes: (..., 4) xyxy.
        size: (height, width) of the picture.

    Returns:
        (..., 4), x in 0..width, y in 0..height.
    """
    boxes = _boxes(boxes)
    height, width = size
    upper = np.array([width, height, width, height], boxes.dtype)
    clipped: np.ndarray = np.clip(boxes, boxes.dtype.type(0), upper)
    return clipped


def iou_matrix(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union of every box with every other.

    Args:
        first: (N, 4) xyxy.
        second: (M, 4) xyxy.

    Returns:
        (N, M) in 0..1; 0 where the union is empty.
    """
    left, right = _cross(first, second)
    return _iou(left, right)[0]


def iou_pairs(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes at the same position.

    Args:
        first: (..., 4) xyxy.
        second: (..., 4) xyxy; the two must broadcast.

    Returns:
        (...) in 0..1; 0 where the union is empty.
    """
    return _iou(_boxes(first), _boxes(second))[0]


def giou_matrix(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Generalised IoU of every box with every other (see `giou_pairs`).

    Args:
        first: (N, 4) xyxy.
        second: (M, 4) xyxy.

    Returns:
        (N, M) in -1..1.
    """
    left, right = _cross(first, second)
    return giou_pairs(left, right)


def giou_pairs(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Generalised IoU of boxes at the same position.

    ``IoU - (hull - union) / hull``, where the hull is the smallest box around both; nothing is
    subtracted where the hull has no area (Rezatofighi et al., arXiv 1902.09630, algorithm 1).

    Args:
        first: (..., 4) xyxy.
        second: (..., 4) xyxy; the two must broadcast.

    Returns:
        (...) in -1..1.
    """
    left, right = _boxes(first), _boxes(second)
    iou, union = _iou(left, right)
    low = np.minimum(left[..., :2], right[..., :2])
    high = np.maximum(left[..., 2:], right[..., 2:])
    hull = _product(np.maximum(high - low, 0))
    spare: np.ndarray = iou - _ratio(np.maximum(hull - union, 0), hull)
    return spare


def xywh_to_xyxy(boxes: np.ndarray) -> np.ndarray:
    """(x1, y1, width, height), as in COCO, to (x1, y1, x2, y2); shape (..., 4)."""
    boxes = _boxes(boxes)
    return np.concatenate([boxes[..., :2], boxes[..., :2] + boxes[..., 2:]], axis=-1)


def xyxy_to_xywh(boxes: np.ndarray) -> np.ndarray:
    """(x1, y1, x2, y2) to (x1, y1, width, height), as in COCO; shape (..., 4)."""
    boxes = _boxes(boxes)
    return np.concatenate([boxes[..., :2], boxes[..., 2:] - boxes[..., :2]], axis=-1)


def cxcywh_to_xyxy(boxes: np.ndarray) -> np.ndarray:
    """(centre x, centre y, width, height), as in YOLO, to (x1, y1, x2, y2); shape (..., 4)."""
    boxes = _boxes(boxes)
    half = boxes[..., 2:] / 2
    return np.concatenate([boxes[..., :2] - half, boxes[..., :2] + half], axis=-1)


def xyxy_to_cxcywh(boxes: np.ndarray) -> np.ndarray:
    """(x1, y1, x2, y2) to (centre x, centre y, width, height), as in YOLO; shape (..., 4)."""
    boxes = _boxes(boxes)
    size = boxes[..., 2:] - boxes[..., :2]
    return np.concatenate([boxes[..., :2] + size / 2, size], axis=-1)


def _boxes(boxes: np.ndarray) -> np.ndarray:
    array = np.asarray(boxes)
    if array.shape[-1:] == (0,) and array.ndim == 1:  # what an empty list becomes
        array = array.reshape(0, 4)
    if array.shape[-1:] != (4,):
        raise OptionError(f"boxes have shape {array.shape}; expected (..., 4)")
    return array.astype(np.float64 if array.dtype == np.float64 else np.float32, copy=False)


def _cross(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    left, right = _boxes(first), _boxes(second)
    if left.ndim != 2 or right.ndim != 2:
        raise OptionError(
            f"boxes have shapes {left.shape} and {right.shape}; expected (N, 4) and (M, 4)"
        )
    return left[:, None, :], right[None, :, :]


def _iou(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    low = np.maximum(left[..., :2], right[..., :2])
    high = np.minimum(left[..., 2:], right[..., 2:])
    shared = _product(np.maximum(high - low, 0))
    union = area(left) + area(right) - shared
    # Rounding of the sum can lift the ratio of nearly equal boxes a hair above one.
    return np.minimum(_ratio(shared, union), 1), union


def _product(sides: np.ndarray) -> np.ndarray:
    product: np.ndarray = sides[..., 0] * sides[..., 1]
    return product


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    ratio: np.ndarray = np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
    return ratio
