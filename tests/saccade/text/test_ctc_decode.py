"""CTC decoding against the sum over all alignments."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saccade.errors import OptionError
from saccade.text.ctc_decode import (
    WordList,
    collapse,
    decode_beam,
    decode_greedy,
    force_align,
)


def spell(path, alphabet):
    kept = [k for k, _ in itertools.groupby(path) if k]
    return "".join(alphabet[k - 1] for k in kept)


def all_texts(probabilities, alphabet):
    """Probability of every text, and its best alignment."""
    total, best = defaultdict(float), {}
    steps, classes = probabilities.shape
    for path in itertools.product(range(classes), repeat=steps):
        chance = math.prod(probabilities[t, k] for t, k in enumerate(path))
        text = spell(path, alphabet)
        total[text] += chance
        if chance > best.get(text, (0.0,))[0]:
            best[text] = (chance, path)
    return total, best


def draw(seed, steps=5, classes=4, sharpness=2.0):
    logits = sharpness * np.random.default_rng(seed).standard_normal((steps, classes))
    exponents = np.exp(logits)
    return exponents / exponents.sum(1, keepdims=True)


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
    assert decode_beam(blank[0], "ab").text == ""
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


@given(st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_a_wide_beam_finds_the_most_probable_text(seed):
    probabilities = draw(seed)
    total, _ = all_texts(probabilities, "abc")
    line = decode_beam(probabilities, "abc", beam=500)
    assert total[line.text] == pytest.approx(max(total.values()))


def test_the_beam_beats_the_best_path() -> None:
    probabilities = np.array([[0.6, 0.4], [0.6, 0.4]])  # "": 0.36, "a": 0.64
    assert decode_greedy(probabilities[None], "a")[0].text == ""
    line = decode_beam(probabilities, "a")
    assert line.text == "a"
    assert line.characters[0].score == 0.4


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_words_restrict_the_search(seed):
    alphabet = "ab "
    words = WordList(["a", "ab", "bab"])
    probabilities = draw(seed, steps=5, classes=4)
    total, _ = all_texts(probabilities, alphabet)
    allowed = {
        text: chance
        for text, chance in total.items()
        if all(word in words for word in text.split(" ") if word)
    }
    line = decode_beam(probabilities, alphabet, beam=500, words=words)
    assert allowed[line.text] == pytest.approx(max(allowed.values()))


def test_word_lists() -> None:
    words = WordList(["Total", "it's"])
    assert words.belongs("x") and words.belongs("'") and not words.belongs("7")
    assert words.begins("it'") and not words.begins("it'd")
    assert "Total" in words and "total" not in words
    sure = np.full((9, 6), 1e-6)  # a line that says "oTal7"
    sure[:, 0] = 1e-3
    for step, k in enumerate([2, 0, 1, 0, 3, 4, 0, 5, 0]):
        sure[step, k] = 1
    free = decode_beam(sure, "Toal7")
    assert free.text == "oTal7"
    assert decode_beam(sure, "Toal7", words=WordList(["al"])).text == "al7"
    with pytest.raises(OptionError, match="word list"):
        WordList([])
    with pytest.raises(OptionError, match="empty"):
        WordList(["a", ""])


def test_no_reachable_text_is_an_empty_line() -> None:
    sure = np.zeros((1, 3))
    sure[0, 1] = 1
    assert decode_beam(sure, "ab", words=WordList(["ab"])).text == ""


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
    with pytest.raises(OptionError, match="2 dimensions"):
        decode_beam(np.zeros((1, 4, 3)), "ab")
    with pytest.raises(OptionError, match="beam 0"):
        decode_beam(np.zeros((4, 3)), "ab", beam=0)
