"""AutoAugment with the ImageNet policy, RandAugment, colour jitter: which operations, how strong.

AutoAugment: Cubuk et al., arXiv 1805.09501, table 9 (policy) and table 6 (ranges). RandAugment:
Cubuk et al., arXiv 1909.13719. In both a strength from 0 to 1 runs over the range of an operation;
operations that have two directions take one of them by a fair coin.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from saccade_train._types import Image

from . import operations as ops

__all__ = [
    "IMAGENET_POLICY",
    "Operation",
    "apply_operation",
    "auto_augment",
    "colour_jitter",
    "rand_augment",
]

Operation = Literal[
    "identity",
    "autocontrast",
    "equalize",
    "invert",
    "rotate",
    "solarize",
    "posterize",
    "saturation",
    "contrast",
    "brightness",
    "sharpness",
    "shear_x",
    "shear_y",
    "translate_x",
    "translate_y",
]

# RandAugment leaves inversion out.
_RAND_OPERATIONS = tuple(name for name in get_args(Operation) if name != "invert")

_Choice = tuple[Operation, float, int]
IMAGENET_POLICY: tuple[tuple[_Choice, _Choice], ...] = (
    (("posterize", 0.4, 8), ("rotate", 0.6, 9)),
    (("solarize", 0.6, 5), ("autocontrast", 0.6, 5)),
    (("equalize", 0.8, 8), ("equalize", 0.6, 3)),
    (("posterize", 0.6, 7), ("posterize", 0.6, 6)),
    (("equalize", 0.4, 7), ("solarize", 0.2, 4)),
    (("equalize", 0.4, 4), ("rotate", 0.8, 8)),
    (("solarize", 0.6, 3), ("equalize", 0.6, 7)),
    (("posterize", 0.8, 5), ("equalize", 1.0, 2)),
    (("rotate", 0.2, 3), ("solarize", 0.6, 8)),
    (("equalize", 0.6, 8), ("posterize", 0.4, 6)),
    (("rotate", 0.8, 8), ("saturation", 0.4, 0)),
    (("rotate", 0.4, 9), ("equalize", 0.6, 2)),
    (("equalize", 0.0, 7), ("equalize", 0.8, 8)),
    (("invert", 0.6, 4), ("equalize", 1.0, 8)),
    (("saturation", 0.6, 4), ("contrast", 1.0, 8)),
    (("rotate", 0.8, 8), ("saturation", 1.0, 2)),
    (("saturation", 0.8, 8), ("solarize", 0.8, 7)),
    (("sharpness", 0.4, 7), ("invert", 0.6, 8)),
    (("shear_x", 0.6, 5), ("equalize", 1.0, 9)),
    (("saturation", 0.4, 0), ("equalize", 0.6, 3)),
    (("equalize", 0.4, 7), ("solarize", 0.2, 4)),
    (("solarize", 0.6, 5), ("autocontrast", 0.6, 5)),
    (("invert", 0.6, 4), ("equalize", 1.0, 8)),
    (("saturation", 0.6, 4), ("contrast", 1.0, 8)),
    (("equalize", 0.8, 8), ("equalize", 0.6, 3)),
)
"""25 pairs of (operation, chance, magnitude 0 to 9)."""


def apply_operation(
    image: Image, name: Operation, strength: float, rng: np.random.Generator
) -> Image:
    """Apply one operation.

    Args:
        image: uint8 RGB (H, W, 3).
        name: Which.
        strength: 0 to 1 of its range.
        rng: For the direction.
    """
    sign = 1.0 if rng.random() < 0.5 else -1.0
    match name:
        case "identity":
            return image
        case "autocontrast":
            return ops.autocontrast(image)
        case "equalize":
            return ops.equalize(image)
        case "invert":
            return ops.invert(image)
        case "rotate":
            return ops.rotate(image, sign * 30 * strength)
        case "solarize":
            return ops.solarize(image, 256 * (1 - strength))
        case "posterize":
            return ops.posterize(image, 8 - round(4 * strength))
        case "saturation":
            return ops.saturation(image, 1 + sign * 0.9 * strength)
        case "contrast":
            return ops.contrast(image, 1 + sign * 0.9 * strength)
        case "brightness":
            return ops.brightness(image, 1 + sign * 0.9 * strength)
        case "sharpness":
            return ops.sharpness(image, 1 + sign * 0.9 * strength)
        case "shear_x":
            return ops.affine(image, shear_x=sign * 0.3 * strength)
        case "shear_y":
            return ops.affine(image, shear_y=sign * 0.3 * strength)
        case "translate_x":
            return ops.affine(image, shift_x=sign * 150 / 331 * strength)
        case "translate_y":
            return ops.affine(image, shift_y=sign * 150 / 331 * strength)


def auto_augment(image: Image, rng: np.random.Generator) -> Image:
    """One of the 25 pairs of the ImageNet policy, each half with its chance."""
    pair = IMAGENET_POLICY[int(rng.integers(len(IMAGENET_POLICY)))]
    for name, chance, magnitude in pair:
        if rng.random() < chance:
            image = apply_operation(image, name, magnitude / 9, rng)
    return image


def rand_augment(
    image: Image, rng: np.random.Generator, *, layers: int = 2, magnitude: float = 5
) -> Image:
    """``layers`` operations in a row, each drawn evenly, all of strength ``magnitude`` of 10."""
    for choice in rng.integers(len(_RAND_OPERATIONS), size=layers):
        image = apply_operation(image, _RAND_OPERATIONS[int(choice)], magnitude / 10, rng)
    return image


def colour_jitter(
    image: Image,
    rng: np.random.Generator,
    *,
    brightness: float = 0.0,
    contrast: float = 0.0,
    saturation: float = 0.0,
    hue: float = 0.0,
) -> Image:
    """Change colours by random amounts, in random order.

    Args:
        image: uint8 RGB (H, W, 3).
        rng: Source of randomness.
        brightness: The factor is drawn from ``1 - x`` to ``1 + x``; so for contrast and saturation.
        contrast: See there.
        saturation: See there.
        hue: Turns of the colour circle are drawn from ``-x`` to ``x``.
    """
    steps = [
        (ops.brightness, 1.0, brightness),
        (ops.contrast, 1.0, contrast),
        (ops.saturation, 1.0, saturation),
        (ops.hue, 0.0, hue),
    ]
    for choice in rng.permutation(len(steps)):
        operation, middle, width = steps[choice]
        if width > 0:
            image = operation(image, rng.uniform(middle - width, middle + width))
    return image
