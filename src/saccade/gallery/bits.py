"""Descriptors of one bit a number: packing and the Hamming distance.

The packing is that of PP-ShiTu's deployment (`PaddlePaddle/PaddleClas:deploy/python/
predict_rec.py`): a bit is 1 where the number is above 0, eight bits a byte, the most significant
first.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from saccade.errors import OptionError
from saccade.gallery._vectors import blocks

__all__ = ["hamming", "pack_bits", "unpack_bits"]


def pack_bits(values: ArrayLike) -> NDArray[np.uint8]:
    """Pack signs.

    >>> pack_bits(np.array([[0.3, -0.2, 0, 0.5, -0.1, 0.9, 0.7, -0.4]]))
    array([[150]], dtype=uint8)

    Args:
        values: (N, D) numbers or bool, D a multiple of 8; above 0 (or True) is 1, 0 is 0.

    Returns:
        uint8 (N, D / 8).

    Raises:
        OptionError: another shape, or a value that is not a number.
    """
    array = np.asarray(values)
    if array.ndim != 2 or array.shape[1] % 8:
        raise OptionError(f"values have shape {array.shape}; expected (N, D), D a multiple of 8")
    if array.dtype.kind not in "biuf":
        raise OptionError(f"values have dtype {array.dtype}; expected numbers or bool")
    if array.dtype.kind == "f" and np.isnan(array).any():
        raise OptionError("values hold NaN, which has no sign; embed those pictures again")
    packed: NDArray[np.uint8] = np.packbits(array > 0, axis=1)
    return packed


def unpack_bits(packed: ArrayLike) -> NDArray[np.bool_]:
    """Undo :func:`pack_bits`: uint8 (N, B) to bool (N, 8 B).

    Raises:
        OptionError: another shape or dtype.
    """
    bits: NDArray[np.bool_] = np.unpackbits(_packed(packed, "bits"), axis=1).astype(bool)
    return bits


def hamming(a: ArrayLike, b: ArrayLike) -> NDArray[np.int32]:
    """In how many bits descriptors differ.

    >>> hamming(np.array([[0x96]], np.uint8), np.array([[0x33], [0x96]], np.uint8))
    array([[4, 0]], dtype=int32)

    Args:
        a: uint8 (Q, B).
        b: uint8 (N, B).

    Returns:
        int32 (Q, N), 0 to 8 B.

    Raises:
        OptionError: shapes or dtypes that do not fit.
    """
    left, right = _packed(a, "a"), _packed(b, "b")
    if left.shape[1] != right.shape[1]:
        raise OptionError(
            f"a has {left.shape[1]} bytes a row and b {right.shape[1]}; must be equal"
        )
    distances = np.empty((len(left), len(right)), np.int32)
    count = 8 * left.shape[1]
    queries = _signs(left)
    # With bits as +-1 an inner product is D - 2 h; float32 holds it exactly below 2^24 bits, and
    # the product of matrices is faster than counting bits.
    for block in blocks(len(right), max(count, len(left))):
        products = queries @ _signs(right[block]).T
        distances[:, block] = ((count - products) / 2).astype(np.int32)
    return distances


def _packed(values: ArrayLike, what: str) -> NDArray[np.uint8]:
    array = np.asarray(values)
    if array.ndim != 2 or array.dtype != np.uint8:
        raise OptionError(
            f"{what}: shape {array.shape}, dtype {array.dtype}; expected packed uint8 (N, B)"
        )
    return array


def _signs(packed: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.unpackbits(packed, axis=1).astype(np.float32) * 2 - 1
