"""What was found out about the pictures of a pool, on disk as it is found out.

One SQLite file. A batch is one transaction, so that what was scored survives ``kill -9``, and the
same command goes on where it stopped. The scores are one teacher's: another teacher is refused.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saccade.errors import DatasetError
from saccade.mining.hashing import HASH_BYTES

__all__ = ["Entry", "Journal"]

_APPLICATION = 0x5ACC1AB1
_FORMAT = 1
_PAGE = 1024


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of one file of a pool.

    Attributes:
        where: its name, unique.
        source: the place that led to it.
        stamp: of the file when it was looked at.
        problem: why it can't be used; empty for a picture.
        sha256: of the file, in hex; empty while unknown.
        hash: 32 bytes, the difference hash.
        copy_of: the validation picture that it is a copy of, or empty.
        how: what tells the copy.
        checked: digest of the validation pictures it was compared with.
        label: number of its best class; -1 while it isn't scored.
        score: of that class.
        top: JSON of the best classes.
        reason: why it was not selected; empty for a selected one.
    """

    where: str
    source: str
    stamp: str
    problem: str = ""
    sha256: str = ""
    hash: bytes = bytes(HASH_BYTES)
    copy_of: str = ""
    how: str = ""
    checked: str = ""
    label: int = -1
    score: float = 0.0
    top: str = "[]"
    reason: str = ""

    @property
    def hashed(self) -> NDArray[np.uint8]:
        """The hash as uint8 (32,)."""
        return np.frombuffer(self.hash, np.uint8)


_COLUMNS = [field.name for field in fields(Entry)]
_NAMES = ", ".join(f'"{name}"' for name in _COLUMNS)
_TYPES = {"hash": "BLOB", "label": "INTEGER", "score": "REAL"}
_SCHEMA = f"""
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE entries ({
    ", ".join(f'"{name}" {_TYPES.get(name, "TEXT")} NOT NULL' for name in _COLUMNS)
}, run INTEGER NOT NULL, UNIQUE ("where"));
CREATE INDEX ranks ON entries (run, label, score DESC, "where");
PRAGMA application_id = {_APPLICATION};
PRAGMA user_version = {_FORMAT};
"""


class Journal:
    """An open journal, held by one process at a time. Close it, or use it in a ``with``.

    Args:
        file: made if it is not there; its folder must exist.
        teacher: name of the teacher, for messages.
        identity: tells one teacher from another.

    Raises:
        DatasetError: the file is of another teacher, of another program, in use, or can't be
            written.
    """

    def __init__(self, file: Path, teacher: str, identity: str) -> None:
        self._file = file
        self._teacher = teacher
        with self._told():
            self._connection = sqlite3.connect(file, timeout=0.5, isolation_level=None)
        try:
            with self._told():
                self._prepare(identity)
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def start(self) -> None:
        """Begin a run: only what is written or kept from now on belongs to its pool."""
        with self._writing():
            self._run = 1 + int(self._one("SELECT value FROM meta WHERE key = 'run'") or 0)
            self._connection.execute("REPLACE INTO meta VALUES ('run', ?)", [str(self._run)])

    def look_up(self, names: Sequence[str]) -> dict[str, Entry]:
        """What is known of some files, by their names."""
        marks = ", ".join("?" * len(names))
        with self._told():
            rows = self._connection.execute(
                f'SELECT {_NAMES} FROM entries WHERE "where" IN ({marks})', list(names)
            ).fetchall()
        entries = (Entry(*row) for row in rows)
        return {entry.where: entry for entry in entries}

    def write(self, entries: Iterable[Entry], kept: Sequence[str] = ()) -> None:
        """Write entries into this run, in one transaction.

        Args:
            entries: new ones, and those that changed.
            kept: names of known files that belong to this run as they are.
        """
        marks = ", ".join("?" * (len(_COLUMNS) + 1))
        rows = [(*(getattr(entry, name) for name in _COLUMNS), self._run) for entry in entries]
        with self._writing():
            self._connection.executemany(
                f"REPLACE INTO entries ({_NAMES}, run) VALUES ({marks})", rows
            )
            self._connection.executemany(
                'UPDATE entries SET run = ? WHERE "where" = ?', [(self._run, name) for name in kept]
            )

    def ranked(self, label: int) -> Iterator[Entry]:
        """The usable pictures of a class in this run: the highest score first, then by name."""
        yield from self._pages(
            "label = ? AND problem = '' AND copy_of = ''", [label], 'score DESC, "where"'
        )

    def decide(self, decisions: Iterable[tuple[str, str]]) -> None:
        """Write why files (their names) are not selected; empty for those that are."""
        with self._writing():
            self._connection.executemany(
                'UPDATE entries SET reason = ? WHERE "where" = ?',
                ((reason, name) for name, reason in decisions),
            )

    def selected(self) -> Iterator[Entry]:
        """The selected pictures of this run, by class, the highest score first."""
        condition = "label >= 0 AND problem = '' AND copy_of = '' AND reason = ''"
        yield from self._pages(condition, [], 'label, score DESC, "where"')

    def everything(self) -> Iterator[Entry]:
        """All files of this run, by name."""
        yield from self._pages("1", [], '"where"')

    def _pages(self, condition: str, values: list[Any], order: str) -> Iterator[Entry]:
        # What is written meanwhile, reasons, is neither in a condition that is being read nor in an
        # order.
        with self._told():
            cursor = self._connection.execute(
                f"SELECT {_NAMES} FROM entries WHERE run = ? AND {condition} ORDER BY {order}",
                [self._run, *values],
            )
            while rows := cursor.fetchmany(_PAGE):
                yield from (Entry(*row) for row in rows)

    def _prepare(self, identity: str) -> None:
        # The lock is taken for good, and the system frees it when the process dies.
        self._connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        application = self._one("PRAGMA application_id")
        if not application and not self._one("SELECT count(*) FROM sqlite_master"):
            with self._writing():
                for statement in _SCHEMA.split(";"):
                    self._connection.execute(statement)
                self._connection.executemany(
                    "INSERT INTO meta VALUES (?, ?)",
                    [("teacher", self._teacher), ("identity", identity)],
                )
            return
        if application != _APPLICATION:
            raise DatasetError(
                f"{self._file} is not a journal of saccade label; choose another --out"
            )
        if self._one("PRAGMA user_version") != _FORMAT:
            raise DatasetError(
                f"{self._file} has a format that this Saccade does not know; upgrade it (pip "
                "install -U saccade), or choose another --out"
            )
        known = dict(self._connection.execute("SELECT key, value FROM meta").fetchall())
        if known.get("identity") != identity:
            raise DatasetError(
                f"{self._file} holds scores of the teacher {known.get('teacher')} "
                f"({known.get('identity', '')[:12]}), not of {self._teacher} ({identity[:12]}); "
                "choose another --out, or delete the journal to score anew"
            )

    def _one(self, query: str) -> Any:
        row = self._connection.execute(query).fetchone()
        return None if row is None else row[0]

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        with self._told():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            remedy = {
                sqlite3.SQLITE_BUSY: "another saccade label is at work there; wait for it",
                sqlite3.SQLITE_LOCKED: "another saccade label is at work there; wait for it",
                sqlite3.SQLITE_FULL: "the disk is full; free space and run the same command again",
                sqlite3.SQLITE_NOTADB: "it is no journal of saccade label; choose another --out",
                sqlite3.SQLITE_CORRUPT: "it is damaged; delete it, the pool is scored anew",
            }.get(code, "check the place and its permissions")
            raise DatasetError(f"the journal {self._file} failed ({error}): {remedy}") from error
