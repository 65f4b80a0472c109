"""What every engine asks of a batch before it runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from saccade.errors import OptionError

__all__ = ["check_batch"]


def check_batch(batch: object, dtype: np.dtype[Any], shape: Sequence[int | None]) -> None:
    """Refuse a batch that a graph cannot take.

    Args:
        batch: What the caller passed.
        dtype: The type of numbers that the graph takes.
        shape: Its sizes; None where any size goes.

    Raises:
        OptionError: The batch is no array, empty, or of another type or shape.
    """
    wanted = f"{dtype} {_show(shape)}"
    if not isinstance(batch, np.ndarray):
        raise OptionError(f"the batch is a {type(batch).__name__}, expected an array {wanted}")
    fits = batch.ndim == len(shape) and all(
        size > 0 if side is None else size == side
        for size, side in zip(batch.shape, shape, strict=True)
    )
    if not fits or batch.dtype != dtype:
        raise OptionError(f"the batch is {batch.dtype} {_show(batch.shape)}, expected {wanted}")


def _show(shape: Sequence[int | None]) -> str:
    return f"({', '.join('any' if side is None else str(side) for side in shape)})"
