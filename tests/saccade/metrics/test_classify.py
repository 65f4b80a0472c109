from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saccade.errors import OptionError
from saccade.metrics.classify import (
    classification_metrics,
    confusion_matrix,
    mean_class_accuracy,
    per_class_accuracy,
    top_k_accuracy,
    true_ranks,
)


@st.composite
def scored(draw):
    n, c = draw(st.integers(1, 12)), draw(st.integers(1, 7))
    values = draw(st.lists(st.integers(-3, 3), min_size=n * c, max_size=n * c))
    labels = draw(st.lists(st.integers(0, c - 1), min_size=n, max_size=n))
    return np.array(values, np.float32).reshape(n, c), np.array(labels)


@given(scored(), st.integers(1, 9))
def test_top_k_equals_the_loop(case, k):
    scores, labels = case
    hits = 0
    for row, label in zip(scores, labels, strict=True):
        better = sum(1 for j, s in enumerate(row) if j != label and s >= row[label])
        hits += better < k
    assert top_k_accuracy(scores, labels, k) == pytest.approx(hits / len(labels))


@given(scored())
def test_confusion_equals_the_loop(case):
    scores, labels = case
    classes = scores.shape[1]
    predicted = scores.argmax(axis=1)
    expected = np.zeros((classes, classes), int)
    for truth, guess in zip(labels, predicted, strict=True):
        expected[truth, guess] += 1
    confusion = confusion_matrix(labels, predicted, classes)
    np.testing.assert_array_equal(confusion, expected)
    shares = [expected[i, i] / expected[i].sum() for i in range(classes) if expected[i].sum()]
    assert mean_class_accuracy(confusion) == pytest.approx(np.mean(shares))


def test_a_model_that_answers_nothing_is_never_right():
    labels = np.array([0, 1, 2])
    for constant in (0.0, np.nan):
        scores = np.full((3, 3), constant)
        assert top_k_accuracy(scores, labels, 1) == 0
        assert top_k_accuracy(scores, labels, 2) == 0
        assert top_k_accuracy(scores, labels, 3) == 1
        assert classification_metrics(scores, labels, "abc")["mean_class_accuracy"] == 0


def test_nan_of_another_class_ranks_before():
    np.testing.assert_array_equal(true_ranks(np.array([[1.0, np.nan]]), np.array([0])), [1])


def test_metrics_of_an_unbalanced_set():
    scores = np.eye(3)[[0, 0, 0, 0, 1, 0]] + np.array([0, 0.1, 0.2])  # class 2 is never guessed
    labels = np.array([0, 0, 0, 0, 1, 2])
    found = classification_metrics(scores, labels, ["a", "b", "c"])
    assert found == pytest.approx(
        {"top1": 5 / 6, "top5": 1.0, "mean_class_accuracy": 2 / 3, "n": 6}
    )


def test_classes_without_pictures_do_not_count():
    confusion = np.array([[3, 1, 0], [0, 0, 0], [1, 0, 1]])
    shares = per_class_accuracy(confusion)
    assert shares[0] == 0.75 and math.isnan(shares[1]) and shares[2] == 0.5
    assert mean_class_accuracy(confusion) == pytest.approx(0.625)
    scores, labels = np.array([[2.0, 1, 0], [0, 1, 2]]), np.array([0, 0])
    assert classification_metrics(scores, labels, "abc")["mean_class_accuracy"] == 0.5


def test_no_picture_gives_not_a_number():
    found = classification_metrics(np.empty((0, 3)), np.empty(0, int), "abc")
    assert found["n"] == 0 and math.isnan(found["top1"])
    assert math.isnan(top_k_accuracy(np.empty((0, 3)), np.empty(0, int)))
    assert math.isnan(mean_class_accuracy(np.zeros((2, 2), int)))


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        (np.zeros((2, 3)), np.array([0, 3]), "from 0 to 3; expected 0 to 2"),
        (np.zeros((2, 3)), np.array([-1, 0]), "from -1 to 0"),
        (np.zeros((2, 3)), np.array([0, 1, 2]), r"\(2, 3\) for 3 labels"),
        (np.zeros(2), np.array([0, 1]), r"\(2,\) for 2 labels"),
        (np.zeros((2, 3)), np.array([0.5, 1.0]), "integers"),
    ],
)
def test_what_does_not_fit_is_named(scores, labels, message):
    with pytest.raises(OptionError, match=message):
        top_k_accuracy(scores, labels)


def test_more_bad_arguments():
    with pytest.raises(OptionError, match="k = 0"):
        top_k_accuracy(np.zeros((1, 2)), np.array([0]), 0)
    with pytest.raises(OptionError, match="3 classes, but 2 names"):
        classification_metrics(np.zeros((1, 3)), np.array([0]), ["a", "b"])
    with pytest.raises(OptionError, match="2 labels, but 1 predictions"):
        confusion_matrix(np.array([0, 1]), np.array([0]), 2)
