"""The random crop of SSD: a window that some object overlaps by at least a drawn IoU.

Liu et al., arXiv 1512.02325, section 2.2, as ``RandomCrop`` of
``PaddleDetection/ppdet/data/transform/operators.py`` has it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from saccade.geometry.boxes import iou_matrix

from .boxes import Boxed, centres_inside, cut

__all__ = ["THRESHOLDS", "draw_windows", "iou_crop"]

THRESHOLDS: tuple[float, ...] = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9)
TRIES = 50


def iou_crop(
    boxed: Boxed,
    rng: np.random.Generator,
    *,
    thresholds: tuple[float, ...] = THRESHOLDS,
    scale: tuple[float, float] = (0.3, 1.0),
    aspect: tuple[float, float] = (0.5, 2.0),
) -> Boxed:
    """Cut a random window.

    The thresholds and "no crop" are tried in random order. For each threshold up to 50 windows are
    drawn; the first one is taken whose IoU with some object reaches the threshold, and which holds
    the centre of some object. A picture without objects stays whole.

    Args:
        boxed: Picture and objects.
        rng: Source of randomness.
        thresholds: Of the IoU.
        scale: Least and greatest root of the window's share of the area.
        aspect: Least and greatest width / height, relative to the picture's own.

    Returns:
        The window; objects whose centre is outside are dropped, the others cut at its border.
    """
    if not len(boxed.boxes):
        return boxed
    choices: list[float | None] = [*thresholds, None]
    for choice in rng.permutation(len(choices)):
        threshold = choices[choice]
        if threshold is None:
            return boxed
        windows = draw_windows(boxed.image.shape[:2], rng, TRIES, scale, aspect)
        overlap = iou_matrix(windows.astype(np.float64), boxed.boxes.astype(np.float64)).max(axis=1)
        held = centres_inside(boxed.boxes, windows).any(axis=1)
        for number in np.flatnonzero((overlap >= threshold) & held):
            left, top, right, bottom = (int(side) for side in windows[number])
            found = cut(boxed, (left, top, right, bottom))
            if len(found.boxes):
                return found
    return boxed


def draw_windows(
    size: tuple[int, ...],
    rng: np.random.Generator,
    count: int,
    scale: tuple[float, float] = (0.3, 1.0),
    aspect: tuple[float, float] = (0.5, 2.0),
) -> NDArray[np.int64]:
    """Draw windows of a picture, (count, 4) xyxy in whole pixels.

    With s from ``scale``, and r from ``aspect`` as far as the window still fits, a window is
    ``s * sqrt(r)`` of the width and ``s / sqrt(r)`` of the height.

    Args:
        size: (height, width) of the picture.
        rng: Source of randomness.
        count: How many.
        scale: As in :func:`iou_crop`.
        aspect: Likewise.
    """
    height, width = size
    s = rng.uniform(*scale, count)
    ratio = rng.uniform(np.maximum(aspect[0], s**2), np.minimum(aspect[1], s**-2.0))
    down = np.clip((height * s / np.sqrt(ratio)).astype(np.int64), 1, height)
    across = np.clip((width * s * np.sqrt(ratio)).astype(np.int64), 1, width)
    top = rng.integers(0, height - down + 1)
    left = rng.integers(0, width - across + 1)
    return np.stack([left, top, left + across, top + down], axis=1)
