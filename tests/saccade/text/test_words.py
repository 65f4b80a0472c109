"""Places of characters and words."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saccade.text.words import character_spans, quad_slices, word_slices


def test_letters_meet_halfway_and_end_before_spaces() -> None:
    starts = [0.10, 0.20, 0.30, 0.40, 0.60, 0.70]
    ends = [start + 0.02 for start in starts]
    spans = character_spans(starts, ends, [False, False, False, True, False, False])
    assert spans[0] == pytest.approx((0.0, 0.16))  # nearly at the rim
    assert spans[1] == pytest.approx((0.16, 0.26))
    assert spans[2] == pytest.approx((0.26, 0.36))  # halfway is nearer than a wide letter reaches
    assert spans[4] == pytest.approx((0.61 - 0.075, 0.66))  # not halfway to the space: 0.51
    assert spans[3] == pytest.approx((0.36, 0.61 - 0.075))
    assert spans[5] == pytest.approx((0.66, 0.71 + 0.075))


def test_few_characters() -> None:
    assert character_spans([], [], []) == []
    assert character_spans([0.4], [0.5], [False]) == [(0.0, 1.0)]


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 0.1), st.booleans()), max_size=12))
def test_spans_run_from_left_to_right_within_the_line(letters) -> None:
    letters.sort()
    spans = character_spans(
        [start for start, _, _ in letters],
        [min(1.0, start + width) for start, width, _ in letters],
        [space for _, _, space in letters],
    )
    assert len(spans) == len(letters)
    assert all(0 <= low <= 1 and 0 <= high <= 1 for low, high in spans)


def test_word_slices() -> None:
    parts = word_slices(" ab  c d")
    assert [(part.start, part.stop) for part in parts] == [(1, 3), (5, 6), (7, 8)]
    assert word_slices("   ") == [] and word_slices("") == []


def test_slices_of_a_slanted_quad() -> None:
    quad = np.array([[0, 0], [100, 50], [90, 70], [-10, 20]])
    whole, half = quad_slices(quad, np.array([[0, 1], [0.5, 1]]))
    assert np.allclose(whole, quad)
    assert np.allclose(half, [[50, 25], [100, 50], [90, 70], [40, 45]])
    (lower,) = quad_slices(quad, np.array([[0.5, 1]]), downwards=True)
    assert np.allclose(lower, [[-5, 10], [95, 60], [90, 70], [-10, 20]])
    assert quad_slices(quad, np.zeros((0, 2))).shape == (0, 4, 2)
