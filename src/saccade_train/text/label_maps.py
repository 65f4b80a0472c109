"""The maps that a DB text detector learns to draw (Liao et al., arXiv 1911.08947, section 3.3).

Shrink map: each text polygon, moved inwards. Threshold map: 0.7 on the outline of each polygon,
falling to 0.3 within the same distance to either side. Rules, constants and their order are those
of ``PaddleOCR/ppocr/data/imaug/make_border_map.py`` and ``make_shrink_map.py``; both compute in
whole pixels, and so do we, because the maps are made of them.

One thing is different by default. The reference means the distance to an edge, but gives the
distance to one of its corners wherever the edge is seen under an acute angle. With
``paddle_compat`` that stays; it shows only where the offset is more than half an edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from saccade.errors import OptionError
from saccade.geometry.polygons import area, clip, offset, reach, signed_area

__all__ = [
    "LabelMaps",
    "edge_distances",
    "gaps_of_rows",
    "label_maps",
    "shrink_map",
    "threshold_map",
]

SHRINK_RATIO = 0.4
MIN_SIDE = 8  # pixels; text that is lower or narrower is not learnt
_LOW, _HIGH = 0.3, 0.7
_NEAR = 1.5
"""Heights between two lines of a row, beyond which nobody takes them for one."""
_INTO = 0.2
"""Heights by which a gap reaches into the lines at its ends."""


@dataclass(frozen=True)
class LabelMaps:
    """What the detector should draw, float32 (H, W) each.

    Attributes:
        shrink: 1 in the shrunk polygons, else 0.
        shrink_mask: 0 in text that is ignored, else 1.
        threshold: 0.3 to 0.7.
        threshold_mask: 1 in the widened polygons, else 0.
    """

    shrink: np.ndarray
    shrink_mask: np.ndarray
    threshold: np.ndarray
    threshold_mask: np.ndarray


def label_maps(
    polygons: Sequence[np.ndarray],
    ignored: Sequence[bool],
    size: tuple[int, int],
    *,
    shrink_ratio: float = SHRINK_RATIO,
    paddle_compat: bool = False,
) -> LabelMaps:
    """Draw all four maps.

    Text that is too small for the shrink map still counts in the threshold map, as in the
    reference.

    Args:
        polygons: (K, 2) each, pixels of the picture; they may stick out of it.
        ignored: which of them can't be read.
        size: (height, width) of the picture.
        shrink_ratio: r; polygons are moved by area (1 - r^2) / perimeter.
        paddle_compat: see the module.

    Raises:
        OptionError: another number of flags than polygons, or a ratio outside 0..1.
    """
    shrink, shrink_mask = shrink_map(polygons, ignored, size, shrink_ratio=shrink_ratio)
    threshold, threshold_mask = threshold_map(
        polygons, ignored, size, shrink_ratio=shrink_ratio, paddle_compat=paddle_compat
    )
    return LabelMaps(shrink, shrink_mask, threshold, threshold_mask)


def shrink_map(
    polygons: Sequence[np.ndarray],
    ignored: Sequence[bool],
    size: tuple[int, int],
    *,
    shrink_ratio: float = SHRINK_RATIO,
    min_side: float = MIN_SIDE,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the shrunk polygons, and the mask of what is known.

    A polygon that is ignored, lower or narrower than ``min_side``, or of less than one square pixel
    inside the picture is left out of both. If shrinking tears a polygon apart it is shrunk less:
    with 2 r in place of r (for the usual 0.4 the only other multiple below 1).

    Args:
        polygons: as of :func:`label_maps`, like the other arguments.
        ignored: see there.
        size: see there.
        shrink_ratio: see there.
        min_side: pixels.

    Returns:
        Map and mask, float32 (H, W).

    Raises:
        OptionError: as of :func:`label_maps`.
    """
    _check(polygons, ignored, shrink_ratio)
    drawn = np.zeros(size, np.float32)
    mask = np.ones(size, np.float32)
    for polygon, skip in zip(polygons, ignored, strict=True):
        inside = clip(np.asarray(polygon, np.float32), size)
        if skip or area(inside) < 1 or np.ptp(inside, axis=0).min() < min_side:
            _fill(mask, inside, 0)
            continue
        # The reference turns every polygon the same way round; where Clipper begins depends on it.
        if signed_area(inside) < 0:
            inside = inside[::-1]
        parts: list[np.ndarray] = []
        for ratio in np.arange(shrink_ratio, 1, shrink_ratio).tolist():
            parts = offset(inside, -reach(inside, 1 - ratio**2), paddle_compat=True)
            if len(parts) == 1:
                break
        if not parts:
            _fill(mask, inside, 0)
        for part in parts:
            _fill(drawn, part, 1)
    return drawn, mask


