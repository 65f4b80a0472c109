"""Noise made once: drawing millions of normal numbers for each picture would take most of the time.

The pools come from fixed seeds, so they are the same in every process; a picture takes a window of
one at a random place.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["clouds", "fibres", "grain", "white"]

Field = NDArray[np.float32]
_HEIGHT, _WIDTH = 640, 2048


def white(rng: np.random.Generator, height: int, width: int) -> Field:
    """Independent normal noise, deviation 1; float32 (height, width)."""
    return _window(_white(), rng, height, width)


def grain(rng: np.random.Generator, height: int, width: int) -> Field:
    """Noise with spots of two or three pixels, deviation 1."""
    return _window(_grain(), rng, height, width)


def fibres(rng: np.random.Generator, height: int, width: int) -> Field:
    """Streaks, mostly along x, deviation 1."""
    return _window(_fibres(), rng, height, width)


def clouds(rng: np.random.Generator, height: int, width: int, size: float) -> Field:
    """Soft blotches of about ``size`` pixels, from -1 to 1."""
    step = max(1.0, size / 8)
    small = _window(_clouds(), rng, int(height / step) + 2, int(width / step) + 2)
    if step == 1.0:
        return np.ascontiguousarray(small[:height, :width])
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)  # type: ignore[return-value]


def _window(pool: Field, rng: np.random.Generator, height: int, width: int) -> Field:
    rows, columns = pool.shape
    down, across = min(height, rows), min(width, columns)
    top = int(rng.random() * (rows - down + 1))
    left = int(rng.random() * (columns - across + 1))
    window = pool[top : top + down, left : left + across]
    if (down, across) == (height, width):
        return window
    # Mirrored, so that no seam shows.
    return cv2.copyMakeBorder(window, 0, height - down, 0, width - across, cv2.BORDER_REFLECT)  # type: ignore[return-value]


@lru_cache(maxsize=1)
def _white() -> Field:
    return np.random.default_rng(1).standard_normal((_HEIGHT, _WIDTH), np.float32)


@lru_cache(maxsize=1)
def _grain() -> Field:
    return _unit(cv2.GaussianBlur(_white()[::-1], (0, 0), 0.9))


@lru_cache(maxsize=1)
def _fibres() -> Field:
    streaks = cv2.GaussianBlur(_white()[:, ::-1], (0, 0), sigmaX=9, sigmaY=0.7)
    return _unit(streaks)


@lru_cache(maxsize=1)
def _clouds() -> Field:
    base = _white()[::-1, ::-1]
    field = sum(s**0.7 * _unit(cv2.GaussianBlur(base, (0, 0), s)) for s in (3.0, 7.0, 17.0))
    unscaled: Field = np.asarray(field, np.float32)
    scaled: Field = unscaled / np.abs(unscaled).max()
    return scaled


def _unit(field: object) -> Field:
    array = np.asarray(field, np.float32)
    scaled: Field = (array - array.mean()) / array.std()
    return scaled
