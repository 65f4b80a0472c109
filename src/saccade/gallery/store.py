"""The truth of a gallery: one SQLite file.

It holds what was added (labels, sources, content hashes, metadata, vectors) and which model made
the vectors. Everything else in a gallery's folder can be rebuilt from it.

Layout, format 1 (``PRAGMA user_version``), marked as ours by ``PRAGMA application_id``::

    meta(key, value)    model, fingerprint, dim, created, epoch
    items(id, label, source, content, metadata, added_at, vector)

Two facts let a cache of the vectors follow cheaply. Ids only grow (``AUTOINCREMENT``, one writer at
a time), so whatever was added lately has the highest ids. And the *epoch*, a random token, is
replaced by triggers whenever a row is deleted or a vector is changed; while it stays the same, old
rows are as they were.

The file is in WAL mode: readers in other processes go on while one writes, and a process that is
killed loses at most the batch it had not committed.
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
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from saccade.errors import GalleryError

__all__ = ["APPLICATION_ID", "FORMAT", "Item", "Row", "State", "Store"]

APPLICATION_ID = 0x53414347  # "SACG"
FORMAT = 1
BUSY_SECONDS = 30.0

_SCHEMA = """
PRAGMA page_size = 16384;  -- several vectors a page; 4096 would leave half of each empty
PRAGMA journal_mode = WAL;
BEGIN;
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE items (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    label    TEXT NOT NULL,
    source   TEXT NOT NULL,
    content  TEXT NOT NULL,
    metadata TEXT NOT NULL,
    added_at TEXT NOT NULL,
    vector   BLOB NOT NULL CHECK (length(vector) = {vector_bytes}),
    UNIQUE (label, content)
);
CREATE TRIGGER items_deleted AFTER DELETE ON items BEGIN
    UPDATE meta SET value = lower(hex(randomblob(16))) WHERE key = 'epoch';
END;
CREATE TRIGGER items_changed AFTER UPDATE OF id, vector ON items BEGIN
    UPDATE meta SET value = lower(hex(randomblob(16))) WHERE key = 'epoch';
