"""Batches of lines for the training of recognisers and of the direction classifier.

A maker is a function from a job's number to batches; it holds no state and no torch, so worker
processes share the jobs in any way. Lines of very different widths in one batch would mostly be
padding: therefore a job draws a pool of lines, sorts them by width, and cuts :data:`PARTS` batches
out of it that all have about the same number of columns. A step of short words then has many lines,
and one of long lines few.

Widths of batches are those of :data:`WIDTHS`, and the number of lines follows from the width: so a
training sees a dozen shapes and no more. oneDNN compiles its kernels anew for each shape, which
took longer than the step itself when every batch had a shape of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from saccade.datasets.text import TextLineSet
from saccade.errors import ImageError
from saccade.text.sizes import reading_width, time_steps
from saccade_train._types import Image
from saccade_train.augment.text_lines import LineAugment, augment_line
from saccade_train.synth import LineSource

__all__ = [
    "PAD",
    "PARTS",
    "STRIDE",
    "UNKNOWN",
    "WIDTHS",
    "DirectionBatch",
    "DirectionMaker",
    "LineBatch",
    "LineMaker",
    "LineSamples",
    "RealLines",
    "batch_width",
    "column_labels",
    "line_size",
    "pad_lines",
]

PAD = 127
"""Grey to the right of a line; what the reference's zero is before normalisation."""

STRIDE = 4
"""Pixels of width of one step."""

UNKNOWN = -1
"""Stands in ``columns`` where nobody knows."""

PARTS = 8
"""Batches of one job."""

WIDTHS = (32, 48, 64, 96, 128, 160, 192, 256, 320, 384, 448, 512, 640, 800)
"""Of batches, in pixels; wider ones are multiples of 160."""

_FEWEST = 4
"""Lines of a batch; its number of lines is a multiple of it."""


@dataclass(frozen=True)
class RealLines:
    """Labelled lines that are mixed in.

    Attributes:
        lines: Pictures and texts; all characters are in the alphabet.
        case_free: Their texts don't keep the case of the print.
    """

    lines: TextLineSet
    case_free: bool = False


@dataclass(frozen=True)
class LineBatch:
    """Lines of about one width.

    Attributes:
        images: uint8 (N, H, W, 3), padded on the right.
        labels: int64 (N, S), classes from 1 on, padded with 0.
        lengths: int64 (N,).
        case_free: bool (N,), where the labels don't keep case.
        columns: int64 (N, T), the class that each step should show, see :func:`column_labels`;
            :data:`UNKNOWN` throughout for lines whose characters' places are not known.
        names: What they are, for messages.
    """

    images: Image
    labels: NDArray[np.int64]
    lengths: NDArray[np.int64]
    case_free: NDArray[np.bool_]
    columns: NDArray[np.int64]
    names: list[str]


@dataclass(frozen=True)
class _Sample:
    image: Image
    text: str
    case_free: bool
    name: str
    spans: NDArray[np.float32] | None = None
    """(len(text), 2): where each character begins and ends, in pixels; None where not known."""


@dataclass(frozen=True)
class LineSamples:
    """Drawn and real lines in one row of samples.

    Attributes:
        source: Draws lines; None when all are real.
        real: Labelled lines; the chance of a place is in proportion to its lines.
        share: Of real lines among all.
        augment: What is done to real lines.
        synthetic: Chance that a drawn line is augmented as well.
        seed: Of the training.
    """

    source: LineSource | None
    real: tuple[RealLines, ...]
    share: float
    augment: LineAugment
    synthetic: float
    seed: int

    def draw(self, number: int) -> tuple[_Sample, np.random.Generator]:
        """Sample ``number``, and the randomness for what comes after."""
        rng = np.random.default_rng([self.seed, number, 0x11E])
        if self.source is None or (self.real and rng.random() < self.share):
            return self._real(rng), rng
        line = self.source[number]
        name = f"drawn line {number}"
        if rng.random() < self.synthetic:
            # Warps move the characters, and nobody keeps track of them.
            return _Sample(augment_line(line.image, rng, self.augment), line.text, False, name), rng
        spans = np.stack([line.quads[..., 0].min(1), line.quads[..., 0].max(1)], axis=1)
        return _Sample(line.image, line.text, False, name, spans), rng

    def _real(self, rng: np.random.Generator) -> _Sample:
        for _ in range(100):
            at = int(rng.integers(sum(len(part.lines) for part in self.real)))
            for part in self.real:
                if at < len(part.lines):
                    break
                at -= len(part.lines)
            sample = part.lines.samples[at]
            place = None if sample.points is None else _as_found(sample.points, rng)
            try:
                image = augment_line(part.lines.read(at, place), rng, self.augment)
            except ImageError:
                continue  # another one is drawn instead
            return _Sample(image, sample.text, part.case_free, sample.path)
        raise ImageError("a hundred real lines in a row could not be read; check the pictures")


