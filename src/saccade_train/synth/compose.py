"""From ink to a picture: the steps that lines and pages share."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from . import grounds, ink, light
from ._types import Effect, Picture, Quads
from .options import SynthOptions

__all__ = ["apply_effects", "between", "colour_ink", "develop", "happens", "print_ink"]


def happens(rng: np.random.Generator, chance: float) -> bool:
    """True in that share of the cases; always draws one number."""
    return bool(rng.random() < chance)


def between(rng: np.random.Generator, span: tuple[float, float]) -> float:
    """Uniform in a range."""
    return span[0] + (span[1] - span[0]) * float(rng.random())


def print_ink(
    mask: Picture,
    quads: Quads,
    options: SynthOptions,
    rng: np.random.Generator,
    *,
    small: bool = False,
) -> tuple[Picture, Quads]:
    """What printing and age do to the ink; ``small`` print is spared what would efface it."""
    steps: Sequence[tuple[float, Effect]] = (
        (options.bold, ink.embolden),
        (0.0 if small else options.thin, ink.thin),
        (options.press, ink.press),
        (options.fade, ink.fade),
        (options.speckle, ink.speckle),
        (options.scratch, ink.scratch),
    )
    drawn = rng.random()
    if drawn < options.dot_matrix and not small:
        mask, quads = ink.dot_matrix(mask, quads, rng)
    elif drawn < options.dot_matrix + options.pixelate:
        mask, quads = ink.pixelate(mask, quads, rng)
    return apply_effects(steps, mask, quads, rng)


def colour_ink(
    mask: Picture, options: SynthOptions, rng: np.random.Generator, letter: float
) -> Picture:
    """Lay the ink on a ground.

    Args:
        mask: uint8 (H, W).
        options: What grounds and inks there are.
        rng: Source of randomness.
        letter: Height of a line, in pixels.

    Returns:
        uint8, grey (H, W), or RGB (H, W, 3) if colours were drawn.
    """
    height, width = mask.shape
    coloured = happens(rng, options.colour)
    textured = happens(rng, options.texture)
    field = (grounds.scene if textured else grounds.paper)(rng, height, width)
    swing: float | np.ndarray = between(rng, options.paper)
    middle: float | np.ndarray
    inked: float | np.ndarray
    if coloured:
        middle, inked = grounds.two_colours(rng, options.contrast)
        difference = float(np.abs(np.asarray(middle) - inked).max())
    else:
        middle, inked = _greys(options, rng)
        difference = abs(float(middle) - float(inked))
    if textured:
        swing = difference * 0.45 * float(rng.random())
    if coloured and textured:
        # Both ends of the field lie on the far side of the ink, or no nearer than about half.
        other, _ = grounds.two_colours(rng, (0.0, 60.0))
        away = other - np.asarray(middle)
        swing = away * min(1.0, float(swing) / (float(np.abs(away).max()) + 1e-6))
    picture = grounds.colour(field, middle, swing)
    if happens(rng, options.drop_shadow):
        picture = _drop_shadow(picture, mask, rng, letter)
    if happens(rng, options.outlined):
        reach = max(1, round(letter * (0.03 + 0.05 * rng.random())))
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
        rim = 255.0 * float(rng.random() < 0.5) if not coloured else _far(inked, rng)
        picture = grounds.lay(picture, cv2.dilate(mask, kernel), rim)  # type: ignore[arg-type]
    picture = grounds.lay(picture, mask, inked)
    return np.clip(picture, 0, 255).astype(np.uint8)


def develop(
    image: Picture, quads: Quads, options: SynthOptions, rng: np.random.Generator
) -> Picture:
    """Light, lens, sensor and file format, in the order in which they act."""
    steps: Sequence[tuple[float, Effect]] = (
        (options.folds, light.folds),
        (options.glow, light.glow),
        (options.shadow, light.shadow),
        (options.bloom, light.bloom),
        (options.low_resolution, light.low_resolution),
        (options.blur, light.blur),
        (options.motion_blur, light.motion_blur),
        (options.exposure, light.exposure),
        (options.noise, light.noise),
        (options.sharpen, light.sharpen),
        (options.salt, light.salt),
        (options.jpeg, light.jpeg),
    )
    return apply_effects(steps, image, quads, rng)[0]


def apply_effects(
    steps: Sequence[tuple[float, Effect]], image: Picture, quads: Quads, rng: np.random.Generator
) -> tuple[Picture, Quads]:
    """Each effect, in this order, with its chance."""
    for (chance, effect), drawn in zip(steps, rng.random(len(steps)).tolist(), strict=True):
        if drawn < chance:
            image, quads = effect(image, quads, rng)
    return image, quads


def _greys(options: SynthOptions, rng: np.random.Generator) -> tuple[float, float]:
    """Brightness of ground and ink."""
    level = between(rng, options.ground)
    contrast = between(rng, options.contrast)
    if happens(rng, options.dull):
        level = 70.0 + 130.0 * float(rng.random())
        contrast = 35.0 + 0.5 * contrast
    dark = max(0.0, level - contrast)
    if happens(rng, options.inverted):
        return 255.0 - level, 255.0 - dark
    return level, dark


def _far(inked: float | np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Black, white, or a colour, unlike the ink."""
    bright = float(np.mean(inked)) > 127
    drawn = rng.random()
    if drawn < 0.7:
        return np.full(3, 10.0 if bright else 250.0, np.float32)
    return np.asarray((rng.random(3) * 110 + (0 if bright else 145)), np.float32)


def _drop_shadow(
    picture: np.ndarray, mask: Picture, rng: np.random.Generator, letter: float
) -> np.ndarray:
    shift = (rng.random(2) - 0.5) * 0.2 * letter
    matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float64)
    cast = cv2.warpAffine(mask, matrix, (mask.shape[1], mask.shape[0]))
    cast = cv2.GaussianBlur(cast, (0, 0), 0.4 + 0.05 * letter * rng.random())
    depth = np.float32((0.3 + 0.6 * rng.random()) / 255)
    shade = 1.0 - depth * cast.astype(np.float32)
    shaded: np.ndarray = picture * (shade[..., None] if picture.ndim == 3 else shade)
    return shaded
