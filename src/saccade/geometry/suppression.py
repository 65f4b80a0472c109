"""Of boxes that show the same thing, keep the best.

Boxes are (N, 4) xyxy, scores (N,), labels (N,) integers; with labels only boxes of one label meet,
without them (None) all do. Everything is computed in float64.

| function | threshold | what happens to a box that overlaps a better one |
|---|---|---|
| `nms` | ``iou`` 0.6: more suppresses, exactly 0.6 does not | it goes |
| `soft_nms` linear | ``iou`` 0.3, likewise | its score is multiplied by ``1 - IoU`` |
| `soft_nms` gaussian | none; ``sigma`` 0.5 | its score is multiplied by ``exp(-IoU² / sigma)`` |
| `box_voting` | ``iou`` 0.5, likewise | it goes |
| | ``vote_iou`` 0.9: exactly 0.9 votes | it moves the kept box towards it |

What happens to odd input, here and in `saccade.geometry.fusion`:

* Equal scores: the box of the lower index comes first.
* A box without area (``x2 <= x1`` or ``y2 <= y1``) overlaps nothing, itself included: it is kept.
* A row with a NaN, an infinity or a coordinate beyond ±1e100 is left out; `usable` counts them.
* Negative scores are refused wherever scores are multiplied or summed.

Frameworks that measure widths as ``x2 - x1 + 1`` get the same answer here by adding 1 to x2 and y2.
"""

from __future__ import annotations

import heapq
from typing import Literal

import numpy as np

from saccade.geometry._shared import (
    Boxes,
    check_choice,
    check_fading,
    check_iou,
    check_keep,
    check_scores,
    labels_of,
    weighted_means,
)
from saccade.geometry.overlaps import OverlapGrid, Ranked, rank, suppress, usable

__all__ = ["box_voting", "nms", "soft_nms", "usable"]

# Boxes whose neighbours are looked up together.
_BATCH = 128


def nms(
    boxes: np.ndarray,
    scores: np.ndarray,
    labels: np.ndarray | None = None,
    *,
    iou: float = 0.6,
    keep: int | None = None,
) -> np.ndarray:
    """Hard non-maximum suppression.

    >>> boxes = np.array([[0, 0, 10, 10], [1, 1, 11, 11], [20, 20, 30, 30]])
    >>> nms(boxes, np.array([0.8, 0.9, 0.3]), iou=0.5)
    array([1, 2])

    Args:
        boxes: (N, 4) xyxy.
        scores: (N,), of any sign.
        labels: (N,) integers, or None for all alike.
        iou: 0..1; an IoU above it suppresses.
        keep: at most so many, of all labels together.

    Returns:
        int64 (K,): indices of the kept boxes by descending score.

    Raises:
        OptionError: shapes that do not fit, or an option outside its range.
    """
    check_iou(iou)
    check_keep(keep)
    ranked = rank(boxes, scores, labels)
    kept, _ = suppress(ranked, iou, limit=keep)
    indices: np.ndarray = ranked.index[kept]
    return indices


