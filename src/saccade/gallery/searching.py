"""Searching a gallery: the index that follows the truth, and the cache that it is kept in.

A search only ever follows: it reads what was added and removed since, which is short. Building
anything but a flat index takes from seconds to minutes; that is :meth:`Searcher.build`, which those
who add call, so that nobody who asks has to wait for it.
"""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import numpy.typing as npt

from saccade.errors import GalleryError
from saccade.gallery.cache import Stamp, load_cache, read_stamp, save_cache
from saccade.gallery.codec import Codec
from saccade.gallery.filters import Filter
from saccade.gallery.index import VectorIndex, best
from saccade.gallery.items import Found
from saccade.gallery.kinds import build, chosen, faiss, is_flat, needs_training, training_size
from saccade.gallery.store import State, Store
from saccade.runtime.threads import available_threads

__all__ = ["CACHE", "Searcher"]

CACHE = "index.faiss"
# A flat cache file is rewritten when this share of it has changed. Each vector is then rewritten a
# bounded number of times, and a short rest is read from the store within milliseconds.
_REWRITE_SHARE = 0.1
# Other kinds take in their tail when it is this long; until then it is searched beside them.
_TAIL_SHARE = 0.02
_TAIL_LEAST = 4096
# Vectors of ivf-pq are approximate: so many times k candidates are ranked anew by the exact ones.
_CANDIDATES = 8
_BUILD_PAGE = 32768
_MEMO = 1_000_000


