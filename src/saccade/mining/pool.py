"""The pictures of a pool with absolute paths and time stamps; see `saccade.datasets.pool`.

No place is held in memory but for the table of contents of a ``.zip``.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from saccade.datasets.classification import Sample
from saccade.datasets.pool import Other, Place, Role, Stray, find, split_of
from saccade.datasets.stores import read_member
from saccade.errors import ImageError

__all__ = ["Picture", "Place", "Role", "Stray", "read_picture_file", "split_of", "walk"]

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


def walk(place: Place, role: Role = "pool") -> Iterator[Picture | Stray]:
    """Go through a place; no picture is opened.

    Args:
        place: see `saccade.datasets.pool`.
        role: which split is taken of a dataset that has splits.

    Yields:
        What is there, sorted by path, or in the order of the list.

    Raises:
        DatasetError: nothing is there, or it cannot be read.
    """
    source = os.fspath(place)
    for one in find(place, role):
        match one:
            case Sample():
                yield _picture(one.path, one.archive, source)
            case Other(file):
                where = file.where if file.archive else os.path.abspath(file.path)  # noqa: PTH100
                yield Stray(where, source, "is no picture by its name")
            case Stray():
                yield one


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


def _picture(located: str, archive: str, source: str) -> Picture:
    path = located if archive else os.path.abspath(located)  # noqa: PTH100 - resolves no links
    try:
        state = os.stat(archive or path)  # noqa: PTH116 - on the path of every picture
        stamp = f"{state.st_mtime_ns}:{state.st_size}"
    except (OSError, ValueError):
        stamp = ""
    return Picture(path, archive, source, stamp)
