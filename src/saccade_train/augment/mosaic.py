"""Mosaic and mixup: several pictures in one, with all their objects.

Mosaic: Bochkovskiy et al., *YOLOv4* (arXiv 2004.10934, section 3.3). Mixup of pictures with boxes:
Zhang et al., *Bag of Freebies* (arXiv 1902.04103), with equal shares as in YOLOX (arXiv
2107.08430). PicoDet's main recipes don't use them; its NPU variant does. They are here to compare.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from saccade.errors import OptionError
from saccade_train._types import Image

from .box_expand import GREY
from .boxes import Boxed, cut, stretch

__all__ = ["mixup", "mosaic"]


def mosaic(parts: Sequence[Boxed], size: tuple[int, int], rng: np.random.Generator) -> Boxed:
    """Put four pictures around a point.

    Each is scaled, with its proportions, to fit into ``size``, and touches the point with a corner;
    what sticks out of the canvas is cut off.

    Args:
        parts: Four pictures: top left, top right, bottom left, bottom right.
        size: (height, width) of a training picture.
        rng: Source of randomness: the point is in the middle half of the canvas.

    Returns:
        A canvas of twice ``size``, grey where no picture is; objects whose centre is cut off are
        dropped.

    Raises:
        OptionError: Another number of pictures than four.
    """
    if len(parts) != 4:
        raise OptionError(f"a mosaic of {len(parts)} pictures; expected four")
    height, width = size
    middle_y = int(rng.integers(height // 2, height + height // 2 + 1))
    middle_x = int(rng.integers(width // 2, width + width // 2 + 1))
    canvas = np.full((2 * height, 2 * width, 3), GREY, np.uint8)
    boxes, labels = [], []
    for number, part in enumerate(parts):
        rows, columns = part.image.shape[:2]
        factor = min(height / rows, width / columns)
        scaled = stretch(part, (max(1, round(rows * factor)), max(1, round(columns * factor))))
        down, across = scaled.image.shape[:2]
        # Where the picture begins on the canvas, which may be above or left of it.
        top = middle_y - down if number < 2 else middle_y
        left = middle_x - across if number % 2 == 0 else middle_x
        seen = cut(
            scaled,
            (
                max(0, -left),
                max(0, -top),
                min(across, 2 * width - left),
                min(down, 2 * height - top),
            ),
        )
        top, left = max(0, top), max(0, left)
        down, across = seen.image.shape[:2]
        canvas[top : top + down, left : left + across] = seen.image
        boxes.append(seen.boxes + np.array([left, top, left, top], np.float32))
        labels.append(seen.labels)
    return Boxed(canvas, np.concatenate(boxes), np.concatenate(labels))


def mixup(first: Boxed, second: Boxed) -> Boxed:
    """The mean of two pictures, in the size of the first, with the objects of both."""
    height, width = first.image.shape[:2]
    other = stretch(second, (height, width))
    image: Image = cv2.addWeighted(first.image, 0.5, other.image, 0.5, 0.0)  # type: ignore[assignment]
    return Boxed(
        image,
        np.concatenate([first.boxes, other.boxes]),
        np.concatenate([first.labels, other.labels]),
    )
