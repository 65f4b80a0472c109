"""Another model for a gallery, without downtime.

The new vectors are built beside the old ones, in a table of their own, batch by batch: readers go
on with the old ones, adds and removals too, and what was built survives a kill. At the end one
short transaction puts the new table in the old one's place, with the new model's facts, and clears
the calibration. Whoever has the gallery open with the old model is told so at the next search.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from saccade.errors import GalleryError, ImageError, Problem
from saccade.gallery.codec import Codec
from saccade.gallery.gallery import Gallery
from saccade.gallery.pictures import PictureEmbedder, content_hash, model_name
from saccade.gallery.schema import DELETED_TRIGGER, TOKEN, VECTORS_TRIGGER, vectors_table
from saccade.gallery.store import Store
from saccade.imaging.read import read_image

__all__ = ["Reembedded", "discard", "reembed", "unfinished"]

_BESIDE = "rebuilt"
_KEY = "rebuilding"
_GONE = "its source is not known; it was not added from a file"
_OTHER = "its file has other content than when it was added"


@dataclass
class Reembedded:
    """What :func:`reembed` did.

    Attributes:
        embedded: Items that have a vector of the new model, those of an earlier call included.
        dropped: Items that were removed, because their picture could not be read.
        problems: Those items, with the reason.
    """

    embedded: int = 0
    dropped: int = 0
    problems: list[Problem] = field(default_factory=list)


def reembed(
    gallery: Gallery,
    embedder: PictureEmbedder,
    *,
    drop_missing: bool = False,
    batch: int = 16,
    on_progress: Callable[[int], None] | None = None,
) -> Reembedded:
    """Give every item of a gallery the vector of another model, from its source picture.

    An interrupted call is resumed by making it again.

    Args:
        gallery: Whose model changes. Other processes go on with the old one until the end.
        embedder: The new model.
        drop_missing: Remove items whose picture is gone, cannot be read, or has changed. Without,
            one such item is enough for the gallery to stay as it is.
        batch: Pictures embedded and committed at a time.
        on_progress: Called after each batch with the number of items it dealt with.

    Returns:
        The counts and the problems. Where there are problems and ``drop_missing`` is false, nothing
        has changed but that a second call will be fast.

    Raises:
        GalleryError: It is the gallery's model already, the gallery cannot be written, or another
            process has begun to re-embed it with yet another model.
    """
    store = gallery.store
    if embedder.fingerprint == gallery.fingerprint:
        raise GalleryError(f"the gallery {gallery.place} has the vectors of this model already")
    codec = Codec(embedder.dim, gallery.storage)
    _begin(store, embedder, codec)
    failed: dict[int, Problem] = {}
    while True:
        waiting = _waiting(store, failed)
        while some := list(islice(waiting, batch)):
            _embed(store, embedder, codec, some, failed)
            if on_progress is not None:
                on_progress(len(some))
        report = Reembedded(problems=list(failed.values()))
        if failed and not drop_missing:
            report.embedded = _count(store)
            return report
        # What was added since the last look is embedded in another round, until there is none.
        if _swap(store, embedder, codec, failed):
            gallery.accept_model()
            with contextlib.suppress(OSError):  # of the old vectors; nobody would use it
                gallery.searcher.cache_file.unlink(missing_ok=True)
            report.embedded = len(gallery)
            report.dropped = len(failed)
            return report


def unfinished(store: Store) -> str | None:
    """The model of a re-embedding that was begun and not ended; None if there is none."""
    text = store.meta.get(_KEY)
    return None if text is None else str(json.loads(text)["model"])


def discard(store: Store) -> None:
    """Forget an unfinished re-embedding."""
    with store.writing():
        store.all(f"DROP TABLE IF EXISTS {_BESIDE}")
        store.set_meta(_KEY, None)


def _begin(store: Store, embedder: PictureEmbedder, codec: Codec) -> None:
    with store.writing():
        kept = store.meta.get(_KEY)
        if kept is not None and json.loads(kept)["fingerprint"] == embedder.fingerprint:
            return
        store.all(f"DROP TABLE IF EXISTS {_BESIDE}")
        store.all(vectors_table(_BESIDE, codec.size))
        facts = {"model": model_name(embedder), "fingerprint": embedder.fingerprint}
        store.set_meta(_KEY, json.dumps(facts))


def _ours(store: Store, embedder: PictureEmbedder) -> None:
    """Inside a transaction: that the table beside is still for this model."""
    kept = store.meta.get(_KEY)
    if kept is None or json.loads(kept)["fingerprint"] != embedder.fingerprint:
        raise GalleryError(
            f"the gallery {store.file.parent} is being re-embedded by another process; look what"
            " became of it with: saccade gallery stats"
        )


def _waiting(store: Store, failed: dict[int, Problem]) -> Iterator[tuple[int, str, str]]:
    """Id, source and content of the items without a new vector, page by page."""
    last = 0
    while rows := store.all(
        f"SELECT id, source, content FROM items WHERE id > ? AND id NOT IN"
        f" (SELECT id FROM {_BESIDE}) ORDER BY id LIMIT 500",
        last,
    ):
        yield from (row for row in rows if row[0] not in failed)
        last = rows[-1][0]


def _embed(
    store: Store,
    embedder: PictureEmbedder,
    codec: Codec,
    items: list[tuple[int, str, str]],
    failed: dict[int, Problem],
) -> None:
    ids: list[int] = []
    images: list[npt.NDArray[np.uint8]] = []
    for item, source, content in items:
        try:
            images.append(_read(source, content))
            ids.append(item)
        except (OSError, ImageError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            failed[item] = Problem(source or f"item {item}", reason)
    if not ids:
        return
    vectors = embedder.batch(images)
    seen = np.abs(vectors).max(axis=1) > 0
    sources = {item: source for item, source, _ in items}
    for item in np.array(ids)[~seen].tolist():
        failed[item] = Problem(sources[item], "the model sees nothing in it")
    blobs = [row.tobytes() for row in codec.rows(vectors)]
    rows = [(item, blob) for item, blob, use in zip(ids, blobs, seen.tolist(), strict=True) if use]
    with store.writing():
        _ours(store, embedder)
        store.many(f"INSERT OR REPLACE INTO {_BESIDE} VALUES (?, ?)", rows)


def _read(source: str, content: str) -> npt.NDArray[np.uint8]:
    if not source:
        raise ImageError(_GONE)
    data = Path(source).read_bytes()
    if content_hash(data) != content:
        raise ImageError(f"{source}: {_OTHER}")
    return read_image(data, name=source)


def _count(store: Store) -> int:
    return int(store.all(f"SELECT count(*) FROM items JOIN {_BESIDE} USING (id)")[0][0])


def _swap(
    store: Store, embedder: PictureEmbedder, codec: Codec, failed: dict[int, Problem]
) -> bool:
    """Put the new vectors in place; False if items without one have come meanwhile."""
    with store.writing():
        _ours(store, embedder)
        without = f"SELECT id FROM items WHERE id NOT IN (SELECT id FROM {_BESIDE})"
        missing = {row[0] for row in store.all(without)}
        if missing - failed.keys():
            return False
        store.many("DELETE FROM items WHERE id = ?", [(item,) for item in sorted(missing)])
        store.all(f"DELETE FROM {_BESIDE} WHERE id NOT IN (SELECT id FROM items)")
        store.all("DROP TRIGGER items_deleted")
        store.all("DROP TABLE vectors")
        store.all(f"ALTER TABLE {_BESIDE} RENAME TO vectors")
        store.all(VECTORS_TRIGGER)
        store.all(DELETED_TRIGGER)
        store.set_meta("model", model_name(embedder))
        store.set_meta("fingerprint", embedder.fingerprint)
        store.set_meta("dim", str(codec.dim))
        store.set_meta("calibration", None)
        store.set_meta(_KEY, None)
        store.all(f"UPDATE meta SET value = {TOKEN} WHERE key = 'epoch'")
    return True
