"""The metric losses by name, as recipes call them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from saccade.errors import OptionError, nearest
from saccade_train.layers.check import check_options

from .hashing import dch_loss, dshsd_loss, lcdsh_loss
from .pairs import (
    circle_loss,
    contrastive_loss,
    n_pairs_loss,
    pairwise_cosface_loss,
    sup_con_loss,
)
from .triplets import (
    eml_loss,
    msml_loss,
    trihard_loss,
    triplet_angular_loss,
    triplet_loss,
)

__all__ = ["METRIC_LOSSES", "check_metric_loss", "takes_memory"]

METRIC_LOSSES: dict[str, Callable[..., Tensor]] = {
    "circle": circle_loss,
    "contrastive": contrastive_loss,
    "cosface": pairwise_cosface_loss,
    "dch": dch_loss,
    "dshsd": dshsd_loss,
    "eml": eml_loss,
    "lcdsh": lcdsh_loss,
    "msml": msml_loss,
    "n_pairs": n_pairs_loss,
    "sup_con": sup_con_loss,
    "trihard": trihard_loss,
    "triplet": triplet_loss,
    "triplet_angular": triplet_angular_loss,
}
"""Name -> function of features (N, D), labels (N,) and keyword options."""


def takes_memory(loss: str) -> bool:
    """Whether a loss can compare a batch with other vectors than its own."""
    return "others" in inspect.signature(METRIC_LOSSES[loss]).parameters


def check_metric_loss(loss: str, options: Mapping[str, Any]) -> None:
    """Refuse what is no loss, or no option of it.

    Raises:
        OptionError: an unknown name; the nearest are named.
    """
    if loss not in METRIC_LOSSES:
        raise OptionError(f"unknown metric loss {loss!r}; {nearest(loss, METRIC_LOSSES)}")
    check_options(METRIC_LOSSES[loss], options, f"the loss {loss!r}")
