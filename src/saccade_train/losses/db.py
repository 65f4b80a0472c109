"""The losses of the DB text detector (Liao et al., arXiv 1911.08947, section 3.4).

The paper has L = L_s + alpha * L_b + beta * L_t: binary cross entropy with hard-negative mining on
P, the same on B, and L1 on T. ``PaddleOCR/ppocr/losses/det_db_loss.py`` and every configuration
shipped with it differ: the loss on P is Dice, and it is the one that the factor 5 belongs to; B has
a plain Dice. Released weights were trained so, and so it is by default here.
``DBLossOptions(main="bce")`` takes the cross entropy on P, ``main="both"`` adds the two (ours, no
paper's: cross entropy parts columns that stand close, Dice makes up its mind about them), and
``DBLossOptions(main="bce", shrink_weight=1, binary_weight=5)`` is the weighting of the PP-OCRv2
paper (arXiv 2109.03144).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from saccade.errors import OptionError
from saccade_train.heads.db import DBMaps
from saccade_train.layers.check import check_number

__all__ = [
    "DBLoss",
    "DBLossOptions",
    "DBTargets",
    "balanced_cross_entropy",
    "balanced_dice",
    "db_loss",
    "dice_loss",
    "main_loss",
    "masked_l1",
]

_EPS = 1e-6


class DBTargets(NamedTuple):
    """What the maps should be, float32 (N, H, W) or (N, 1, H, W) each.

    Attributes:
        shrink: 1 in the shrunk text regions, else 0.
        shrink_mask: 0 where nothing is known, else 1, or more where it counts for more.
        threshold: 0.3 to 0.7, highest on the outlines.
        threshold_mask: 1 near the outlines, where the threshold counts.
    """

    shrink: Tensor
    shrink_mask: Tensor
    threshold: Tensor
    threshold_mask: Tensor


@dataclass(frozen=True)
class DBLossOptions:
    """Form and weights of the terms.

    Attributes:
        main: the loss on P: Dice, binary cross entropy with hard-negative mining, or their sum.
        shrink_weight: of the loss on P.
        threshold_weight: of L1 on T.
        binary_weight: of Dice on B.
        negatives: how many of the hardest background pixels count for each text pixel.
    """

    main: Literal["dice", "bce", "both"] = "dice"
    shrink_weight: float = 5.0
    threshold_weight: float = 10.0
    binary_weight: float = 1.0
    negatives: float = 3.0

    def __post_init__(self) -> None:
        if self.main not in ("dice", "bce", "both"):
            raise OptionError(f"main {self.main!r}: expected 'dice', 'bce' or 'both'")
        check_number("negatives", self.negatives, above=0, up_to=1e9)


class DBLoss(NamedTuple):
    """Scalars, already weighted; ``total`` is the sum of the others."""

    total: Tensor
    shrink: Tensor
    threshold: Tensor
    binary: Tensor


_DEFAULT = DBLossOptions()


def db_loss(maps: DBMaps, targets: DBTargets, options: DBLossOptions = _DEFAULT) -> DBLoss:
    """Add up the three terms.

    Args:
        maps: what the detector says.
        targets: what it should say, for the same pictures.
        options: form and weights.
    """
    g, m, t, n = (one.reshape(maps.shrink.shape) for one in targets)
    shrink = options.shrink_weight * main_loss(options.main, maps.shrink, g, m, options.negatives)
    threshold = options.threshold_weight * masked_l1(maps.threshold, t, n)
    binary = options.binary_weight * dice_loss(maps.binary, g, m)
    return DBLoss(shrink + threshold + binary, shrink, threshold, binary)


def main_loss(
    main: Literal["dice", "bce", "both"], p: Tensor, g: Tensor, mask: Tensor, negatives: float = 3.0
) -> Tensor:
    """The loss on P by its name in :class:`DBLossOptions`."""
    if main == "both":
        dice = balanced_dice(p, g, mask, negatives)
        return dice + balanced_cross_entropy(p, g, mask, negatives)
    loss = balanced_dice if main == "dice" else balanced_cross_entropy
    return loss(p, g, mask, negatives)


def dice_loss(p: Tensor, g: Tensor, mask: Tensor) -> Tensor:
    """1 - 2 sum(p g m) / (sum(p m) + sum(g m) + eps), sums over everything (Milletari et al. 2016).

    Args:
        p: probabilities, any shape.
        g: targets 0 or 1, of that shape.
        mask: which elements count, of that shape.

    Returns:
        Scalar in 0..1.
    """
    shared = (p * g * mask).sum()
    return 1 - 2 * shared / ((p * mask).sum() + (g * mask).sum() + _EPS)


def balanced_dice(p: Tensor, g: Tensor, mask: Tensor, negatives: float = 3.0) -> Tensor:
    """Dice in the reference's balancing, which does nothing to a loss without pixels.

    Dice * (pos + neg) / (pos + neg + eps), with the numbers of :func:`balanced_cross_entropy`; so 0
    where no text is in the batch.
    """
    positive, negative = _counts(g, mask, negatives)
    chosen = float(positive + negative)
    return dice_loss(p, g, mask) * (chosen / (chosen + _EPS))


def balanced_cross_entropy(p: Tensor, g: Tensor, mask: Tensor, negatives: float = 3.0) -> Tensor:
    """Binary cross entropy over all text pixels and as many times ``negatives`` of background.

    Those background pixels are the ones with the largest loss (online hard example mining,
    Shrivastava et al., arXiv 1604.03540). A batch without text gives 0.

    Args:
        p: probabilities, any shape.
        g: targets 0 or 1, of that shape.
        mask: how much elements count, of that shape: 0, 1, or more for some of the background.
        negatives: background pixels for each text pixel.

    Returns:
        Scalar: the sum over both kinds, divided by their number.
    """
    positive, negative = _counts(g, mask, negatives)
    loss = F.binary_cross_entropy(p, g, reduction="none")
    hardest = torch.topk(((1 - g) * mask * loss).flatten(), negative).values
    return ((g * mask * loss).sum() + hardest.sum()) / (positive + negative + _EPS)


def masked_l1(p: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """sum(|p - target| m) / (sum(m) + eps); a scalar."""
    return ((p - target).abs() * mask).sum() / (mask.sum() + _EPS)


def _counts(g: Tensor, mask: Tensor, negatives: float) -> tuple[int, int]:
    positive = int((g * mask).sum())
    background = int(((1 - g) * (mask > 0)).sum())
    return positive, int(min(background, positive * negatives))
