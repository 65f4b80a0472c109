"""The threshold keeps its promise on labels that it has not seen, and says when it cannot."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saccade.errors import GalleryError, OptionError
from saccade.gallery._vectors import unit_rows
from saccade.gallery.calibration import (
    Calibration,
    _conformal_quantile,
    calibrate,
    least_false_accept_rate,
    leave_one_out,
)


def clusters(
    seed: int, labels: int, *, least: int = 1, most: int = 7, dim: int = 16, spread: float = 0.5
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(labels, dim))
    numbers = np.repeat(np.arange(labels), rng.integers(least, most + 1, labels))
    rows = centres[numbers] + spread * rng.normal(size=(len(numbers), dim))
    return unit_rows(rows.astype(np.float32)), numbers


def names(numbers: np.ndarray) -> list[str]:
    return [f"label {number}" for number in numbers]


@pytest.mark.parametrize(
    ("known", "rate", "most"),
    [(25, 0.05, 7), (25, 0.2, 7), (60, 0.1, 3), (5, 0.3, 7), (40, 0.1, 1)],
)
def test_held_out_labels_stay_within_the_promise(known, rate, most):
    unknown, seeds = 30, 60
    rates = []
    for seed in range(seeds):
        vectors, numbers = clusters(seed, known + unknown, most=most)
        inside = numbers < known
        found = calibrate(vectors[inside], names(numbers[inside]), false_accept_rate=rate)
        best = (vectors[~inside] @ vectors[inside].T).max(axis=1)
        accepted = [
            (best[numbers[~inside] == number] >= found.threshold).mean()
            for number in range(known, known + unknown)
        ]
        rates.append(np.mean(accepted))
    error = np.std(rates) / math.sqrt(seeds)
    assert np.mean(rates) <= rate + 2 * error
    assert np.mean(rates) >= rate / 4  # a threshold of 1 would keep the promise too


def test_the_quantile_of_one_picture_a_label_is_the_order_statistic():
    values = np.arange(1.0, 20.0)  # 19 labels
    weights = np.ones(19)
    for rate in (0.05, 0.1, 0.3, 0.5, 0.9):
        rank = math.ceil(round(20 * (1 - rate), 9))
        assert _conformal_quantile(values[::-1], weights, 19, rate) == values[rank - 1]


def test_labels_weigh_alike_whatever_their_number_of_pictures():
    vectors, numbers = clusters(0, 30, most=3)
    rng = np.random.default_rng(1)
    crowd = vectors[numbers == 0][:1] + 0.05 * rng.normal(size=(400, 16))
    crowded = np.concatenate([vectors, unit_rows(crowd.astype(np.float32))])
    labels = names(np.concatenate([numbers, np.zeros(400, int)]))
    plain = calibrate(vectors, names(numbers), false_accept_rate=0.1)
    assert calibrate(crowded, labels, false_accept_rate=0.1).threshold == pytest.approx(
        plain.threshold, abs=0.1
    )


@given(st.integers(0, 10**6), st.integers(1, 12))
def test_leave_one_out_equals_the_loop(seed, count):
    rng = np.random.default_rng(seed)
    vectors = unit_rows(rng.integers(-1, 2, (count, 3)).astype(np.float32))
    labels = rng.integers(0, 3, count)
    genuine, impostor = leave_one_out(vectors, labels)
    for i in range(count):
        others = [j for j in range(count) if j != i]
        alike = [float(vectors[i] @ vectors[j]) for j in others if labels[j] == labels[i]]
        alike = [s for s in alike if s <= 1 - 1e-5]
        unlike = [float(vectors[i] @ vectors[j]) for j in others if labels[j] != labels[i]]
        assert genuine[i] == pytest.approx(max(alike, default=-np.inf), abs=1e-6)
        assert impostor[i] == pytest.approx(max(unlike, default=-np.inf), abs=1e-6)


def test_the_probability_is_monotone_and_sensible():
    vectors, numbers = clusters(2, 40, least=2)
    found = calibrate(vectors, names(numbers), false_accept_rate=0.05)
    chances = [found.probability(s) for s in np.linspace(-1, 1, 101)]
    assert chances == sorted(chances)
    assert chances[0] < 0.05
    assert chances[-1] > 0.9
    genuine, impostor = leave_one_out(vectors, numbers)
    assert np.mean([found.probability(s) for s in genuine]) > 0.7
    assert np.mean([found.probability(s) for s in impostor]) < 0.3


def test_the_probability_is_about_the_share_that_is_right():
    vectors, numbers = clusters(0, 400, least=2)
    found = calibrate(vectors, names(numbers))
    genuine, impostor = leave_one_out(vectors, numbers)
    scores = np.concatenate([genuine, impostor])
    truth = np.concatenate([np.ones(len(genuine)), np.zeros(len(impostor))])
    weights = np.tile(1 / np.bincount(numbers)[numbers], 2)
    chance = np.array([found.probability(score) for score in scores])
    for low in (0.0, 0.25, 0.5, 0.75):
        part = (chance >= low) & (chance < low + 0.25)
        right = np.average(truth[part], weights=weights[part])
        assert right == pytest.approx(np.average(chance[part], weights=weights[part]), abs=0.13)


def test_similarities_that_say_nothing_give_even_odds():
    rng = np.random.default_rng(0)
    vectors = unit_rows(rng.normal(size=(300, 4)).astype(np.float32))
    found = calibrate(vectors, names(rng.integers(0, 100, 300)), false_accept_rate=0.1)
    assert found.slope is not None
    assert found.slope >= 0
    assert 0 <= found.probability(-1) <= found.probability(1) <= 1


def test_separable_labels_keep_the_curve_finite():
    vectors = np.repeat(np.eye(30, dtype=np.float32), 2, axis=0)
    vectors[1::2, -1] += 0.1
    found = calibrate(unit_rows(vectors), names(np.repeat(np.arange(30), 2)))
    assert found.genuine_accept_rate == 1.0
    assert found.probability(-1.0) < 0.05 < 0.9 < found.probability(1.0)
    for extreme in (-1e9, 1e9):
        assert 0 <= found.probability(extreme) <= 1


def test_one_picture_a_label_has_a_threshold_but_no_probability():
    vectors, numbers = clusters(0, 40, most=1)
    found = calibrate(vectors, names(numbers))
    assert found.genuine_accept_rate is None
    assert found.slope is None
    with pytest.raises(GalleryError, match="no label had two different pictures"):
        found.probability(0.5)
    # The same picture twice is no second picture.
    twice = calibrate(np.concatenate([vectors, vectors]), names(np.tile(numbers, 2)))
    assert twice.genuine_accept_rate is None
    assert Calibration.from_dict(json.loads(json.dumps(found.to_dict()))) == found


def test_too_few_labels_are_told_what_they_can_have():
    vectors, numbers = clusters(0, 8)
    with pytest.raises(
        GalleryError, match=r"8 labels are too few .* 0.05: that takes 21; .* 0.127"
    ):
        calibrate(vectors, names(numbers))
    found = calibrate(vectors, names(numbers), false_accept_rate=0.127)
    assert found.classes == 8
    with pytest.raises(GalleryError, match="of 1 label cannot tell"):
        calibrate(vectors, ["one"] * len(vectors), false_accept_rate=0.9)
    with pytest.raises(GalleryError, match="of 0 labels cannot tell"):
        calibrate(np.zeros((0, 4)), [])
    with pytest.raises(GalleryError, match="of 1 label"):
        calibrate([[1.0, 0], [0, 0]], ["a", "empty"])  # a picture of zeros is none
    assert least_false_accept_rate(21) <= 0.05 < least_false_accept_rate(20)


def test_the_numbers_of_labels_that_a_rate_needs():
    for rate in (0.01, 0.05, 0.1, 0.3, 0.5):
        vectors, numbers = clusters(0, 2)
        with pytest.raises(GalleryError) as caught:
            calibrate(vectors, names(numbers), false_accept_rate=rate)
        needed = int(str(caught.value).split("that takes ")[1].split(";")[0])
        assert least_false_accept_rate(needed) <= rate < least_false_accept_rate(needed - 1)


def test_labels_that_share_their_pictures_are_refused():
    vectors, _ = clusters(0, 30, most=1)
    both = np.concatenate([vectors, vectors])
    with pytest.raises(GalleryError, match="merge such labels"):
        calibrate(both, names(np.arange(60)))
    # A few such labels cost nothing but what they are.
    few = np.concatenate([vectors, vectors[:1]])
    assert calibrate(few, names(np.arange(31)), false_accept_rate=0.2).threshold < 1


def test_a_tie_with_the_quantile_is_no_accept():
    vectors, numbers = clusters(3, 50)
    found = calibrate(vectors, names(numbers), false_accept_rate=0.1)
    _, impostor = leave_one_out(vectors, numbers)
    shown = np.array([float(f"{score:.6g}") for score in impostor])  # as results show them
    counts = np.bincount(numbers)
    assert ((shown >= found.threshold) / counts[numbers]).sum() / 50 <= 0.1


def test_probes_are_drawn_from_all_labels_and_repeatably():
    vectors, numbers = clusters(0, 30, least=1, most=30)
    labels = names(numbers)
    some = calibrate(vectors, labels, false_accept_rate=0.1, max_probes=90)
    assert some.items == 90
    assert some.classes == 30
    assert some == calibrate(vectors, labels, false_accept_rate=0.1, max_probes=90)
    whole = calibrate(vectors, labels, false_accept_rate=0.1)
    assert whole.items == len(vectors)
    assert some.threshold == pytest.approx(whole.threshold, abs=0.15)
    order = np.random.default_rng(0).permutation(len(vectors))
    shuffled = calibrate(vectors[order], [labels[i] for i in order], false_accept_rate=0.1)
    assert shuffled.threshold == pytest.approx(whole.threshold, abs=1e-5)


def test_blocks_do_not_show(monkeypatch):
    vectors, numbers = clusters(0, 30)
    whole = calibrate(vectors, names(numbers), false_accept_rate=0.1)
    monkeypatch.setattr("saccade.gallery._vectors._MOST", 500)
    parts = calibrate(vectors, names(numbers), false_accept_rate=0.1)
    assert parts.threshold == pytest.approx(whole.threshold, abs=1e-5)


def test_bad_arguments_are_named():
    vectors, numbers = clusters(0, 30)
    for rate in (0.0, 1.0, float("nan")):
        with pytest.raises(OptionError, match="false_accept_rate"):
            calibrate(vectors, names(numbers), false_accept_rate=rate)
    with pytest.raises(OptionError, match="vectors and 1 labels"):
        calibrate(vectors, ["a"])
    with pytest.raises(OptionError, match="max_probes is 1"):
        calibrate(vectors, names(numbers), max_probes=1)
    good = calibrate(vectors, names(numbers)).to_dict()
    with pytest.raises(GalleryError, match=r"damaged .*'threshold'"):
        Calibration.from_dict({k: v for k, v in good.items() if k != "threshold"})
    with pytest.raises(GalleryError, match="damaged"):
        Calibration.from_dict({**good, "slope": "steep"})
