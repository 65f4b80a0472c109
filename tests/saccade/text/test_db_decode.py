"""Probability maps to regions: the reference's numbers, and what must hold without it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saccade.errors import OptionError
from saccade.geometry.polygons import area, iou, min_area_box, offset, reach
from saccade.text.db_decode import DBOptions, box_score, decode_polygons, decode_quads

COMPAT = DBOptions(paddle_compat=True)
SHRUNK = np.array([[17, 17], [103, 17], [103, 23], [17, 23]])


def bar(height: int = 60, width: int = 200, value: float = 0.9) -> np.ndarray:
    """The shrunk label of the rectangle (10, 10)-(110, 30), as a network would draw it."""
    image = np.zeros((height, width), np.float32)
    image[17:24, 17:104] = value
    return image


def test_the_shrunk_bar_is_widened() -> None:
    found = decode_quads(bar(), (60, 200), COMPAT)
    assert found.quads.dtype == np.float32
    assert found.quads.tolist() == [[[13, 13], [107, 13], [107, 27], [13, 27]]]
    assert found.scores == pytest.approx([0.9])
    d = 4.206522
    (quad,) = decode_quads(bar(), (60, 200)).quads
    expected = [[17 - d, 17 - d], [103 + d, 17 - d], [103 + d, 23 + d], [17 - d, 23 + d]]
    np.testing.assert_allclose(quad, expected, atol=1e-4)


def test_box_score() -> None:
    image = bar()
    image[20] = 0.4
    assert box_score(image, SHRUNK) == pytest.approx(0.8285714, abs=1e-6)
    assert box_score(image, SHRUNK + 0.4) == box_score(image, SHRUNK)  # fractions are cut off
    assert box_score(image, np.array([[-50, -50], [500, -50], [500, 300], [-50, 300]])) == (
        pytest.approx(image.mean(), rel=1e-5)
    )


def test_the_picture_may_be_of_another_size() -> None:
    found = decode_quads(bar(), (30, 400), COMPAT)
    # 13 / 60 * 30 = 6.5 and 27 / 2 = 13.5: halves go to the even number
    assert found.quads.tolist() == [[[26, 6], [214, 6], [214, 14], [26, 14]]]
    (exact,) = decode_quads(bar(), (30, 400)).quads
    (plain,) = decode_quads(bar(), (60, 200)).quads
    np.testing.assert_allclose(exact, plain * (2, 0.5), atol=1e-3)


def test_thresholds() -> None:
    size = (60, 200)
    assert len(decode_quads(bar(value=0.59), size).quads) == 0
    assert len(decode_quads(bar(value=0.59), size, DBOptions(box_threshold=0.5)).quads) == 1
    assert len(decode_quads(bar(value=0.3), size, DBOptions(box_threshold=0.1)).quads) == 0
    loose = DBOptions(threshold=0.2, box_threshold=0.1)
    assert len(decode_quads(bar(value=0.3), size, loose).quads) == 1


@pytest.mark.parametrize("compat", [False, True])
def test_small_regions_are_dropped(compat: bool) -> None:
    options = DBOptions(paddle_compat=compat)
    image = np.zeros((64, 64), np.float32)
    image[10:13, 10:40] = 1  # its contour is 2 pixels high
    image[30, 30] = 1
    assert len(decode_quads(image, (64, 64), options).quads) == 0
    image[10:14, 10:40] = 1
    assert len(decode_quads(image, (64, 64), options).quads) == 1
    assert len(decode_quads(image, (16, 16), options).quads) == 0  # 3 pixels or less of the source


def test_fast_and_slow_score_differ_for_a_bent_region() -> None:
    image = np.zeros((100, 100), np.float32)
    image[10:90, 10:20] = image[80:90, 10:90] = 0.9  # an L: its box is mostly empty
    assert len(decode_quads(image, (100, 100)).quads) == 0
    slow = decode_quads(image, (100, 100), DBOptions(score="slow"))
    assert slow.scores == pytest.approx([0.9], abs=0.01)
    outline = decode_polygons(image, (100, 100))
    (polygon,) = outline.polygons
    assert outline.scores == pytest.approx([0.9], abs=0.01)
    assert area(polygon) < 0.5 * 100 * 100
    assert len(polygon) > 6


def test_dilation_grows_to_the_right_and_downwards() -> None:
    image = np.zeros((64, 64), np.float32)
    image[10:20, 10:40] = 1
    plain = decode_quads(image, (64, 64), DBOptions(unclip_ratio=1e-6)).quads[0]
    grown = decode_quads(
        image, (64, 64), DBOptions(unclip_ratio=1e-6, dilate=True, box_threshold=0)
    ).quads[0]
    np.testing.assert_allclose(plain[[0, 2]], [[10, 10], [39, 19]], atol=1e-3)
    np.testing.assert_allclose(grown[[0, 2]], [[10, 10], [40, 20]], atol=1e-3)
    dot = np.zeros((4, 4), np.uint8)
    dot[1, 1] = 1
    rows, columns = np.nonzero(cv2.dilate(dot, np.ones((2, 2), np.uint8)))
    assert (set(rows.tolist()), set(columns.tolist())) == ({1, 2}, {1, 2})


def test_the_number_of_candidates_is_bounded() -> None:
    image = np.zeros((200, 200), np.float32)
    for top in range(10, 190, 20):
        image[top : top + 8, 20:180] = 1
    assert len(decode_quads(image, (200, 200)).quads) == 9
    kept = decode_quads(image, (200, 200), DBOptions(max_candidates=2)).quads
    assert sorted(kept[:, 0, 1].round().tolist()) == pytest.approx([145, 165], abs=3)


@given(
    st.floats(40, 60), st.floats(40, 60), st.floats(14, 70), st.floats(10, 30), st.floats(-90, 90)
)
@settings(max_examples=60)
def test_moving_the_sides_is_what_clipper_does(x, y, width, height, angle):
    rectangle = cv2.boxPoints(((x, y), (width, height), angle))
    image = np.zeros((100, 100), np.float32)
    cv2.fillPoly(image, [rectangle.round().astype(np.int32)], 1.0)
    found = decode_quads(image, (100, 100), DBOptions(unclip_ratio=1.0))
    assert len(found.quads) == 1
    contours, _ = cv2.findContours(image.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    box, _ = min_area_box(contours[0])
    (wide,) = offset(box, reach(box, 1.0))
    expected = np.clip(min_area_box(wide)[0], 0, 99)
    quad = found.quads[0]
    inside = (
        (quad > 0).all() and (quad < 99).all() and (expected > 0).all() and (expected < 99).all()
    )
    if inside:
        assert iou(quad, expected) > 0.98
    compat = decode_quads(image, (100, 100), DBOptions(unclip_ratio=1.0, paddle_compat=True))
    if inside:
        assert iou(compat.quads[0], quad) > 0.8


@pytest.mark.parametrize("options", [DBOptions(), COMPAT])
@given(seed=st.integers(0, 1000))
@settings(max_examples=20)
def test_whatever_the_map_quads_lie_in_the_picture(options, seed):
    random = np.random.default_rng(seed)
    small = random.random((12, 15)).astype(np.float32)
    image = cv2.resize(small, (150, 120))
    found = decode_quads(image, (77, 301), options)
    assert len(found.quads) == len(found.scores)
    assert found.quads.shape[1:] == (4, 2)
    if len(found.quads):
        assert found.quads.min() >= 0
        assert found.quads[..., 0].max() <= 300 and found.quads[..., 1].max() <= 76
        assert found.scores.min() >= 0.6
    for polygon in decode_polygons(image, (77, 301), options).polygons:
        assert polygon.dtype == np.float32 and len(polygon) >= 4


def test_nothing_found_is_empty() -> None:
    empty = np.zeros((32, 32), np.float32)
    found = decode_quads(empty, (32, 32))
    assert found.quads.shape == (0, 4, 2) and found.scores.shape == (0,)
    assert decode_polygons(empty, (32, 32)).polygons == []


@pytest.mark.parametrize(
    "bad",
    [
        {"threshold": 1.5},
        {"box_threshold": -0.1},
        {"unclip_ratio": 0},
        {"score": "mean"},
        {"max_candidates": 0},
    ],
)
def test_bad_options(bad) -> None:
    with pytest.raises(OptionError, match=next(iter(bad))):
        DBOptions(**bad)


def test_bad_map() -> None:
    with pytest.raises(OptionError, match="height, width"):
        decode_quads(np.zeros((1, 32, 32), np.float32), (32, 32))
