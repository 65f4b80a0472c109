"""Quarter turns of a picture and of the quads on it."""

from __future__ import annotations

import numpy as np

from saccade.errors import OptionError
from saccade.text.crop import UPRIGHT_RATIO

__all__ = ["is_sideways", "sides", "turn_image", "turn_quads", "unturn_quads"]

_MAJORITY = 0.6


def turn_image(image: np.ndarray, degrees: int) -> np.ndarray:
    """Turn a picture clockwise by 0, 90, 180 or 270 degrees; the result is contiguous.

    Raises:
        OptionError: another angle.
    """
    _check(degrees)
    if degrees == 0:
        return image
    return np.ascontiguousarray(np.rot90(image, -(degrees // 90)))


def turn_quads(quads: np.ndarray, degrees: int, size: tuple[int, int]) -> np.ndarray:
    """Bring points of a picture to where they are after it is turned clockwise.

    The order of the points is kept: the first corner of a text stays its first corner.

    Args:
        quads: (..., 2), points ``(x, y)``.
        degrees: 0, 90, 180 or 270.
        size: (height, width) of the picture before it is turned.

    Examples:
        >>> turn_quads(np.array([0.0, 0.0]), 90, (40, 60)).tolist()
        [40.0, 0.0]
    """
    _check(degrees)
    height, width = size
    x, y = quads[..., 0], quads[..., 1]
    match degrees:
        case 90:
            return np.stack([height - y, x], axis=-1)
        case 180:
            return np.stack([width - x, height - y], axis=-1)
        case 270:
            return np.stack([y, width - x], axis=-1)
        case _:
            return quads


def unturn_quads(quads: np.ndarray, degrees: int, size: tuple[int, int]) -> np.ndarray:
    """Undo :func:`turn_quads`.

    Args:
        quads: (..., 2), points of the turned picture.
        degrees: by which it was turned clockwise.
        size: (height, width) of the picture before it was turned.
    """
    _check(degrees)
    turned = size[::-1] if degrees in (90, 270) else size
    return turn_quads(quads, -degrees % 360, turned)


def sides(quads: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Widths and heights of quads: the longer of the two opposite sides each.

    Args:
        quads: (N, 4, 2), from top left clockwise.

    Returns:
        float64 (N,) and (N,).
    """
    corners = np.asarray(quads, np.float64).reshape(-1, 4, 2)
    edges = np.linalg.norm(np.roll(corners, -1, axis=1) - corners, axis=2)
    return np.maximum(edges[:, 0], edges[:, 2]), np.maximum(edges[:, 1], edges[:, 3])


def is_sideways(quads: np.ndarray) -> bool:
    """Whether most of the text runs upwards or downwards.

    Boxes that are clearly longer one way vote, by their lengths.

    Args:
        quads: (N, 4, 2), from top left clockwise.
    """
    widths, heights = sides(quads)
    tall = float(heights[heights >= UPRIGHT_RATIO * widths].sum())
    wide = float(widths[widths >= UPRIGHT_RATIO * heights].sum())
    return tall > 0 and tall >= _MAJORITY * (tall + wide)


def _check(degrees: int) -> None:
    if degrees not in (0, 90, 180, 270):
        raise OptionError(f"a turn by {degrees!r} degrees: expected 0, 90, 180 or 270")
