"""Polygons follow the pixels, and crops cut no text."""

from __future__ import annotations

import copy
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saccade.errors import OptionError
from saccade_train.augment.text_pages import (
    PageAugment,
    augment_page,
    choose_crop,
    move_polygons,
    page_matrix,
)

STILL = PageAugment(size=200, flip=0.0, rotation=0.0, scale=(1.0, 1.0))


def page(
    rng: np.random.Generator, height: int, width: int, count: int
) -> tuple[np.ndarray, list[np.ndarray]]:
    """A dark picture with text-like bars, each of its own grey, and their polygons."""
    image = np.full((height, width, 3), 20, np.uint8)
    polygons: list[np.ndarray] = []
    for number in range(count):
        across, down = rng.uniform(30, 90), rng.uniform(12, 25)
        middle = rng.uniform((0, 0), (width, height))
        angle = rng.uniform(-0.3, 0.3)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        corners = np.array([[-1, -1], [0, -1.1], [1, -1], [1, 1], [-1, 1]]) * (across, down) / 2
        polygon = (corners @ turn.T + middle).astype(np.float32)
        box = np.concatenate([polygon.min(0) - 6, polygon.max(0) + 6])
        taken = [np.concatenate([other.min(0), other.max(0)]) for other in polygons]
        if any((box[:2] < other[2:]).all() and (box[2:] > other[:2]).all() for other in taken):
            continue
        level = 60 + 10 * number
        cv2.fillPoly(image, [np.rint(polygon).astype(np.int32)], (level, level, level))
        polygons.append(polygon)
    return image, polygons


def level_of(image: np.ndarray, polygon: np.ndarray) -> int:
    x, y = np.clip(np.rint(polygon.mean(0)).astype(int), 0, np.array(image.shape[1::-1]) - 1)
    return int(image[y, x, 0])


@pytest.mark.parametrize("seed", range(30))
def test_polygons_follow_the_pixels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    height, width = (int(side) for side in rng.integers(150, 500, 2))
    image, polygons = page(rng, height, width, 12)
    # One grey for all, so that only places are compared.
    image = np.where(image > 20, 255, 0).astype(np.uint8)
    options = PageAugment(size=256, rotation=25.0)
    same = copy.deepcopy(rng)
    found, moved, _ = augment_page(image, polygons, [False] * len(polygons), rng, options)
    drawn = np.zeros((256, 256), np.uint8)
    cv2.fillPoly(drawn, [np.rint(polygon * 16).astype(np.int32) for polygon in moved], 1, shift=4)
    # Where the picture itself is, all drawn.
    blank = np.full_like(image, 255)
    inside, _, _ = augment_page(blank, polygons, [False] * len(polygons), same, options)
    painted = found[..., 0] > 127
    wanted = (drawn > 0) & (inside[..., 0] > 127)
    shared, both = (painted & wanted).sum(), (painted | wanted).sum()
    assert both == 0 or shared / both > 0.85, shared / both


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("degrees", [-30.0, 0.0, 12.0])
@pytest.mark.parametrize("frame", [(60, 90), (120, 180), (30, 200)])
def test_matrix_is_flip_then_turn_then_resize(
    flip: bool, degrees: float, frame: tuple[int, int]
) -> None:
    y, x = np.mgrid[:60, :90]
    smooth = np.stack([x * 2, y * 3, 128 + 60 * np.sin(x / 15 + y / 12)], 2).astype(np.uint8)
    wanted = cv2.flip(smooth, 1) if flip else smooth
    turn = cv2.getRotationMatrix2D((44.5, 29.5), -degrees, 1.0)
    wanted = cv2.warpAffine(wanted, turn, (90, 60), borderMode=cv2.BORDER_REPLICATE)
    wanted = cv2.resize(wanted, frame[::-1], interpolation=cv2.INTER_LINEAR)
    matrix = page_matrix((60, 90), frame, flip=flip, degrees=degrees)
    found = cv2.warpAffine(smooth, matrix[:2], frame[::-1], borderMode=cv2.BORDER_REPLICATE)
    difference = np.abs(found.astype(int) - wanted)
    assert difference.mean() < 1.5
    corners = move_polygons([np.array([[0, 0], [89, 0]], np.float32)], matrix)[0]
    if flip and degrees == 0:
        assert corners[0, 0] > corners[1, 0]


def test_degrees_run_with_the_clock() -> None:
    matrix = page_matrix((101, 101), (101, 101), flip=False, degrees=90.0)
    moved = move_polygons([np.array([[100.0, 50.0]])], matrix)[0]
    np.testing.assert_allclose(moved, [[50, 100]], atol=1e-4)


