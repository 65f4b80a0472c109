"""Values of a JSON file that anybody may have written: what they must be, or None."""

from __future__ import annotations

import math
import re
from typing import TypeGuard

__all__ = ["as_flag", "as_integer", "as_key", "as_number", "is_number", "short"]

# Numbers beyond this are no pixels.
_MOST_PIXELS = 1e7


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether it is a number, also an infinite one; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def as_number(value: object) -> float | None:
    """A finite number of a sensible size, or None."""
    if not is_number(value):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) and abs(number) < _MOST_PIXELS else None


def as_integer(value: object) -> int | None:
    """A whole number, also as text or as a float like 3.0; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and re.fullmatch(r"\s*-?[0-9]{1,18}\s*", value):
        return int(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value if isinstance(value, int) and abs(value) < 2**63 else None


def as_key(value: object) -> int | str | None:
    """An id in the form in which ids are compared."""
    number = as_integer(value)
    return number if number is not None else value if isinstance(value, str) else None


def as_flag(value: object) -> bool:
    """Whether a mark of 0 or 1 is 1 (or true)."""
    return isinstance(value, int | float) and value == 1


def short(value: object) -> str:
    """What messages show of a value."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
