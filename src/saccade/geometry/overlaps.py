"""Which boxes of many overlap by more than a threshold, found without comparing all with all.

If the IoU of two boxes exceeds t, their sides differ by less than a factor of ``1 / t``, and their
centres lie close together: along each axis the distance is less than ``(1 - t) / (2 t)`` times the
side of either box, and less than half the sum of the two sides. So the boxes are sorted once, by
group, height (in powers of four), strip of the picture and horizontal cell, and a box is compared
with a few ranges of that order alone. The bounds are taken with some slack, and every candidate's
IoU is computed by the formula of `saccade.geometry.boxes.iou_pairs` in float64, so the answer is
that of the double loop, to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saccade.errors import OptionError

__all__ = [
    "OverlapGrid",
    "Ranked",
    "box_arrays",
    "rank",
    "suppress",
    "usable",
    "whole_numbers",
]

_LARGEST = 1e100
# Levels, strips of a level and cells along a strip; with 2^20 groups they fit into an int64.
_LEVELS, _STRIPS, _CELLS = 8, 1 << 14, 1 << 18
# Far above rounding, far below what costs time.
_SLACK = 1e-9
# Candidates handled at once, which bounds the memory.
_CHUNK = 1 << 20
# Boxes that are settled at once, to begin with.
_BLOCK = 16
# Up to so many comparisons, all with all costs less than searching.
_FEW = 1 << 14


@dataclass(frozen=True, eq=False)
class Ranked:
    """The usable boxes by descending score; equal scores keep the order of their index.

    Attributes:
        index: int64 (N,), where each box stood.
        boxes: float64 (N, 4) xyxy.
        scores: float64 (N,).
        groups: int64 (N,), 0..G-1; only boxes of one group are compared.
    """

    index: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    groups: np.ndarray

    def __len__(self) -> int:
        return len(self.index)


def usable(boxes: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Tell which rows are numbers: neither NaN nor infinite, and within ±1e100.

    `saccade.geometry.suppression` and `saccade.geometry.fusion` leave the other rows out without a
    word. Whoever has to report them counts them here.

    Args:
        boxes: (N, 4) xyxy.
        scores: (N,).

    Returns:
        bool (N,).
    """
    boxes, scores = box_arrays(boxes, scores)
    # The comparisons are False for NaN.
    good: np.ndarray = (np.abs(boxes) <= _LARGEST).all(axis=1) & (np.abs(scores) <= _LARGEST)
    return good


def rank(boxes: np.ndarray, scores: np.ndarray, labels: np.ndarray | None) -> Ranked:
    """Sort the usable boxes.

    Args:
        boxes: (N, 4) xyxy.
        scores: (N,).
        labels: (N,) integers; boxes of different labels never meet. None: one group of all.

    Raises:
        OptionError: shapes that do not fit.
    """
    boxes, scores = box_arrays(boxes, scores)
    index = np.flatnonzero(usable(boxes, scores))
    index = index[np.argsort(-scores[index], kind="stable")]
    if labels is None:
        groups = np.zeros(len(index), np.int64)
    else:
        numbers = whole_numbers(labels, len(scores), "labels")
        groups = np.unique(numbers[index], return_inverse=True)[1]
    return Ranked(index, boxes[index], scores[index], groups)


