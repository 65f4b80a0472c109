"""Reading pictures of a pool or of a validation set, several at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from saccade.errors import ImageError, Problem
from saccade.imaging.prepare import Prepare
from saccade.imaging.read import read_image
from saccade.mining.duplicates import KnownPictures, Look, Mode, look_at
from saccade.mining.pool import Picture, Place, Role, Stray, read_picture_file, split_of, walk

__all__ = ["Seen", "groups", "known_pictures", "notes_on", "see"]

_Item = TypeVar("_Item")
_GROUP = 64


@dataclass(frozen=True)
class Seen:
    """A picture that was read.

    Attributes:
        look: what comparisons need.
        pixels: as the teacher takes them; None where they were not asked for.
    """

    look: Look
    pixels: NDArray[np.uint8] | None


def see(picture: Picture, *, sift: bool, prepare: Prepare | None = None) -> Seen | str:
    """Read a picture.

    Args:
        picture: which.
        sift: whether to find SIFT features.
        prepare: the teacher's; None where it is not going to be scored.

    Returns:
        What was seen, or why it can't be read.
    """
    try:
        data = read_picture_file(picture)
        image = read_image(data, name=picture.where)
    except ImageError as error:
        return str(error)
    look = look_at(data, image, sift=sift)
    return Seen(look, None if prepare is None else prepare(image))


def known_pictures(
    places: Sequence[Place], mode: Mode, threads: int
) -> tuple[KnownPictures, list[Problem]]:
    """Read the pictures that a pool must not hold.

    Args:
        places: where they are; none gives an empty set.
        mode: how they will be compared.
        threads: that read, and that a comparison may use.

    Returns:
        The pictures, and what could not be read.

    Raises:
        DatasetError: nothing is at a place.
    """
    names: list[str] = []
    looks: list[Look] = []
    problems: list[Problem] = []
    found = (one for place in places for one in walk(place, "val"))
    with ThreadPoolExecutor(threads, thread_name_prefix="saccade-mine") as pool:
        for group in groups(found, _GROUP):
            pictures = [one for one in group if isinstance(one, Picture)]
            problems += [Problem(one.where, one.reason) for one in group if isinstance(one, Stray)]
            answers = pool.map(lambda one: see(one, sift=mode == "sift"), pictures)
            for picture, seen in zip(pictures, answers, strict=True):
                if isinstance(seen, str):
                    problems.append(Problem(picture.where, seen))
                else:
                    names.append(picture.where)
                    looks.append(seen.look)
    return KnownPictures(names, looks, mode, threads), problems


def notes_on(pool: Iterable[Place], val: Iterable[Place]) -> list[str]:
    """Say of which places only a split is taken.

    Raises:
        DatasetError: nothing is at a place.
    """
    parts: list[tuple[Role, Iterable[Place]]] = [("pool", pool), ("val", val)]
    splits = [(place, role, split_of(place, role)) for role, places in parts for place in places]
    return [
        f"{place} has splits; as --{role} only {split!r} is taken"
        for place, role, split in splits
        if split
    ]


def groups(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    """Cut a stream into lists of up to ``size`` items."""
    rest = iter(items)
    while group := list(islice(rest, size)):
        yield group
