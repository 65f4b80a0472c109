"""Small draws that every generator of text needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

__all__ = ["pick", "recase", "whole"]

_Item = TypeVar("_Item")


def pick(rng: np.random.Generator, items: Sequence[_Item]) -> _Item:
    """One of them (much faster than ``rng.choice``)."""
    return items[int(rng.random() * len(items))]


def whole(rng: np.random.Generator, low: int, high: int) -> int:
    """A whole number from ``low`` to ``high``, both included."""
    return low + int(rng.random() * (high - low + 1))


def recase(text: str, rng: np.random.Generator, *, upper: float = 0.25, title: float = 0.2) -> str:
    """Set a line in capitals or Title Case, sometimes."""
    drawn = rng.random()
    if drawn < upper:
        return text.upper()
    if drawn < upper + title:
        return " ".join(word[:1].upper() + word[1:] for word in text.split(" "))
    return text
