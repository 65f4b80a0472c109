"""From the probability map of a DB detector to quads or polygons around text.

Liao et al., arXiv 1911.08947, section 3.5, with the steps and defaults of
``PaddleOCR/ppocr/postprocess/db_postprocess.py`` and ``tools/infer/predict_det.py``. Contours of
the binary map are boxed, scored by the mean probability inside, and widened by what the labels were
shrunk.

By default coordinates keep their fractions and corners are ordered by diagonals.
``paddle_compat`` keeps what the reference does: Clipper's whole pixels, rounded corners, and the
order by halves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import cv2
import numpy as np

from saccade.errors import OptionError
from saccade.geometry.polygons import (
    min_area_box,
    offset,
    order_all_by_sum,
    order_by_x,
    reach,
)

__all__ = ["DBOptions", "Polygons", "Quads", "box_score", "decode_polygons", "decode_quads"]


@dataclass(frozen=True)
class DBOptions:
    """How a probability map is read.

    Attributes:
        threshold: a pixel above it is text.
        box_threshold: a region below this mean probability is dropped.
        unclip_ratio: how far regions are widened, see :func:`saccade.geometry.polygons.reach`. A
            long line needs about 2 to get back what a perfect map of shrunk labels took from it;
            the reference's 1.5 relies on networks that draw fatter.
        score: the mean is over the ``"fast"`` box around a region, or its ``"slow"`` outline.
        dilate: let the binary map grow by one pixel to the right and downwards.
        max_candidates: at most so many contours are looked at, from the bottom of the picture up.
        min_size: pixels of the map; regions with a shorter side are dropped, and with a side below
            ``min_size + 2`` after widening.
        paddle_compat: to the pixel what the reference gives.
    """

    threshold: float = 0.3
    box_threshold: float = 0.6
    unclip_ratio: float = 1.5
    score: Literal["fast", "slow"] = "fast"
    dilate: bool = False
    max_candidates: int = 1000
    min_size: float = 3.0
    paddle_compat: bool = False

    def __post_init__(self) -> None:
        for name in ("threshold", "box_threshold"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise OptionError(f"{name} {value!r}: expected a probability, 0 to 1")
        if self.score not in ("fast", "slow"):
            raise OptionError(f"score {self.score!r}: expected 'fast' or 'slow'")
        if not self.unclip_ratio > 0:
            raise OptionError(f"unclip_ratio {self.unclip_ratio!r}: expected a number above 0")
        if self.max_candidates < 1:
            raise OptionError(f"max_candidates {self.max_candidates!r}: expected at least 1")


class Quads(NamedTuple):
    """Regions as four corners.

    Attributes:
        quads: float32 (N, 4, 2), from top left clockwise, in pixels of the source picture.
        scores: float32 (N,), mean probabilities.
    """

    quads: np.ndarray
    scores: np.ndarray


class Polygons(NamedTuple):
    """Regions as outlines of any number of corners.

    Attributes:
        polygons: float32 (K, 2) each, in pixels of the source picture.
        scores: float32 (N,), mean probabilities.
    """

    polygons: list[np.ndarray]
    scores: np.ndarray


_DEFAULT = DBOptions()


def decode_quads(
    probability: np.ndarray, size: tuple[int, int], options: DBOptions = _DEFAULT
) -> Quads:
    """Find text regions as quads.

    Args:
        probability: (H, W) in 0..1.
        size: (height, width) of the source picture, of which the map shows the whole.
        options: thresholds and switches.

    Returns:
        Quads inside the picture, whose sides are longer than 3 pixels of it.

    Raises:
        OptionError: the map is not two-dimensional.
    """
    boxes, scores = [], []
    for contour in _contours(probability, options):
        if options.paddle_compat:
            box, short = min_area_box(contour)
        else:  # corners are ordered at the end, all at once
            rectangle = cv2.minAreaRect(contour)
            box, short = cv2.boxPoints(rectangle), min(rectangle[1])
        if short < options.min_size:
            continue
        score = box_score(probability, contour if options.score == "slow" else box)
        if score < options.box_threshold:
            continue
        boxes.append(box)
        scores.append(score)
    if options.paddle_compat:
        return _finish_compat(boxes, scores, probability.shape, size, options)
    quads = np.array(boxes, np.float64).reshape(-1, 4, 2)
    quads, short_sides = _widen(quads, options.unclip_ratio)
    quads = order_all_by_sum(_to_source(quads, probability.shape, size, False))
    quads = np.clip(quads, 0, (size[1] - 1, size[0] - 1))
    kept = (short_sides >= options.min_size + 2) & _thick(quads)
    return Quads(quads[kept].astype(np.float32), np.array(scores, np.float32)[kept])


def decode_polygons(
    probability: np.ndarray, size: tuple[int, int], options: DBOptions = _DEFAULT
) -> Polygons:
    """Find text regions as polygons that follow bent lines.

    The outline of a region is simplified by a 500th of its length, scored, and widened; it is
    dropped where fewer than four corners stay, or where widening doesn't give one polygon.

    Args:
        probability: (H, W) in 0..1.
        size: (height, width) of the source picture.
        options: thresholds and switches; the score is always over the simplified outline.

    Raises:
        OptionError: the map is not two-dimensional.
    """
    polygons, scores = [], []
    for contour in _contours(probability, options):
        outline = cv2.approxPolyDP(contour, 0.002 * cv2.arcLength(contour, True), True)
        outline = outline.reshape(-1, 2)
        if len(outline) < 4:
            continue
        score = box_score(probability, outline)
        if score < options.box_threshold:
            continue
        distance = reach(outline, options.unclip_ratio)
        parts = offset(outline, distance, paddle_compat=options.paddle_compat)
        if len(parts) != 1 or min_area_box(parts[0])[1] < options.min_size + 2:
            continue
        polygon = _to_source(parts[0], probability.shape, size, options.paddle_compat)
        polygons.append(polygon.astype(np.float32))
        scores.append(score)
    return Polygons(polygons, np.array(scores, np.float32))


def box_score(probability: np.ndarray, polygon: np.ndarray) -> float:
    """Mean probability of the pixels in and on a polygon.

    Args:
        probability: (H, W).
        polygon: (K, 2) in pixels of the map; fractions are cut off relative to its bounding box.
    """
    height, width = probability.shape
    corners = polygon.reshape(-1, 2)
    # Plain numbers: NumPy takes longer to start than this takes to run.
    xs, ys = corners[:, 0].tolist(), corners[:, 1].tolist()
    left = min(max(math.floor(min(xs)), 0), width - 1)
    right = min(max(math.ceil(max(xs)), 0), width - 1)
    top = min(max(math.floor(min(ys)), 0), height - 1)
    bottom = min(max(math.ceil(max(ys)), 0), height - 1)
    mask = np.zeros((bottom - top + 1, right - left + 1), np.uint8)
    cv2.fillPoly(mask, [(corners - np.array((left, top))).astype(np.int32)], 1)
    return float(cv2.mean(probability[top : bottom + 1, left : right + 1], mask)[0])


def _contours(probability: np.ndarray, options: DBOptions) -> list[np.ndarray]:
    """Outlines of the text pixels, int32 (K, 2) each."""
    if probability.ndim != 2:
        raise OptionError(f"the map has shape {probability.shape}; expected (height, width)")
    binary: np.ndarray = (probability > options.threshold).astype(np.uint8)
    if options.dilate:
        binary = cv2.dilate(binary, np.ones((2, 2), np.uint8))
    found, _ = cv2.findContours(binary, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    return [contour.reshape(-1, 2) for contour in found[: options.max_candidates]]


def _widen(boxes: np.ndarray, ratio: float) -> tuple[np.ndarray, np.ndarray]:
    """Move the sides of rectangles outwards; gives the new ones and their short sides.

    The smallest rectangle around a rectangle with rounded-off rim is the rectangle with its sides
    moved, so Clipper isn't needed.
    """
    across, down = boxes[:, 1] - boxes[:, 0], boxes[:, 3] - boxes[:, 0]
    width = np.linalg.norm(across, axis=1, keepdims=True)
    height = np.linalg.norm(down, axis=1, keepdims=True)
    distance = width * height * ratio / (2 * (width + height))
    along, down = across / width * distance, down / height * distance
    moves = np.stack([-along - down, along - down, along + down, down - along], axis=1)
    return boxes + moves, (np.minimum(width, height) + 2 * distance)[:, 0]


def _widen_compat(box: np.ndarray, options: DBOptions) -> tuple[np.ndarray, float]:
    parts = offset(box, reach(box, options.unclip_ratio), paddle_compat=True)
    return min_area_box(parts[0]) if parts else (box, 0.0)


def _to_source(
    points: np.ndarray, shape: tuple[int, ...], size: tuple[int, int], whole: bool
) -> np.ndarray:
    """Bring points of the map to the picture, and inside it."""
    height, width = size
    points = points / (shape[1], shape[0]) * (width, height)
    if whole:
        points = np.round(points)
    inside: np.ndarray = np.clip(points, 0, (width, height))
    return inside


def _finish_compat(
    boxes: list[np.ndarray],
    scores: list[float],
    shape: tuple[int, ...],
    size: tuple[int, int],
    options: DBOptions,
) -> Quads:
    """Widen, order by halves, clip to the last pixels, and drop what is too thin."""
    quads, kept = [], []
    for box, score in zip(boxes, scores, strict=True):
        wide, short = _widen_compat(box, options)
        if short < options.min_size + 2:
            continue
        quad = np.clip(
            order_by_x(_to_source(wide, shape, size, True)), 0, (size[1] - 1, size[0] - 1)
        )
        if _thick(quad[None])[0]:
            quads.append(quad)
            kept.append(score)
    return Quads(np.array(quads, np.float32).reshape(-1, 4, 2), np.array(kept, np.float32))


def _thick(quads: np.ndarray) -> np.ndarray:
    """Which quads have sides of more than 3 whole pixels."""
    across = np.linalg.norm(quads[:, 0] - quads[:, 1], axis=1).astype(int)
    down = np.linalg.norm(quads[:, 0] - quads[:, 3], axis=1).astype(int)
    thick: np.ndarray = (across > 3) & (down > 3)
    return thick
