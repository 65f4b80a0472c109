"""Putting foreign tensors into one of our modules, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from saccade.errors import ModelFileError

__all__ = ["assign"]

_SHOWN = 3


def assign(
    module: nn.Module,
    names: Mapping[str, str],
    tensors: Mapping[str, np.ndarray],
    *,
    source: str,
    transposed: frozenset[str] = frozenset(),
    factors: Mapping[str, float] | None = None,
) -> None:
    """Load ``tensors`` into ``module``; it stays as it was when anything doesn't fit.

    Args:
        module: gets float32 values; its BatchNorm counters start at 0.
        names: our name of each tensor of the module, counters aside -> the foreign name.
        tensors: by foreign name; they must be exactly those of ``names``.
        source: what the tensors came from, for messages.
        transposed: our names of the matrices that are stored the other way round.
        factors: our name -> what to multiply the values with.

    Raises:
        ModelFileError: tensors are missing, left over, of another shape, or not finite numbers.
    """
    state = module.state_dict()
    wanted = set(names.values())
    complaints = [
        _complaint("missing", [theirs for theirs in names.values() if theirs not in tensors]),
        _complaint("unknown", [theirs for theirs in tensors if theirs not in wanted]),
    ]
    new: dict[str, Tensor] = {}
    misshaped, unusable = [], []
    for ours, theirs in names.items():
        if theirs not in tensors:
            continue
        value = tensors[theirs]
        shape = tuple(state[ours].shape)
        expected = shape[::-1] if ours in transposed else shape
        if value.shape != expected:
            misshaped.append(f"{theirs} is {_sides(value.shape)} instead of {_sides(expected)}")
        elif value.dtype.kind != "f" or not np.isfinite(value).all():
            unusable.append(theirs)
        else:
            # A copy: what was read may be a read-only view, or big-endian.
            numbers = (value.T if ours in transposed else value).astype(np.float32)
            new[ours] = torch.from_numpy(numbers * np.float32((factors or {}).get(ours, 1.0)))
    complaints += [
        _complaint("of another shape", misshaped),
        _complaint("not finite numbers", unusable),
    ]
    if any(complaints):
        raise ModelFileError(f"{source}: {'; '.join(filter(None, complaints))}")
    for name in state:
        if name.endswith("num_batches_tracked"):
            new[name] = torch.zeros_like(state[name])
    module.load_state_dict(new)


def _complaint(what: str, items: Iterable[str]) -> str:
    listed = list(items)
    if not listed:
        return ""
    more = ", ..." if len(listed) > _SHOWN else ""
    return f"{len(listed)} tensors {what} ({', '.join(listed[:_SHOWN])}{more})"


def _sides(shape: tuple[int, ...]) -> str:
    return "x".join(str(side) for side in shape) or "a number"
