"""Search for the most probable texts of a line, all their alignments taken together.

The search over prefixes is that of Hannun et al. (arXiv 1408.2873, algorithm 1). What may follow a
prefix, and what that weighs beside the probabilities, is told by a `Speller`: a list of words, or a
letter model (:mod:`saccade.text.letters`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from saccade.errors import OptionError
from saccade.text.ctc_decode import (
    BLANK,
    LineText,
    check_probabilities,
    collapse,
    force_align,
)

__all__ = ["Speller", "Spelling", "WordList", "beam_search", "decode_beam", "line_of"]


class Speller(Protocol):
    """What spelling knows of a prefix is a state, from ``start`` on."""

    start: str

    def follow(self, state: str, character: str) -> tuple[str, float] | None:
        """The state with a character behind it, and its weight (a logarithm); None: not allowed."""

    def may_end(self, state: str) -> bool:
        """Whether a text may end here."""


@dataclass(frozen=True, slots=True)
class Spelling:
    """A text that a search has found.

    Attributes:
        classes: its characters.
        log_probability: of all its alignments that the search has seen.
        weight: what the speller adds to that.
    """

    classes: tuple[int, ...]
    log_probability: float
    weight: float

    @property
    def total(self) -> float:
        """By which spellings are ranked."""
        return self.log_probability + self.weight

    def text(self, alphabet: Sequence[str]) -> str:
        """Its characters, joined."""
        return "".join(alphabet[index - 1] for index in self.classes)


class WordList:
    """The words that a text may be made of; a `Speller`.

    A word is a run of word characters, which are all the characters that occur in the list, and the
    letters. Other characters (spaces, digits, marks) stand where they like, unless the list has
    them in a word.

    Args:
        words: as they are written; ``"Total"`` does not allow ``"total"``.

    Raises:
        OptionError: no word, or an empty one.
    """

    start = ""

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

    def follow(self, state: str, character: str) -> tuple[str, float] | None:
        """Go on with the word, or end it if it is one of the list."""
        if self.belongs(character):
            return (state + character, 0.0) if self.begins(state + character) else None
        return ("", 0.0) if self.may_end(state) else None

    def may_end(self, state: str) -> bool:
        """Not within a word."""
        return not state or state in self._words

    def __contains__(self, word: object) -> bool:
        return word in self._words


@dataclass(slots=True)
class _Prefix:
    """Log probabilities of a prefix that ends in a blank, in its last character, and of both."""

    weight: float
    state: str
    blank: float = -math.inf
    other: float = -math.inf
    total: float = -math.inf


def beam_search(
    probabilities: np.ndarray,
    alphabet: Sequence[str],
    *,
    beam: int = 10,
    candidates: int = 20,
    least: float = 0.0,
    speller: Speller | None = None,
) -> list[Spelling]:
    """Search for the most probable texts.

    Args:
        probabilities: (T, C) of one line, softmax.
        alphabet: the C - 1 characters.
        beam: how many prefixes are kept at every step.
        candidates: how many characters are tried at every step.
        least: what is less probable than that is not tried at a step.
        speller: what texts may be, and what they weigh.

    Returns:
        At most ``beam`` of them, the best first; none where the speller allows none in reach.

    Raises:
        OptionError: shapes that don't fit the alphabet, or a beam below 1.
    """
    check_probabilities(probabilities, 2, alphabet)
    if beam < 1 or candidates < 1:
        raise OptionError(f"beam {beam} with {candidates} candidates: expected at least 1 of each")
    with np.errstate(divide="ignore"):
        logs = np.log(probabilities.astype(np.float64))
    bound = math.log(least) if least > 0 else -math.inf
    beams: dict[tuple[int, ...], _Prefix] = {
        (): _Prefix(0.0, "" if speller is None else speller.start, blank=0.0, total=0.0)
    }
    for step, tried in zip(logs, _tried(logs, candidates, bound), strict=True):
        row = step.tolist()
        grown: dict[tuple[int, ...], _Prefix] = {}
        for classes, prefix in beams.items():
            total = prefix.total
            same = grown.get(classes)
            if same is None:
                same = grown[classes] = _Prefix(prefix.weight, prefix.state)
            same.blank = _add(same.blank, total + row[BLANK])
            if classes:
                same.other = _add(same.other, prefix.other + row[classes[-1]])
            for index in tried:
                longer = (*classes, index)
                extended = grown.get(longer)
                if extended is None:
                    followed = _follow(speller, prefix, alphabet[index - 1])
                    if followed is None:
                        continue
                    extended = grown[longer] = followed
                again = bool(classes) and classes[-1] == index
                before = prefix.blank if again else total
                extended.other = _add(extended.other, before + row[index])
        for prefix in grown.values():
            prefix.total = _add(prefix.blank, prefix.other)
        reached = [item for item in grown.items() if item[1].total > -math.inf]
        reached.sort(key=_rank, reverse=True)
        beams = dict(reached[:beam])
    return [
        Spelling(classes, prefix.total, prefix.weight)
        for classes, prefix in beams.items()
        if speller is None or speller.may_end(prefix.state)
    ]


def decode_beam(
    probabilities: np.ndarray,
    alphabet: Sequence[str],
    *,
    beam: int = 10,
    candidates: int = 20,
    words: WordList | None = None,
) -> LineText:
    """The most probable text of a line, if given made of certain words; see `beam_search`.

    Returns:
        The text; its characters and scores are those of its best alignment. Empty where no such
        text is in reach.

    Raises:
        OptionError: shapes that don't fit the alphabet, or a beam below 1.
    """
    found = beam_search(probabilities, alphabet, beam=beam, candidates=candidates, speller=words)
    return line_of(probabilities, found[0].classes, alphabet) if found else LineText("", 0.0)


def line_of(probabilities: np.ndarray, classes: Sequence[int], alphabet: Sequence[str]) -> LineText:
    """A text with the characters and scores of its best alignment."""
    path = force_align(probabilities, classes)
    assert path is not None
    return collapse(path, probabilities[np.arange(len(path)), path], alphabet)


def _tried(logs: np.ndarray, candidates: int, bound: float) -> list[list[int]]:
    """The likeliest characters of each step, as classes."""
    found: list[list[int]] = [[] for _ in logs]
    for step, index in np.argwhere(logs[:, 1:] > bound).tolist():
        found[step].append(index + 1)
    for step, tried in enumerate(found):
        if len(tried) > candidates:
            found[step] = sorted(tried, key=logs[step].__getitem__, reverse=True)[:candidates]
    return found


def _follow(speller: Speller | None, prefix: _Prefix, character: str) -> _Prefix | None:
    """A longer prefix, if the speller allows it; nothing is known of its probability yet."""
    if speller is None:
        return _Prefix(0.0, "")
    followed = speller.follow(prefix.state, character)
    return None if followed is None else _Prefix(prefix.weight + followed[1], followed[0])


def _rank(item: tuple[tuple[int, ...], _Prefix]) -> float:
    return item[1].total + item[1].weight


def _add(one: float, two: float) -> float:
    """log(exp(one) + exp(two))."""
    if one < two:
        one, two = two, one
    return one if two == -math.inf else one + math.log1p(math.exp(two - one))
