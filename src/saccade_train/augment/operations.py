"""The picture operations of AutoAugment and RandAugment, and of colour jitter.

All take uint8 RGB (H, W, 3) and give the same; those with a number take it in natural units
(factors, degrees, shares). Definitions follow Pillow's ImageEnhance and ImageOps, with which the
policies were found (AutoAugment, arXiv 1805.09501, table 6 of the appendix). Parts that come from
outside the picture are grey 128.
"""

from __future__ import annotations

import cv2
import numpy as np

from saccade_train._types import Image

__all__ = [
    "affine",
    "autocontrast",
    "brightness",
    "contrast",
    "equalize",
    "hue",
    "invert",
    "posterize",
    "rotate",
    "saturation",
    "sharpness",
    "solarize",
]

_LEVELS = np.arange(256, dtype=np.float32)
_SMOOTH = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]], np.float32) / 13


def brightness(image: Image, factor: float) -> Image:
    """Towards black: 0 is black, 1 the picture itself, above 1 brighter."""
    return cv2.LUT(image, _table(_LEVELS * factor))  # type: ignore[return-value]


def contrast(image: Image, factor: float) -> Image:
    """Towards the picture's mean grey: 0 is flat, 1 the picture itself."""
    mean = float(int(_grey(image).mean() + 0.5))
    return cv2.LUT(image, _table(mean + factor * (_LEVELS - mean)))  # type: ignore[return-value]


def saturation(image: Image, factor: float) -> Image:
    """Towards grey: 0 is black and white, 1 the picture itself."""
    grey = cv2.cvtColor(_grey(image), cv2.COLOR_GRAY2RGB)
    return cv2.addWeighted(image, factor, grey, 1.0 - factor, 0.0)  # type: ignore[return-value]


def sharpness(image: Image, factor: float) -> Image:
    """Towards a smoothed picture: 0 is smooth, 1 the picture itself. The border stays."""
    smooth = cv2.filter2D(image, -1, _SMOOTH)
    for edge in (np.s_[:1], np.s_[-1:], np.s_[:, :1], np.s_[:, -1:]):
        smooth[edge] = image[edge]
    return cv2.addWeighted(image, factor, smooth, 1.0 - factor, 0.0)  # type: ignore[return-value]


def hue(image: Image, turns: float) -> Image:
    """Turn the colour circle by a share of a whole turn, -0.5 to 0.5."""
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    # OpenCV stores hue in half degrees.
    table = ((np.arange(256) + round(turns * 180)) % 180).astype(np.uint8)
    hsv[..., 0] = table[hsv[..., 0]]
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)  # type: ignore[return-value]


def invert(image: Image) -> Image:
    """The negative."""
    return 255 - image


def solarize(image: Image, threshold: float) -> Image:
    """Invert the values from ``threshold`` on, 0 to 256; 256 changes nothing."""
    return cv2.LUT(image, _table(np.where(threshold <= _LEVELS, 255 - _LEVELS, _LEVELS)))  # type: ignore[return-value]


def posterize(image: Image, bits: int) -> Image:
    """Keep the highest ``bits`` bits of each value, 1 to 8."""
    kept: Image = np.bitwise_and(image, np.uint8(256 - 2 ** (8 - bits)))
    return kept


def autocontrast(image: Image) -> Image:
    """Stretch each channel to the whole range 0 to 255."""
    tables = np.empty((256, 3), np.uint8)
    for channel in range(3):
        low, high = int(image[..., channel].min()), int(image[..., channel].max())
        if high <= low:
            tables[:, channel] = _LEVELS
        else:
            tables[:, channel] = _table((_LEVELS - low) * (255.0 / (high - low)))
    return _per_channel(image, tables)


def equalize(image: Image) -> Image:
    """Make the histogram of each channel as flat as a table of values can."""
    tables = np.empty((256, 3), np.uint8)
    for channel in range(3):
        counts = np.bincount(image[..., channel].ravel(), minlength=256)
        filled = counts[counts > 0]
        step = (int(filled.sum()) - int(filled[-1])) // 255
        if step == 0:
            tables[:, channel] = _LEVELS
        else:
            before = np.cumsum(counts) - counts
            tables[:, channel] = np.minimum(255, (step // 2 + before) // step)
    return _per_channel(image, tables)


def rotate(image: Image, degrees: float) -> Image:
    """Turn about the middle, counter-clockwise."""
    height, width = image.shape[:2]
    middle = ((width - 1) / 2, (height - 1) / 2)
    return _warp(image, cv2.getRotationMatrix2D(middle, degrees, 1.0))


def affine(
    image: Image,
    *,
    shear_x: float = 0.0,
    shear_y: float = 0.0,
    shift_x: float = 0.0,
    shift_y: float = 0.0,
) -> Image:
    """Shear about the middle, or shift by a share of the side; positive moves right and down."""
    height, width = image.shape[:2]
    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    matrix = np.array(
        [
            [1.0, shear_x, shift_x * width - shear_x * middle_y],
            [shear_y, 1.0, shift_y * height - shear_y * middle_x],
        ]
    )
    return _warp(image, matrix)


def _warp(image: Image, matrix: np.ndarray) -> Image:
    height, width = image.shape[:2]
    return cv2.warpAffine(  # type: ignore[return-value]
        image,
        matrix,
        (width, height),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(128, 128, 128),
    )


def _grey(image: Image) -> Image:
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)  # type: ignore[return-value]


def _table(values: np.ndarray) -> Image:
    table: Image = np.clip(values, 0, 255).astype(np.uint8)
    return table


def _per_channel(image: Image, tables: Image) -> Image:
    return cv2.LUT(image, tables.reshape(1, 256, 3))  # type: ignore[return-value]
