"""Setting type: which glyph goes where, and painting it.

A glyph is drawn by FreeType once for each face and size and then copied, which is ten times faster
than drawing each line afresh. Kerning is measured on pairs, once for each face. One character gives
one glyph: right for Latin, Greek, Cyrillic, Chinese, Japanese and Korean; scripts whose letters
join or stack are refused.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ImageFont, features

from saccade.errors import OptionError

from ._types import Picture, Quads
from .fonts import Font, load_font
from .geometry import boxes_to_quads

__all__ = ["Setting", "check_alphabet", "open_face", "paint", "typeset"]

# Faces at one size that keep their glyphs; about 50 kB each for Latin text of 32 pixels.
_FACES = 512
_KERNING_SIZE = 64
# Pairs with one of these are measured; others have no kerning to speak of, and there are many.
_KERNED = frozenset("AFLPTVWYÀÁÂÃÄÅÝŸ")
# Letters that stand alone when they are measured, as they do when they are painted.
_NO_LIGATURES = ["-liga", "-clig", "-dlig", "-calt"]


@dataclass(frozen=True, slots=True)
class _Glyph:
    """``left`` and ``top`` lead from the pen on the baseline to the mask."""

    mask: Picture
    left: int
    top: int
    advance: float


class _Face:
    """A face at one size, with the glyphs and kerning seen so far."""

    def __init__(self, font: Font, size: int) -> None:
        self._font = font
        self._face = load_font(font.path, font.index, size)
        self.glyphs: dict[str, _Glyph] = {}
        ascent, descent = self._face.getmetrics()
        self.size = size
        self.ascent = float(ascent)
        self.descent = float(descent)

    def draw(self, character: str) -> _Glyph:
        advance = self._face.getlength(character)
        if character == " ":
            # Fonts for formulas may state a blank of dozens of ems; nobody writes text with it.
            advance = advance if advance <= self.size else self.size / 3
            glyph = _Glyph(np.zeros((0, 0), np.uint8), 0, 0, advance)
        else:
            core, (left, top) = self._face.getmask2(character, mode="L", anchor="ls")
            width, height = core.size
            mask = np.frombuffer(bytes(core), np.uint8).reshape(height, width)
            # FreeType leaves empty rows and columns at some edges.
            x, y, width, height = cv2.boundingRect(mask)
            mask = np.ascontiguousarray(mask[y : y + height, x : x + width])
            glyph = _Glyph(mask, left + x, top + y, advance)
        self.glyphs[character] = glyph
        return glyph

    def kerning(self, pair: str) -> float:
        return self.size * _kerning(self._font.path, self._font.index, pair)


@dataclass(frozen=True)
class Setting:
    """A line of text set in type, with the first pen position at (0, 0) on the baseline.

    Attributes:
        text: What it says; one glyph a character.
        glyphs: Their masks, and the corner where each goes.
        boxes: float32 (N, 4), xyxy: the ink of each character; for blanks the room they take, up
            to the height of small letters.
        width: Where the pen stops.
        ascent: Reach of the face above the baseline, positive.
        descent: Reach of the face below the baseline, positive.
        size: Of the face, in pixels.
    """

    text: str
    glyphs: tuple[tuple[Picture, int, int], ...]
    boxes: NDArray[np.float32]
    width: float
    ascent: float
    descent: float
    size: int

    @property
    def quads(self) -> Quads:
        """A quad for each character."""
        return boxes_to_quads(self.boxes)

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Around all ink, xyxy."""
        low, high = self.boxes[:, :2].min(axis=0), self.boxes[:, 2:].max(axis=0)
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])


@lru_cache(maxsize=_FACES)
def open_face(font: Font, size: int) -> _Face:
    """A face at a size in pixels; the last ones used stay open."""
    return _Face(font, size)


