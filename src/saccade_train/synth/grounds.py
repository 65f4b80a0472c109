"""What text stands on, and how ink is laid on it.

A ground is a field of numbers from -1 to 1 first: flat, paper, gradient, or one of the textures of
streets and packages. `colour` turns a field into a picture between two colours.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from . import pools
from ._types import Picture

__all__ = ["colour", "gradient", "lay", "paper", "scene", "two_colours"]

Field = NDArray[np.float32]


def paper(rng: np.random.Generator, height: int, width: int) -> Field:
    """Fibres, blotches and grain, in changing shares."""
    first, second, third = rng.random(3).tolist()
    field = pools.clouds(rng, height, width, 30 + 200 * first) * np.float32(0.6 * second)
    field = field + np.float32(0.12 * third) * pools.grain(rng, height, width)
    if first < 0.3:
        field = field + np.float32(0.1) * pools.fibres(rng, height, width)
    clipped: Field = np.clip(field, -1, 1)
    return clipped


def gradient(rng: np.random.Generator, height: int, width: int) -> Field:
    """From dark to bright along one direction."""
    angle = 2 * math.pi * rng.random()
    x = np.linspace(-1, 1, width, dtype=np.float32) * np.float32(math.cos(angle))
    y = np.linspace(-1, 1, height, dtype=np.float32) * np.float32(math.sin(angle))
    field: Field = np.clip(x[None] + y[:, None], -1, 1)
    return field


def scene(rng: np.random.Generator, height: int, width: int) -> Field:
    """Clouds, stripes, bricks, a grid of holes, or things out of focus."""
    drawn = rng.random()
    if drawn < 0.3:
        return pools.clouds(rng, height, width, 8 + 60 * rng.random())
    if drawn < 0.45:
        return gradient(rng, height, width)
    if drawn < 0.6:
        streaks: Field = np.clip(0.4 * pools.fibres(rng, height, width), -1, 1)
        return streaks
    if drawn < 0.72:
        return _stripes(rng, height, width)
    if drawn < 0.82:
        return _bricks(rng, height, width)
    return _things(rng, height, width)


def _stripes(rng: np.random.Generator, height: int, width: int) -> Field:
    angle, period = math.pi * rng.random(), 4 + 30 * rng.random()
    x = np.arange(width, dtype=np.float32) * np.float32(math.cos(angle) * 2 * math.pi / period)
    y = np.arange(height, dtype=np.float32) * np.float32(math.sin(angle) * 2 * math.pi / period)
    waves = np.sin(x[None] + y[:, None])
    stripes: Field = np.clip(waves * np.float32(1 + 6 * rng.random()), -1, 1)
    return stripes


def _bricks(rng: np.random.Generator, height: int, width: int) -> Field:
    row = 6 + int(20 * rng.random())
    column = int(row * (1 + 2 * rng.random()))
    y, x = np.arange(height), np.arange(width)
    odd = (y // row % 2)[:, None]
    joints = ((y % row) < 2)[:, None] | (((x[None] + odd * column // 2) % column) < 2)
    field = 0.4 * pools.clouds(rng, height, width, 12) + np.where(joints, -0.7, 0.3)
    bricks: Field = np.clip(field, -1, 1).astype(np.float32)
    return bricks


def _things(rng: np.random.Generator, height: int, width: int) -> Field:
    field = np.full((height, width), 2 * rng.random() - 1, np.float32)
    for _ in range(3 + int(6 * rng.random())):
        draws = rng.random(6)
        middle = (int(draws[0] * width), int(draws[1] * height))
        axes = (2 + int(draws[2] * 1.2 * height), 2 + int(draws[3] * 1.2 * height))
        value = 2 * draws[4] - 1
        if draws[5] < 0.5:
            cv2.ellipse(field, middle, axes, 360 * draws[5], 0, 360, value, -1)
        else:
            corner = (middle[0] + axes[0], middle[1] + axes[1])
            cv2.rectangle(field, middle, corner, value, -1)
    return cv2.GaussianBlur(field, (0, 0), 0.6 + 3 * rng.random())  # type: ignore[return-value]


def two_colours(
    rng: np.random.Generator, contrast: tuple[float, float]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Colours for ground and ink, float32 (3,) each, whose brightness differs enough.

    Args:
        rng: Source of randomness.
        contrast: Least and largest difference of brightness, 0 to 255.
    """
    low, high = contrast
    difference = low + (high - low) * rng.random()
    darker = rng.random() * (255.0 - difference)
    levels = [darker, darker + difference]
    if rng.random() < 0.5:
        levels.reverse()
    first, second = (_tint(rng, level) for level in levels)
    return first, second


def _tint(rng: np.random.Generator, level: float) -> NDArray[np.float32]:
    """A colour of about that brightness, from grey to vivid."""
    hue, strength, _ = rng.random(3).tolist()
    vivid = [math.cos(2 * math.pi * (hue + part / 3)) for part in range(3)]
    grey = 0.299 * vivid[0] + 0.587 * vivid[1] + 0.114 * vivid[2]
    vivid = [part - grey for part in vivid]
    # As strong as the corners of the cube allow.
    room = min((255 - level) / v if v > 0 else level / -v for v in vivid if abs(v) > 1e-6)
    reach = max(0.0, room) * strength**1.5
    return np.array([level + v * reach for v in vivid], np.float32)


def colour(
    field: Field, middle: NDArray[np.float32] | float, swing: NDArray[np.float32] | float
) -> NDArray[np.float32]:
    """``middle`` plus ``swing`` times the field: float32 (H, W), or (H, W, 3) for colours (3,)."""
    if isinstance(middle, np.ndarray):
        height, width = field.shape
        # Whole rows at a time: NumPy takes several times as long for an inner loop of three.
        coloured = _thrice(field)
        coloured *= _row(np.asarray(swing, np.float32), width)
        return (_row(middle, width) + coloured).reshape(height, width, 3)
    return np.float32(middle) + field * np.float32(swing)


def lay(
    ground: NDArray[np.float32],
    mask: Picture,
    ink: NDArray[np.float32] | float,
) -> NDArray[np.float32]:
    """Lay ink of one colour, or of one for each pixel, on a ground where the mask says so."""
    cover = mask.astype(np.float32) * np.float32(1 / 255)
    colour = np.asarray(ink, np.float32)
    rows = ground
    if ground.ndim == 3:  # in rows, as above
        cover = _thrice(cover)
        rows = ground.reshape(cover.shape)
        colour = colour.reshape(cover.shape) if colour.ndim == 3 else _row(colour, mask.shape[1])
    cover *= colour - rows
    laid: NDArray[np.float32] = (rows + cover).reshape(ground.shape)
    return laid


def _thrice(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """(H, W) to (H, 3 W), each value three times."""
    height, width = values.shape
    return cv2.merge([values] * 3).reshape(height, 3 * width)  # type: ignore[return-value]


def _row(colour: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    """A colour (3,) for each pixel of a row, (3 W,); a grey (), as it is."""
    return np.tile(colour, width) if colour.ndim else colour
