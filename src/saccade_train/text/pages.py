"""Batches of pages for the training of text detectors; like :mod:`.lines`, without torch."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from saccade.datasets.text import TextPageSet
from saccade.errors import ImageError
from saccade_train._types import Image
from saccade_train.augment.copy_paste import copy_paste
from saccade_train.augment.text_pages import PageAugment, augment_page
from saccade_train.synth import PageSource

from .label_maps import gaps_of_rows, label_maps

__all__ = ["PageBatch", "PageMaker", "PageSamples"]


@dataclass(frozen=True)
class PageBatch:
    """Pictures and the maps that the detector should draw.

    Attributes:
        images: uint8 (N, S, S, 3).
        shrink: uint8 (N, S, S), 0 or 1.
        shrink_mask: likewise; more where ground counts for more.
        threshold: float16 (N, S, S), 0.3 to 0.7.
        threshold_mask: uint8 (N, S, S), 0 or 1.
        names: What they are, for messages.
    """

    images: Image
    shrink: NDArray[np.uint8]
    shrink_mask: NDArray[np.uint8]
    threshold: NDArray[np.float16]
    threshold_mask: NDArray[np.uint8]
    names: list[str]


@dataclass(frozen=True)
class _Page:
    image: Image
    polygons: list[np.ndarray]
    ignored: list[bool]
    name: str


@dataclass(frozen=True)
class PageSamples:
    """Drawn and labelled pages in one row of samples.

    Attributes:
        source: Draws pages; None when all are real.
        real: Labelled pages.
        share: Of real pages among all.
        seed: Of the training.
    """

    source: PageSource | None
    real: tuple[TextPageSet, ...]
    share: float
    seed: int

    def draw(self, number: int, rng: np.random.Generator) -> _Page:
        """Sample ``number``."""
        if self.source is None or (self.real and rng.random() < self.share):
            return self._real(rng)
        page = self.source[number]
        return _Page(
            page.image,
            [line.quad for line in page.lines],
            [not line.is_readable for line in page.lines],
            f"drawn page {number}",
        )

    def _real(self, rng: np.random.Generator) -> _Page:
        for _ in range(100):
            # A place counts as much as another, however many pages it has.
            pages = self.real[int(rng.integers(len(self.real)))]
            at = int(rng.integers(len(pages)))
            sample = pages.samples[at]
            try:
                image = pages.read(at)
            except ImageError:
                continue  # another one is drawn instead
            return _Page(
                image,
                [region.points for region in sample.regions],
                [region.ignored for region in sample.regions],
                sample.path,
            )
        raise ImageError("a hundred real pages in a row could not be read; check the pictures")


@dataclass(frozen=True)
class PageMaker:
    """Makes the batches of a detector's training.

    Attributes:
        pages: The samples.
        augment: What is done to them.
        pasting: Chance that texts of another page are pasted in.
        piece: Pages of a batch.
        between: How much the ground between two lines of a row counts, a whole number.
    """

    pages: PageSamples
    augment: PageAugment
    pasting: float
    piece: int
    between: int = 1

    def __call__(self, job: int) -> PageBatch:
        """Batch number ``job``."""
        size = self.augment.size
        shape = (self.piece, size, size)
        batch = PageBatch(
            np.empty((*shape, 3), np.uint8),
            np.empty(shape, np.uint8),
            np.empty(shape, np.uint8),
            np.empty(shape, np.float16),
            np.empty(shape, np.uint8),
            [],
        )
        for row in range(self.piece):
            number = job * self.piece + row
            rng = np.random.default_rng([self.pages.seed, number, 0xDE7])
            page = self._aged(self._pasted(self.pages.draw(number, rng), number, rng), rng)
            maps = label_maps(page.polygons, page.ignored, (size, size))
            batch.images[row] = page.image
            batch.shrink[row], batch.shrink_mask[row] = maps.shrink, maps.shrink_mask
            if self.between > 1:
                gaps = gaps_of_rows(page.polygons, page.ignored, (size, size))
                batch.shrink_mask[row][gaps & (maps.shrink == 0)] *= self.between
            batch.threshold[row] = maps.threshold
            batch.threshold_mask[row] = maps.threshold_mask
            batch.names.append(page.name)
        return batch

    def _pasted(self, page: _Page, number: int, rng: np.random.Generator) -> _Page:
        if not rng.random() < self.pasting:
            return page
        other = self.pages.draw(number + 2**32, rng)
        image, polygons, ignored = copy_paste(
            page.image,
            page.polygons,
            page.ignored,
            other.image,
            other.polygons,
            other.ignored,
            rng,
        )
        return replace(page, image=image, polygons=list(polygons), ignored=list(ignored))

    def _aged(self, page: _Page, rng: np.random.Generator) -> _Page:
        image, polygons, ignored = augment_page(
            page.image, page.polygons, page.ignored, rng, self.augment
        )
        return replace(page, image=image, polygons=list(polygons), ignored=list(ignored))
