"""Cutting and turning training pictures: uint8 RGB (H, W, 3) in and out, randomness passed in."""

from __future__ import annotations

import math

import cv2
import numpy as np

from saccade_train._types import Image

__all__ = ["flip_left_right", "pad_crop", "random_resized_crop", "resize_to", "shrink_short"]


def resize_to(image: Image, size: int) -> Image:
    """Stretch a picture to ``(size, size, 3)``, bilinear."""
    if image.shape[:2] == (size, size):
        return image
    return cv2.resize(image, (size, size), interpolation=cv2.INTER_LINEAR)  # type: ignore[return-value]


def shrink_short(image: Image, short: int) -> Image:
    """Shrink a picture to a short side of ``short``, by area averaging; smaller ones stay."""
    height, width = image.shape[:2]
    if min(height, width) <= short:
        return image
    ratio = short / min(height, width)
    size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def random_resized_crop(
    image: Image,
    size: int,
    rng: np.random.Generator,
    *,
    area: tuple[float, float] = (0.08, 1.0),
    ratio: tuple[float, float] = (3 / 4, 4 / 3),
) -> Image:
    """A random part of the picture, resized to ``(size, size, 3)``: the crop of PaddleClas.

    RandCropImage (``PaddleClas:ppcls/data/preprocess/ops/operators.py``) differs from torchvision's
    crop: the aspect ratio is uniform, not log-uniform; the area is drawn once, from a range that is
    cut to what fits; there is no retry.

    Args:
        image: uint8 (H, W, 3), any size.
        size: Height and width of the result.
        rng: Source of randomness; four numbers are drawn.
        area: Smallest and largest share of the picture's area.
        ratio: Smallest and largest width / height.
    """
    height, width = image.shape[:2]
    # The order of operations is the reference's and matters: at the largest area that fits,
    # rounding decides between the whole side and one pixel less.
    across = math.sqrt(rng.uniform(ratio[0], ratio[1]))
    down = 1.0 / across
    fits = min(width / height / across**2, height / width / down**2)
    wanted = width * height * rng.uniform(min(area[0], fits), min(area[1], fits))
    side = math.sqrt(wanted)
    # Beyond the reference: a side may come out as 0 on tiny pictures.
    crop_width = min(width, max(1, int(side * across)))
    crop_height = min(height, max(1, int(side * down)))
    left = int(rng.integers(0, width - crop_width + 1))
    top = int(rng.integers(0, height - crop_height + 1))
    return resize_to(image[top : top + crop_height, left : left + crop_width], size)


def pad_crop(
    image: Image, size: int, rng: np.random.Generator, *, pad: int = 4, reflect: bool = False
) -> Image:
    """Resize, add ``pad`` pixels on each side, cut ``size`` at random (CIFAR's custom).

    The border is black, or with ``reflect`` mirrors the picture (without its outermost pixels).
    """
    image = resize_to(image, size)
    if pad == 0:
        return image
    top, left = (int(v) for v in rng.integers(0, 2 * pad + 1, size=2))
    if reflect:
        wide = cv2.copyMakeBorder(image, pad, pad, pad, pad, cv2.BORDER_REFLECT_101)
        return np.asarray(wide[top : top + size, left : left + size], np.uint8)
    canvas = np.zeros((size + 2 * pad, size + 2 * pad, 3), np.uint8)
    canvas[pad : pad + size, pad : pad + size] = image
    return canvas[top : top + size, left : left + size]


def flip_left_right(image: Image) -> Image:
    """Mirror a picture."""
    return cv2.flip(image, 1)  # type: ignore[return-value]
