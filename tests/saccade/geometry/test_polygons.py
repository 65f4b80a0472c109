"""Polygon arithmetic: worked numbers, and what must hold for any polygon."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saccade.errors import OptionError
from saccade.geometry import polygons as P

BOX = np.array([[10, 10], [110, 10], [110, 30], [10, 30]])
SHRUNK = np.array([[17, 17], [103, 17], [103, 23], [17, 23]])
SLANTED = np.array([[20, 20], [80, 40], [75, 55], [15, 35]])

coordinate = st.integers(-50, 50)
point = st.tuples(coordinate, coordinate)
quad = st.lists(point, min_size=4, max_size=4).map(np.array)
side = st.integers(1, 60)
boxes = st.tuples(coordinate, coordinate, side, side).map(
    lambda b: np.array(
        [[b[0], b[1]], [b[0] + b[2], b[1]], [b[0] + b[2], b[1] + b[3]], [b[0], b[1] + b[3]]]
    )
)


def test_worked_numbers() -> None:
    assert (P.area(BOX), P.perimeter(BOX), P.reach(BOX, 1 - 0.4**2)) == (2000, 240, 7)
    assert (P.area(SHRUNK), P.perimeter(SHRUNK)) == (516, 184)
    assert P.reach(SHRUNK, 1.5) == pytest.approx(4.206522, abs=1e-6)
    assert P.reach(SHRUNK, 2.0) == pytest.approx(5.608696, abs=1e-6)
    assert P.area(SLANTED) == 1000
    assert P.perimeter(SLANTED) == pytest.approx(158.113883, abs=1e-6)
    assert P.reach(SLANTED, 1 - 0.4**2) == pytest.approx(5.312626, abs=1e-6)


def corners(parts: list[np.ndarray]) -> set[tuple[float, ...]]:
    (part,) = parts
    return {tuple(corner) for corner in part.tolist()}


def test_offsets_of_the_reference() -> None:
    assert corners(P.offset(BOX, -7.0, paddle_compat=True)) == {
        tuple(corner) for corner in SHRUNK.tolist()
    }
    (wide,) = P.offset(BOX, 7.0, paddle_compat=True)
    assert len(wide) == 16
    assert (*wide.min(0), *wide.max(0)) == (3, 3, 117, 37)
    assert corners(P.offset(SLANTED, -5.312626, paddle_compat=True)) == {
        (22, 32),
        (23, 27),
        (73, 43),
        (72, 48),
    }
    (back,) = P.offset(SHRUNK, 4.206522, paddle_compat=True)
    assert len(back) == 12
    assert (*back.min(0), *back.max(0)) == (13, 13, 107, 27)
    box, short = P.min_area_box(back)
    np.testing.assert_allclose(box, [[13, 13], [107, 13], [107, 27], [13, 27]], atol=1e-4)
    assert short == pytest.approx(14, abs=1e-4)


def test_the_reference_cuts_fractions_towards_zero() -> None:
    square = np.array([[10.9, 10.9], [20.9, 10.9], [20.9, 20.9], [10.9, 20.9]])
    for sign in (1, -1):
        found = corners(P.offset(sign * square, 0.0, paddle_compat=True))
        assert found == {(sign * x, sign * y) for x in (10.0, 20.0) for y in (10.0, 20.0)}
        (exact,) = P.offset(sign * square, 0.0)
        assert np.abs(exact).min() == pytest.approx(10.9, abs=1e-3)


@given(
    st.lists(st.tuples(st.integers(-40, 60), st.integers(-40, 60)), min_size=3, max_size=7),
    st.tuples(st.integers(-20, 0), st.integers(-20, 0), st.integers(1, 40), st.integers(1, 40)),
)
def test_a_cut_polygon_keeps_what_is_inside(corners, box):
    hull = cv2.convexHull(np.array(corners, np.float32))[:, 0]
    part = P.cut(hull, box)
    left, top, right, bottom = box
    frame = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)
    wanted = P.intersection_area(hull, frame) if P.area(hull) > 0 else 0.0
    # Clipper counts in 1/1024 pixel, along outlines of up to some hundred pixels.
    assert (P.area(part) if len(part) else 0.0) == pytest.approx(wanted, abs=0.2)
    if len(part):
        assert (part >= (left - 1e-6, top - 1e-6)).all()
        assert (part <= (right + 1e-6, bottom + 1e-6)).all()


def test_cutting_a_hollow_polygon_by_hand() -> None:
    hollow = np.array([[0, 0], [30, 0], [30, 30], [20, 30], [20, 10], [10, 10], [10, 30], [0, 30]])
    assert P.area(P.cut(hollow, (0, 0, 30, 10))) == 300
    assert P.area(P.cut(hollow, (0, 20, 30, 30))) == 200
    assert len(P.cut(hollow, (40, 0, 50, 30))) == 0


@given(boxes, st.integers(1, 20))
def test_offset_of_a_box(box, distance):
    width, height = np.ptp(box, axis=0)
    (wide,) = P.offset(box, distance)
    rounded = width * height + 2 * (width + height) * distance + np.pi * distance**2
    # The arc is a polygon, by at most a quarter of a pixel inside.
    assert rounded - 2 * np.pi * distance * 0.26 - 0.5 <= P.area(wide) <= rounded + 0.5
    inner = P.offset(box, -distance)
    if min(width, height) > 2 * distance:
        assert P.area(inner[0]) == pytest.approx(
            (width - 2 * distance) * (height - 2 * distance), abs=0.1
        )
    else:
        assert inner == []


def test_a_narrow_waist_parts() -> None:
    dumbbell = np.array(
        [(0, 0), (20, 0), (20, 9), (40, 9), (40, 0), (60, 0), (60, 20), (40, 20), (40, 11),
         (20, 11), (20, 20), (0, 20)]
    )  # fmt: skip
    assert len(P.offset(dumbbell, -2)) == 2


@given(quad)
def test_area_and_outline_equal_the_loop(q):
    twice = length = 0.0
    for one, two in itertools.pairwise([*q, q[0]]):
        twice += one[0] * two[1] - two[0] * one[1]
        length += float(np.hypot(*(two - one)))
    assert P.signed_area(q) == twice / 2
    assert P.signed_area(q[::-1]) == -twice / 2
    assert P.perimeter(q) == pytest.approx(length)
    assert P.reach(q, 1.5) == pytest.approx(abs(twice) / 2 * 1.5 / length if length else 0)


def test_clockwise_is_positive() -> None:
    assert P.signed_area(BOX) == 2000


def test_orders_disagree_on_a_steep_line() -> None:
    steep = np.array([[9, 1605], [90, 32], [144, 34], [63, 1607]])
    upright = [[90, 32], [144, 34], [63, 1607], [9, 1605]]
    for shift in range(4):
        rolled = np.roll(steep, shift, axis=0)
        assert P.order_by_x(rolled).tolist() == steep.tolist()
        assert P.order_by_sum(rolled).tolist() == upright


@pytest.mark.parametrize("order", [P.order_by_x, P.order_by_sum])
@given(quad)
def test_an_order_is_a_permutation(order, q):
    assert sorted(order(q).tolist()) == sorted(q.tolist())


@pytest.mark.parametrize("order", [P.order_by_x, P.order_by_sum])
@given(boxes, st.permutations(range(4)))
def test_a_box_is_ordered_from_top_left(order, box, shuffle):
    np.testing.assert_array_equal(order(box[list(shuffle)]), box)


@given(
    st.tuples(coordinate, coordinate),
    st.integers(8, 80),
    st.integers(8, 80),
    st.floats(-89, 89),
)
def test_turned_rectangles_stay_clockwise(centre, width, height, angle):
    rectangle = cv2.boxPoints((tuple(map(float, centre)), (float(width), float(height)), angle))
    assert P.signed_area(P.order_by_sum(rectangle)) == pytest.approx(width * height, rel=1e-3)
    box, short = P.min_area_box(rectangle)
    assert P.area(box) == pytest.approx(width * height, rel=1e-3)
    assert short == pytest.approx(min(width, height), rel=1e-3)
    assert sorted(P.quad_sides(box)) == pytest.approx(sorted((width, height)), rel=1e-3)


@pytest.mark.parametrize("points", [[[3, 4]], [[3, 4], [9, 4]], [[0, 0], [10, 0], [5, 0]]])
def test_boxes_without_area(points: list[list[int]]) -> None:
    box, short = P.min_area_box(np.array(points, np.int32))
    assert short == pytest.approx(0, abs=1e-4)
    assert box.shape == (4, 2) and P.reach(box, 1.5) == pytest.approx(0, abs=1e-3)


def test_clip() -> None:
    found = P.clip(np.array([[-3.0, 5.0], [99.5, -1.0], [50.0, 70.0]]), (60, 100))
    assert found.tolist() == [[0, 5], [99, 0], [50, 59]]


def slow_shared(a, b):
    """Count quarter cells; exact for boxes on whole coordinates."""
    low, high = np.maximum(a.min(0), b.min(0)), np.minimum(a.max(0), b.max(0))
    return float(np.prod(np.maximum(high - low, 0)))


@given(boxes, boxes)
def test_intersection_of_boxes(a, b):
    shared = slow_shared(a, b)
    assert P.intersection_area(a, b) == pytest.approx(shared, abs=1e-6)
    assert P.intersection_area(a[::-1], b) == pytest.approx(shared, abs=1e-6)
    assert P.iou(a, b) == pytest.approx(shared / (P.area(a) + P.area(b) - shared), abs=1e-6)
    assert P.iou(a, a) == pytest.approx(1)


@given(quad, quad)
def test_intersection_of_any_quads_is_bounded(a, b):
    shared = P.intersection_area(a, b)
    assert shared == pytest.approx(P.intersection_area(b, a), abs=0.05)
    a, b = (cv2.convexHull(q.astype(np.float32)).reshape(-1, 2) for q in (a, b))
    assert shared <= min(P.area(a), P.area(b)) + 0.2
    if min(P.area(a), P.area(b)) > 1:
        expected = cv2.intersectConvexConvex(a, b)[0]
        assert P.intersection_area(a, b) == pytest.approx(expected, abs=0.2)


def test_intersection_of_hollow_forms() -> None:
    c_form = np.array([(0, 0), (30, 0), (30, 10), (10, 10), (10, 20), (30, 20), (30, 30), (0, 30)])
    bar = np.array([(20, 0), (25, 0), (25, 30), (20, 30)])
    assert P.intersection_area(c_form, bar) == pytest.approx(100)
    bow_tie = np.array([(0, 0), (10, 10), (10, 0), (0, 10)])
    whole = np.array([(0, 0), (10, 0), (10, 10), (0, 10)])
    assert P.intersection_area(bow_tie, whole) == pytest.approx(50, abs=0.1)
    line = np.array([(0, 5), (10, 5), (20, 5), (5, 5)])
    assert P.intersection_area(line, whole) == 0
    assert P.iou(line, line) == 0


@pytest.mark.parametrize(
    ("polygon", "simple"),
    [
        (BOX, True),
        (SLANTED, True),
        ([(0, 0), (30, 0), (30, 10), (10, 10), (10, 20), (30, 20), (30, 30), (0, 30)], True),
        ([(0, 0), (10, 10), (10, 0), (0, 10)], False),
        ([(0, 0), (10, 0), (5, 0), (5, 5)], False),  # goes back over itself
        ([(0, 0), (10, 0), (20, 0)], False),
        ([(0, 0), (10, 0)], False),
        ([(0, 0), (10, 0), (20, 0), (20, 10), (0, 10)], True),  # a corner within an edge
        ([(0, 0), (10, 0), (10, 10), (5, 0), (0, 10)], False),  # touches itself
        (
            [(0, 0), (10, 0), (10, 10), (10, 10), (0, 10)],
            True,
        ),  # a corner twice: padded
        ([(3, 3), (3, 3), (3, 3), (3, 3)], False),
    ],
)
def test_simple(polygon: object, simple: bool) -> None:
    assert P.is_simple(np.array(polygon)) is simple


def test_shapes_are_checked() -> None:
    with pytest.raises(OptionError, match=r"\(corners, 2\)"):
        P.area(np.zeros((4, 3)))
