"""CTC decoding against the sum over all alignments."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saccade.errors import OptionError
from saccade.text.ctc_decode import collapse, decode_greedy, force_align
from slow_ctc import all_texts, draw, spell


def test_greedy_of_the_reference() -> None:
    indices = [0, 5, 5, 0, 5, 7, 7, 0]
    scores = [0.99, 0.9, 0.8, 0.95, 0.7, 0.6, 0.65, 0.9]
    line = collapse(np.array(indices), np.array(scores), "abcdefg")
    assert line.text == "eeg"
    assert [c.score for c in line.characters] == [0.9, 0.7, 0.6]
    assert line.score == pytest.approx(0.7333333, abs=1e-7)
    assert [(c.start, c.end) for c in line.characters] == [(1, 3), (4, 5), (5, 7)]
    assert line.characters[0].span(8, 320) == (40, 120)
    full = np.full((2, 8, 8), 0.001)
    full[:, np.arange(8), indices] = scores
    assert decode_greedy(full, "abcdefg") == [line, line]


def test_blank_lines_have_score_zero() -> None:
    blank = np.zeros((1, 4, 3))
    blank[..., 0] = 1
    (line,) = decode_greedy(blank, "ab")
    assert (line.text, line.score, line.characters) == ("", 0.0, ())
    assert decode_greedy(np.zeros((1, 0, 3)), "ab")[0].text == ""


@given(st.integers(0, 10_000))
@settings(max_examples=40)
def test_greedy_spells_the_best_path(seed):
    probabilities = draw(seed, steps=9)
    (line,) = decode_greedy(probabilities[None], "abc")
    assert line.text == spell(probabilities.argmax(1), "abc")
    for character in line.characters:
        index = "abc".index(character.text) + 1
        assert (probabilities[character.start : character.end].argmax(1) == index).all()
        assert character.score == probabilities[character.start, index]


@given(st.integers(0, 10_000), st.lists(st.integers(1, 3), max_size=4))
@settings(max_examples=60, deadline=None)
def test_the_forced_alignment_is_the_best_one(seed, classes):
    probabilities = draw(seed)
    _, best = all_texts(probabilities, "abc")
    text = "".join("abc"[k - 1] for k in classes)
    path = force_align(probabilities, classes)
    if text not in best:
        assert path is None
    else:
        assert path is not None
        assert spell(path.tolist(), "abc") == text
        chance = math.prod(probabilities[t, k] for t, k in enumerate(path))
        assert chance == pytest.approx(best[text][0])


def test_shapes_are_checked() -> None:
    with pytest.raises(OptionError, match="3 long for an alphabet of 2"):
        decode_greedy(np.zeros((1, 4, 4)), "ab")