@given(
    st.lists(
        st.tuples(
            st.integers(-30, 150), st.integers(-30, 110), st.integers(0, 60), st.integers(0, 20)
        ),
        max_size=8,
    ),
    st.integers(0, 999),
)
def test_crops_cut_no_text(texts: list[tuple[int, int, int, int]], seed: int) -> None:
    boxes = np.array([(x, y, x + w, y + h) for x, y, w, h in texts], np.int64).reshape(-1, 4)
    height, width = 100, 140
    rng = np.random.default_rng(seed)
    x, y, across, down = crop = choose_crop(boxes, (height, width), rng)
    assert x >= 0
    assert y >= 0
    assert x + across <= width
    assert y + down <= height
    if crop == (0, 0, width, height):
        return
    assert across >= 0.1 * width
    assert down >= 0.1 * height
    # As the reference counts: columns covered by [min, max) may not hold a side.
    columns, rows = np.zeros(width, bool), np.zeros(height, bool)
    for left, top, right, bottom in boxes.tolist():
        columns[max(0, left) : max(0, right)] = True
        rows[max(0, top) : max(0, bottom)] = True
    assert not columns[[x, x + across]].any()
    assert not rows[[y, y + down]].any()
    assert not len(boxes) or any(
        right > x and left < x + across and bottom > y and top < y + down
        for left, top, right, bottom in boxes.tolist()
    )


@pytest.mark.parametrize("seed", range(20))
def test_a_window_is_at_the_readers_scale(seed: int) -> None:
    rng = np.random.default_rng(seed)
    image, polygons = page(rng, 400, 300, 12)
    image = np.where(image > 20, 255, 0).astype(np.uint8)
    options = replace(STILL, size=160, limit=200)
    found, parts, ignored = augment_page(image, polygons, [False] * len(polygons), rng, options)
    assert found.shape == (160, 160, 3)
    assert (found[:, 150:] == 0).all()  # the page is 150 wide at that scale
    drawn = np.zeros((160, 160), np.uint8)
    for part in parts:
        assert part.min() > -1e-4
        assert (part < (149.001, 159.001)).all()
        cv2.fillPoly(drawn, [np.rint(part * 16).astype(np.int32)], 1, shift=4)
    painted = found[..., 0] > 127
    assert (painted & (drawn > 0)).sum() > 0.8 * (painted | (drawn > 0)).sum()
    assert len(ignored) == len(parts)


def test_a_rest_of_a_text_counts_for_nothing() -> None:
    image = np.full((100, 100, 3), 255, np.uint8)
    whole = np.array([[-30, 20], [60, 20], [60, 40], [-30, 40]], np.float32)
    rest = np.array([[10, 92], [60, 92], [60, 112], [10, 112]], np.float32)
    options = replace(STILL, size=100, limit=100)
    rng = np.random.default_rng(0)
    _, parts, ignored = augment_page(image, [whole, rest], [False, False], rng, options)
    assert ignored == [False, True]
    np.testing.assert_allclose(parts[0].min(0), [0, 20], atol=1e-4)
    np.testing.assert_allclose(parts[1].max(0), [60, 99], atol=1e-4)


def test_crops_differ_and_pick_any_strips() -> None:
    boxes = np.array([[20, 10, 60, 20], [20, 40, 60, 50], [20, 70, 60, 80]], np.int64)
    rng = np.random.default_rng(0)
    held = set()
    for _ in range(300):
        _, top, _, height = choose_crop(boxes, (90, 80), rng)
        held.add(sum(top <= y < top + height for y in (15, 45, 75)))
    assert held == {1, 2, 3}


def test_crops_may_hold_the_last_text() -> None:
    boxes = np.array([[20, 10, 60, 20], [20, 40, 60, 50], [20, 70, 60, 80]], np.int64)
    rng = np.random.default_rng(0)
    crops = [choose_crop(boxes, (90, 80), rng) for _ in range(100)]
    assert any(top > 0 and top + height > 80 for _, top, _, height in crops)


def test_no_free_row_takes_the_whole_page() -> None:
    boxes = np.array([[20, -5, 60, 100]], np.int64)
    assert choose_crop(boxes, (90, 80), np.random.default_rng(0)) == (0, 0, 80, 90)


@pytest.mark.parametrize("seed", range(20))
def test_texts_are_whole_or_gone(seed: int) -> None:
    rng = np.random.default_rng(seed)
    image, polygons = page(rng, 300, 400, 12)
    # Away from the border, so that the picture's own edge cuts none.
    polygons = [p for p in polygons if (p.min(0) > 1).all() and (p.max(0) < (399, 299)).all()]
    options = PageAugment(size=320, rotation=0.0)
    found, moved, flags = augment_page(image, polygons, [False] * len(polygons), rng, options)
    assert len(moved) == len(flags)
    assert moved or not polygons
    bright = np.argwhere((found[..., 0] > 0).any(0)).max(), np.argwhere((found > 0).any(1)).max()
    for polygon in moved:
        assert polygon.dtype == np.float32
        assert polygon.shape == (5, 2)
        assert (polygon.min(0) >= -1.5).all()
        assert (polygon.max(0) <= np.array(bright) + 2.5).all()


