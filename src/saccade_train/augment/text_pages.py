"""What is done to training pictures of pages, and to the text polygons on them.

PaddleOCR's steps for DB: a mirror, a small turn, a scale (IaaAugment), then a crop that cuts no
text (``EastRandomCropData``, after Zhou et al., *EAST*, arXiv 1704.03155). They are drawn as there,
but done to the pixels at once: one warp from the picture into the crop. So pixels are interpolated
once, bilinearly, instead of three times, and averaged first where the picture shrinks to less than
half; where things are stays the same.

Corrected: the last free strip of an axis may be chosen too, which the reference forgets, so that
its crops end before the last line or take the whole page; text that sticks out of the picture on
the left or the top is not cut either; text that only touches the crop from outside is dropped; a
page without text is cropped too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import cv2
import numpy as np

from saccade.errors import OptionError
from saccade.geometry.polygons import cut, min_area_box
from saccade_train._types import Image

from . import operations as ops
from .policies import colour_jitter

__all__ = [
    "Crop",
    "PageAugment",
    "augment_page",
    "choose_crop",
    "choose_window",
    "move_polygons",
    "page_matrix",
]

CROP_TRIES = 50
LEAST_PART = 0.6
"""Text of which a window leaves less than this share of its height counts for nothing."""
MIN_CROP = 0.1
"""A side of a crop is at least this share of the picture's."""

Crop = tuple[int, int, int, int]
"""Left, top, width and height in pixels."""


@dataclass(frozen=True)
class PageAugment:
    """How pages are changed.

    Attributes:
        size: height and width of the result in pixels.
        flip: chance of a mirror image; to find text it need not be readable.
        rotation: degrees to either side at most.
        scale: least and greatest factor of size, before the crop.
        limit: crop a window of ``size`` pixels from the page with its longest side at most this
            long (times the factor); None crops between texts, and scales what it crops.
        brightness: the factor is drawn from 1 - x to 1 + x.
        contrast: so is this one.
        grey: chance to lose the colours.
        blur: chance of a Gaussian blur, sigma 0.5 to 1.5.
        jpeg: chance of the traces of JPEG, quality 30 to 90.
        invert: chance of the negative.
    """

    size: int = 640
    flip: float = 0.5
    rotation: float = 10.0
    scale: tuple[float, float] = (0.5, 3.0)
    limit: int | None = None
    brightness: float = 0.0
    contrast: float = 0.0
    grey: float = 0.0
    blur: float = 0.0
    jpeg: float = 0.0
    invert: float = 0.0

    def __post_init__(self) -> None:
        if self.size < 1:
            raise OptionError(f"size is {self.size}; expected at least 1 pixel")
        if not 0 <= self.rotation <= 180:
            raise OptionError(f"rotation is {self.rotation}; expected 0 to 180 degrees")
        if not 0 < self.scale[0] <= self.scale[1]:
            raise OptionError(f"scale is {self.scale}; expected two factors above 0, lesser first")
        for field in fields(self)[5:]:
            value = getattr(self, field.name)
            if not 0 <= value <= 1:
                raise OptionError(f"{field.name} is {value}; expected 0 to 1")
        if not 0 <= self.flip <= 1:
            raise OptionError(f"flip is {self.flip}; expected a chance from 0 to 1")


