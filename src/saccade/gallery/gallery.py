"""The gallery: pictures' vectors under labels, kept in a folder, searched by similarity."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from saccade.errors import GalleryError, OptionError
from saccade.gallery.codec import Codec
from saccade.gallery.filters import Filter
from saccade.gallery.items import Added, Found, Item, NewItem, Renamed
from saccade.gallery.kinds import AUTO, BIT_KINDS, check_kind
from saccade.gallery.places import new_place
from saccade.gallery.rows import checked, new_row
from saccade.gallery.schema import create_file
from saccade.gallery.searching import Searcher
from saccade.gallery.store import Store

if TYPE_CHECKING:
    from saccade.gallery.calibration import Calibration

__all__ = ["Gallery"]

_STORE = "gallery.sqlite"


class Gallery:
    """A folder of labelled vectors; many may read it and write to it at the same time.

    SQLite (``gallery.sqlite``) is the truth and each change is a transaction; the FAISS index
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
        self._searcher = Searcher(store)
        # Another process may put another model's vectors in place; whoever opened it for the old
        # ones must hear of it.
        self._fingerprint = store.meta["fingerprint"]

    @classmethod
    def create(
        cls,
        place: str | os.PathLike[str],
        *,
        model: str,
        fingerprint: str,
        dim: int,
        index: str = AUTO,
        storage: str | None = None,
    ) -> Gallery:
        """Make an empty gallery and open it.

        Args:
            place: A folder that does not exist yet.
            model: Name or file of the model that makes its vectors, for people and for
                ``recognize``.
            fingerprint: The model's fingerprint; only vectors of the same one may come in.
            dim: Length of the vectors.
            index: Kind of index, see :mod:`saccade.gallery.kinds`; ``auto`` goes by the size.
            storage: ``"float"`` keeps vectors as they are, ``"bits"`` their signs; None keeps bits
                for a binary kind of index, else floats.

        Raises:
            GalleryError: The place exists, or cannot be written.
            OptionError: ``dim`` is below 1, or no multiple of 8 for bits; no such kind of index.
        """
        storage = storage or ("bits" if index in BIT_KINDS else "float")
        codec = Codec(dim, storage)
        check_kind(index, storage)
        meta = {"model": model, "fingerprint": fingerprint, "dim": str(dim)}
        meta |= {"storage": storage, "index": index}
        with new_place(place) as temporary:
            create_file(temporary / _STORE, vector_bytes=codec.size, meta=meta)
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
    def store(self) -> Store:
        """The truth; for the verbs of this package."""
        return self._store

    @property
    def searcher(self) -> Searcher:
        """What answers queries; for the verbs of this package."""
        return self._searcher

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
    def storage(self) -> str:
        """``"float"``, or ``"bits"`` where only the signs of the vectors are kept."""
        return self._store.meta["storage"]

    @property
    def index(self) -> str:
        """The kind of index that was told, or ``auto``."""
        return self._store.meta["index"]

    @property
    def created(self) -> str:
        """When the gallery was made, UTC, ISO 8601."""
        return self._store.meta["created"]

    @property
    def calibration(self) -> Calibration | None:
        """What a similarity means in this gallery; None before :meth:`set_calibration`."""
        from saccade.gallery.calibration import Calibration

        text = self._store.meta.get("calibration")
        return None if text is None else Calibration.from_dict(json.loads(text))

    def set_calibration(self, calibration: Calibration | None) -> None:
        """Keep a calibration, or forget it. A re-embedding forgets it too."""
        plain = None if calibration is None else json.dumps(calibration.to_dict())
        with self._store.writing():
            self._store.set_meta("calibration", plain)

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
        self._searcher.forget()
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
                f" other model, or change this one: saccade gallery re-embed {self._place}"
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
        codec = self._store.codec
        while some := [new_row(item, codec, self._place) for item in islice(stream, batch)]:
            new = self._store.insert(some, fingerprint=fingerprint)
            ids += new
            duplicates += len(some) - len(new)
        return Added(ids=tuple(ids), duplicates=duplicates)

    def remove(
        self, ids: Iterable[int] = (), *, label: str | None = None, source: str | None = None
    ) -> int:
        """Remove items, all at once: those of some ids, those of a label, those of a source.

        Returns:
            How many were removed.

        Raises:
            GalleryError: An id, the label or the source is not there; nothing is removed then.
        """
        some = sorted(set(ids))
        known = self._store.labels_of(some)
        if missing := [item for item in some if item not in known]:
            raise GalleryError(f"{self._place} has no item of id {missing[0]}; {self._see()}")
        for name, value, where in (
            ("label", label, Filter.of(label=label)),
            ("source", source, Filter.of(source=source)),
        ):
            if value is None:
                continue
            more = [item.id for item in self._store.items(where)]
            if not more:
                raise GalleryError(f"{self._place} has no item of {name} {value!r}; {self._see()}")
            some += more
        self._store.remove(sorted(set(some)))
        return len(set(some))

    def rename(self, old: str, new: str) -> Renamed:
        """Give all items of one label another one; what is there under it already is merged.

        Raises:
            GalleryError: There is no such label, or the new one is blank or no text.
        """
        _check_label(new)
        done = self._store.rename(old, new) if old != new else Renamed(0, 0)
        if done == Renamed(0, 0) and old not in self.labels():
            raise GalleryError(f"{self._place} has no picture labelled {old!r}; {self._see()}")
        return done

    def relabel(self, item_id: int, new: str) -> Renamed:
        """Give one item another label; where the same content is there already, it is merged.

        Raises:
            GalleryError: There is no such item, or the label is blank or no text.
        """
        _check_label(new)
        if item_id not in self._store.labels_of([item_id]):
            raise GalleryError(f"{self._place} has no item of id {item_id}; {self._see()}")
        return self._store.relabel(item_id, new)

    def contains(self, label: str, content: str) -> bool:
        """Whether a picture of this content is there under this label."""
        return self._store.contains(label, content)

    def has_source(self, source: str) -> bool:
        """Whether something came from there."""
        return bool(self._store.all("SELECT 1 FROM items WHERE source = ? LIMIT 1", source))

    def items(
        self, label: str | None = None, *, where: Mapping[str, Any] | None = None
    ) -> Iterator[Item]:
        """All items, or those of one label and metadata, in the order in which they were added."""
        return self._store.items(Filter.of(where, label=label))

    def get(self, ids: Iterable[int]) -> dict[int, Item]:
        """The items of some ids, by id; those that do not exist are left out."""
        return self._store.get(list(ids))

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
            codec = self._store.codec
            pages = list(self._store.vectors_after(0))
            names = dict(self._store.all("SELECT id, label FROM items"))
        vectors = [np.empty((0, codec.dim), np.float32)]
        vectors += [codec.vectors(rows) for _, rows in pages]
        ids = np.concatenate([np.empty(0, np.int64), *(ids for ids, _ in pages)])
        return ids, tuple(names[item] for item in ids.tolist()), np.concatenate(vectors)

    def search(
        self,
        queries: npt.NDArray[np.float32],
        k: int = 5,
        *,
        where: Mapping[str, Any] | None = None,
        fingerprint: str | None = None,
    ) -> Found:
        """Find the nearest items by cosine similarity, exactly unless the index is approximate.

        It sees everything that any process had added when it was called. The vectors must come from
        the gallery's model; :meth:`check_model` tells.

        Args:
            queries: (Q, D) float32, of unit length.
            k: How many for each query; may be above the gallery's size.
            where: Only items whose metadata has these values; then exact at any size, in a time
                that grows with the number of such items. See :meth:`Filter.of`.
            fingerprint: Of the model that made the queries; None for the one that the gallery had
                when it was opened.

        Returns:
            Q answers of k places; places beyond the gallery's size are padded.

        Raises:
            GalleryError: Queries of another length, not of unit length, or not finite; or the
                gallery has been re-embedded with another model since it was opened.
            OptionError: ``k`` is below 1.
        """
        if k < 1:
            raise OptionError(f"k is {k}; ask for 1 or more neighbours")
        fingerprint = fingerprint or self._fingerprint
        codec, version = self._searcher.codec_for(fingerprint)
        queries = checked(np.asarray(queries), codec, self._place)
        if where:
            return self._searcher.search_where(queries, k, fingerprint, Filter.of(where))
        return self._searcher.search(queries, k, fingerprint, version)

    def set_index(self, kind: str) -> None:
        """Tell the kind of index; :meth:`build_index` makes it.

        Raises:
            OptionError: No such kind.
            GalleryError: It does not fit what the gallery keeps.
        """
        check_kind(kind, self.storage)
        with self._store.writing():
            self._store.set_meta("index", kind)

    def build_index(self, *, force: bool = True) -> str | None:
        """Build or extend the index; searches go on with the old one meanwhile.

        Args:
            force: False builds only what has fallen too far behind, which those who add may ask for
                after every add.

        Returns:
            The kind that was built; None if nothing was.
        """
        if not force and not self._searcher.is_behind():
            return None
        return self._searcher.build()

    def accept_model(self) -> None:
        """Take the present model for the one that queries will come from."""
        self._fingerprint = self.fingerprint
        self._searcher.forget()

    def _see(self) -> str:
        return f"see what it has with: saccade gallery list {self._place}"


def _check_label(label: str) -> None:
    try:
        label.encode()
    except UnicodeEncodeError:
        raise GalleryError(f"the label {label!r} is not UTF-8 text; give another") from None
    if not label.strip():
        raise GalleryError("the new label is blank; give it a name")
