"""Steps on lines one by one, and all of them on every size."""

from __future__ import annotations

from dataclasses import fields, replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saccade.errors import OptionError
from saccade_train.augment.text_lines import (
    DIRECTION_AUGMENT,
    LineAugment,
    augment_line,
    crop_edge,
    drop_level,
    jitter,
    lower_value,
    rand_augment_line,
    shrink_line,
)

STEPS = [field.name for field in fields(LineAugment) if field.name != "paddle_compat"]
NOTHING = LineAugment(**dict.fromkeys(STEPS, 0.0))
ALL = LineAugment(**dict.fromkeys(STEPS, 1.0))


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@given(
    st.integers(1, 70),
    st.integers(1, 260),
    st.sampled_from([LineAugment(), ALL, DIRECTION_AUGMENT, replace(ALL, paddle_compat=True)]),
    st.integers(0, 999),
)
def test_every_size(height: int, width: int, options: LineAugment, seed: int) -> None:
    image = picture(height, width)
    kept = image.copy()
    found = augment_line(image, np.random.default_rng(seed), options)
    assert found.dtype == np.uint8
    if options.shrink:
        assert found.shape[0] <= 28
    else:
        assert found.shape[1:] == (width, 3)
        assert max(1, height - 8) <= found.shape[0] <= height
    np.testing.assert_array_equal(image, kept)
    again = augment_line(image, np.random.default_rng(seed), options)
    np.testing.assert_array_equal(found, again)


def test_no_step_changes_nothing() -> None:
    image = picture(40, 120)
    np.testing.assert_array_equal(augment_line(image, np.random.default_rng(0), NOTHING), image)


@pytest.mark.parametrize("step", STEPS)
def test_each_step_can_be_switched(step: str) -> None:
    image = picture(230, 300)  # high enough for jitter
    rng = np.random.default_rng(2)
    changed = [
        not np.array_equal(augment_line(image, rng, replace(NOTHING, **{step: 1.0})), image)
        for _ in range(12)
    ]
    assert any(changed)


def test_small_pictures_are_spared() -> None:
    options = replace(NOTHING, distort=1.0, stretch=1.0, crop=1.0)
    for size in ((19, 200), (200, 19)):
        image = picture(*size)
        np.testing.assert_array_equal(augment_line(image, np.random.default_rng(0), options), image)
    blurred = augment_line(picture(10, 99), np.random.default_rng(0), replace(NOTHING, blur=1.0))
    np.testing.assert_array_equal(blurred, picture(10, 99))


def test_crop() -> None:
    rng = np.random.default_rng(0)
    image = np.repeat(np.arange(40, dtype=np.uint8), 6).reshape(40, 2, 3)
    ends = set()
    for _ in range(400):
        rows = crop_edge(image, rng)[:, 0, 0].astype(int).tolist()
        assert rows == list(range(rows[0], rows[-1] + 1))
        ends.add((rows[0], rows[-1]))
    tops = {(row, 39) for row in range(1, 9)}
    assert ends == tops | {(0, 39 - row) for row in range(1, 9)}
    assert crop_edge(image[:1], rng).shape == (1, 2, 3)


def test_shrinking_keeps_the_shape_of_letters() -> None:
    rng = np.random.default_rng(0)
    heights = set()
    for _ in range(300):
        small = shrink_line(picture(48, 192), rng)
        heights.add(small.shape[0])
        assert abs(small.shape[1] - 4 * small.shape[0]) <= 1
    assert heights == set(range(10, 29))
    low = picture(9, 30)
    assert shrink_line(low, rng) is low


def test_value_falls_by_a_level_at_most() -> None:
    grey = np.repeat(np.arange(256, dtype=np.uint8), 3).reshape(16, 16, 3)
    rng = np.random.default_rng(0)
    steps = set()
    for _ in range(20):
        change = lower_value(grey, rng).astype(int) - grey
        steps.add(tuple(np.unique(change[grey > 0]).tolist()))
    assert steps == {(0,), (-1,)}


def test_jitter_is_the_loop_of_the_reference() -> None:
    image = picture(510, 600)
    rng, again = np.random.default_rng(4), np.random.default_rng(4)
    counts = set()
    for _ in range(20):
        steps = int(again.random() * 510 * 0.01)
        counts.add(steps)
        wanted = image.copy()
        for i in range(steps):
            wanted[i:, i:, :] = image[: 510 - i, : 600 - i, :]
        np.testing.assert_array_equal(jitter(image, rng), wanted)
    assert counts == {0, 1, 2, 3, 4, 5}


def test_noise_has_the_distribution_of_the_reference() -> None:
    rng = np.random.default_rng(0)
    image = picture(200, 300)
    noise = rng.normal(0, 0.1**0.5, image.shape)
    reference = np.clip(image + 0.5 * noise, 0, 255).astype(np.uint8)
    found = drop_level(image, rng)
    for result in (reference, found):
        change = image.astype(int) - result
        assert set(np.unique(change).tolist()) == {0, 1}
        assert not change[image == 0].any()
        assert abs(change[image > 0].mean() - 0.5) < 0.01


def test_blur_and_inversion() -> None:
    image = picture(30, 90)
    rng = np.random.default_rng(0)
    blurred = augment_line(image, rng, replace(NOTHING, blur=1.0))
    np.testing.assert_array_equal(blurred, cv2.GaussianBlur(image, (5, 5), 1))
    np.testing.assert_array_equal(
        augment_line(image, rng, replace(NOTHING, invert=1.0)), 255 - image
    )


def test_rand_augment_draws_every_operation() -> None:
    image = picture(32, 80)
    rng = np.random.default_rng(0)
    results = [rand_augment_line(image, rng, layers=1) for _ in range(300)]
    assert any(np.array_equal(result, image & 0b11000000) for result in results)
    assert any(np.array_equal(result, 255 - image) for result in results)
    # Seven operations with a direction, each way; seven without.
    assert len({result.tobytes() for result in results}) >= 20


def test_options() -> None:
    with pytest.raises(OptionError, match=r"blur is 1.2; expected a chance"):
        LineAugment(blur=1.2)
