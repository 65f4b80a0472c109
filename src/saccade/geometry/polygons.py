"""Polygons as arrays of corners.

A polygon is (K, 2), K corners ``(x, y)`` in pixels, y downwards; the last corner is joined to the
first. A quad is a polygon of four corners. Functions take any real dtype.

>>> box = np.array([[10, 10], [110, 10], [110, 30], [10, 30]])
>>> area(box), perimeter(box), reach(box, 1 - 0.4**2)
(2000.0, 240.0, 7.0)
"""

from __future__ import annotations

import cv2
import numpy as np
import pyclipper

from saccade.errors import OptionError

__all__ = [
    "area",
    "clip",
    "cut",
    "intersection_area",
    "iou",
    "is_simple",
    "min_area_box",
    "offset",
    "order_all_by_sum",
    "order_by_sum",
    "order_by_x",
    "perimeter",
    "quad_sides",
    "reach",
    "signed_area",
]

# Clipper computes with whole numbers; this many of them make a pixel.
_GRID = 1024


def signed_area(polygon: np.ndarray) -> float:
    """Shoelace formula; positive where the corners run clockwise as one sees them."""
    x, y = _corners(polygon).T
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) / 2)


def area(polygon: np.ndarray) -> float:
    """Size of the area in square pixels."""
    return abs(signed_area(polygon))


def perimeter(polygon: np.ndarray) -> float:
    """Length of the closed outline in pixels."""
    corners = _corners(polygon)
    return float(np.hypot(*(np.roll(corners, -1, axis=0) - corners).T).sum())


def reach(polygon: np.ndarray, ratio: float) -> float:
    """Distance ``area * ratio / perimeter``; 0 for a polygon without outline.

    By it DB shrinks a label, with ratio 1 - 0.4^2, and widens a detection again, with ratio 1.5
    (Liao et al., arXiv 1911.08947, equation 10; the offset is Vatti's clipping).
    """
    length = perimeter(polygon)
    return area(polygon) * ratio / length if length > 0 else 0.0


