"""The sizes that the text networks of PP-OCR take: rules of PaddleOCR 2.3, to the pixel."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal, get_args

from saccade.errors import OptionError

__all__ = [
    "SideRule",
    "detector_size",
    "line_width",
    "reading_width",
    "resized_width",
    "time_steps",
]

SideRule = Literal["max", "min", "long"]


def detector_size(
    height: int, width: int, limit: int = 960, rule: SideRule = "max"
) -> tuple[int, int]:
    """Say to which size a picture is brought for the detector.

    Each side is scaled by one ratio, cut to a whole number, and rounded to the nearest multiple of
    32 (a half to the even multiple), so the two sides don't quite keep their ratio.

    Args:
        height: of the picture.
        width: of the picture.
        limit: pixels of the side that the rule is about.
        rule: ``"max"`` shrinks until the long side fits, ``"min"`` enlarges until the short side
            does, ``"long"`` brings the long side to the limit either way.

    Returns:
        (height, width), multiples of 32, at least 32.

    Raises:
        OptionError: an unknown rule, or a limit below 1.
    """
    if rule not in get_args(SideRule) or limit < 1:
        raise OptionError(
            f"side rule {rule!r} with limit {limit}: expected max, min or long, and at least 1"
        )
    ratio = 1.0
    if rule == "long" or (rule == "max" and max(height, width) > limit):
        ratio = limit / max(height, width)
    elif rule == "min" and min(height, width) < limit:
        ratio = limit / min(height, width)
    rows, columns = (max(int(round(int(side * ratio) / 32) * 32), 32) for side in (height, width))
    return rows, columns


def line_width(
    sizes: Iterable[tuple[int, int]], height: int = 32, least: int = 320, most: int | None = None
) -> int:
    """Say how wide a batch of lines is: the widest line decides, but at least ``least``.

    Args:
        sizes: (height, width) of each line.
        height: to which the lines are brought.
        least: pixels.
        most: pixels; lines that would come out wider are squeezed. ``None`` for no end.
    """
    widest = max((width / rows for rows, width in sizes), default=0.0)
    batch = int(height * max(least / height, widest))
    return batch if most is None else min(batch, most)


def resized_width(size: tuple[int, int], batch_width: int, height: int = 32) -> int:
    """Say how wide one line of (height, width) pixels becomes inside its batch."""
    return max(1, min(reading_width(size, height), batch_width))


def reading_width(size: tuple[int, int], height: int = 32, narrow: float = 0.0) -> int:
    """Say how wide a line of (height, width) pixels becomes before it is read; own proposal.

    A recogniser needs a step of four pixels for each character, and a word seen from the side has
    fewer. Lines narrower than ``narrow`` are drawn out half of the way there; with 0, as PP-OCR has
    it, all keep their ratio.

    Example:
        >>> [reading_width((32, width), narrow=64) for width in (8, 32, 64, 100)]
        [36, 48, 64, 100]
    """
    rows, columns = size
    width = height * columns / rows
    return max(1, math.ceil(max(width, (narrow + width) / 2)))


def time_steps(width: int) -> int:
    """Say how many steps the recogniser makes of a batch of that width: a quarter of it."""
    return math.ceil(width / 2) // 2
