"""Merging the boxes of several models against slow double loops and worked numbers."""

from __future__ import annotations

from typing import get_args
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import slow_suppression as slow
from box_scenes import arrays, assert_rows, crowd, scenes, threshold, ways
from saccade.errors import OptionError
from saccade.geometry import overlaps
from saccade.geometry.fusion import FusionMethod, fuse, nmw, voting_nms, weighted_boxes_fusion

weights = st.sampled_from([(1.0, 1.0, 1.0), (2.0, 1.0, 0.5), (0.25, 3.0, 1.0)])
CONF_TYPES = ["avg", "max", "box_and_model_avg", "absent_model_aware_avg"]

# The library's example: two models with the weights 2 and 1.
LIBRARY = (
    np.array(
        [[0, 0.51, 0.81, 0.91], [0.1, 0.31, 0.71, 0.61], [0.01, 0.32, 0.83, 0.93],
         [0.02, 0.53, 0.11, 0.94], [0.03, 0.24, 0.12, 0.35], [0.04, 0.56, 0.84, 0.92],
         [0.12, 0.33, 0.72, 0.64], [0.38, 0.66, 0.79, 0.95], [0.08, 0.49, 0.21, 0.89]]
    ),
    np.array([0.9, 0.8, 0.2, 0.4, 0.7, 0.5, 0.8, 0.7, 0.3]),
    np.array([0, 1, 0, 1, 1, 1, 1, 1, 0]),
    np.array([0] * 5 + [1] * 4),
)  # fmt: skip
# Three models, all of one class.
THREE = (
    np.array([[0, 0, 10, 10], [20, 20, 30, 30], [1, 0, 11, 10], [0, 2, 10, 12], [0, 0, 10, 9]]),
    np.array([0.9, 0.6, 0.8, 0.7, 0.3]),
    None,
    np.array([0, 0, 1, 2, 2]),
)


@given(
    scenes(),
    weights,
    threshold.filter(bool),
    st.integers(1, 4),
    st.fixed_dictionaries(
        {
            "score_mode": st.sampled_from(["mean_k", "max", "sum"]),
            "box_mode": st.sampled_from(["weighted", "pivot"]),
            "one_per_model": st.booleans(),
            "soft": st.sampled_from([None, None, "linear", "gaussian"]),
            "sigma": st.sampled_from([0.15, 0.5]),
            "floor": st.sampled_from([0.0, 0.001, 0.2]),
            "keep": st.one_of(st.none(), st.integers(0, 5)),
        }
    ),
    ways,
)
def test_voting_equals_the_double_loop(scene, share, iou, k, options, way):
    boxes, scores, labels, models = scene
    with mock.patch.multiple(overlaps, **way):
        found = voting_nms(*arrays(*scene), weights=share, iou=iou, k=k, **options)
    expected = slow.slow_voting(boxes, scores, labels, models, share, iou, k, **options)
    assert_rows(found, expected)


@given(scenes(), weights, threshold, st.one_of(st.none(), st.integers(0, 5)), ways)
def test_nmw_equals_the_double_loop(scene, share, iou, keep, way):
    with mock.patch.multiple(overlaps, **way):
        found = nmw(*arrays(*scene), weights=share, iou=iou, keep=keep)
    assert_rows(found, slow.slow_nmw(*scene, share, iou, keep))


@given(scenes(), weights, threshold, st.sampled_from(CONF_TYPES), st.booleans())
def test_wbf_equals_the_double_loop(scene, share, iou, conf_type, overflow):
    found = weighted_boxes_fusion(
        *arrays(*scene), weights=share, iou=iou, conf_type=conf_type, allows_overflow=overflow
    )
    assert_rows(found, slow.slow_wbf(*scene, share, iou, conf_type, overflow))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("iou", [0.3, 0.6])
def test_many_boxes(seed, iou):
    scene = crowd(400, seed, per=[5, 15, 60, 400][seed])
    rows, share = [column.tolist() for column in scene], (1.0, 2.0, 1.0)
    assert_rows(
        voting_nms(*scene, weights=share, iou=iou), slow.slow_voting(*rows, share, iou, 3, keep=300)
    )
    assert_rows(nmw(*scene, weights=share, iou=iou), slow.slow_nmw(*rows, share, iou))
    assert_rows(
        weighted_boxes_fusion(*scene, weights=share, iou=iou), slow.slow_wbf(*rows, share, iou)
    )


