"""The file that keeps a gallery's index between runs.

It is never the truth: whoever finds it missing, stale or damaged rebuilds it from the store, and
whoever may not write it works without.

The file is what FAISS writes, the ids of its places (int64), and a footer that says which state of
the truth it holds and what the checksum is; one rename replaces all of it.
"""

from __future__ import annotations

import logging
import os
import struct
import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import faiss as _faiss
import numpy as np

from saccade.gallery.codec import Codec
from saccade.gallery.index import VectorIndex
from saccade.gallery.kinds import BIT_KINDS, KINDS

__all__ = ["Stamp", "load_cache", "read_stamp", "save_cache"]

faiss: Any = _faiss

_logger = logging.getLogger(__name__)

_MAGIC = b"SACCIDX2"
# bytes of FAISS, places, crc32, epoch, last id, its mark, removals, kind, magic
_FOOTER = struct.Struct("<QQI32sq16sq16s8s")
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
        removals: The number of the last removal that was followed.
    """

    epoch: str
    last_id: int = 0
    mark: bytes = b""
    removals: int = 0


def load_cache(file: Path, codec: Codec) -> tuple[VectorIndex, Stamp] | None:
    """Read a cache file, or say (as None, with a log line) that there is none to be used.

    Args:
        file: The cache file; may be missing, cut short, overwritten or of something else.
        codec: How the gallery keeps its vectors.
    """
    try:
        with file.open("rb") as stream:
            length, kind, stamp = _footer(stream)
            _compare_checksum(stream)
            stream.seek(length)
            ids = np.frombuffer(stream.read()[: -_FOOTER.size], dtype="<i8").astype(np.int64)
            stream.seek(0)
            binary = kind in BIT_KINDS
            read = faiss.read_index_binary if binary else faiss.read_index
            inner = read(faiss.PyCallbackIOReader(stream.read, _CHUNK))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: how FAISS complains
        _logger.info("the cache %s is not used and will be rebuilt: %s", file, error)
        return None
    if inner.d != codec.dim or binary != (codec.storage == "bits") or inner.ntotal != len(ids):
        _logger.info("the cache %s is of vectors of another shape", file)
        return None
    return VectorIndex(codec, kind, inner, ids), stamp


def read_stamp(file: Path) -> tuple[str, int, Stamp] | None:
    """Kind, number of places, and state of a cache file, without reading its vectors."""
    try:
        with file.open("rb") as stream:
            length, kind, stamp = _footer(stream)
            places = (stream.seek(0, os.SEEK_END) - _FOOTER.size - length) // 8
    except (OSError, ValueError):
        return None
    return kind, places, stamp


def save_cache(file: Path, index: VectorIndex, stamp: Stamp) -> bool:
    """Write the main part of an index atomically.

    Args:
        file: The cache file.
        index: What to write.
        stamp: The state that its main part holds.

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


def _footer(stream: BinaryIO) -> tuple[int, str, Stamp]:
    """Bytes of FAISS, kind and state.

    Raises:
        ValueError: It is not a cache file.
    """
    size = stream.seek(0, os.SEEK_END)
    if size < _FOOTER.size:
        raise ValueError("too short")
    stream.seek(size - _FOOTER.size)
    length, places, _, epoch, last_id, mark, removals, kind, magic = _FOOTER.unpack(
        stream.read(_FOOTER.size)
    )
    name = kind.rstrip(b"\0").decode("ascii", "replace")
    if magic != _MAGIC or length + 8 * places != size - _FOOTER.size or name not in KINDS:
        raise ValueError("no footer of ours at its end")
    return length, name, Stamp(epoch.decode("ascii"), last_id, mark if last_id else b"", removals)


def _compare_checksum(stream: BinaryIO) -> None:
    """Compare the checksum before FAISS sees a byte.

    Raises:
        ValueError: It is wrong.
    """
    left = stream.seek(0, os.SEEK_END) - _FOOTER.size
    stream.seek(left)
    checksum = _FOOTER.unpack(stream.read(_FOOTER.size))[2]
    stream.seek(0)
    found = 0
    while left:
        chunk = stream.read(min(_CHUNK, left))
        if not chunk:
            raise ValueError("cut short")
        found = zlib.crc32(chunk, found)
        left -= len(chunk)
    if found != checksum:
        raise ValueError("its checksum is wrong")


def _write_checked(stream: BinaryIO, index: VectorIndex, stamp: Stamp) -> None:
    checksum = 0
    length = 0

    def write(chunk: bytes) -> int:
        nonlocal checksum, length
        checksum = zlib.crc32(chunk, checksum)
        length += len(chunk)
        return stream.write(chunk)

    ids = index.main.settle()
    save = faiss.write_index_binary if index.kind in BIT_KINDS else faiss.write_index
    save(index.main.inner, faiss.PyCallbackIOWriter(write, _CHUNK))
    payload = length
    write(ids.astype("<i8").tobytes())
    epoch, kind = stamp.epoch.encode("ascii"), index.kind.encode("ascii")
    state = (epoch, stamp.last_id, stamp.mark, stamp.removals, kind)
    stream.write(_FOOTER.pack(payload, len(ids), checksum, *state, _MAGIC))


def _forget_abandoned(temporary: Path) -> None:
    """Remove what a killed process left half-written, once it is clear that nobody is at it."""
    try:
        age = time.time() - temporary.stat().st_mtime
    except FileNotFoundError:
        return
    if age > _ABANDONED_SECONDS:
        temporary.unlink(missing_ok=True)
