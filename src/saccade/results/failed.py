"""A picture of a stream that could not be answered."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Failed"]


@dataclass(frozen=True)
class Failed:
    """A picture of a stream that could not be answered.

    Attributes:
        image: Name of the picture, as in the other results.
        reason: One line that names the picture, what is wrong with it and the remedy.
    """

    image: str
    reason: str

    def __str__(self) -> str:
        return self.reason
