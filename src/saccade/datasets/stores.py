"""Where the files of a dataset lie: a folder, or a ``.zip`` that is read in place.

Both answer the same few questions, so a reader of a layout is written once. Archives are opened
once per
process: a handle that crossed a fork would share its file position with the parent.
"""

from __future__ import annotations

import os
import posixpath
import threading
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from saccade.errors import DatasetError, ImageError

__all__ = [
    "ArchiveStore",
    "FolderStore",
    "Store",
    "is_archive",
    "member_size",
    "open_store",
    "read_member",
    "split_packed",
]

# A labelled picture of more than this is not one; it guards against archives made to fill the
# memory.
_MAX_MEMBER = 512 * 2**20

_lock = threading.Lock()
_handles: dict[str, tuple[tuple[int, int], zipfile.ZipFile]] = {}


def _forget_handles() -> None:
    global _lock
    _lock = threading.Lock()  # another thread of the parent may have held the old one
    _handles.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_handles)


class Store(Protocol):
    """A tree of files. Names are relative, with forward slashes."""

    where: str
    archive: str

    def top(self) -> tuple[list[str], list[str]]:
        """Names of the folders and of the files at the top, each sorted."""
        ...

    def folders(self, below: str) -> list[str]:
        """Names of the folders directly in a folder, sorted."""
        ...

    def files(self, below: str) -> Iterator[str]:
        """Full names of all files anywhere below a folder, sorted."""
        ...

    def has(self, name: str) -> bool:
        """Whether there is a file of that name."""
        ...

    def text(self, name: str) -> str:
        """The content of a text file, UTF-8 with or without byte order mark."""
        ...

    def locate(self, name: str) -> str:
        """What `Sample.path` holds for a file of that name."""
        ...


class FolderStore:
    """A folder on disk."""

    archive = ""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.where = str(root)

    def top(self) -> tuple[list[str], list[str]]:
        """See `Store.top`."""
        folders: list[str] = []
        files: list[str] = []
        try:
            with os.scandir(self.root) as entries:
                for entry in entries:
                    if not entry.name.startswith("."):
                        (folders if entry.is_dir() else files).append(entry.name)
        except OSError as error:
            raise _unreadable(error, self.where) from error
        return sorted(folders), sorted(files)

    def folders(self, below: str) -> list[str]:
        """See `Store.folders`."""
        return FolderStore(self.root / below).top()[0]

    def files(self, below: str) -> Iterator[str]:
        """See `Store.files`."""

        def refuse(error: OSError) -> None:
            raise _unreadable(error, self.where) from error

        for place, folders, names in os.walk(self.root / below, onerror=refuse, followlinks=True):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            relative = Path(place).relative_to(self.root).as_posix()
            for name in sorted(names):
                if not name.startswith("."):
                    yield posixpath.join(relative, name)

    def has(self, name: str) -> bool:
        """See `Store.has`."""
        return (self.root / name).is_file()

    def text(self, name: str) -> str:
        """See `Store.text`."""
        path = self.root / name
        try:
            return _utf8(path.read_bytes(), str(path))
        except OSError as error:
            raise _unreadable(error, str(path)) from error

    def locate(self, name: str) -> str:
        """See `Store.locate`."""
        return str(self.root / name)


class ArchiveStore:
    """A ``.zip``, possibly with one folder around everything."""

    def __init__(self, path: Path) -> None:
        self.where = str(path)
        self.archive = str(path.resolve())
        members = [
            name
            for name in _handle(self.archive).namelist()
            if "/." not in name and not name.startswith((".", "__MACOSX/"))
        ]
        self.prefix = _wrapping_folder(members)
        names = [name[len(self.prefix) :] for name in members if name.startswith(self.prefix)]
        self._files = sorted(name for name in names if name and not name.endswith("/"))
        self._known = frozenset(self._files)
        parents = {name.rpartition("/")[0] for name in names}
        self._folders = {
            "/".join(parts[: depth + 1])
            for parts in (parent.split("/") for parent in parents if parent)
            for depth in range(len(parts))
        }

    def top(self) -> tuple[list[str], list[str]]:
        """See `Store.top`."""
        return self.folders(""), [name for name in self._files if "/" not in name]

    def folders(self, below: str) -> list[str]:
        """See `Store.folders`."""
        below = below.strip("./")
        return sorted(
            posixpath.basename(name)
            for name in self._folders
            if name and posixpath.dirname(name) == below
        )

    def files(self, below: str) -> Iterator[str]:
        """See `Store.files`."""
        start = below.strip("./") + "/" if below.strip("./") else ""
        return (name for name in self._files if name.startswith(start))

    def has(self, name: str) -> bool:
        """See `Store.has`."""
        return name in self._known

    def text(self, name: str) -> str:
        """See `Store.text`."""
        try:
            data = read_member(self.archive, self.locate(name))
        except ImageError as error:
            raise DatasetError(str(error)) from error
        return _utf8(data, f"{self.where}:{name}")

    def locate(self, name: str) -> str:
        """See `Store.locate`."""
        return self.prefix + name


