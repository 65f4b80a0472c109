"""How likely letters follow each other in words: a letter model of 5-grams.

Case and accents count for nothing, all digits are one letter, and anything else ends a word. The
estimate of a letter from the four before it falls back on the three before it, and so on:

    p_n(x | c) = (count(c x) + k p_{n-1}(x | c')) / (count(c) + k)

with c' = c without its first letter (a Dirichlet prior: MacKay and Peto, "A hierarchical Dirichlet
language model", 1995), p_0 = 1/28, and one k for all.
"""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["LetterModel", "count_grams", "letter_of"]

_LETTERS = " 0abcdefghijklmnopqrstuvwxyz"  # end of a word, any digit, letters
_NUMBER = {letter: number for number, letter in enumerate(_LETTERS)}
_SIZE = len(_LETTERS)
_ORDER = 5
_BEFORE = " " * (_ORDER - 1)  # a word
_PRIOR = 5.0  # k

# In a search: what a letter weighs beside what the picture says, and what each is worth, or long
# words would lose. Chosen on words of signs and packages.
_WEIGHT = 0.4
_BONUS = 0.95


@lru_cache(maxsize=4096)
def letter_of(character: str) -> str:
    """What a character is to the model: a to z, ``0`` for digits, a blank for anything else."""
    base = unicodedata.normalize("NFKD", character)[:1].lower()
    return "0" if base.isdigit() else base if base in _NUMBER else " "


def count_grams(words: Iterable[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count five letters in a row, four blanks before and one behind each word included.

    Returns:
        Codes, ascending, and how often each comes. Letters are the digits of a code to the base
        28: first the last of the five, then those before it, from the nearest to the farthest. So
        what follows the nearest one, two or three is a range of codes.
    """
    counts: Counter[int] = Counter()
    for word in words:
        for part in "".join(map(letter_of, word)).split():
            numbers = [_NUMBER[letter] for letter in f"{_BEFORE}{part} "]
            for end in range(_ORDER, len(numbers) + 1):
                code = 0
                for number in reversed(numbers[end - _ORDER : end]):
                    code = code * _SIZE + number
                counts[code] += 1
    codes = np.array(sorted(counts), np.int64)
    return codes, np.array([counts[code] for code in codes.tolist()], np.int64)


class LetterModel:
    """The letter model of counted words; a `Speller` for searches.

    Args:
        codes: Of `count_grams`.
        counts: Likewise.

    Example:
        >>> model = LetterModel(*count_grams(["bath", "bathroom", "path"]))
        >>> model.favour("BATH") > model.favour("dath") > model.favour("xqzv")
        True
    """

    start = _BEFORE

    def __init__(self, codes: NDArray[np.int64], counts: NDArray[np.int64]) -> None:
        self._grams = _Ranges(codes, counts)
        before = codes % _SIZE ** (_ORDER - 1)
        order = np.argsort(before, kind="stable")
        self._before = _Ranges(before[order], counts[order])
        self.log_probability = lru_cache(maxsize=1 << 14)(self._log_probability)

    def _log_probability(self, before: str, letter: str) -> float:
        """The logarithm of p(letter | the four letters before it)."""
        gram, context = _NUMBER[letter], 0
        chance = 1.0 / _SIZE
        for length in range(_ORDER):
            if length:
                number = _NUMBER[before[-length]]
                gram, context = gram * _SIZE + number, context * _SIZE + number
            free = _SIZE ** (_ORDER - 1 - length)
            found = self._grams.total(gram * free, (gram + 1) * free)
            all_found = self._before.total(context * free, (context + 1) * free)
            chance = (found + _PRIOR * chance) / (all_found + _PRIOR)
        return math.log(chance)

    def favour(self, text: str) -> float:
        """The mean logarithm of the probability of its letters, ends of words among them.

        Without any letter, that of a letter that may be any.
        """
        logs = []
        for word in "".join(map(letter_of, text)).split():
            before = _BEFORE
            for letter in f"{word} ":
                logs.append(self.log_probability(before, letter))
                before = before[1:] + letter
        return sum(logs) / len(logs) if logs else -math.log(_SIZE)

    def follow(self, state: str, character: str) -> tuple[str, float]:
        """The four last letters with one more behind them, and what it weighs in a search."""
        letter = letter_of(character)
        if letter == " " == state[-1]:  # marks between words weigh nothing
            return state, 0.0
        weight = _WEIGHT * self.log_probability(state, letter) + _BONUS
        return (_BEFORE if letter == " " else state[1:] + letter), weight

    def may_end(self, state: str) -> bool:
        """Always: it rules nothing out."""
        return True


class _Ranges:
    """Sums of counts between two codes."""

    def __init__(self, codes: NDArray[np.int64], counts: NDArray[np.int64]) -> None:
        self._codes = codes
        self._sums = np.concatenate([[0], np.cumsum(counts)])

    def total(self, low: int, high: int) -> int:
        first, end = np.searchsorted(self._codes, (low, high))
        return int(self._sums[end] - self._sums[first])
