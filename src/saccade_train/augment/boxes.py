"""Pictures with boxes on them, and what moves both: mirroring, stretching, cutting.

A box is ``(x1, y1, x2, y2)`` in pixels of its picture, as in :mod:`saccade.geometry.boxes`; pixel
``k`` covers the stretch from ``k`` to ``k + 1``.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from saccade.geometry.boxes import clip
from saccade_train._types import Image

__all__ = [
    "INTERPOLATIONS",
    "LEAST_SIDE",
    "Boxed",
    "Interpolation",
    "centres_inside",
    "cut",
    "flip",
    "stretch",
    "turn",
    "with_area",
]

LEAST_SIDE = 1.0
"""Pixels. A thinner box than that, which clipping or shrinking has left, is dropped. (Ours; the
reference keeps whatever has an area.)"""

Interpolation = Literal["nearest", "linear", "area", "cubic", "lanczos"]
INTERPOLATIONS: tuple[Interpolation, ...] = get_args(Interpolation)

_OPENCV: dict[Interpolation, int] = {
    "nearest": cv2.INTER_NEAREST,
    "linear": cv2.INTER_LINEAR,
    "area": cv2.INTER_AREA,
    "cubic": cv2.INTER_CUBIC,
    "lanczos": cv2.INTER_LANCZOS4,
}


class Boxed(NamedTuple):
    """A picture and the objects on it."""

    image: Image
    """uint8 RGB (H, W, 3)."""
    boxes: NDArray[np.float32]
    """(N, 4) xyxy, pixels."""
    labels: NDArray[np.int64]
    """(N,)."""

    def only(self, chosen: NDArray[np.bool_]) -> Boxed:
        """Some of the objects."""
        return Boxed(self.image, self.boxes[chosen], self.labels[chosen])


def flip(boxed: Boxed) -> Boxed:
    """Mirror left and right."""
    width = boxed.image.shape[1]
    mirrored = boxed.boxes.copy()
    mirrored[:, [0, 2]] = width - boxed.boxes[:, [2, 0]]
    image: Image = cv2.flip(boxed.image, 1)  # type: ignore[assignment]
    return Boxed(image, mirrored, boxed.labels)


def turn(boxed: Boxed, quarters: int) -> Boxed:
    """Turn counter-clockwise by so many quarters of a circle."""
    image, boxes = boxed.image, boxed.boxes
    for _ in range(quarters % 4):
        # What was x counts down from the top now, from the right end on; what was y is x.
        x1, y1, x2, y2 = boxes.T
        boxes = np.stack([y1, image.shape[1] - x2, y2, image.shape[1] - x1], axis=1)
        image = np.rot90(image)
    return Boxed(np.ascontiguousarray(image), boxes, boxed.labels)


def stretch(boxed: Boxed, size: tuple[int, int], interpolation: Interpolation = "linear") -> Boxed:
    """Resize to (height, width) without keeping proportions; boxes that become too thin go."""
    height, width = boxed.image.shape[:2]
    image = boxed.image
    if (height, width) != size:
        image = cv2.resize(image, size[::-1], interpolation=_OPENCV[interpolation])  # type: ignore[assignment]
    # Multiplied before it is divided, so that the old border becomes the new one exactly.
    boxes = boxed.boxes.astype(np.float64) * (size[::-1] * 2) / ((width, height) * 2)
    return with_area(Boxed(image, boxes.astype(np.float32), boxed.labels))


def cut(boxed: Boxed, window: tuple[int, int, int, int]) -> Boxed:
    """Cut a window out of a picture.

    Args:
        boxed: The picture; its pixels are not copied.
        window: ``(x1, y1, x2, y2)`` in whole pixels, inside the picture.

    Returns:
        The window with the objects whose centre lies in it, cut at its border.
    """
    left, top, right, bottom = window
    kept = boxed.only(centres_inside(boxed.boxes, np.array(window)))
    moved = kept.boxes - np.array([left, top, left, top], np.float32)
    size = (bottom - top, right - left)
    image = boxed.image[top:bottom, left:right]
    return with_area(Boxed(image, clip(moved, size).astype(np.float32), kept.labels))


def with_area(boxed: Boxed, least: float = LEAST_SIDE) -> Boxed:
    """Without the objects that are less than ``least`` pixels high or wide."""
    sides = boxed.boxes[:, 2:] - boxed.boxes[:, :2]
    return boxed.only(np.all(sides >= least, axis=1))


def centres_inside(boxes: NDArray[np.float32], windows: NDArray[np.number]) -> NDArray[np.bool_]:
    """Which centres of boxes lie strictly inside windows.

    Args:
        boxes: (N, 4) xyxy.
        windows: (..., 4) xyxy.

    Returns:
        (..., N).
    """
    centres = (boxes[:, :2].astype(np.float64) + boxes[:, 2:]) / 2
    low, high = windows[..., None, :2], windows[..., None, 2:]
    inside: NDArray[np.bool_] = np.all((centres > low) & (centres < high), axis=-1)
    return inside
