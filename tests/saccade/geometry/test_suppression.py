"""Suppression against slow double loops and the worked numbers of the papers."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import slow_suppression as slow
from box_scenes import arrays, assert_rows, crowd, scenes, ways
from box_scenes import threshold as iou
from saccade.errors import OptionError
from saccade.geometry import overlaps
from saccade.geometry.suppression import box_voting, nms, soft_nms, usable

FOUR = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [0, 2, 10, 12], [20, 20, 30, 30]], float)
SCORES = np.array([0.9, 0.8, 0.7, 0.6])
PLUS_ONE = np.array([0, 0, 1, 1])


@given(scenes(), iou, st.one_of(st.none(), st.integers(0, 5)), ways)
def test_nms_equals_the_double_loop(scene, threshold, keep, way):
    boxes, scores, labels, _ = scene
    b, s, n = arrays(boxes, scores, labels)
    with mock.patch.multiple(overlaps, **way):
        aware = nms(b, s, n, iou=threshold, keep=keep)
        alike = nms(b, s, iou=threshold, keep=keep)
    assert aware.tolist() == slow.slow_nms(boxes, scores, labels, threshold, keep)
    assert alike.tolist() == slow.slow_nms(boxes, scores, [0] * len(labels), threshold, keep)
    assert aware.dtype == np.int64


@given(
    scenes(),
    st.sampled_from(["linear", "gaussian"]),
    iou,
    st.sampled_from([0.1, 0.5, 2.0]),
    st.sampled_from([0.0, 0.001, 0.3]),
    st.one_of(st.none(), st.integers(0, 5)),
    ways,
)
def test_soft_nms_equals_the_double_loop(scene, method, threshold, sigma, floor, keep, way):
    boxes, scores, labels, _ = scene
    b, s, n = arrays(boxes, scores, labels)
    options = {"method": method, "iou": threshold, "sigma": sigma, "floor": floor, "keep": keep}
    with mock.patch.multiple(overlaps, **way):
        indices, faded = soft_nms(b, s, n, **options)
    expected = slow.slow_soft_nms(boxes, scores, labels, *list(options.values()))
    assert indices.tolist() == [index for index, _ in expected]
    assert faded.tolist() == [value for _, value in expected]


@given(scenes(), iou, iou.filter(bool), ways)
def test_box_voting_equals_the_double_loop(scene, threshold, vote, way):
    boxes, scores, labels, _ = scene
    b, s, n = arrays(boxes, scores, labels)
    with mock.patch.multiple(overlaps, **way):
        found = box_voting(b, s, n, iou=threshold, vote_iou=vote)
    assert_rows(found, slow.slow_box_voting(boxes, scores, labels, threshold, vote))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.6, 0.9])
def test_many_boxes(seed, threshold):
    boxes, scores, labels, _ = crowd(400, seed, per=[5, 15, 60, 400][seed])
    rows = boxes.tolist(), scores.tolist(), labels.tolist()
    with mock.patch.multiple(overlaps, _FEW=0):
        kept = nms(boxes, scores, labels, iou=threshold)
    assert kept.tolist() == slow.slow_nms(*rows, threshold)
    for method in ("linear", "gaussian"):
        found = soft_nms(boxes, scores, labels, method=method, iou=threshold, floor=0.05)
        expected = slow.slow_soft_nms(*rows, method, threshold, 0.5, 0.05)
        assert list(zip(*(column.tolist() for column in found), strict=True)) == expected


def test_all_pairs_are_found():
    boxes, _, labels, _ = crowd(700, 7)
    grid = overlaps.OverlapGrid(boxes, labels, 0.0)
    first, second, value = grid.pairs(np.arange(700))
    found = dict(
        zip(zip(first.tolist(), second.tolist(), strict=True), value.tolist(), strict=True)
    )
    rows = boxes.tolist()
    expected = {
        (i, j): overlap
        for i in range(700)
        for j in range(700)
        if i != j and labels[i] == labels[j] and (overlap := slow.slow_iou(rows[i], rows[j])) > 0
    }
    assert found == expected


def test_worked_numbers_of_hard_and_soft_nms():
    assert nms(FOUR, SCORES, iou=0.5).tolist() == [0, 3]
    for boxes, options, indices, scores in (
        (FOUR, {"method": "linear", "iou": 0.3}, [0, 3, 2, 1], [0.9, 0.6, 0.233333, 0.063636]),
        (FOUR, {"sigma": 0.5}, [0, 3, 2, 1], [0.9, 0.6, 0.287779, 0.111381]),
        (FOUR, {"sigma": 0.15}, [0, 3, 2, 1], [0.9, 0.6, 0.036166, 0.001119]),
        (FOUR + PLUS_ONE, {"sigma": 0.15}, [0, 3, 2], [0.9, 0.6, 0.028669]),
        (
            FOUR + PLUS_ONE,
            {"sigma": 0.5, "floor": 0.01},
            [0, 3, 2, 1],
            [0.9, 0.6, 0.268406, 0.098943],
        ),
    ):
        found, faded = soft_nms(boxes, SCORES, **options)
        assert found.tolist() == indices
        np.testing.assert_allclose(faded, scores, atol=5e-7)


@pytest.mark.parametrize(
    ("vote", "moved"),
    [
        (0.5, [0.333333, 0.583333, 10.333333, 10.583333]),
        (0.7, [0.470588, 0, 10.470588, 10]),
    ],
)
def test_worked_numbers_of_box_voting(vote, moved):
    boxes, scores, labels = box_voting(FOUR + PLUS_ONE, SCORES, iou=0.5, vote_iou=vote)
    np.testing.assert_allclose(boxes[0] - PLUS_ONE, moved, atol=5e-7)
    np.testing.assert_array_equal(boxes[1] - PLUS_ONE, FOUR[3])
    assert scores.tolist() == [0.9, 0.6]
    assert labels.tolist() == [0, 0]


def test_worked_numbers_of_picodet():
    boxes = np.array([[0, 0, 10, 10], [1, 1, 11, 11], [0, 0, 10, 6], [20, 20, 30, 30]], float)
    boxes = np.vstack([boxes, boxes[:1]])
    scores = np.array([[0.9, 0.8, 0.7, 0.02, 0.025], [0.1, 0.3, 0.026, 0.5, 0.6]])
    label, point = np.nonzero(scores > 0.025)
    flat = scores[label, point]
    kept = nms(boxes[point], flat, label, iou=0.6)
    rows = [(int(label[n]), float(flat[n]), int(point[n])) for n in kept]
    # By score over all classes; the reference groups by class. IoU of exactly 0.6 stays (0, 0.7).
    assert sorted(rows, key=lambda row: row[0]) == [
        (0, 0.9, 0), (0, 0.7, 2), (1, 0.6, 4), (1, 0.5, 3), (1, 0.026, 2),
    ]  # fmt: skip
    assert nms(boxes[point], flat, label, iou=0.6, keep=2).tolist() == kept[:2].tolist()
    assert [rows[n][1] for n in range(2)] == [0.9, 0.7]


def test_nothing_is_an_empty_result():
    for boxes in (np.zeros((0, 4)), []):
        assert nms(boxes, []).shape == (0,)
        assert [len(part) for part in soft_nms(boxes, [])] == [0, 0]
        assert [part.shape for part in box_voting(boxes, [], [])] == [(0, 4), (0,), (0,)]
    nowhere = np.full((2, 4), np.nan)
    assert len(nms(nowhere, np.ones(2))) == 0
    assert usable(nowhere, np.ones(2)).tolist() == [False, False]


def test_float32_boxes_are_computed_in_float64():
    # In float32 the threshold 0.6 would be above 60 / 100.
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 6]], np.float32)
    assert nms(boxes, np.array([1, 0.5], np.float32), iou=0.6).tolist() == [0, 1]
    assert nms(boxes, np.array([1, 0.5], np.float32), iou=0.5999999).tolist() == [0]


def test_extreme_sizes_raise_no_warning():
    boxes = np.array(
        [[-1e100, -1e100, 1e100, 1e100], [0, 0, 1e-160, 1e-160], [0, 0, 1e100, 5e-324],
         [0, 0, 1, 1], [1e99, 0, 1e100, 1e-300]]
    )  # fmt: skip
    for threshold in (0.0, 1e-300, 0.5):
        with mock.patch.multiple(overlaps, _FEW=0):
            found = nms(boxes, np.ones(5), iou=threshold)
        assert found.tolist() == slow.slow_nms(boxes.tolist(), [1.0] * 5, [0] * 5, threshold)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nms(FOUR, SCORES[:3]), r"boxes have shape \(4, 4\) and scores \(3,\)"),
        (lambda: nms(FOUR[:, :3], SCORES), r"expected \(N, 4\)"),
        (lambda: nms(FOUR, SCORES, np.zeros(3, int)), "labels have shape"),
        (lambda: nms(FOUR, SCORES, np.zeros(4)), "expected 4 integers"),
        (lambda: nms(FOUR, SCORES, iou=1.5), "iou 1.5; expected 0 to 1"),
        (lambda: nms(FOUR, SCORES, iou=float("nan")), "iou nan"),
        (lambda: nms(FOUR, SCORES, keep=-1), "keep -1"),
        (lambda: soft_nms(FOUR, -SCORES), "a score is -0.9"),
        (lambda: soft_nms(FOUR, SCORES, method="gausian"), "did you mean 'gaussian'"),
        (lambda: soft_nms(FOUR, SCORES, sigma=0), "sigma 0"),
        (lambda: box_voting(FOUR, SCORES, vote_iou=0), "vote_iou 0; expected above 0"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(OptionError, match=message):
        call()
