"""Pictures with boxes: whatever happens to them, a painted object stays under its box."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saccade.errors import OptionError
from saccade_train.augment.box_crop import THRESHOLDS, draw_windows, iou_crop
from saccade_train.augment.box_expand import expand
from saccade_train.augment.boxes import (
    INTERPOLATIONS,
    Boxed,
    cut,
    flip,
    stretch,
    turn,
    with_area,
)
from saccade_train.augment.detection import DetectionAugment, augment_boxed
from saccade_train.augment.mosaic import mixup, mosaic
from saccade_train.augment.photometric import distort

COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255))
STILL = DetectionAugment(crop=0.0, flip=0.0, distort=0.0)


@st.composite
def painted(draw: st.DrawFn, least: int = 40, objects: int = 3) -> Boxed:
    """Black pictures with up to three rectangles in pure colours that do not overlap."""
    height, width = draw(st.integers(least, 120)), draw(st.integers(least, 120))
    image = np.zeros((height, width, 3), np.uint8)
    boxes, labels = [], []
    strip = width // 3
    for label in draw(st.sets(st.integers(0, objects - 1))):
        x1 = draw(st.integers(strip * label, strip * label + strip // 2))
        x2 = draw(st.integers(x1 + 4, strip * (label + 1)))
        y1 = draw(st.integers(0, height - 10))
        y2 = draw(st.integers(y1 + 8, height))
        image[y1:y2, x1:x2] = COLOURS[label]
        boxes.append((x1, y1, x2, y2))
        labels.append(label)
    return Boxed(image, np.array(boxes, np.float32).reshape(-1, 4), np.array(labels, np.int64))


def generator() -> st.SearchStrategy[np.random.Generator]:
    return st.integers(0, 2**32 - 1).map(np.random.default_rng)


def seen(image: np.ndarray, label: int, threshold: int = 128) -> np.ndarray | None:
    """The bounds of a colour, xyxy."""
    others = [channel for channel in range(3) if channel != label]
    mask = (image[..., label] > threshold) & (image[..., others] < threshold).all(axis=2)
    if not mask.any():
        return None
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float32)


def check_under(found: Boxed, slack: float, threshold: int = 128) -> None:
    """Every box has its paint under it, to within some pixels, and lies inside the picture."""
    height, width = found.image.shape[:2]
    assert found.image.dtype == np.uint8
    assert (found.boxes.dtype, found.labels.dtype) == (np.float32, np.int64)
    assert len(found.boxes) == len(found.labels)
    assert (found.boxes[:, 2:] - found.boxes[:, :2] >= 1).all()
    assert (found.boxes >= 0).all()
    assert (found.boxes <= (width, height, width, height)).all()
    for box, label in zip(found.boxes, found.labels, strict=True):
        bounds = seen(found.image, int(label), threshold)
        assert bounds is not None
        np.testing.assert_allclose(bounds, box, atol=slack)


@given(painted())
def test_flip(boxed: Boxed) -> None:
    found = flip(boxed)
    check_under(found, 0)
    again = flip(found)
    np.testing.assert_array_equal(again.image, boxed.image)
    np.testing.assert_array_equal(again.boxes, boxed.boxes)


@given(painted(), st.integers(-4, 4))
def test_turn(boxed: Boxed, quarters: int) -> None:
    found = turn(boxed, quarters)
    np.testing.assert_array_equal(found.image, np.rot90(boxed.image, quarters))
    check_under(found, 0)
    np.testing.assert_array_equal(turn(found, -quarters).boxes, boxed.boxes)


def test_turns_come_as_often_as_asked() -> None:
    image = np.arange(4, dtype=np.uint8).reshape(2, 2, 1).repeat(3, axis=2)
    options = DetectionAugment(crop=0, flip=0, distort=0, turn=0.75)
    rng = np.random.default_rng(0)
    found = [
        augment_boxed(Boxed(image, *empty()), (2, 2), "nearest", rng, options).image[0, 0, 0]
        for _ in range(400)
    ]
    # The pixel that comes to stand at the top left says how far it was turned: each as often.
    assert all(70 <= found.count(corner) <= 130 for corner in range(4))


@given(painted(), st.integers(40, 160), st.integers(40, 160), st.sampled_from(INTERPOLATIONS))
def test_stretch(boxed: Boxed, height: int, width: int, interpolation: str) -> None:
    found = stretch(boxed, (height, width), interpolation)  # type: ignore[arg-type]
    assert found.image.shape == (height, width, 3)
    wide = found.only((found.boxes[:, 2:] - found.boxes[:, :2] >= 3).all(axis=1))
    check_under(wide, 1.51)


@given(painted(), st.data())
def test_cut_keeps_the_objects_whose_centre_is_inside(boxed: Boxed, data: st.DataObject) -> None:
    height, width = boxed.image.shape[:2]
    left, top = data.draw(st.integers(0, width - 2)), data.draw(st.integers(0, height - 2))
    right = data.draw(st.integers(left + 1, width))
    bottom = data.draw(st.integers(top + 1, height))
    found = cut(boxed, (left, top, right, bottom))
    assert found.image.shape == (bottom - top, right - left, 3)
    check_under(found, 0)
    kept = []
    for (x1, y1, x2, y2), label in zip(boxed.boxes, boxed.labels, strict=True):
        x, y = (x1 + x2) / 2, (y1 + y2) / 2
        if left < x < right and top < y < bottom:
            sides = min(x2, right) - max(x1, left), min(y2, bottom) - max(y1, top)
            kept += [label] if min(sides) >= 1 else []
    assert kept == found.labels.tolist()


@given(painted(), generator())
def test_random_crop(boxed: Boxed, rng: np.random.Generator) -> None:
    found = iou_crop(boxed, rng)
    check_under(found, 0)
    assert len(found.boxes) or not len(boxed.boxes)
    if not len(boxed.boxes):
        assert found is boxed
    assert (np.array(found.image.shape) <= boxed.image.shape).all()


def test_windows_are_as_drawn_in_the_reference() -> None:
    windows = draw_windows((200, 400), np.random.default_rng(0), 5000)
    across, down = windows[:, 2] - windows[:, 0], windows[:, 3] - windows[:, 1]
    assert (windows[:, :2] >= 0).all()
    assert (windows[:, 2:] <= (400, 200)).all()
    scale = np.sqrt(across * down / 80000)
    assert 0.29 < scale.min() < 0.32
    assert scale.max() > 0.98
    ratio = (across / 400) / (down / 200)
    assert 0.48 < ratio.min() < 0.53
    assert 1.9 < ratio.max() < 2.1
    assert abs(np.mean(scale) - 0.65) < 0.01  # evenly from 0.3 to 1


def test_a_threshold_is_kept() -> None:
    """With the one threshold 0.9, a crop hugs the object or nothing happens."""
    image = np.zeros((100, 100, 3), np.uint8)
    boxed = Boxed(image, np.array([[20, 20, 80, 80]], np.float32), np.zeros(1, np.int64))
    areas = set()
    for seed in range(60):
        found = iou_crop(boxed, np.random.default_rng(seed), thresholds=(0.7,))
        area = found.image.shape[0] * found.image.shape[1]
        assert area == 10_000 or 0.7 * 3600 - 1 <= area <= 3600 / 0.7 + 1
        areas.add(area)
    assert len(areas) > 5
    assert 10_000 in areas  # no_crop is one of the choices
    assert THRESHOLDS == (0.0, 0.1, 0.3, 0.5, 0.7, 0.9)


@given(painted(), generator())
def test_expand(boxed: Boxed, rng: np.random.Generator) -> None:
    found = expand(boxed, rng, largest=3.0)
    check_under(found, 0)
    np.testing.assert_array_equal(found.labels, boxed.labels)
    for axis in range(2):
        assert boxed.image.shape[axis] <= found.image.shape[axis] <= 3 * boxed.image.shape[axis]


@given(st.lists(painted(), min_size=4, max_size=4), generator())
def test_mosaic(parts: list[Boxed], rng: np.random.Generator) -> None:
    # Each colour once, so that it can be told apart.
    parts = [part.only(part.labels == number) for number, part in enumerate(parts)]
    for number, part in enumerate(parts):
        keep = np.isin(np.arange(3), [number] if number in part.labels else [])
        part.image[...] = np.where(keep, part.image, 0)
    found = mosaic(parts, (96, 64), rng)
    assert found.image.shape == (192, 128, 3)
    wide = found.only((found.boxes[:, 2:] - found.boxes[:, :2] >= 4).all(axis=1))
    check_under(wide, 1.51)


def test_a_mosaic_has_four_parts() -> None:
    with pytest.raises(OptionError, match="mosaic of 1 pictures; expected four"):
        mosaic([Boxed(np.zeros((2, 2, 3), np.uint8), *empty())], (8, 8), np.random.default_rng(0))


@given(painted(objects=1), painted(objects=2))
def test_mixup(first: Boxed, second: Boxed) -> None:
    second = second.only(second.labels == 1)
    second.image[..., 0] = 0
    found = mixup(first, second)
    assert found.image.shape == first.image.shape
    wide = found.only((found.boxes[:, 2:] - found.boxes[:, :2] >= 4).all(axis=1))
    assert set(wide.labels) <= set(first.labels) | set(second.labels)
    for box, label in zip(wide.boxes, wide.labels, strict=True):
        mask = found.image[..., label] > 64
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        bounds = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
        np.testing.assert_allclose(bounds, box, atol=1.51)


@given(painted(), generator(), st.integers(0, 2**32 - 1))
def test_all_of_it_together(boxed: Boxed, rng: np.random.Generator, seed: int) -> None:
    options = DetectionAugment(distort=0.0, expand=0.3, expand_largest=1.5)
    found = augment_boxed(boxed, (96, 128), "linear", rng, options)
    assert found.image.shape == (96, 128, 3)
    wide = found.only((found.boxes[:, 2:] - found.boxes[:, :2] >= 6).all(axis=1))
    # A crop of 30 pixels grows fourfold, and so does half a pixel.
    check_under(wide, 4.0)
    first, second = (
        augment_boxed(boxed, (64, 64), "area", np.random.default_rng(seed), options)
        for _ in range(2)
    )
    np.testing.assert_array_equal(first.image, second.image)
    np.testing.assert_array_equal(first.boxes, second.boxes)


def test_mosaics_come_as_often_as_asked() -> None:
    def another(rng: np.random.Generator) -> Boxed:
        calls.append(1)
        return Boxed(np.full((20, 30, 3), rng.integers(256), np.uint8), *empty())

    base = Boxed(np.zeros((20, 30, 3), np.uint8), *empty())
    for chance, asked in ((0.0, 0), (1.0, 4)):
        calls: list[int] = []
        options = DetectionAugment(crop=0, flip=0, distort=0, mosaic=chance, mixup=1.0)
        augment_boxed(base, (16, 16), "linear", np.random.default_rng(0), options, another)
        assert len(calls) == asked
    calls = []
    options = DetectionAugment(mosaic=1.0)
    augment_boxed(base, (16, 16), "linear", np.random.default_rng(0), options, None)
    assert not calls


def test_distort() -> None:
    image = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    np.testing.assert_array_equal(distort(image, np.random.default_rng(0), chance=0.0), image)
    changed = [
        not np.array_equal(distort(image, np.random.default_rng(seed)), image)
        for seed in range(200)
    ]
    assert 0.85 < np.mean(changed) <= 1  # one in sixteen is left alone
    strong = [distort(image, np.random.default_rng(seed), chance=1.0) for seed in range(50)]
    means = [one.mean() for one in strong]
    assert min(means) < 90
    assert max(means) > 155


def test_thin_boxes_go() -> None:
    boxes = np.array([[0, 0, 5, 5], [1, 1, 1, 4], [2, 2, 2.5, 9], [3, 3, 2, 8]], np.float32)
    boxed = Boxed(np.zeros((10, 10, 3), np.uint8), boxes, np.arange(4))
    assert with_area(boxed).labels.tolist() == [0]
    # What was wide enough no longer is.
    assert stretch(boxed, (1, 1)).labels.tolist() == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"flip": 1.5}, "flip is 1.5; expected 0 to 1"),
        ({"crop_scale": (0.5, 0.2)}, "crop_scale is"),
        ({"crop_aspect": (1.5, 2.0)}, "crop_aspect is"),
        ({"expand_largest": 0.5}, "expand_largest is 0.5; expected at least 1"),
    ],
)
def test_wrong_options(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        DetectionAugment(**wrong)  # type: ignore[arg-type]


def empty() -> tuple[np.ndarray, np.ndarray]:
    return np.zeros((0, 4), np.float32), np.zeros(0, np.int64)
