"""Unlabelled pictures, one after the other: folders, list files and ``.zip`` packs.

What a place says about classes is ignored. A folder or a pack is walked with all its sub-folders,
hidden files aside. Where it is a dataset with splits, only its ``train`` split belongs to a pool,
and only its ``val`` split to the pictures that a pool is compared with. Of a list file the paths
count, with labels behind them or not; a path may be ``pack.zip:member``. A place may also be a part
of a pack: ``pack.zip:train`` or ``pack.zip:train.txt``.

No place is held in memory but for the table of contents of a ``.zip``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, TypeAlias

from saccade.datasets.classification import Sample, find_sample
from saccade.datasets.layout import is_picture, name_in
from saccade.datasets.stores import FolderStore, Store, is_archive, open_store, split_packed
from saccade.errors import DatasetError

__all__ = ["Other", "Place", "Role", "Stray", "find", "split_of"]

Place: TypeAlias = "str | os.PathLike[str]"
Role: TypeAlias = Literal["pool", "val"]

_EVALUATED = ("val", "valid", "validation", "test")


@dataclass(frozen=True, slots=True)
class Stray:
    """Something in a place that is no picture by its name, or a line that leads nowhere."""

    where: str
    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class Other:
    """A file of a folder or a pack that is no picture by its name."""

    file: Sample


def find(place: Place, role: Role = "pool") -> Iterator[Sample | Other | Stray]:
    """Go through a place; no picture is opened. Paths are relative where the place is.

    The labels of the samples mean nothing.

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
        sample = Sample(store.locate(file), 0, store.archive)
        yield sample if is_picture(file) else Other(sample)


def split_of(place: Place, role: Role) -> str:
    """The split that is taken of a place, or empty where all of it is.

    Raises:
        DatasetError: nothing is there.
    """
    store, name, _ = _open(os.fspath(place), role)
    whole = Path(place).is_dir() or (store.archive and split_packed(os.fspath(place)) is None)
    return name.removesuffix(".txt") if whole else ""


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
    if path.is_file() and not is_archive(path):
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


def _listed(store: Store, name: str, source: str) -> Iterator[Sample | Stray]:
    for number, line in enumerate(_lines(store, name), start=1):
        path = line.partition("\t")[0].strip()
        if not path:
            continue
        path = str(PurePosixPath(path))
        found = find_sample(store, path)
        if found is None and "\t" not in line and " " in path:
            path = path.rpartition(" ")[0].strip()
            found = find_sample(store, path)
        if found is None:
            where = f"{name_in(store, name)} line {number}"
            yield Stray(where, source, f"no such picture: {path[:200]}")
        else:
            yield found


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
