"""Which pictures meet in a batch: orders of an epoch that follow from seed and epoch alone.

Each function gives an epoch as one array of picture numbers, of which a step takes its share, so a
training can be gone on with at any step to the same numbers (:mod:`saccade_train.training.feed`).
After ``PaddleClas/ppcls/data/dataloader/``.
"""

from .identity import identity_order, pk_order, pk_probabilities
from .mixing import mix_order, repeated_order
from .multiscale import SizedBatch, multi_scale_batches

__all__ = [
    "SizedBatch",
    "identity_order",
    "mix_order",
    "multi_scale_batches",
    "pk_order",
    "pk_probabilities",
    "repeated_order",
]
