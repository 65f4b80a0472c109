"""Text that was read, drawn beside the picture for a person to compare."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from saccade.errors import OptionError
from saccade.imaging.draw import Color
from saccade.imaging.fonts import clean_text, render_text

__all__ = ["draw_text", "score_color"]

_TURNS = {
    0: None,
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}
_GROUND = 255
_SMALLEST, _LARGEST = 8, 256  # sizes at which letters are drawn before they are fitted


def score_color(score: float) -> Color:
    """Green from 0.9 on, orange from 0.7 on, red below: dark enough for letters on white."""
    if score >= 0.9:
        return 0, 112, 40
    return (190, 90, 0) if score >= 0.7 else (205, 0, 30)


def draw_text(
    image: np.ndarray,
    polygons: Sequence[np.ndarray],
    texts: Sequence[str],
    scores: Sequence[float],
    *,
    rotation: int = 0,
) -> np.ndarray:
    """Frame lines of text, and write what they say at the same places beside the picture.

    Args:
        image: uint8 RGB (H, W, 3).
        polygons: N arrays (K, 2) of xy in pixels, clockwise from the top left of the text.
        texts: N lines in any script.
        scores: N numbers 0..1, which give the colours.
        rotation: degrees (0, 90, 180, 270) by which the result is turned clockwise.

    Returns:
        A new uint8 RGB (H, 2 W, 3); (W, 2 H, 3) where it is turned by 90 or 270 degrees.

    Raises:
        OptionError: shapes or counts that do not fit.
    """
    if rotation not in _TURNS:
        raise OptionError(f"rotation {rotation}: expected 0, 90, 180 or 270 degrees")
    if not len(polygons) == len(texts) == len(scores):
        raise OptionError(
            f"{len(polygons)} polygons, {len(texts)} texts and {len(scores)} scores; expected as "
            "many"
        )
    colors = [score_color(score) for score in scores]
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise OptionError(
            f"cannot draw on dtype {image.dtype}, shape {image.shape}; expected uint8 RGB "
            "(height, width, 3)"
        )
    height, width = image.shape[:2]
    turn = _TURNS[rotation]
    framed = np.array(image, order="C") if turn is None else cv2.rotate(image, turn)
    panel = np.full_like(framed, _GROUND)
    line = max(1, round((height + width) / 1500))  # thin, so as not to hide letters
    for polygon, text, color in zip(polygons, texts, colors, strict=True):
        points = np.asarray(polygon, np.float64).reshape(-1, 2)
        if len(points) < 4 or not np.isfinite(points).all():
            continue
        points = _turned(points, rotation, width, height)
        _frame(framed, points, color, line)
        _frame(panel, points, _pale(color), 1)
        _write(panel, points, clean_text(text), color)
    return np.concatenate([framed, panel], axis=1)


def _turned(points: np.ndarray, rotation: int, width: int, height: int) -> np.ndarray:
    if rotation == 0:
        return points
    x, y = points[:, 0], points[:, 1]
    right, bottom = width - 1, height - 1
    if rotation == 90:
        return np.stack([bottom - y, x], axis=1)
    if rotation == 180:
        return np.stack([right - x, bottom - y], axis=1)
    return np.stack([y, right - x], axis=1)


def _frame(canvas: np.ndarray, points: np.ndarray, color: Color, line: int) -> None:
    reach = 4 * max(canvas.shape)  # OpenCV overflows on far points
    corners = np.rint(np.clip(points, -reach, reach) * 16).astype(np.int32)[:, None]
    cv2.polylines(canvas, [corners], True, color, line, cv2.LINE_AA, 4)


def _pale(color: Color) -> Color:
    red, green, blue = (round(_GROUND - (_GROUND - value) * 0.3) for value in color)
    return red, green, blue


def _write(panel: np.ndarray, points: np.ndarray, text: str, color: Color) -> None:
    """Fit one line into its polygon, in place."""
    half = len(points) // 2
    quad = points[[0, half - 1, half, -1]]
    down = np.hypot(*(quad[3] - quad[0] + quad[2] - quad[1])) / 2
    along = np.hypot(*(quad[1] - quad[0] + quad[2] - quad[3])) / 2
    height, width = panel.shape[:2]
    left, top = np.floor(np.clip(quad.min(0), 0, [width, height])).astype(int)
    right, bottom = np.ceil(np.clip(quad.max(0), 0, [width, height])).astype(int)
    if not text or down < 1 or along < 1 or right <= left or bottom <= top:
        return
    mask = render_text(text, int(np.clip(down / 1.3, _SMALLEST, _LARGEST)))
    ink_height, ink_width = mask.shape
    # Letters keep their form unless the line is too short for them.
    share = min(1.0, ink_width * down / (ink_height * along))
    quad[1] = quad[0] + (quad[1] - quad[0]) * share
    quad[2] = quad[3] + (quad[2] - quad[3]) * share
    source = np.array([[0, 0], [ink_width, 0], [ink_width, ink_height]], np.float32)
    target = (quad[:3] - [left, top]).astype(np.float32)
    warp = cv2.getAffineTransform(source, target)
    if share == 1.0 and ink_width > along:  # shrinking: warping alone would skip thin strokes
        mask = cv2.resize(mask, (max(1, round(along)), ink_height), interpolation=cv2.INTER_AREA)
        warp[:, 0] *= ink_width / mask.shape[1]
    size = (int(right - left), int(bottom - top))
    ink = cv2.warpAffine(mask, warp, size, flags=cv2.INTER_LINEAR)[:, :, None] / np.float32(255)
    spot = panel[top:bottom, left:right]
    spot[:] = np.rint(spot * (1 - ink) + np.array(color, np.float32) * ink).astype(np.uint8)
