"""What printers, ribbons and time do to the ink: effects on masks, before any warp.

A mask is uint8 (H, W), 255 is full ink. All functions have the form of `Effect`: mask, quads and
random generator in, mask and quads out; quads are upright boxes here, and grow with the ink.
"""

from __future__ import annotations

import cv2
import numpy as np

from . import pools
from ._types import Picture, Quads
from .geometry import grow, letter_height, outline

__all__ = [
    "dot_matrix",
    "embolden",
    "fade",
    "pixelate",
    "press",
    "scratch",
    "speckle",
    "thin",
    "underline",
]


def embolden(mask: Picture, quads: Quads, rng: np.random.Generator) -> tuple[Picture, Quads]:
    """Thicken strokes by up to about a sixteenth of the line's height."""
    reach = max(1, round(rng.random() * letter_height(quads) / 24))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    return cv2.dilate(mask, kernel), grow(quads, reach)  # type: ignore[return-value]


def thin(mask: Picture, quads: Quads, rng: np.random.Generator) -> tuple[Picture, Quads]:
    """Thin strokes by a part of a pixel: a worn ribbon, an underexposed copy."""
    share = 0.4 + 0.6 * rng.random()
    eroded = cv2.erode(mask, np.ones((2, 2), np.uint8))
    return cv2.addWeighted(mask, 1 - share, eroded, share, 0.0), quads  # type: ignore[return-value]


def press(mask: Picture, quads: Quads, rng: np.random.Generator) -> tuple[Picture, Quads]:
    """Letterpress and typewriter: ink that spreads or fails, with ragged edges.

    The blurred mask plus grain is cut by a steep curve; where the curve sits decides whether
    strokes swell or break.
    """
    height, width = mask.shape
    size = letter_height(quads)
    blurred = cv2.GaussianBlur(mask, (0, 0), size * (0.018 + 0.02 * rng.random()))
    roughness = 8.0 + 26.0 * rng.random()
    strokes = blurred[mask > 128]
    # Relative to what the blur has left of the strokes: thin faces shall not vanish.
    level = (0.3 + 0.38 * rng.random()) * (float(strokes.mean()) if strokes.size else 255.0)
    steep = 1.5 + 3.0 * rng.random()
    rough = blurred.astype(np.float32) + roughness * pools.grain(rng, height, width) * (blurred > 8)
    if rng.random() < 0.5:
        rough += 20.0 * pools.clouds(rng, height, width, size)
    pressed = np.clip((rough - level) * steep + 128.0, 0.0, 255.0).astype(np.uint8)
    return pressed, grow(quads, max(1.0, 0.05 * size))


def fade(mask: Picture, quads: Quads, rng: np.random.Generator) -> tuple[Picture, Quads]:
    """Thermal print that is old or short of heat: pale bands, blotches, rows that are missing."""
    height, width = mask.shape
    size = letter_height(quads)
    field = 0.75 + 0.35 * pools.clouds(rng, height, width, size * (1.0 + 4.0 * rng.random()))
    if rng.random() < 0.4:
        slope = (rng.random() - 0.5) * 0.8
        field = field + np.linspace(-slope, slope, width, dtype=np.float32)[None]
    if rng.random() < 0.35:
        field = field + 0.18 * pools.fibres(rng, height, width)
    if rng.random() < 0.35:
        rows = (pools.white(rng, height, 1) > 1.5 - rng.random() * 0.8).astype(np.float32)
        field = field - 0.5 * cv2.GaussianBlur(rows, (1, 3), 0.6).reshape(height, 1)
    least = 0.35 + 0.25 * rng.random()
    faded = mask * np.clip(field, least, 1.0)
    return faded.astype(np.uint8), quads


