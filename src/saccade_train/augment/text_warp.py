"""Bending lines of text: moving least squares, and the point sets of TIA.

Warp: Schaefer, McPhail and Warren, *Image Deformation Using Moving Least Squares*, 2006, section
2.2 (similarity transforms). Point sets: Luo et al., *Learn to Augment*, arXiv 2003.06606, as in
PaddleOCR (``ppocr/data/imaug/text_image_aug/augment.py`` and ``warp_mls.py``). A set is a pair of
arrays (N, 2): where control points are, and where they go.

The points are moved less than in the reference in one respect: up and down by a third of the
height at most. There the same limit holds in both directions, a share of the width of a segment,
and turns parts of long low lines upside down. ``paddle_compat`` brings that back.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from saccade_train._types import Image

__all__ = ["Points", "distort_points", "mls", "perspective_points", "stretch_points", "warp_mls"]

Points = tuple[np.ndarray, np.ndarray]
"""Control points before and after, float64 (N, 2) each, x and y in pixels."""

GRID = 100
"""Pixels between the nodes where the warp is computed; between them it is bilinear."""


def warp_mls(image: Image, points: Points, *, grid: int = GRID) -> Image:
    """Move pixels so that control points go from their first to their second place.

    Outside the picture its edge goes on. The nodes at the far edges stand on the last pixels; the
    reference puts the last stretch of displacement up to one part in its length short of that.

    Args:
        image: uint8 (H, W, 3).
        points: see :data:`Points`.
        grid: distance between nodes in pixels.

    Returns:
        Of the same size.
    """
    height, width = image.shape[:2]
    before, after = points
    rows, columns = _nodes(height, grid), _nodes(width, grid)
    x, y = np.meshgrid(columns, rows)
    nodes = np.stack([x.ravel(), y.ravel()], axis=1)
    # For each pixel of the result: where it comes from. Displacements are bilinear, and so are
    # places, because the place of a pixel itself is.
    origins = mls(nodes, after, before).reshape(len(rows), len(columns), 2)
    down, across = _weights(rows, height), _weights(columns, width)
    places = [
        np.ascontiguousarray(down @ origins[..., axis] @ across.T, np.float32) for axis in (0, 1)
    ]
    return cv2.remap(  # type: ignore[return-value]
        image, places[0], places[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def mls(places: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Where a similarity deformation takes places, by moving least squares.

    At a place v, with w_i = 1 / |v - p_i|^2 and weighted means p* and q*, it is q* + M (v - p*),
    M the rotation and scale that brings the p_i - p* nearest to the q_i - q* (equation 6 of
    the paper). A place on a control point goes exactly where that goes.

    Args:
        places: (M, 2).
        before: (N, 2), the p_i.
        after: (N, 2), the q_i.

    Returns:
        float64 (M, 2).
    """
    # Complex numbers: a similarity is a product, and so the formula is short.
    v, p, q = (np.asarray(part, np.float64) @ (1, 1j) for part in (places, before, after))
    apart = np.abs(v[:, None] - p) ** 2
    nearest = apart.argmin(axis=1)
    exact = apart[np.arange(len(v)), nearest] == 0
    weights = 1 / np.where(apart == 0, 1.0, apart)
    weights /= weights.sum(axis=1, keepdims=True)
    p_mean, q_mean = weights @ p, weights @ q
    p_rest = p - p_mean[:, None]
    spread = (weights * np.abs(p_rest) ** 2).sum(axis=1)
    turned = (weights * np.conj(p_rest) * q).sum(axis=1)
    # Control points that all coincide only shift.
    apart_at_all = spread > 1e-12 * (1 + np.abs(p_mean) ** 2)
    factor = np.divide(turned, spread, out=np.ones_like(turned), where=apart_at_all)
    found = np.where(exact, q[nearest], q_mean + factor * (v - p_mean))
    return np.stack([found.real, found.imag], axis=1)


def distort_points(
    size: tuple[int, int],
    segments: int,
    rng: np.random.Generator,
    *,
    paddle_compat: bool = False,
) -> Points:
    """Control points for waves: each at the top and bottom edge moves on its own.

    Corners move inwards by up to a third of a segment, the points between segments by up to a sixth
    to each side.

    Args:
        size: (height, width) of the picture.
        segments: into how many parts the width is cut, at least 1.
        rng: source of randomness.
        paddle_compat: see the module.
    """
    height, width = size
    cut = width // segments
    wide = cut // 3
    high = wide if paddle_compat else min(wide, height // 3)
    before = _edge_points(size, segments)
    moves = np.stack([_draw(rng, wide, len(before)), _draw(rng, high, len(before))], axis=1)
    moves[4:] -= np.array([wide, high]) / 2
    moves[:4] *= ((1, 1), (-1, 1), (-1, -1), (1, -1))
    return before, before + moves


def stretch_points(size: tuple[int, int], segments: int, rng: np.random.Generator) -> Points:
    """Control points for narrower and wider parts: cuts move sideways, the corners stay.

    A cut moves by up to two fifths of a segment to each side.

    Args:
        size: (height, width) of the picture.
        segments: into how many parts the width is cut, at least 1.
        rng: source of randomness.
    """
    limit = size[1] // segments * 4 // 5
    before = _edge_points(size, segments)
    after = before.copy()
    after[4:, 0] += np.repeat(_draw(rng, limit, segments - 1) - limit / 2, 2)
    return before, after


def perspective_points(size: tuple[int, int], rng: np.random.Generator) -> Points:
    """Control points for a slant view: each corner moves inwards by up to half the height.

    Args:
        size: (height, width) of the picture.
        rng: source of randomness.
    """
    before = _edge_points(size, 1)
    after = before.copy()
    after[:, 1] += _draw(rng, size[0] // 2, 4) * (1, 1, -1, -1)
    return before, after


def _edge_points(size: tuple[int, int], segments: int) -> np.ndarray:
    """The corners from top left clockwise, then top and bottom of each cut."""
    height, width = size
    cuts = np.arange(1, segments) * (width // segments)
    ends = np.tile([0, height], segments - 1)
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]])
    edge = np.stack([np.repeat(cuts, 2), ends], axis=1)
    return np.concatenate([corners, edge]).astype(np.float64)


def _draw(rng: np.random.Generator, limit: int, count: int) -> np.ndarray:
    """Whole numbers from 0 to below ``limit``; zeros where there are none."""
    return rng.integers(0, max(1, limit), count).astype(np.float64)


def _nodes(length: int, grid: int) -> np.ndarray:
    """0, one grid further each, and the last pixel."""
    inner = np.arange(math.ceil((length - 1) / grid)) * grid
    return np.append(inner, length - 1).astype(np.float64)


def _weights(nodes: np.ndarray, length: int) -> np.ndarray:
    """(length, nodes): how much of each node a pixel takes."""
    pixels = np.arange(length)
    first = np.minimum(np.searchsorted(nodes, pixels, "right") - 1, max(0, len(nodes) - 2))
    weights = np.zeros((length, len(nodes)))
    if len(nodes) == 1:
        weights[:] = 1
        return weights
    share = (pixels - nodes[first]) / (nodes[first + 1] - nodes[first])
    weights[pixels, first] = 1 - share
    weights[pixels, first + 1] = share
    return weights
