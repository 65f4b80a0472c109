"""Crops against a slow version of the rule; flips and shrinking by their properties."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from saccade_train.augment.erasing import erase_box, random_erase
from saccade_train.augment.geometric import (
    flip_left_right,
    pad_crop,
    random_resized_crop,
    resize_to,
    shrink_short,
)


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def slow_crop(
    image: np.ndarray,
    size: int,
    rng: np.random.Generator,
    area: tuple[float, float],
    ratio: tuple[float, float],
) -> np.ndarray:
    """The rule as PaddleClas states it, step by step."""
    w = math.sqrt(rng.uniform(*ratio))
    h = 1.0 / w
    height, width = image.shape[:2]
    bound = min(float(width) / height / (w**2), float(height) / width / (h**2))
    largest, smallest = min(area[1], bound), min(area[0], bound)
    target = math.sqrt(width * height * rng.uniform(smallest, largest))
    crop_width, crop_height = max(1, int(target * w)), max(1, int(target * h))
    left = int(rng.integers(0, width - crop_width + 1))
    top = int(rng.integers(0, height - crop_height + 1))
    cut = image[top : top + crop_height, left : left + crop_width].copy()
    return cv2.resize(cut, (size, size), interpolation=cv2.INTER_LINEAR)


@pytest.mark.parametrize(("height", "width"), [(40, 60), (61, 33), (7, 90), (100, 100)])
@pytest.mark.parametrize("area", [(0.08, 1.0), (0.9, 1.0)])
def test_crop_follows_the_rule(height: int, width: int, area: tuple[float, float]) -> None:
    image = picture(height, width)
    for seed in range(200):
        ours = random_resized_crop(image, 24, np.random.default_rng(seed), area=area)
        theirs = slow_crop(image, 24, np.random.default_rng(seed), area, (3 / 4, 4 / 3))
        assert ours.shape == (24, 24, 3)
        assert np.array_equal(ours, theirs)


def test_crop_of_the_smallest_pictures() -> None:
    for shape in ((1, 1), (1, 50), (2, 3)):
        for seed in range(50):
            out = random_resized_crop(picture(*shape), 8, np.random.default_rng(seed))
            assert out.shape == (8, 8, 3)
            assert out.dtype == np.uint8


def test_crop_covers_the_whole_range_of_areas() -> None:
    # Each pixel holds its own position, so the size of the cut can be read off the result.
    size = 100
    rows, columns = np.mgrid[:size, :size].astype(np.uint8)
    image = np.stack([rows, columns, rows], axis=2)
    shares = []
    for seed in range(400):
        out = random_resized_crop(image, 50, np.random.default_rng(seed)).astype(int)
        height = out[-1, 0, 0] - out[0, 0, 0] + 1
        width = out[0, -1, 1] - out[0, 0, 1] + 1
        shares.append(height * width / size**2)
    assert 0.03 < min(shares) < 0.12
    assert 0.85 < max(shares) <= 1.0
    # Uniform up to about 0.87 on average over the aspect ratios.
    assert np.mean(shares) == pytest.approx(0.47, abs=0.05)


def test_pad_crop_moves_the_picture() -> None:
    image = picture(32, 32)
    padded = np.zeros((40, 40, 3), np.uint8)
    padded[4:36, 4:36] = image
    windows = {padded[y : y + 32, x : x + 32].tobytes(): (y, x) for y in range(9) for x in range(9)}
    found = {
        windows[pad_crop(image, 32, np.random.default_rng(seed)).tobytes()] for seed in range(600)
    }
    assert len(found) == 81
    assert np.array_equal(pad_crop(image, 32, np.random.default_rng(0), pad=0), image)
    assert pad_crop(image, 20, np.random.default_rng(0)).shape == (20, 20, 3)


def test_pad_crop_may_mirror_the_border() -> None:
    image = picture(32, 32)
    wide = np.pad(image, ((4, 4), (4, 4), (0, 0)), mode="reflect")
    windows = {wide[y : y + 32, x : x + 32].tobytes() for y in range(9) for x in range(9)}
    for seed in range(20):
        cut = pad_crop(image, 32, np.random.default_rng(seed), reflect=True)
        assert cut.tobytes() in windows


def test_flip_shrink_resize() -> None:
    image = picture(30, 50)
    assert np.array_equal(flip_left_right(image), image[:, ::-1])
    assert shrink_short(image, 15).shape == (15, 25, 3)
    assert shrink_short(image.transpose(1, 0, 2), 15).shape == (25, 15, 3)
    assert shrink_short(image, 30) is image
    assert shrink_short(picture(1000, 3), 2).shape == (667, 2, 3)
    assert resize_to(image, 12).shape == (12, 12, 3)
    flat = np.full((30, 50, 3), 77, np.uint8)
    assert (shrink_short(flat, 7) == 77).all()


def test_erasing_stays_inside_and_in_range() -> None:
    image = np.zeros((40, 60, 3), np.uint8)
    before = image.copy()
    for seed in range(100):
        out = random_erase(image, np.random.default_rng(seed), area=(0.05, 0.3))
        assert out.shape == image.shape
        changed = (out != 0).any(axis=2)
        assert 0.03 < changed.mean() < 0.33
        rows, columns = np.nonzero(changed)
        box = (rows.max() - rows.min() + 1) * (columns.max() - columns.min() + 1)
        assert changed.sum() > 0.95 * box
    assert np.array_equal(image, before)


def test_erasing_gives_up_where_nothing_fits() -> None:
    rng = np.random.default_rng(0)
    assert erase_box(1, 1, rng, area=(0.1, 0.2), ratio=(1, 1)) is None
    image = picture(1, 1)
    assert random_erase(image, rng) is image
