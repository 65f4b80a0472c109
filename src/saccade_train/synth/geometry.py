"""Moving pictures and the quads on them together.

Every function that moves pixels moves points by the same formula: forward for the quads, its exact
inverse for sampling the picture. Points are pixel corners: the picture spans (0, 0) to (W, H), and
the middle of its first pixel is (0.5, 0.5).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from ._types import Picture, Quads

__all__ = [
    "arc",
    "boxes_to_quads",
    "climb",
    "enclose",
    "grow",
    "letter_height",
    "move",
    "outline",
    "project",
    "rotation",
    "scaling",
    "shear",
    "tilt",
    "translation",
    "warp",
    "wave",
]

Matrix = NDArray[np.float64]
# Below this scale neighbouring pixels are averaged first; bilinear sampling would skip some.
_SHRINK_FIRST = 0.6


def boxes_to_quads(boxes: NDArray[np.float32]) -> Quads:
    """Boxes (N, 4), xyxy, as quads."""
    boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
    return boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2)


def outline(quads: Quads) -> tuple[float, float, float, float]:
    """The smallest upright box around all quads, xyxy."""
    low, high = quads.reshape(-1, 2).min(axis=0), quads.reshape(-1, 2).max(axis=0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def grow(quads: Quads, by: float) -> Quads:
    """Push the corners of upright quads outward, by as much in x as in y."""
    push = np.array([[-by, -by], [by, -by], [by, by], [-by, by]], np.float32)
    return quads + push


def letter_height(quads: Quads) -> float:
    """Height of a line of these characters, at least 8 pixels: a quarter more than tall letters."""
    if not len(quads):
        return 32.0
    edges = quads[:, 3] - quads[:, 0]
    heights = np.sort(np.hypot(edges[:, 0], edges[:, 1]))
    return max(8.0, 1.25 * float(heights[int(0.75 * len(heights))]))


def move(quads: Quads, x: float, y: float) -> Quads:
    """Shift quads."""
    return quads + np.array([x, y], np.float32)


def translation(x: float, y: float) -> Matrix:
    """Shift by x, y."""
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], np.float64)


def scaling(x: float, y: float) -> Matrix:
    """Scale about the origin."""
    return np.array([[x, 0, 0], [0, y, 0], [0, 0, 1]], np.float64)


def rotation(degrees: float, x: float = 0.0, y: float = 0.0) -> Matrix:
    """Turn about a point, clockwise as seen in a picture (y points down)."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    turned = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]], np.float64)
    return translation(x, y) @ turned @ translation(-x, -y)


def shear(amount: float, y: float = 0.0) -> Matrix:
    """Slant: points above ``y`` move right by ``amount`` times their distance."""
    return np.array([[1, -amount, amount * y], [0, 1, 0], [0, 0, 1]], np.float64)


def climb(narrow: float, slope: float) -> Matrix:
    """See from the side: x shrinks to ``narrow``, and y grows by ``slope`` for each pixel of it."""
    return np.array([[narrow, 0, 0], [slope * narrow, 1, 0], [0, 0, 1]], np.float64)


def tilt(width: float, height: float, shifts: NDArray[np.float64]) -> Matrix:
    """The homography that moves the corners of a picture by ``shifts`` (4, 2), in pixels."""
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    moved = (corners + shifts).astype(np.float32)
    return np.asarray(cv2.getPerspectiveTransform(corners, moved), np.float64)


