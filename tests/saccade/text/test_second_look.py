from __future__ import annotations

import itertools
import math

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saccade.text.beam_search import Spelling
from saccade.text.second_look import (
    ballot,
    elect,
    further_looks,
    second_look,
    slope_of,
    straightened,
)


def word(text: str, slope: float, scale: float = 1.6) -> np.ndarray:
    """A word that climbs through its crop, letters upright."""
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 5)
    rise = abs(slope) * width
    tall = round(height + rise + 16)
    flat = np.full((tall, width + 16, 3), 225, np.uint8)
    baseline = round((tall + height) / 2)
    cv2.putText(flat, text, (8, baseline), cv2.FONT_HERSHEY_SIMPLEX, scale, (40, 20, 60), 5)
    middle = (width + 16) / 2
    shear = np.array([[1, 0, 0], [slope, 1, -slope * middle]])
    size = (flat.shape[1], flat.shape[0])
    return cv2.warpAffine(flat, shear, size, borderMode=cv2.BORDER_REPLICATE)


@pytest.mark.parametrize("text", ["BOUTIQUE", "Avenue", "restaurant"])
@pytest.mark.parametrize("slope", [-0.8, -0.4, 0.0, 0.3, 0.7])
def test_slopes_are_found_and_undone(text: str, slope: float) -> None:
    found = slope_of(word(text, slope))
    assert found == pytest.approx(slope, abs=0.1)
    level = straightened(word(text, slope), found)
    assert slope_of(level) == pytest.approx(0.0, abs=0.1)
    # What is left is hardly higher than the letters, and as wide as before.
    plain = word(text, 0.0)
    assert level.shape[1] == plain.shape[1]
    assert level.shape[0] <= max(plain.shape[0], 0.35 * word(text, slope).shape[0]) + 24


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (3, 500), (40, 1), (32, 4000), (500, 20)])
@pytest.mark.parametrize("value", [0, 255])
def test_any_picture_has_other_looks(shape: tuple[int, int], value: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    for line in (np.full((*shape, 3), value, np.uint8), noise):
        looks = [second_look(line), *further_looks(line)]
        assert len(looks) in (3, 5)
        assert all(look.dtype == np.uint8 and look.size for look in looks)
    assert slope_of(np.full((*shape, 3), value, np.uint8)) == 0.0


def test_a_climbing_word_is_straightened_and_a_level_one_is_not() -> None:
    assert len(further_looks(word("Avenue", 0.5))) == 4
    assert len(further_looks(word("Avenue", 0.0))) == 2
    *_, straight = further_looks(word("Avenue", 0.5))
    assert slope_of(straight) == pytest.approx(0.0, abs=0.1)


def test_what_the_looks_show() -> None:
    line = word("Avenue", 0.0)
    height, width = line.shape[:2]
    opposite = second_look(line)
    assert opposite.shape == (height, round(0.85 * width), 3)
    assert float(np.median(opposite)) == 255 - float(np.median(line))
    wide, soft = further_looks(line)
    assert wide.shape == (height, round(1.4 * width), 3)
    assert float(np.median(wide)) == 255 - float(np.median(line))
    assert soft.shape == (height + 2 * round(0.1 * height), width, 3)
    assert float(np.median(soft)) == float(np.median(line))


def level(_: str) -> float:
    return 0.0


def test_votes() -> None:
    cat, cut = [("cat", 0.6), ("cut", 0.2)], [("cut", 0.5)]
    assert elect([cat, cut], level) == ("cut", 1)
    assert elect([cat, [("cut", 0.3)]], level) == ("cat", 0)
    assert elect([cat, cut], lambda text: 1.0 * (text == "cat")) == ("cat", 0)
    assert elect([[("", 0.9)], [("cut", 0.1)]], level) == ("cut", 1)
    assert elect([[("", 0.9)], [(" ", 0.9)], []], level) is None
    assert elect([[("a", 0.5)], [("b", 0.5)]], level) == ("a", 0)


@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from(["", "a", "b", "c"]), st.floats(0, 1)), max_size=3),
        min_size=1,
    )
)
def test_votes_against_the_loop(ballots: list[list[tuple[str, float]]]) -> None:
    worth = {"a": 0.0, "b": 0.3, "c": -0.2}
    elected = elect(ballots, lambda text: worth[text])
    totals = {"a": 0.0, "b": 0.0, "c": 0.0}
    for text, share in itertools.chain(*ballots):
        if text:
            totals[text] += share
    totals = {text: total * math.exp(worth[text]) for text, total in totals.items()}
    if not any(totals.values()):
        assert elected is None
        return
    assert elected is not None
    text, look = elected
    assert totals[text] == pytest.approx(max(totals.values()))
    shares = [max([s for t, s in votes if t == text], default=0.0) for votes in ballots]
    assert shares[look] == max(shares)


def test_a_look_votes_as_it_is_sure() -> None:
    spellings = [Spelling((1, 2), math.log(0.4), 0.5), Spelling((1,), math.log(0.2), 0.5)]
    votes = dict(ballot(spellings, "ab"))
    assert votes["ab"] / votes["a"] == pytest.approx(2.0)
    assert sum(votes.values()) == pytest.approx(max(0.4 ** (1 / 3), 0.2 ** (1 / 2)))
    assert ballot([], "ab") == []
