"""What light, lens, sensor and file format do to a picture: effects that leave quads alone.

All have the form of `Effect` and take uint8 pictures, grey (H, W) or RGB (H, W, 3).
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from . import pools
from ._types import Picture, Quads
from .geometry import letter_height

__all__ = [
    "bloom",
    "blur",
    "exposure",
    "folds",
    "glow",
    "jpeg",
    "low_resolution",
    "motion_blur",
    "noise",
    "salt",
    "shadow",
    "sharpen",
]


def blur(image: Picture, quads: Quads, rng: np.random.Generator) -> tuple[Picture, Quads]:
    """Out of focus, as far as letters stay letters: a deviation of 0.3 to 1.6 pixels."""
    most = 0.3 + 0.022 * min(letter_height(quads), 60.0)
    return cv2.GaussianBlur(image, (0, 0), 0.3 + (most - 0.3) * rng.random()), quads  # type: ignore[return-value]


def motion_blur(image: Picture, quads: Quads, rng: np.random.Generator) -> tuple[Picture, Quads]:
    """A shaken hand: smeared along one direction, by 1.5 to 5 pixels."""
    length = 1.5 + 3.5 * rng.random() * min(1.0, letter_height(quads) / 64)
    angle = math.pi * rng.random()
    kernel = np.zeros((7, 7), np.float32)
    end = np.array([math.cos(angle), math.sin(angle)]) * length / 2
    first, last = np.round((3 - end) * 16).astype(int), np.round((3 + end) * 16).astype(int)
    cv2.line(kernel, first.tolist(), last.tolist(), 1.0, 1, cv2.LINE_AA, 4)
    if kernel.sum() <= 0:
        kernel[3, 3] = 1.0
    return cv2.filter2D(image, -1, kernel / kernel.sum()), quads  # type: ignore[return-value]


def noise(image: Picture, quads: Quads, rng: np.random.Generator) -> tuple[Picture, Quads]:
    """A sensor's noise, fine or grainy, grey or coloured; deviation 2 to 14."""
    height, width = image.shape[:2]
    deviation = 2.0 + 12.0 * rng.random() ** 2
    pool = pools.grain if rng.random() < 0.5 else pools.white
    if image.ndim == 2:
        field = pool(rng, height, width)
    elif rng.random() < 0.5:
        field = cv2.merge([pool(rng, height, width)] * 3)  # type: ignore[assignment]
    else:
        field = cv2.merge([pool(rng, height, width) for _ in range(3)])  # type: ignore[assignment]
    return cv2.add(image, field * np.float32(deviation), dtype=cv2.CV_8U), quads  # type: ignore[return-value]


def salt(image: Picture, quads: Quads, rng: np.random.Generator) -> tuple[Picture, Quads]:
    """Single pixels turned white or black, up to one in a hundred."""
    height, width = image.shape[:2]
    field = pools.white(rng, height, width)
    level = 2.4 + 0.8 * rng.random()
    salted = image.copy()
    salted[field > level] = 255
    salted[field < -level] = 0
    return salted, quads


def jpeg(image: Picture, quads: Quads, rng: np.random.Generator) -> tuple[Picture, Quads]:
    """Written as JPEG and read again, quality 25 to 90."""
    quality = int(25 + 65 * math.sqrt(rng.random()))
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    flags = cv2.IMREAD_GRAYSCALE if image.ndim == 2 else cv2.IMREAD_COLOR
    return cv2.imdecode(data, flags), quads  # type: ignore[return-value]


