"""The order in which boxes of text are read.

Two orders of PP-OCR (``sorted_boxes`` in ``tools/infer/predict_system.py``), which differ in how
boxes of one row come together, and one of ours that knows columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Literal

import numpy as np

from saccade.errors import OptionError

__all__ = ["reading_blocks", "reading_order", "sort_boxes"]

_MIN_LINES = 3  # a column has at least so many lines,
_MIN_SHARE = 0.25  # is at least this part of the width of what is cut,
_MIN_FILL = 0.5  # its lines fill it: a column of prices is no column of text
_MIN_SHAPE = 4.0  # and are so many times as wide as high: cells of a table are read row by row
_MAX_COLUMNS = 12


def sort_boxes(
    quads: np.ndarray, variant: Literal["r1", "s"] = "r1", tolerance: float = 10.0
) -> np.ndarray:
    """Order boxes from top to bottom, and from left to right within a row.

    By y, then x, of the first corner; then neighbours whose y differ by less than ``tolerance``
    change places where the second lies to the left.

    Args:
        quads: (N, 4, 2), from top left clockwise.
        variant: ``"r1"`` lets a box travel as far to the front as it must; ``"s"``, of PaddleOCR
            2.3, makes a single pass and can leave a row half sorted.
        tolerance: pixels.

    Returns:
        int64 (N,): the indices in order.

    Raises:
        OptionError: an unknown variant.
    """
    if variant not in ("r1", "s"):
        raise OptionError(f"box order {variant!r}: expected 'r1' or 's'")
    first = np.asarray(quads, np.float64).reshape(-1, 4, 2)[:, 0]
    order = np.lexsort((first[:, 0], first[:, 1])).tolist()

    def swapped(at: int) -> bool:
        before, after = first[order[at]], first[order[at + 1]]
        if abs(after[1] - before[1]) < tolerance and after[0] < before[0]:
            order[at], order[at + 1] = order[at + 1], order[at]
            return True
        return False

    for end in range(len(order) - 1):
        if variant == "s":
            swapped(end)
        else:
            at = end
            while at >= 0 and swapped(at):
                at -= 1
    return np.array(order, np.int64)


def reading_order(quads: np.ndarray) -> list[np.ndarray]:
    """Order boxes into rows, column by column where text is set in columns.

    The boxes are cut at gaps over the full width into bands. A run of bands through which one
    vertical gap goes, with something like a column of text on both sides (several lines that fill a
    fair part of the width), is read side by side; all else from row to row. So a headline above two
    columns comes first, and the prices on a receipt stay beside what they are for.

    Args:
        quads: (N, 4, 2), from top left clockwise.

    Returns:
        The rows: int64 indices from left to right each.
    """
    return [row for block in reading_blocks(quads) for row in block]


def reading_blocks(quads: np.ndarray) -> list[list[np.ndarray]]:
    """Order boxes as :func:`reading_order` does, and keep apart what is read in one go.

    Args:
        quads: (N, 4, 2), from top left clockwise.

    Returns:
        The blocks (a column, or what stands between columns) in order, with their rows each.
    """
    corners = np.asarray(quads, np.float64).reshape(-1, 4, 2)
    boxes = np.concatenate([corners.min(1), corners.max(1)], axis=1)  # (N, 4) xyxy
    blocks = _blocks(boxes, np.arange(len(boxes))) if len(boxes) else []
    return [_rows(boxes, block) for block in blocks]


def _blocks(boxes: np.ndarray, members: np.ndarray) -> list[np.ndarray]:
    """Part boxes into blocks that are read from row to row, in their order."""
    if len(members) < 2 * _MIN_LINES:
        return [members]
    order = members[np.argsort(boxes[members, 1], kind="stable")]
    bands = np.split(order, _gaps(boxes, order, axis=1))
    blocks: list[np.ndarray] = []
    loose: list[np.ndarray] = []
    at = 0
    while at < len(bands):
        end = _run(boxes, bands, at, float(np.ptp(boxes[members][:, [0, 2]])))
        columns = _columns(boxes, np.concatenate(bands[at:end]))
        if columns is None:
            loose.append(bands[at])
            at += 1
            continue
        if loose:
            blocks.append(np.concatenate(loose))
            loose = []
        blocks += [block for side in columns for block in _blocks(boxes, side)]
        at = end
    return [*blocks, np.concatenate(loose)] if loose else blocks


def _run(boxes: np.ndarray, bands: list[np.ndarray], at: int, span: float) -> int:
    """Where the bands end that leave room for two columns, seen from band ``at``."""
    merged: list[tuple[float, float]] = []
    for end in range(at, len(bands)):
        widened = _merge(merged + [(box[0], box[2]) for box in boxes[bands[end]].tolist()])
        # What one stretch leaves of the width must be enough for another column.
        longest = max(high - low for low, high in widened)
        if span - longest < _MIN_SHARE * longest or (len(merged) > 1 and len(widened) == 1):
            return max(end, at + 1)
        merged = widened
    return len(bands)


def _merge(stretches: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Join stretches that overlap."""
    merged: list[tuple[float, float]] = []
    for low, high in sorted(stretches):
        if merged and low < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    return merged


