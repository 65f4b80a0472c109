"""Cutting a line of text out of a picture and pulling it straight."""

from __future__ import annotations

import cv2
import numpy as np

from saccade.errors import OptionError
from saccade.geometry.polygons import quad_sides

__all__ = ["UPRIGHT_RATIO", "crop_quad"]

UPRIGHT_RATIO = 1.5
"""A crop at least this many times as high as wide holds a line that runs upwards or downwards."""


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
