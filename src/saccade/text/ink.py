"""Where in a found line its ink is: lines end where it ends, and part where it pauses for long.

A text detector works on a coarse map, so its boxes are generous to the left and right, and two
columns of a receipt or a table that stand close come out as one line. Single characters, hardly
larger than the steps of the map, get boxes that are too large on all sides, and askew. The picture
itself says better where letters stand. This is our own, of no paper. It acts only where ink and
ground are clearly apart: on a textured ground no column of pixels is blank, and lines stay as they
were.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from saccade.text.crop import cut_line
from saccade.text.words import quad_slices

__all__ = ["FittedLines", "fit_to_ink", "ink_spans"]

_HEIGHT = 24  # pixels; lines are looked at in about this height
_INNER = 0.15  # of the height above and below is left out: there the neighbours reach in
_CLEAR = 40.0  # levels of grey between ink and ground, below which nothing is done
_FAINT = 0.35  # of the strongest ink; a column with less is blank
_LEAST_INK = 0.04  # of the height; narrower specks are no text
_MARK = (0.5, 1.5)  # width over height of what may be one or two characters
_NEIGHBOUR = 0.3  # of the box; what reaches in from outside, and no further, belongs to another
_SPECK = 3  # pixels; less is noise


class FittedLines(NamedTuple):
    """Lines that were fitted.

    Attributes:
        quads: float32 (M, 4, 2), from top left clockwise.
        origins: int64 (M,), the line that each was a part of.
    """

    quads: NDArray[np.float32]
    origins: NDArray[np.int64]


def fit_to_ink(
    image: NDArray[np.uint8], quads: NDArray[np.float32], *, gap: float, margin: float
) -> FittedLines:
    """Part lines at wide gaps and take off what is blank at both ends; of marks, on all sides.

    A mark is about as wide as high: one or two characters. Its box is upright afterwards.

    Args:
        image: uint8 RGB (H, W, 3).
        quads: (N, 4, 2) in its pixels, from top left clockwise. What is much higher than wide stays
            as it is.
        gap: a line is parted where so much is blank, in heights of the line.
        margin: what stays before the first and after the last ink, likewise.
    """
    fitted, origins = [], []
    for number, quad in enumerate(quads):
        across, down = np.linalg.norm(quad[1] - quad[0]), np.linalg.norm(quad[3] - quad[0])
        spans = np.array([[0.0, 1.0]])
        if down >= 4 and _MARK[0] * down <= across <= _MARK[1] * down:
            quad = _around_ink(image, quad, margin)
        elif across >= down >= 4:
            spans = ink_spans(cut_line(image, quad, _HEIGHT), gap=gap, margin=margin)
        fitted.append(quad_slices(quad, spans))
        origins += [number] * len(spans)
    corners = np.concatenate(fitted) if fitted else np.zeros((0, 4, 2))
    return FittedLines(corners.astype(np.float32), np.array(origins, np.int64))


def ink_spans(line: NDArray[np.uint8], *, gap: float, margin: float) -> NDArray[np.float64]:
    """Where the parts of a line begin and end.

    Args:
        line: uint8 (h, w, 3), text from left to right.
        gap: least width of what is blank between two parts, in heights.
        margin: what stays around the ink, in heights.

    Returns:
        (K, 2) in parts of the width, from left to right, K at least 1; ``[[0, 1]]`` where ink and
        ground aren't clearly apart.
    """
    whole = np.array([[0.0, 1.0]])
    height, width = line.shape[:2]
    edge = int(_INNER * height)
    ink = _ink(line[edge : height - edge])
    if ink is None:
        return whole
    inked = np.flatnonzero(ink.any(axis=0))
    # A pause is a step from one inked column to the next that is wider than the gap.
    pauses = np.flatnonzero(np.diff(inked) > gap * height)
    first, last = inked[np.r_[0, pauses + 1]], inked[np.r_[pauses, len(inked) - 1]] + 1
    room = margin * height
    spans = np.stack([np.maximum(first - room, 0), np.minimum(last + room, width)], axis=1)
    solid = last - first >= _LEAST_INK * height
    return spans[solid] / width if solid.any() else whole


def _ink(piece: NDArray[np.uint8]) -> NDArray[np.bool_] | None:
    """What differs from the ground, bool (h, w); None where ink and ground aren't clearly apart."""
    grey = cv2.cvtColor(np.ascontiguousarray(piece), cv2.COLOR_RGB2GRAY).astype(np.int16)
    apart = np.abs(grey - int(np.median(grey)))
    strongest = float(np.percentile(apart, 98))
    if strongest < _CLEAR:
        return None
    ink: NDArray[np.bool_] = apart > _FAINT * strongest
    return ink


def _around_ink(
    image: NDArray[np.uint8], quad: NDArray[np.float32], margin: float
) -> NDArray[np.float32]:
    """The upright box of the ink inside a box, with a margin in heights of that ink."""
    left, top = np.maximum(np.floor(quad.min(axis=0)).astype(int), 0)
    right, bottom = np.ceil(quad.max(axis=0)).astype(int)
    piece = image[top:bottom, left:right]
    ink = _ink(piece) if piece.size else None
    if ink is None:
        return quad
    inside = np.zeros(ink.shape, np.uint8)
    cv2.fillPoly(inside, [np.round(quad - (left, top)).astype(np.int32)], 1)
    high, wide = ink.shape
    _, _, found, _ = cv2.connectedComponentsWithStats(
        (ink & (inside > 0)).astype(np.uint8), connectivity=8
    )
    x, y, across, down, count = found[1:].T  # the first is the ground
    beside = ((x == 0) | (x + across == wide)) & (across < _NEIGHBOUR * wide)
    above = ((y == 0) | (y + down == high)) & (down < _NEIGHBOUR * high)
    own = ~beside & ~above & (count >= _SPECK)
    if not own.any():
        return quad
    begin = np.array([x[own].min(), y[own].min()])
    end = np.array([(x + across)[own].max(), (y + down)[own].max()])
    room = margin * (end[1] - begin[1])
    (x1, y1), (x2, y2) = begin - room + (left, top), end + room + (left, top)
    return np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]], np.float32)