def typeset(
    text: str,
    font: Font,
    size: int,
    *,
    spacing: float = 0.0,
    word_spacing: float = 1.0,
    jitter: Sequence[int] | None = None,
) -> Setting:
    """Set a line of text.

    Args:
        text: Not empty, without line breaks.
        font: Its face.
        size: Of the face, in pixels (the em).
        spacing: Added between letters, in pixels.
        word_spacing: Width of a blank, as a factor.
        jitter: By how much each character sinks below the baseline, as a worn typewriter's do.
    """
    face = open_face(font, size)
    known = face.glyphs
    kern = not font.monospaced
    pen = 0.0
    before = ""
    glyphs = []
    boxes = []
    for number, character in enumerate(text):
        glyph = known.get(character) or face.draw(character)
        if kern and (before in _KERNED or character in _KERNED):
            pen += face.kerning(before + character)
        if character == " ":
            advance = glyph.advance * word_spacing
            boxes.append((pen, -0.5 * size, pen + advance, 0.0))
        else:
            advance = glyph.advance
            height, width = glyph.mask.shape
            x, y = round(pen) + glyph.left, glyph.top + (jitter[number] if jitter else 0)
            glyphs.append((glyph.mask, x, y))
            boxes.append((x, y, x + width, y + height))
        pen += advance + spacing
        before = character
    return Setting(
        text,
        tuple(glyphs),
        np.array(boxes, np.float32),
        max(1.0, pen - spacing),
        face.ascent,
        face.descent,
        size,
    )


def paint(
    canvas: Picture, setting: Setting, x: int, y: int, *, strengths: Sequence[int] | None = None
) -> None:
    """Paint a line into an ink mask; what lies outside is cut off.

    Args:
        canvas: uint8 (H, W), 255 is full ink; changed in place.
        setting: The line.
        x: Of its first pen position.
        y: Of its baseline.
        strengths: Ink of each glyph, 0 to 256.
    """
    height, width = canvas.shape
    for number, (mask, left, top) in enumerate(setting.glyphs):
        left, top = left + x, top + y
        right, bottom = left + mask.shape[1], top + mask.shape[0]
        if strengths is not None:
            mask = ((mask.astype(np.uint16) * strengths[number]) >> 8).astype(np.uint8)
        if left < 0 or top < 0 or right > width or bottom > height:
            cut_left, cut_top = max(0, -left), max(0, -top)
            mask = mask[cut_top : max(0, height - top), cut_left : max(0, width - left)]
            left, top = left + cut_left, top + cut_top
            right, bottom = left + mask.shape[1], top + mask.shape[0]
            if mask.size == 0:
                continue
        place = canvas[top:bottom, left:right]
        np.maximum(place, mask, out=place)


def check_alphabet(alphabet: str) -> None:
    """Refuse scripts that one glyph a character can't write.

    Raises:
        OptionError: Letters that join, stack or run from the right.
    """
    for character in alphabet:
        joins = unicodedata.bidirectional(character) in ("R", "AL", "NSM")
        if joins or unicodedata.category(character) in ("Mn", "Mc", "Me", "Cf"):
            name = unicodedata.name(character, repr(character))
            raise OptionError(
                f"alphabet: cannot draw {name}: letters that join, stack or run from the right "
                "are not supported; take them out of the alphabet"
            )


@lru_cache(maxsize=200_000)
def _kerning(path: str, index: int, pair: str) -> float:
    """Change of the second letter's place, as a share of the em."""
    if len(pair) < 2 or " " in pair:
        return 0.0
    apart = _length(path, index, pair[0]) + _length(path, index, pair[1])
    return (_length.__wrapped__(path, index, pair) - apart) / _KERNING_SIZE


@lru_cache(maxsize=100_000)
def _length(path: str, index: int, text: str) -> float:
    face = _kerning_face(path, index)
    known = _NO_LIGATURES if face.layout_engine == ImageFont.Layout.RAQM else None
    return float(face.getlength(text, features=known))


@lru_cache(maxsize=_FACES)
def _kerning_face(path: str, index: int) -> ImageFont.FreeTypeFont:
    # Only Raqm reads the kerning tables of today's fonts.
    if path and features.check("raqm"):
        return ImageFont.truetype(path, _KERNING_SIZE, index, layout_engine=ImageFont.Layout.RAQM)
    return load_font(path, index, _KERNING_SIZE)
