"""Pasted texts keep off others; the two mistakes of the reference on demand."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saccade.errors import OptionError
from saccade.geometry.polygons import intersection_area
from saccade_train.augment.copy_paste import copy_paste, free_place, turned_corners

Page = tuple[np.ndarray, list[np.ndarray], list[bool]]


def box(x: float, y: float, width: float, height: float) -> np.ndarray:
    return np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]], np.float32)


def blank(level: int, *boxes: np.ndarray, size: tuple[int, int] = (200, 300)) -> Page:
    """A black page; texts are boxes of one grey."""
    image = np.zeros((*size, 3), np.uint8)
    for quad in boxes:
        cv2.fillPoly(image, [np.rint(quad).astype(np.int32)], (level, level, level))
    return image, list(boxes), [False] * len(boxes)


HERE = blank(90, *(box(x, y, 70, 14) for x in (10, 150) for y in (10, 60, 110, 160)))
THERE = blank(250, *(box(20, y, 40, 12) for y in range(5, 180, 20)))


@pytest.mark.parametrize("seed", range(20))
def test_pasted_texts_overlap_nothing(seed: int) -> None:
    image, polygons, flags = copy_paste(*HERE, *THERE, np.random.default_rng(seed), share=1.0)
    assert len(polygons) == len(flags) > len(HERE[1])
    assert not any(flags)
    for number, one in enumerate(polygons):
        for other in polygons[:number]:
            assert intersection_area(one, other) == 0
    # What was there is untouched, and what came lies inside the new polygons.
    for quad in HERE[1]:
        x, y = quad[0].astype(int)
        np.testing.assert_array_equal(image[y : y + 14, x : x + 70], 90)
    painted = image[..., 0] > 170
    drawn = np.zeros(painted.shape, np.uint8)
    cv2.fillPoly(drawn, [np.rint(p).astype(np.int32) for p in polygons[len(HERE[1]) :]], 1)
    assert (painted & (drawn > 0)).sum() / (painted | (drawn > 0)).sum() > 0.8


def test_compat_overlaps_and_drops_polygons() -> None:
    hits = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        image, polygons, flags = copy_paste(*HERE, *THERE, rng, share=1.0, paddle_compat=True)
        assert len(polygons) == len(flags) == len(HERE[1])
        assert not np.array_equal(image, HERE[0])
        hits += any(
            (image[int(y) : int(y) + 14, int(x) : int(x) + 70] != 90).any()
            for x, y in (quad[0] for quad in HERE[1])
        )
    assert hits > 5


def test_compat_looks_one_width_to_the_right() -> None:
    """All but the rightmost strip is taken: only there it finds a place, and takes another."""
    corners = box(0, 0, 20, 10).astype(np.float64)
    taken = [box(0, 0, 78, 50)]
    for seed in range(20):
        rng = np.random.default_rng(seed)
        place = free_place(corners, taken, (50, 100), rng)
        assert place is None or place[0] > 78
        compat = free_place(corners, taken, (50, 100), rng, paddle_compat=True)
        assert compat is None or compat[0] > 58
    places = [
        free_place(corners, taken, (50, 100), np.random.default_rng(seed), paddle_compat=True)
        for seed in range(20)
    ]
    assert any(place is not None and place[0] < 78 for place in places)


def test_how_many() -> None:
    roomy = blank(90, size=(900, 900))
    for share, most, wanted in ((0.2, 30, 1), (0.5, 30, 4), (1.0, 3, 3), (0.0, 30, 1)):
        _, polygons, _ = copy_paste(
            *roomy, *THERE, np.random.default_rng(0), share=share, most=most
        )
        assert len(polygons) == wanted


def test_unreadable_texts_are_not_taken() -> None:
    image, quads, _ = THERE
    result = copy_paste(*HERE, image, quads, [True] * len(quads), np.random.default_rng(0))
    np.testing.assert_array_equal(result[0], HERE[0])
    assert len(result[1]) == len(HERE[1])
    _, _, flags = copy_paste(HERE[0], HERE[1], [True] * 8, *THERE, np.random.default_rng(0))
    assert flags[:8] == [True] * 8


def test_large_texts_stay_away() -> None:
    tiny = blank(90, size=(20, 20))
    image, polygons, _ = copy_paste(*tiny, *THERE, np.random.default_rng(0))
    assert not polygons
    assert not image.any()


def test_curved_and_empty_polygons() -> None:
    curved = np.array([[10, 10], [40, 5], [70, 10], [70, 24], [40, 19], [10, 24]], np.float32)
    image, _, _ = blank(250, curved)
    point = np.full((4, 2), 9, np.float32)
    roomy = blank(90)
    _, polygons, _ = copy_paste(
        *roomy, image, [curved, point], [False, False], np.random.default_rng(0), share=1.0
    )
    assert [polygon.shape for polygon in polygons] == [(4, 2)]


@given(st.integers(1, 80), st.integers(1, 80), st.floats(0, 360))
def test_turned_corners(height: int, width: int, degrees: float) -> None:
    corners = turned_corners((height, width), degrees)
    np.testing.assert_allclose(corners.min(0), 0, atol=1e-9)
    angle = np.deg2rad(degrees)
    sine, cosine = abs(np.sin(angle)), abs(np.cos(angle))
    size = sine * height + cosine * width, sine * width + cosine * height
    np.testing.assert_allclose(corners.max(0), size, atol=1e-6)
    assert np.isclose(np.hypot(*(corners[1] - corners[0])), width)
    assert np.isclose(np.hypot(*(corners[2] - corners[1])), height)


def test_turns_against_the_clock() -> None:
    np.testing.assert_allclose(
        turned_corners((10, 30), 90), [[0, 30], [0, 0], [10, 0], [10, 30]], atol=1e-9
    )


def test_upright_text_keeps_its_pixels() -> None:
    """Unturned, a text is copied pixel by pixel; some seed below a few hundred leaves it so."""
    other = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    quad = box(10, 10, 30, 12)
    for seed in range(5000):
        image, polygons, _ = copy_paste(
            *blank(90, size=(50, 70)), other, [quad], [False], np.random.default_rng(seed)
        )
        x, y = np.rint(polygons[0][0]).astype(int)
        if np.array_equal(polygons[0], box(x, y, 30, 12)):
            np.testing.assert_array_equal(image[y : y + 12, x : x + 30], other[10:22, 10:40])
            return
    pytest.fail("no seed left the text upright")


@given(
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    st.integers(0, 4),
    st.booleans(),
    st.integers(0, 999),
)
def test_every_size(
    size: tuple[int, int], other: tuple[int, int], count: int, paddle_compat: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    here, there = (rng.integers(0, 256, (*side, 3), np.uint8) for side in (size, other))
    kept = here.copy()
    quads = [rng.uniform(-5, 60, (4, 2)).astype(np.float32) for _ in range(count)]
    flags = [bool(flag) for flag in rng.integers(0, 2, count)]
    results = [
        copy_paste(
            here, quads, flags, there, quads, flags, np.random.default_rng(seed),
            share=1.0, paddle_compat=paddle_compat,
        )
        for _ in range(2)
    ]  # fmt: skip
    image, polygons, found = results[0]
    assert image.shape == here.shape
    assert len(polygons) == len(found) >= count
    for polygon in polygons:
        assert polygon.dtype == np.float32
        assert (polygon >= 0).all()
        assert (polygon <= (size[1], size[0])).all()
    np.testing.assert_array_equal(image, results[1][0])
    np.testing.assert_array_equal(here, kept)


def test_bad_arguments() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(OptionError, match="8 polygons with 1 flags"):
        copy_paste(HERE[0], HERE[1], [True], *THERE, rng)
    with pytest.raises(OptionError, match="share is 2"):
        copy_paste(*HERE, *THERE, rng, share=2.0)
