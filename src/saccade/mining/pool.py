"""The pictures of a pool, one after the other: folders, list files and ``.zip`` packs.

What a place says about classes is ignored. A folder or a pack is walked with all its sub-folders,
hidden files aside. Where it is a dataset with splits, only its ``train`` split belongs to a pool,
and only its ``val`` split to the pictures that a pool is compared with. Of a list file the paths
count, with labels behind them or not; a path may be ``pack.zip:member``. A place may also be a part
of a pack: ``pack.zip:train`` or ``pack.zip:train.txt``.

No place is held in memory but for the table of contents of a ``.zip``.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, TypeAlias

from saccade.datasets.classification import find_sample
from saccade.datasets.stores import FolderStore, Store, open_store, read_member, split_packed
from saccade.errors import DatasetError, ImageError
from saccade.imaging.read import IMAGE_SUFFIXES

__all__ = ["Picture", "Place", "Role", "Stray", "read_picture_file", "split_of", "walk"]

Place: TypeAlias = "str | os.PathLike[str]"
Role: TypeAlias = Literal["pool", "val"]

_EVALUATED = ("val", "valid", "validation", "test")
_MOST_BYTES = 512 * 2**20


@dataclass(frozen=True, slots=True)
class Picture:
    """A file that should be a picture.

    Attributes:
        path: absolute; inside ``archive`` if there is one.
        archive: absolute path of the ``.zip`` that holds it, or empty.
        source: the place that led to it, as the user wrote it.
        stamp: changes when the file (or its archive) is written anew.
    """

    path: str
    archive: str
    source: str
    stamp: str

    @property
    def where(self) -> str:
        """What lists and messages call it: ``/data/pack.zip:train/1.jpg`` or the path."""
        return f"{self.archive}:{self.path}" if self.archive else self.path


@dataclass(frozen=True, slots=True)
class Stray:
    """Something in a place that is no picture by its name, or a line that leads nowhere."""

    where: str
    source: str
    reason: str


def walk(place: Place, role: Role = "pool") -> Iterator[Picture | Stray]:
    """Go through a place; no picture is opened.

    Args:
        place: see the module.
        role: which split is taken of a dataset that has splits.

    Yields:
        What is there, sorted by path, or in the order of the list.

    Raises:
        DatasetError: nothing is there, or it cannot be read.
    """
    source = os.fspath(place)
    store, name, is_list = _open(source, role)
    if is_list:
        yield from _listed(store, name, source)
        return
    for file in store.files(name):
        if PurePosixPath(file).suffix.lower() in IMAGE_SUFFIXES:
            yield _picture(store.locate(file), store.archive, source)
        else:
            where = store.locate(file)
            where = f"{store.archive}:{where}" if store.archive else os.path.abspath(where)  # noqa: PTH100
            yield Stray(where, source, "is no picture by its name")


def split_of(place: Place, role: Role) -> str:
    """The split that is taken of a place, or empty where all of it is.

    Raises:
        DatasetError: nothing is there.
    """
    store, name, _ = _open(os.fspath(place), role)
    whole = Path(place).is_dir() or (store.archive and split_packed(os.fspath(place)) is None)
    return name.removesuffix(".txt") if whole else ""


def read_picture_file(picture: Picture) -> bytes:
    """Read the bytes of a picture.

    Raises:
        ImageError: it is gone, no plain file, too large, or cannot be read.
    """
    if picture.archive:
        return read_member(picture.archive, picture.path)
    try:
        state = os.stat(picture.path)  # noqa: PTH116 - on the path of every picture
        if not stat.S_ISREG(state.st_mode):
            raise ImageError(f"{picture.path} is not a plain file; expected a picture")
        if state.st_size > _MOST_BYTES:
            raise ImageError(f"{picture.path} has {state.st_size:,} bytes; more than any picture")
        return Path(picture.path).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ImageError(f"cannot read {picture.path}: {reason}; check the path") from error


def _open(source: str, role: Role) -> tuple[Store, str, bool]:
    """The store of a place, the list or folder in it, and whether it is a list."""
    path = Path(source)
    packed = None if path.exists() else split_packed(source)
    if packed is not None:
        archive, inner = packed
        store = open_store(Path(archive))
        inner = inner.strip("/")
        if store.has(inner):
            return store, inner, True
        if not any(True for _ in store.files(inner)):
            raise DatasetError(
                f"{archive} holds no {inner!r}; expected one of its folders or a list in it, like "
                f"{', '.join([*store.top()[0], *store.top()[1]][:4])}"
            )
        return store, inner, False
    if path.is_file() and not _is_archive(path):
        return FolderStore(path.parent), path.name, True
    store = open_store(path)
    folders, files = store.top()
    splits = {name.removesuffix(".txt") for name in files if name.endswith(".txt")} | set(folders)
    name = _split(splits, role)
    if f"{name}.txt" in files:
        return store, f"{name}.txt", True
    return store, name, False


def _split(splits: set[str], role: Role) -> str:
    if role == "pool":
        return "train" if "train" in splits and not splits.isdisjoint(_EVALUATED) else ""
    return next((name for name in _EVALUATED[:3] if name in splits), "")


def _listed(store: Store, name: str, source: str) -> Iterator[Picture | Stray]:
    for number, line in enumerate(_lines(store, name), start=1):
        path = line.partition("\t")[0].strip()
        if not path:
            continue
        found = find_sample(store, path)
        if found is None and "\t" not in line and " " in path:
            path = path.rpartition(" ")[0].strip()
            found = find_sample(store, path)
        if found is None:
            where = f"{store.where}:{name}" if store.archive else str(Path(store.where, name))
            yield Stray(f"{where} line {number}", source, f"no such picture: {path[:200]}")
        else:
            yield _picture(found.path, found.archive, source)


def _lines(store: Store, name: str) -> Iterator[str]:
    if store.archive:
        yield from store.text(name).split("\n")
        return
    file = store.locate(name)
    try:
        with Path(file).open(encoding="utf-8-sig") as lines:
            yield from lines
    except OSError as error:
        raise DatasetError(
            f"cannot read {file}: {error.strerror or error}; check its permissions"
        ) from error
    except UnicodeDecodeError as error:
        raise DatasetError(
            f"{file} is not UTF-8 text; expected a folder, a .zip, or a list with the path of a "
            "picture a line"
        ) from error


def _picture(located: str, archive: str, source: str) -> Picture:
    path = located if archive else os.path.abspath(located)  # noqa: PTH100 - resolves no links
    try:
        state = os.stat(archive or path)  # noqa: PTH116 - on the path of every picture
        stamp = f"{state.st_mtime_ns}:{state.st_size}"
    except (OSError, ValueError):
        stamp = ""
    return Picture(path, archive, source, stamp)


def _is_archive(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) == b"PK\x03\x04"
    except OSError as error:
        raise DatasetError(
            f"cannot read {path}: {error.strerror or error}; check its permissions"
        ) from error
