"""Losses: one formula a file."""

from .cross_entropy import smooth_one_hot, soft_cross_entropy

__all__ = ["smooth_one_hot", "soft_cross_entropy"]
