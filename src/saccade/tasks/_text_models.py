"""The three stages of reading, usable alone: find lines, see which way up they are, read them.

Each runs one of our models or a PP-OCR network of others, see :mod:`saccade.tasks._text_graphs`.
All are immutable; any number of threads may share one.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from saccade.errors import ModelFileError
from saccade.tasks._text_graphs import (
    foreign_alphabet,
    open_text_graph,
    probe,
    read_dictionary,
)
from saccade.text.batches import cut_long, plan
from saccade.text.ctc_decode import LineText, WordList, decode_beam, decode_greedy
from saccade.text.db_decode import DBOptions, Quads, decode_quads
from saccade.text.ink import fit_to_ink
from saccade.text.rotation import sides
from saccade.text.second_look import elect, further_looks, second_look
from saccade.text.sizes import reading_width, resized_width
from saccade.text.tiling import OVERLAP, stitch

__all__ = ["PlacedText", "TextDetector", "TextDirection", "TextRecogniser"]

_GREY = 127  # stands for zero after normalisation

# Detection
_LIMIT = 960
_MAX_REGIONS = 20_000
_MARGIN = 8  # pixels around the picture, so that text that touches its border is text like any
_COARSEST = 0.5  # a picture is made smaller by at most this; what is still larger goes in tiles
_FINEST = 2.0
_SMALL_TEXT = 12.0  # lines lower than this, as the network sees them, are looked at again,
_GOOD_TEXT = 20.0  # enlarged to this
_WORTH_IT = 1.2
_FLAT = 24  # a picture whose values differ by less is blank
_MOST_SECOND_LOOK = 24_000_000  # pixels
_MOST_PIXELS = 200_000_000
# Tighter than RapidOCR's (1.6 after a dilation): at our scale its boxes come out too large. With
# PP-OCRv6 small on ten receipts of SROIE, detection hmean is 0.93 so and 0.80 with RapidOCR's.
_FOREIGN_OPTIONS = DBOptions(
    threshold=0.3, box_threshold=0.5, unclip_ratio=1.4, max_candidates=_MAX_REGIONS
)

# Direction
_DIRECTION_SIZE = (48, 192)
_DIRECTION_BATCH = 32

# Recognition
_LONGEST = 80.0  # times its height; longer lines are read in pieces
_FOREIGN_HEIGHTS = (32, 48)


@dataclass(frozen=True, slots=True)
class PlacedText(LineText):
    """What a line says, with where its characters are.

    Attributes:
        starts: Where the first step of each character begins, in parts of the line's width.
        ends: Where its last step ends.
    """

    starts: tuple[float, ...] = ()
    ends: tuple[float, ...] = ()


class TextDetector:
    """Finds lines of text.

    Args:
        model: Name of a shipped model or an ``.onnx`` file; None for the default.
        runtime: See :func:`saccade.runtime.open_session`.
        threads: Likewise.

    Raises:
        ModelError: The model cannot serve.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        *,
        runtime: str = "onnxruntime",
        threads: int | None = None,
    ) -> None:
        self._graph = open_text_graph(
            model, task="text_detect", output="probability", runtime=runtime, threads=threads
        )
        shape = self._graph.session.input_shape
        if any(
            side is not None for side in (shape[2:] if self._graph.card is None else shape[1:3])
        ):
            raise ModelFileError(
                f"{self._graph.path}: takes pictures of {shape} only; expected a text detector "
                "that takes any height and width"
            )
        self._limit, self._least = _LIMIT, 0.0
        self._gap, self._margin = 0.0, 0.0
        self._options = _FOREIGN_OPTIONS
        if self._graph.card is not None:
            values = self._graph.card.thresholds
            self._limit = max(2 * OVERLAP, int(values.get("limit", _LIMIT)) // 32 * 32)
            self._least = values.get("least", 0.0)
            self._gap, self._margin = values.get("gap", 0.0), values.get("margin", 0.0)
            self._options = DBOptions(
                threshold=values.get("threshold", 0.3),
                box_threshold=values.get("box_threshold", 0.6),
                unclip_ratio=values.get("unclip_ratio", 1.5),
                max_candidates=_MAX_REGIONS,
            )

    def find(self, image: NDArray[np.uint8]) -> Quads:
        """Find the lines of a picture.

        It is made smaller until it fits the limit of the model, but at most to a half; what is
        larger is looked at in tiles. Where the model asks for a shorter side of at least so many
        pixels, a smaller picture is enlarged, up to twice. Where the lines that come out are too
        low to be seen well, it is looked at again, larger. Where the model names a gap, lines are
        fitted to their ink at last.

        Args:
            image: uint8 RGB ``(H, W, 3)`` of any size.

        Returns:
            Quads in pixels of the picture, from top left clockwise, and their scores.
        """
        height, width = image.shape[:2]
        inner = self._limit - 2 * _MARGIN
        scale = min(1.0, max(inner / max(height, width), _COARSEST))
        scale = max(scale, min(self._least / min(height, width), _FINEST))
        scale = min(scale, math.sqrt(_MOST_PIXELS / (height * width)))
        found = self._look(image, scale)
        if not len(found.quads) and int(image.max()) - int(image.min()) < _FLAT:
            return found
        finer = self._finer(found, scale, height, width)
        if finer >= _WORTH_IT * scale:
            found = self._look(image, finer)
        if not self._gap:
            return found
        fitted = fit_to_ink(image, found.quads, gap=self._gap, margin=self._margin)
        return Quads(fitted.quads, found.scores[fitted.origins])

    def probability(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The plain map, of a picture whose sides are multiples of 32, float32 ``(H, W)``."""
        given = self._graph.run(image[None])
        plane: NDArray[np.float32] = given[0, 0] if given.ndim == 4 else given[0]
        if plane.shape != image.shape[:2]:
            raise ModelFileError(
                f"{self._graph.path}: gives a map of {given.shape} for a picture {image.shape}; "
                "expected a text detector"
            )
        return plane

    def __repr__(self) -> str:
        return f"TextDetector({str(self._graph.path)!r})"

    def _look(self, image: NDArray[np.uint8], scale: float) -> Quads:
        height, width = image.shape[:2]
        rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
        small = image
        if (rows, columns) != (height, width):
            way = cv2.INTER_LINEAR if scale >= 0.5 else cv2.INTER_AREA
            small = np.asarray(cv2.resize(image, (columns, rows), interpolation=way), np.uint8)
        padded = _pad(small)
        seen = stitch(padded, self._limit, self.probability)
        quads, scores = decode_quads(seen, seen.shape[:2], self._options)
        if not len(quads):
            return Quads(quads, scores)
        quads = (quads - _MARGIN) * np.array([width / columns, height / rows], np.float32)
        quads = np.clip(quads, 0, np.array([width, height], np.float32))
        across, down = sides(quads)
        kept = (across >= 2) & (down >= 2)
        return Quads(quads[kept], scores[kept])

    def _finer(self, found: Quads, scale: float, height: int, width: int) -> float:
        """The scale at which a second look would see better."""
        most = min(_FINEST, math.sqrt(_MOST_SECOND_LOOK / (height * width)))
        if not len(found.quads):
            # Small pictures are worth a second look; for large ones it would take too long.
            return min(most, 2 * scale, self._limit / math.sqrt(height * width))
        across, down = sides(found.quads)
        lower = float(np.median(np.minimum(across, down))) * scale
        return min(most, scale * _GOOD_TEXT / lower) if lower < _SMALL_TEXT else scale


class TextDirection:
    """Says which lines stand on their heads.

    Args:
        model: Name of a shipped model or an ``.onnx`` file; None for the default.
        runtime: See :func:`saccade.runtime.open_session`.
        threads: Likewise.

    Raises:
        ModelError: The model cannot serve.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        *,
        runtime: str = "onnxruntime",
        threads: int | None = None,
    ) -> None:
        self._graph = open_text_graph(
            model, task="text_direction", output="probabilities", runtime=runtime, threads=threads
        )
        shape, card = self._graph.session.input_shape, self._graph.card
        first = 2 if card is None else 1
        rows, columns = shape[first], shape[first + 1]
        self._size = rows or _DIRECTION_SIZE[0], columns or _DIRECTION_SIZE[1]
        self.threshold = 0.9 if card is None else card.thresholds.get("threshold", 0.9)

    def classify(self, crops: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """See which way up lines are.

        Args:
            crops: uint8 RGB ``(h, w, 3)`` each.

        Returns:
            float32 ``(N,)``, the probability that a line must be turned by 180 degrees; believe
            it above :attr:`threshold`.
        """
        height, width = self._size
        turned = np.empty(len(crops), np.float32)
        for start in range(0, len(crops), _DIRECTION_BATCH):
            part = crops[start : start + _DIRECTION_BATCH]
            widths = [resized_width(crop.shape[:2], width, height) for crop in part]
            given = self._graph.run(_fill(part, widths, height, width))
            if given.shape != (len(part), 2):
                raise ModelFileError(
                    f"{self._graph.path}: gives {given.shape} for {len(part)} lines; expected a "
                    "direction classifier, which gives two numbers a line"
                )
            turned[start : start + len(part)] = given[:, 1]
        return turned

    def __repr__(self) -> str:
        return f"TextDirection({str(self._graph.path)!r})"


class TextRecogniser:
    """Reads lines.

    Args:
        model: Name of a shipped model or an ``.onnx`` file; None for the default.
        dictionary: For a network of others that does not carry its characters: a file with them,
            one a line.
        words: If given, texts are made of these words, found by beam search; where no such text is
            in reach, the plain reading stays.
        runtime: See :func:`saccade.runtime.open_session`.
        threads: Likewise.

    Raises:
        ModelError: The model cannot serve.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        *,
        dictionary: str | os.PathLike[str] | None = None,
        words: Iterable[str] | None = None,
        runtime: str = "onnxruntime",
        threads: int | None = None,
    ) -> None:
        self._graph = open_text_graph(
            model, task="text_recognise", output="probabilities", runtime=runtime, threads=threads
        )
        self._words = None if words is None else WordList(words)
        card = self._graph.card
        if card is None:
            given = None if dictionary is None else read_dictionary(dictionary)
            self.height, classes = probe(self._graph, _FOREIGN_HEIGHTS)
            self.alphabet = foreign_alphabet(self._graph, given, classes)
            self.drop_score, self._narrow, self._sure = 0.5, 0.0, 0.0
        else:
            if dictionary is not None:
                raise ModelFileError(
                    f"{self._graph.path}: its card holds its alphabet; leave out the dictionary"
                )
            self.height = card.prepare.height
            self.alphabet = card.labels
            self.drop_score = card.thresholds.get("drop_score", 0.5)
            self._narrow = card.thresholds.get("narrow", 0.0)
            self._sure = card.thresholds.get("sure", 0.0)

    def read(self, crops: Sequence[NDArray[np.uint8]]) -> list[PlacedText]:
        """Read lines; those that are read with doubt more than once.

        Args:
            crops: uint8 RGB ``(h, w, 3)`` each, of any size, pulled straight.

        Returns:
            What each says; nothing recognised is an empty text.
        """
        return self.look_again(crops, self.read_once(crops))

    def look_again(
        self, crops: Sequence[NDArray[np.uint8]], readings: Sequence[PlacedText]
    ) -> list[PlacedText]:
        """Read what was read with doubt in other ways, see :mod:`saccade.text.second_look`.

        A model says on its card below which score it doubts (``sure``); without it, never.

        Args:
            crops: As of :meth:`read`.
            readings: What was read of each.

        Returns:
            The readings, some of them replaced.
        """
        best = list(readings)
        doubtful = [index for index, said in enumerate(readings) if said.score < self._sure]
        second = self.read_once([second_look(crops[index]) for index in doubtful])
        seen = {index: [best[index], said] for index, said in zip(doubtful, second, strict=True)}
        open_ones = [index for index, (one, two) in seen.items() if one.text != two.text]
        looks = [further_looks(crops[index]) for index in open_ones]
        texts = iter(self.read_once([look for some in looks for look in some]))
        for index, some in zip(open_ones, looks, strict=True):
            seen[index] += [next(texts) for _ in some]
        for index, said in seen.items():
            best[index] = said[elect([(reading.text, reading.score) for reading in said])]
        return best

    def read_once(self, crops: Sequence[NDArray[np.uint8]]) -> list[PlacedText]:
        """Read lines at one look; like :meth:`read` otherwise."""
        pieces: list[NDArray[np.uint8]] = []
        owners: list[tuple[int, float, float]] = []  # line; where the piece begins and its share
        for index, crop in enumerate(crops):
            width = crop.shape[1]
            for start, end in cut_long(crop, _LONGEST):
                pieces.append(crop[:, start:end])
                owners.append((index, start / width, (end - start) / width))
        readings = self._read_pieces(pieces)
        parts: list[list[PlacedText]] = [[] for _ in crops]
        for (index, begin, share), reading in zip(owners, readings, strict=True):
            parts[index].append(_moved(reading, begin, share))
        return [_joined(part) for part in parts]

    def __repr__(self) -> str:
        return f"TextRecogniser({str(self._graph.path)!r}, {len(self.alphabet)} characters)"

    def _read_pieces(self, pieces: Sequence[NDArray[np.uint8]]) -> list[PlacedText]:
        widths = [reading_width(p.shape[:2], self.height, self._narrow) for p in pieces]
        readings = [PlacedText("", 0.0)] * len(pieces)
        for members, width in plan(widths):
            inner = [widths[index] for index in members]
            batch = _fill([pieces[index] for index in members], inner, self.height, width)
            given = self._graph.run(batch)
            steps = given.shape[1]
            for index, said in zip(members, self._decode(given), strict=True):
                part = width / steps / widths[index]  # of the line that a step takes
                readings[index] = PlacedText(
                    said.text,
                    said.score,
                    said.characters,
                    tuple(min(1.0, c.start * part) for c in said.characters),
                    tuple(min(1.0, c.end * part) for c in said.characters),
                )
        return readings

    def _decode(self, probabilities: NDArray[np.float32]) -> list[LineText]:
        lines = decode_greedy(probabilities, self.alphabet)
        if self._words is None:
            return lines
        found = (decode_beam(row, self.alphabet, words=self._words) for row in probabilities)
        return [
            better if better.text else plain for better, plain in zip(found, lines, strict=True)
        ]


def _pad(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Put a margin around a picture, in the colour of its rim; sides become multiples of 32."""
    height, width = image.shape[:2]
    below, right = (-(side + 2 * _MARGIN) % 32 + _MARGIN for side in (height, width))
    rim = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    color = [int(value) for value in np.median(rim, axis=0)]
    return np.asarray(
        cv2.copyMakeBorder(image, _MARGIN, below, _MARGIN, right, cv2.BORDER_CONSTANT, value=color),
        np.uint8,
    )


def _fill(
    crops: Sequence[NDArray[np.uint8]], widths: Sequence[int], height: int, width: int
) -> NDArray[np.uint8]:
    """Lay lines into a batch, each as wide as ``widths`` says."""
    batch = np.full((len(crops), height, width, 3), _GREY, np.uint8)
    for row, crop, across in zip(batch, crops, widths, strict=True):
        row[:, :across] = cv2.resize(crop, (across, height), interpolation=cv2.INTER_LINEAR)
    return batch


def _moved(reading: PlacedText, start: float, share: float) -> PlacedText:
    if share == 1.0:
        return reading
    move: Callable[[float], float] = lambda at: start + at * share  # noqa: E731
    return PlacedText(
        reading.text,
        reading.score,
        reading.characters,
        tuple(map(move, reading.starts)),
        tuple(map(move, reading.ends)),
    )


def _joined(parts: Sequence[PlacedText]) -> PlacedText:
    """One line from its pieces."""
    if len(parts) == 1:
        return parts[0]
    characters = tuple(character for part in parts for character in part.characters)
    score = sum(character.score for character in characters) / max(1, len(characters))
    return PlacedText(
        "".join(part.text for part in parts),
        score,
        characters,
        tuple(at for part in parts for at in part.starts),
        tuple(at for part in parts for at in part.ends),
    )
