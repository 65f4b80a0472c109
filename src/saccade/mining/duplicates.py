"""Whether a picture is one that is known: the same file, or a near-copy by hash or by SIFT."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import faiss as _faiss
import numpy as np
from numpy.typing import NDArray

from saccade.mining.hashing import HASH_BITS, HASH_BYTES, NEAR_BITS, difference_hash, tells
from saccade.mining.sift import Features, Sifter, SiftIndex

__all__ = ["MODES", "Copy", "KnownPictures", "Look", "Mode", "look_at"]

faiss: Any = _faiss

Mode: TypeAlias = Literal["fast", "sift", "off"]

MODES: tuple[Mode, ...] = ("fast", "sift", "off")
"""``fast`` compares hashes; ``sift`` also SIFT features; ``off`` only whole files."""


@dataclass(frozen=True)
class Look:
    """What is kept of a picture to compare it.

    Attributes:
        sha256: of its file, in hex.
        hashed: uint8 (32,), see :func:`saccade.mining.hashing.difference_hash`.
        features: its SIFT features, where they were asked for.
    """

    sha256: str
    hashed: NDArray[np.uint8]
    features: Features | None = None


@dataclass(frozen=True)
class Copy:
    """That a picture is a copy.

    Attributes:
        of: which picture.
        how: what tells it, for people.
    """

    of: str
    how: str


def look_at(data: bytes, image: NDArray[np.uint8], *, sift: bool = False) -> Look:
    """Take down what comparisons need.

    Args:
        data: the bytes of the file.
        image: its pixels, uint8 RGB (H, W, 3).
        sift: whether to find SIFT features, which takes some twenty times as long.
    """
    features = Sifter()(image) if sift else None
    return Look(hashlib.sha256(data).hexdigest(), difference_hash(image), features)


class KnownPictures:
    """Pictures that a pool must not hold, such as those of a validation set.

    Args:
        names: what the pictures are called.
        looks: of each.
        mode: how to compare.
        threads: that a comparison may use.
    """

    def __init__(
        self, names: Sequence[str], looks: Sequence[Look], mode: Mode, threads: int = 1
    ) -> None:
        self._names = list(names)
        self._mode = mode
        self._files: dict[str, int] = {}
        for number, look in enumerate(looks):
            self._files.setdefault(look.sha256, number)
        telling = [number for number, look in enumerate(looks) if tells(look.hashed)]
        self._telling = np.array(telling, np.int64)
        self._hashes = faiss.IndexBinaryFlat(HASH_BITS)
        if telling:
            self._hashes.add(np.stack([looks[number].hashed for number in telling]))
        empty = Features(np.empty((0, 2), np.float32), np.empty((0, 128), np.uint8))
        self._sift = (
            SiftIndex([look.features or empty for look in looks], threads)
            if mode == "sift"
            else None
        )

    def __len__(self) -> int:
        return len(self._names)

    @property
    def digest(self) -> str:
        """Tells one set and mode from another; changes when a comparison may come out otherwise."""
        content = hashlib.sha256(f"1 {self._mode} {NEAR_BITS}".encode())
        for sha256 in sorted(self._files):
            content.update(sha256.encode())
        return content.hexdigest()

    def find(self, look: Look) -> Copy | None:
        """Find the picture that another is a copy of.

        Args:
            look: with features where the mode is ``sift``.
        """
        same = self._files.get(look.sha256)
        if same is not None:
            return Copy(self._names[same], "the same file")
        if self._mode == "off":
            return None
        if len(self._telling) and tells(look.hashed):
            far, nearest = self._hashes.search(look.hashed.reshape(1, HASH_BYTES), 1)
            if far[0, 0] <= NEAR_BITS:
                number = int(self._telling[nearest[0, 0]])
                return Copy(self._names[number], f"hash, {far[0, 0]} of {HASH_BITS} bits differ")
        if self._sift is None or look.features is None:
            return None
        found = self._sift.find(look.features)
        if found is None:
            return None
        return Copy(self._names[found[0]], f"SIFT, {found[1]} matches agree")
