"""Resizing, cropping and letterboxing, with OpenCV's sampling.

`resize_short` followed by `center_crop` is the evaluation transform of PaddleClas to the pixel
(``ResizeImage(resize_short=...)`` and ``CropImage``,
`PaddlePaddle/PaddleClas:ppcls/data/preprocess/ops/ operators.py`): Python's rounding of ties to
even, OpenCV's bilinear sampling, offsets rounded down.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import cv2
import numpy as np

from saccade.errors import OptionError, nearest

__all__ = [
    "Interpolation",
    "Letterbox",
    "center_crop",
    "letterbox",
    "resize",
    "resize_short",
    "resize_short_crop",
]

Interpolation: TypeAlias = Literal["linear", "cubic", "area"]

_OPENCV: dict[str, int] = {
    "linear": cv2.INTER_LINEAR,
    "cubic": cv2.INTER_CUBIC,
    "area": cv2.INTER_AREA,
}

# Longer than this many times its width, a picture is cut before it is resized (see
# resize_short_crop).
_SLIM = 16


def resize(
    image: np.ndarray, size: tuple[int, int], interpolation: Interpolation = "linear"
) -> np.ndarray:
    """Resize to an exact size, without keeping proportions.

    Args:
        image: uint8 (H, W, 3).
        size: (height, width) in pixels.
        interpolation: ``linear`` (the reference's default), ``cubic``, or ``area`` (for shrinking
            a lot).

    Returns:
        uint8 (height, width, 3).

    Raises:
        OptionError: a size below one, or an unknown interpolation.
    """
    height, width = size
    if height < 1 or width < 1:
        raise OptionError(f"cannot resize to {height} x {width} pixels; both must be at least 1")
    if interpolation not in _OPENCV:
        known = nearest(str(interpolation), get_args(Interpolation))
        raise OptionError(f"unknown interpolation {interpolation!r}; {known}")
    if image.shape[:2] == (height, width):
        return image.copy()
    return cv2.resize(image, (width, height), interpolation=_OPENCV[interpolation])


def resize_short(
    image: np.ndarray, short: int, interpolation: Interpolation = "linear"
) -> np.ndarray:
    """Resize so that the shorter side becomes ``short``; proportions are kept.

    Args:
        image: uint8 (H, W, 3).
        short: length of the shorter side afterwards, in pixels.
        interpolation: as in `resize`.

    Returns:
        uint8 (H', W', 3) with min(H', W') = short.
    """
    return resize(image, _short_size(image.shape[0], image.shape[1], short), interpolation)


def center_crop(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Cut the middle out of a picture.

    Args:
        image: (H, W, 3).
        size: (height, width), not larger than the picture.

    Returns:
        (height, width, 3): a view of ``image``.

    Raises:
        OptionError: the picture is smaller than the crop.
    """
    (height, width), (rows, columns) = size, image.shape[:2]
    if not (1 <= height <= rows and 1 <= width <= columns):
        raise OptionError(
            f"cannot cut {height} x {width} out of a picture of {rows} x {columns} "
            "(height x width); resize it first"
        )
    top, left = (rows - height) // 2, (columns - width) // 2
    return image[top : top + height, left : left + width]


