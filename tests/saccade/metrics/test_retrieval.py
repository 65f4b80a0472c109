from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saccade.errors import OptionError
from saccade.metrics.retrieval import (
    mean_average_precision,
    mean_inverse_negative_penalty,
    precision_at_k,
    recall_at_k,
    retrieval_metrics,
)

# The worked numbers of PP-ShiTu's acceptance facts.
SIMILARITY = np.array(
    [[0.9, 0.8, 0.7, 0.6, 0.5], [0.2, 0.9, 0.4, 0.8, 0.1], [0.3, 0.2, 0.1, 0.5, 0.4]]
)
QUERIES, GALLERY = np.array([0, 1, 2]), np.array([0, 1, 0, 1, 0])


def test_worked_numbers():
    assert recall_at_k(SIMILARITY, QUERIES, GALLERY, 1) == 1.0  # the third query has no answer
    assert mean_average_precision(SIMILARITY, QUERIES, GALLERY) == pytest.approx(
        0.8777778, abs=1e-7
    )
    first = mean_average_precision(SIMILARITY[:1], QUERIES[:1], GALLERY)
    assert first == pytest.approx(0.755556, abs=1e-6)
    assert retrieval_metrics(SIMILARITY, QUERIES, GALLERY, ks=(1, 3)) == pytest.approx(
        {"recall_at_1": 1.0, "recall_at_3": 1.0, "map": 0.8777778, "minp": 0.8, "n": 2}, abs=1e-6
    )
    for k, expected in ((1, 0.666667), (2, 0.5), (3, 0.444444)):
        found = precision_at_k(SIMILARITY, QUERIES, GALLERY, k)
        assert found == pytest.approx(expected, abs=1e-6)
    assert mean_inverse_negative_penalty(SIMILARITY, QUERIES, GALLERY) == pytest.approx(0.8)
    each = [
        mean_inverse_negative_penalty(SIMILARITY[[row]], QUERIES[[row]], GALLERY) for row in (0, 1)
    ]
    assert each == pytest.approx([0.6, 1.0])


def test_the_query_itself_is_removed_not_zeroed():
    similarity = np.array([[1.0, 0.6, -0.2, 0.4]])
    itself = np.array([[True, False, False, False]])
    labels = np.array([0, 0, 0, 1])
    found = mean_average_precision(similarity, np.array([0]), labels, exclude=itself)
    assert found == pytest.approx(0.833333, abs=1e-6)
    zeroed = similarity.copy()
    zeroed[0, 0] = 0
    relevant_without_self = np.array([9, 0, 0, 1])
    quirk = mean_average_precision(zeroed, np.array([0]), relevant_without_self)
    assert quirk == pytest.approx(0.75)  # what the reference reports


@st.composite
def searches(draw):
    q, g = draw(st.integers(1, 5)), draw(st.integers(1, 8))
    number = st.integers(0, 5)
    similarity = np.array(draw(st.lists(number, min_size=q * g, max_size=q * g))).reshape(q, g)
    labels = st.integers(0, 2)
    queries = np.array(draw(st.lists(labels, min_size=q, max_size=q)))
    gallery = np.array(draw(st.lists(labels, min_size=g, max_size=g)))
    exclude = np.array(draw(st.lists(st.booleans(), min_size=q * g, max_size=q * g))).reshape(q, g)
    return similarity, queries, gallery, exclude


@given(searches(), st.integers(1, 6))
def test_scores_equal_the_loop(case, k):
    similarity, queries, gallery, exclude = case
    recalls, full, cut, precise, penalties = [], [], [], [], []
    for i, query in enumerate(queries):
        ranking = sorted(
            (j for j in range(len(gallery)) if not exclude[i, j]),
            key=lambda j, i=i: -similarity[i, j],
        )
        relevant = [gallery[j] == query for j in ranking]
        total = sum(relevant)
        precise.append(sum(relevant[:k]) / k)
        if not total:
            continue
        recalls.append(any(relevant[:k]))
        penalties.append(total / (max(r for r, hit in enumerate(relevant) if hit) + 1))
        precisions = [sum(relevant[: r + 1]) / (r + 1) for r in range(len(relevant))]
        full.append(sum(p for p, hit in zip(precisions, relevant, strict=True) if hit) / total)
        top = zip(precisions[:k], relevant[:k], strict=True)
        cut.append(sum(p for p, hit in top if hit) / min(k, total))
    found = (
        recall_at_k(similarity, queries, gallery, k, exclude),
        mean_average_precision(similarity, queries, gallery, exclude=exclude),
        mean_average_precision(similarity, queries, gallery, k, exclude),
        precision_at_k(similarity, queries, gallery, k, exclude),
        mean_inverse_negative_penalty(similarity, queries, gallery, exclude),
    )
    slow = (recalls, full, cut, precise, penalties)
    for value, expected in zip(found, slow, strict=True):
        if expected:
            assert value == pytest.approx(np.mean(expected))
        else:
            assert math.isnan(value)


def test_unsigned_similarities_do_not_wrap():
    similarity = np.array([[0, 7]], np.uint8)
    assert recall_at_k(similarity, np.array([1]), np.array([0, 1])) == 1


def test_bad_arguments_are_named():
    with pytest.raises(OptionError, match=r"\(3, 5\); expected \(3, 4\)"):
        recall_at_k(SIMILARITY, QUERIES, GALLERY[:4])
    with pytest.raises(OptionError, match="not a number"):
        recall_at_k(SIMILARITY * np.nan, QUERIES, GALLERY)
    with pytest.raises(OptionError, match="k = 0"):
        recall_at_k(SIMILARITY, QUERIES, GALLERY, 0)
    with pytest.raises(OptionError, match="precision at k = 0"):
        precision_at_k(SIMILARITY, QUERIES, GALLERY, 0)
    with pytest.raises(OptionError, match="exclude"):
        mean_average_precision(SIMILARITY, QUERIES, GALLERY, exclude=np.zeros((2, 5), bool))