def low_resolution(image: Picture, quads: Quads, rng: np.random.Generator) -> tuple[Picture, Quads]:
    """Shrunk and enlarged again: a picture from far away. Lines keep 14 pixels."""
    height, width = image.shape[:2]
    share = max(0.4 + 0.5 * rng.random(), min(1.0, 14 / letter_height(quads)))
    size = (max(1, round(width * share)), max(1, round(height * share)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    back = cv2.INTER_LINEAR if rng.random() < 0.5 else cv2.INTER_CUBIC
    return cv2.resize(small, (width, height), interpolation=back), quads  # type: ignore[return-value]


def sharpen(image: Picture, quads: Quads, rng: np.random.Generator) -> tuple[Picture, Quads]:
    """What scanners do: edges overshoot."""
    amount = 0.5 + 1.5 * rng.random()
    soft = cv2.GaussianBlur(image, (0, 0), 1.0 + rng.random())
    return cv2.addWeighted(image, 1 + amount, soft, -amount, 0.0), quads  # type: ignore[return-value]


def exposure(image: Picture, quads: Quads, rng: np.random.Generator) -> tuple[Picture, Quads]:
    """Brightness, contrast and gamma; whites may clip, blacks may drown."""
    gain = 0.8 + 0.5 * rng.random()
    offset = 30.0 * (rng.random() - 0.5)
    gamma = 0.7 + 0.7 * rng.random()
    levels = np.linspace(0.0, 1.0, 256) ** gamma * 255.0
    table = np.clip((levels - 128.0) * gain + 128.0 + offset, 0, 255).astype(np.uint8)
    return cv2.LUT(image, table), quads  # type: ignore[return-value]


def bloom(image: Picture, quads: Quads, rng: np.random.Generator) -> tuple[Picture, Quads]:
    """Lit letters at night: what is bright bleeds into a dark ground, and clips.

    Grounds brighter than about two thirds bleed less or not at all: letters would drown.
    """
    reach = letter_height(quads) * (0.03 + 0.15 * rng.random())
    level, gain = 110.0 + 90.0 * rng.random(), 0.8 + 1.7 * rng.random()
    gain *= min(1.0, max(0.0, (170.0 - float(np.median(image))) / 80.0))
    spread = cv2.GaussianBlur(cv2.subtract(image, np.full_like(image, level)), (0, 0), reach)
    return cv2.addWeighted(image, 1.0, spread, gain, 0.0), quads  # type: ignore[return-value]


def shadow(image: Picture, quads: Quads, rng: np.random.Generator) -> tuple[Picture, Quads]:
    """The shadow of a hand or a telephone: a soft edge, darker on one side."""
    height, width = image.shape[:2]
    angle = 2 * math.pi * rng.random()
    x = np.arange(width, dtype=np.float32) - np.float32(width * rng.random())
    y = np.arange(height, dtype=np.float32) - np.float32(height * rng.random())
    distance = np.float32(math.cos(angle)) * x[None] + np.float32(math.sin(angle)) * y[:, None]
    softness = max(height, 16) * (0.15 + rng.random())
    depth = np.float32(0.15 + 0.35 * rng.random())
    shade = 1.0 - depth / (1.0 + np.exp(np.clip(distance * (4.0 / softness), -30, 30)))
    return _multiply(image, shade), quads


def glow(image: Picture, quads: Quads, rng: np.random.Generator) -> tuple[Picture, Quads]:
    """Uneven light: brighter here than there, by up to a third."""
    height, width = image.shape[:2]
    depth = 0.1 + 0.25 * rng.random()
    field = 1.0 + depth * pools.clouds(rng, height, width, 1.5 * max(height, width / 3))
    return _multiply(image, field), quads


def folds(image: Picture, quads: Quads, rng: np.random.Generator) -> tuple[Picture, Quads]:
    """Paper that was folded: a crease or three, with a bright and a dark side."""
    height, width = image.shape[:2]
    field = np.ones((height, width), np.float32)
    for _ in range(1 + int(rng.random() * 3)):
        across = rng.random() < 0.5
        length = height if across else width
        distance = np.arange(length, dtype=np.float32) - np.float32(length * rng.random())
        reach = length * (0.03 + 0.1 * rng.random())
        depth = (rng.random() - 0.5) * 0.3
        profile = depth * np.sign(distance) * np.exp(-np.abs(distance) / reach)
        profile -= 0.25 * rng.random() * np.exp(-((distance / 1.2) ** 2))
        field += profile[:, None] if across else profile[None]
    return _multiply(image, field), quads


def _multiply(image: Picture, field: np.ndarray) -> Picture:
    field = field.astype(np.float32)
    if image.ndim == 3:
        field = cv2.merge([field] * 3)
    return cv2.multiply(image, field, dtype=cv2.CV_8U)  # type: ignore[return-value]