@pytest.mark.parametrize(
    ("k", "iou", "boxes", "mean_k", "best"),
    [
        (3, 0.5, [[0.333333, 0.583333, 10.333333, 10.583333], [20, 20, 30, 30]],
         [0.8, 0.2], [0.9, 0.6]),
        (2, 0.5, [[0.470588, 0, 10.470588, 10], [20, 20, 30, 30]], [0.85, 0.3], [0.9, 0.6]),
        (3, 0.7, [[0.4, 0, 10.4, 9.85], [0, 2, 10, 12], [20, 20, 30, 30]],
         [0.666667, 0.233333, 0.2], [0.9, 0.7, 0.6]),
    ],
)  # fmt: skip
def test_worked_numbers_of_voting(k, iou, boxes, mean_k, best):
    for mode, scores in (("mean_k", mean_k), ("max", best)):
        found = voting_nms(*THREE, iou=iou, k=k, score_mode=mode)
        np.testing.assert_allclose(found[0], boxes, atol=5e-7)
        np.testing.assert_allclose(found[1], scores, atol=5e-7)
    # k is the number of models, unless it is given.
    np.testing.assert_array_equal(
        voting_nms(*THREE, iou=iou)[1], voting_nms(*THREE, iou=iou, k=3)[1]
    )
    # k = 1 with the best vote is hard suppression, but for an IoU of exactly the threshold.
    found = voting_nms(*THREE, iou=iou, k=1, score_mode="max")
    kept = [0, 3, 1] if iou == 0.7 else [0, 1]
    np.testing.assert_array_equal(found[0], THREE[0][kept])


def test_worked_numbers_of_wbf():
    boxes = [[0.106667, 0.316667, 0.713333, 0.62], [0.001818, 0.475455, 0.813636, 0.913636],
             *LIBRARY[0][[4, 3, 7, 5, 8]].tolist()]  # fmt: skip
    labels = [1, 0, 1, 1, 1, 1, 0]
    scores = {
        "avg": [0.8, 0.733333, 0.466667, 0.266667, 0.233333, 0.166667, 0.1],
        "max": [0.8, 0.9, 0.7, 0.4, 0.35, 0.25, 0.15],
        "box_and_model_avg": [0.8, 0.366667, 0.466667, 0.266667, 0.233333, 0.166667, 0.1],
        "absent_model_aware_avg": [0.8, 0.44, 0.466667, 0.266667, 0.233333, 0.166667, 0.1],
    }
    for conf_type, expected in scores.items():
        found = weighted_boxes_fusion(*LIBRARY, weights=[2, 1], iou=0.5, conf_type=conf_type)
        order = np.argsort(-np.array(expected), kind="stable")
        np.testing.assert_allclose(found[0], np.array(boxes)[order], atol=5e-7)
        np.testing.assert_allclose(found[1], np.array(expected)[order], atol=5e-7)
        assert found[2].tolist() == np.array(labels)[order].tolist()


def test_worked_numbers_of_nmw_and_nms():
    boxes, scores, labels = nmw(*LIBRARY, weights=[2, 1], iou=0.5)
    np.testing.assert_allclose(boxes[0], [0.001236, 0.486515, 0.812472, 0.912472], atol=5e-7)
    np.testing.assert_allclose(boxes[1], [0.105768, 0.315768, 0.712884, 0.618652], atol=5e-7)
    np.testing.assert_array_equal(boxes[2:], LIBRARY[0][[4, 3, 7, 5, 8]])
    np.testing.assert_allclose(scores, [0.9, 0.8, 0.7, 0.4, 0.35, 0.25, 0.15])
    assert labels.tolist() == [0, 1, 1, 1, 1, 1, 0]
    # The library divides by the sum of the weights, we by the largest: 1.5 times as much.
    boxes, scores, labels = fuse(parts(LIBRARY), method="nms", iou=0.5, weights=[2, 1])
    expected = [(0, 0.6), (1, 0.533333), (1, 0.466667), (1, 0.266667), (1, 0.233333),
                (1, 0.166667), (0, 0.1)]  # fmt: skip
    np.testing.assert_allclose(scores / 1.5, [score for _, score in expected], atol=5e-7)
    assert labels.tolist() == [label for label, _ in expected]
    np.testing.assert_array_equal(boxes[:2], LIBRARY[0][:2])


