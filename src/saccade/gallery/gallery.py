"""The gallery: pictures' vectors under labels, kept in a folder, searched by similarity."""

from __future__ import annotations

import json
import os
import shutil
import threading
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from saccade.errors import GalleryError, OptionError
from saccade.gallery.index import Stamp, VectorIndex, load_cache, save_cache
from saccade.gallery.store import Item, Row, Store
from saccade.runtime.threads import available_threads

__all__ = ["Added", "Found", "Gallery", "NewItem"]

_STORE = "gallery.sqlite"
_CACHE = "index.faiss"
_UNIT_TOLERANCE = 1e-3
# The cache file is rewritten when this share of its vectors had to come from the store. Each vector
# is then rewritten a bounded number of times, and a short tail is read from the store within
# milliseconds.
_REWRITE_SHARE = 0.1


@dataclass(frozen=True, eq=False)
class NewItem:
    """What is added to a gallery.

    Attributes:
        label: What it shows; any text that is not blank.
        vector: (D,) float32 of unit length, from the gallery's model.
        content: Hash of the picture's content; the same content under the same label is one item.
        source: Where the picture came from.
        metadata: Anything that JSON can say.
    """

    label: str
    vector: npt.NDArray[np.float32]
    content: str
    source: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Added:
    """What an ``add`` did.

    Attributes:
        ids: The new items' ids, in order.
        duplicates: How many were there already and were left as they are.
    """

    ids: tuple[int, ...]
    duplicates: int


@dataclass(frozen=True, eq=False)
class Found:
    """The answer to a search: for each of Q queries the k nearest items, best first.

    Attributes:
        ids: (Q, k) int64; -1 where the gallery had no more.
        scores: (Q, k) float32 in [-1, 1], the cosine similarity; -inf beside an id of -1.
        labels: Q tuples of k labels; None beside an id of -1.
    """

    ids: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]
    labels: tuple[tuple[str | None, ...], ...]

    def __len__(self) -> int:
        return len(self.ids)


