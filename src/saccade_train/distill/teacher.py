"""What a teacher is to those who ask it; the kinds are in :mod:`.teachers`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from saccade.imaging.prepare import Prepare

__all__ = ["IMAGENET_MEAN", "IMAGENET_STD", "Taught", "Teacher"]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Taught(NamedTuple):
    """What a teacher says about a batch."""

    logits: Tensor
    """float32 (N, C), without gradient; the student's classes in the student's order."""
    features: dict[str, Tensor]
    """Outputs of its layers, by name."""


class Teacher(Protocol):
    """A finished classifier."""

    name: str
    """What the recipe calls it."""
    source: str
    """Where it came from, for messages."""
    num_classes: int
    classes: tuple[str, ...] | None
    """Names of its classes, if they are known."""
    mean: tuple[float, float, float]
    """Its pictures are (RGB / 255 - mean) / std."""
    std: tuple[float, float, float]
    prepare: Prepare | None
    """Its own preparation for evaluation, if it is known."""
    fingerprint: str
    """Of its weights, and of all that changes its answers: 64 hex digits."""
    notes: tuple[str, ...]
    """What the user should know."""

    def to(self, device: torch.device) -> None:
        """Move to where pictures will be."""
        ...

    def look(self, images: Tensor, layers: Sequence[str] = ()) -> Taught:
        """Answer about normalised pictures, float32 (N, 3, H, W)."""
        ...
