"""The cache of a gallery: its vectors in a FAISS index, and the file that keeps it between runs.

The index answers "which vectors have the largest inner product", exactly (a flat index). It is
never the truth: whoever finds the file missing, stale or damaged rebuilds it from the store, and
whoever may not write it works without.

The file is what FAISS writes, followed by a footer that says which state of the truth it holds and
what the checksum is. FAISS ignores what follows its own bytes, so the two cannot drift apart: one
rename replaces both.
"""

from __future__ import annotations

import logging
import os
import struct
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import faiss as _faiss
import numpy as np
import numpy.typing as npt

__all__ = ["Stamp", "VectorIndex", "load_cache", "save_cache"]

faiss: Any = _faiss  # its type stubs lack the classes for reading and writing

_logger = logging.getLogger(__name__)

_MAGIC = b"SACCIDX1"
_FOOTER = struct.Struct("<QI32sq16s8s")  # payload bytes, crc32, epoch, last id, its mark, magic
_CHUNK = 1 << 20
_ABANDONED_SECONDS = 600.0


@dataclass(frozen=True)
class Stamp:
    """Which state of the truth an index holds: all items of this epoch up to this id.

    Attributes:
        epoch: The store's epoch (32 hex digits).
        last_id: The highest id inside; 0 when empty.
        mark: The store's mark of that item, so that a restored older truth that grew again is
            noticed.
    """

    epoch: str
    last_id: int
    mark: bytes


class VectorIndex:
    """Unit vectors under int64 ids, searched exactly by inner product.

    Not thread-safe by itself: the gallery guards it.
    """

    def __init__(self, dim: int, inner: Any = None) -> None:
        self.dim = dim
        self._inner = faiss.IndexIDMap2(faiss.IndexFlatIP(dim)) if inner is None else inner

    def __len__(self) -> int:
        return int(self._inner.ntotal)

    def add(self, ids: npt.NDArray[np.int64], vectors: npt.NDArray[np.float32]) -> None:
        """Add vectors (N, D) float32 under ids (N,) int64, which must be new."""
        self._inner.add_with_ids(np.ascontiguousarray(vectors), ids)

    def search(
        self, queries: npt.NDArray[np.float32], k: int, *, threads: int
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """The k best for each query, best first.

        Args:
            queries: (Q, D) float32.
            k: At least 1; may be above the size.
            threads: How many threads FAISS may use for this call.

        Returns:
            Ids (Q, k) int64, padded with -1, and inner products (Q, k) float32, padded with -inf.
        """
        ids = np.full((len(queries), k), -1, dtype=np.int64)
        scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
        have = min(k, len(self))
        if have and len(queries):
            # An OpenMP setting of the calling thread only; FAISS's own default ignores cgroup
            # quotas.
            faiss.omp_set_num_threads(threads)
            scores[:, :have], ids[:, :have] = self._inner.search(
                np.ascontiguousarray(queries), have
            )
        return ids, scores

    def write(self, write: Callable[[bytes], int]) -> None:
        """Write FAISS's bytes through a function."""
        faiss.write_index(self._inner, faiss.PyCallbackIOWriter(write, _CHUNK))


def load_cache(file: Path, dim: int) -> tuple[VectorIndex, Stamp] | None:
    """Read a cache file, or say (as None, with a log line) that there is none to be used.

    Args:
        file: The cache file; may be missing, cut short, overwritten or of something else.
        dim: The length of the gallery's vectors.
    """
    try:
        with file.open("rb") as stream:
            stamp = _checked_stamp(stream)
            stream.seek(0)
            inner = faiss.read_index(faiss.PyCallbackIOReader(stream.read, _CHUNK))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: how FAISS complains
        _logger.info("the cache %s is not used and will be rebuilt: %s", file, error)
        return None
    if inner.d != dim:
        _logger.info("the cache %s has %d dimensions instead of %d", file, inner.d, dim)
        return None
    return VectorIndex(dim, inner), stamp


def save_cache(file: Path, index: VectorIndex, stamp: Stamp) -> bool:
    """Write a cache file atomically.

    Returns:
        False where it could not be written (read-only place, full disk, another process at it): the
        gallery works without.
    """
    temporary = file.with_name(file.name + ".tmp")
    try:
        _forget_abandoned(temporary)
        with temporary.open("xb") as stream:
            try:
                _write_checked(stream, index, stamp)
                stream.flush()
                os.fsync(stream.fileno())
                temporary.replace(file)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
    except FileExistsError:
        return False  # another process is writing the same thing
    except (OSError, RuntimeError) as error:
        _logger.info("the cache %s was not written: %s", file, error)
        return False
    return True


def _checked_stamp(stream: BinaryIO) -> Stamp:
    """Read the footer and compare the checksum before FAISS sees a byte.

    Raises:
        ValueError: It is not a whole cache file.
    """
    size = stream.seek(0, os.SEEK_END)
    if size < _FOOTER.size:
        raise ValueError("too short")
    stream.seek(size - _FOOTER.size)
    length, checksum, epoch, last_id, mark, magic = _FOOTER.unpack(stream.read(_FOOTER.size))
    if magic != _MAGIC or length != size - _FOOTER.size:
        raise ValueError("no footer of ours at its end")
    stream.seek(0)
    found = 0
    left = length
    while left:
        chunk = stream.read(min(_CHUNK, left))
        if not chunk:
            raise ValueError("cut short")
        found = zlib.crc32(chunk, found)
        left -= len(chunk)
    if found != checksum:
        raise ValueError("its checksum is wrong")
    return Stamp(epoch=epoch.decode("ascii"), last_id=last_id, mark=mark if last_id else b"")


def _write_checked(stream: BinaryIO, index: VectorIndex, stamp: Stamp) -> None:
    checksum = 0
    length = 0

    def write(chunk: bytes) -> int:
        nonlocal checksum, length
        checksum = zlib.crc32(chunk, checksum)
        length += len(chunk)
        return stream.write(chunk)

    index.write(write)
    stream.write(
        _FOOTER.pack(
            length, checksum, stamp.epoch.encode("ascii"), stamp.last_id, stamp.mark, _MAGIC
        )
    )


def _forget_abandoned(temporary: Path) -> None:
    """Remove what a killed process left half-written, once it is clear that nobody is at it."""
    try:
        age = time.time() - temporary.stat().st_mtime
    except FileNotFoundError:
        return
    if age > _ABANDONED_SECONDS:
        temporary.unlink(missing_ok=True)
