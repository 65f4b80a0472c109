"""Decoded pictures in memory, within a limit; and broken ones found before they can do harm."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from saccade.datasets.classification import ClassificationSet
from saccade.errors import DatasetError, ImageError, Problem
from saccade_train._types import Image

__all__ = ["Pictures", "load_pictures"]

Shape = Callable[[Image], Image]


class Pictures:
    """The pictures of a dataset after one fixed step (shrinking or preparing), by number.

    What fits into the limit is kept as uint8; the rest is decoded again each time. Both ways give
    the same pixels. Safe to read from several threads.
    """

    def __init__(self, items: ClassificationSet, shape: Shape) -> None:
        self.items = items
        self._shape = shape
        self._kept: list[Image | None] = [None] * len(items)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, number: int) -> Image:
        kept = self._kept[number]
        if kept is not None:
            return kept
        try:
            return self.decode(number)
        except ImageError as error:
            raise DatasetError(
                f"{error}; data.verify=true finds broken pictures before the first step and "
                "leaves them out"
            ) from error

    def decode(self, number: int) -> Image:
        """Read a picture from its place; raises ImageError if it is broken."""
        return np.ascontiguousarray(self._shape(self.items.read(number)))

    def keep(self, number: int, image: Image) -> None:
        """Hold a picture in memory."""
        self._kept[number] = image

    @property
    def nbytes(self) -> int:
        """Memory that is held."""
        return sum(image.nbytes for image in self._kept if image is not None)

    def only(self, chosen: NDArray[np.int64]) -> Pictures:
        """Some of the pictures; those in memory are shared."""
        part = Pictures(self.items.subset(chosen), self._shape)
        part._kept = [self._kept[number] for number in chosen]
        return part

    def named(self, labels: NDArray[np.int64], classes: tuple[str, ...]) -> Pictures:
        """The same pictures with other labels, (N,); those in memory are shared."""
        samples = tuple(
            replace(sample, label=int(label))
            for sample, label in zip(self.items.samples, labels, strict=True)
        )
        part = Pictures(replace(self.items, samples=samples, classes=classes), self._shape)
        part._kept = list(self._kept)
        return part

    def joined(self, other: Pictures) -> Pictures:
        """These pictures and others of the same classes, shaped alike; memory is shared."""
        samples = (*self.items.samples, *other.items.samples)
        both = Pictures(replace(self.items, samples=samples), self._shape)
        both._kept = [*self._kept, *other._kept]
        return both


def load_pictures(
    items: ClassificationSet,
    shape: Shape,
    *,
    limit_bytes: int,
    verify: bool = True,
    workers: int = 1,
    done: Callable[[int], None] = lambda count: None,
) -> tuple[Pictures, list[Problem]]:
    """Decode pictures into memory.

    Args:
        items: Which pictures.
        shape: What is done to each after decoding.
        limit_bytes: Memory that may be held; pictures beyond it stay on disk.
        verify: Decode the rest too, to find broken ones now. Without it, reading ends at the limit.
        workers: Threads that decode.
        done: Told the number of pictures done, from time to time.

    Returns:
        The good pictures, and one problem for each broken one.

    Raises:
        DatasetError: All pictures are broken.
    """
    pictures = Pictures(items, shape)
    problems: list[Problem] = []
    good = np.ones(len(items), bool)
    held = 0
    full = False
    for number, image in enumerate(_decoded(pictures, workers)):
        if isinstance(image, ImageError):
            problems.append(Problem(items.samples[number].where, str(image)))
            good[number] = False
        elif not full and held + image.nbytes <= limit_bytes:
            pictures.keep(number, image)
            held += image.nbytes
        else:
            full = True
            if not verify:
                break
        if number % 64 == 63:
            done(number + 1)
    done(len(items))
    if len(items) and not good.any():
        raise DatasetError(
            f"none of the {len(items)} pictures can be read; the first: {problems[0]}"
        )
    return (pictures.only(np.flatnonzero(good)) if problems else pictures), problems


def _decoded(pictures: Pictures, workers: int) -> Iterator[Image | ImageError]:
    """Decode in order, a few pieces ahead."""

    def some(start: int) -> list[Image | ImageError]:
        found: list[Image | ImageError] = []
        for number in range(start, min(start + piece, len(pictures))):
            try:
                found.append(pictures.decode(number))
            except ImageError as error:
                found.append(error)
        return found

    piece = 16
    starts = list(range(0, len(pictures), piece))
    with ThreadPoolExecutor(max(1, workers)) as pool:
        ahead = max(1, workers) * 2
        waiting = [pool.submit(some, start) for start in starts[:ahead]]
        try:
            for position in range(len(starts)):
                yield from waiting.pop(0).result()
                if position + ahead < len(starts):
                    waiting.append(pool.submit(some, starts[position + ahead]))
        finally:
            for future in waiting:
                future.cancel()
