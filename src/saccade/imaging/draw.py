"""Drawing results onto pictures, and writing pictures.

Line widths and letters grow with the picture; a label keeps its colour from picture to picture;
letters are black or white, whichever reads better; labels stay inside the picture and off each
other where there is room. Pictures handed in are never changed.
"""

from __future__ import annotations

import colorsys
import os
import zlib
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from saccade._files import whole_file
from saccade.errors import ImageError, OptionError
from saccade.imaging.fonts import clean_text
from saccade.imaging.tags import SMALLEST_FONT, Anchor, Color, Tag, place_labels

__all__ = [
    "WRITABLE_SUFFIXES",
    "Color",
    "color_of",
    "draw_boxes",
    "draw_label",
    "draw_labels",
    "draw_polygons",
    "save_image",
]

WRITABLE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")

_LONGEST_SIDE = {".jpg": 65500, ".jpeg": 65500, ".webp": 16383}
_NEUTRAL: Color = (32, 32, 32)


def color_of(label: str) -> Color:
    """Choose the colour of a label: vivid, and the same in every picture and process.

    Returns:
        RGB, each 0..255.
    """
    # A CRC is stable between processes (Python's hash is not) and spreads similar names well.
    code = zlib.crc32(label.encode("utf-8", "surrogatepass"))
    hue = (code & 0xFFFF) / 0x10000
    value = (0.80, 0.95)[code >> 16 & 1]
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.85, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def draw_boxes(
    image: np.ndarray,
    boxes: np.ndarray,
    labels: Sequence[str | None] | None = None,
    *,
    scores: Sequence[float] | np.ndarray | None = None,
    colors: Sequence[Color] | None = None,
    font_size: int | None = None,
    avoid: np.ndarray | None = None,
) -> np.ndarray:
    """Draw boxes with their labels.

    Args:
        image: uint8 RGB (H, W, 3).
        boxes: (N, 4) xyxy in pixels; parts outside the picture are cut off, boxes that are not
            numbers left out.
        labels: N texts in any script; None or "" draws the box alone. The colour follows the label.
        scores: N numbers, shown behind the labels with two digits.
        colors: N colours, in place of those of the labels.
        font_size: in pixels; by default in proportion to the picture.
        avoid: (M, 4) xyxy; places, of text for example, that labels keep off where they can.

    Returns:
        A new uint8 RGB (H, W, 3).

    Raises:
        OptionError: shapes or counts that do not fit.
    """
    canvas = _canvas(image)
    boxes = (
        np.asarray(boxes, np.float64).reshape(-1, 4) if np.size(boxes) == 0 else np.asarray(boxes)
    )
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise OptionError(f"boxes have shape {boxes.shape}; expected (N, 4) xyxy")
    corners = [np.array([[x1, y1], [x2, y2]], np.float64) for x1, y1, x2, y2 in boxes]
    texts, paints = _texts_and_paints(len(boxes), labels, scores, colors)
    height, width = canvas.shape[:2]
    anchors: list[Anchor | None] = []
    for points, color in zip(corners, paints, strict=True):
        if not np.isfinite(points).all():
            anchors.append(None)
            continue
        limit = np.array([width, height])
        (left, top), (right, bottom) = np.rint(np.clip(points, 0, limit)).astype(int)
        left, top = min(left, width - 1), min(top, height - 1)
        right, bottom = max(right, left + 1), max(bottom, top + 1)
        line = _line_width(canvas, right - left, bottom - top)
        _frame(canvas, left, top, right, bottom, line, color)
        anchors.append((left, top, right, bottom))
    places = np.zeros((0, 4)) if avoid is None else np.asarray(avoid, np.float64).reshape(-1, 4)
    clear: list[Anchor] = [
        (int(x1), int(y1), int(x2) + 1, int(y2) + 1) for x1, y1, x2, y2 in places.tolist()
    ]
    font = _font_size(canvas)
    place_labels(canvas, anchors, texts, paints, font, fixed=font_size, avoid=clear)
    return canvas


