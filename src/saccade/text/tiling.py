"""Cutting a large picture into tiles for the detector, and joining their maps again.

The probability maps of the tiles are joined, not the boxes: a line that crosses a seam is then one
region like any other. Tiles overlap; each gives the map of what is nearer to its middle than to
that of its neighbour, where it sees what lies around.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from saccade.errors import OptionError

__all__ = ["OVERLAP", "Tile", "stitch", "tiles"]

OVERLAP = 128
"""Pixels that neighbouring tiles share; several times the height of a line."""

_STEP = 32  # sides of tiles are multiples of it


class Tile(NamedTuple):
    """A part of a picture, and the part of it that counts.

    Attributes:
        top: first row that the detector sees.
        bottom: row after the last one.
        left: first column.
        right: column after the last one.
        keep: top, bottom, left, right of the part whose map is kept, in pixels of the picture.
    """

    top: int
    bottom: int
    left: int
    right: int
    keep: tuple[int, int, int, int]


def tiles(height: int, width: int, limit: int) -> list[Tile]:
    """Part a picture.

    Args:
        height: of the picture, a multiple of 32.
        width: likewise.
        limit: longest side of a tile; at least twice the overlap.

    Returns:
        Tiles of one size, from top left to bottom right, whose kept parts cover every pixel once.

    Raises:
        OptionError: sides or a limit that do not fit.

    Examples:
        >>> tiles(640, 960, 960)
        [Tile(top=0, bottom=640, left=0, right=960, keep=(0, 640, 0, 960))]
    """
    if height % _STEP or width % _STEP or min(height, width) < _STEP or limit < 2 * OVERLAP:
        raise OptionError(
            f"a picture of {height} x {width} in tiles of {limit}: expected sides that are "
            f"multiples of {_STEP}, and tiles of at least {2 * OVERLAP}"
        )
    return [
        Tile(top, bottom, left, right, (first, last, start, end))
        for top, bottom, first, last in _cuts(height, limit)
        for left, right, start, end in _cuts(width, limit)
    ]


def stitch(image: np.ndarray, limit: int, look: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Make the map of a whole picture from those of its tiles.

    Args:
        image: (H, W, C), sides multiples of 32.
        limit: longest side of a tile.
        look: takes a tile (h, w, C), contiguous, and gives its map, float32 (h, w).

    Returns:
        float32 (H, W).
    """
    height, width = image.shape[:2]
    parts = tiles(height, width, limit)
    if len(parts) == 1:
        return look(image)
    whole = np.zeros((height, width), np.float32)
    for part in parts:
        seen = look(np.ascontiguousarray(image[part.top : part.bottom, part.left : part.right]))
        first, last, start, end = part.keep
        whole[first:last, start:end] = seen[
            first - part.top : last - part.top, start - part.left : end - part.left
        ]
    return whole


def _cuts(length: int, limit: int) -> list[tuple[int, int, int, int]]:
    """Part a side: where each tile starts and ends, and the stretch of it that is kept."""
    if length <= limit:
        return [(0, length, 0, length)]
    count = math.ceil((length - OVERLAP) / (limit - OVERLAP))
    # Of one size, so that one shape serves all; the last ones overlap a little more.
    size = math.ceil((length + (count - 1) * OVERLAP) / count / _STEP) * _STEP
    starts = [round(index * (length - size) / (count - 1)) for index in range(count)]
    seams = [
        0,
        *((before + size + after) // 2 for before, after in pairwise(starts)),
        length,
    ]
    return [
        (start, start + size, seams[index], seams[index + 1]) for index, start in enumerate(starts)
    ]