def project(matrix: Matrix, points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Apply a homography to points (..., 2)."""
    flat = points.reshape(-1, 2).astype(np.float64)
    moved = flat @ matrix[:, :2].T + matrix[:, 2]
    return (moved[:, :2] / moved[:, 2:]).astype(np.float32).reshape(points.shape)


def warp(
    image: Picture,
    quads: Quads,
    matrix: Matrix,
    size: tuple[int, int],
    *,
    fill: int | Sequence[int] | None = 0,
) -> tuple[Picture, Quads]:
    """Apply a homography to a picture and its quads.

    Args:
        image: To be warped.
        quads: On it.
        matrix: From points of the picture to points of the result.
        size: Height and width of the result.
        fill: What lies outside of the picture; None repeats its border.
    """
    moved = project(matrix, quads)
    height, width = image.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    there = project(matrix, corners)
    sides = there[[1, 2, 2, 3]] - there[[0, 3, 1, 0]]  # top, bottom, right, left
    edges = np.hypot(sides[:, 0], sides[:, 1]).tolist()
    across, down = max(edges[:2]) / width, max(edges[2:]) / height
    if min(across, down) < _SHRINK_FIRST:
        shrunk_width = max(1, round(width * min(1.0, across * 1.1)))
        shrunk_height = max(1, round(height * min(1.0, down * 1.1)))
        image = cv2.resize(image, (shrunk_width, shrunk_height), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
        matrix = matrix @ scaling(width / shrunk_width, height / shrunk_height)
    # OpenCV counts from the middle of the first pixel.
    centred = translation(-0.5, -0.5) @ matrix @ translation(0.5, 0.5)
    warped = cv2.warpPerspective(
        image,
        centred,
        (size[1], size[0]),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE if fill is None else cv2.BORDER_CONSTANT,
        borderValue=_scalar(fill),
    )
    return warped, moved  # type: ignore[return-value]


def arc(image: Picture, quads: Quads, angle: float) -> tuple[Picture, Quads]:
    """Bend a line of text along a circle; letters turn with it. Empty parts are 0.

    Args:
        image: An ink mask, with the line at mid-height.
        quads: On it.
        angle: Of the arc that the picture's width covers, in radians; positive makes a hill,
            negative a valley. It is cut to where the circle would fold the picture.
    """
    height, width = image.shape[:2]
    most = width / height
    angle = max(-most, min(most, angle))
    if abs(angle) < 1e-3:
        return image, quads
    radius = width / angle
    sign = math.copysign(1.0, radius)

    def bend(points: NDArray[np.float32]) -> NDArray[np.float32]:
        turn = (points[..., 0] - width / 2) / radius
        reach = radius - (points[..., 1] - height / 2)
        return np.stack([reach * np.sin(turn), radius - reach * np.cos(turn)], axis=-1)

    xs = np.linspace(0, width, 33, dtype=np.float32)
    rim = np.concatenate([np.stack([xs, np.full_like(xs, y)], -1) for y in (0.0, float(height))])
    reached = bend(rim)
    left, top = np.floor(reached.min(axis=0))
    right, bottom = np.ceil(reached.max(axis=0))
    x = np.arange(left, right, dtype=np.float32) + np.float32(0.5)
    y = np.float32(radius) - (np.arange(top, bottom, dtype=np.float32) + np.float32(0.5))
    grid_x, grid_y = np.meshgrid(np.float32(sign) * x, np.float32(sign) * y)
    # The angle from the y axis: x and y change places.
    reach, turn = cv2.cartToPolar(grid_y, grid_x)
    turn = np.where(turn > np.pi, turn - np.float32(2 * np.pi), turn)
    source_x = np.float32(radius) * turn + np.float32(width / 2 - 0.5)
    source_y = np.float32(radius) - np.float32(sign) * reach + np.float32(height / 2 - 0.5)
    bent = cv2.remap(image, source_x, source_y, cv2.INTER_LINEAR, borderValue=0)
    return bent, move(bend(quads).astype(np.float32), -left, -top)  # type: ignore[return-value]


def wave(
    image: Picture,
    quads: Quads,
    amplitude: float,
    length: float,
    phase: float,
    *,
    fill: int | Sequence[int] | None = None,
) -> tuple[Picture, Quads]:
    """Shift columns up and down along a sine, as paper does that doesn't lie flat.

    Args:
        image: Of any kind; its size stays.
        quads: On it.
        amplitude: In pixels.
        length: Of one wave, in pixels.
        phase: In radians.
        fill: What comes in from outside; None repeats the border.
    """
    height, width = image.shape[:2]
    turn = np.float32(2 * np.pi / length)

    def shift(x: NDArray[np.float32]) -> NDArray[np.float32]:
        shifted: NDArray[np.float32] = np.float32(amplitude) * np.sin(x * turn + np.float32(phase))
        return shifted

    moved = quads.copy()
    moved[..., 1] += shift(quads[..., 0])
    x = np.arange(width, dtype=np.float32)
    source_y = np.arange(height, dtype=np.float32)[:, None] - shift(x + np.float32(0.5))[None]
    source_x = np.broadcast_to(x, (height, width))
    waved = cv2.remap(
        image,
        np.ascontiguousarray(source_x),
        source_y,
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE if fill is None else cv2.BORDER_CONSTANT,
        borderValue=_scalar(fill),
    )
    return waved, moved  # type: ignore[return-value]


def enclose(quad: NDArray[np.float32], points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Push the edges of a quad outward until it holds all points.

    A homography maps a line's quad exactly, so nothing moves then; after a bend the corners alone
    would cut through the middle of the line.

    Args:
        quad: (4, 2), convex, clockwise.
        points: (N, 2).

    Returns:
        (4, 2), float32; the quad itself if it holds all points, or has no area.
    """
    edges = np.roll(quad, -1, axis=0) - quad
    lengths = np.linalg.norm(edges, axis=1)
    if lengths.min() < 1e-3:
        return quad
    # Outward normals: with y down and corners clockwise, (dy, -dx) points away from the inside.
    normals = np.stack([edges[:, 1], -edges[:, 0]], axis=1) / lengths[:, None]
    offsets = (normals * quad).sum(axis=1)
    reach = np.maximum((points @ normals.T).max(axis=0), offsets)
    if (reach - offsets).max() < 1e-3:
        return quad
    corners = np.empty((4, 2), np.float32)
    for corner in range(4):
        pair = [(corner - 1) % 4, corner]
        system = normals[pair].astype(np.float64)
        if abs(np.linalg.det(system)) < 1e-6:
            return quad
        corners[corner] = np.linalg.solve(system, reach[pair].astype(np.float64))
    return corners


def _scalar(fill: int | Sequence[int] | None) -> tuple[float, ...]:
    if fill is None:
        return (0.0,)
    return (float(fill),) * 4 if isinstance(fill, int) else tuple(float(v) for v in fill)
