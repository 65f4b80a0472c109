"""Cutting a large picture into overlapping tiles, for models that look at small pictures.

For maps that are joined pixel by pixel see :mod:`saccade.text.tiling`; here each tile is a picture
of its own, and what is found in it is merged afterwards.
"""

from __future__ import annotations

import math

import numpy as np

from saccade.errors import OptionError

__all__ = ["MAX_TILES", "cut_tiles", "touches_seam"]

MAX_TILES = 10_000
"""More are refused: a mistyped size would keep a machine busy for days."""


def cut_tiles(size: tuple[int, int], tile: tuple[int, int], overlap: float = 0.2) -> np.ndarray:
    """Cover a picture with tiles of one size.

    The tiles are spread evenly, so that the last one is no narrow rest; neighbours share at least
    ``overlap`` of a side. A side of the picture that is no longer than that of a tile is not cut.

    Args:
        size: (height, width) of the picture, in pixels.
        tile: (height, width) of a tile, in pixels.
        overlap: part of a tile that neighbours share at least, 0 to 0.9.

    Returns:
        int64 (T, 4), xyxy, from top left to bottom right; one row when the picture fits a tile.

    Raises:
        OptionError: a size below 1, an overlap out of range, or more than `MAX_TILES`.

    Examples:
        >>> cut_tiles((100, 250), (100, 100), 0.2).tolist()
        [[0, 0, 100, 100], [75, 0, 175, 100], [150, 0, 250, 100]]
    """
    if min(*size, *tile) < 1:
        raise OptionError(
            f"a picture {size} in tiles of {tile}; expected sides of at least 1 pixel"
        )
    if not 0 <= overlap <= 0.9:
        raise OptionError(f"overlap is {overlap!r}, expected a part of a tile from 0 to 0.9")
    rows, columns = (_count(length, side, overlap) for length, side in zip(size, tile, strict=True))
    if rows * columns > MAX_TILES:
        raise OptionError(
            f"a picture of {size[1]} x {size[0]} needs {rows * columns} tiles of {tile[1]} x "
            f"{tile[0]} with an overlap of {overlap:g}, allowed {MAX_TILES}; choose larger tiles"
        )
    tops, lefts = _starts(size[0], tile[0], rows), _starts(size[1], tile[1], columns)
    height, width = min(size[0], tile[0]), min(size[1], tile[1])
    return np.array(
        [(left, top, left + width, top + height) for top in tops for left in lefts], np.int64
    )


def touches_seam(
    boxes: np.ndarray, tile: np.ndarray, size: tuple[int, int], margin: tuple[float, float]
) -> np.ndarray:
    """Tell which boxes end at a border of their tile that is not a border of the picture.

    What such a box frames may go on beyond: it is perhaps a part of something only.

    Args:
        boxes: (N, 4) xyxy in pixels of the picture.
        tile: (4,) xyxy of the tile they were found in.
        size: (height, width) of the picture.
        margin: (vertical, horizontal) pixels within which a box counts as touching.

    Returns:
        bool (N,).
    """
    height, width = size
    vertical, horizontal = margin
    left, top, right, bottom = (int(value) for value in tile)
    touching: np.ndarray = np.zeros(len(boxes), np.bool_)
    if left > 0:
        touching |= boxes[:, 0] <= left + horizontal
    if top > 0:
        touching |= boxes[:, 1] <= top + vertical
    if right < width:
        touching |= boxes[:, 2] >= right - horizontal
    if bottom < height:
        touching |= boxes[:, 3] >= bottom - vertical
    return touching


def _count(length: int, side: int, overlap: float) -> int:
    if length <= side:
        return 1
    shared = round(side * overlap)
    return math.ceil((length - shared) / max(1, side - shared))


def _starts(length: int, side: int, count: int) -> list[int]:
    if count == 1:
        return [0]
    return [round(index * (length - side) / (count - 1)) for index in range(count)]
