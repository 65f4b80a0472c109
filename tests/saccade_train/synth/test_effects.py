"""Effects are pure, and the ink stays in its quads."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from saccade_train.synth import FontSet, geometry, grounds, ink, light
from saccade_train.synth.glyphs import paint, typeset

INK = (
    ink.dot_matrix,
    ink.embolden,
    ink.fade,
    ink.pixelate,
    ink.press,
    ink.scratch,
    ink.speckle,
    ink.thin,
)
LIGHT = tuple(getattr(light, name) for name in light.__all__)
Effect = Callable[..., tuple[np.ndarray, np.ndarray]]


def line(fonts: FontSet, text: str = "Quick fox 27.50") -> tuple[np.ndarray, np.ndarray]:
    setting = typeset(text, fonts.fonts[0], 32)
    mask = np.zeros((80, int(setting.width) + 60), np.uint8)
    paint(mask, setting, 30, 52)
    return mask, geometry.move(setting.quads, 30, 52)


def outside(mask: np.ndarray, quads: np.ndarray) -> np.ndarray:
    """The ink that lies in no quad."""
    rest = mask.copy()
    for left, top, right, bottom in quads[:, [0, 2]].reshape(-1, 4):
        rest[
            max(0, int(np.floor(top))) : int(np.ceil(bottom)),
            max(0, int(np.floor(left))) : int(np.ceil(right)),
        ] = 0
    return rest


@pytest.mark.parametrize("effect", (*INK, *LIGHT))
def test_effects_are_pure(effect: Effect, aileron: FontSet) -> None:
    mask, quads = line(aileron)
    before = mask.copy(), quads.copy()
    first = effect(mask, quads, np.random.default_rng(7))
    second = effect(mask, quads, np.random.default_rng(7))
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])
    np.testing.assert_array_equal(mask, before[0])
    np.testing.assert_array_equal(quads, before[1])
    assert first[0].dtype == np.uint8
    assert first[0].shape == mask.shape
    changed = [effect(mask, quads, np.random.default_rng(s))[0] for s in range(6)]
    assert any((one != mask).any() for one in changed)


@pytest.mark.parametrize("effect", LIGHT)
def test_light_takes_colours_and_tiny_pictures(effect: Effect) -> None:
    none = np.zeros((0, 4, 2), np.float32)
    for shape in ((40, 90, 3), (9, 1, 3), (9, 300), (1, 1)):
        image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        for seed in range(4):
            assert effect(image, none, np.random.default_rng(seed))[0].shape == shape


@pytest.mark.parametrize(
    "effect", [ink.dot_matrix, ink.embolden, ink.fade, ink.pixelate, ink.press, ink.thin]
)
def test_ink_stays_in_its_quads(effect: Effect, aileron: FontSet) -> None:
    mask, quads = line(aileron)
    assert not outside(mask, quads).any()
    for seed in range(20):
        printed, grown = effect(mask, quads, np.random.default_rng(seed))
        assert (outside(printed, grown) > 100).sum() == 0, seed
        assert np.abs(grown - quads).max() <= 4
        # And something of the text is left.
        assert printed.mean() > 0.15 * mask.mean(), seed


def test_an_underline_runs_below_the_text(aileron: FontSet) -> None:
    mask, quads = line(aileron)
    ruled, same = ink.underline(mask, quads, np.random.default_rng(0), baseline=52.0)
    rows = np.flatnonzero((ruled > mask).sum(axis=1) > 100)
    assert len(rows)
    assert rows.min() >= 52
    np.testing.assert_array_equal(same, quads)


def test_grounds_are_fields() -> None:
    for ground in (grounds.paper, grounds.gradient, grounds.scene):
        for seed in range(12):
            field = ground(np.random.default_rng(seed), 37, 2500)
            assert field.shape == (37, 2500)
            assert np.isfinite(field).all()
            assert np.abs(field).max() <= 1.0 + 1e-5


def test_colours_differ_as_much_as_asked() -> None:
    weights = np.array([0.299, 0.587, 0.114])
    for seed in range(50):
        ground, inked = grounds.two_colours(np.random.default_rng(seed), (80.0, 200.0))
        assert abs(float((ground - inked) @ weights)) >= 79.0
        assert min(ground.min(), inked.min()) >= -0.5
        assert max(ground.max(), inked.max()) <= 255.5


def test_laying_ink() -> None:
    ground = grounds.colour(np.zeros((2, 2), np.float32), 200.0, 10.0)
    mask = np.array([[0, 255], [0, 0]], np.uint8)
    np.testing.assert_allclose(grounds.lay(ground, mask, 20.0), [[200, 20], [200, 200]], atol=1e-3)


def test_bloom_bleeds_into_the_dark_and_spares_bright_grounds() -> None:
    quads = np.array([[[30, 20], [70, 20], [70, 60], [30, 60]]], np.float32)
    lit = np.full((80, 100), 20, np.uint8)
    lit[20:60, 30:70] = 250
    rng = np.random.default_rng(1)
    image, _ = light.bloom(lit, quads, rng)
    assert (image >= lit).all()
    assert image[18, 50] > lit[18, 50] + 20 and image[2, 2] <= lit[2, 2] + 5
    printed = 255 - lit
    assert np.array_equal(light.bloom(printed, quads, rng)[0], printed)
