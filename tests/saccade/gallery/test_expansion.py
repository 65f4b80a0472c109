from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saccade.errors import OptionError
from saccade.gallery._vectors import top_rows, unit_rows
from saccade.gallery.expansion import augment_database, expand_queries, rank_weights

QUERY = np.array([[1.0, 0.0]])
GALLERY = unit_rows(np.array([[0.9, 0.1], [0.6, 0.8], [0, 1], [-1, 0.2]], np.float32))


@pytest.mark.parametrize(
    ("alpha", "query", "similarities"),
    [
        (0, (0.943566, 0.331184), (0.974368, 0.831087, 0.331184, -0.860292)),
        (1, (0.969869, 0.243626), (0.990841, 0.776822, 0.243626, -0.903256)),
        (3, (0.991197, 0.132396), (0.999755, 0.700635, 0.132396, -0.945983)),
    ],
)
def test_worked_numbers_of_expansion(alpha, query, similarities):
    moved = expand_queries(QUERY, GALLERY, n=2, alpha=alpha)
    np.testing.assert_allclose(moved[0], query, atol=2e-6)
    np.testing.assert_allclose(moved[0] @ GALLERY.T, similarities, atol=2e-6)


@pytest.mark.parametrize(
    ("alpha", "rows"),
    [
        (
            1,
            [
                (0.905527, 0.424288),
                (0.351123, 0.936329),
                (0.280899, 0.959737),
                (-0.928477, 0.371391),
            ],
        ),
        (
            3,
            [
                (0.955294, 0.295657),
                (0.415891, 0.909415),
                (0.212936, 0.977066),
                (-0.979106, 0.203353),
            ],
        ),
    ],
)
def test_worked_numbers_of_augmentation(alpha, rows):
    np.testing.assert_allclose(augment_database(GALLERY, n=1, alpha=alpha), rows, atol=2e-6)


def test_worked_numbers_of_rank_weights():
    expected = "1 .681292 .464159 .316228 .215443 .146780 .1 .068129 .046416 .031623"
    np.testing.assert_allclose(rank_weights(10), [float(x) for x in expected.split()], atol=1e-6)


# Few different vectors, zeros and duplicates among them, so that ties are the rule.
number = st.sampled_from([-1.0, 0.0, 0.5, 1.0])
rows = st.integers(1, 7).flatmap(
    lambda n: st.lists(st.lists(number, min_size=3, max_size=3), min_size=n, max_size=n)
)
alphas = st.sampled_from([0.0, 1.0, 3.0])


def slow_sum(vector, others, alpha):
    total = np.array(vector, np.float64)
    for other in others:
        total = total + max(float(np.float32(vector @ other)), 0.0) ** alpha * other
    length = np.linalg.norm(total)
    return vector if length < 1e-6 else total / length


@given(rows, rows, st.integers(0, 9), alphas)
def test_expansion_equals_the_loop(queries, base, n, alpha):
    q, b = unit_rows(np.array(queries, np.float32)), unit_rows(np.array(base, np.float32))
    found = expand_queries(q, b, n=n, alpha=alpha)
    similarities = q @ b.T  # ties are broken by the very same roundings
    for i, (row, query) in enumerate(zip(found, q, strict=True)):
        order = sorted(range(len(b)), key=lambda j, i=i: -float(similarities[i, j]))
        expected = slow_sum(query, [b[j] for j in order[:n]], alpha)
        if np.linalg.norm(expected) > 0:
            np.testing.assert_allclose(row, expected, atol=1e-5)
    assert np.isfinite(found).all()


@given(rows, st.integers(0, 9), alphas)
def test_augmentation_equals_the_loop(base, n, alpha):
    b = unit_rows(np.array(base, np.float32))
    found = augment_database(b, n=n, alpha=alpha)
    similarities = b @ b.T
    for i, vector in enumerate(b):
        others = [j for j in range(len(b)) if j != i]
        order = sorted(others, key=lambda j, i=i: -float(similarities[i, j]))
        expected = slow_sum(vector, [b[j] for j in order[:n]], alpha)
        np.testing.assert_allclose(found[i], expected, atol=1e-5)


@given(rows, rows, st.integers(1, 9))
def test_the_best_rows_equal_a_full_stable_sort(queries, base, k):
    q, b = np.array(queries, np.float32), np.array(base, np.float32)
    k = min(k, len(b))
    indices, similarities = top_rows(q, b, k)
    full = q @ b.T
    expected = np.argsort(-full, axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(indices, expected)
    np.testing.assert_array_equal(similarities, np.take_along_axis(full, expected, axis=1))


def test_rank_weights_in_augmentation():
    weights = [2.0, 1.0, 0.0]
    found = augment_database(GALLERY, n=2, weights=weights)
    second = GALLERY[1]  # nearest to the first
    expected = 2 * GALLERY[0] + second
    np.testing.assert_allclose(found[0], expected / np.linalg.norm(expected), atol=1e-6)
    # More weights than the gallery has others.
    assert augment_database(GALLERY, n=9, weights=rank_weights(10).tolist()).shape == (4, 2)


def test_nothing_to_expand_with_changes_nothing():
    empty = np.zeros((0, 2), np.float32)
    np.testing.assert_allclose(expand_queries(GALLERY, empty), GALLERY, atol=1e-6)
    np.testing.assert_allclose(expand_queries(GALLERY, GALLERY, n=0), GALLERY, atol=1e-6)
    np.testing.assert_allclose(augment_database(GALLERY[:1]), GALLERY[:1], atol=1e-6)
    assert augment_database(empty).shape == (0, 2)
    zero = np.zeros((1, 2), np.float32)
    assert (expand_queries(zero, GALLERY) == 0).all()


def test_bad_arguments_are_named():
    with pytest.raises(OptionError, match="n is -1"):
        expand_queries(QUERY, GALLERY, n=-1)
    with pytest.raises(OptionError, match="alpha is nan"):
        expand_queries(QUERY, GALLERY, alpha=float("nan"))
    with pytest.raises(OptionError, match="3 numbers each and base vectors 2"):
        expand_queries(np.zeros((1, 3)), GALLERY)
    with pytest.raises(OptionError, match="expected 3 numbers"):
        augment_database(GALLERY, n=2, weights=[1.0])
    with pytest.raises(OptionError, match="first weight"):
        augment_database(GALLERY, n=1, weights=[0.0, 1.0])
    with pytest.raises(OptionError, match="NaN or infinity"):
        augment_database(np.full((2, 2), np.inf))