def gaps_of_rows(
    polygons: Sequence[np.ndarray], ignored: Sequence[bool], size: tuple[int, int]
) -> np.ndarray:
    """Find the ground between lines that stand in a row: what parts columns.

    As in U-Net (Ronneberger et al., arXiv 1505.04597, equation 2) the ground between things that
    nearly touch can then count for more than other ground. Own proposal: upright boxes, lines at
    most 1.5 heights apart that share half of their height.

    Args:
        polygons: as of :func:`label_maps`, like the other arguments.
        ignored: see there; they are left out.
        size: see there.

    Returns:
        bool (H, W).
    """
    between = np.zeros(size, np.float32)
    known = [p for p, skip in zip(polygons, ignored, strict=True) if not skip]
    if len(known) < 2:
        return between > 0
    boxes = np.array([[*np.min(p, axis=0), *np.max(p, axis=0)] for p in known], np.float64)
    left, top, right, bottom = boxes.T
    height = bottom - top
    shared = np.minimum(bottom[:, None], bottom) - np.maximum(top[:, None], top)
    lower = np.minimum(height[:, None], height)
    apart = left[None] - right[:, None]  # of j, right of i
    in_row = (shared >= 0.5 * lower) & (apart > -_INTO * lower) & (apart < _NEAR * lower)
    for i, j in np.argwhere(in_row & (left[None] > left[:, None])):
        reach_in = _INTO * lower[i, j]
        start, end = right[i] - reach_in, left[j] + reach_in
        high, low = max(top[i], top[j]), min(bottom[i], bottom[j])
        _fill(between, np.array([[start, high], [end, high], [end, low], [start, low]]), 1)
    return between > 0


def threshold_map(
    polygons: Sequence[np.ndarray],
    ignored: Sequence[bool],
    size: tuple[int, int],
    *,
    shrink_ratio: float = SHRINK_RATIO,
    paddle_compat: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw how near the next outline is, and the mask of where that counts.

    Args:
        polygons: as of :func:`label_maps`, like the other arguments.
        ignored: see there; they are left out.
        size: see there.
        shrink_ratio: see there.
        paddle_compat: see the module.

    Returns:
        Map (0.3..0.7) and mask, float32 (H, W).

    Raises:
        OptionError: as of :func:`label_maps`.
    """
    _check(polygons, ignored, shrink_ratio)
    nearness = np.zeros(size, np.float32)
    mask = np.zeros(size, np.float32)
    for polygon, skip in zip(polygons, ignored, strict=True):
        corners = np.asarray(polygon, np.float32)
        distance = reach(corners, 1 - shrink_ratio**2)
        if not skip and distance > 0:
            _draw_outline(nearness, mask, corners, distance, paddle_compat)
    return nearness * np.float32(_HIGH - _LOW) + np.float32(_LOW), mask


def edge_distances(
    x: np.ndarray, y: np.ndarray, polygon: np.ndarray, *, paddle_compat: bool = False
) -> np.ndarray:
    """Distance of points from the nearest edge of a polygon.

    Args:
        x: any shape that broadcasts with ``y``.
        y: see there.
        polygon: (K, 2).
        paddle_compat: distance to the nearer end of an edge instead, where the edge is seen under
            less than a right angle.

    Returns:
        float32, of the shape of x and y together.
    """
    measure = _edge_distance_compat if paddle_compat else _edge_distance
    corners = np.asarray(polygon, np.float32)
    nearest: np.ndarray = np.minimum.reduce(
        [measure(x, y, a, b) for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True)]
    )
    return nearest


def _draw_outline(
    nearness: np.ndarray,
    mask: np.ndarray,
    corners: np.ndarray,
    distance: float,
    paddle_compat: bool,
) -> None:
    """Add one polygon to the maps, in place."""
    parts = offset(corners, distance, paddle_compat=True)
    if not parts:
        return
    wide = parts[0]
    _fill(mask, wide, 1)
    height, width = mask.shape
    left, top = np.maximum(wide.min(0).astype(int), 0)
    right, bottom = np.minimum(wide.max(0).astype(int), (width - 1, height - 1))
    if left > right or top > bottom:
        return
    x = np.arange(left, right + 1, dtype=np.float32)[None, :]
    y = np.arange(top, bottom + 1, dtype=np.float32)[:, None]
    away = edge_distances(x, y, corners, paddle_compat=paddle_compat)
    window = nearness[top : bottom + 1, left : right + 1]
    np.maximum(window, 1 - np.clip(away / np.float32(distance), 0, 1), out=window)


def _edge_distance(x: np.ndarray, y: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Distance from the segment ab."""
    along = b - a
    length = float(along @ along)
    dx, dy = x - a[0], y - a[1]
    at = np.clip((dx * along[0] + dy * along[1]) / (length or 1.0), 0, 1)
    away: np.ndarray = np.hypot(dx - at * along[0], dy - at * along[1])
    return away


def _edge_distance_compat(x: np.ndarray, y: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The reference's: by the law of cosines, with the distance of an end for acute angles."""
    to_a = (x - a[0]) ** 2 + (y - a[1]) ** 2
    to_b = (x - b[0]) ** 2 + (y - b[1]) ** 2
    length = float(((b - a) ** 2).sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        cosine = (length - to_a - to_b) / (2 * np.sqrt(to_a * to_b))
        square_sine = np.nan_to_num(1 - cosine**2)
        away = np.sqrt(np.maximum(to_a * to_b * square_sine / length, 0))
    ends = np.sqrt(np.minimum(to_a, to_b))
    distance: np.ndarray = np.where(cosine < 0, ends, np.nan_to_num(away)).astype(np.float32)
    return distance


def _fill(image: np.ndarray, polygon: np.ndarray, value: float) -> None:
    cv2.fillPoly(image, [polygon.astype(np.int32)], value)


def _check(polygons: Sequence[np.ndarray], ignored: Sequence[bool], ratio: float) -> None:
    if len(polygons) != len(ignored):
        raise OptionError(f"{len(polygons)} polygons with {len(ignored)} flags; expected one each")
    if not 0 < ratio < 1:
        raise OptionError(f"shrink ratio {ratio!r}: expected a number between 0 and 1")
