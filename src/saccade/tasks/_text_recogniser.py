"""The last stage of reading, usable alone: what a line says.

Runs our models or PP-OCR networks of others, see :mod:`saccade.tasks._text_graphs`. Recognisers are
immutable; any number of threads may share one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from saccade import zoo
from saccade.errors import ModelFileError
from saccade.tasks._text_graphs import (
    foreign_alphabet,
    open_text_graph,
    probe,
    read_dictionary,
)
from saccade.text.batches import cut_long, fill, plan
from saccade.text.beam_search import Speller, WordList, beam_search, decode_beam, line_of
from saccade.text.ctc_decode import LineText, decode_greedy
from saccade.text.letters import LetterModel
from saccade.text.second_look import ballot, elect, further_looks, second_look
from saccade.text.sizes import reading_width

__all__ = ["PlacedText", "TextRecogniser", "letter_model"]

_LONGEST = 80.0  # times its height; longer lines are read in pieces
_FOREIGN_HEIGHTS = (32, 48)
_BEAM = 6  # texts that are kept of a look
_TRIED = 8  # characters at a step of the search,
_LEAST = 0.01  # if they are so probable


@dataclass(frozen=True, slots=True)
class PlacedText(LineText):
    """What a line says, with where its characters are.

    Attributes:
        starts: Where the first step of each character begins, in parts of the line's width.
        ends: Where its last step ends.
    """

    starts: tuple[float, ...] = ()
    ends: tuple[float, ...] = ()


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

        A model says on its card below which score it doubts (``sure``); without it, never. Lines so
        long that they are read in pieces stay as they are.

        Args:
            crops: As of :meth:`read`.
            readings: What was read of each.

        Returns:
            The readings, some of them replaced.
        """
        doubtful = [
            index
            for index, said in enumerate(readings)
            if said.score < self._sure and len(cut_long(crops[index], _LONGEST)) == 1
        ]
        second = self.read_once([second_look(crops[index]) for index in doubtful])
        best = list(readings)
        for index, said in zip(doubtful, second, strict=True):
            if said.text != readings[index].text:
                crop = crops[index]
                looks = [crop, second_look(crop), *further_looks(crop)]
                best[index] = self._settle(looks) or readings[index]
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

    def _run(
        self, pieces: Sequence[NDArray[np.uint8]]
    ) -> Iterator[tuple[list[int], NDArray[np.float32], list[float]]]:
        """The probabilities (N, T, C) of batches: which pieces, and what part of each a step is."""
        widths = [reading_width(p.shape[:2], self.height, self._narrow) for p in pieces]
        for members, width in plan(widths):
            inner = [widths[index] for index in members]
            batch = fill([pieces[index] for index in members], inner, self.height, width)
            given = self._graph.run(batch)
            yield members, given, [width / given.shape[1] / across for across in inner]

    def _read_pieces(self, pieces: Sequence[NDArray[np.uint8]]) -> list[PlacedText]:
        readings = [PlacedText("", 0.0)] * len(pieces)
        for members, given, parts in self._run(pieces):
            for index, said, part in zip(members, self._decode(given), parts, strict=True):
                readings[index] = _placed(said, part)
        return readings

    def _decode(self, probabilities: NDArray[np.float32]) -> list[LineText]:
        lines = decode_greedy(probabilities, self.alphabet)
        if self._words is None:
            return lines
        found = (decode_beam(row, self.alphabet, words=self._words) for row in probabilities)
        return [
            better if better.text else plain for better, plain in zip(found, lines, strict=True)
        ]

    def _settle(self, looks: Sequence[NDArray[np.uint8]]) -> PlacedText | None:
        """What several looks at one line elect; None if they see nothing."""
        speller: Speller
        if self._words is None:
            speller = letters = letter_model()
            favour: Callable[[str], float] = letters.favour
        else:
            speller, favour = self._words, lambda _: 0.0
        seen = {
            index: (row, part)
            for members, given, parts in self._run(looks)
            for index, row, part in zip(members, given, parts, strict=True)
        }
        found = [
            beam_search(
                seen[index][0],
                self.alphabet,
                beam=_BEAM,
                candidates=_TRIED,
                least=_LEAST,
                speller=speller,
            )
            for index in range(len(looks))
        ]
        elected = elect([ballot(spellings, self.alphabet) for spellings in found], favour)
        if elected is None:
            return None
        text, look = elected
        row, part = seen[look]
        best = next(one for one in found[look] if one.text(self.alphabet) == text)
        return _placed(line_of(row, best.classes, self.alphabet), part)


@cache
def letter_model() -> LetterModel:
    """The letter model that is shipped."""
    with np.load(zoo.LETTERS) as file:
        return LetterModel(np.cumsum(file["gaps"], dtype=np.int64), file["counts"])


def _placed(said: LineText, part: float) -> PlacedText:
    """With where its characters are, if a step takes that part of the line."""
    return PlacedText(
        said.text,
        said.score,
        said.characters,
        tuple(min(1.0, c.start * part) for c in said.characters),
        tuple(min(1.0, c.end * part) for c in said.characters),
    )


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
