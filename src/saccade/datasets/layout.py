"""What the readers of detection data ask of a store: folders, pictures and their sizes, splits."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TypeVar

from saccade.datasets.stores import Store, read_member
from saccade.errors import DatasetError, ImageError
from saccade.imaging.decode import header_size
from saccade.imaging.read import IMAGE_SUFFIXES

__all__ = [
    "PictureFinder",
    "choose_split",
    "has_file",
    "has_folder",
    "inside",
    "is_picture",
    "name_in",
    "name_splits",
    "picture_size",
    "read_bytes",
]

_Value = TypeVar("_Value")

# Headers of pictures end before this, but for rare ones with large profiles or thumbnails.
_HEAD = 256 * 1024

_ALIASES = {"valid": "val", "validation": "val", "dev": "val"}


def has_file(store: Store, name: str) -> bool:
    """Whether the store holds a file of that name; names that no disk can hold are just absent."""
    try:
        return store.has(name)
    except (OSError, ValueError):
        return False


def has_folder(store: Store, name: str) -> bool:
    """Whether the store holds a folder of that name; the empty name is its top."""
    below = ""
    for part in name.split("/") if name else ():
        if part not in store.folders(below):
            return False
        below = posixpath.join(below, part)
    return True


def name_in(store: Store, name: str) -> str:
    """What messages call a file or folder of a store."""
    if not name:
        return store.where
    return f"{store.where}:{name}" if store.archive else str(Path(store.where, name))


def read_bytes(store: Store, name: str) -> bytes:
    """Read a file.

    Raises:
        DatasetError: it cannot be read.
    """
    located = store.locate(name)
    try:
        if store.archive:
            return read_member(store.archive, located)
        return Path(located).read_bytes()
    except FileNotFoundError as error:
        raise DatasetError(f"no such file: {located}; check the path") from error
    except OSError as error:
        raise DatasetError(
            f"cannot read {located}: {error.strerror or error}; check its permissions"
        ) from error
    except ImageError as error:
        raise DatasetError(str(error)) from error


def picture_size(located: str, archive: str = "") -> tuple[int, int]:
    """Read the size of a picture from its header.

    Args:
        located: its path; inside the archive if there is one.
        archive: absolute path of the ``.zip``, or empty.

    Returns:
        (height, width), the right way up.

    Raises:
        ImageError: it cannot be read.
    """
    if archive:
        return header_size(read_member(archive, located), f"{archive}:{located}")
    try:
        with Path(located).open("rb") as file:
            head = file.read(_HEAD)
            try:
                return header_size(head, located)
            except ImageError:
                if len(head) < _HEAD:
                    raise
                return header_size(head + file.read(), located)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ImageError(f"cannot read {located}: {reason}; check its permissions") from error


def is_picture(name: str) -> bool:
    """Whether the ending of a name is that of a picture."""
    return PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES


def inside(name: str) -> str:
    """Bring a path found in a file into the form of a store; empty if it leads out of it."""
    name = posixpath.normpath(name.strip().replace("\\", "/")) if name.strip() else ""
    leads_out = name.startswith(("/", "../")) or name in ("", ".", "..") or name[1:2] == ":"
    return "" if leads_out else name


class PictureFinder:
    """Finds pictures by the names that annotations give them.

    Datasets disagree on what their paths are relative to, and are moved after they were written. A
    name is looked for as it stands below each folder, then without its own folders. Nothing outside
    the store is ever looked at.
    """

    def __init__(self, store: Store, folders: Iterable[str]) -> None:
        self._store = store
        self._folders = list(dict.fromkeys(folders))

    def find(self, name: str) -> str | None:
        """Give the name of the picture in the store, or None."""
        bare = posixpath.basename(name.strip().replace("\\", "/"))
        for form in dict.fromkeys((inside(name), bare)):
            for folder in self._folders if form else ():
                tried = posixpath.join(folder, form)
                if has_file(self._store, tried):
                    # The next picture most likely lies in the same folder.
                    self._folders.remove(folder)
                    self._folders.insert(0, folder)
                    return tried
        return None


def name_splits(found: Mapping[str, _Value]) -> dict[str, _Value]:
    """Call splits by their usual names: ``valid`` is ``val``, ``train2017`` is ``train``.

    A split keeps its own name where two would get the same.
    """
    wishes = {name: _usual(name) for name in found}
    taken = list(wishes.values())
    named = {wish if taken.count(wish) == 1 else name: found[name] for name, wish in wishes.items()}
    return dict(sorted(named.items(), key=lambda item: _order(item[0])))


def choose_split(splits: Sequence[str], split: str, where: str) -> str:
    """Find a split by any of its names.

    Raises:
        DatasetError: there is none of that name.
    """
    if split in splits:
        return split
    usual = _usual(split)
    if usual in splits:
        return usual
    raise DatasetError(f"{where} has no split {split!r}; it has: {', '.join(splits)}")


def _usual(name: str) -> str:
    lower = name.lower()
    if len(lower) > 4 and lower[-4:].isdigit() and lower[-4:-2] == "20":
        lower = lower[:-4].rstrip("_-") or lower
    return _ALIASES.get(lower, lower if lower in ("train", "val", "test") else name)


def _order(split: str) -> tuple[int, str]:
    known = ("train", "trainval", "val", "test")
    return (known.index(split) if split in known else len(known), split)
