"""Expansion: a picture somewhere on a larger canvas, so that its objects become small.

Liu et al., *SSD* (arXiv 1512.02325, section 3.6, "zoom out"); ``RandomExpand`` of
``PaddleDetection/ppdet/data/transform/operators.py``. PicoDet's recipes don't use it.
"""

from __future__ import annotations

import numpy as np

from .boxes import Boxed

__all__ = ["GREY", "expand"]

GREY = 114
"""The canvas, as in letterboxed pictures (:mod:`saccade.imaging.resize`)."""


def expand(boxed: Boxed, rng: np.random.Generator, *, largest: float = 4.0) -> Boxed:
    """Put a picture at a random place on a grey canvas.

    Args:
        boxed: Picture and objects.
        rng: Source of randomness.
        largest: The canvas' sides are longer than the picture's by a factor from 1 to this.
    """
    height, width = boxed.image.shape[:2]
    factor = rng.uniform(1.0, largest)
    down, across = int(height * factor), int(width * factor)
    top, left = int(rng.integers(down - height + 1)), int(rng.integers(across - width + 1))
    canvas = np.full((down, across, 3), GREY, np.uint8)
    canvas[top : top + height, left : left + width] = boxed.image
    moved = boxed.boxes + np.array([left, top, left, top], np.float32)
    return Boxed(canvas, moved, boxed.labels)
