"""Which pictures of a pool are chosen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saccade.errors import OptionError
from saccade_train.semisup.select import energy, inlier_limit, select_pseudo_labels

POOL = np.array(
    [
        [0.97, 0.02, 0.01],
        [0.02, 0.97, 0.01],
        [0.96, 0.03, 0.01],
        [0.50, 0.30, 0.20],
        [0.99, 0.01, 0.00],
        [0.04, 0.00, 0.96],
    ]
)


def test_threshold() -> None:
    found = select_pseudo_labels(POOL, 0.95)
    assert found.numbers.tolist() == [0, 1, 2, 4, 5]
    assert found.labels.tolist() == [0, 1, 0, 0, 2]
    assert found.counts.tolist() == [3, 1, 1]
    assert (found.unsure, found.capped, found.outside) == (1, 0, 0)
    assert select_pseudo_labels(POOL, 0.98).empty_classes == [1, 2]
    assert len(select_pseudo_labels(POOL, 1.0).numbers) == 0


def test_cap_keeps_the_surest() -> None:
    found = select_pseudo_labels(POOL, 0.95, labelled_counts=np.array([2, 2, 2]), cap=2)
    assert found.numbers.tolist() == [0, 1, 4, 5]
    assert found.capped == 1
    none = select_pseudo_labels(POOL, 0.95, labelled_counts=np.array([2, 2, 2]), cap=1)
    assert not len(none.numbers)


def test_balance_is_relative_to_the_median_gain() -> None:
    labelled = np.array([1, 1, 1])
    found = select_pseudo_labels(POOL, 0.95, labelled_counts=labelled, balance=1)
    assert found.counts.tolist() == [1, 1, 1]
    wider = select_pseudo_labels(POOL, 0.95, labelled_counts=labelled, balance=2)
    assert wider.counts.tolist() == [2, 1, 1]
    # A class that gains nothing does not starve the others.
    only = select_pseudo_labels(POOL[[0, 2, 4]], 0.95, labelled_counts=labelled, balance=1)
    assert only.counts.tolist() == [3, 0, 0]


def test_outsiders_are_never_chosen() -> None:
    flags = np.array([True, True, False, True, True, False])
    found = select_pseudo_labels(POOL, 0.95, in_class=flags)
    assert found.numbers.tolist() == [0, 1, 4]
    assert found.outside == 2


def test_energy_and_its_limit() -> None:
    logits = np.array([[10.0, 0, 0], [0, 0, 0]])
    assert energy(logits).tolist() == pytest.approx([-10.0000908, -np.log(3)])
    assert energy(logits, 2.0)[1] == pytest.approx(-2 * np.log(3))
    scores = np.linspace(0, 1, 101)
    assert inlier_limit(scores, 0.95) == pytest.approx(0.05)
    assert inlier_limit(scores, 1.0) == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"threshold": 95}, "probability"),
        ({"threshold": 0.5, "cap": 0.5, "labelled_counts": np.ones(3, int)}, "cap"),
        ({"threshold": 0.5, "balance": 0, "labelled_counts": np.ones(3, int)}, "balance"),
        ({"threshold": 0.5, "cap": 2}, "labelled"),
    ],
)
def test_bad_options(options: dict[str, object], words: str) -> None:
    with pytest.raises(OptionError, match=words):
        select_pseudo_labels(POOL, **options)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="keep"):
        inlier_limit(np.zeros(3), 0)


@given(st.integers(0, 10_000), st.floats(0.34, 1), st.floats(1, 4), st.floats(0.2, 4))
def test_limits_hold(seed: int, threshold: float, cap: float, balance: float) -> None:
    rng = np.random.default_rng(seed)
    pool = rng.dirichlet([0.3, 0.6, 1.0], size=40)
    labelled = rng.integers(1, 8, 3)
    found = select_pseudo_labels(
        pool, threshold, labelled_counts=labelled, cap=cap, balance=balance
    )
    assert (found.confidence >= threshold).all()
    assert (labelled + found.counts <= cap * labelled + 1e-6).all()
    assert len(found.numbers) + found.unsure + found.capped == 40
    for label in range(3):
        chosen = found.confidence[found.labels == label]
        rest = np.setdiff1d(np.flatnonzero(pool.argmax(1) == label), found.numbers)
        # What was left is no surer than what was taken.
        if len(chosen) and len(rest):
            assert pool[rest].max() <= chosen.min()