@dataclass(frozen=True)
class LineMaker:
    """Makes the batches of a recogniser's training; see the module.

    Attributes:
        lines: The samples.
        alphabet: Characters of classes 1 and up.
        piece: Lines of a batch, on average: a job draws ``piece * PARTS``.
        columns: Pixels of width of a batch: its lines side by side, padding included.
        widest: Pixels; wider lines are squeezed.
        narrow: Pixels; narrower lines are drawn out, see
            :func:`saccade.text.sizes.reading_width`.
        height: Of the lines, pixels.
    """

    lines: LineSamples
    alphabet: str
    piece: int
    columns: int
    widest: int
    narrow: float = 0.0
    height: int = 32

    def __call__(self, job: int) -> list[LineBatch]:
        """The batches of a job, in random order."""
        first = job * self.piece * PARTS
        drawn = [self.lines.draw(first + row) for row in range(self.piece * PARTS)]
        samples = [self._fit(sample, rng) for sample, rng in drawn]
        samples.sort(key=lambda sample: sample.image.shape[1])
        # The last line of each batch, so that what lies between two has equally many columns.
        reach = np.cumsum([sample.image.shape[1] for sample in samples])
        ends = np.searchsorted(reach, reach[-1] * np.arange(1, PARTS + 1) / PARTS) + 1
        windows = [self._window(samples, min(int(end), len(samples))) for end in ends]
        order = np.random.default_rng([self.lines.seed, job, 0x0D]).permutation(PARTS)
        return [self._batch(windows[part]) for part in order]

    def _window(self, samples: Sequence[_Sample], end: int) -> Sequence[_Sample]:
        """The lines of one batch: as many as its width allows, the widest first in line ``end``."""
        width = batch_width(samples[end - 1].image.shape[1])
        count = max(_FEWEST, self.columns // width // _FEWEST * _FEWEST)
        start = max(0, end - count)
        return samples[start : min(start + count, len(samples))]

    def _fit(self, sample: _Sample, rng: np.random.Generator) -> _Sample:
        """Bring a line to the height, wide enough for its text."""
        stretch = math.exp(rng.uniform(-0.12, 0.12))
        image = sample.image
        width = math.ceil(reading_width(image.shape[:2], self.height, self.narrow) * stretch)
        # CTC needs a step for each character, and a blank between two that are alike.
        alike = sum(a == b for a, b in zip(sample.text, sample.text[1:], strict=False))
        width = max(width, 4 * (len(sample.text) + alike) + 4, 8)
        size = (min(width, self.widest), self.height)
        spans = sample.spans
        if spans is not None:
            spans = spans * np.float32(size[0] / image.shape[1])
        return replace(sample, image=line_size(image, size), spans=spans)

    def _batch(self, samples: Sequence[_Sample]) -> LineBatch:
        classes = {character: number for number, character in enumerate(self.alphabet, start=1)}
        labels = np.zeros((len(samples), max(len(sample.text) for sample in samples)), np.int64)
        for row, sample in enumerate(samples):
            labels[row, : len(sample.text)] = [classes[character] for character in sample.text]
        images = pad_lines([sample.image for sample in samples])
        lengths = np.array([len(sample.text) for sample in samples])
        columns = np.full((len(samples), time_steps(images.shape[2])), UNKNOWN, np.int64)
        for row, sample in enumerate(samples):
            if sample.spans is not None:
                columns[row] = column_labels(
                    labels[row, : lengths[row]], sample.spans, columns.shape[1]
                )
        return LineBatch(
            images,
            labels,
            lengths,
            np.array([sample.case_free for sample in samples]),
            columns,
            [sample.name for sample in samples],
        )


@dataclass(frozen=True)
class DirectionBatch:
    """Lines, half of them upside down.

    Attributes:
        images: uint8 (N, H, W, 3).
        labels: int64 (N,): 0 upright, 1 turned by 180 degrees.
        names: What they are, for messages.
    """

    images: Image
    labels: NDArray[np.int64]
    names: list[str]


@dataclass(frozen=True)
class DirectionMaker:
    """Makes the batches of the direction classifier's training.

    Attributes:
        lines: The samples.
        piece: Lines of a batch.
        height: Of the lines, pixels.
        width: Likewise; shorter lines are padded, longer ones squeezed.
    """

    lines: LineSamples
    piece: int
    height: int = 48
    width: int = 192

    def __call__(self, job: int) -> DirectionBatch:
        """Batch number ``job``."""
        images = np.full((self.piece, self.height, self.width, 3), PAD, np.uint8)
        labels = np.zeros(self.piece, np.int64)
        names = []
        for row in range(self.piece):
            sample, rng = self.lines.draw(job * self.piece + row)
            image = sample.image
            labels[row] = rng.random() < 0.5
            if labels[row]:
                image = np.ascontiguousarray(image[::-1, ::-1])
            wide = math.ceil(self.height * image.shape[1] / image.shape[0])
            wide = min(max(wide, 1), self.width)
            images[row, :, :wide] = line_size(image, (wide, self.height))
            names.append(sample.name)
        return DirectionBatch(images, labels, names)


def _as_found(quad: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Move the sides of a labelled line by as much as a detector's are off; mostly outwards.

    By shares of the line's height: its ends by -0.2 to 0.25, its top and bottom by -0.12 to 0.22.
    Of 1,856 lines that the shipped detector found on 40 training receipts, the middle nine tenths
    lie from -0.19 to 0.22 and from -0.10 to 0.21.
    """
    along, down = quad[1] - quad[0], quad[3] - quad[0]
    height = float(np.linalg.norm(down))
    along = along / max(float(np.linalg.norm(along)), 1e-6) * height
    left, right = rng.uniform(-0.2, 0.25, 2)
    top, bottom = rng.uniform(-0.12, 0.22, 2)
    moves = (-left * along - top * down, right * along - top * down,
             right * along + bottom * down, -left * along + bottom * down)  # fmt: skip
    return quad + np.stack(moves).astype(np.float32)


def column_labels(
    classes: NDArray[np.int64], spans: NDArray[np.float32], steps: int
) -> NDArray[np.int64]:
    """What each step of a recogniser should show where the characters' places are known.

    A step looks at :data:`STRIDE` pixels. Those whose middle lies in the inner half of a character
    show it, at least the one nearest to the character's middle; all others show the blank, so that
    two equal neighbours stay apart.

    Args:
        classes: (L,), from 1 on.
        spans: (L, 2), first and last pixel of each character.
        steps: T.

    Returns:
        int64 (T,).

    Examples:
        >>> column_labels(np.array([7, 7]), np.array([[0, 16], [16, 32]], np.float32), 9).tolist()
        [0, 7, 7, 0, 0, 7, 7, 0, 0]
    """
    middles = (np.arange(steps) + 0.5) * STRIDE
    centres = spans.mean(axis=1)
    reach = (spans[:, 1] - spans[:, 0]) / 4
    away = np.abs(middles[None] - centres[:, None])  # (L, T)
    shown = away <= reach[:, None]
    nearest = np.clip((centres / STRIDE).astype(int), 0, steps - 1)
    shown[np.arange(len(classes)), nearest] = True
    winner = np.where(shown, away, np.inf).argmin(axis=0)
    return np.where(shown.any(axis=0), classes[winner], 0)


def batch_width(widest: int) -> int:
    """How wide a batch is whose widest line has that many pixels."""
    return next((width for width in WIDTHS if width >= widest), -(-widest // 160) * 160)


def line_size(image: Image, size: tuple[int, int]) -> Image:
    """Resize a line as the reader does it, to (width, height)."""
    if (image.shape[1], image.shape[0]) == size:
        return image
    return cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)  # type: ignore[return-value]


def pad_lines(images: Sequence[Image]) -> Image:
    """Stack lines of one height: uint8 (N, H, W, 3), W one of :data:`WIDTHS`."""
    width = batch_width(max(image.shape[1] for image in images))
    batch = np.full((len(images), images[0].shape[0], width, 3), PAD, np.uint8)
    for row, image in enumerate(images):
        batch[row, :, : image.shape[1]] = image
    return batch