def open_store(place: Path) -> Store:
    """Open a folder or a ``.zip``.

    Raises:
        DatasetError: missing, unreadable, or a damaged archive.
    """
    if place.is_dir():
        return FolderStore(place)
    return ArchiveStore(place)


def read_member(archive: str, member: str) -> bytes:
    """Read one file out of a ``.zip``; safe between threads and after a fork.

    Args:
        archive: absolute path of the ``.zip``.
        member: full name inside it.

    Raises:
        ImageError: the archive or the member is missing, damaged, encrypted or far too large.
    """
    where = f"{archive}:{member}"
    try:
        handle = _handle(archive)
        size = handle.getinfo(member).file_size
        if size > _MAX_MEMBER:
            raise ImageError(f"{where} unpacks to {size:,} bytes; more than any picture: check it")
        return handle.read(member)
    except DatasetError as error:
        raise ImageError(str(error)) from error
    except KeyError as error:
        raise ImageError(f"{where}: the archive holds no such file; check the list") from error
    except (zipfile.BadZipFile, zlib.error, OSError, RuntimeError, EOFError) as error:
        raise ImageError(f"cannot read {where}: {error}; download the archive again") from error


def is_archive(path: Path) -> bool:
    """Whether a file is a ``.zip``, by its name or by its first bytes.

    Raises:
        DatasetError: it cannot be read.
    """
    if path.suffix.lower() == ".zip":
        return True
    try:
        with path.open("rb") as file:
            return file.read(4) == b"PK\x03\x04"
    except OSError as error:
        raise DatasetError(
            f"cannot read {path}: {error.strerror}; check its permissions"
        ) from error


def member_size(archive: str, member: str) -> int:
    """Length in bytes of a file in a ``.zip`` when unpacked; -1 where there is none."""
    try:
        return _handle(archive).getinfo(member).file_size
    except (DatasetError, KeyError):
        return -1


def split_packed(path: str) -> tuple[str, str] | None:
    """Part ``pack.zip:inner/name``, as lists write what is in an archive; None for other paths.

    Returns:
        The path of the file before the first colon that follows one, and what is behind it.
    """
    at = path.find(":", 1)
    while at > 0:
        try:
            if os.path.isfile(path[:at]):  # noqa: PTH113 - on the path of every line of a list
                return path[:at], path[at + 1 :]
        except ValueError:
            return None
        at = path.find(":", at + 1)
    return None


def _handle(archive: str) -> zipfile.ZipFile:
    """Give the handle of this process; a file that was replaced since is opened anew."""
    try:
        state = os.stat(archive)  # noqa: PTH116 - on the path of every picture read
        stamp = (state.st_mtime_ns, state.st_size)
        with _lock:
            known = _handles.get(archive)
            if known is None or known[0] != stamp:
                known = _handles[archive] = (stamp, zipfile.ZipFile(archive))
        return known[1]
    except zipfile.BadZipFile as error:
        raise DatasetError(
            f"{archive} is not a readable .zip ({error}); download or pack it again"
        ) from error
    except OSError as error:
        raise _unreadable(error, archive) from error


def _wrapping_folder(members: list[str]) -> str:
    """Find the folder that someone zipped as a whole; empty if there is none."""
    tops = {name.split("/", 1)[0] for name in members}
    if len(tops) != 1 or not members:
        return ""
    (top,) = tops
    inner = [name[len(top) + 1 :] for name in members if name.startswith(top + "/")]
    wraps = any(name.count("/") >= 2 for name in inner) or f"{top}/classes.txt" in members
    two_levels = any("/" in name.rstrip("/") for name in inner)
    is_split = top in ("train", "val", "valid", "validation", "test")
    return f"{top}/" if (wraps or two_levels) and not is_split else ""


def _utf8(data: bytes, where: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError(
            f"{where} is not UTF-8 text (byte {error.start}); expected a list of pictures, "
            "one PATH<TAB>LABEL a line"
        ) from error


def _unreadable(error: OSError, where: str) -> DatasetError:
    name = error.filename or where
    if isinstance(error, FileNotFoundError):
        return DatasetError(f"no such file or folder: {name}; check the path")
    return DatasetError(f"cannot read {name}: {error.strerror or error}; check its permissions")
