"""What is done to training pictures of lines: RecAug of PaddleOCR, and the direction classifier's.

Steps, order and strengths are those of ``ppocr/data/imaug/rec_img_aug.py`` at the time of PP-OCRv2:
three warps (see :mod:`saccade_train.augment.text_warp`), then crop, blur, HSV, jitter, noise and
inversion. Three of them do next to nothing, there as here: HSV takes at most one level off, jitter
needs 100 pixels to move one, and the noise, after cutting to whole levels, is one level less on
half of the values.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import cv2
import numpy as np

from saccade.errors import OptionError
from saccade_train._types import Image

from . import operations as ops
from .policies import apply_operation
from .text_warp import distort_points, perspective_points, stretch_points, warp_mls

__all__ = [
    "DIRECTION_AUGMENT",
    "LineAugment",
    "augment_line",
    "crop_edge",
    "drop_level",
    "jitter",
    "lower_value",
    "rand_augment_line",
    "shrink_line",
]

WARP_SIDE = 20
"""Distortion, stretching and cropping are for pictures at least this wide and high, in pixels."""
BLUR_SIDE = 10
"""Blurring is for pictures wider and higher than this, in pixels."""
MAX_CROP = 8

# The operations of PaddleOCR's RandAugment, evenly drawn.
_RAND_OPERATIONS = (
    "shear_x", "shear_y", "translate_x", "translate_y", "rotate", "saturation", "contrast",
    "sharpness", "brightness", "posterize", "solarize", "autocontrast", "equalize", "invert",
)  # fmt: skip


@dataclass(frozen=True)
class LineAugment:
    """The chance of each step, 0 to 1, in their order.

    Attributes:
        distort: waves.
        stretch: narrower and wider parts.
        perspective: a slant view.
        crop: 1 to 8 rows off the top or the bottom.
        blur: Gaussian, sigma 1.
        hsv: brightness, within a level.
        jitter: ghosts along the diagonal, from 100 pixels of height on.
        noise: a level less on half of the values.
        invert: the negative.
        rand: two operations of RandAugment; what the direction classifier adds.
        shrink: as small as lines on a page that was scaled down, 10 to 28 pixels high. (Ours.)
        paddle_compat: no chance, but whether to distort as far as the reference; see
            :mod:`saccade_train.augment.text_warp`.
    """

    distort: float = 0.4
    stretch: float = 0.4
    perspective: float = 0.4
    crop: float = 0.4
    blur: float = 0.4
    hsv: float = 0.4
    jitter: float = 1.0
    noise: float = 0.4
    invert: float = 0.4
    rand: float = 0.0
    shrink: float = 0.0
    paddle_compat: bool = False

    def __post_init__(self) -> None:
        for field in fields(self):
            chance = getattr(self, field.name)
            if not 0 <= chance <= 1:
                raise OptionError(f"{field.name} is {chance}; expected a chance from 0 to 1")


DIRECTION_AUGMENT = LineAugment(distort=0.0, stretch=0.0, perspective=0.0, rand=0.5)
"""The direction classifier's (``cls_mv3.yml``): no warps, but RandAugment."""


def augment_line(image: Image, rng: np.random.Generator, options: LineAugment) -> Image:
    """Change a picture of a line at random, so that its text can still be read.

    Args:
        image: uint8 RGB (H, W, 3), any size; it is left as it is.
        rng: source of randomness.
        options: the chances.

    Returns:
        uint8 RGB (H', W, 3), H' up to 8 less than H. It may share memory with ``image``.
    """
    size = height, width = image.shape[0], image.shape[1]
    low, narrow = height < WARP_SIDE, width < WARP_SIDE
    if rng.random() < options.distort and not (low or narrow):
        segments = int(rng.integers(3, 7))
        points = distort_points(size, segments, rng, paddle_compat=options.paddle_compat)
        image = warp_mls(image, points)
    if rng.random() < options.stretch and not (low or narrow):
        image = warp_mls(image, stretch_points(size, int(rng.integers(3, 7)), rng))
    if rng.random() < options.perspective:
        image = warp_mls(image, perspective_points(size, rng))
    if rng.random() < options.crop and not (low or narrow):
        image = crop_edge(image, rng)
    if rng.random() < options.blur and min(image.shape[:2]) > BLUR_SIDE:
        image = cv2.GaussianBlur(image, (5, 5), 1)  # type: ignore[assignment]
    if rng.random() < options.hsv:
        image = lower_value(image, rng)
    if rng.random() < options.jitter:
        image = jitter(image, rng)
    if rng.random() < options.noise:
        image = drop_level(image, rng)
    if rng.random() < options.invert:
        image = ops.invert(image)
    if rng.random() < options.rand:
        image = rand_augment_line(image, rng)
    if rng.random() < options.shrink:
        image = shrink_line(image, rng)
    return image


