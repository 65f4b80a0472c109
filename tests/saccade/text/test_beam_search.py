"""The search over prefixes against the sum over all alignments."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saccade.errors import OptionError
from saccade.text.beam_search import WordList, beam_search, decode_beam, line_of
from saccade.text.ctc_decode import decode_greedy
from slow_ctc import all_texts, draw


class Vowels:
    """A speller that likes ``a`` before ``b``, and no text that ends in ``c``."""

    start = ""

    def follow(self, state: str, character: str) -> tuple[str, float] | None:
        return character, 0.7 if state + character == "ab" else -0.2

    def may_end(self, state: str) -> bool:
        return state != "c"

    def weight(self, text: str) -> float:
        pairs = zip(" " + text, text, strict=False)
        return sum(0.7 if one + two == "ab" else -0.2 for one, two in pairs)


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


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_a_wide_search_ranks_all_texts_with_what_the_speller_says(seed):
    probabilities = draw(seed, steps=4)
    speller = Vowels()
    total, _ = all_texts(probabilities, "abc")
    worth = {
        text: math.log(chance) + speller.weight(text)
        for text, chance in total.items()
        if text[-1:] != "c"
    }
    found = beam_search(probabilities, "abc", beam=500, speller=speller)
    texts = ["".join("abc"[index - 1] for index in one.classes) for one in found]
    assert sorted(texts) == sorted(worth)
    assert [one.total for one in found] == sorted((one.total for one in found), reverse=True)
    for text, one in zip(texts, found, strict=True):
        assert one.total == pytest.approx(worth[text])
        assert one.log_probability == pytest.approx(math.log(total[text]))
        line = line_of(probabilities, one.classes, "abc")
        assert line.text == text and len(line.characters) == len(text)


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_what_is_not_tried_is_not_found(seed):
    probabilities = draw(seed, sharpness=3.0)
    least = 0.2
    total, _ = all_texts(np.where(probabilities > least, probabilities, 0.0), "abc")
    found = beam_search(probabilities, "abc", beam=500, least=least)
    spelt = {"".join("abc"[index - 1] for index in one.classes) for one in found}
    reachable = {text for text, chance in total.items() if chance > 0}
    assert reachable <= spelt  # blanks and repetitions are always tried
    for one in found:
        for index in one.classes:
            assert probabilities[:, index].max() > least
    assert len(beam_search(probabilities, "abc", beam=3)) <= 3


def test_shapes_and_beams_are_checked() -> None:
    with pytest.raises(OptionError, match="2 dimensions"):
        decode_beam(np.zeros((1, 4, 3)), "ab")
    with pytest.raises(OptionError, match="beam 0"):
        decode_beam(np.zeros((4, 3)), "ab", beam=0)
    blank = np.zeros((4, 3))
    blank[:, 0] = 1
    assert decode_beam(blank, "ab").text == ""