def clip(polygon: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Move corners that lie outside a picture to its last pixels.

    Args:
        polygon: (K, 2).
        size: (height, width) of the picture.

    Returns:
        Of the same shape and dtype, x in 0..width - 1, y in 0..height - 1.
    """
    height, width = size
    clipped: np.ndarray = np.clip(polygon, 0, np.array([width - 1, height - 1], polygon.dtype))
    return clipped


def cut(polygon: np.ndarray, box: tuple[float, float, float, float]) -> np.ndarray:
    """The part of a polygon inside a box (Sutherland & Hodgman 1974).

    Args:
        polygon: (K, 2); it may run either way. Parts of a hollow one that lie apart stay joined
            along the sides of the box.
        box: left, top, right, bottom.

    Returns:
        float64 (K', 2); K' = 0 if nothing is inside.
    """
    corners = _corners(polygon)
    for axis, bound, sign in ((0, box[0], 1), (1, box[1], 1), (0, box[2], -1), (1, box[3], -1)):
        if not len(corners):
            break
        depth = sign * (corners[:, axis] - bound)  # 0 and above is inside
        kept = []
        for index in range(len(corners)):
            before, here = depth[index - 1], depth[index]
            if (before < 0) != (here < 0):
                share = before / (before - here)
                kept.append(corners[index - 1] + share * (corners[index] - corners[index - 1]))
            if here >= 0:
                kept.append(corners[index])
        corners = np.array(kept, np.float64).reshape(-1, 2)
    return corners


def offset(
    polygon: np.ndarray, distance: float, *, paddle_compat: bool = False
) -> list[np.ndarray]:
    """Widen (positive distance) or shrink (negative) a polygon, with round joins.

    Args:
        polygon: (K, 2); it may run either way.
        distance: in pixels.
        paddle_compat: compute in whole pixels, as the reference does through its binding of
            Clipper: corners are cut towards zero before, and rounded after.

    Returns:
        float64 (K', 2) each. None where nothing is left; several where a narrow waist parts.
    """
    grid = 1 if paddle_compat else _GRID
    path = np.trunc(_corners(polygon) * grid).astype(np.int64)
    engine = pyclipper.PyclipperOffset(2.0, 0.25 * grid)
    engine.AddPath(path.tolist(), pyclipper.JT_ROUND, pyclipper.ET_CLOSEDPOLYGON)
    return [np.array(part, np.float64) / grid for part in engine.Execute(distance * grid)]


def min_area_box(points: np.ndarray) -> tuple[np.ndarray, float]:
    """Find the smallest rectangle, at any angle, around points.

    Args:
        points: (K, 2), at least one.

    Returns:
        float32 (4, 2), ordered as by :func:`order_by_x`, and the length of its short side.
    """
    rectangle = cv2.minAreaRect(np.ascontiguousarray(points, np.float32).reshape(-1, 1, 2))
    corners = np.asarray(cv2.boxPoints(rectangle), np.float32)
    return order_by_x(corners), float(min(rectangle[1]))


def order_by_x(quad: np.ndarray) -> np.ndarray:
    """Bring corners into the order top left, top right, bottom right, bottom left, by halves.

    The two leftmost corners are the left side, the upper one of each side comes first. This is the
    order of the first PP-OCR releases; it turns steep lines that lean to the right by a quarter,
    see :func:`order_by_sum`.

    Args:
        quad: (4, 2).
    """
    by_x = quad[np.argsort(quad[:, 0], kind="stable")]
    left, right = by_x[:2], by_x[2:]
    top_left, bottom_left = left if left[1, 1] > left[0, 1] else left[::-1]
    top_right, bottom_right = right if right[1, 1] > right[0, 1] else right[::-1]
    return np.stack([top_left, top_right, bottom_right, bottom_left])


def order_by_sum(quad: np.ndarray) -> np.ndarray:
    """Bring corners into the order top left, top right, bottom right, bottom left, by diagonals.

    Top left has the least x + y, bottom right the most; of the other two, top right has the lesser
    y - x.

    Args:
        quad: (4, 2).
    """
    ordered: np.ndarray = order_all_by_sum(quad[None])[0]
    return ordered


def order_all_by_sum(quads: np.ndarray) -> np.ndarray:
    """As :func:`order_by_sum`, of many quads.

    Args:
        quads: (N, 4, 2).
    """
    rows = np.arange(len(quads))
    sums, leans = quads.sum(axis=2), quads[..., 1] - quads[..., 0]
    first, last = sums.argmin(axis=1), sums.argmax(axis=1)
    last = np.where(first == last, 3 - first, last)  # all sums are equal
    taken = np.zeros(sums.shape, bool)
    taken[rows, first] = taken[rows, last] = True
    others = np.argsort(taken, axis=1, kind="stable")[:, :2]
    one, other = others[:, 0], others[:, 1]
    swap = leans[rows, one] > leans[rows, other]
    one, other = np.where(swap, other, one), np.where(swap, one, other)
    ordered: np.ndarray = quads[rows[:, None], np.stack([first, one, last, other], axis=1)]
    return ordered


def quad_sides(quad: np.ndarray) -> tuple[float, float]:
    """Give width and height: the longer of the two opposite sides each.

    Args:
        quad: (4, 2), from top left clockwise.
    """
    top_left, top_right, bottom_right, bottom_left = _corners(quad)
    width = max(np.hypot(*(top_left - top_right)), np.hypot(*(bottom_right - bottom_left)))
    height = max(np.hypot(*(top_left - bottom_left)), np.hypot(*(top_right - bottom_right)))
    return float(width), float(height)


def intersection_area(first: np.ndarray, second: np.ndarray) -> float:
    """Area that two polygons share, of any form, to a thousandth of a pixel.

    Where an outline crosses itself, the parts that it goes around an even number of times don't
    count.
    """
    one, two = _corners(first), _corners(second)
    if not len(one) or not len(two):
        return 0.0
    if (one.max(0) <= two.min(0)).any() or (two.max(0) <= one.min(0)).any():
        return 0.0
    engine = pyclipper.Pyclipper()
    try:
        engine.AddPath(_on_grid(one), pyclipper.PT_SUBJECT, True)
        engine.AddPath(_on_grid(two), pyclipper.PT_CLIP, True)
    except pyclipper.ClipperException:  # a polygon without area
        return 0.0
    # Even-odd parts come back with holes running the other way round, so signs matter.
    parts = engine.Execute(pyclipper.CT_INTERSECTION, pyclipper.PFT_EVENODD, pyclipper.PFT_EVENODD)
    return float(abs(sum(pyclipper.Area(part) for part in parts))) / _GRID**2


def iou(first: np.ndarray, second: np.ndarray) -> float:
    """Intersection over union of two polygons that don't cross themselves; 0 without area."""
    shared = intersection_area(first, second)
    union = area(first) + area(second) - shared
    return min(shared / union, 1.0) if union > 0 else 0.0


def is_simple(polygon: np.ndarray) -> bool:
    """Whether the outline encloses an area and nowhere crosses or touches itself.

    A corner that is listed several times in a row counts once.
    """
    corners = _corners(polygon)
    corners = corners[(corners != np.roll(corners, -1, axis=0)).any(1)]
    count = len(corners)
    if count < 3 or area(corners) == 0:
        return False
    ends = np.roll(corners, -1, axis=0)
    if count == 4:  # nearly all text; one that turns the same way at each corner is convex
        x, y = (ends - corners).T
        turns = x * np.roll(y, -1) - y * np.roll(x, -1)
        if (turns > 0).all() or (turns < 0).all():
            return True
    for i in range(count):
        for j in range(i + 1, count):
            if (i + 1) % count == j or (j + 1) % count == i:
                at, before, after = _joint(corners, ends, i, j, count)
                if _folds_back(at, before, after):
                    return False
            elif _meet(corners[i], ends[i], corners[j], ends[j]):
                return False
    return True


def _joint(
    corners: np.ndarray, ends: np.ndarray, i: int, j: int, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The corner that two neighbouring edges share, and their other ends."""
    if (i + 1) % count == j:
        return corners[j], corners[i], ends[j]
    return corners[i], corners[j], ends[i]


def _folds_back(at: np.ndarray, before: np.ndarray, after: np.ndarray) -> bool:
    one, two = before - at, after - at
    return bool(_cross(one, two) == 0 and one @ two >= 0)


def _meet(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> bool:
    """Whether the segments ab and cd share a point."""
    sides = [np.sign(_cross(b - a, p - a)) for p in (c, d)]
    others = [np.sign(_cross(d - c, p - c)) for p in (a, b)]
    if sides[0] * sides[1] > 0 or others[0] * others[1] > 0:
        return False
    low = np.maximum(np.minimum(a, b), np.minimum(c, d))
    high = np.minimum(np.maximum(a, b), np.maximum(c, d))
    return bool((low <= high).all())


def _cross(one: np.ndarray, two: np.ndarray) -> float:
    return float(one[0] * two[1] - one[1] * two[0])


def _on_grid(corners: np.ndarray) -> list[list[int]]:
    grid: list[list[int]] = np.rint(corners * _GRID).astype(np.int64).tolist()
    return grid


def _corners(polygon: np.ndarray) -> np.ndarray:
    corners = np.asarray(polygon, np.float64)
    if corners.ndim != 2 or corners.shape[1] != 2:
        raise OptionError(f"a polygon has shape {corners.shape}; expected (corners, 2)")
    return corners
