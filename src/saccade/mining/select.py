"""Which pictures of a class are taken: the best by score, without copies.

SSLD (arXiv 2103.05959) takes the k pictures of the highest score of each class; a picture belongs
to the class of its highest score only, and a class may have fewer than k
(`PaddlePaddle/PaddleClas:docs/en/advanced_tutorials/distillation/distillation_en.md`, 2.2; its k is
**unverified**, at least 4,000 for the 1,000 classes of ImageNet).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from saccade.mining.hashing import NEAR_BITS, tells

__all__ = ["BELOW", "BEYOND", "Candidate", "choose"]

BEYOND = "beyond the best of its class"
BELOW = "below the least score"


class Candidate(Protocol):
    """A picture of the class in question."""

    @property
    def where(self) -> str:
        """Its name."""
        ...

    @property
    def score(self) -> float:
        """Of this class."""
        ...

    @property
    def sha256(self) -> str:
        """Of its file."""
        ...

    @property
    def hashed(self) -> NDArray[np.uint8]:
        """uint8 (32,), its difference hash."""
        ...


_Candidate = TypeVar("_Candidate", bound=Candidate)


def choose(
    ranked: Iterable[_Candidate],
    per_class: int,
    *,
    least_score: float = 0.0,
    near_copies: bool = True,
) -> Iterator[tuple[_Candidate, str]]:
    """Go through the pictures of one class and say which are taken.

    Memory grows with ``per_class``, not with the number of pictures.

    Args:
        ranked: pictures of one class, the highest score first.
        per_class: how many to take at most.
        least_score: a picture below it is not taken.
        near_copies: whether pictures with nearly the same hash as a better one are left out, too;
            pictures of equal files always are.

    Yields:
        Each picture, with the reason why it is not taken; the reason of those taken is empty.
    """
    names: list[str] = []
    files: dict[str, str] = {}
    hashes = np.empty((0, 4), np.uint64)
    telling: list[int] = []
    for one in ranked:
        if one.score < least_score:
            yield one, BELOW
        elif len(names) >= per_class:
            yield one, BEYOND
        elif (same := files.get(one.sha256)) is not None:
            yield one, f"a copy of {same} (the same file)"
        else:
            code = one.hashed.view(np.uint64)
            compares = near_copies and tells(one.hashed)
            if compares and telling:
                far = _distances(hashes[: len(telling)], code)
                nearest = int(far.argmin())
                if far[nearest] <= NEAR_BITS:
                    copied = names[telling[nearest]]
                    yield one, f"a copy of {copied} (hash, {far[nearest]} of 256 bits differ)"
                    continue
            if compares:
                if len(telling) == len(hashes):
                    hashes = np.concatenate([hashes, np.empty((len(hashes) + 64, 4), np.uint64)])
                hashes[len(telling)] = code
                telling.append(len(names))
            files[one.sha256] = one.where
            names.append(one.where)
            yield one, ""


def _distances(codes: NDArray[np.uint64], code: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Hamming distances of (N, 4) codes of 64 bits to one (4,): int64 (N,)."""
    bits = np.unpackbits((codes ^ code).view(np.uint8), axis=1)
    distances: NDArray[np.int64] = bits.sum(axis=1, dtype=np.int64)
    return distances
