"""Learning from other networks: what a student is compared by, as pure functions.

One family a file. By name, as recipes call them: :mod:`saccade_train.distill.terms`.
"""

from .attention import AttentionTransfer, afd_loss
from .correlation import dist_loss
from .decoupled import dkd_loss
from .dilated import DilatedLoss, dilated_teacher, dilated_teacher_loss
from .divergences import jensen_shannon, kl_divergence, teacher_cross_entropy
from .features import feature_distance
from .masked import MaskedGeneration
from .mutual import mutual_label_kl, mutual_map_kl, symmetric_kl
from .projected import ProjectorEnsemble, pefd_loss
from .relations import cosine_distance, rkd_angles, rkd_distances
from .spherical import skd_loss
from .weighted import wsl_loss

__all__ = [
    "AttentionTransfer",
    "DilatedLoss",
    "MaskedGeneration",
    "ProjectorEnsemble",
    "afd_loss",
    "cosine_distance",
    "dilated_teacher",
    "dilated_teacher_loss",
    "dist_loss",
    "dkd_loss",
    "feature_distance",
    "jensen_shannon",
    "kl_divergence",
    "mutual_label_kl",
    "mutual_map_kl",
    "pefd_loss",
    "rkd_angles",
    "rkd_distances",
    "skd_loss",
    "symmetric_kl",
    "teacher_cross_entropy",
    "wsl_loss",
]
