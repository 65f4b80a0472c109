"""How lines of many widths go through a recogniser: in few shapes, and with little padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["LineBatch", "cut_long", "fill", "plan"]

STEP = 32
"""Batches are a multiple of it wide, so that any mix of lines comes down to a few shapes."""

_GREY = 127  # stands for zero after normalisation
_MOST_LINES = 16
_MOST_COLUMNS = 6144  # of all lines of a batch together: memory stays flat
_WASTE = 0.15  # part of a batch that may be padding before another one is begun


class LineBatch(NamedTuple):
    """Lines that go through the network together.

    Attributes:
        members: indices of the lines.
        width: of the batch, in pixels.
    """

    members: list[int]
    width: int


def plan(widths: Sequence[int], least: int = 64) -> list[LineBatch]:
    """Group lines of similar widths.

    Args:
        widths: of the lines at the height of the network, in pixels.
        least: batches are at least so wide.

    Returns:
        Batches, the narrowest first; every line is in one.
    """
    batches: list[LineBatch] = []
    members: list[int] = []
    used = 0
    for index in sorted(range(len(widths)), key=lambda i: widths[i]):
        width = max(least, -(-widths[index] // STEP) * STEP)
        count = len(members) + 1
        full = count > _MOST_LINES or count * width > _MOST_COLUMNS
        wasted = count * width - used - width
        if members and (full or wasted > _WASTE * count * width):
            batches.append(_batch(members, widths, least))
            members, used = [], 0
        members.append(index)
        used += width
    return [*batches, _batch(members, widths, least)] if members else batches


def cut_long(line: np.ndarray, most: float) -> list[tuple[int, int]]:
    """Part a line that is too long for one go, between letters where possible.

    Args:
        line: uint8 (H, W, C).
        most: pieces are at most so many times as wide as high.

    Returns:
        First column and column after the last one of each piece, from left to right; one piece for
        a line that is not too long.
    """
    height, width = line.shape[:2]
    longest = max(1, int(most * height))
    if width <= longest:
        return [(0, width)]
    # The quietest columns are those between words.
    noise = line.max(axis=0).astype(np.int16) - line.min(axis=0)
    quiet = np.convolve(noise.max(axis=1), np.ones(max(1, height // 2)), mode="same")
    pieces, start = [], 0
    while width - start > longest:
        first = start + max(1, int(0.8 * longest))
        end = first + int(quiet[first : start + longest + 1].argmin())
        pieces.append((start, end))
        start = end
    return [*pieces, (start, width)]


def _batch(members: list[int], widths: Sequence[int], least: int) -> LineBatch:
    widest = max(widths[index] for index in members)
    return LineBatch(members, max(least, -(-widest // STEP) * STEP))


def fill(
    crops: Sequence[NDArray[np.uint8]], widths: Sequence[int], height: int, width: int
) -> NDArray[np.uint8]:
    """Lay lines into a batch of uint8 (N, height, width, 3), each as wide as ``widths`` says."""
    batch = np.full((len(crops), height, width, 3), _GREY, np.uint8)
    for row, crop, across in zip(batch, crops, widths, strict=True):
        row[:, :across] = cv2.resize(crop, (across, height), interpolation=cv2.INTER_LINEAR)
    return batch
