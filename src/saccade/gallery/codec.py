"""How a vector is kept in the store: as float32 numbers, or as one bit a number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from saccade.errors import OptionError
from saccade.gallery.bits import pack_bits, unpack_bits

__all__ = ["Codec"]


@dataclass(frozen=True)
class Codec:
    """Vectors (N, D) of unit length to bytes and back.

    Of bits only the signs are kept: what is read back is ``±1 / sqrt(D)``, a unit vector again,
    whose inner products are ``1 - 2h/D`` with h the Hamming distance. So everything above works on
    unit vectors, whatever is kept.

    Attributes:
        dim: D; a multiple of 8 for bits.
        storage: ``"float"`` or ``"bits"``.
    """

    dim: int
    storage: str

    def __post_init__(self) -> None:
        if self.dim < 1:
            raise OptionError(f"dim is {self.dim}; vectors have at least 1 dimension")
        if self.storage == "bits" and self.dim % 8:
            raise OptionError(
                f"dim is {self.dim}; bits are kept eight to a byte, so a multiple of 8 is needed"
            )

    @property
    def size(self) -> int:
        """Bytes of one vector."""
        return self.dim // 8 if self.storage == "bits" else 4 * self.dim

    def rows(self, vectors: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
        """Vectors as they are kept and searched: float32 (N, D), or uint8 (N, D / 8)."""
        if self.storage == "bits":
            return pack_bits(vectors)
        return np.ascontiguousarray(vectors, dtype="<f4")

    def join(self, blobs: Sequence[bytes]) -> npt.NDArray[Any]:
        """Rows (as of :meth:`rows`) from what the store gave."""
        kind = np.uint8 if self.storage == "bits" else np.dtype("<f4")
        rows = np.frombuffer(b"".join(blobs), dtype=kind).reshape(len(blobs), -1)
        return rows if self.storage == "bits" else rows.astype(np.float32, copy=False)

    def vectors(self, rows: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Unit vectors (N, D) float32 from rows."""
        if self.storage == "bits":
            signs = unpack_bits(rows).astype(np.float32) * 2 - 1
            return signs / np.float32(np.sqrt(self.dim))
        return rows

    def scores(
        self, queries: npt.NDArray[np.float32], rows: npt.NDArray[Any]
    ) -> npt.NDArray[np.float32]:
        """Cosine similarities (Q, N) of queries (Q, D) to rows, exactly."""
        if self.storage == "bits":
            queries = self.vectors(self.rows(queries))
        scores: npt.NDArray[np.float32] = queries @ self.vectors(rows).T
        return scores