def augment_page(
    image: Image,
    polygons: Sequence[np.ndarray],
    ignored: Sequence[bool],
    rng: np.random.Generator,
    options: PageAugment,
) -> tuple[Image, list[np.ndarray], list[bool]]:
    """Mirror, turn, scale and crop a page at random, and change its colours.

    Args:
        image: uint8 RGB (H, W, 3); it is left as it is.
        polygons: (K, 2) each, pixels of the picture.
        ignored: which of them can't be read.
        rng: source of randomness.
        options: see there.

    Returns:
        uint8 RGB (size, size, 3), the crop at the top left, black beside it; the polygons that
        reach into it, float32 (K, 2), whole even if they stick out (with ``limit`` the part inside;
        where less is left of a text than 0.6 of its height it is ignored); and their flags.

    Raises:
        OptionError: another number of flags than polygons.
    """
    if len(polygons) != len(ignored):
        raise OptionError(f"{len(polygons)} polygons with {len(ignored)} flags; expected one each")
    height, width = image.shape[:2]
    scale = rng.uniform(*options.scale)
    if options.limit is not None:
        scale *= min(1.0, options.limit / max(height, width))
    frame = max(1, round(height * scale)), max(1, round(width * scale))
    matrix = page_matrix(
        (height, width),
        frame,
        flip=bool(rng.random() < options.flip),
        degrees=rng.uniform(-options.rotation, options.rotation),
    )
    moved = move_polygons(polygons, matrix)
    boxes = _boxes(moved)
    counting = boxes[~np.asarray(ignored, bool)]
    if options.limit is None:
        crop = choose_crop(counting, frame, rng)
    else:
        crop = choose_window(counting, frame, options.size, rng)

    ratio = min(options.size / crop[2], options.size / crop[3])
    # A thousandth, because 640 / 643 * 643 may fall just short of 640.
    down, across = (max(1, int(side * ratio + 1e-3)) for side in (crop[3], crop[2]))
    matrix = _into_crop(crop, ratio) @ matrix
    part = _colours(_warp(image, matrix, (down, across)), rng, options)
    result = np.zeros((options.size, options.size, 3), np.uint8)
    result[:down, :across] = part

    kept = np.flatnonzero(_reach_into(boxes, crop)).tolist()
    placed = move_polygons([polygons[index] for index in kept], matrix)
    flags = [bool(ignored[index]) for index in kept]
    if options.limit is None:
        return result, placed, flags
    return result, *_cut_all(placed, flags, (across, down))


def page_matrix(
    size: tuple[int, int], frame: tuple[int, int], *, flip: bool, degrees: float
) -> np.ndarray:
    """The affine map of a mirror image, a turn about the middle, and a resize, in this order.

    The turn keeps the size: what leaves the picture is lost.

    Args:
        size: (height, width) of the picture.
        frame: (height, width) after the resize.
        flip: whether to mirror left and right.
        degrees: clockwise.

    Returns:
        float64 (3, 3), from pixels to pixels; the middle of the first pixel is (0, 0).
    """
    height, width = size
    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    if flip:
        turn[:, 0] *= -1
    factors = np.array([frame[1] / width, frame[0] / height])
    matrix = np.eye(3)
    matrix[:2, :2] = turn
    matrix[:2, 2] = (middle_x, middle_y) - turn @ (middle_x, middle_y)
    resize = np.diag([*factors, 1.0])
    resize[:2, 2] = factors / 2 - 0.5
    return resize @ matrix


def move_polygons(polygons: Sequence[np.ndarray], matrix: np.ndarray) -> list[np.ndarray]:
    """Apply an affine map (3, 3) to polygons (K, 2); float32."""
    if not polygons:
        return []
    corners = np.concatenate([np.asarray(polygon, np.float64) for polygon in polygons])
    corners = (corners @ matrix[:2, :2].T + matrix[:2, 2]).astype(np.float32)
    return np.split(corners, np.cumsum([len(polygon) for polygon in polygons])[:-1])


def choose_crop(boxes: np.ndarray, frame: tuple[int, int], rng: np.random.Generator) -> Crop:
    """Choose a part of a page whose four sides cross no text.

    A side may lie only where no text is anywhere along that row or column. From two free strips,
    the same one allowed, one row each is drawn; so for columns. It is tried 50 times that the crop
    is large enough and holds text, then the whole page is taken.

    Args:
        boxes: int64 (N, 4), the texts that count: left, top, right, bottom (exclusive).
        frame: (height, width) of the page.
        rng: source of randomness.
    """
    height, width = frame
    whole = 0, 0, width, height
    rows, columns = _free(boxes[:, 1::2], height), _free(boxes[:, ::2], width)
    if not rows or not columns:
        return whole
    for _ in range(CROP_TRIES):
        left, right = _two_of(columns, rng)
        top, bottom = _two_of(rows, rng)
        crop = left, top, right - left, bottom - top
        if crop[2] < max(1, MIN_CROP * width) or crop[3] < max(1, MIN_CROP * height):
            continue
        if not len(boxes) or _reach_into(boxes, crop).any():
            return crop
    return whole


