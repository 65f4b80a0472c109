from __future__ import annotations

import numpy as np
import pytest

from saccade.errors import OptionError
from saccade.gallery._vectors import unit_rows
from saccade.gallery.fusion import fuse_descriptors
from saccade.gallery.voting import soft_vote


def test_the_cosine_is_the_weighted_mean_of_cosines():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(6, 8)), 40 * rng.normal(size=(6, 3))
    fused = fuse_descriptors([a, b], [3.0, 1.0])
    assert fused.shape == (6, 11)
    ua, ub = unit_rows(a.astype(np.float32)), unit_rows(b.astype(np.float32))
    expected = (9 * (ua @ ua.T) + ub @ ub.T) / 10
    np.testing.assert_allclose(fused @ fused.T, expected, atol=1e-6)
    np.testing.assert_allclose(fuse_descriptors([a]), ua, atol=1e-6)
    np.testing.assert_allclose(
        fuse_descriptors([a, b], [1e-30, 1e-30]), fuse_descriptors([a, b]), atol=1e-6
    )


def test_a_model_that_sees_nothing_leaves_it_to_the_others():
    fused = fuse_descriptors([[[0.0, 0.0], [0, 0]], [[3.0, 4.0], [0, 0]]])
    np.testing.assert_allclose(fused, [[0, 0, 0.6, 0.8], [0, 0, 0, 0]], atol=1e-7)


def test_bad_fusions_are_named():
    with pytest.raises(OptionError, match="no descriptors"):
        fuse_descriptors([])
    with pytest.raises(OptionError, match=r"\[2, 1\] pictures"):
        fuse_descriptors([np.ones((2, 2)), np.ones((1, 2))])
    for weights in ([1.0], [1.0, 0.0], [1.0, float("inf")]):
        with pytest.raises(OptionError, match="expected 2 numbers above 0"):
            fuse_descriptors([np.ones((2, 2)), np.ones((2, 2))], weights)


def test_worked_numbers_of_voting():
    squared = [0.30, 0.35, 0.40]
    similarities = [1 - d / 2 for d in squared]
    votes = soft_vote(["5", "8", "8"], similarities, [35, 0, 14])
    assert [label for label, _ in votes] == ["8", "5"]
    assert dict(votes) == pytest.approx({"5": 1.20, "8": 1.45})


def test_only_the_first_vote_and_ties_keep_their_order():
    assert [v[0] for v in soft_vote(["a", "b", "c", "b"], [0.9, 0.9, 0.9, 0.9])] == ["a", "b", "c"]
    assert soft_vote(["a", "b"], [0.9, 0.9], [0, 500])[0] == ("b", 1.8)  # capped at 70
    assert soft_vote([], []) == []
    with pytest.raises(OptionError, match="n is 0"):
        soft_vote(["a"], [0.5], n=0)
    with pytest.raises(OptionError, match="expected as many"):
        soft_vote(["a"], [])