def test_flags_stay_with_their_polygons() -> None:
    rng = np.random.default_rng(3)
    image, polygons = page(rng, 300, 400, 12)
    ignored = [number % 3 == 0 for number in range(len(polygons))]
    levels = [level_of(image, polygon) for polygon in polygons]
    expected = dict(zip(levels, ignored, strict=True))
    seen = 0
    for _ in range(20):
        found, moved, flags = augment_page(
            image, polygons, ignored, rng, PageAugment(size=640, rotation=0.0)
        )
        for polygon, flag in zip(moved, flags, strict=True):
            if ((polygon.mean(0) > 0) & (polygon.mean(0) < 639)).all():
                level = level_of(found, polygon)
                nearest = min(expected, key=lambda key: abs(key - level))
                if abs(nearest - level) <= 2:
                    seen += 1
                    assert expected[nearest] == flag
    assert seen > 20


def test_at_rest_with_no_free_row_it_is_a_plain_resize() -> None:
    image = np.random.default_rng(0).integers(0, 256, (100, 50, 3), np.uint8)
    image = cv2.GaussianBlur(image, (0, 0), 3)
    polygon = np.array([[0, 0], [50, 0], [50, 100], [0, 100]], np.float32)
    found, moved, _ = augment_page(image, [polygon], [False], np.random.default_rng(0), STILL)
    wanted = cv2.resize(image, (100, 200), interpolation=cv2.INTER_LINEAR)
    # cv2.resize goes on beyond the edge; the warp fades to black within half a pixel of it.
    inner = np.s_[1:199, 1:99]
    assert np.abs(found[:200, :100][inner].astype(int) - wanted[inner]).max() <= 2
    assert not found[:, 100:].any()
    np.testing.assert_allclose(moved[0], polygon * 2 + 0.5, atol=1e-4)


@given(
    st.integers(1, 90),
    st.integers(1, 90),
    st.sampled_from([1, 31, 64]),
    st.integers(0, 3),
    st.integers(0, 999),
)
def test_every_size(height: int, width: int, size: int, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (height, width, 3), np.uint8)
    kept = image.copy()
    polygons = [rng.uniform(-10, 100, (4 + k, 2)).astype(np.float32) for k in range(count)]
    ignored = [bool(flag) for flag in rng.integers(0, 2, count)]
    options = PageAugment(
        size=size, brightness=0.3, contrast=0.3, grey=0.5, blur=0.5, jpeg=0.5, invert=0.5
    )
    results = [
        augment_page(image, polygons, ignored, np.random.default_rng(seed), options)
        for _ in range(2)
    ]
    for found, moved, flags in results:
        assert found.shape == (size, size, 3)
        assert found.dtype == np.uint8
        assert len(moved) == len(flags) <= count
    np.testing.assert_array_equal(results[0][0], results[1][0])
    for one, other in zip(results[0][1], results[1][1], strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(image, kept)


@pytest.mark.parametrize("step", ["brightness", "contrast", "grey", "blur", "jpeg", "invert"])
def test_colour_steps(step: str) -> None:
    image = np.random.default_rng(0).integers(0, 256, (100, 100, 3), np.uint8)
    polygon = np.array([[0, 0], [100, 0], [100, 100], [0, 100]], np.float32)
    plain, places, _ = augment_page(image, [polygon], [False], np.random.default_rng(1), STILL)
    options = replace(STILL, **{step: 1.0})
    found, moved, _ = augment_page(image, [polygon], [False], np.random.default_rng(1), options)
    assert not np.array_equal(found, plain)
    np.testing.assert_array_equal(moved[0], places[0])
    if step == "grey":
        assert (np.ptp(found.astype(int), axis=2) <= 1).all()
    if step == "invert":
        np.testing.assert_array_equal(found, 255 - plain)


def test_shrinking_averages() -> None:
    """A fine chequered pattern becomes grey, where plain bilinear sampling gives stripes."""
    y, x = np.mgrid[:800, :800]
    image = np.repeat((((x + y) % 2) * 255).astype(np.uint8)[..., None], 3, axis=2)
    polygon = np.array([[0, 0], [800, 0], [800, 800], [0, 800]], np.float32)
    found, _, _ = augment_page(
        image, [polygon], [False], np.random.default_rng(0), replace(STILL, rotation=10.0)
    )
    assert found[80:120, 80:120].std() < 10


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, "size is 0"),
        ({"rotation": -1.0}, "rotation is -1"),
        ({"scale": (0.0, 1.0)}, "scale is"),
        ({"scale": (2.0, 1.0)}, "scale is"),
        ({"flip": 1.5}, "flip is 1.5"),
        ({"jpeg": -0.1}, "jpeg is -0.1"),
    ],
)
def test_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        PageAugment(**options)  # type: ignore[arg-type]


def test_flags_must_match() -> None:
    with pytest.raises(OptionError, match="0 polygons with 1 flags"):
        augment_page(np.zeros((9, 9, 3), np.uint8), [], [True], np.random.default_rng(0), STILL)