def pixelate(mask: Picture, quads: Quads, rng: np.random.Generator) -> tuple[Picture, Quads]:
    """A print head's coarse grid: whole square dots, 16 to 24 to the line's height."""
    cell = letter_height(quads) / (16 + 8 * rng.random())
    cells = _cells(mask, cell, level=100 + 60 * rng.random())
    large = cv2.resize(cells, (mask.shape[1], mask.shape[0]), interpolation=cv2.INTER_LINEAR)
    steep = np.clip((large.astype(np.float32) - 128) * 2.5 + 128, 0, 255).astype(np.uint8)
    return steep, grow(quads, cell)


def dot_matrix(mask: Picture, quads: Quads, rng: np.random.Generator) -> tuple[Picture, Quads]:
    """A needle printer: round dots with gaps, 10 to 14 to the line's height."""
    height, width = mask.shape
    cell = letter_height(quads) / (10.0 + 4.0 * rng.random())
    cells = _cells(mask, cell, level=70 + 40 * rng.random())
    rows, columns = cells.shape
    large = cv2.resize(cells, (width, height), interpolation=cv2.INTER_NEAREST)
    y = ((np.arange(height) + 0.5) * rows / height) % 1.0 - 0.5
    x = ((np.arange(width) + 0.5) * columns / width) % 1.0 - 0.5
    distance = np.sqrt(x[None] ** 2 + y[:, None] ** 2).astype(np.float32)
    radius = 0.42 + 0.25 * rng.random()
    dots = np.clip((radius - distance) * cell + 0.5, 0.0, 1.0)
    return (large * dots).astype(np.uint8), grow(quads, cell)


def underline(
    mask: Picture, quads: Quads, rng: np.random.Generator, *, baseline: float
) -> tuple[Picture, Quads]:
    """A rule below the text, or through its feet. It belongs to no character."""
    size = letter_height(quads)
    left, _, right, _ = outline(quads)
    thickness = max(1, round(size * (0.03 + 0.05 * rng.random())))
    top = round(baseline + size * (0.04 + 0.16 * rng.random()))
    over = size * 0.4 * rng.random()
    ruled = mask.copy()
    ruled[max(0, top) : top + thickness, max(0, int(left - over)) : int(right + over)] = 255
    return ruled, quads


def speckle(mask: Picture, quads: Quads, rng: np.random.Generator) -> tuple[Picture, Quads]:
    """Dirt: spots of ink where there was none, and holes in the letters."""
    height, width = mask.shape
    field = pools.grain(rng, height, width)
    level = 2.2 + 0.8 * rng.random()
    spots = np.clip((field - level) * 600.0, 0, 255 * (0.4 + 0.6 * rng.random()))
    holes = np.clip((-field - level - 0.2) * 600.0, 0, 255)
    dirty = np.clip(np.maximum(mask, spots) - holes, 0, 255).astype(np.uint8)
    return dirty, quads


def scratch(mask: Picture, quads: Quads, rng: np.random.Generator) -> tuple[Picture, Quads]:
    """A hair, a pen stroke or a scanner's line across the text, in ink or in white."""
    height, width = mask.shape
    points = np.empty((5, 2), np.float32)
    points[:, 0] = np.linspace(-5, width + 5, 5)
    middle, slope = rng.random() * height, (rng.random() - 0.5) * height
    points[:, 1] = middle + slope * np.linspace(-1, 1, 5) + (rng.random(5) - 0.5) * 0.15 * height
    scratched = mask.copy()
    colour = 0 if rng.random() < 0.4 else int(80 + 175 * rng.random())
    thickness = 1 if rng.random() < 0.7 else 2
    line = np.round(points * 8).astype(np.int32).reshape(-1, 1, 2)
    cv2.polylines(scratched, [line], False, colour, thickness, cv2.LINE_AA, shift=3)
    return scratched, quads


def _cells(mask: Picture, cell: float, level: float) -> Picture:
    """Ink or none for each cell of a grid, 0 or 255."""
    height, width = mask.shape
    size = (max(1, round(width / cell)), max(1, round(height / cell)))
    small = cv2.resize(mask, size, interpolation=cv2.INTER_AREA)
    return ((small > level) * np.uint8(255)).astype(np.uint8)
