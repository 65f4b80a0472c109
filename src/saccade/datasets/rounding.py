"""Numbers in files: as few decimals as give back the same float32."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

__all__ = ["plain", "shortest"]

_MOST = 15


def shortest(
    numbers: np.ndarray,
    back: Callable[[np.ndarray], np.ndarray],
    wanted: np.ndarray,
    least: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Round rows of numbers to the fewest decimals that still stand for the same boxes.

    Args:
        numbers: float64 (N, 4), what a format stores of the boxes.
        back: how its reader makes (N, 4) xyxy of that, in float64.
        wanted: float32 (N, 4) xyxy, what must come out of it.
        least: decimals to keep in any case.

    Returns:
        The rounded numbers, float64 (N, 4), and the decimals of each row, int64 (N,). Rows that 15
        decimals can't hold (a corner closer to 0 than about 1e-8 pixels) stay as they are, with -1.
    """
    rounded = np.array(numbers, np.float64)
    decimals = np.full(len(rounded), -1, np.int64)
    left = np.arange(len(rounded))
    for count in range(least, _MOST + 1):
        if not len(left):
            break
        tried = np.round(numbers[left], count)
        same = (back(tried).astype(np.float32) == wanted[left]).all(axis=1)
        rounded[left[same]] = tried[same]
        decimals[left[same]] = count
        left = left[~same]
    return rounded, decimals


def plain(value: float, decimals: int) -> str:
    """Write a number with so many decimals; -1 for as many as it has."""
    return f"{value:.{decimals}f}" if decimals >= 0 else repr(float(value))