class Gallery:
    """A folder of labelled vectors; many may read it and write to it at the same time.

    SQLite (``gallery.sqlite``) is the truth and each ``add`` is a transaction; the FAISS index
    (``index.faiss``) is a cache that is extended or rebuilt when the truth has moved on, also by
    another process. One instance serves many threads; after a fork, open it anew.

    Example:
        >>> with Gallery.open("pantry.gallery") as shelf:  # doctest: +SKIP
        ...     found = shelf.search(embedder("query.jpg")[None], k=3)
        ...     found.labels[0]
        ('lemon', 'lemon', 'orange')
    """

    def __init__(self, place: Path, store: Store) -> None:
        """Use :meth:`open` or :meth:`create`."""
        self._place = place
        self._store = store
        self._lock = threading.Lock()
        self._index: VectorIndex | None = None
        self._stamp = Stamp(epoch="", last_id=0, mark=b"")
        self._threads = available_threads()

    @classmethod
    def create(
        cls, place: str | os.PathLike[str], *, model: str, fingerprint: str, dim: int
    ) -> Gallery:
        """Make an empty gallery and open it.

        Args:
            place: A folder that does not exist yet.
            model: Name or file of the model that makes its vectors, for people and for
                ``recognize``.
            fingerprint: The model's fingerprint; only vectors of the same one may come in.
            dim: Length of the vectors.

        Raises:
            GalleryError: The place exists, or cannot be written.
            OptionError: ``dim`` is below 1.
        """
        target = Path(place).absolute()
        if dim < 1:
            raise OptionError(f"dim is {dim}; vectors have at least 1 dimension")
        if os.path.lexists(target):
            raise GalleryError(
                f"{place} exists already; give a new place, or add to it with:"
                f" saccade gallery add {place} PICTURES..."
            )
        # Built beside its place and renamed, so that no half-made gallery is ever seen.
        temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.tmp")
        try:
            temporary.mkdir()
            meta = {"model": model, "fingerprint": fingerprint}
            Store.create(temporary / _STORE, dim=dim, meta=meta)
            temporary.rename(target)
        except OSError as error:
            raise GalleryError(f"{place} cannot be created: {error.strerror or error}") from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return cls.open(place)

    @classmethod
    def open(cls, place: str | os.PathLike[str]) -> Gallery:
        """Open an existing gallery.

        Raises:
            GalleryError: There is no such folder, or it is not a gallery, or it is of a newer
                format, or it is damaged.
        """
        folder = Path(place)
        if not folder.is_dir():
            what = "is a file, not a gallery's folder" if folder.exists() else "does not exist"
            raise GalleryError(f"{place} {what}; make one with: saccade gallery create {place}")
        file = folder / _STORE
        if not file.is_file():
            raise GalleryError(
                f"{place} is not a gallery: it has no {_STORE};"
                " make one with: saccade gallery create PLACE"
            )
        return cls(folder, Store(file))

    @property
    def place(self) -> Path:
        """The folder."""
        return self._place

    @property
    def model(self) -> str:
        """Name or file of the model that made the vectors."""
        return self._store.meta["model"]

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the model that made the vectors."""
        return self._store.meta["fingerprint"]

    @property
    def dim(self) -> int:
        """Length of the vectors."""
        return int(self._store.meta["dim"])

    @property
    def created(self) -> str:
        """When the gallery was made, UTC, ISO 8601."""
        return self._store.meta["created"]

    def __len__(self) -> int:
        return self._store.count()

    def __repr__(self) -> str:
        return f"Gallery({str(self._place)!r}, model={self.model!r}, dim={self.dim})"

    def __enter__(self) -> Gallery:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the files."""
        with self._lock:
            self._index = None
            self._store.close()

    def check_model(self, fingerprint: str, model: str = "the given one") -> None:
        """Refuse a model whose vectors would not be comparable.

        Raises:
            GalleryError: The fingerprint is not the gallery's.
        """
        if fingerprint != self.fingerprint:
            raise GalleryError(
                f"the gallery {self._place} was made with the model {self.model} (fingerprint"
                f" {self.fingerprint[:12]}), not with {model} ({fingerprint[:12]}): their vectors"
                f" cannot be compared; use --model {self.model}, or create a new gallery with the"
                " other model"
            )

    def add(self, items: Iterable[NewItem], *, fingerprint: str, batch: int = 256) -> Added:
        """Add items; each batch is one transaction and is safe on disk before the next begins.

        Args:
            items: What to add; may be a generator.
            fingerprint: Of the model that made the vectors.
            batch: Items a transaction.

        Returns:
            The ids of what is new, and how many were there already.

        Raises:
            GalleryError: Vectors of another model, a vector of wrong length or not of unit length,
                a blank label, metadata that is not JSON, a place that cannot be written. Batches
                before stay added.
        """
        self.check_model(fingerprint)
        if batch < 1:
            raise OptionError(f"batch is {batch}; give 1 or more")
        stream = iter(items)
        ids: list[int] = []
        duplicates = 0
        while some := [self._row(item) for item in islice(stream, batch)]:
            new = self._store.insert(some)
            ids += new
            duplicates += len(some) - len(new)
        return Added(ids=tuple(ids), duplicates=duplicates)

    def contains(self, label: str, content: str) -> bool:
        """Whether a picture of this content is there under this label."""
        return self._store.contains(label, content)

    def items(self, label: str | None = None) -> Iterator[Item]:
        """All items, or those of one label, in the order in which they were added."""
        return self._store.items(label)

    def labels(self) -> dict[str, int]:
        """Each label and the number of its items, sorted by label."""
        return self._store.count_by_label()

    def vectors(
        self,
    ) -> tuple[npt.NDArray[np.int64], tuple[str, ...], npt.NDArray[np.float32]]:
        """Everything that is in the gallery, as one snapshot.

        Returns:
            Ids (N,) int64 in the order in which they were added, their N labels, and their vectors
            (N, D) float32 of unit length.
        """
        with self._store.snapshot():
            pages = list(self._store.vectors_after(0))
            ids = np.concatenate([page[0] for page in pages]) if pages else np.empty(0, np.int64)
            names = self._store.labels_of(ids.tolist())
        vectors = [page[1] for page in pages] or [np.empty((0, self.dim), np.float32)]
        labels = tuple(names[item] for item in ids.tolist())
        return ids, labels, np.concatenate(vectors)

    def search(self, queries: npt.NDArray[np.float32], k: int = 5) -> Found:
        """Find the nearest items by cosine similarity, exactly.

        It sees everything that any process had added when it was called. The vectors must come from
        the gallery's model; :meth:`check_model` tells.

        Args:
            queries: (Q, D) float32, of unit length.
            k: How many for each query; may be above the gallery's size.

        Returns:
            Q answers of k places; places beyond the gallery's size are padded.

        Raises:
            GalleryError: Queries of another length, not of unit length, or not finite.
            OptionError: ``k`` is below 1.
        """
        if k < 1:
            raise OptionError(f"k is {k}; ask for 1 or more neighbours")
        queries = self._checked(np.asarray(queries))
        # One snapshot for index and labels: an answer never mixes two states of the truth.
        with self._lock, self._store.snapshot():
            ids, scores = self._current_index().search(queries, k, threads=self._threads)
            names = self._store.labels_of(np.unique(ids[ids >= 0]).tolist())
        np.clip(scores, -1.0, 1.0, out=scores, where=ids >= 0)  # rounding may exceed 1 by an ulp
        labels = tuple(tuple(names.get(item) for item in row) for row in ids.tolist())
        return Found(ids=ids, scores=scores, labels=labels)

    def _current_index(self) -> VectorIndex:
        """The index at the truth's present state; called inside a snapshot, under the lock."""
        truth = self._store.state()
        index, stamp = self._index, self._stamp
        if index is None:
            cached = load_cache(self._place / _CACHE, self.dim)
            index, stamp = cached or (VectorIndex(self.dim), Stamp(truth.epoch, 0, b""))
            if stamp.last_id and stamp.mark != self._store.mark(stamp.last_id):
                index, stamp = VectorIndex(self.dim), Stamp(truth.epoch, 0, b"")
        if stamp.epoch != truth.epoch or stamp.last_id > truth.last_id:
            index, stamp = VectorIndex(self.dim), Stamp(truth.epoch, 0, b"")
        self._index = None  # an index that is half extended must not survive an interruption
        if stamp.last_id < truth.last_id:
            before = len(index)
            for ids, vectors in self._store.vectors_after(stamp.last_id):
                index.add(ids, vectors)
            stamp = Stamp(truth.epoch, truth.last_id, self._store.mark(truth.last_id))
            if len(index) - before >= _REWRITE_SHARE * len(index):
                save_cache(self._place / _CACHE, index, stamp)
        self._index, self._stamp = index, stamp
        return index

    def _row(self, item: NewItem) -> Row:
        if not item.label.strip():
            raise GalleryError(f"the label of {item.source or 'an item'} is blank; give it a name")
        vector = self._checked(np.asarray(item.vector)[None])[0]
        try:
            metadata = json.dumps(dict(item.metadata), ensure_ascii=False, allow_nan=False)
            for text in (item.label, item.source, item.content, metadata):
                text.encode()
        except (TypeError, ValueError) as error:  # UnicodeEncodeError is a ValueError
            raise GalleryError(
                f"{item.label!r} cannot be added: its texts must be UTF-8 and its metadata JSON"
                f" ({error})"
            ) from error
        return Row(item.label, item.source, item.content, metadata, vector.astype("<f4").tobytes())

    def _checked(self, vectors: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Vectors (N, D) as float32, or a GalleryError."""
        if vectors.ndim != 2 or vectors.shape[1] != self.dim:
            raise GalleryError(
                f"vectors of shape {vectors.shape} do not fit the gallery {self._place};"
                f" expected (N, {self.dim}) from the model {self.model}"
            )
        values = np.asarray(vectors, dtype=np.float32)
        lengths = np.linalg.norm(values, axis=1)
        wrong = ~(np.abs(lengths - 1.0) <= _UNIT_TOLERANCE)  # catches NaN too
        if wrong.any():
            raise GalleryError(
                f"a vector has length {lengths[wrong][0]:.4g}; expected 1: divide it by its norm"
            )
        return values
