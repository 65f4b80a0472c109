"""Picture operations against Pillow's, with which the policies were found."""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from typing import get_args

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from saccade_train.augment import operations as ops
from saccade_train.augment.pipeline import build_augment
from saccade_train.augment.policies import (
    IMAGENET_POLICY,
    Operation,
    apply_operation,
    auto_augment,
    colour_jitter,
    rand_augment,
)
from saccade_train.recipes.schema import AugmentOptions


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    """A smooth picture with some noise, of uneven histogram."""
    rows, columns = np.mgrid[:48, :64] / 64
    planes = [rows * 200 + 20, columns**2 * 255, np.sin(rows * 9) * 60 + 90]
    noise = np.random.default_rng(0).normal(0, 12, (48, 64, 3))
    return np.clip(np.stack(planes, 2) + noise, 0, 255).astype(np.uint8)


def close(ours: np.ndarray, theirs: Image.Image, tolerance: int) -> None:
    assert ours.dtype == np.uint8
    difference = np.abs(ours.astype(int) - np.asarray(theirs).astype(int))
    assert difference.max() <= tolerance, difference.max()


@pytest.mark.parametrize("factor", [0.1, 0.55, 1.0, 1.45, 1.9])
@pytest.mark.parametrize(
    ("ours", "theirs", "tolerance"),
    [
        (ops.brightness, ImageEnhance.Brightness, 1),
        (ops.contrast, ImageEnhance.Contrast, 2),
        (ops.saturation, ImageEnhance.Color, 2),
        (ops.sharpness, ImageEnhance.Sharpness, 2),
    ],
)
def test_enhancements(
    image: np.ndarray,
    factor: float,
    ours: Callable[[np.ndarray, float], np.ndarray],
    theirs: Callable[[Image.Image], ImageEnhance._Enhance],
    tolerance: int,
) -> None:
    close(ours(image, factor), theirs(Image.fromarray(image)).enhance(factor), tolerance)


def test_tables(image: np.ndarray) -> None:
    pil = Image.fromarray(image)
    close(ops.invert(image), ImageOps.invert(pil), 0)
    close(ops.equalize(image), ImageOps.equalize(pil), 0)
    close(ops.autocontrast(image), ImageOps.autocontrast(pil), 1)
    for threshold in (0, 57, 128, 255, 256):
        close(ops.solarize(image, threshold), ImageOps.solarize(pil, threshold), 0)
    for bits in (1, 4, 7, 8):
        close(ops.posterize(image, bits), ImageOps.posterize(pil, bits), 0)


def test_flat_pictures_stay() -> None:
    flat = np.full((5, 6, 3), 99, np.uint8)
    for operation in (ops.equalize, ops.autocontrast):
        assert np.array_equal(operation(flat), flat)


def test_rotation_and_shifts() -> None:
    image = np.random.default_rng(1).integers(0, 256, (21, 21, 3), np.uint8)
    assert np.array_equal(ops.rotate(image, 90), np.rot90(image))
    assert np.array_equal(ops.rotate(image, 0), image)
    shifted = ops.affine(image, shift_x=2 / 21)
    assert np.array_equal(shifted[:, 2:], image[:, :-2])
    assert (shifted[:, :2] == 128).all()
    shifted = ops.affine(image, shift_y=-3 / 21)
    assert np.array_equal(shifted[:-3], image[3:])
    sheared = ops.affine(image, shear_x=0.2)
    assert np.array_equal(sheared[10], image[10]), "the middle row stays"
    assert np.array_equal(sheared[15, 1:], image[15, :-1]), (
        "0.2 x 5 rows below it: one to the right"
    )
    assert np.array_equal(sheared[5, :-1], image[5, 1:])
    sheared = ops.affine(image, shear_y=0.2)
    assert np.array_equal(sheared[1:, 15], image[:-1, 15])


