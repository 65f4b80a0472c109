"""Losses: one formula a file.

The whole loss of a detector is :mod:`saccade_train.losses.picodet`; it stands on the assigners,
which stand on the formulas here, so it is imported by its own name.
"""

from .ace import ace_loss
from .center import center_loss
from .cross_entropy import smooth_one_hot, soft_cross_entropy
from .ctc import ctc_loss, focal
from .db import DBLoss, DBLossOptions, DBTargets, db_loss
from .dfl import dfl_loss, side_distances
from .iou import ciou_loss, diou_loss, giou_loss, iou_loss
from .varifocal import varifocal_loss, varifocal_loss_with_logits

__all__ = [
    "DBLoss",
    "DBLossOptions",
    "DBTargets",
    "ace_loss",
    "center_loss",
    "ciou_loss",
    "ctc_loss",
    "db_loss",
    "dfl_loss",
    "diou_loss",
    "focal",
    "giou_loss",
    "iou_loss",
    "side_distances",
    "smooth_one_hot",
    "soft_cross_entropy",
    "varifocal_loss",
    "varifocal_loss_with_logits",
]