def resize_short_crop(
    image: np.ndarray,
    short: int,
    size: tuple[int, int],
    interpolation: Interpolation = "linear",
) -> np.ndarray:
    """`resize_short`, then `center_crop`, in bounded memory.

    A picture of 1 x 50000 pixels would first grow to 256 x 12800000. One that is more than 16
    times as long as wide is therefore cut to its middle before it is resized; the result may then
    differ from the two steps by a fraction of a pixel. All others give exactly the two steps.

    Args:
        image: uint8 (H, W, 3).
        short: the shorter side after resizing; at least the larger side of ``size``.
        size: (height, width) of the crop.
        interpolation: as in `resize`.

    Returns:
        uint8 (height, width, 3), contiguous.
    """
    rows, columns = image.shape[:2]
    if max(rows, columns) > _SLIM * min(rows, columns):
        # Keep the middle that holds the crop, on whole pixels, as long as 16 times the short side.
        keep = _SLIM * min(rows, columns)
        top, left = max(0, (rows - keep) // 2), max(0, (columns - keep) // 2)
        image = image[top : top + keep, left : left + keep]
    return np.ascontiguousarray(center_crop(resize_short(image, short, interpolation), size))


@dataclass(frozen=True)
class Letterbox:
    """Where a picture lies inside its letterboxed form.

    Attributes:
        source_size: (height, width) of the original, in pixels.
        size: (height, width) of the letterboxed picture.
        scale: (vertical, horizontal) factor from original to letterboxed pixels. The two differ by
            the rounding to whole pixels.
        offset: (top, left) corner of the picture inside the letterboxed one.
    """

    source_size: tuple[int, int]
    size: tuple[int, int]
    scale: tuple[float, float]
    offset: tuple[int, int]

    def to_source(self, boxes: np.ndarray) -> np.ndarray:
        """Map boxes from letterboxed to original pixels; not clipped.

        Args:
            boxes: (..., 4) xyxy.

        Returns:
            (..., 4), float; float64 stays float64.
        """
        return self._inverse(_as_float(boxes, 4))

    def from_source(self, boxes: np.ndarray) -> np.ndarray:
        """Map boxes from original to letterboxed pixels.

        Args:
            boxes: (..., 4) xyxy.

        Returns:
            (..., 4), float.
        """
        xy = _as_float(boxes, 4)
        inner: np.ndarray = xy * self._vector(xy, self.scale) + self._vector(xy, self.offset)
        return inner

    def points_to_source(self, points: np.ndarray) -> np.ndarray:
        """Map points, for example corners of polygons, from letterboxed to original pixels.

        Args:
            points: (..., 2) xy.

        Returns:
            (..., 2), float.
        """
        return self._inverse(_as_float(points, 2))

    def _inverse(self, xy: np.ndarray) -> np.ndarray:
        source: np.ndarray = (xy - self._vector(xy, self.offset)) / self._vector(xy, self.scale)
        return source

    def _vector(self, like: np.ndarray, yx: tuple[float, float]) -> np.ndarray:
        return np.array((yx[1], yx[0]) * (like.shape[-1] // 2), dtype=like.dtype)


def letterbox(
    image: np.ndarray,
    size: tuple[int, int],
    fill: int = 114,
    *,
    upscale: bool = True,
    interpolation: Interpolation = "linear",
) -> tuple[np.ndarray, Letterbox]:
    """Fit a picture into a size, keep its proportions, and fill the rest.

    Args:
        image: uint8 (H, W, 3).
        size: (height, width) of the result.
        fill: grey level of the bars, 0 to 255.
        upscale: whether a smaller picture may grow.
        interpolation: as in `resize`.

    Returns:
        uint8 (height, width, 3), and the `Letterbox` that maps results back.
    """
    height, width = size
    if height < 1 or width < 1:
        raise OptionError(f"cannot letterbox to {height} x {width} pixels; both must be at least 1")
    if not 0 <= fill <= 255:
        raise OptionError(f"fill is {fill}; expected a grey level from 0 to 255")
    rows, columns = image.shape[:2]
    factor = min(height / rows, width / columns)
    if not upscale:
        factor = min(factor, 1.0)
    inner = max(1, round(rows * factor)), max(1, round(columns * factor))
    top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
    boxed = np.full((height, width, 3), fill, np.uint8)
    boxed[top : top + inner[0], left : left + inner[1]] = resize(image, inner, interpolation)
    place = Letterbox(
        source_size=(rows, columns),
        size=(height, width),
        scale=(inner[0] / rows, inner[1] / columns),
        offset=(top, left),
    )
    return boxed, place


def _short_size(rows: int, columns: int, short: int) -> tuple[int, int]:
    if short < 1:
        raise OptionError(f"the shorter side cannot become {short} pixels; at least 1")
    factor = float(short) / min(rows, columns)
    return round(rows * factor), round(columns * factor)


def _as_float(values: np.ndarray, last: int) -> np.ndarray:
    array = np.asarray(values)
    if array.shape[-1:] != (last,):
        raise OptionError(f"got an array of shape {array.shape}; expected (..., {last})")
    return array.astype(array.dtype if array.dtype == np.float64 else np.float32, copy=False)
