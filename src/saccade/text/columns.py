"""Columns of upright letters, one below the other, laid out as a line."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

__all__ = ["Strip", "lay_out"]

_LEAST_HEIGHT = 0.3  # of the width: lower pieces (dots, accents) belong to a letter beside them
_MARGIN = 0.1  # of the height of a letter, on both sides


class Strip(NamedTuple):
    """Letters of a column, side by side.

    Attributes:
        image: uint8 (H, W, C), reads from left to right.
        edges: float64 (N + 1,): where cells begin and end in the strip, in parts of its width.
        places: float64 (N, 2): from where to where they stood in the column, in parts of its
            height.
    """

    image: np.ndarray
    edges: np.ndarray
    places: np.ndarray

    def to_column(self, spans: np.ndarray) -> np.ndarray:
        """Bring stretches of the strip back to the column.

        Args:
            spans: (N, 2), in parts of the strip's width.

        Returns:
            float64 (N, 2), in parts of the column's height.
        """
        knots = np.repeat(self.edges, 2)[1:-1]
        column: np.ndarray = np.interp(
            np.asarray(spans, np.float64), knots, self.places.reshape(-1)
        )
        return column


def lay_out(column: np.ndarray) -> Strip:
    """Cut a column between its letters and lay them out side by side.

    A column without gaps comes back as one cell: upright, as it is.

    Args:
        column: uint8 (H, W, C), higher than wide.
    """
    height, width = column.shape[:2]
    cells = _cells(column)
    tallest = max(bottom - top for top, bottom in cells)
    margin = max(1, round(_MARGIN * tallest))
    background = _background(column)
    strip = np.empty((tallest, sum(width for _ in cells), column.shape[2]), np.uint8)
    strip[:] = background
    for index, (top, bottom) in enumerate(cells):
        at = (tallest - (bottom - top)) // 2
        strip[at : at + bottom - top, index * width : (index + 1) * width] = column[top:bottom]
    image = cv2.copyMakeBorder(
        strip, margin, margin, 0, 0, cv2.BORDER_CONSTANT, value=[int(v) for v in background]
    )
    edges = np.linspace(0.0, 1.0, len(cells) + 1)
    return Strip(image, edges, np.array(cells, np.float64) / height)


def _cells(column: np.ndarray) -> list[tuple[int, int]]:
    """Rows where each letter begins and ends."""
    height, width = column.shape[:2]
    grey = cv2.cvtColor(column, cv2.COLOR_RGB2GRAY)
    _, ink = cv2.threshold(grey, 0, 1, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    if np.median(ink[:, [0, -1]]) > 0.5:  # the rim is ground
        ink = 1 - ink
    filled = np.flatnonzero(np.diff(np.r_[0, (ink.sum(axis=1) > 0).astype(np.int8), 0]))
    pieces = filled.reshape(-1, 2).tolist()
    while len(pieces) > 1:
        low = min(range(len(pieces)), key=lambda index: pieces[index][1] - pieces[index][0])
        if pieces[low][1] - pieces[low][0] >= _LEAST_HEIGHT * width:
            break
        # A dot or an accent goes to the letter that it is nearer to.
        above = pieces[low][0] - pieces[low - 1][1] if low else height
        below = pieces[low + 1][0] - pieces[low][1] if low + 1 < len(pieces) else height
        first = low - 1 if above <= below else low
        pieces[first : first + 2] = [[pieces[first][0], pieces[first + 1][1]]]
    if len(pieces) < 2:
        return [(0, height)]
    return [(top, bottom) for top, bottom in pieces]


def _background(column: np.ndarray) -> np.ndarray:
    rim = np.concatenate([column[:, 0], column[:, -1]])
    median: np.ndarray = np.median(rim, axis=0).astype(np.uint8)
    return median
