"""Mixup and CutMix: two pictures in one, and their labels in the same proportion.

Mixup: Zhang et al., arXiv 1710.09412, equation 2. CutMix: Yun et al., arXiv 1905.04899, equations 1
and 2. The partner of a picture is another one of its batch; the share is drawn once for the batch.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from saccade_train.recipes.schema import AugmentOptions

__all__ = ["cutmix", "cutmix_box", "mix_batch", "mixup"]


def mixup(images: Tensor, targets: Tensor, partners: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """``share * x + (1 - share) * x[partners]`` for pictures and targets alike.

    Args:
        images: Float (N, 3, H, W).
        targets: Float (N, C), label smoothing already in them.
        partners: int64 (N,), a permutation.
        share: The weight of the picture itself, in [0, 1].

    Returns:
        Mixed pictures and targets, of the same shapes.
    """
    return (
        torch.lerp(images[partners], images, share),
        torch.lerp(targets[partners], targets, share),
    )


def cutmix_box(
    height: int, width: int, share: float, rng: np.random.Generator
) -> tuple[int, int, int, int]:
    """The rectangle to paste: ``(top, left, bottom, right)``, of about ``(1 - share)`` of the area.

    Its centre is uniform over the picture, so it may be cut by the border.
    """
    side = math.sqrt(1.0 - share)
    cut_height, cut_width = int(height * side), int(width * side)
    middle_y, middle_x = int(rng.integers(height)), int(rng.integers(width))
    top, bottom = middle_y - cut_height // 2, middle_y - cut_height // 2 + cut_height
    left, right = middle_x - cut_width // 2, middle_x - cut_width // 2 + cut_width
    return max(0, top), max(0, left), min(height, bottom), min(width, right)


def cutmix(
    images: Tensor, targets: Tensor, partners: Tensor, box: tuple[int, int, int, int]
) -> tuple[Tensor, Tensor]:
    """Paste a rectangle of each picture's partner into it; targets follow the area that is left.

    Args:
        images: Float (N, 3, H, W).
        targets: Float (N, C), label smoothing already in them.
        partners: int64 (N,), a permutation.
        box: ``(top, left, bottom, right)`` in pixels.

    Returns:
        New pictures, and targets weighted by the exact share of pixels.
    """
    top, left, bottom, right = box
    height, width = images.shape[2:]
    mixed = images.clone()
    mixed[:, :, top:bottom, left:right] = images[partners, :, top:bottom, left:right]
    share = 1.0 - (bottom - top) * (right - left) / (height * width)
    return mixed, torch.lerp(targets[partners], targets, share)


def mix_batch(
    images: Tensor, targets: Tensor, options: AugmentOptions, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Apply mixup or CutMix to a batch as a recipe asks: one of them, or neither.

    Args:
        images: Float (N, 3, H, W).
        targets: Float (N, C).
        options: The recipe's augmentation part.
        rng: Source of randomness.
    """
    kinds = [kind for kind in ("mixup", "cutmix") if getattr(options, kind) > 0]
    if not kinds or rng.random() >= options.mix_probability:
        return images, targets
    kind = kinds[int(rng.integers(len(kinds)))]
    alpha = getattr(options, kind)
    share = float(rng.beta(alpha, alpha))
    partners = torch.from_numpy(rng.permutation(len(images))).to(images.device)
    if kind == "mixup":
        return mixup(images, targets, partners, share)
    height, width = images.shape[2:]
    return cutmix(images, targets, partners, cutmix_box(height, width, share, rng))