END;
INSERT INTO meta VALUES ('epoch', lower(hex(randomblob(16))));
PRAGMA application_id = {application_id};
PRAGMA user_version = {format};
COMMIT;
"""

_FROZEN = "mode=ro&immutable=1"

# What SQLite's primary result codes mean to the person at the keyboard.
_REMEDIES = {
    sqlite3.SQLITE_BUSY: "another process has been writing to it for too long; try again later",
    sqlite3.SQLITE_LOCKED: "another process has been writing to it for too long; try again later",
    sqlite3.SQLITE_READONLY: "it cannot be written; check the permissions, or copy it elsewhere",
    sqlite3.SQLITE_PERM: "it cannot be written; check the permissions, or copy it elsewhere",
    sqlite3.SQLITE_FULL: "the disk is full; nothing of this batch was added; free space, run again",
    sqlite3.SQLITE_CANTOPEN: "its gallery.sqlite cannot be opened; check the permissions",
    sqlite3.SQLITE_CORRUPT: "its gallery.sqlite is damaged; restore a copy, or create it anew",
    sqlite3.SQLITE_NOTADB: "its gallery.sqlite is damaged; restore a copy, or create it anew",
}


@dataclass(frozen=True)
class Item:
    """One picture of a gallery, without its vector.

    Attributes:
        id: The number that it keeps for life; never given to another item.
        label: What the picture shows.
        source: Where the picture came from (a path, or whatever the adder said).
        content: Hash of the picture's content; with the label it makes an item unique.
        metadata: Whatever JSON the adder attached.
        added_at: When it was added, UTC, ISO 8601.
    """

    id: int
    label: str
    source: str
    content: str
    metadata: dict[str, Any]
    added_at: str

    def to_dict(self) -> dict[str, Any]:
        """The item as JSON-ready values."""
        return {
            "id": self.id,
            "label": self.label,
            "source": self.source,
            "content": self.content,
            "metadata": self.metadata,
            "added_at": self.added_at,
        }


@dataclass(frozen=True)
class Row:
    """What is written for one new item; ``vector`` is little-endian float32 bytes."""

    label: str
    source: str
    content: str
    metadata: str
    vector: bytes


@dataclass(frozen=True)
class State:
    """How far the truth has come: the epoch, and the highest id (0 when empty)."""

    epoch: str
    last_id: int


class Store:
    """A connection to one gallery's SQLite file, for all threads of one process."""

    def __init__(self, file: Path) -> None:
        """Open an existing file.

        Raises:
            GalleryError: The file is not a gallery's, is of a newer format, or is damaged.
        """
        self._place = file.parent
        self._lock = threading.RLock()
        with _told(self._place):
            self._connection = _connect(file)
            try:
                self.meta = self._read_meta()
            except BaseException:
                self._connection.close()
                raise
        # A forgotten store is closed too, so that SQLite tidies up its log.
        self._close = weakref.finalize(self, self._connection.close)

    @staticmethod
    def create(file: Path, *, dim: int, meta: dict[str, str]) -> None:
        """Write a new, empty file; the caller makes it appear at its final place.

        Args:
            file: Where to write; must not exist.
            dim: Length of every vector.
            meta: Facts to keep beside the items.
        """
        script = _SCHEMA.format(vector_bytes=4 * dim, application_id=APPLICATION_ID, format=FORMAT)
        with _told(file.parent), contextlib.closing(sqlite3.connect(file)) as connection:
            connection.executescript(script)
            rows = {**meta, "dim": str(dim), "created": _now()}
            with connection:
                connection.executemany("INSERT INTO meta VALUES (?, ?)", sorted(rows.items()))

    def close(self) -> None:
        """Let go of the file; calling it twice does no harm."""
        with self._lock:
            self._close()

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """Reads inside see one state of the truth, whatever other processes write meanwhile."""
        with self._transaction("BEGIN"):
            yield

    def state(self) -> State:
        """How far the truth has come."""
        row = self._one(
            "SELECT (SELECT value FROM meta WHERE key = 'epoch'),"
            " (SELECT coalesce(max(id), 0) FROM items)"
        )
        return State(epoch=str(row[0]), last_id=int(row[1]))

    def mark(self, item_id: int) -> bytes:
        """16 bytes that tell this item from any other of its id; empty if there is none."""
        rows = self._all("SELECT label, content, added_at FROM items WHERE id = ?", item_id)
        return hashlib.sha256("\0".join(rows[0]).encode()).digest()[:16] if rows else b""

    def insert(self, rows: Sequence[Row]) -> list[int]:
        """Add rows in one transaction; it is on disk when this returns.

        Returns:
            The new ids, in order; rows whose label and content were there already are left out.
        """
        now = _now()
        with self._transaction("BEGIN IMMEDIATE"):
            answers = [
                self._connection.execute(
                    "INSERT INTO items (label, source, content, metadata, added_at, vector)"
                    " VALUES (?, ?, ?, ?, ?, ?)"
                    " ON CONFLICT (label, content) DO NOTHING RETURNING id",
                    (row.label, row.source, row.content, row.metadata, now, row.vector),
                ).fetchone()
                for row in rows
            ]
        return [int(answer[0]) for answer in answers if answer is not None]

    def contains(self, label: str, content: str) -> bool:
        """Whether this picture is there under this label."""
        row = self._one(
            "SELECT EXISTS (SELECT 1 FROM items WHERE label = ? AND content = ?)", label, content
        )
        return bool(row[0])

    def count(self) -> int:
        """Number of items."""
        return int(self._one("SELECT count(*) FROM items")[0])

    def count_by_label(self) -> dict[str, int]:
        """Label to number of items, sorted by label."""
        return dict(self._all("SELECT label, count(*) FROM items GROUP BY label ORDER BY label"))

    def labels_of(self, ids: Sequence[int]) -> dict[int, str]:
        """Id to label, for the ids that exist."""
        found: dict[int, str] = {}
        for start in range(0, len(ids), 500):  # well below SQLite's limit of bound values
            some = ids[start : start + 500]
            marks = ",".join("?" * len(some))
            found.update(self._all(f"SELECT id, label FROM items WHERE id IN ({marks})", *some))
        return found

    def items(self, label: str | None = None, *, page: int = 1000) -> Iterator[Item]:
        """All items in order of id, read page by page so that no lock is held between them."""
        last = 0
        while True:
            rows = self._all(
                "SELECT id, label, source, content, metadata, added_at FROM items"
                " WHERE id > ? AND (? IS NULL OR label = ?) ORDER BY id LIMIT ?",
                *(last, label, label, page),
            )
            for row in rows:
                item_id, name, source, content, metadata, added_at = row
                yield Item(item_id, name, source, content, json.loads(metadata), added_at)
            if len(rows) < page:
                return
            last = rows[-1][0]

    def vectors_after(
        self, item_id: int, *, page: int = 4096
    ) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]]:
        """Ids (N,) int64 and vectors (N, D) float32 of the items above an id, page by page."""
        while True:
            rows = self._all(
                "SELECT id, vector FROM items WHERE id > ? ORDER BY id LIMIT ?", item_id, page
            )
            if not rows:
                return
            ids = np.array([row[0] for row in rows], dtype=np.int64)
            vectors = np.frombuffer(b"".join(row[1] for row in rows), dtype="<f4")
            yield ids, vectors.reshape(len(rows), -1).astype(np.float32, copy=False)
            item_id = rows[-1][0]

    def _read_meta(self) -> dict[str, str]:
        application = int(self._one("PRAGMA application_id")[0])
        if application != APPLICATION_ID:
            raise GalleryError(
                f"{self._place} is not a gallery: its gallery.sqlite was written by another"
                " program; make one with: saccade gallery create PLACE"
            )
        version = int(self._one("PRAGMA user_version")[0])
        if version != FORMAT:
            raise GalleryError(
                f"{self._place} is a gallery of format {version}, and this Saccade knows format"
                f" {FORMAT}; upgrade with: pip install -U saccade"
            )
        meta: dict[str, str] = dict(self._all("SELECT key, value FROM meta"))
        missing = {"model", "fingerprint", "dim", "epoch"} - meta.keys()
        if missing:
            raise GalleryError(
                f"{self._place} is a damaged gallery, without {', '.join(sorted(missing))};"
                " restore a copy, or create it anew"
            )
        return meta

    @contextlib.contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        with self._lock, _told(self._place):
            self._connection.execute(begin)
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def _all(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock, _told(self._place):
            return self._connection.execute(query, values).fetchall()

    def _one(self, query: str, *values: object) -> tuple[Any, ...]:
        return self._all(query, *values)[0]


def _connect(file: Path) -> sqlite3.Connection:
    """Open for reading and writing, or only for reading where the place allows no more."""
    uri = file.absolute().as_uri()
    first_error: sqlite3.OperationalError | None = None
    for mode in ("mode=rw", _FROZEN):
        if mode == _FROZEN and _unfinished(file):
            break  # a part of the truth is in the log, which an immutable file is read without
        try:
            connection = sqlite3.connect(
                f"{uri}?{mode}",
                uri=True,
                timeout=BUSY_SECONDS,
                isolation_level=None,  # transactions are begun and ended by hand
                check_same_thread=False,  # guarded by the lock of the store
            )
        except sqlite3.OperationalError as error:
            first_error = first_error or error
            continue
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            # An acknowledged add survives a power cut, not only a kill.
            connection.execute("PRAGMA synchronous = FULL")
            return connection
        except sqlite3.OperationalError as error:
            # WAL wants to create its shared memory beside the file; on a read-only place it cannot.
            connection.close()
            first_error = first_error or error
        except BaseException:
            connection.close()
            raise
    assert first_error is not None
    raise first_error


def _unfinished(file: Path) -> bool:
    log = file.with_name(file.name + "-wal")
    return log.exists() and log.stat().st_size > 0


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


@contextlib.contextmanager
def _told(place: Path) -> Iterator[None]:
    """Turn what SQLite says into one line that names the gallery and the remedy."""
    try:
        yield
    except sqlite3.ProgrammingError as error:
        raise GalleryError(f"the gallery {place} is closed; open it again ({error})") from error
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        remedy = _REMEDIES.get(code, "check the disk, then try again")
        raise GalleryError(f"the gallery {place} failed ({error}): {remedy}") from error
