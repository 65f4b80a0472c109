"""The vectors of a gallery in a FAISS index, searched by similarity.

An index is a *main* part of some kind and a flat *tail* of what was added since: neither a graph,
nor trained lists, nor gigabytes of rows have to be touched by a search that follows an add. A flat
main part takes its tail in as soon as that is no longer short. What was removed is taken out of
flat parts; in others its place is marked, and a search asks for more until enough of what it got is
alive.
"""

from __future__ import annotations

from typing import Any

import faiss as _faiss
import numpy as np
import numpy.typing as npt

from saccade.gallery.codec import Codec
from saccade.gallery.kinds import build, is_flat

__all__ = ["VectorIndex", "best"]

faiss: Any = _faiss

# Of the main part: a flat one takes in what is more. FAISS copies all rows when it has to grow.
_SHORT_TAIL = 0.02

Ids = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float32]


class VectorIndex:
    """Vectors under int64 ids, which come in growing order. The gallery guards it from threads.

    Args:
        codec: How the rows are kept.
        kind: Of the main part.
        inner: What FAISS holds of the main part; None for an empty flat one.
        ids: (N,) int64, of the main part's places; -1 for what was removed.
    """

    def __init__(
        self, codec: Codec, kind: str | None = None, inner: Any = None, ids: Ids | None = None
    ) -> None:
        self.codec = codec
        self.kind = kind or _flat(codec)
        self.main = _Part(codec, build(_flat(codec), codec.dim) if inner is None else inner, ids)
        self.tail = self._no_tail()

    def __len__(self) -> int:
        """Number of vectors that can be found."""
        return len(self.main) - self.main.dead + len(self.tail)

    def add(self, ids: Ids, rows: npt.NDArray[Any]) -> None:
        """Add rows (as of the codec) under ids (N,), which are above all that are there."""
        longer = len(self.tail) + len(ids)
        if is_flat(self.kind) and longer > _SHORT_TAIL * len(self.main):
            self.merge()
            self.main.add(ids, rows)
        else:
            self.tail.add(ids, rows)

    def merge(self) -> None:
        """Take the tail into the main part."""
        if len(self.tail):
            self.main.add(self.tail.settle(), self.tail.rows())
            self.tail = self._no_tail()

    def remove(self, ids: Ids) -> None:
        """Remove what there is of some ids."""
        self.tail.take_out(ids)
        if is_flat(self.kind):
            self.main.take_out(ids)
        else:
            self.main.mark_dead(ids)

    def search(self, queries: Scores, k: int, *, threads: int) -> tuple[Ids, Scores]:
        """The k best for each query, best first.

        Args:
            queries: (Q, D) float32 of unit length.
            k: At least 1; may be above the size.
            threads: How many threads FAISS may use for this call.

        Returns:
            Ids (Q, k) int64, padded with -1, and similarities (Q, k) float32, padded with -inf.
        """
        if not len(queries) or not len(self):
            empty = np.full((len(queries), k), -1, dtype=np.int64)
            return empty, np.full((len(queries), k), -np.inf, dtype=np.float32)
        # An OpenMP setting of the calling thread only; FAISS's own default ignores cgroup quotas.
        faiss.omp_set_num_threads(threads)
        rows = self.codec.rows(queries)
        if not len(self.main):
            return self.tail.search(rows, k)
        found = self.main.search(rows, k)
        if not len(self.tail):
            return found
        other = self.tail.search(rows, k)
        ids = np.concatenate([found[0], other[0]], axis=1)
        return best(ids, np.concatenate([found[1], other[1]], axis=1), k)

    def _no_tail(self) -> _Part:
        return _Part(self.codec, build(_flat(self.codec), self.codec.dim))


class _Part:
    """One FAISS index and the ids of its places."""

    def __init__(self, codec: Codec, inner: Any, ids: Ids | None = None) -> None:
        self._codec = codec
        self.inner = inner
        self.ids: Ids = np.empty(0, np.int64) if ids is None else ids
        self._more: list[Ids] = []
        self.dead = int((self.ids < 0).sum())

    def __len__(self) -> int:
        return int(self.inner.ntotal)

    def add(self, ids: Ids, rows: npt.NDArray[Any]) -> None:
        self.inner.add(np.ascontiguousarray(rows))
        self._more.append(ids)

    def rows(self) -> npt.NDArray[Any]:
        """All rows of a flat index."""
        rows: npt.NDArray[Any] = self.inner.reconstruct_n(0, len(self))
        return rows

    def settle(self) -> Ids:
        """The ids of all places."""
        if self._more:
            self.ids = np.concatenate([self.ids, *self._more])
            self._more = []
        return self.ids

    def take_out(self, ids: Ids) -> None:
        """Remove from a flat index; those behind move up."""
        places = np.flatnonzero(np.isin(self.settle(), ids))
        if len(places):
            self.inner.remove_ids(faiss.IDSelectorBatch(places))
            self.ids = np.delete(self.ids, places)

    def mark_dead(self, ids: Ids) -> None:
        places = np.isin(self.settle(), ids)
        self.ids = np.where(places, -1, self.ids)
        self.dead += int(places.sum())

    def search(self, rows: npt.NDArray[Any], k: int) -> tuple[Ids, Scores]:
        """As of the index; asks for more until k are alive, or everything was asked for."""
        ids = self.settle()
        size = len(self)
        ask = min(k + min(self.dead, k + 16), size)
        while True:
            scores, places = self._scores(*self.inner.search(rows, ask))
            if not self.dead and ask == k:  # sorted and whole as it is
                found = ids[places]
                if (places[:, -1] < 0).any():  # padded at its end
                    none = places < 0
                    found[none], scores[none] = -1, -np.inf
                return found, scores
            found = np.where(places >= 0, ids[places], -1)
            scores[found < 0] = -np.inf
            enough = not self.dead or bool(((found >= 0).sum(axis=1) >= k).all())
            if enough or ask == size:
                return best(found, scores, k)
            ask = min(4 * ask, size)

    def _scores(self, values: npt.NDArray[Any], places: Ids) -> tuple[Scores, Ids]:
        if self._codec.storage == "bits":  # Hamming distances
            return 1 - values.astype(np.float32) * np.float32(2 / self._codec.dim), places
        return values, places


def _flat(codec: Codec) -> str:
    return "binary-flat" if codec.storage == "bits" else "flat"


def best(ids: Ids, scores: Scores, k: int) -> tuple[Ids, Scores]:
    """The k best of some candidates, best first, padded.

    Args:
        ids: (Q, M) int64, -1 for none.
        scores: (Q, M) float32, -inf for none.
        k: How many; may be above M.
    """
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    ids, scores = np.take_along_axis(ids, order, 1), np.take_along_axis(scores, order, 1)
    if (missing := k - ids.shape[1]) > 0:
        ids = np.pad(ids, ((0, 0), (0, missing)), constant_values=-1)
        scores = np.pad(scores, ((0, 0), (0, missing)), constant_values=-np.inf)
    return ids, scores