def draw_polygons(
    image: np.ndarray,
    polygons: Sequence[np.ndarray] | np.ndarray,
    labels: Sequence[str | None] | None = None,
    *,
    scores: Sequence[float] | np.ndarray | None = None,
    colors: Sequence[Color] | None = None,
    font_size: int | None = None,
) -> np.ndarray:
    """Draw closed polygons with their labels.

    Args:
        image: uint8 RGB (H, W, 3).
        polygons: N arrays (K, 2) of xy in pixels, K at least 2; those that are not numbers are
            left out.
        labels: as in `draw_boxes`.
        scores: as in `draw_boxes`.
        colors: as in `draw_boxes`.
        font_size: as in `draw_boxes`.

    Returns:
        A new uint8 RGB (H, W, 3).

    Raises:
        OptionError: shapes or counts that do not fit.
    """
    canvas = _canvas(image)
    texts, paints = _texts_and_paints(len(polygons), labels, scores, colors)
    height, width = canvas.shape[:2]
    anchors: list[Anchor | None] = []
    for polygon, color in zip(polygons, paints, strict=True):
        points = np.asarray(polygon, np.float64)
        if points.ndim != 2 or points.shape[1] != 2 or len(points) < 2:
            raise OptionError(
                f"a polygon has shape {points.shape}; expected (K, 2) with K at least 2"
            )
        if not np.isfinite(points).all():
            anchors.append(None)
            continue
        inside = np.clip(points, 0, [width - 1, height - 1])
        left, top = (int(v) for v in inside.min(axis=0))
        right, bottom = (int(v) + 1 for v in inside.max(axis=0))
        reach = 4 * max(height, width)  # OpenCV overflows on far points
        near = np.rint(np.clip(points, -reach, reach) * 16).astype(np.int32)
        line = _line_width(canvas, right - left, bottom - top)
        cv2.polylines(canvas, [near[:, None]], True, color, line, cv2.LINE_AA, 4)
        anchors.append((left, top, right, bottom))
    place_labels(canvas, anchors, texts, paints, _font_size(canvas), fixed=font_size)
    return canvas


def draw_label(
    image: np.ndarray,
    text: str,
    position: tuple[int, int] = (0, 0),
    *,
    color: Color | None = None,
    font_size: int | None = None,
) -> np.ndarray:
    """Write one label onto a picture.

    Args:
        image: uint8 RGB (H, W, 3).
        text: in any script.
        position: (left, top) of the label; moved where it would leave the picture.
        color: of its ground; by default that of the text.
        font_size: in pixels; by default in proportion to the picture.

    Returns:
        A new uint8 RGB (H, W, 3).
    """
    canvas = _canvas(image)
    tag = Tag(clean_text(text), font_size or _font_size(canvas), canvas.shape[1])
    tag.paste(canvas, *tag.inside(canvas, *position), color or color_of(text))
    return canvas


def draw_labels(
    image: np.ndarray,
    texts: Sequence[str],
    *,
    scores: Sequence[float] | np.ndarray | None = None,
    font_size: int | None = None,
) -> np.ndarray:
    """Write answers about the whole picture, one below the other, into its top left corner.

    Args:
        image: uint8 RGB (H, W, 3).
        texts: in any script. Those for which there is no room are left out.
        scores: as many numbers, shown behind the texts with two digits.
        font_size: in pixels; by default in proportion to the picture.

    Returns:
        A new uint8 RGB (H, W, 3).
    """
    canvas = _canvas(image)
    shown, _ = _texts_and_paints(len(texts), texts, scores, None)
    top = 0
    for text in shown:
        tag = Tag(text, font_size or _font_size(canvas), canvas.shape[1])
        if top and top + tag.height > canvas.shape[0]:
            break
        tag.paste(canvas, 0, top, _NEUTRAL)
        top += tag.height
    return canvas