def choose_window(
    boxes: np.ndarray, frame: tuple[int, int], size: int, rng: np.random.Generator
) -> Crop:
    """Choose a window of a page, of ``size`` pixels or as many as there are; with text if it can.

    Args:
        boxes: as of :func:`choose_crop`.
        frame: (height, width) of the page.
        size: of the window.
        rng: source of randomness.
    """
    down, across = (min(size, side) for side in frame)
    for _ in range(CROP_TRIES):
        top = int(rng.integers(frame[0] - down + 1))
        left = int(rng.integers(frame[1] - across + 1))
        crop = left, top, across, down
        if not len(boxes) or _reach_into(boxes, crop).any():
            break
    return crop


def _cut_all(
    polygons: Sequence[np.ndarray], ignored: Sequence[bool], size: tuple[int, int]
) -> tuple[list[np.ndarray], list[bool]]:
    """The parts inside a window (width, height), and which of them count for nothing."""
    parts, flags = [], []
    for polygon, skip in zip(polygons, ignored, strict=True):
        part = cut(polygon, (0, 0, size[0] - 1, size[1] - 1)).astype(np.float32)
        if len(part) < 3:
            continue
        is_rest = min_area_box(part)[1] < LEAST_PART * min_area_box(polygon)[1]
        parts.append(part)
        flags.append(skip or is_rest)
    return parts, flags


def _free(spans: np.ndarray, length: int) -> list[tuple[int, int]]:
    """The stretches (first, end) of an axis that no span (first, end) covers."""
    covered = np.zeros(length + 2, bool)
    covered[[0, -1]] = True
    for first, end in np.clip(spans, 0, length).tolist():
        covered[first + 1 : end + 1] = True
    edges = np.flatnonzero(covered[1:] != covered[:-1])
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _two_of(stretches: list[tuple[int, int]], rng: np.random.Generator) -> tuple[int, int]:
    """Two places on free stretches, the lesser first."""
    chosen = [stretches[index] for index in rng.integers(len(stretches), size=2)]
    one, other = (int(rng.integers(first, end)) for first, end in chosen)
    return min(one, other), max(one, other)


def _boxes(polygons: Sequence[np.ndarray]) -> np.ndarray:
    """Bounds in whole pixels, int64 (N, 4): left, top, right, bottom (exclusive)."""
    bounds = [np.concatenate([polygon.min(0), polygon.max(0)]) for polygon in polygons]
    return np.rint(np.array(bounds, np.float64).reshape(-1, 4)).astype(np.int64)


def _reach_into(boxes: np.ndarray, crop: Crop) -> np.ndarray:
    left, top, width, height = crop
    found: np.ndarray = (
        (boxes[:, 2] > left)
        & (boxes[:, 0] < left + width)
        & (boxes[:, 3] > top)
        & (boxes[:, 1] < top + height)
    )
    return found


def _into_crop(crop: Crop, ratio: float) -> np.ndarray:
    """From pixels of the page to pixels of the crop, resized."""
    matrix = np.diag([ratio, ratio, 1.0])
    matrix[:2, 2] = (0.5 - np.array(crop[:2])) * ratio - 0.5
    return matrix


def _warp(image: Image, matrix: np.ndarray, shape: tuple[int, int]) -> Image:
    """Bilinear; black beyond the picture."""
    factor = float(np.sqrt(abs(np.linalg.det(matrix[:2, :2]))))
    shrink = int(1 / factor)
    if shrink >= 2:  # a bilinear warp would skip pixels
        height, width = image.shape[:2]
        size = max(1, width // shrink), max(1, height // shrink)
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
        back = np.diag([width / size[0], height / size[1], 1.0])
        back[:2, 2] = back.diagonal()[:2] / 2 - 0.5
        matrix = matrix @ back
    return cv2.warpAffine(  # type: ignore[return-value]
        image, matrix[:2], shape[::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT
    )


def _colours(image: Image, rng: np.random.Generator, options: PageAugment) -> Image:
    image = colour_jitter(image, rng, brightness=options.brightness, contrast=options.contrast)
    if rng.random() < options.grey:
        image = ops.saturation(image, 0.0)
    if rng.random() < options.invert:
        image = ops.invert(image)
    if rng.random() < options.blur:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 1.5))  # type: ignore[assignment]
    if rng.random() < options.jpeg:
        image = _jpeg(image, int(rng.integers(30, 91)))
    return image


def _jpeg(image: Image, quality: int) -> Image:
    blue_first = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", blue_first, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))
    return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)  # type: ignore[return-value]
