"""Batches of pictures with boxes; made ahead in processes of their own, so without torch.

What a batch holds follows from its number alone: a training that was stopped goes on with the same
batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from saccade.datasets.detection_set import DetectionSet
from saccade.errors import ImageError, Problem
from saccade_train._types import Image
from saccade_train.augment.boxes import Boxed, Interpolation
from saccade_train.augment.detection import DetectionAugment, augment_boxed

from .feed import Plan, epoch_order

__all__ = ["BoxBatch", "BoxBatchMaker", "Job", "Reader"]

_TRIES = 100

Job = tuple[int, int, int, int]
"""Epoch, step, piece and process."""


@dataclass(frozen=True)
class BoxBatch:
    """The pictures of one forward pass.

    Attributes:
        images: uint8 (N, H, W, 3).
        boxes: float32 (G, 4) xyxy for each picture, pixels.
        labels: int64 (G,) for each.
        names: where they lie.
        epoch: from 0.
        problems: pictures that could not be read; others took their places.
    """

    images: Image
    boxes: list[NDArray[np.float32]]
    labels: list[NDArray[np.int64]]
    names: list[str]
    epoch: int
    problems: tuple[Problem, ...] = ()


class Reader:
    """Reads the pictures of a set, shrinks large ones, and keeps some of them decoded.

    Args:
        pictures: The set.
        longest: Longer pictures are shrunk to this side, by area averaging; None: none is.
        limit_bytes: Memory for decoded pictures.
    """

    def __init__(self, pictures: DetectionSet, longest: int | None, limit_bytes: int) -> None:
        self.pictures = pictures
        self._longest = longest
        self._left = limit_bytes
        self._kept: dict[int, Image] = {}

    def __getitem__(self, number: int) -> Boxed:
        """A picture with its boxes.

        Raises:
            ImageError: It cannot be read.
        """
        sample = self.pictures.samples[number]
        image = self._kept.get(number)
        if image is None:
            image = self._shrunk(self.pictures.read(number))
            if image.nbytes <= self._left:
                self._left -= image.nbytes
                self._kept[number] = image
        height, width = image.shape[:2]
        factors = np.array([width / sample.width, height / sample.height] * 2, np.float32)
        return Boxed(image, sample.boxes * factors, sample.labels)

    def _shrunk(self, image: Image) -> Image:
        height, width = image.shape[:2]
        ratio = 1.0 if self._longest is None else self._longest / max(height, width)
        if ratio >= 1:
            return image
        size = max(1, round(width * ratio)), max(1, round(height * ratio))
        return cv2.resize(image, size, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


class BoxBatchMaker:
    """Makes the batches of a detector's training.

    Args:
        reader: The pictures.
        augment: What is done to them.
        sizes: (height, width) of which each step draws one.
        interpolations: Of which each batch draws one.
        plan: How an epoch is cut.
        seed: Of the training.
        mosaic_epochs: After so many epochs there is neither mosaic nor mixup; None: never.
    """

    def __init__(
        self,
        reader: Reader,
        augment: DetectionAugment,
        *,
        sizes: Sequence[tuple[int, int]],
        interpolations: Sequence[Interpolation],
        plan: Plan,
        seed: int,
        mosaic_epochs: int | None = None,
    ) -> None:
        self._reader = reader
        self._augment = augment
        self._sizes = tuple(sizes)
        self._interpolations = tuple(interpolations)
        self._plan = plan
        self._seed = seed
        self._mosaic_epochs = mosaic_epochs
        self._order: tuple[int, NDArray[np.int64]] = (-1, np.empty(0, np.int64))

    def __call__(self, job: Job) -> BoxBatch:
        """Make one batch."""
        epoch, step, piece, process = job
        # All pieces and processes of a step share one size, or some would wait for the others.
        size = self._sizes[self._draw([epoch, step, 0x512E], len(self._sizes))]
        kind = self._draw([epoch, step, piece, process, 0x1247], len(self._interpolations))
        part = self._plan.positions(step, piece, process)
        images = np.empty((part.stop - part.start, *size, 3), np.uint8)
        batch = BoxBatch(images, [], [], [], epoch)
        problems: list[Problem] = []
        mixing = self._mosaic_epochs is None or epoch < self._mosaic_epochs
        for row, position in enumerate(range(part.start, part.stop)):
            rng = np.random.default_rng([self._seed, epoch, position, 0xB0C5])
            number, boxed = self._read(int(self._numbers(epoch)[position]), rng, problems)

            def another(rng: np.random.Generator) -> Boxed:
                start = int(rng.integers(len(self._reader.pictures)))
                return self._read(start, rng, problems)[1]

            found = augment_boxed(
                boxed,
                size,
                self._interpolations[kind],
                rng,
                self._augment,
                another if mixing else None,
            )
            images[row] = found.image
            batch.boxes.append(found.boxes)
            batch.labels.append(found.labels)
            batch.names.append(self._reader.pictures.samples[number].where)
        return BoxBatch(
            images, batch.boxes, batch.labels, batch.names, epoch, tuple(dict.fromkeys(problems))
        )

    def _read(
        self, number: int, rng: np.random.Generator, problems: list[Problem]
    ) -> tuple[int, Boxed]:
        """A picture, or where it cannot be read another one."""
        for _ in range(_TRIES):
            try:
                return number, self._reader[number]
            except ImageError as error:
                where = self._reader.pictures.samples[number].where
                problems.append(Problem(where, str(error)))
                number = int(rng.integers(len(self._reader.pictures)))
        raise ImageError(
            f"{_TRIES} pictures in a row could not be read, {problems[-1]}; check the data"
        )

    def _numbers(self, epoch: int) -> NDArray[np.int64]:
        if self._order[0] != epoch:
            self._order = epoch, epoch_order(self._plan, self._seed, epoch)
        return self._order[1]

    def _draw(self, words: Sequence[int], count: int) -> int:
        return int(np.random.default_rng([self._seed, *words]).integers(count))