class Searcher:
    """Answers queries about one store; one instance serves many threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._file = store.file.with_name(CACHE)
        self._lock = threading.Lock()
        self._threads = available_threads()
        self.forget()

    def forget(self) -> None:
        """Let go of the index."""
        self._index: VectorIndex | None = None
        self._stamp = Stamp("")
        self._version: tuple[int, int] | None = None
        self._memo: dict[int, str] = {}
        self._names = ""
        self._facts: tuple[tuple[int, int], str, str, Codec] | None = None

    @property
    def cache_file(self) -> Path:
        """Where the index is kept."""
        return self._file

    def codec_for(self, fingerprint: str) -> tuple[Codec, tuple[int, int]]:
        """How vectors are kept, once it is clear that they are still of the model of the queries.

        Returns:
            The codec, and the version of the store as of which this holds, for :meth:`search`.

        Raises:
            GalleryError: Another model's vectors have been put in place.
        """
        with self._lock:
            version = self._store.version()
            if self._facts is None or version != self._facts[0]:
                meta = self._store.meta
                codec = Codec(int(meta["dim"]), meta["storage"])
                self._facts = (version, meta["fingerprint"], meta["model"], codec)
            _, present, model, codec = self._facts
        self._check(present, fingerprint, model)
        return codec, version

    def _check(self, present: str, expected: str, model: str) -> None:
        if present != expected:
            raise GalleryError(
                f"the gallery {self._store.file.parent} has been re-embedded with the model {model}"
                " since it was opened; open it again with that model"
            )

    def search(
        self,
        queries: npt.NDArray[np.float32],
        k: int,
        fingerprint: str,
        version: tuple[int, int],
    ) -> Found:
        """The k nearest of everything; see :meth:`Gallery.search`."""
        with self._lock:
            if self._index is not None and version == self._version:
                # Nothing was written since: no transaction is needed to see one state.
                ids, scores = self._neighbours(self._index, queries, k)
                if (labels := self._known(ids)) is not None:
                    return Found(ids, scores, labels)
            # One snapshot for index and labels: an answer never mixes two states of the truth.
            with self._store.snapshot():
                truth, meta = self._store.state(), self._store.meta
                self._check(meta["fingerprint"], fingerprint, meta["model"])
                ids, scores = self._neighbours(self._current(truth), queries, k)
                self._learn(np.unique(ids[ids >= 0]).tolist(), truth.names)
            # Taken before the snapshot: what came between the two is looked for once more.
            self._version = version
            labels = self._known(ids)
            assert labels is not None
            return Found(ids, scores, labels)

    def search_where(
        self, queries: npt.NDArray[np.float32], k: int, fingerprint: str, where: Filter
    ) -> Found:
        """The k nearest of what fits a filter, exactly: their vectors are read from the store."""
        with self._store.snapshot():
            meta = self._store.meta
            self._check(meta["fingerprint"], fingerprint, meta["model"])
            ids, scores = self._scanned(queries, k, where)
            names = self._store.labels_of(np.unique(ids[ids >= 0]).tolist())
        np.clip(scores, -1.0, 1.0, out=scores, where=ids >= 0)
        return Found(ids, scores, tuple(tuple(map(names.get, row)) for row in ids.tolist()))

    def _scanned(
        self, queries: npt.NDArray[np.float32], k: int, where: Filter | None = None
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """The k nearest by the vectors of the store, page by page."""
        ids = np.full((len(queries), k), -1, dtype=np.int64)
        scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
        codec = self._store.codec
        for some, rows in self._store.vectors_after(0, where):
            likeness = codec.scores(queries, rows)
            every = np.broadcast_to(some, likeness.shape)
            ids, scores = best(
                np.concatenate([ids, every], axis=1),
                np.concatenate([scores, likeness], axis=1),
                k,
            )
        return ids, scores

    def is_behind(self) -> bool:
        """Whether the cache is of another kind than it should be, or its tail has grown long."""
        count = self._store.count()
        meta = self._store.meta
        wanted = chosen(meta["index"], meta["storage"], count)
        cached = read_stamp(self._file)
        if cached is None or cached[0] != wanted or cached[2].epoch != meta["epoch"]:
            return count > 0
        if is_flat(wanted):
            return False  # a search extends it
        after = "SELECT count(*) FROM items WHERE id > ?"
        tail = int(self._store.all(after, cached[2].last_id)[0][0])
        gone = int(self._store.all("SELECT count(*) FROM removed")[0][0])
        limit = max(_TAIL_LEAST, _TAIL_SHARE * cached[1])
        return tail > limit or gone > max(limit, _REWRITE_SHARE * cached[1])

    def build(self) -> str:
        """Build or extend the index of the wanted kind and write it; searches go on meanwhile.

        Returns:
            The kind.
        """
        store = Store(self._store.file)  # a connection of its own: nobody waits for ours
        try:
            with store.snapshot():
                index, stamp = self._built(store)
        finally:
            store.close()
        save_cache(self._file, index, stamp)
        with self._lock:
            self.forget()
            self._index, self._stamp = index, stamp
        return index.kind

    def _built(self, store: Store) -> tuple[VectorIndex, Stamp]:
        truth, codec, count = store.state(), store.codec, store.count()
        kind = chosen(store.meta["index"], codec.storage, count)
        cached = load_cache(self._file, codec)
        index, start = None, Stamp(truth.epoch)
        if cached is not None and cached[0].kind == kind and _follows(cached[1], truth, store):
            index, start = cached
            index.remove(np.array(store.removed_after(start.removals), dtype=np.int64))
            worn = index.main.dead > _REWRITE_SHARE * len(index.main)
            if worn or needs_training(index.main.inner, kind, count):
                index, start = None, Stamp(truth.epoch)
        faiss.omp_set_num_threads(self._threads)
        if index is None:
            index = VectorIndex(codec, kind, build(kind, codec.dim, _sample(store, kind, codec)))
        for ids, rows in store.vectors_after(start.last_id, page=_BUILD_PAGE):
            index.main.add(ids, rows)
        return index, _stamp(truth, store)

    def _current(self, truth: State) -> VectorIndex:
        """The index at the truth's present state; called inside a snapshot, under the lock."""
        store = self._store
        index, stamp = self._index, self._stamp
        codec = store.codec
        if index is not None and is_flat(index.kind) and self._is_built(truth):
            index = None  # another process has built something faster
        if index is None:
            cached = load_cache(self._file, codec)
            index, stamp = cached or (VectorIndex(codec), Stamp(truth.epoch))
        if not _follows(stamp, truth, store) or index.codec != codec:
            index, stamp = VectorIndex(codec), Stamp(truth.epoch)
        self._index = None  # an index that is half extended must not survive an interruption
        changed = 0
        if stamp.removals < truth.removals:
            gone = np.array(store.removed_after(stamp.removals), dtype=np.int64)
            index.remove(gone)
            changed += len(gone)
        if stamp.last_id < truth.last_id:
            for ids, rows in store.vectors_after(stamp.last_id):
                index.add(ids, rows)
                changed += len(ids)
        stamp = _stamp(truth, store)
        worth = changed and changed >= _REWRITE_SHARE * len(index)
        if worth and is_flat(index.kind) and not self._is_built(truth):
            index.merge()
            save_cache(self._file, index, stamp)
        self._index, self._stamp = index, stamp
        return index

    def _is_built(self, truth: State) -> bool:
        """Whether the cache is of a kind that took time to build, and of use."""
        cached = read_stamp(self._file)
        return cached is not None and not is_flat(cached[0]) and cached[2].epoch == truth.epoch

    def _neighbours(
        self, index: VectorIndex, queries: npt.NDArray[np.float32], k: int
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        if index.kind == "ivf-pq":
            ids, _ = index.search(queries, _CANDIDATES * k, threads=self._threads)
            ids, scores = best(ids, self._exact(queries, ids, index.codec), k)
        else:
            ids, scores = index.search(queries, k, threads=self._threads)
        np.minimum(scores, 1.0, out=scores)  # rounding may exceed 1 by an ulp
        if not (ids[:, -1] < 0).any():  # whole, as nearly always
            np.maximum(scores, -1.0, out=scores)
            return ids, scores
        # A graph or a few lists may not lead to k items although there are: then look at all.
        short = (ids >= 0).sum(axis=1) < min(k, len(index))
        if short.any():
            ids[short], scores[short] = self._scanned(queries[short], k)
        np.clip(scores, -1.0, 1.0, out=scores, where=ids >= 0)
        return ids, scores

    def _exact(
        self, queries: npt.NDArray[np.float32], ids: npt.NDArray[np.int64], codec: Codec
    ) -> npt.NDArray[np.float32]:
        """The similarities of candidates (Q, M) by the vectors of the store."""
        scores = np.full(ids.shape, -np.inf, dtype=np.float32)
        kept = self._store.rows_of(np.unique(ids[ids >= 0]).tolist())
        for row, (query, some) in enumerate(zip(queries, ids.tolist(), strict=True)):
            blobs = [kept[item] for item in some if item in kept]
            if blobs:
                values = codec.scores(query[None], codec.join(blobs))[0]
                scores[row, [item in kept for item in some]] = values
        return scores

    def _learn(self, ids: list[int], names: str) -> None:
        """Remember the labels of some ids, inside a snapshot."""
        if names != self._names or len(self._memo) > _MEMO:
            self._memo, self._names = {}, names
        missing = [item for item in ids if item not in self._memo]
        self._memo.update(self._store.labels_of(missing))

    def _known(self, ids: npt.NDArray[np.int64]) -> tuple[tuple[str | None, ...], ...] | None:
        """The labels, if all of them are remembered."""
        memo = self._memo
        try:
            return tuple(
                tuple(None if item < 0 else memo[item] for item in row) for row in ids.tolist()
            )
        except KeyError:
            return None


def _follows(stamp: Stamp, truth: State, store: Store) -> bool:
    """Whether the truth can have come from this state by adding and removing."""
    if stamp.epoch != truth.epoch or stamp.removals > truth.removals:
        return False
    if not stamp.last_id or stamp.mark == store.mark(stamp.last_id):
        return True
    return stamp.last_id in store.removed_after(stamp.removals)


def _stamp(truth: State, store: Store) -> Stamp:
    return Stamp(truth.epoch, truth.last_id, store.mark(truth.last_id), truth.removals)


def _sample(store: Store, kind: str, codec: Codec) -> npt.NDArray[np.float32] | None:
    """Rows to train on, drawn evenly over all ids, the same at every call."""
    if not kind.startswith("ivf"):
        return None
    ids = np.array(store.all("SELECT id FROM items ORDER BY id"), dtype=np.int64)[:, 0]
    wanted = training_size(len(ids))
    some = np.sort(np.random.default_rng(0).choice(ids, wanted, replace=False))
    rows = store.rows_of(some.tolist())
    return codec.vectors(codec.join([rows[item] for item in some.tolist()]))
