"""From a recipe's augmentation options to one function on pictures."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from saccade_train._types import Image
from saccade_train.recipes.schema import AugmentOptions

from .erasing import random_erase
from .geometric import flip_left_right, pad_crop, random_resized_crop, resize_to
from .policies import auto_augment, colour_jitter, rand_augment

__all__ = ["Augment", "build_augment"]

Augment = Callable[[Image, np.random.Generator], Image]
"""uint8 RGB of any size and a random generator in, uint8 RGB (size, size, 3) out."""


def build_augment(options: AugmentOptions, size: int) -> Augment:
    """The picture-wise part of the augmentation (mixing is done on batches).

    Args:
        options: What to do.
        size: Height and width of the result.

    Returns:
        A pure function: equal picture and generator state give equal results.
    """
    crop = options.crop
    jitters = any((options.brightness, options.contrast, options.saturation, options.hue))

    def augment(image: Image, rng: np.random.Generator) -> Image:
        match crop.kind:
            case "random_resized":
                image = random_resized_crop(image, size, rng, area=crop.area, ratio=crop.ratio)
            case "pad":
                image = pad_crop(image, size, rng, pad=crop.pad, reflect=crop.fill == "reflect")
            case "resize":
                image = resize_to(image, size)
        if options.flip and rng.random() < options.flip:
            image = flip_left_right(image)
        match options.policy:
            case "autoaugment":
                image = auto_augment(image, rng)
            case "randaugment":
                image = rand_augment(
                    image,
                    rng,
                    layers=options.randaugment_layers,
                    magnitude=options.randaugment_magnitude,
                )
        if jitters:
            image = colour_jitter(
                image,
                rng,
                brightness=options.brightness,
                contrast=options.contrast,
                saturation=options.saturation,
                hue=options.hue,
            )
        if options.erase and rng.random() < options.erase:
            image = random_erase(image, rng, area=options.erase_area)
        return image

    return augment
