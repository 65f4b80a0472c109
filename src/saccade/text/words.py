"""Where the characters and words of a line stand, from the steps of a CTC recogniser.

A recogniser marks a character at the step where it is surest of it, often a single one, and gives
blanks around it. So a character is taken to reach halfway to its neighbours, and the outermost ones
as far as characters of this line usually reach.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import median

import numpy as np

__all__ = ["character_spans", "quad_slices", "word_slices"]

_WIDEST = 1.5  # half widths of a common letter that a letter at the end of a word may reach


def character_spans(
    starts: Sequence[float], ends: Sequence[float], is_space: Sequence[bool]
) -> list[tuple[float, float]]:
    """Say from where to where each character of a line reaches.

    Args:
        starts: where the first step of each begins, as parts of the line's width; N numbers.
        ends: where its last step ends.
        is_space: whether it is a space: its neighbours are kept from growing far into it.

    Returns:
        N stretches from left to right, within 0..1.

    Examples:
        >>> character_spans([0.125, 0.375], [0.25, 0.5], [False, False])
        [(0.0, 0.3125), (0.3125, 0.625)]
    """
    # Plain numbers: for the few characters of a line NumPy takes longer to start.
    centres = [(start + end) / 2 for start, end in zip(starts, ends, strict=True)]
    if len(centres) < 2:
        return [(0.0, 1.0) for _ in centres]
    advances = [after - before for before, after in pairwise(centres)]
    letters = [
        advance
        for advance, before, after in zip(advances, is_space, is_space[1:], strict=False)
        if not (before or after)
    ]
    reach = _WIDEST * median(letters or advances) / 2
    edges = [centres[0] - reach, *(a + (b - a) / 2 for a, b in pairwise(centres))]
    edges.append(centres[-1] + reach)
    for index, space in enumerate(is_space):
        if not space:
            continue
        # The middle between a letter and a space lies inside the space; the letter ends before.
        if index > 0 and not is_space[index - 1]:
            edges[index] = min(edges[index], centres[index - 1] + reach)
        if index + 1 < len(centres) and not is_space[index + 1]:
            edges[index + 1] = max(edges[index + 1], centres[index + 1] - reach)
    # Little is left beside the outermost letters but the margin that detectors give.
    edges[0] = 0.0 if edges[0] < reach / 2 else edges[0]
    edges[-1] = 1.0 if edges[-1] > 1 - reach / 2 else edges[-1]
    inside = [min(max(edge, 0.0), 1.0) for edge in edges]
    return list(pairwise(inside))


def word_slices(text: str) -> list[slice]:
    """Part a text at its spaces.

    >>> [("  to tal ")[part] for part in word_slices("  to tal ")]
    ['to', 'tal']
    """
    slices, start = [], None
    for index, character in enumerate(text):
        if character.isspace():
            if start is not None:
                slices.append(slice(start, index))
                start = None
        elif start is None:
            start = index
    return slices if start is None else [*slices, slice(start, len(text))]


def quad_slices(quad: np.ndarray, spans: np.ndarray, *, downwards: bool = False) -> np.ndarray:
    """Cut parts out of a quad.

    Args:
        quad: (4, 2), from the top left of the text clockwise.
        spans: (N, 2), from where to where along the text, in parts of its length.
        downwards: whether the text runs from the top side to the bottom side, upright letters one
            below the other, in place of from left to right.

    Returns:
        float64 (N, 4, 2).
    """
    corners = np.asarray(quad, np.float64)
    spans = np.asarray(spans, np.float64).reshape(-1, 2)
    low, high = spans[:, :1], spans[:, 1:]
    if downwards:
        left, right = corners[3] - corners[0], corners[2] - corners[1]
        return np.stack(
            [
                corners[0] + low * left,
                corners[1] + low * right,
                corners[1] + high * right,
                corners[0] + high * left,
            ],
            axis=1,
        )
    above, below = corners[1] - corners[0], corners[2] - corners[3]
    return np.stack(
        [
            corners[0] + low * above,
            corners[0] + high * above,
            corners[3] + high * below,
            corners[3] + low * below,
        ],
        axis=1,
    )