def test_hue_turns_the_circle() -> None:
    red = np.full((2, 2, 3), (255, 0, 0), np.uint8)
    assert ops.hue(red, 1 / 3)[0, 0].tolist() == [0, 255, 0]
    assert ops.hue(red, -1 / 3)[0, 0].tolist() == [0, 0, 255]
    colour = np.full((1, 1, 3), (200, 120, 40), np.uint8)
    hue, saturation, value = colorsys.rgb_to_hsv(200 / 255, 120 / 255, 40 / 255)
    expected = [255 * v for v in colorsys.hsv_to_rgb((hue + 0.1) % 1, saturation, value)]
    np.testing.assert_allclose(ops.hue(colour, 0.1)[0, 0], expected, atol=4)


@pytest.mark.parametrize("name", get_args(Operation))
@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_operations_are_pure(image: np.ndarray, name: Operation, strength: float) -> None:
    before = image.copy()
    first = apply_operation(image, name, strength, np.random.default_rng(4))
    second = apply_operation(image, name, strength, np.random.default_rng(4))
    assert np.array_equal(image, before)
    assert np.array_equal(first, second)
    assert first.shape == image.shape
    assert first.dtype == np.uint8
    always = ("autocontrast", "equalize", "invert")
    if name not in always and (strength == 0 or name == "identity"):
        assert np.array_equal(first, image)
    elif strength > 0:
        assert not np.array_equal(first, image)


def test_policy_table() -> None:
    assert len(IMAGENET_POLICY) == 25
    for pair in IMAGENET_POLICY:
        for name, chance, magnitude in pair:
            assert name in get_args(Operation)
            assert 0 <= chance <= 1
            assert 0 <= magnitude <= 9


def test_policies_vary_with_the_generator_alone(image: np.ndarray) -> None:
    for policy in (auto_augment, rand_augment):
        results = {policy(image, np.random.default_rng(seed)).tobytes() for seed in range(60)}
        assert len(results) > 20
        again = policy(image, np.random.default_rng(5))
        assert np.array_equal(again, policy(image, np.random.default_rng(5)))


def test_randaugment_of_no_magnitude_moves_nothing_much(image: np.ndarray) -> None:
    # Without strength only autocontrast and equalize act.
    still = 0
    for seed in range(100):
        out = rand_augment(image, np.random.default_rng(seed), layers=1, magnitude=0)
        still += bool(np.array_equal(out, image))
    assert still > 75


def test_jitter_within_its_bounds() -> None:
    grey = np.full((4, 4, 3), 100, np.uint8)
    values = {
        int(colour_jitter(grey, np.random.default_rng(seed), brightness=0.3)[0, 0, 0])
        for seed in range(300)
    }
    assert 69 <= min(values) < 75
    assert 125 < max(values) <= 130


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"crop": {"kind": "pad"}},
        {"crop": {"kind": "resize"}, "flip": 0},
        {"policy": "autoaugment"},
        {"policy": "randaugment", "randaugment_layers": 3, "randaugment_magnitude": 9},
        {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1, "erase": 1.0},
    ],
)
@pytest.mark.parametrize("shape", [(48, 64), (1, 1), (16, 200)])
def test_pipelines(options: dict[str, object], shape: tuple[int, int]) -> None:
    augment = build_augment(AugmentOptions.model_validate(options), 32)
    image = np.random.default_rng(2).integers(0, 256, (*shape, 3), np.uint8)
    before = image.copy()
    first = augment(image, np.random.default_rng(0))
    assert first.shape == (32, 32, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, augment(image, np.random.default_rng(0)))
    assert np.array_equal(image, before)


def test_flip_happens_as_often_as_asked() -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    image[:, 0] = 255
    augment = build_augment(
        AugmentOptions.model_validate({"crop": {"kind": "resize"}, "flip": 0.3}), 8
    )
    flipped = sum(
        bool(augment(image, np.random.default_rng(seed))[0, -1, 0]) for seed in range(1000)
    )
    assert 250 < flipped < 350
