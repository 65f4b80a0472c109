"""Losses: one formula a file."""

from .ace import ace_loss
from .center import center_loss
from .cross_entropy import smooth_one_hot, soft_cross_entropy
from .ctc import ctc_loss, focal
from .db import DBLoss, DBLossOptions, DBTargets, db_loss

__all__ = [
    "DBLoss",
    "DBLossOptions",
    "DBTargets",
    "ace_loss",
    "center_loss",
    "ctc_loss",
    "db_loss",
    "focal",
    "smooth_one_hot",
    "soft_cross_entropy",
]
