"""The file of a gallery: its tables, and opening it with messages that people understand.

Layout, format 2 (``PRAGMA user_version``), marked as ours by ``PRAGMA application_id``::

    meta(key, value)        model, fingerprint, dim, storage, index, created, epoch, names
    items(id, label, source, content, metadata, added_at)
    vectors(id, vector)     one for each item; a table of its own, so that another model's vectors
                            can be built beside and put in its place by renaming
    removed(number, id)     what was removed, in order, for caches to follow

Two facts let a cache of the vectors follow cheaply. Ids only grow (``AUTOINCREMENT``, one writer at
a time), so whatever was added lately has the highest ids, and what was removed lately has the
highest numbers in ``removed``. And the *epoch*, a random token, is replaced by a trigger whenever a
vector is changed; while it stays the same, old rows are as they were. *names* is replaced likewise
whenever a label is changed. Triggers, so that also changes by other programs are noticed.

The file is in WAL mode: readers in other processes go on while one writes, and a process that is
killed loses at most the batch it had not committed.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from saccade.errors import GalleryError

__all__ = [
    "APPLICATION_ID",
    "DELETED_TRIGGER",
    "FORMAT",
    "TOKEN",
    "VECTORS_TRIGGER",
    "connect",
    "create_file",
    "now",
    "read_meta",
    "told",
    "vectors_table",
]

APPLICATION_ID = 0x53414347  # "SACG"
FORMAT = 2
BUSY_SECONDS = 30.0

TOKEN = "lower(hex(randomblob(16)))"

_SCHEMA = f"""
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
    UNIQUE (label, content)
);
CREATE TABLE removed (number INTEGER PRIMARY KEY AUTOINCREMENT, id INTEGER NOT NULL);
CREATE TRIGGER items_changed AFTER UPDATE OF id ON items BEGIN
    UPDATE meta SET value = {TOKEN} WHERE key = 'epoch';
END;
CREATE TRIGGER items_renamed AFTER UPDATE OF label ON items BEGIN
    UPDATE meta SET value = {TOKEN} WHERE key = 'names';
END;
INSERT INTO meta VALUES ('epoch', {TOKEN}), ('names', {TOKEN});
"""

_FROZEN = "mode=ro&immutable=1"

# What SQLite's primary result codes mean to the person at the keyboard.
_REMEDIES = {
    sqlite3.SQLITE_BUSY: "another process has been writing to it for too long; try again later",
    sqlite3.SQLITE_LOCKED: "another process has been writing to it for too long; try again later",
    sqlite3.SQLITE_READONLY: "it cannot be written; check the permissions, or copy it elsewhere",
    sqlite3.SQLITE_PERM: "it cannot be written; check the permissions, or copy it elsewhere",
    sqlite3.SQLITE_FULL: (
        "the disk is full; nothing of this batch was added or changed; free space, run again"
    ),
    sqlite3.SQLITE_CANTOPEN: "its gallery.sqlite cannot be opened; check the permissions",
    sqlite3.SQLITE_CORRUPT: "its gallery.sqlite is damaged; restore a copy, or create it anew",
    sqlite3.SQLITE_NOTADB: "its gallery.sqlite is damaged; restore a copy, or create it anew",
}


def vectors_table(name: str, size: int) -> str:
    """SQL of a table of vectors.

    Args:
        name: ``vectors``, or what will be renamed to it.
        size: Bytes of each vector.
    """
    return (
        f"CREATE TABLE {name} (id INTEGER PRIMARY KEY,"
        f" vector BLOB NOT NULL CHECK (length(vector) = {size}))"
    )


# A table that is dropped takes its triggers along; made for each table that becomes ``vectors``.
VECTORS_TRIGGER = (
    "CREATE TRIGGER vectors_changed AFTER UPDATE ON vectors BEGIN"
    f" UPDATE meta SET value = {TOKEN} WHERE key = 'epoch'; END"
)


# Dropped while a table is renamed to ``vectors``: SQLite refuses what would be undefined between.
DELETED_TRIGGER = (
    "CREATE TRIGGER items_deleted AFTER DELETE ON items BEGIN"
    " DELETE FROM vectors WHERE id = OLD.id; INSERT INTO removed (id) VALUES (OLD.id); END"
)


def create_file(file: Path, *, vector_bytes: int, meta: dict[str, str]) -> None:
    """Write a new, empty file; the caller makes it appear at its final place.

    Args:
        file: Where to write; must not exist.
        vector_bytes: Length of every vector in bytes.
        meta: Facts to keep beside the items.
    """
    script = (
        f"{_SCHEMA} {vectors_table('vectors', vector_bytes)}; {VECTORS_TRIGGER}; {DELETED_TRIGGER};"
        f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT}; COMMIT;"
    )
    with told(file.parent), contextlib.closing(sqlite3.connect(file)) as connection:
        connection.executescript(script)
        with connection:
            rows = {**meta, "created": now()}
            connection.executemany("INSERT INTO meta VALUES (?, ?)", sorted(rows.items()))


def connect(file: Path) -> sqlite3.Connection:
    """Open for reading and writing, or only for reading where the place allows no more.

    Raises:
        sqlite3.OperationalError: Neither is possible.
    """
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


def read_meta(connection: sqlite3.Connection, place: Path) -> dict[str, str]:
    """The facts of an open file, once it is clear that it is a gallery's and of our format.

    Raises:
        GalleryError: It is not.
    """
    application = int(connection.execute("PRAGMA application_id").fetchone()[0])
    if application != APPLICATION_ID:
        raise GalleryError(
            f"{place} is not a gallery: its gallery.sqlite was written by another"
            " program; make one with: saccade gallery create PLACE"
        )
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > FORMAT:
        raise GalleryError(
            f"{place} is a gallery of format {version}, and this Saccade knows format"
            f" {FORMAT}; upgrade with: pip install -U saccade"
        )
    if version < FORMAT:
        raise GalleryError(
            f"{place} is a gallery of format {version}, from before the first release, and this"
            f" Saccade knows format {FORMAT}; create it anew from its pictures"
        )
    meta: dict[str, str] = dict(connection.execute("SELECT key, value FROM meta").fetchall())
    wanted = {"model", "fingerprint", "dim", "storage", "index", "created", "epoch", "names"}
    if missing := wanted - meta.keys():
        raise GalleryError(
            f"{place} is a damaged gallery, without {', '.join(sorted(missing))};"
            " restore a copy, or create it anew"
        )
    return meta


def now() -> str:
    """The time, UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


@contextlib.contextmanager
def told(place: Path) -> Iterator[None]:
    """Turn what SQLite says into one line that names the gallery and the remedy."""
    try:
        yield
    except sqlite3.ProgrammingError as error:
        raise GalleryError(f"the gallery {place} is closed; open it again ({error})") from error
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        remedy = _REMEDIES.get(code, "check the disk, then try again")
        raise GalleryError(f"the gallery {place} failed ({error}): {remedy}") from error


def _unfinished(file: Path) -> bool:
    log = file.with_name(file.name + "-wal")
    return log.exists() and log.stat().st_size > 0
