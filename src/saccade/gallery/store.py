"""The truth of a gallery: one SQLite file; :mod:`saccade.gallery.schema` tells its layout.

It holds what was added (labels, sources, content hashes, metadata, vectors) and which model made
the vectors. Everything else in a gallery's folder can be rebuilt from it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
import threading
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from saccade.errors import GalleryError
from saccade.gallery.codec import Codec
from saccade.gallery.filters import Filter
from saccade.gallery.items import Item, Renamed
from saccade.gallery.schema import TOKEN, connect, now, read_meta, told

__all__ = ["Row", "State", "Store"]

_PAGE = 4096


@dataclass(frozen=True)
class Row:
    """What is written for one new item.

    Attributes:
        label, source, content, metadata: As of the item; the metadata as JSON text.
        vector: Its bytes, as of the codec.
        id: Its id; None for a new one.
        added_at: When it was added; None for now.
    """

    label: str
    source: str
    content: str
    metadata: str
    vector: bytes
    id: int | None = None
    added_at: str | None = None


@dataclass(frozen=True)
class State:
    """How far the truth has come.

    Attributes:
        epoch: Changes when a vector that was there is changed.
        last_id: The highest id; 0 when empty.
        removals: The number of the last removal; 0 when there was none.
        names: Changes when a label that was there is changed.
    """

    epoch: str
    last_id: int
    removals: int
    names: str


class Store:
    """A connection to one gallery's SQLite file, for all threads of one process."""

    def __init__(self, file: Path) -> None:
        """Open an existing file.

        Raises:
            GalleryError: The file is not a gallery's, is of a newer format, or is damaged.
        """
        self.file = file
        self._place = file.parent
        self._lock = threading.RLock()
        with told(self._place):
            self._connection = connect(file)
            try:
                read_meta(self._connection, self._place)
            except BaseException:
                self._connection.close()
                raise
        # A forgotten store is closed too, so that SQLite tidies up its log.
        self._close = weakref.finalize(self, self._connection.close)

    @property
    def meta(self) -> dict[str, str]:
        """The facts beside the items, as they are now."""
        return dict(self.all("SELECT key, value FROM meta"))

    @property
    def codec(self) -> Codec:
        """How vectors are kept, as of now."""
        meta = self.meta
        return Codec(int(meta["dim"]), meta["storage"])

    def close(self) -> None:
        """Let go of the file; calling it twice does no harm."""
        with self._lock:
            self._close()

    def version(self) -> tuple[int, int]:
        """A token that changes whenever this or another connection has written; very cheap."""
        other = int(self.all("PRAGMA data_version")[0][0])
        return other, self._connection.total_changes

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """Reads inside see one state of the truth, whatever other processes write meanwhile."""
        with self._transaction("BEGIN"):
            yield

    @contextlib.contextmanager
    def writing(self, fingerprint: str | None = None) -> Iterator[None]:
        """What is written inside is one transaction, and on disk when this ends.

        Args:
            fingerprint: Of the model whose vectors are written; None where none are.

        Raises:
            GalleryError: The gallery's vectors are another model's by now.
        """
        with self._transaction("BEGIN IMMEDIATE"):
            if fingerprint is not None and self.meta["fingerprint"] != fingerprint:
                raise GalleryError(
                    f"the gallery {self._place} has changed to the model {self.meta['model']}"
                    " meanwhile; open it again with that model"
                )
            yield

    def state(self) -> State:
        """How far the truth has come."""
        row = self.all(
            "SELECT (SELECT value FROM meta WHERE key = 'epoch'),"
            " (SELECT coalesce(max(id), 0) FROM items),"
            " (SELECT coalesce(max(number), 0) FROM removed),"
            " (SELECT value FROM meta WHERE key = 'names')"
        )[0]
        return State(str(row[0]), int(row[1]), int(row[2]), str(row[3]))

    def mark(self, item_id: int) -> bytes:
        """16 bytes that tell this item from any other of its id; empty if there is none."""
        rows = self.all("SELECT content, added_at FROM items WHERE id = ?", item_id)
        return hashlib.sha256("\0".join(rows[0]).encode()).digest()[:16] if rows else b""

    def insert(self, rows: Sequence[Row], *, fingerprint: str) -> list[int]:
        """Add rows in one transaction; it is on disk when this returns.

        Returns:
            The new ids, in order; rows whose label and content were there already are left out.
        """
        time = now()
        ids: list[int] = []
        with self.writing(fingerprint):
            for row in rows:
                answer = self.all(
                    "INSERT INTO items (id, label, source, content, metadata, added_at)"
                    " VALUES (?, ?, ?, ?, ?, ?)"
                    " ON CONFLICT (label, content) DO NOTHING RETURNING id",
                    *(row.id, row.label, row.source, row.content, row.metadata),
                    row.added_at or time,
                )
                if answer:
                    ids.append(int(answer[0][0]))
                    self.all("INSERT INTO vectors VALUES (?, ?)", ids[-1], row.vector)
        return ids

    def remove(self, ids: Sequence[int]) -> None:
        """Remove items that exist, in one transaction."""
        with self.writing():
            self.many("DELETE FROM items WHERE id = ?", [(item,) for item in ids])
            removed = int(self.all("SELECT count(*) FROM removed")[0][0])
            if removed > max(1000, self.count()):
                # Longer than what is left: cheaper to make the caches anew than to keep the list.
                self.all("DELETE FROM removed")
                self.all(f"UPDATE meta SET value = {TOKEN} WHERE key = 'epoch'")

    def rename(self, old: str, new: str) -> Renamed:
        """Give all items of one label another; what is there under the new one is merged."""
        with self.writing():
            before = int(self.all("SELECT count(*) FROM items WHERE label = ?", old)[0][0])
            self.all("UPDATE OR IGNORE items SET label = ? WHERE label = ?", new, old)
            left = self.all("SELECT id FROM items WHERE label = ?", old)
            self.many("DELETE FROM items WHERE id = ?", left)
        return Renamed(before - len(left), len(left))

    def relabel(self, item_id: int, new: str) -> Renamed:
        """Give one item another label; where the same content is there already, merge."""
        with self.writing():
            self.all("UPDATE OR IGNORE items SET label = ? WHERE id = ?", new, item_id)
            left = self.all("SELECT id FROM items WHERE id = ? AND label != ?", item_id, new)
            self.many("DELETE FROM items WHERE id = ?", left)
        return Renamed(1 - len(left), len(left))

    def set_meta(self, key: str, value: str | None) -> None:
        """Keep a fact, or forget it; part of a transaction that is open, or one of its own."""
        if value is None:
            self.all("DELETE FROM meta WHERE key = ?", key)
        else:
            self.all("INSERT OR REPLACE INTO meta VALUES (?, ?)", key, value)

    def contains(self, label: str, content: str) -> bool:
        """Whether this picture is there under this label."""
        query = "SELECT EXISTS (SELECT 1 FROM items WHERE label = ? AND content = ?)"
        return bool(self.all(query, label, content)[0][0])

    def count(self) -> int:
        """Number of items."""
        return int(self.all("SELECT count(*) FROM items")[0][0])

    def count_by_label(self) -> dict[str, int]:
        """Label to number of items, sorted by label."""
        return dict(self.all("SELECT label, count(*) FROM items GROUP BY label ORDER BY label"))

    def labels_of(self, ids: Sequence[int]) -> dict[int, str]:
        """Id to label, for the ids that exist."""
        found: dict[int, str] = {}
        for some, marks in _bound(ids):
            found.update(self.all(f"SELECT id, label FROM items WHERE id IN ({marks})", *some))
        return found

    def get(self, ids: Sequence[int]) -> dict[int, Item]:
        """The items of some ids, those that exist."""
        found: dict[int, Item] = {}
        for some, marks in _bound(ids):
            rows = self.all(f"SELECT * FROM items WHERE id IN ({marks})", *some)
            found.update((row[0], _item(row)) for row in rows)
        return found

    def rows_of(self, ids: Sequence[int]) -> dict[int, bytes]:
        """Id to the bytes of the vector, for the ids that exist."""
        found: dict[int, bytes] = {}
        for some, marks in _bound(ids):
            found.update(self.all(f"SELECT id, vector FROM vectors WHERE id IN ({marks})", *some))
        return found

    def items(self, where: Filter | None = None, *, page: int = 1000) -> Iterator[Item]:
        """All items in order of id, read page by page so that no lock is held between them."""
        last = 0
        where = where or Filter()
        while True:
            rows = self.all(
                f"SELECT * FROM items WHERE id > ? AND {where.sql} ORDER BY id LIMIT ?",
                *(last, *where.values, page),
            )
            yield from map(_item, rows)
            if len(rows) < page:
                return
            last = rows[-1][0]

    def vectors_after(
        self, item_id: int, where: Filter | None = None, *, page: int = _PAGE
    ) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[Any]]]:
        """Ids (N,) int64 and rows (N, ...) of the items above an id, page by page."""
        codec = self.codec
        query = "SELECT id, vector FROM vectors WHERE id > ? ORDER BY id LIMIT ?"
        values: tuple[object, ...] = ()
        if where:
            query = (
                "SELECT id, vector FROM items JOIN vectors USING (id)"
                f" WHERE id > ? AND {where.sql} ORDER BY id LIMIT ?"
            )
            values = where.values
        while rows := self.all(query, item_id, *values, page):
            ids = np.array([row[0] for row in rows], dtype=np.int64)
            yield ids, codec.join([row[1] for row in rows])
            item_id = rows[-1][0]

    def removed_after(self, number: int) -> list[int]:
        """Ids that were removed after this number of :attr:`State.removals`."""
        return [row[0] for row in self.all("SELECT id FROM removed WHERE number > ?", number)]

    @contextlib.contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        with self._lock, told(self._place):
            self._connection.execute(begin)
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.OperationalError):
                    if self._connection.in_transaction:
                        self._connection.execute("ROLLBACK")
                raise

    def all(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """All rows of a query, or the effect of a statement."""
        with self._lock, told(self._place):
            return self._connection.execute(query, values).fetchall()

    def many(self, query: str, rows: Sequence[Sequence[object]]) -> None:
        """The effect of a statement for each of some rows."""
        with self._lock, told(self._place):
            self._connection.executemany(query, rows)


def _bound(ids: Sequence[int]) -> Iterator[tuple[Sequence[int], str]]:
    for start in range(0, len(ids), 500):  # well below SQLite's limit of bound values
        some = ids[start : start + 500]
        yield some, ",".join("?" * len(some))


def _item(row: tuple[Any, ...]) -> Item:
    item_id, label, source, content, metadata, added_at = row
    return Item(item_id, label, source, content, json.loads(metadata), added_at)