def soft_nms(
    boxes: np.ndarray,
    scores: np.ndarray,
    labels: np.ndarray | None = None,
    *,
    method: Literal["linear", "gaussian"] = "gaussian",
    iou: float = 0.3,
    sigma: float = 0.5,
    floor: float = 0.001,
    keep: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Soft-NMS (Bodla et al., arXiv 1704.04503): overlapping boxes fade instead of going.

    The box of the highest current score is put out with that score, the scores of those it overlaps
    shrink, and so on.

    Args:
        boxes: (N, 4) xyxy.
        scores: (N,), at least 0.
        labels: (N,) integers, or None for all alike.
        method: ``linear`` multiplies by ``1 - IoU`` where the IoU exceeds ``iou`` (the paper's
            N_t); ``gaussian`` by ``exp(-IoU² / sigma)`` always.
        iou: 0..1, for ``linear``.
        sigma: above 0, for ``gaussian``.
        floor: boxes whose score is, or falls, below it go.
        keep: at most so many, of all labels together.

    Returns:
        int64 (K,) indices and float64 (K,) reduced scores, by descending reduced score.

    Raises:
        OptionError: shapes that do not fit, a negative score, or an option outside its range.
    """
    check_choice("method", method, ("linear", "gaussian"))
    check_iou(iou)
    check_keep(keep)
    check_fading(sigma, floor)
    ranked = rank(boxes, scores, labels)
    check_scores(ranked)
    fading = _Fading(ranked, floor, iou if method == "linear" else 0.0, sigma, method == "linear")
    positions: list[int] = []
    while (keep is None or len(positions) < keep) and (best := fading.pop()) is not None:
        positions.append(best)
    picked = np.array(positions, np.int64)
    return ranked.index[picked], fading.scores[picked]


class _Fading:
    """The scores of boxes while better boxes are taken out."""

    def __init__(
        self, ranked: Ranked, floor: float, iou: float, sigma: float, linear: bool
    ) -> None:
        self.scores = ranked.scores.copy()
        self._floor, self._sigma, self._linear = floor, sigma, linear
        self._left = self.scores >= floor
        self._grid = OverlapGrid(ranked.boxes, ranked.groups, iou)
        # Scores only shrink: an entry whose score is out of date is put back with the true one.
        self._queue = [
            (-score, index, position)
            for position, (score, index) in enumerate(
                zip(ranked.scores.tolist(), ranked.index.tolist(), strict=True)
            )
        ]
        self._fade: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def pop(self) -> int | None:
        """Take out the best box and let those it overlaps fade; None when no box is left."""
        while self._queue:
            claimed, index, position = heapq.heappop(self._queue)
            score = float(self.scores[position])
            if score < self._floor:
                self._left[position] = False
            elif -claimed != score:
                heapq.heappush(self._queue, (-score, index, position))
            else:
                self._left[position] = False
                if position not in self._fade:
                    self._look_up(position)
                others, factors = self._fade.pop(position)
                others, factors = others[self._left[others]], factors[self._left[others]]
                self.scores[others] *= factors
                return position
        return None

    def _look_up(self, position: int) -> None:
        """Find the neighbours of a box, and of those that are likely to follow it."""
        self._grid.keep(self._left)
        waiting = np.flatnonzero(self._left & (self.scores >= self._floor))
        best = waiting[np.argsort(-self.scores[waiting])[: _BATCH - 1]].tolist()
        asked = [position, *(other for other in best if other not in self._fade)]
        first, second, iou = self._grid.pairs(np.array(asked))
        factors = 1 - iou if self._linear else np.exp(-(iou**2) / self._sigma)
        starts = np.flatnonzero(np.diff(first, prepend=-1))
        self._fade.update(dict.fromkeys(asked, (second[:0], factors[:0])))
        self._fade.update(
            zip(
                first[starts].tolist(),
                zip(np.split(second, starts)[1:], np.split(factors, starts)[1:], strict=True),
                strict=True,
            )
        )


def box_voting(
    boxes: np.ndarray,
    scores: np.ndarray,
    labels: np.ndarray | None = None,
    *,
    iou: float = 0.5,
    vote_iou: float = 0.9,
    keep: int | None = None,
) -> Boxes:
    """Hard NMS, then every kept box moves to the mean of all boxes that agree with it.

    Gidaris and Komodakis, arXiv 1505.01749, section 4: the mean is weighted by score and taken over
    all boxes of the label, suppressed or not; the score stays. The thresholds are those of
    PaddleDetection's configurations for testing at several scales.

    Args:
        boxes: (N, 4) xyxy.
        scores: (N,), at least 0.
        labels: (N,) integers, or None for all alike.
        iou: 0..1; an IoU above it suppresses.
        vote_iou: above 0, up to 1; an IoU of at least this votes.
        keep: at most so many, of all labels together.

    Returns:
        Boxes float64 (K, 4), scores float64 (K,) and labels int64 (K,), 0 without labels; by
        descending score.

    Raises:
        OptionError: shapes that do not fit, a negative score, or an option outside its range.
    """
    check_iou(iou)
    check_iou(vote_iou, "vote_iou", above_zero=True)
    check_keep(keep)
    ranked = rank(boxes, scores, labels)
    check_scores(ranked)
    kept, _ = suppress(ranked, iou, limit=keep)
    grid = OverlapGrid(ranked.boxes, ranked.groups, vote_iou, inclusive=True)
    first, second, _ = grid.pairs(kept)
    first, second = np.append(first, kept), np.append(second, kept)
    order = np.lexsort((second, first))
    moved = weighted_means(
        np.searchsorted(kept, first[order]),
        ranked.boxes[second[order]],
        ranked.scores[second[order]],
        ranked.boxes[kept],
    )
    return moved, ranked.scores[kept], labels_of(ranked, kept, labels)
