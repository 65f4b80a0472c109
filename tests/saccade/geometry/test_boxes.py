"""The vectorised box algebra against a slow double loop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saccade.errors import OptionError
from saccade.geometry import boxes as B

# Quarters are exact in binary; boxes may be empty or inside out.
coordinate = st.integers(-40, 40).map(lambda n: n / 4)
box = st.tuples(coordinate, coordinate, coordinate, coordinate)
some_boxes = st.lists(box, max_size=6).map(lambda rows: np.array(rows, np.float64).reshape(-1, 4))


def slow_area(b):
    return max(0.0, b[2] - b[0]) * max(0.0, b[3] - b[1])


def slow_iou(a, b):
    shared = slow_area((max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])))
    union = slow_area(a) + slow_area(b) - shared
    return (shared / union if union > 0 else 0.0), union


def slow_giou(a, b):
    iou, union = slow_iou(a, b)
    hull = slow_area((min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])))
    return iou - (max(hull - union, 0) / hull if hull > 0 else 0.0)


@given(some_boxes, some_boxes)
def test_matrices_equal_the_double_loop(first, second):
    expected = np.array([[slow_iou(a, b)[0] for b in second] for a in first])
    generalised = np.array([[slow_giou(a, b) for b in second] for a in first])
    shape = (len(first), len(second))
    np.testing.assert_allclose(B.iou_matrix(first, second), expected.reshape(shape), atol=1e-12)
    np.testing.assert_allclose(B.giou_matrix(first, second), generalised.reshape(shape), atol=1e-12)


@given(st.lists(st.tuples(box, box), max_size=6))
def test_pairs_are_the_diagonal(pairs):
    first = np.array([a for a, _ in pairs]).reshape(-1, 4)
    second = np.array([b for _, b in pairs]).reshape(-1, 4)
    np.testing.assert_array_equal(
        B.iou_pairs(first, second), np.diagonal(B.iou_matrix(first, second))
    )
    np.testing.assert_array_equal(
        B.giou_pairs(first, second), np.diagonal(B.giou_matrix(first, second))
    )


@given(some_boxes)
def test_area_equals_the_loop(boxes):
    np.testing.assert_array_equal(B.area(boxes), [slow_area(b) for b in boxes])


@given(st.lists(st.tuples(*[st.floats(-1e4, 1e4, width=32)] * 4), min_size=1, max_size=8))
def test_scores_stay_in_their_range_in_float32(rows):
    boxes = np.array(rows, np.float32)
    iou, giou = B.iou_matrix(boxes, boxes), B.giou_matrix(boxes, boxes)
    assert iou.dtype == np.float32
    assert iou.min() >= 0 and iou.max() <= 1
    assert giou.min() >= -1 and giou.max() <= 1
    np.testing.assert_array_equal(iou, iou.T)


def test_known_values():
    a, b = np.array([[0, 0, 10, 10]]), np.array([[5, 5, 15, 15], [20, 0, 30, 10], [0, 0, 10, 10]])
    np.testing.assert_allclose(B.iou_matrix(a, b), [[25 / 175, 0, 1]], rtol=1e-6)
    # Hulls: 15 x 15 and 30 x 10.
    np.testing.assert_allclose(
        B.giou_matrix(a, b), [[25 / 175 - 50 / 225, -100 / 300, 1]], rtol=1e-6
    )


def test_empty_union_and_inverted_boxes_have_no_overlap():
    point, inverted, box = [3, 3, 3, 3], [8, 8, 2, 2], [0, 0, 10, 10]
    boxes = np.array([point, inverted, box], np.float32)
    np.testing.assert_array_equal(B.area(boxes), [0, 0, 100])
    np.testing.assert_array_equal(B.iou_matrix(boxes, boxes), np.diag([0, 0, 1]))


def test_empty_arrays():
    none, some = np.empty((0, 4)), np.ones((3, 4))
    assert B.iou_matrix(none, some).shape == (0, 3)
    assert B.giou_matrix(some, none).shape == (3, 0)
    assert B.iou_matrix(np.array([]), np.array([])).shape == (0, 0)
    for function in (B.xywh_to_xyxy, B.xyxy_to_xywh, B.cxcywh_to_xyxy, B.xyxy_to_cxcywh):
        assert function(none).shape == (0, 4)
    assert B.area(none).shape == (0,)
    assert B.clip(none, (4, 4)).shape == (0, 4)


def test_clip_is_to_width_and_height():
    boxes = np.array([[-5, -5, 30, 30], [2, 3, 4, 5]])
    np.testing.assert_array_equal(B.clip(boxes, (10, 20)), [[0, 0, 20, 10], [2, 3, 4, 5]])


def test_conversions():
    xyxy = np.array([[1.0, 2.0, 4.0, 8.0]])
    np.testing.assert_array_equal(B.xyxy_to_xywh(xyxy), [[1, 2, 3, 6]])
    np.testing.assert_array_equal(B.xyxy_to_cxcywh(xyxy), [[2.5, 5, 3, 6]])


@given(some_boxes)
def test_conversions_round_trip(boxes):
    np.testing.assert_array_equal(B.xywh_to_xyxy(B.xyxy_to_xywh(boxes)), boxes)
    np.testing.assert_array_equal(B.cxcywh_to_xyxy(B.xyxy_to_cxcywh(boxes)), boxes)


def test_integers_do_not_wrap():
    boxes = np.array([[0, 0, 200, 200]], np.uint8)
    assert B.area(boxes)[0] == 40000


def test_wrong_shapes_are_named():
    with pytest.raises(OptionError, match=r"\(2, 3\).*\(\.\.\., 4\)"):
        B.area(np.zeros((2, 3)))
    with pytest.raises(OptionError, match=r"\(N, 4\) and \(M, 4\)"):
        B.iou_matrix(np.zeros(4), np.zeros((2, 4)))
