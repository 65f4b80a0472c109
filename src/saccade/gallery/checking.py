"""Whether a gallery is whole, and whether its index holds what the truth holds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from saccade.gallery.cache import Stamp, load_cache, read_stamp
from saccade.gallery.gallery import Gallery
from saccade.gallery.index import VectorIndex
from saccade.gallery.kinds import chosen
from saccade.gallery.reembedding import discard, unfinished
from saccade.gallery.store import Store

__all__ = ["Checked", "check", "stats"]

_UNIT_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Checked:
    """What :func:`check` found.

    Attributes:
        damage: What is wrong with the truth; a copy or an export has to be brought back.
        stale: What is wrong with the cache, or left over; ``repair`` mends it.
        repaired: Whether that was done.
    """

    damage: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    repaired: bool = False

    @property
    def ok(self) -> bool:
        """Whether all is well now."""
        return not self.damage and (self.repaired or not self.stale)


def check(gallery: Gallery, *, repair: bool = False) -> Checked:
    """Compare everything that is kept twice, and look for what can not be.

    A cache that lacks the latest items, or that is seen to be of another state, is no fault: a
    search reads from the store what it lacks.

    Args:
        gallery: The gallery.
        repair: Build the cache anew, and forget an unfinished re-embedding, where that is what is
            wrong.
    """
    store = gallery.store
    damage = _damage(store)
    stale = [] if damage else _stale(gallery)
    if (model := unfinished(store)) is not None:
        stale.append(
            f"a re-embedding with {model} was begun and not ended; make the call again to end it"
        )
    if repair and stale and not damage:
        discard(store)
        gallery.searcher.cache_file.unlink(missing_ok=True)
        gallery.build_index()
        return Checked(stale=tuple(stale), repaired=not _stale(gallery))
    return Checked(tuple(damage), tuple(stale))


def stats(gallery: Gallery) -> dict[str, Any]:
    """Facts and sizes of a gallery, ready for JSON."""
    store = gallery.store
    meta, count = store.meta, store.count()
    cached = read_stamp(gallery.searcher.cache_file)
    calibration = gallery.calibration if "calibration" in meta else None
    files = [path for path in gallery.place.iterdir() if path.is_file()]
    return {
        "place": str(gallery.place),
        "items": count,
        "labels": len(gallery.labels()),
        "model": meta["model"],
        "fingerprint": meta["fingerprint"],
        "dim": int(meta["dim"]),
        "storage": meta["storage"],
        "index": meta["index"],
        "index_wanted": chosen(meta["index"], meta["storage"], count),
        "index_cached": None if cached is None else cached[0],
        "index_vectors": 0 if cached is None else cached[1],
        "calibration": None if calibration is None else calibration.to_dict(),
        "re_embedding": unfinished(store),
        "created": meta["created"],
        "bytes": sum(_size(path) for path in files),
    }


def _damage(store: Store) -> list[str]:
    found = [f"gallery.sqlite: {row[0]}" for row in store.all("PRAGMA quick_check(5)")]
    if found != ["gallery.sqlite: ok"]:
        return [f"{line}; restore a copy, or an export" for line in found]
    problems = []
    for what, query in (
        ("items without a vector", "items WHERE id NOT IN (SELECT id FROM vectors)"),
        ("vectors without an item", "vectors WHERE id NOT IN (SELECT id FROM items)"),
    ):
        if count := store.all(f"SELECT count(*) FROM {query}")[0][0]:
            problems.append(f"{count} {what}; restore a copy, or an export")
    codec = store.codec
    for ids, rows in store.vectors_after(0):
        lengths = np.linalg.norm(codec.vectors(rows), axis=1)
        wrong = ids[~(np.abs(lengths - 1) <= _UNIT_TOLERANCE)]
        problems += [
            f"the vector of item {item} is not of unit length; remove it and add it again"
            for item in wrong.tolist()
        ]
    return problems


def _stale(gallery: Gallery) -> list[str]:
    """What is wrong with the cache file; it may be behind, or missing."""
    file = gallery.searcher.cache_file
    if not file.exists():
        return []
    store = gallery.store
    with store.snapshot():
        cached = load_cache(file, store.codec)
        if cached is None:
            return ["index.faiss is damaged or of another shape"]
        return _differences(store, *cached)


def _differences(store: Store, index: VectorIndex, stamp: Stamp) -> list[str]:
    truth = store.state()
    if stamp.epoch != truth.epoch or stamp.removals > truth.removals:
        return []  # of another state, which a search sees and does not use
    index.remove(np.array(store.removed_after(stamp.removals), dtype=np.int64))
    found = index.main.settle()
    kept = store.all("SELECT id FROM vectors WHERE id <= ? ORDER BY id", stamp.last_id)
    places = np.flatnonzero(found >= 0)
    expected = np.array(kept, dtype=np.int64).reshape(-1)
    if not np.array_equal(found[places], expected):
        wrong = np.setxor1d(found[places], expected)
        return [f"index.faiss and the gallery differ in {len(wrong)} items, first {wrong[:1]}"]
    rows = _rows(index)
    if rows is None:
        return []
    start = 0
    for ids, truly in store.vectors_after(0):
        wanted = len(ids[ids <= stamp.last_id])
        if not np.array_equal(rows[places[start : start + wanted]], truly[:wanted]):
            return ["index.faiss holds other vectors than the gallery"]
        start += wanted
    return []


def _rows(index: VectorIndex) -> Any:
    """The rows of the main part, where its kind keeps them as they are."""
    inner = index.main.inner
    if index.kind == "ivf-pq":
        return None
    if index.kind == "ivf":
        inner.make_direct_map()
    if index.kind.startswith("binary"):
        return np.stack([inner.reconstruct(int(i)) for i in range(inner.ntotal)] or [[]])
    return inner.reconstruct_n(0, inner.ntotal)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # a log that has gone meanwhile