def box_arrays(boxes: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Check boxes (N, 4) and scores (N,), and give them as float64."""
    boxes, scores = np.asarray(boxes, np.float64), np.asarray(scores, np.float64)
    if boxes.shape == (0,):  # what an empty list becomes
        boxes = boxes.reshape(0, 4)
    if boxes.ndim != 2 or boxes.shape[1] != 4 or scores.shape != boxes.shape[:1]:
        raise OptionError(
            f"boxes have shape {boxes.shape} and scores {scores.shape}; expected (N, 4) and (N,)"
        )
    return boxes, scores


def whole_numbers(values: np.ndarray, count: int, what: str) -> np.ndarray:
    """Check one integer a box, and give them as int64 (N,)."""
    array = np.asarray(values)
    if array.shape != (count,) or (count and array.dtype.kind not in "iu"):
        raise OptionError(
            f"{what} have shape {array.shape} and dtype {array.dtype}; expected {count} integers, "
            "one a box"
        )
    return array.astype(np.int64)


def suppress(
    ranked: Ranked, iou: float, *, inclusive: bool = False, limit: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Greedy suppression: the best box removes those it overlaps, then the best that is left, ...

    Args:
        ranked: N boxes.
        iou: 0..1; a box goes if its IoU with a kept one exceeds this.
        inclusive: whether an IoU of exactly ``iou`` suffices.
        limit: stop when so many boxes are kept; the owners are complete only without it.

    Returns:
        Two int64 arrays of positions in ``ranked``: (K,) the kept boxes, in order; (N,) the kept
        box that removed each box, which for a kept box is the box itself.
    """
    owner = np.full(len(ranked), -1, np.int64)
    waiting = np.arange(len(ranked))
    grid = OverlapGrid(ranked.boxes, ranked.groups, iou, inclusive=inclusive)
    kept: list[np.ndarray] = []
    count, size = 0, _BLOCK
    while len(waiting) and (limit is None or count < limit):
        heads = waiting[:size]
        first, second, _ = grid.pairs(heads, later=True)
        starts = np.flatnonzero(np.diff(first, prepend=-1))
        ends = np.append(starts[1:], len(first))[: len(starts)]
        for head, start, end in zip(
            first[starts].tolist(), starts.tolist(), ends.tolist(), strict=True
        ):
            if owner[head] < 0:
                met = second[start:end]
                owner[met[owner[met] < 0]] = head
        new = heads[owner[heads] < 0]
        owner[new] = new
        kept.append(new)
        count += len(new)
        waiting = waiting[len(heads) :]
        waiting = waiting[owner[waiting] < 0]
        grid.keep(owner < 0)
        if 2 * len(new) > len(heads):  # few boxes overlap, so larger blocks waste nothing
            size *= 2
    positions = np.concatenate(kept) if kept else np.zeros(0, np.int64)
    return positions[:limit], owner


class OverlapGrid:
    """Boxes sorted so that those that overlap a given one by enough are found in a few ranges.

    Args:
        boxes: float64 (N, 4) xyxy, all usable.
        groups: int64 (N,), 0..G-1; boxes of different groups do not overlap.
        iou: t in 0..1.
        inclusive: whether an IoU of exactly t suffices; t must then be above 0.
    """

    def __init__(
        self, boxes: np.ndarray, groups: np.ndarray, iou: float, *, inclusive: bool = False
    ) -> None:
        self._iou, self._inclusive = iou, inclusive
        self._corners = tuple(np.ascontiguousarray(boxes[:, side]) for side in range(4))
        x1, y1, x2, y2 = self._corners
        self._sides = np.maximum(x2 - x1, 0), np.maximum(y2 - y1, 0)
        self._area = self._sides[0] * self._sides[1]
        self._groups = groups
        # Boxes without area meet none.
        self._order = np.flatnonzero(self._area > 0)
        self._keys: np.ndarray | None = None

    def _sort(self) -> np.ndarray:
        x1, y1, x2, y2 = self._corners
        width, height = (side[self._order] for side in self._sides)
        self._centre = (x1 + x2) / 2, (y1 + y2) / 2
        x, y = (centre[self._order] for centre in self._centre)
        self._rounding = 8 * np.spacing(max(float(np.abs(axis).max()) for axis in self._corners))
        level = np.floor(np.log2(height / height.min()) / 2)
        level = np.minimum(level, _LEVELS - 1).astype(np.int64)
        levels, level = np.unique(level, return_inverse=True)
        # By level: the lowest and the largest sides, and how high its strips are.
        self._lowest = np.full(len(levels), np.inf)
        np.minimum.at(self._lowest, level, height)
        self._widest, self._highest = np.zeros((2, len(levels)))
        np.maximum.at(self._widest, level, width)
        np.maximum.at(self._highest, level, height)
        total = np.bincount(level, weights=height)
        self._origin = float(x.min()), float(y.min())
        self._strip = np.maximum(total / np.bincount(level), np.ptp(y) / _STRIPS)
        self._cell = float(np.ptp(x)) / _CELLS or 1.0
        key = self._key(self._groups[self._order], level, self._strip_of(y, level), x)
        by_key = np.argsort(key, kind="stable")
        self._order = self._order[by_key]
        keys: np.ndarray = key[by_key]
        return keys

    def _strip_of(self, y: np.ndarray, level: np.ndarray) -> np.ndarray:
        strip = np.floor((y - self._origin[1]) / self._strip[level])
        number: np.ndarray = np.clip(strip, 0, _STRIPS - 1).astype(np.int64)
        return number

    def _key(
        self, groups: np.ndarray, level: np.ndarray, strip: np.ndarray, x: np.ndarray
    ) -> np.ndarray:
        cell = np.clip(np.floor((x - self._origin[0]) / self._cell), 0, _CELLS - 1)
        key: np.ndarray = ((groups * _LEVELS + level) * _STRIPS + strip) * _CELLS
        return key + cell.astype(np.int64)

    def keep(self, wanted: np.ndarray) -> None:
        """Forget boxes.

        Args:
            wanted: bool (N,); boxes that are False are found no more.
        """
        left = wanted[self._order]
        if not left.all():
            self._order = self._order[left]
            if self._keys is not None:
                self._keys = self._keys[left]

    @np.errstate(over="ignore")  # bounds of boxes of extreme size may well be infinite
    def pairs(
        self, queries: np.ndarray, *, later: bool = False
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Find what overlaps each of some boxes by enough.

        Args:
            queries: int64 (Q,), positions of boxes, which need not be findable themselves.
            later: find only boxes that stand behind the query.

        Returns:
            int64 (P,) the query, by the order of the queries; int64 (P,) another box that overlaps
            it; float64 (P,) their IoU.
        """
        queries = queries[self._area[queries] > 0]
        if len(queries) * len(self._order) <= _FEW:
            return self._compare(queries[:, None], self._order[None, :], later)
        query, low, counts = self._ranges(queries)
        if not len(query):
            return self._compare(query, query, later)
        total = np.cumsum(counts)
        cuts = np.searchsorted(total, np.arange(_CHUNK, total[-1], _CHUNK), side="right")
        found = [
            self._compare(*self._candidates(query[part], low[part], counts[part], later), later)
            for part in np.split(np.arange(len(query)), cuts)
        ]
        first, second, iou = (np.concatenate(column) for column in zip(*found, strict=True))
        return first, second, iou

    def _ranges(self, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Ranges of the sorted order that hold all candidates: query, start, length, (R,) each."""
        if self._keys is None:
            self._keys = self._sort()
        shape = 1 - _SLACK
        height = self._sides[1][queries]
        fits = self._highest >= (self._iou * shape) * height[:, None]
        fits &= self._lowest * (self._iou * shape) <= height[:, None]
        row, level = np.nonzero(fits)
        query = queries[row]
        down = self._reach(self._sides[1][query], self._highest[level])
        centre = self._centre[1][query]
        top, bottom = self._strip_of(centre - down, level), self._strip_of(centre + down, level)
        strips = bottom - top + 1
        part = np.repeat(np.arange(len(query)), strips)
        strip = np.arange(len(part)) - np.repeat(np.cumsum(strips) - strips - top, strips)
        query, level = query[part], level[part]
        across = self._reach(self._sides[0][query], self._widest[level])
        centre, groups = self._centre[0][query], self._groups[query]
        low = self._key(groups, level, strip, centre - across)
        high = self._key(groups, level, strip, centre + across)
        start = np.searchsorted(self._keys, low)
        end = np.searchsorted(self._keys, high, side="right")
        some = end > start
        return query[some], start[some], (end - start)[some]

    def _reach(self, side: np.ndarray, largest: np.ndarray) -> np.ndarray:
        """How far the centre of a box that overlaps enough can be away."""
        reach = (side + largest) / 2
        if self._iou > 0:
            reach = np.minimum(reach, side * ((1 - self._iou) / (2 * self._iou) + _SLACK))
        widened: np.ndarray = reach * (1 + _SLACK) + self._rounding
        return widened

    def _candidates(
        self, query: np.ndarray, start: np.ndarray, counts: np.ndarray, later: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        place = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts - start, counts)
        first, second = np.repeat(query, counts), self._order[place]
        if later:
            wanted = second > first
            first, second = first[wanted], second[wanted]
        return first, second

    def _compare(
        self, first: np.ndarray, second: np.ndarray, later: bool
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Those of some pairs, given so that they broadcast, that overlap by enough."""
        x1, y1, x2, y2 = self._corners
        across = np.minimum(x2[first], x2[second]) - np.maximum(x1[first], x1[second])
        down = np.minimum(y2[first], y2[second]) - np.maximum(y1[first], y1[second])
        shared = np.maximum(across, 0) * np.maximum(down, 0)
        iou = np.minimum(shared / (self._area[first] + self._area[second] - shared), 1)
        enough = iou >= self._iou if self._inclusive else iou > self._iou
        enough &= second > first if later else second != first
        enough &= self._groups[first] == self._groups[second]
        first, second = np.broadcast_arrays(first, second)
        return first[enough], second[enough], iou[enough]
