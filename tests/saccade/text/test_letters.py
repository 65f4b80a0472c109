from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saccade import zoo
from saccade.tasks._text_recogniser import letter_model
from saccade.text.letters import LetterModel, count_grams, letter_of

LETTERS = " 0abcdefghijklmnopqrstuvwxyz"
WORDS = ["bath", "Bath's", "bathroom", "path", "étude", "B52", "a"]


def slow(words: list[str], before: str, letter: str) -> float:
    """p(letter | before), counted anew for each length of what is before."""
    parts = "".join(
        f"    {part}\n" for word in words for part in "".join(map(letter_of, word)).split()
    )
    chance = 1 / 28
    for length in range(5):
        wanted = before[len(before) - length :]
        found = total = 0
        for part in parts.splitlines():
            row = f"{part} "
            for at in range(4, len(row)):
                if row[at - length : at] == wanted:
                    total += 1
                    found += row[at] == letter
        chance = (found + 5 * chance) / (total + 5)
    return math.log(chance)


def test_what_characters_are() -> None:
    assert "".join(map(letter_of, "aÉñ7½ß-. ")) == "aen00    "


@given(
    st.text("abth ", max_size=6).map(lambda text: f"    {text}"[-4:]),
    st.sampled_from("abthor 0z"),
)
def test_probabilities_against_counting(before: str, letter: str) -> None:
    model = LetterModel(*count_grams(WORDS))
    assert model.log_probability(before, letter) == pytest.approx(slow(WORDS, before, letter))


@given(st.text(LETTERS, min_size=4, max_size=4))
def test_probabilities_add_up_to_one(before: str) -> None:
    total = sum(math.exp(letter_model().log_probability(before, letter)) for letter in LETTERS)
    assert total == pytest.approx(1.0)


def test_what_looks_like_a_word_is_favoured() -> None:
    model = letter_model()
    for word, other in (
        ("BEAUTY", "BEZUTY"),
        ("Restaurant", "Restaurent"),
        ("exit", "ewt"),
        ("REVLON", "REVLQN"),
        ("Straße", "Slraße"),
    ):
        assert model.favour(word) > model.favour(other)
    assert model.favour("Café") == model.favour("CAFE")
    assert model.favour("12.50") == model.favour("98.71")
    assert model.favour("-") == model.favour("") == -math.log(28)
    # The mean of the letters and the end of the word.
    logs = [model.log_probability(*pair) for pair in (("    ", "t"), ("   t", "o"), ("  to", " "))]
    assert model.favour("to") == pytest.approx(sum(logs) / 3)


def test_what_it_weighs_in_a_search() -> None:
    model = letter_model()
    state, weight = model.follow(model.start, "T")
    assert state == "   t"
    assert weight == pytest.approx(0.4 * model.log_probability("    ", "t") + 0.95)
    assert model.follow(state, " ")[0] == model.start
    # Marks between words, and other alphabets, weigh nothing.
    for mark in (" ", "-", "Ж", "中"):
        assert model.follow(model.start, mark) == (model.start, 0.0)
    assert model.may_end(state)


def test_codes_come_sorted_and_count_every_letter() -> None:
    codes, counts = count_grams(WORDS)
    assert (np.diff(codes) > 0).all()
    # Every letter of every word and its end; "Bath's" is two words.
    assert counts.sum() == 5 + 5 + 2 + 9 + 5 + 6 + 4 + 2
    assert not count_grams(["--", ""])[0].size


def test_what_reads_text_is_small() -> None:
    files = [zoo.find(zoo.DEFAULT[f"text_{task}"]) for task in ("detect", "direction", "recognise")]
    assert sum(file.stat().st_size for file in (*files, zoo.LETTERS)) <= 13_000_000
    assert "Kevin Atkinson" in zoo.LETTERS.with_suffix(".txt").read_text(encoding="utf-8")
