"""Photometric distortion: other light, other colours.

The ``RandomDistort`` of ``PaddleDetection/ppdet/data/transform/operators.py``, after Liu et al.,
*SSD* (arXiv 1512.02325, section 2.2): four steps in random order, each with its own chance.
"""

from __future__ import annotations

import numpy as np

from saccade_train._types import Image

from . import operations as ops

__all__ = ["HUE_TURNS", "distort"]

HUE_TURNS = 18 / 255
"""The reference shifts a hue stored in 0..255 by up to 18 to either side."""


def distort(
    image: Image,
    rng: np.random.Generator,
    *,
    chance: float = 0.5,
    strength: float = 0.5,
    hue: float = HUE_TURNS,
) -> Image:
    """Change brightness, contrast, saturation and hue, in random order.

    Args:
        image: uint8 RGB (H, W, 3).
        rng: Source of randomness.
        chance: Of each of the four.
        strength: Factors of the first three are drawn from ``1 - strength`` to ``1 + strength``.
        hue: Turns of the colour circle are drawn from ``-hue`` to ``hue``.
    """
    for step in rng.permutation(4):
        if rng.random() >= chance:
            continue
        if step == 3:
            image = ops.hue(image, rng.uniform(-hue, hue))
        else:
            operation = (ops.brightness, ops.contrast, ops.saturation)[step]
            image = operation(image, rng.uniform(1 - strength, 1 + strength))
    return image
