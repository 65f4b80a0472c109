"""Where in a found line its ink is: lines end where it ends, and part where it pauses for long.

A text detector works on a coarse map, so its boxes are generous to the left and right, and two
columns of a receipt or a table that stand close come out as one line. The picture itself says
better where letters stand. This is our own, of no paper. It acts only where ink and ground are
clearly apart: on a textured ground no column of pixels is blank, and lines stay as they were.
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
    """Part lines at wide gaps and take off what is blank at both ends.

    Args:
        image: uint8 RGB (H, W, 3).
        quads: (N, 4, 2) in its pixels, from top left clockwise. What is higher than wide stays as
            it is.
        gap: a line is parted where so much is blank, in heights of the line.
        margin: what stays before the first and after the last ink, likewise.
    """
    fitted, origins = [], []
    for number, quad in enumerate(quads):
        across, down = np.linalg.norm(quad[1] - quad[0]), np.linalg.norm(quad[3] - quad[0])
        spans = np.array([[0.0, 1.0]])
        if across >= down >= 4:
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
    grey = cv2.cvtColor(line, cv2.COLOR_RGB2GRAY)
    edge = int(_INNER * height)
    inner = grey[edge : height - edge].astype(np.int16)
    apart = np.abs(inner - int(np.median(inner)))
    strongest = float(np.percentile(apart, 98))
    if strongest < _CLEAR:
        return whole
    inked = np.flatnonzero((apart > _FAINT * strongest).any(axis=0))
    # A pause is a step from one inked column to the next that is wider than the gap.
    pauses = np.flatnonzero(np.diff(inked) > gap * height)
    first, last = inked[np.r_[0, pauses + 1]], inked[np.r_[pauses, len(inked) - 1]] + 1
    room = margin * height
    spans = np.stack([np.maximum(first - room, 0), np.minimum(last + room, width)], axis=1)
    solid = last - first >= _LEAST_INK * height
    return spans[solid] / width if solid.any() else whole
