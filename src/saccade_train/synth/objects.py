"""Pictures of things pasted on varied grounds, with exact boxes: for training detectors.

A ground is a window of a photograph or is drawn (a texture, or a table before a wall). Things are
scaled, turned, tilted and recoloured, throw a soft shadow, may hide parts of each other and reach
out of the picture. Then light, lens and JPEG do to the whole what they do to text.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from saccade.errors import OptionError

from . import grounds, light
from ._types import Picture
from .cutouts import Cutout
from .draws import pick, whole
from .geometry import project, rotation, scaling, tilt, translation
from .packages import PACKAGE, draw_package

__all__ = ["ObjectPicture", "ObjectSource"]

_NO_QUADS = np.zeros((0, 4, 2), np.float32)
_SEEN = 0.55
"""Share of a thing that later ones must leave to be seen."""
_INSIDE = 0.7
"""Share that must be inside the picture."""
_TRIES = 8


@dataclass(frozen=True)
class ObjectPicture:
    """One sample.

    Attributes:
        image: uint8 (side, side, 3), RGB.
        boxes: float32 (N, 4), xyxy in pixels: around what is inside the picture of each thing,
            hidden parts included.
        labels: N labels of the cut-outs.
    """

    image: Picture
    boxes: NDArray[np.float32]
    labels: tuple[str, ...]


@dataclass(frozen=True)
class ObjectSource:
    """Samples by their numbers; each is a function of these values and its number.

    Attributes:
        cutouts: what to paste; at least one.
        photographs: RGB pictures to cut grounds from. None: all grounds are drawn.
        side: of the pictures, in pixels.
        most: the largest number of things in a picture.
        packages: the share of things that are packages drawn from nothing, with cut-outs for
            prints; see :mod:`.packages`.
        least_size: the shortest length of a thing's longer side, as a share of the picture's.
        empty: the share of pictures with nothing on them.
        drawn: the share of grounds that are drawn, where there are photographs.
        seed: another one gives other samples.

    Raises:
        OptionError: a value out of range.
    """

    cutouts: Sequence[Cutout]
    photographs: Sequence[Picture] = ()
    side: int = 352
    most: int = 5
    packages: float = 0.0
    least_size: float = 0.15
    empty: float = 0.03
    drawn: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.cutouts:
            raise OptionError("there is nothing to paste; give at least one cut-out")
        if not 32 <= self.side <= 4096:
            raise OptionError(f"side={self.side}: choose 32 to 4096 pixels")
        if self.most < 1:
            raise OptionError(f"most={self.most}: at least one thing")
        for name in ("packages", "least_size", "empty", "drawn"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise OptionError(f"{name}={value}: a share, 0 to 1")

    def __getitem__(self, number: int) -> ObjectPicture:
        """Make one sample."""
        rng = np.random.default_rng([self.seed, number])
        picture = self._ground(rng)
        # Few more often than many: main bodies mostly stand alone or in pairs.
        count = 0 if rng.random() < self.empty else 1 + int(self.most * rng.random() ** 2)
        covers: list[NDArray[np.float32]] = []
        boxes: list[NDArray[np.float32]] = []
        labels: list[str] = []
        for _ in range(count):
            pasted = self._paste(picture, covers, count, rng)
            if pasted is not None:
                picture, box, label = pasted
                boxes.append(box)
                labels.append(label)
        image = _photographed(np.clip(picture, 0, 255).astype(np.uint8), rng)
        return ObjectPicture(image, np.array(boxes, np.float32).reshape(-1, 4), tuple(labels))

    def _ground(self, rng: np.random.Generator) -> NDArray[np.float32]:
        if not self.photographs or rng.random() < self.drawn:
            return _drawn_ground(rng, self.side)
        photograph = pick(rng, self.photographs)
        height, width = photograph.shape[:2]
        window = max(1, int(min(height, width) * (0.5 + 0.5 * rng.random())))
        top, left = whole(rng, 0, height - window), whole(rng, 0, width - window)
        cut = photograph[top : top + window, left : left + window]
        if rng.random() < 0.5:
            cut = cut[:, ::-1]
        size = (self.side, self.side)
        grown = cv2.resize(np.ascontiguousarray(cut), size, interpolation=cv2.INTER_LINEAR)
        return grown.astype(np.float32)

    def _paste(
        self,
        picture: NDArray[np.float32],
        covers: list[NDArray[np.float32]],
        count: int,
        rng: np.random.Generator,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], str] | None:
        """Lay one more thing on the picture, unless it would hide others; notes its cover."""
        whole_thing = self._thing(rng)
        largest = 0.9 if count == 1 else 0.9 / math.sqrt(count) + 0.1
        growth = max(largest, self.least_size) / self.least_size
        for _ in range(_TRIES):
            thing = _resized(whole_thing, self.side * self.least_size * growth ** rng.random())
            matrix = self._placing(thing, rng)
            size = (self.side, self.side)
            cover = cv2.warpPerspective(thing.cover, matrix, size) / np.float32(255)
            # Its area without the picture's frame, of the corners' quadrangle.
            corners = project(matrix, _corners(thing))
            full = cv2.contourArea(corners) * float((thing.cover > 127).mean())
            inside = float(cover.sum())
            if inside < max(_INSIDE * full, 16.0):
                continue
            if any((other * (1 - cover)).sum() < _SEEN * other.sum() for other in covers):
                continue
            for other in covers:
                other *= 1 - cover
            covers.append(cover.copy())
            lit = _recoloured(thing.image, rng)
            colours = cv2.warpPerspective(lit, matrix, size, borderMode=cv2.BORDER_REPLICATE)
            picture = _shaded(picture, cover, rng)
            picture = picture + cover[..., None] * (colours.astype(np.float32) - picture)
            rows = np.flatnonzero((cover > 0.5).any(axis=1))
            columns = np.flatnonzero((cover > 0.5).any(axis=0))
            box = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
            return picture, np.array(box, np.float32), thing.label
        return None

    def _thing(self, rng: np.random.Generator) -> Cutout:
        if rng.random() >= self.packages:
            return pick(rng, self.cutouts)
        return draw_package(rng, self.cutouts if rng.random() < 0.7 else ())

    @property
    def labels(self) -> tuple[str, ...]:
        """All labels that samples may have, in order of the alphabet."""
        more = {PACKAGE} if self.packages else set()
        return tuple(sorted({cutout.label for cutout in self.cutouts} | more))

    def _placing(self, thing: Cutout, rng: np.random.Generator) -> NDArray[np.float64]:
        """Where and how it lies: tilted, mirrored, squeezed, turned, moved."""
        height, width = thing.cover.shape
        draws = rng.random(6)
        shifts = 0.12 * (rng.random((4, 2)) - 0.5) * [width, height]
        mirror = -1.0 if draws[0] < 0.5 else 1.0
        squeeze = 0.85 + 0.3 * draws[1]
        degrees = 360 * draws[2] if draws[3] < 0.25 else 24 * (draws[2] - 0.5)
        x, y = (self.side * (0.05 + 0.9 * draw) for draw in draws[4:])
        steps = (
            tilt(width, height, shifts),
            translation(-width / 2, -height / 2),
            scaling(mirror * squeeze, 1 / squeeze),
            rotation(degrees),
            translation(x, y),
        )
        matrix = np.eye(3)
        for step in steps:
            matrix = step @ matrix
        return matrix


def _resized(thing: Cutout, length: float) -> Cutout:
    """With a longer side of so many pixels, at least 4."""
    scale = max(4.0, length) / max(thing.cover.shape)
    size = tuple(max(2, round(side * scale)) for side in thing.cover.shape[::-1])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    image, cover = (
        cv2.resize(part, size, interpolation=how) for part in (thing.image, thing.cover)
    )
    return Cutout(np.asarray(image, np.uint8), np.asarray(cover, np.uint8), thing.label)


def _corners(thing: Cutout) -> NDArray[np.float32]:
    height, width = thing.cover.shape
    return np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)


def _drawn_ground(rng: np.random.Generator, side: int) -> NDArray[np.float32]:
    """A texture; or one below, as a table, and another above, as a wall."""
    ground = _texture(rng, side)
    if rng.random() < 0.5:
        return ground
    table = _texture(rng, side)
    # Seen from above and before: what is far away is narrower.
    far = side * (0.1 + 0.25 * rng.random())
    shifts = np.array([[far, 0], [-far, 0], [far, 0], [-far, 0]], np.float64)
    matrix, size = tilt(side, side, shifts), (side, side)
    edge = int(side * (0.1 + 0.5 * rng.random()))
    below = cv2.warpPerspective(table, matrix, size, borderMode=cv2.BORDER_REFLECT)
    ground[edge:] = below[edge:]
    if rng.random() < 0.5:
        return cv2.GaussianBlur(ground, (0, 0), 0.5 + 2 * rng.random())  # type: ignore[return-value]
    return ground


def _texture(rng: np.random.Generator, side: int) -> NDArray[np.float32]:
    drawn = rng.random()
    if drawn < 0.25:
        field = grounds.paper(rng, side, side)
    elif drawn < 0.4:
        field = _checks(rng, side)
    else:
        field = grounds.scene(rng, side, side)
    first, second = grounds.two_colours(rng, (5.0, 120.0))
    half = np.float32(0.5)
    return grounds.colour(field, (first + second) * half, (first - second) * half)


def _checks(rng: np.random.Generator, side: int) -> NDArray[np.float32]:
    """Tiles or a chequered cloth."""
    step = whole(rng, side // 24 + 1, side // 5 + 2)
    odd = np.arange(side, dtype=np.float32) // step % 2
    if rng.random() < 0.5:  # cloth: threads of both colours give a third
        return odd[:, None] + odd[None] - 1
    return np.where(odd[:, None] == odd[None], np.float32(1), np.float32(-1))


def _recoloured(image: Picture, rng: np.random.Generator) -> Picture:
    """Other light: brighter or darker by a third, a little warmer or colder, harder or softer."""
    gain = (0.7 + 0.5 * rng.random()) * (0.92 + 0.16 * rng.random(3))
    levels = np.arange(256)[:, None] / 255
    table = 255 * gain * levels ** (0.75 + 0.6 * rng.random())
    return cv2.LUT(image, np.clip(table, 0, 255).astype(np.uint8)[None])  # type: ignore[return-value]


def _shaded(
    picture: NDArray[np.float32], cover: NDArray[np.float32], rng: np.random.Generator
) -> NDArray[np.float32]:
    """With the shadow that the thing throws: its own shape, moved, spread and softened."""
    if rng.random() < 0.25:
        return picture
    length = math.sqrt(float(cover.sum()))
    angle, reach = 2 * math.pi * rng.random(), length * (0.03 + 0.2 * rng.random())
    matrix = np.array([[1, 0, reach * math.cos(angle)], [0, 1, reach * abs(math.sin(angle))]])
    moved = cv2.warpAffine(cover, matrix, (cover.shape[1], cover.shape[0]))
    soft = cv2.GaussianBlur(moved, (0, 0), 1 + 0.1 * length * rng.random())
    depth = np.float32(0.15 + 0.5 * rng.random())
    return picture * (1 - depth * soft[..., None])


def _photographed(image: Picture, rng: np.random.Generator) -> Picture:
    """What light, lens, sensor and file format do to it."""
    if rng.random() < 0.3:
        image, _ = light.shadow(image, _NO_QUADS, rng)
    if rng.random() < 0.3:
        image, _ = light.glow(image, _NO_QUADS, rng)
    image, _ = light.exposure(image, _NO_QUADS, rng)
    if rng.random() < 0.3:
        soft = cv2.GaussianBlur(image, (0, 0), 0.4 + 1.2 * rng.random())
        image = np.asarray(soft, np.uint8)
    if rng.random() < 0.5:
        image, _ = light.noise(image, _NO_QUADS, rng)
    if rng.random() < 0.5:
        image, _ = light.jpeg(image, _NO_QUADS, rng)
    return image
