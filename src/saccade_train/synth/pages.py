"""Pictures of whole pages, with their lines, words and characters."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from saccade_train._types import Image

from . import geometry, grounds
from ._types import Picture, Quads
from .compose import between, colour_ink, develop, happens, print_ink
from .fonts import FontSet
from .glyphs import paint
from .layouts import LAYOUTS, Rule, Sheet
from .lines import Word, check_seed, generator, name_quads, settle, with_words
from .options import SynthOptions
from .texts import Lexicon

__all__ = ["Page", "PageLine", "PageSource"]


_LEAST_LETTER = 5.5


@dataclass(frozen=True)
class PageLine:
    """A line on a page.

    Attributes:
        text: What it says.
        quad: float32 (4, 2), clockwise from top left, around its ink.
        quads: float32 (len(text), 4, 2), its characters.
        words: The words and where they are.
        font: Name of the face.
    """

    text: str
    quad: NDArray[np.float32]
    quads: Quads
    words: tuple[Word, ...]
    font: str

    @property
    def is_readable(self) -> bool:
        """Large enough to be read, about: tall letters of at least 5.5 pixels."""
        edges = self.quads[:, 3] - self.quads[:, 0]
        heights = np.sort(np.hypot(edges[:, 0], edges[:, 1]))
        return bool(heights[int(0.75 * len(heights))] >= _LEAST_LETTER)


@dataclass(frozen=True)
class Page:
    """A picture of a page.

    Attributes:
        image: uint8 RGB (H, W, 3).
        lines: In reading order.
    """

    image: Image
    lines: tuple[PageLine, ...]


class PageSource:
    """Endless pages: page number i is a function of the options, fonts, seed and i.

    Args:
        options: How pages look; where several are given, they are mixed by their weights.
        seed: Another one gives other pages.
        fonts: To write with; by default all of the system that have the alphabet.
        lexicon: Words and texts; by default those of this toolkit.

    Raises:
        OptionError: Characters of the alphabet that no font has.
    """

    def __init__(
        self,
        options: SynthOptions | Sequence[SynthOptions],
        seed: int = 0,
        *,
        fonts: FontSet | None = None,
        lexicon: Lexicon | None = None,
    ) -> None:
        self.options, self.fonts, self.lexicons = settle(options, fonts, lexicon)
        self.seed = check_seed(seed)
        self._steps = np.cumsum([part.weight for part in self.options])

    def __getitem__(self, index: int) -> Page:
        """Page number ``index``, from 0, without end."""
        rng = generator(self.seed, index)
        part = int(np.searchsorted(self._steps, rng.random() * self._steps[-1], side="right"))
        options, lexicon = self.options[part], self.lexicons[part]
        side = round(between(rng, options.page))
        mono = 1.0 if happens(rng, options.typewriter) else options.mono
        sheets = LAYOUTS[options.layout](rng, lexicon, self.fonts, side, mono)
        sheets = [sheet for sheet in sheets if sheet.placed]
        if options.layout == "sign" or (sheets and happens(rng, options.on_table)):
            image, lines = _arrange(sheets, side, options, rng)
        else:
            image, lines = _scan(sheets[0], options, rng)
        quads = np.concatenate([line.quads for line in lines]) if lines else _NO_QUADS
        image = develop(image, quads, options, rng)
        if image.ndim == 2:
            image = cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)  # type: ignore[assignment]
        return Page(image, tuple(lines))

    def __iter__(self) -> Iterator[Page]:
        """All pages, from number 0, without end."""
        index = 0
        while True:
            yield self[index]
            index += 1


_NO_QUADS: Quads = np.zeros((0, 4, 2), np.float32)


def _print(
    sheet: Sheet, options: SynthOptions, rng: np.random.Generator
) -> tuple[Picture, Quads, bool]:
    """The ink of a sheet, the quads of all its lines, and whether it was bent."""
    mask = np.zeros((sheet.height, sheet.width), np.uint8)
    groups = []
    for line in sheet.placed:
        paint(mask, line.setting, line.x, line.y)
        groups.append(geometry.move(with_words(line.setting), line.x, line.y))
    for rule in sheet.rules:
        _draw_rule(mask, rule)
    quads = np.concatenate(groups)
    small = float(np.median([line.setting.size for line in sheet.placed])) < 20
    mask, quads = print_ink(mask, quads, options, rng, small=small)
    bent = happens(rng, options.bend)
    if bent:
        amplitude = 0.008 * sheet.width * float(rng.random())
        length = sheet.width * (0.8 + 1.5 * float(rng.random()))
        phase = 2 * math.pi * float(rng.random())
        mask, quads = geometry.wave(mask, quads, amplitude, length, phase, fill=0)
    return mask, quads, bent


def _scan(
    sheet: Sheet, options: SynthOptions, rng: np.random.Generator
) -> tuple[Picture, list[PageLine]]:
    """The sheet fills the picture, a little askew."""
    mask, quads, bent = _print(sheet, options, rng)
    height, width = mask.shape
    stretch = math.exp(between(rng, (math.log(options.stretch[0]), math.log(options.stretch[1]))))
    stretch = 1.0 if rng.random() < 0.5 else stretch
    degrees = float(rng.standard_normal()) * 0.4 * options.rotation
    corners = rng.standard_normal((4, 2)) * options.perspective * 0.06 * width
    matrix = geometry.rotation(degrees, width / 2, height / 2) @ geometry.tilt(
        width, height, corners
    )
    matrix = geometry.scaling(stretch, 1.0) @ matrix
    # Cut where the ink ends, plus a margin, so that no line leaves the picture.
    left, top, right, bottom = geometry.outline(geometry.project(matrix, quads))
    margin = (0.005 + 0.05 * float(rng.random())) * width
    matrix = geometry.translation(margin - left, margin - top) @ matrix
    size = (round(bottom - top + 2 * margin), round(right - left + 2 * margin))
    mask, quads = geometry.warp(mask, quads, matrix, size)
    image = colour_ink(mask, options, rng, _letter(sheet))
    return image, _name(sheet, quads, bent=bent)


def _arrange(
    sheets: list[Sheet], side: int, options: SynthOptions, rng: np.random.Generator
) -> tuple[Picture, list[PageLine]]:
    """Sheets lie or hang on a background, each in a perspective of its own."""
    one = len(sheets) == 1 and options.layout != "sign"
    frame_width = side if not one else round(side * (0.7 + 0.4 * float(rng.random())))
    frame_height = round(side * (0.6 + 0.4 * float(rng.random()))) if not one else side
    first, second = grounds.two_colours(rng, (10.0, 120.0))
    field = grounds.scene(rng, frame_height, frame_width)
    half = np.float32(0.5)
    ground = grounds.colour(field, (first + second) * half, (second - first) * half)
    frame: Picture = np.clip(ground, 0, 255).astype(np.uint8)
    grey = not happens(rng, max(0.5, options.colour))
    lines: list[PageLine] = []
    for sheet, cell in zip(sheets, _cells(len(sheets), frame_width, frame_height), strict=False):
        mask, quads, bent = _print(sheet, options, rng)
        height, width = mask.shape
        scale = min((cell[2] - cell[0]) / width, (cell[3] - cell[1]) / height)
        scale *= 0.82 + 0.12 * float(rng.random())
        corners = np.clip(rng.standard_normal((4, 2)), -2, 2) * (
            0.35 * max(0.08, options.perspective) * min(width, height)
        )
        degrees = float(np.clip(rng.standard_normal(), -2, 2)) * 1.6 * options.rotation
        matrix = geometry.rotation(degrees, width / 2, height / 2) @ geometry.tilt(
            width, height, corners
        )
        rim = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
        left, top, right, bottom = geometry.outline(geometry.project(matrix, rim))
        scale = min(
            scale, (cell[2] - cell[0]) / (right - left), (cell[3] - cell[1]) / (bottom - top)
        )
        x = cell[0] + (cell[2] - cell[0] - scale * (right - left)) * float(rng.random())
        y = cell[1] + (cell[3] - cell[1] - scale * (bottom - top)) * float(rng.random())
        matrix = (
            geometry.translation(x, y)
            @ geometry.scaling(scale, scale)
            @ geometry.translation(-left, -top)
            @ matrix
        )
        size = (frame_height, frame_width)
        if sheet.bare:
            cover, quads = geometry.warp(mask, quads, matrix, size)
            local = frame[int(y) : int(y + 9), int(x) : int(x + 9)].reshape(-1, 3).mean()
            ink = np.full(3, 245.0 if local < 128 else 15.0, np.float32)
            ink += (rng.random(3).astype(np.float32) - 0.5) * 20
            _lay(frame, cover, ink)
        else:
            image = colour_ink(mask, options, rng, _letter(sheet))
            if image.ndim == 2:
                image = cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)  # type: ignore[assignment]
            panel, quads = geometry.warp(image, quads, matrix, size, fill=None)
            cover, _ = geometry.warp(np.full_like(mask, 255), _NO_QUADS, matrix, size)
            _lay(frame, cover, panel)
        lines += _name(sheet, quads, bent=bent)
    if grey:
        return cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), lines  # type: ignore[return-value]
    return frame, lines


def _lay(frame: Picture, cover: Picture, ink: np.ndarray) -> None:
    """Lay ink, one colour (3,) or a picture of the frame's size, where the cover says so; in place.

    Only around the cover, because there are several on a frame.
    """
    x, y, width, height = cv2.boundingRect(cover)
    if not width:
        return
    part = np.s_[y : y + height, x : x + width]
    laid = grounds.lay(
        frame[part].astype(np.float32), cover[part], ink if ink.ndim == 1 else ink[part]
    )
    frame[part] = np.clip(laid, 0, 255)


def _cells(count: int, width: int, height: int) -> list[tuple[float, float, float, float]]:
    """Places that don't overlap, in reading order."""
    columns = 1 if count == 1 else 2 if count <= 4 else 3
    rows = math.ceil(count / columns)
    return [
        (
            (number % columns) * width / columns,
            (number // columns) * height / rows,
            (number % columns + 1) * width / columns,
            (number // columns + 1) * height / rows,
        )
        for number in range(count)
    ]


def _name(sheet: Sheet, quads: Quads, *, bent: bool) -> list[PageLine]:
    lines = []
    start = 0
    for line in sheet.placed:
        text = line.setting.text
        end = start + len(text) + len(text.split()) + 1
        characters, words, quad = name_quads(text, quads[start:end], bent=bent)
        lines.append(PageLine(text, quad, characters, words, line.font))
        start = end
    return lines


def _letter(sheet: Sheet) -> float:
    return float(np.median([line.setting.size for line in sheet.placed]))


def _draw_rule(mask: Picture, rule: Rule) -> None:
    if not rule.dash:
        cv2.line(mask, rule.start, rule.end, 255, rule.thickness)
        return
    for x in range(rule.start[0], rule.end[0], 2 * rule.dash):
        end = (min(rule.end[0], x + rule.dash - 1), rule.end[1])
        cv2.line(mask, (x, rule.start[1]), end, 255, rule.thickness)
