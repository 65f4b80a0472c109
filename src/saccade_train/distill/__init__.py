"""Learning from other networks: what a student is compared by, as pure functions."""

from .dilated import DilatedLoss, dilated_teacher, dilated_teacher_loss
from .features import feature_distance
from .mutual import mutual_kl, mutual_map_kl

__all__ = [
    "DilatedLoss",
    "dilated_teacher",
    "dilated_teacher_loss",
    "feature_distance",
    "mutual_kl",
    "mutual_map_kl",
]