def _columns(boxes: np.ndarray, members: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Both sides of the leftmost gap that parts two columns of text, if there is one.

    A side may itself consist of columns. More gaps than a page has columns are those of a table.
    """
    order = members[np.argsort(boxes[members, 0], kind="stable")]
    gaps = [0, *_gaps(boxes, order, axis=0).tolist(), len(order)]
    if not 2 < len(gaps) <= _MAX_COLUMNS + 1:
        return None

    @cache
    def parting(first: int, last: int) -> int | None:
        """The gap, of those between two others, that parts what lies between them."""
        whole = float(np.ptp(boxes[order[gaps[first] : gaps[last]]][:, [0, 2]]))
        for gap in range(first + 1, last):
            if holds(first, gap, whole) and holds(gap, last, whole):
                return gap
        return None

    def holds(first: int, last: int, whole: float) -> bool:
        side = boxes[order[gaps[first] : gaps[last]]]
        return _is_column(side, whole) or parting(first, last) is not None

    found = parting(0, len(gaps) - 1)
    return None if found is None else (order[: gaps[found]], order[gaps[found] :])


def _is_column(boxes: np.ndarray, whole: float) -> bool:
    width = float(boxes[:, 2].max() - boxes[:, 0].min())
    filled = float(np.median(boxes[:, 2] - boxes[:, 0]))
    height = float(np.median(boxes[:, 3] - boxes[:, 1]))
    return (
        len(boxes) >= _MIN_LINES
        and width >= _MIN_SHARE * whole
        and filled >= max(_MIN_FILL * width, _MIN_SHAPE * height)
    )


def _gaps(boxes: np.ndarray, order: np.ndarray, axis: int) -> np.ndarray:
    """Before which of the boxes, sorted along the axis, a straight line parts all of them."""
    ends = np.maximum.accumulate(boxes[order, axis + 2])
    gaps: np.ndarray = np.flatnonzero(boxes[order[1:], axis] >= ends[:-1]) + 1
    return gaps


def _rows(boxes: np.ndarray, members: np.ndarray) -> list[np.ndarray]:
    """Group boxes into rows: neighbours in a row share at least half of their heights.

    A box is compared with the nearest box of each row, and joins the row whose nearest box is the
    nearest of all, so that a slanted row holds together.
    """
    centres = (boxes[:, 1] + boxes[:, 3]) / 2
    across = ((boxes[:, 0] + boxes[:, 2]) / 2).tolist()
    spans = boxes[:, [1, 3]].tolist()
    rows: list[list[int]] = []
    for index in sorted(members.tolist(), key=lambda i: (centres[i], boxes[i, 0])):
        best, closest = None, float("inf")
        for row in rows[-4:]:  # earlier rows are out of reach
            away, near = min((abs(across[i] - across[index]), i) for i in row)
            if away < closest and _overlap(spans[near], spans[index]) >= 0.5:
                best, closest = row, away
        if best is None:
            rows.append([index])
        else:
            best.append(index)
    return [np.array(sorted(row, key=lambda i: boxes[i, 0]), np.int64) for row in rows]


def _overlap(one: Sequence[float], two: Sequence[float]) -> float:
    """Share of the shorter of two stretches that they have in common."""
    common = min(one[1], two[1]) - max(one[0], two[0])
    least = min(one[1] - one[0], two[1] - two[0])
    return common / least if least > 0 else 0.0
