"""The parts of a distillation's loss by name, as recipes call them.

Some look at logits alone, some at a class besides, some at features of any layer (at the logits
when no layer is named), and some learn a little network of their own on features. All are here, in
one place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from saccade.errors import OptionError, nearest
from saccade_train.layers.check import check_options

from .attention import AttentionTransfer
from .correlation import dist_loss
from .decoupled import dkd_loss
from .divergences import jensen_shannon, kl_divergence, teacher_cross_entropy
from .features import feature_distance
from .masked import MaskedGeneration
from .mutual import symmetric_kl
from .projected import ProjectorEnsemble, pooled
from .relations import cosine_distance, rkd_angles, rkd_distances
from .spherical import skd_loss
from .weighted import wsl_loss

__all__ = [
    "FEATURE_TERMS",
    "LABEL_TERMS",
    "LEARNED_TERMS",
    "LOGIT_TERMS",
    "check_term",
    "learned_term",
    "term_loss",
]

LOGIT_TERMS: dict[str, Callable[..., Tensor]] = {
    "symmetric_kl": symmetric_kl,
    "kl": kl_divergence,
    "cross_entropy": teacher_cross_entropy,
    "jensen_shannon": jensen_shannon,
    "dist": dist_loss,
}
"""Functions of the logits of both, (N, C)."""

LABEL_TERMS: dict[str, Callable[..., Tensor]] = {
    "dkd": dkd_loss,
    "wsl": wsl_loss,
    "skd": skd_loss,
}
"""Functions of the logits of both and of a class (N,)."""

FEATURE_TERMS: dict[str, Callable[..., Tensor]] = {
    "feature_distance": feature_distance,
    "cosine": cosine_distance,
    "rkd_distances": rkd_distances,
    "rkd_angles": rkd_angles,
}
"""Functions of the outputs of one layer of both; several pairs of layers are averaged."""

LEARNED_TERMS: dict[str, Callable[..., nn.Module]] = {
    "afd": AttentionTransfer,
    "mgd": MaskedGeneration,
    "pefd": ProjectorEnsemble,
}
"""Networks, made from the shapes of the layers' outputs, that map the outputs to a loss."""

_OF_VECTORS = ("cosine", "rkd_distances", "rkd_angles")
"""Feature terms that maps (N, C, H, W) are pooled for."""


def check_term(
    loss: str, options: Mapping[str, Any], layers: Sequence[str], taught_layers: Sequence[str]
) -> None:
    """Refuse what is no term, no option of it, or looks at no layers.

    Raises:
        OptionError: see there; the nearest are named.
    """
    known = LOGIT_TERMS | LABEL_TERMS | FEATURE_TERMS | LEARNED_TERMS
    if loss not in known:
        raise OptionError(f"terms: unknown loss {loss!r}; {nearest(loss, known)}")
    check_options(known[loss], options, f"the loss {loss!r}")
    if loss in LEARNED_TERMS and not layers:
        raise OptionError(f"terms: {loss} compares features; name layers of the student")
    if layers and (loss in LOGIT_TERMS or loss in LABEL_TERMS):
        raise OptionError(f"terms: {loss} compares logits; leave layers out")
    if loss in FEATURE_TERMS and len(layers) != len(taught_layers):
        raise OptionError(
            f"terms: {loss} compares layers in pairs, but layers has {len(layers)} and "
            f"teacher_layers {len(taught_layers)}"
        )


def learned_term(
    loss: str,
    student: Sequence[tuple[int, ...]],
    teacher: Sequence[tuple[int, ...]],
    options: Mapping[str, Any],
) -> nn.Module:
    """The network of a learned term, freshly drawn.

    Args:
        loss: a name in :data:`LEARNED_TERMS`.
        student: shapes of the outputs of the student's layers, batch first.
        teacher: those of the teacher's.
        options: of the term.
    """
    return LEARNED_TERMS[loss](student, teacher, **options)


def term_loss(
    loss: str,
    student: Sequence[Tensor],
    teacher: Sequence[Tensor],
    labels: Tensor,
    options: Mapping[str, Any],
) -> Tensor:
    """The value of a term that is a function.

    Args:
        loss: a name in one of the tables but :data:`LEARNED_TERMS`.
        student: logits (N, C) alone, or outputs of layers.
        teacher: the same of the teacher.
        labels: int64 (N,), for those that look at a class.
        options: of the term.

    Returns:
        float32 scalar.
    """
    if loss in LOGIT_TERMS:
        return LOGIT_TERMS[loss](student[0], teacher[0], **options)
    if loss in LABEL_TERMS:
        return LABEL_TERMS[loss](student[0], teacher[0], labels, **options)
    total = student[0].new_zeros(())
    for ours, theirs in zip(student, teacher, strict=True):
        if loss in _OF_VECTORS:
            ours, theirs = pooled(ours), pooled(theirs)
        total = total + FEATURE_TERMS[loss](ours, theirs, **options)
    return total / len(student)