def parts(scene):
    boxes, scores, labels, models = scene
    labels = np.zeros(len(scores), int) if labels is None else labels
    return [
        (boxes[models == m], scores[models == m], labels[models == m])
        for m in range(int(models.max()) + 1)
    ]


@pytest.mark.parametrize("method", get_args(FusionMethod))
def test_fuse_calls_each_method(method):
    boxes, scores, labels = fuse(parts(THREE), method=method)
    assert boxes.shape == (len(scores), 4)
    assert (boxes.dtype, scores.dtype, labels.dtype) == (float, float, np.int64)
    assert (np.diff(scores) <= 0).all()
    assert len(fuse(parts(THREE), method=method, keep=1)[0]) == 1
    empty = (np.zeros((0, 4)), np.zeros(0), np.zeros(0, int))
    assert [len(column) for column in fuse([empty, empty], method=method)] == [0, 0, 0]
    assert [len(column) for column in fuse([([], [], [])], method=method)] == [0, 0, 0]
    # Weights count relative to the largest.
    for one, other in zip(
        fuse(parts(THREE), method=method, weights=[4, 2, 1]),
        fuse(parts(THREE), method=method, weights=[1, 0.5, 0.25]),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


def test_a_model_that_found_nothing_lowers_the_scores():
    empty = (np.zeros((0, 4)), np.zeros(0), np.zeros(0, int))
    one = (np.array([[0, 0, 4, 4.0]]), np.array([0.8]), np.array([7]))
    for method in ("voting", "wbf"):
        assert fuse([one, empty], method=method)[1].tolist() == [0.4]
        assert fuse([one, empty], method=method)[2].tolist() == [7]
    for method in ("nms", "soft", "nmw"):
        assert fuse([one, empty], method=method)[1].tolist() == [0.8]


def test_soft_is_gaussian_unless_an_iou_is_given():
    two = [(np.array([[0, 0, 10, 10], [1, 0, 11, 10.0]]), np.array([0.9, 0.8]), np.array([0, 0]))]
    overlap = 90 / 110
    assert fuse(two, method="soft")[1][1] == pytest.approx(0.8 * np.exp(-(overlap**2) / 0.5))
    assert fuse(two, method="soft", sigma=0.2)[1][1] == pytest.approx(
        0.8 * np.exp(-(overlap**2) / 0.2)
    )
    assert fuse(two, method="soft", iou=0.3)[1][1] == pytest.approx(0.8 * (1 - overlap))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: voting_nms(*THREE, weights=[1, 2]), "models are numbered 0 to 2; expected 0 to 1"),
        (lambda: voting_nms(*THREE, k=0), "k 0; expected at least 1"),
        (lambda: voting_nms(*THREE, iou=0), "iou 0; expected above 0"),
        (lambda: voting_nms(*THREE, score_mode="mean"), "did you mean 'mean_k'"),
        (lambda: voting_nms(*THREE, box_mode="mean"), "box_mode 'mean'"),
        (lambda: voting_nms(*THREE, soft="soft"), "soft 'soft'"),
        (lambda: nmw(*THREE[:3], np.array([0, 0, -1, 1, 1])), "numbered -1 to 1"),
        (lambda: nmw(*THREE[:3], np.zeros(3, int)), "models have shape"),
        (lambda: nmw(THREE[0], -THREE[1]), "a score is -0.9"),
        (lambda: nmw(*THREE, weights=[1, 0, 1]), "weights .* expected numbers above 0"),
        (lambda: weighted_boxes_fusion(*THREE, conf_type="mean"), "conf_type 'mean'"),
        (lambda: weighted_boxes_fusion(THREE[0][:, :3], THREE[1]), r"shape \(5, 3\)"),
        (lambda: fuse([]), "at least one model"),
        (lambda: fuse(parts(THREE), method="wfb"), "did you mean 'wbf'"),
        (lambda: fuse(parts(THREE), weights=[1, 1]), "2 weights for 3 models"),
        (lambda: fuse(parts(THREE), method="nms", k=2), "k 2 with the method 'nms'"),
        (lambda: fuse(parts(THREE), method="wbf", sigma=0.5), "sigma 0.5 with the method 'wbf'"),
        (lambda: fuse(parts(THREE), method="soft", sigma=0.5, iou=0.5), "and no iou"),
        (lambda: fuse(parts(THREE), iou=0), "expected above 0"),
        (lambda: fuse(parts(THREE), keep=-2), "keep -2"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(OptionError, match=message):
        call()
