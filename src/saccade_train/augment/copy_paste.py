"""CopyPaste for text: lines of another page, turned, onto free places of this one.

PP-OCRv2 (arXiv 2109.03144, section 2.1), as in ``ppocr/data/imaug/copy_paste.py``. Two mistakes of
that file are corrected. It looks for a free place not where the text will lie, but one box width to
the right. And it doesn't give pasted texts a transcription, by which the crop that follows drops
their polygons: they lie on the page, and count as background. ``paddle_compat`` brings both back.

In both ways texts lie wholly on the page here; there, those that a turn makes wider or higher may
stick out. And they are blended in with smooth edges here, with whole pixels there.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from saccade.errors import OptionError
from saccade.geometry.polygons import area, min_area_box
from saccade.text.crop import crop_quad
from saccade_train._types import Image

__all__ = ["copy_paste", "free_place", "turned_corners"]

PLACE_TRIES = 50


def copy_paste(
    image: Image,
    polygons: Sequence[np.ndarray],
    ignored: Sequence[bool],
    other_image: Image,
    other_polygons: Sequence[np.ndarray],
    other_ignored: Sequence[bool],
    rng: np.random.Generator,
    *,
    share: float = 0.2,
    most: int = 30,
    paddle_compat: bool = False,
) -> tuple[Image, list[np.ndarray], list[bool]]:
    """Paste some texts of another page, each turned by any angle, where no text is.

    Args:
        image: uint8 RGB (H, W, 3); it is left as it is.
        polygons: (K, 2) each, pixels of ``image``.
        ignored: which of them can't be read.
        other_image: uint8 RGB, of any size.
        other_polygons: texts on that.
        other_ignored: which of those can't be read; they are not taken.
        rng: source of randomness.
        share: how many of the other texts are taken, 0 to 1; one at least.
        most: and at most.
        paddle_compat: see the module; then no polygon is added.

    Returns:
        The picture, the polygons, old ones first, clipped to 0..W and 0..H, float32, and the flags.
        Texts for which 50 tries found no place are left out.

    Raises:
        OptionError: another number of flags than polygons, or a share outside 0..1.
    """
    for count, flags in ((len(polygons), ignored), (len(other_polygons), other_ignored)):
        if count != len(flags):
            raise OptionError(f"{count} polygons with {len(flags)} flags; expected one each")
    if not 0 <= share <= 1:
        raise OptionError(f"share is {share}; expected 0 to 1")
    height, width = image.shape[:2]
    readable = [index for index, skip in enumerate(other_ignored) if not skip]
    wanted = max(1, min(int(share * len(other_polygons)), most))
    canvas = image.copy()
    found = [np.asarray(polygon, np.float32) for polygon in polygons]
    for choice in rng.permutation(len(readable))[:wanted].tolist():
        quad = _as_quad(other_polygons[readable[choice]])
        degrees = int(rng.integers(360))
        if quad is None:
            continue
        text = crop_quad(other_image, quad)
        if text.shape[1] > width or text.shape[0] > height:
            continue
        corners = turned_corners((text.shape[0], text.shape[1]), degrees)
        place = free_place(corners, found, (height, width), rng, paddle_compat=paddle_compat)
        if place is not None:
            _blend(canvas, text, corners, place)
            found.append((corners + place).astype(np.float32))
    if paddle_compat:
        found = found[: len(polygons)]
    flags = [bool(flag) for flag in ignored] + [False] * (len(found) - len(polygons))
    limits = np.array([width, height], np.float32)
    return canvas, [np.clip(polygon, 0, limits) for polygon in found], flags


def turned_corners(size: tuple[int, int], degrees: float) -> np.ndarray:
    """Where the corners of a rectangle are after a turn, in the smallest box that holds it.

    Args:
        size: (height, width) of the rectangle.
        degrees: against the clock.

    Returns:
        float64 (4, 2), from top left of the rectangle clockwise; the least x and y are 0.
    """
    height, width = size
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]]) @ turn.T
    turned: np.ndarray = corners - corners.min(axis=0)
    return turned


def free_place(
    corners: np.ndarray,
    polygons: Sequence[np.ndarray],
    size: tuple[int, int],
    rng: np.random.Generator,
    *,
    paddle_compat: bool = False,
) -> tuple[int, int] | None:
    """Look for a place where a box touches no other box.

    Args:
        corners: (4, 2), the quad to place; the least x and y are 0.
        polygons: (K, 2) each, what to keep away from.
        size: (height, width) of the page.
        rng: source of randomness.
        paddle_compat: look one box width to the right of each place.

    Returns:
        (x, y) to add to the corners; none if 50 tries found none, or the box is too large.
    """
    box = corners.max(axis=0)
    room = np.array(size[::-1]) - np.ceil(box).astype(int)
    if (room < 0).any():
        return None
    places = rng.integers(0, room + 1, size=(PLACE_TRIES, 2))
    if not polygons:
        return int(places[0, 0]), int(places[0, 1])
    taken = np.array([[polygon.min(0), polygon.max(0)] for polygon in polygons])
    first = places + ((box[0], 0) if paddle_compat else (0, 0))
    apart = (taken[:, 1] < first[:, None]) | (taken[:, 0] > first[:, None] + box)
    free = np.flatnonzero(apart.any(axis=2).all(axis=1))
    if not len(free):
        return None
    return int(places[free[0], 0]), int(places[free[0], 1])


def _as_quad(polygon: np.ndarray) -> np.ndarray | None:
    """Four corners; the smallest box around another polygon; none if it has no area."""
    if area(polygon) < 1:
        return None
    return np.asarray(polygon, np.float32) if len(polygon) == 4 else min_area_box(polygon)[0]


def _blend(canvas: Image, text: Image, corners: np.ndarray, place: tuple[int, int]) -> None:
    """Draw a text, its corners moved to ``corners``, in place."""
    height, width = text.shape[:2]
    x, y = place
    across, down = np.ceil(corners.max(axis=0)).astype(int).tolist()
    # Corners lie on the edges of pixels: half a pixel from the middles that OpenCV counts from.
    source = np.array([[0, 0], [width, 0], [width, height]], np.float32) - np.float32(0.5)
    matrix = cv2.getAffineTransform(source, corners[:3].astype(np.float32) - np.float32(0.5))
    turned = cv2.warpAffine(
        text, matrix, (across, down), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    cover = np.full((height, width), 255, np.uint8)
    alpha = cv2.warpAffine(cover, matrix, (across, down), flags=cv2.INTER_LINEAR)
    weights = alpha[..., None].astype(np.float32) / 255
    part = canvas[y : y + down, x : x + across]
    part[:] = np.rint(part + (turned - part.astype(np.float32)) * weights)