def crop_edge(image: Image, rng: np.random.Generator) -> Image:
    """Cut 1 to 8 rows off the top or the bottom; one row stays at least."""
    rows = min(int(rng.integers(1, MAX_CROP + 1)), image.shape[0] - 1)
    return image[rows:] if rng.random() < 0.5 else image[: image.shape[0] - rows]


def lower_value(image: Image, rng: np.random.Generator) -> Image:
    """Multiply V of HSV by up to 0.1 percent more or less, cut to whole levels.

    Upwards that changes nothing, downwards it takes a level off. The way to HSV and back rounds
    colours, as in the reference.
    """
    change = 0.001 * rng.random() * (1 if rng.random() < 0.5 else -1)
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    table = np.clip(np.arange(256) * (1 + change), 0, 255).astype(np.uint8)
    hsv[..., 2] = cv2.LUT(np.ascontiguousarray(hsv[..., 2]), table)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)  # type: ignore[return-value]


def jitter(image: Image, rng: np.random.Generator) -> Image:
    """Shift the picture along its diagonal by up to a hundredth of the shorter side, in steps.

    Each step covers what is right of and below it, so that the edge shows all of them.
    """
    height, width = image.shape[:2]
    steps = int(rng.random() * min(height, width) * 0.01)
    if steps < 2:  # the first step, by nothing, changes nothing
        return image
    moved = image.copy()
    for step in range(1, steps):
        moved[step:, step:] = image[: height - step, : width - step]
    return moved


def drop_level(image: Image, rng: np.random.Generator) -> Image:
    """Take one level off half of the values, at random; 0 stays.

    This is the reference's Gaussian noise: half of a number of variance 0.1 is added, and what is
    below a whole level falls to it. That more than one level is lost has a chance of one in 10^10.
    """
    bits = np.frombuffer(rng.bytes(-(-image.size // 8)), np.uint8)
    taken = np.unpackbits(bits, count=image.size).reshape(image.shape)
    return cv2.subtract(image, taken)  # type: ignore[return-value]


def shrink_line(image: Image, rng: np.random.Generator) -> Image:
    """Make a line 10 to 28 pixels high, or leave it where it is lower already."""
    height, width = image.shape[:2]
    low = int(rng.integers(10, 29))
    if low >= height:
        return image
    size = (max(1, round(width * low / height)), low)
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def rand_augment_line(image: Image, rng: np.random.Generator, *, layers: int = 2) -> Image:
    """Apply operations of RandAugment at half their strength, as PaddleOCR does.

    They are those of :func:`saccade_train.augment.policies.apply_operation`, with inversion, and
    without doing nothing; posterizing leaves 2 bits, not 6. Turns go both ways, not only against
    the clock.

    Args:
        image: uint8 RGB (H, W, 3).
        rng: source of randomness.
        layers: how many, in a row.
    """
    for choice in rng.integers(len(_RAND_OPERATIONS), size=layers):
        name = _RAND_OPERATIONS[int(choice)]
        if name == "posterize":
            image = ops.posterize(image, 2)
        else:
            image = apply_operation(image, name, 0.5, rng)  # type: ignore[arg-type]
    return image
