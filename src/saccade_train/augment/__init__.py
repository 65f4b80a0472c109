"""What is done to training pictures: pure functions on uint8 arrays, randomness passed in."""

from .pipeline import Augment, build_augment

__all__ = ["Augment", "build_augment"]
