"""Scores of finding and reading text: worked cases, and slow loops."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saccade.errors import OptionError
from saccade.metrics.text import (
    ReadingCounts,
    RegionCounts,
    TextRule,
    detection_counts,
    detection_metrics,
    edit_distance,
    end_to_end_counts,
    end_to_end_metrics,
    line_metrics,
)

LOOSE = TextRule(ignore_case=True, ignore_spaces=True)


def box(x: float, y: float, w: float, h: float) -> np.ndarray:
    return np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]], float)


def slow_distance(a: str, b: str) -> int:
    table = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        before, table[0] = table[0], i
        for j, y in enumerate(b, start=1):
            before, table[j] = table[j], min(table[j] + 1, table[j - 1] + 1, before + (x != y))
    return table[-1]


@given(st.text("abcd ", max_size=12), st.text("abcd ", max_size=12))
def test_edit_distance_equals_the_table(a, b):
    assert edit_distance(a, b) == slow_distance(a, b)


@given(st.text(max_size=90), st.text(max_size=90))
def test_edit_distance_of_long_and_foreign_texts(a, b):
    assert edit_distance(a, b) == slow_distance(a, b)


def test_edit_distance_is_fast_enough() -> None:
    lines = [("The quick brown fox jumps over the lazy dog" * 2)[i % 9 :] for i in range(1000)]
    start = time.process_time()
    assert sum(edit_distance(a, b[::-1]) for a, b in zip(lines, lines[::-1], strict=True)) > 0
    assert time.process_time() - start < 2  # 1000 lines of 80 characters


def test_detection_counts() -> None:
    truths = [box(0, 0, 100, 20), box(0, 40, 100, 20), box(0, 80, 100, 20)]
    found = [
        box(0, 0, 100, 20),
        box(0, 2, 100, 20),  # a second one on the first text
        box(0, 40, 49, 20),  # less than half
        box(200, 200, 10, 10),
    ]
    counts = detection_counts(truths, [False] * 3, found)
    assert counts == RegionCounts(1, 3, 4)
    assert detection_counts(truths, [False] * 3, [*found, box(0, 41, 100, 20)]).matched == 2
    # exactly half is not enough
    assert detection_counts(truths[:1], [False], [box(0, 0, 50, 20)]).matched == 0
    assert detection_counts(truths[:1], [False], [box(0, 0, 51, 20)]).matched == 1


@given(st.integers(0, 10_000))
def test_detection_counts_equal_the_slow_scan(seed):
    random = np.random.default_rng(seed)
    truths = [box(*random.integers(0, 60, 2), *random.integers(5, 40, 2)) for _ in range(5)]
    ignored = (random.random(5) < 0.3).tolist()
    found = [p + random.integers(-6, 7, (1, 2)) for p in truths] + [truths[0]]

    def shared(a, b):
        low, high = np.maximum(a.min(0), b.min(0)), np.minimum(a.max(0), b.max(0))
        return float(np.prod(np.maximum(high - low, 0)))

    def size(a):
        return float(np.prod(np.ptp(a, axis=0)))

    care = [t for t, skip in zip(truths, ignored, strict=True) if not skip]
    spare = [t for t, skip in zip(truths, ignored, strict=True) if skip]
    counted = [f for f in found if all(shared(f, s) <= 0.5 * size(f) for s in spare)]
    free = list(range(len(counted)))
    for truth in care:
        for j in free:
            common = shared(truth, counted[j])
            if common / (size(truth) + size(counted[j]) - common) > 0.5:
                free.remove(j)
                break
    expected = (len(counted) - len(free), len(care), len(counted))
    assert detection_counts(truths, ignored, found) == expected


def test_ignored_texts() -> None:
    truths = [box(0, 0, 100, 20), box(0, 40, 100, 100)]
    ignored = [False, True]
    inside = [box(0, 50 + 20 * i, 90, 15) for i in range(4)]
    assert detection_counts(truths, ignored, [*inside, truths[0]]) == (1, 1, 1)
    # half outside counts against the precision again
    assert detection_counts(truths, ignored, [box(50, 50, 100, 20)]) == (0, 1, 1)
    assert detection_counts(truths, ignored, [box(49, 50, 100, 20)]) == (0, 1, 0)
    assert detection_counts([], [], [truths[0]]) == (0, 0, 1)


def test_crossed_polygons_are_left_out() -> None:
    crossed = box(0, 0, 100, 20)[[0, 2, 1, 3]]
    assert detection_counts([crossed], [False], [box(0, 0, 100, 20)]) == (0, 0, 1)
    assert detection_counts([box(0, 0, 100, 20)], [False], [crossed]) == (0, 1, 0)
    padded = np.concatenate([box(0, 0, 100, 20), box(0, 0, 100, 20)[-1:]])
    assert detection_counts([padded], [False], [box(0, 0, 100, 20)]) == (1, 1, 1)


def test_detection_metrics_sum_over_pictures() -> None:
    found = detection_metrics([RegionCounts(1, 3, 2), RegionCounts(2, 2, 2), RegionCounts(0, 0, 1)])
    assert found == pytest.approx({"precision": 3 / 5, "recall": 3 / 5, "hmean": 3 / 5})
    assert detection_metrics([]) == {"precision": 0, "recall": 0, "hmean": 0}
    uneven = detection_metrics([RegionCounts(2, 4, 3)])
    assert uneven["hmean"] == pytest.approx(2 * (2 / 3) * 0.5 / (2 / 3 + 0.5))


def test_line_metrics_of_the_reference() -> None:
    """PaddleOCR adds 1e-5 to the number of lines: .7499981 and .9375002 for these four."""
    texts = ["Total", "12.50", "a b c", "abcd"]
    read = ["Total", "12.50", "abc", "abcx"]
    found = line_metrics(texts, read, rule=TextRule(ignore_spaces=True))
    assert found["line_accuracy"] == pytest.approx(0.7499981, abs=1e-5)
    assert found["one_minus_ned"] == pytest.approx(0.9375002, abs=1e-5)
    assert found["cer"] == pytest.approx(1 / 17)
    assert found["n"] == 4
    strict = line_metrics(texts, read)
    assert strict["line_accuracy"] == 0.5
    assert strict["cer"] == pytest.approx(3 / 19)
    assert strict["one_minus_ned"] == pytest.approx((1 + 1 + 1 - 2 / 5 + 0.75) / 4)


def test_empty_lines() -> None:
    found = line_metrics(["", "ab", ""], ["", "", "xyz"])
    assert found["line_accuracy"] == pytest.approx(1 / 3)
    assert found["one_minus_ned"] == pytest.approx(1 / 3)
    assert found["cer"] == pytest.approx(5 / 2)
    assert math.isnan(line_metrics([], [])["cer"])


@pytest.mark.parametrize(
    ("rule", "one", "two", "same"),
    [
        (TextRule(), "Total", "total", False),
        (TextRule(ignore_case=True), "STRASSE", "Straße", True),
        (TextRule(), "a b", "ab", False),
        (TextRule(ignore_spaces=True), " a\u00a0b\t", "ab", True),
        (TextRule(), "ＡＢ（１）\u3000！", "AB(1) !", True),
        (TextRule(), "é", "e\u0301", True),
        (TextRule(), "é", "e", False),
        (TextRule(letters_and_digits_only=True), "£12.50-", "1250", True),
        (TextRule(letters_and_digits_only=True), "Ab", "ab", False),
    ],
)
def test_rules(rule: TextRule, one: str, two: str, same: bool) -> None:
    assert (rule(one) == rule(two)) is same


def test_end_to_end() -> None:
    truths = [box(0, 0, 100, 20), box(0, 40, 100, 20), box(0, 80, 100, 20), box(0, 120, 100, 20)]
    texts = ["Total", "12.50", "cash", "###"]
    ignored = [False, False, False, True]
    found = [box(0, 1, 100, 20), box(0, 41, 100, 20), box(0, 121, 100, 20), box(300, 0, 9, 9)]
    read = ["TOT AL", "12,50", "smudge", "xy"]
    counts = end_to_end_counts(truths, texts, ignored, found, read, rule=LOOSE)
    # right: Total; edits: one comma, four of the missed cash, two of the detection of nothing
    assert counts == ReadingCounts(1, 3, 3, 1 + 4 + 2, 5 + 5 + 4)
    strict = end_to_end_counts(truths, texts, ignored, found, read)
    assert strict.right == 0
    metrics = end_to_end_metrics([counts, ReadingCounts(1, 1, 1, 0, 6)])
    assert metrics == pytest.approx(
        {"precision": 2 / 4, "recall": 2 / 4, "hmean": 0.5, "cer": 7 / 20}
    )
    assert math.isnan(end_to_end_metrics([])["cer"])


def test_the_better_pair_goes_first() -> None:
    truths = [box(0, 0, 100, 20), box(0, 4, 100, 20)]
    found = [box(0, 3, 100, 20), box(0, 0, 100, 20)]
    counts = end_to_end_counts(truths, ["a", "b"], [False, False], found, ["b", "a"])
    assert counts.right == 2


def test_half_an_overlap_is_enough_end_to_end() -> None:
    counts = end_to_end_counts([box(0, 0, 100, 20)], ["a"], [False], [box(0, 0, 50, 20)], ["a"])
    assert counts.right == 1


def test_lengths_are_checked() -> None:
    with pytest.raises(OptionError, match="1 items with 0 flags"):
        detection_counts([box(0, 0, 1, 1)], [], [])
    with pytest.raises(OptionError, match="readings"):
        line_metrics(["a"], [])
    with pytest.raises(OptionError, match="texts"):
        end_to_end_counts([], [], [], [box(0, 0, 1, 1)], [])
