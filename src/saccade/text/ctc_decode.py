"""From the probabilities of a CTC recogniser to text, with where each character stands.

Class 0 is the blank; class k is character ``alphabet[k - 1]``. The greedy rule and its score are
those of ``PaddleOCR/ppocr/postprocess/rec_postprocess.py``; the beam search over prefixes is that
of Hannun et al. (arXiv 1408.2873, algorithm 1) without a language model.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from saccade.errors import OptionError

__all__ = [
    "BLANK",
    "Character",
    "LineText",
    "WordList",
    "collapse",
    "decode_beam",
    "decode_greedy",
    "force_align",
]

BLANK = 0


@dataclass(frozen=True, slots=True)
class Character:
    """One character of a line.

    Attributes:
        text: as in the alphabet.
        score: probability of its class where it begins.
        start: the first step that shows it.
        end: the step after the last one.
    """

    text: str
    score: float
    start: int
    end: int

    def span(self, steps: int, width: float) -> tuple[float, float]:
        """Where it stands, in pixels of a line ``width`` wide that had ``steps`` steps."""
        return self.start * width / steps, self.end * width / steps


@dataclass(frozen=True, slots=True)
class LineText:
    """What a line says.

    Attributes:
        text: the characters joined.
        score: mean score of the characters; 0 for an empty text.
        characters: from left to right.
    """

    text: str
    score: float
    characters: tuple[Character, ...] = ()


def decode_greedy(probabilities: np.ndarray, alphabet: Sequence[str]) -> list[LineText]:
    """Take the best class of every step.

    Args:
        probabilities: (N, T, C), softmax.
        alphabet: the C - 1 characters.

    Returns:
        One text a line.

    Raises:
        OptionError: shapes that don't fit the alphabet.
    """
    _check(probabilities, 3, alphabet)
    indices = probabilities.argmax(axis=2)
    best = np.take_along_axis(probabilities, indices[..., None], axis=2)[..., 0]
    return [collapse(line, scores, alphabet) for line, scores in zip(indices, best, strict=True)]


def collapse(indices: np.ndarray, scores: np.ndarray, alphabet: Sequence[str]) -> LineText:
    """Join equal neighbours, then leave out blanks.

    Args:
        indices: (T,) classes, one a step.
        scores: (T,) their probabilities; that of the first step of a run counts.
        alphabet: the characters of classes 1 and up.

    Examples:
        >>> steps, chances = [0, 5, 5, 0, 5, 7, 7, 0], [.99, .9, .8, .95, .7, .6, .65, .9]
        >>> line = collapse(np.array(steps), np.array(chances), "abcdefg")
        >>> line.text, round(line.score, 4), line.characters[0].end
        ('eeg', 0.7333, 3)
    """
    indices = np.asarray(indices)
    if not len(indices):
        return LineText("", 0.0)
    starts = np.flatnonzero(np.r_[True, indices[1:] != indices[:-1]])
    ends = np.r_[starts[1:], len(indices)]
    kept = indices[starts] != BLANK
    characters = tuple(
        Character(alphabet[index - 1], score, start, end)
        for index, score, start, end in zip(
            indices[starts[kept]].tolist(),
            np.asarray(scores, np.float64)[starts[kept]].tolist(),
            starts[kept].tolist(),
            ends[kept].tolist(),
            strict=True,
        )
    )
    text = "".join(character.text for character in characters)
    score = sum(character.score for character in characters) / max(len(characters), 1)
    return LineText(text, score, characters)


class WordList:
    """The words that a text may be made of.

    A word is a run of word characters, which are all the characters that occur in the list, and the
    letters. Other characters (spaces, digits, marks) stand where they like, unless the list has
    them in a word.

    Args:
        words: as they are written; ``"Total"`` does not allow ``"total"``.

    Raises:
        OptionError: no word, or an empty one.
    """

    def __init__(self, words: Iterable[str]) -> None:
        self._words = frozenset(words)
        if not self._words or "" in self._words:
            raise OptionError("a word list without words, or with an empty one; give some words")
        self._characters = frozenset(c for word in self._words for c in word)
        self._beginnings = frozenset(
            word[:length] for word in self._words for length in range(len(word) + 1)
        )

    def belongs(self, character: str) -> bool:
        """Whether a character is part of words."""
        return character in self._characters or character.isalpha()

    def begins(self, part: str) -> bool:
        """Whether a word of the list begins so."""
        return part in self._beginnings

    def __contains__(self, word: object) -> bool:
        return word in self._words


# A prefix of the search: its classes, and the word at its end as far as it goes.
_Prefix = tuple[tuple[int, ...], str]


def decode_beam(
    probabilities: np.ndarray,
    alphabet: Sequence[str],
    *,
    beam: int = 10,
    candidates: int = 20,
    words: WordList | None = None,
) -> LineText:
    """Search for the most probable text, all its alignments taken together.

    Args:
        probabilities: (T, C) of one line, softmax.
        alphabet: the C - 1 characters.
        beam: how many prefixes are kept at every step.
        candidates: how many characters are tried at every step.
        words: if given, the text is made of these words; empty where no such text is in reach.

    Returns:
        The text; its characters and scores are those of its best alignment.

    Raises:
        OptionError: shapes that don't fit the alphabet, or a beam below 1.
    """
    _check(probabilities, 2, alphabet)
    if beam < 1 or candidates < 1:
        raise OptionError(f"beam {beam} with {candidates} candidates: expected at least 1 of each")
    with np.errstate(divide="ignore"):
        logs = np.log(probabilities.astype(np.float64))
    nothing = (-math.inf, -math.inf)
    # Log probability of each prefix that ends in a blank, and that ends in its last character.
    beams: dict[_Prefix, tuple[float, float]] = {((), ""): (0.0, -math.inf)}
    for step in logs:
        tried = np.argsort(-step[1:], kind="stable")[:candidates] + 1
        grown: dict[_Prefix, tuple[float, float]] = defaultdict(lambda: nothing)
        for prefix, (blank, other) in beams.items():
            classes, _ = prefix
            total = _add(blank, other)
            _put(grown, prefix, total + step[BLANK], -math.inf)
            if classes:
                _put(grown, prefix, -math.inf, other + step[classes[-1]])
            for index in tried.tolist():
                if step[index] == -math.inf:
                    continue
                longer = _extend(prefix, index, alphabet[index - 1], words)
                if longer is not None:
                    again = bool(classes) and classes[-1] == index
                    _put(grown, longer, -math.inf, (blank if again else total) + step[index])
        reached = [item for item in grown.items() if _add(*item[1]) > -math.inf]
        beams = dict(sorted(reached, key=lambda item: -_add(*item[1]))[:beam])
    finished = [
        (_add(*chance), classes)
        for (classes, word), chance in beams.items()
        if words is None or not word or word in words
    ]
    if not finished:
        return LineText("", 0.0)
    classes = max(finished, key=lambda item: item[0])[1]
    path = force_align(probabilities, classes)
    assert path is not None
    return collapse(path, probabilities[np.arange(len(path)), path], alphabet)


def force_align(probabilities: np.ndarray, classes: Sequence[int]) -> np.ndarray | None:
    """Find the most probable way in which a line spells given classes (Viterbi).

    Args:
        probabilities: (T, C), softmax.
        classes: the text as classes, without blanks.

    Returns:
        int64 (T,), a class for each step; ``None`` if the steps are too few or all ways have
        probability 0.
    """
    with np.errstate(divide="ignore"):
        logs = np.log(np.asarray(probabilities, np.float64))
    states = np.full(2 * len(classes) + 1, BLANK)  # blank, character, blank, ..., blank
    states[1::2] = classes
    skip = np.zeros(len(states), bool)  # a blank between different characters may be left out
    skip[3::2] = states[3::2] != states[1:-2:2]
    best = np.full(len(states), -np.inf)
    best[:2] = logs[0, states[:2]] if len(logs) else -np.inf
    came = np.zeros((len(logs), len(states)), np.int64)
    for step in range(1, len(logs)):
        ways = np.full((3, len(states)), -np.inf)
        ways[0] = best
        ways[1, 1:] = best[:-1]
        ways[2, 2:] = np.where(skip[2:], best[:-2], -np.inf)
        came[step] = ways.argmax(axis=0)
        best = ways.max(axis=0) + logs[step, states]
    ends = range(max(len(states) - 2, 0), len(states))
    state = max(ends, key=lambda end: best[end])
    if best[state] == -np.inf:
        return None
    path = np.zeros(len(logs), np.int64)
    for step in range(len(logs) - 1, -1, -1):
        path[step] = states[state]
        state -= came[step, state]
    return path


def _extend(prefix: _Prefix, index: int, character: str, words: WordList | None) -> _Prefix | None:
    """Put a character behind a prefix, if the words allow it."""
    classes, word = prefix
    if words is None:
        return (*classes, index), ""
    if words.belongs(character):
        return ((*classes, index), word + character) if words.begins(word + character) else None
    return ((*classes, index), "") if not word or word in words else None


def _put(
    beams: dict[_Prefix, tuple[float, float]], prefix: _Prefix, blank: float, other: float
) -> None:
    before = beams[prefix]
    beams[prefix] = (_add(before[0], blank), _add(before[1], other))


def _add(one: float, two: float) -> float:
    """log(exp(one) + exp(two))."""
    if one < two:
        one, two = two, one
    return one if two == -math.inf else one + math.log1p(math.exp(two - one))


def _check(probabilities: np.ndarray, dimensions: int, alphabet: Sequence[str]) -> None:
    if probabilities.ndim != dimensions or probabilities.shape[-1] != len(alphabet) + 1:
        raise OptionError(
            f"probabilities have shape {probabilities.shape}; expected {dimensions} dimensions, "
            f"the last one {len(alphabet) + 1} long for an alphabet of {len(alphabet)} characters"
        )
