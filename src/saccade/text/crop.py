"""Cutting a line of text out of a picture and pulling it straight."""

from __future__ import annotations

import math

import cv2
import numpy as np

from saccade.errors import OptionError
from saccade.geometry.polygons import quad_sides

__all__ = ["UPRIGHT_RATIO", "crop_quad", "cut_line"]

UPRIGHT_RATIO = 1.5
"""A crop at least this many times as high as wide holds a line that runs upwards or downwards."""

# A quad whose corners are off an upright rectangle by less than this part of its shorter side is
# cut out without warping.
_STRAIGHT = 0.08


def crop_quad(
    image: np.ndarray, quad: np.ndarray, *, upright_ratio: float = UPRIGHT_RATIO
) -> np.ndarray:
    """Warp a quad to a rectangle (``get_rotate_crop_image`` of PaddleOCR).

    The rectangle is as wide and as high as the longer of the opposite sides, cut to whole pixels.
    Pixels are interpolated cubically; outside the picture its edge goes on.

    Args:
        image: uint8 (H, W, C) or (H, W).
        quad: (4, 2), from top left clockwise.
        upright_ratio: where height / width reaches this, the crop is turned by 90 degrees against
            the clock, so that text that runs downwards reads from left to right.

    Returns:
        Of the same dtype and channels, at least one pixel in each direction.

    Raises:
        OptionError: the quad is not four finite corners.
    """
    corners = np.asarray(quad, np.float32)
    if corners.shape != (4, 2) or not np.isfinite(corners).all():
        raise OptionError(f"a quad of shape {corners.shape}: expected four finite corners (x, y)")
    # A float32 sum of squares may fall just short of a whole length.
    width, height = (max(1, int(np.float32(side))) for side in quad_sides(corners))
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    crop: np.ndarray = cv2.warpPerspective(
        image,
        cv2.getPerspectiveTransform(corners, target),
        (width, height),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    if height / width >= upright_ratio:
        return np.ascontiguousarray(np.rot90(crop))
    return crop


def cut_line(image: np.ndarray, quad: np.ndarray, height: int) -> np.ndarray:
    """Cut a line out for a network that takes lines of a certain height.

    Faster than :func:`crop_quad` and alike to the eye: an upright rectangle is a view of the
    picture; only a slanted one is warped, linearly; what is more than twice as high as needed is
    made smaller first. The line reads from the first corner to the second: nothing is turned
    otherwise.

    Args:
        image: uint8 (H, W, C).
        quad: (4, 2), from the top left of the text clockwise, within the picture.
        height: that the network takes, in pixels.

    Returns:
        uint8 (h, w, C), at least one pixel in each direction; may share memory with the picture.
    """
    rows, columns = image.shape[:2]
    points = [(float(x), float(y)) for x, y in quad.tolist()]
    xs, ys = [x for x, _ in points], [y for _, y in points]
    # Plain numbers: for four points NumPy takes longer to start than this takes to run.
    left = min(max(math.floor(min(xs)), 0), columns - 1)
    top = min(max(math.floor(min(ys)), 0), rows - 1)
    right = min(max(math.ceil(max(xs)), left + 1), columns)
    bottom = min(max(math.ceil(max(ys)), top + 1), rows)
    part = image[top:bottom, left:right]
    lengths = [math.dist(points[index], points[(index + 1) % 4]) for index in range(4)]
    across, down = max(lengths[0], lengths[2]), max(lengths[1], lengths[3])
    first = min(range(4), key=lambda index: xs[index] + ys[index])
    straight = ((left, top), (right, top), (right, bottom), (left, bottom))
    slant = max(
        max(abs(points[(first + index) % 4][0] - x), abs(points[(first + index) % 4][1] - y))
        for index, (x, y) in enumerate(straight)
    )
    if slant <= _STRAIGHT * min(across, down):
        return part if first == 0 else np.ascontiguousarray(np.rot90(part, 4 - first))
    corners = np.array(points, np.float32) - np.array((left, top), np.float32)
    shrink = int(down // (2 * height))
    if shrink > 1:
        small = max(1, part.shape[1] // shrink), max(1, part.shape[0] // shrink)
        corners *= np.array(small, np.float32) / (part.shape[1], part.shape[0])
        part = cv2.resize(part, small, interpolation=cv2.INTER_AREA)
        across, down = across / shrink, down / shrink
    width, tall = max(1, round(across)), max(1, round(down))
    target = np.array([[0, 0], [width, 0], [width, tall], [0, tall]], np.float32)
    line: np.ndarray = cv2.warpPerspective(
        part,
        cv2.getPerspectiveTransform(corners, target),
        (width, tall),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return line
