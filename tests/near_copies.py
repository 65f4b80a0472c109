"""Pictures with things of several sizes in them, and near-copies of pictures."""

from __future__ import annotations

import io

import cv2
import numpy as np
from PIL import Image

__all__ = ["crop", "saved", "scene"]


def scene(seed: int = 0, size: tuple[int, int] = (150, 200)) -> np.ndarray:
    """A picture: uint8 RGB of some (height, width)."""
    rng = np.random.default_rng(seed)
    image = np.zeros((*size, 3))
    for cells in (3, 6, 12, 25):
        small = rng.uniform(-60, 60, (cells, cells, 3)).astype(np.float32)
        image += cv2.resize(small, size[::-1], interpolation=cv2.INTER_CUBIC)
    return (image + 128).clip(20, 220).astype(np.uint8)


def saved(image: np.ndarray, quality: int = 40) -> np.ndarray:
    """As it comes back from a JPEG file."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "jpeg", quality=quality)
    return np.asarray(Image.open(file))


def crop(image: np.ndarray, share: float = 0.1) -> np.ndarray:
    """Some share of height and width cut off, half of it on each side."""
    height, width = image.shape[:2]
    top, left = round(height * share / 2), round(width * share / 2)
    return np.ascontiguousarray(image[top : height - top, left : width - left])
