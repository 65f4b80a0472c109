"""Random erasing: noise in place of a part of the picture.

Zhong et al., arXiv 1708.04896, algorithm 1, with random pixels (their "RE-R").
"""

from __future__ import annotations

import math

import numpy as np

from saccade_train._types import Image

__all__ = ["erase_box", "random_erase"]

_TRIES = 10


def erase_box(
    height: int,
    width: int,
    rng: np.random.Generator,
    *,
    area: tuple[float, float],
    ratio: tuple[float, float],
) -> tuple[int, int, int, int] | None:
    """Draw ``(top, left, bottom, right)`` inside the picture; None if none fits in ten tries."""
    for _ in range(_TRIES):
        wanted = rng.uniform(*area) * height * width
        aspect = rng.uniform(*ratio)
        box_height = round(math.sqrt(wanted * aspect))
        box_width = round(math.sqrt(wanted / aspect))
        if 0 < box_height < height and 0 < box_width < width:
            top = int(rng.integers(0, height - box_height + 1))
            left = int(rng.integers(0, width - box_width + 1))
            return top, left, top + box_height, left + box_width
    return None


def random_erase(
    image: Image,
    rng: np.random.Generator,
    *,
    area: tuple[float, float] = (0.02, 0.4),
    ratio: tuple[float, float] = (0.3, 1 / 0.3),
) -> Image:
    """Put noise in place of a random rectangle.

    Args:
        image: uint8 RGB (H, W, 3); not changed.
        rng: Source of randomness.
        area: Smallest and largest share of the picture.
        ratio: Smallest and largest height / width of the rectangle.
    """
    height, width = image.shape[:2]
    box = erase_box(height, width, rng, area=area, ratio=ratio)
    if box is None:
        return image
    top, left, bottom, right = box
    image = image.copy()
    image[top:bottom, left:right] = rng.integers(0, 256, (bottom - top, right - left, 3), np.uint8)
    return image