def save_image(path: str | os.PathLike[str], image: np.ndarray, *, quality: int = 92) -> None:
    """Write a picture; the file appears complete or not at all.

    Args:
        path: ending in .jpg, .png, .webp, .bmp or .tif; its folder must exist.
        image: uint8 RGB (H, W, 3).
        quality: of JPEG and WebP, 1 to 100.

    Raises:
        ImageError: an unknown ending, a folder that is missing or cannot be written, or a picture
            that the format cannot hold.
    """
    target = Path(path)
    suffix = target.suffix.lower()
    if suffix not in WRITABLE_SUFFIXES:
        raise ImageError(
            f"cannot write {target}: the ending {target.suffix or '(none)'} is not one of "
            f"{' '.join(WRITABLE_SUFFIXES)}; choose one of these"
        )
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ImageError(
            f"cannot write {target}: the picture has dtype {image.dtype} and shape {image.shape}; "
            "expected uint8 RGB (height, width, 3)"
        )
    options = {
        ".jpg": [cv2.IMWRITE_JPEG_QUALITY, quality],
        ".jpeg": [cv2.IMWRITE_JPEG_QUALITY, quality],
        ".webp": [cv2.IMWRITE_WEBP_QUALITY, quality],
    }.get(suffix, [])
    rows, columns = image.shape[:2]
    if max(rows, columns) > _LONGEST_SIDE.get(suffix, max(rows, columns)):
        raise ImageError(
            f"cannot write {target}: {suffix} does not take {columns} x {rows} pixels; "
            "choose .png or make it smaller"
        )
    done, data = cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    if not done:
        raise ImageError(f"cannot write {target}: OpenCV has no encoder for it; choose .png")
    try:
        with whole_file(target) as beside:
            beside.write_bytes(data.tobytes())
    except OSError as error:
        raise ImageError(
            f"cannot write {target}: {error.strerror or error}; check that its folder exists and "
            "may be written"
        ) from error


def _frame(
    canvas: np.ndarray, left: int, top: int, right: int, bottom: int, line: int, color: Color
) -> None:
    """Draw a rectangle whose line lies inside its edges."""
    line = max(1, min(line, (right - left + 1) // 2, (bottom - top + 1) // 2))
    canvas[top : top + line, left:right] = color
    canvas[bottom - line : bottom, left:right] = color
    canvas[top:bottom, left : left + line] = color
    canvas[top:bottom, right - line : right] = color


def _texts_and_paints(
    count: int,
    labels: Sequence[str | None] | None,
    scores: Sequence[float] | np.ndarray | None,
    colors: Sequence[Color] | None,
) -> tuple[list[str], list[Color]]:
    for what, values in (("labels", labels), ("scores", scores), ("colors", colors)):
        if values is not None and len(values) != count:
            raise OptionError(f"{len(values)} {what} for {count} shapes; expected one each")
    names = [clean_text(label or "") for label in labels] if labels is not None else [""] * count
    paints = list(colors) if colors is not None else [color_of(name) for name in names]
    if scores is not None:
        names = [f"{n} {float(s):.2f}".strip() for n, s in zip(names, scores, strict=True)]
    return names, paints


def _canvas(image: np.ndarray) -> np.ndarray:
    image = np.asarray(image)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise OptionError(
            f"cannot draw on dtype {image.dtype}, shape {image.shape}; expected uint8 RGB "
            "(height, width, 3)"
        )
    return np.array(image, order="C")


def _line_width(canvas: np.ndarray, width: int, height: int) -> int:
    """In proportion to the picture, but finer around small shapes."""
    return max(1, min(round(sum(canvas.shape[:2]) / 450), min(width, height) // 10))


def _font_size(canvas: np.ndarray) -> int:
    height, width = map(int, canvas.shape[:2])
    # In a narrow strip, letters in proportion to its long side would be cut off.
    return min(160, max(SMALLEST_FONT, min(round((height + width) / 72), min(height, width) // 2)))
