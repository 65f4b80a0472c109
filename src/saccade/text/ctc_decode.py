"""From the probabilities of a CTC recogniser to text, with where each character stands.

Class 0 is the blank; class k is character ``alphabet[k - 1]``. The greedy rule and its score are
those of ``PaddleOCR/ppocr/postprocess/rec_postprocess.py``; searches are in
:mod:`saccade.text.beam_search`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from saccade.errors import OptionError

__all__ = [
    "BLANK",
    "Character",
    "LineText",
    "check_probabilities",
    "collapse",
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
    check_probabilities(probabilities, 3, alphabet)
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


def check_probabilities(
    probabilities: np.ndarray, dimensions: int, alphabet: Sequence[str]
) -> None:
    """Raise OptionError unless the array has so many dimensions and a class for each character."""
    if probabilities.ndim != dimensions or probabilities.shape[-1] != len(alphabet) + 1:
        raise OptionError(
            f"probabilities have shape {probabilities.shape}; expected {dimensions} dimensions, "
            f"the last one {len(alphabet) + 1} long for an alphabet of {len(alphabet)} characters"
        )
