"""Pictures of single lines of text, with their characters."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from saccade.errors import OptionError
from saccade_train._types import Image

from . import geometry, ink
from ._types import Picture, Quads
from .alphabets import fit_to_alphabet
from .compose import between, colour_ink, develop, happens, print_ink
from .draws import pick
from .fonts import Font, FontSet, find_fonts
from .glyphs import Setting, paint, typeset
from .options import SynthOptions
from .texts import KINDS, Lexicon, draw_kind

__all__ = ["Line", "LineSource", "Word", "split_words"]

# Two sizes, so that glyphs are drawn once and used for long; the warp brings them to any other.
_SIZES = (32, 64)
_LONGEST_SIDE = 16_000
_STEEPEST = 1.0
"""Of lines seen from the side: pixels down for each pixel along."""
_TALLEST_CROP = 2.5
"""Of a line seen from the side, in heights of its letters."""


@dataclass(frozen=True)
class Word:
    """A word of a line.

    Attributes:
        text: Without blanks.
        quad: float32 (4, 2), clockwise from top left.
    """

    text: str
    quad: NDArray[np.float32]


@dataclass(frozen=True)
class Line:
    """A picture of one line of text.

    Attributes:
        image: uint8 RGB (H, W, 3).
        text: What it says, from left to right.
        quads: float32 (len(text), 4, 2): where each character's ink is; for a blank, the room that
            it takes. Corners may lie outside of a tightly cut picture.
        quad: float32 (4, 2), around all characters.
        words: The words and where they are.
        font: Name of the face.
    """

    image: Image
    text: str
    quads: Quads
    quad: NDArray[np.float32]
    words: tuple[Word, ...]
    font: str


class LineSource:
    """Endless lines of text: sample number i is a function of the options, fonts, seed and i.

    It is picklable and holds no state, so any number of workers may share the indices among them
    in any way.

    Args:
        options: How lines look; where several are given, they are mixed by their weights.
        seed: Another one gives other lines.
        fonts: To write with; by default all of the system that have the alphabet.
        lexicon: Words and texts; by default those of this toolkit.

    Raises:
        OptionError: Characters of the alphabet that no font has.

    Example:
        >>> source = LineSource(preset("receipt"), seed=7)
        >>> line = source[1_000_000]
        >>> line.image.shape[0], len(line.quads) == len(line.text)
        (32, True)
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

    def __getitem__(self, index: int) -> Line:
        """Sample number ``index``, from 0, without end."""
        rng = generator(self.seed, index)
        part = int(np.searchsorted(self._steps, rng.random() * self._steps[-1], side="right"))
        options, lexicon = self.options[part], self.lexicons[part]
        text = draw_text(options, lexicon, rng)
        typewritten = happens(rng, options.typewriter)
        font = self.fonts.draw(rng, text, mono=1.0 if typewritten else options.mono)
        if not font.characters.issuperset(text.replace(" ", "")):
            # No font has all of them: say less rather than draw boxes.
            text = fit_to_alphabet(text, font.characters | {" "}) or pick(
                rng, sorted(font.characters)
            )
        return _render(text, font, options, lexicon, rng, typewritten=typewritten)

    def __iter__(self) -> Iterator[Line]:
        """All samples, from number 0, without end."""
        index = 0
        while True:
            yield self[index]
            index += 1


def settle(
    options: SynthOptions | Sequence[SynthOptions], fonts: FontSet | None, lexicon: Lexicon | None
) -> tuple[tuple[SynthOptions, ...], FontSet, tuple[Lexicon, ...]]:
    """Check and complete what a source is made from: options, fonts, a lexicon for each option."""
    parts = (options,) if isinstance(options, SynthOptions) else tuple(options)
    if not parts:
        raise OptionError("options: expected at least one")
    alphabet = "".join(dict.fromkeys("".join(part.alphabet for part in parts)))
    if fonts is None:
        fonts = find_fonts(alphabet)
    if not len(fonts):
        raise OptionError("fonts: the set is empty; take a larger share, or more fonts")
    missing = fonts.missing(alphabet)
    if missing:
        shown = " ".join(missing[:20]) + (" ..." if len(missing) > 20 else "")
        raise OptionError(
            f"no font has these {len(missing)} characters of the alphabet: {shown} - give fonts "
            "that have them, or take them out of the alphabet"
        )
    # One for all parts of an alphabet: what it derives from its words takes time.
    lexicons = {
        part.alphabet: Lexicon(part.alphabet)
        if lexicon is None
        else Lexicon(part.alphabet, lexicon.words, lexicon.lines)
        for part in parts
    }
    return parts, fonts, tuple(lexicons[part.alphabet] for part in parts)


def check_seed(seed: int) -> int:
    """Raises OptionError unless the seed is a whole number from 0."""
    if seed < 0:
        raise OptionError(f"seed {seed}: expected 0 or more")
    return int(seed)


def generator(seed: int, index: int) -> np.random.Generator:
    """The source of randomness of one sample."""
    if index < 0:
        raise OptionError(f"index {index}: expected 0 or more; a source has no end to count from")
    return np.random.Generator(np.random.PCG64([seed, index]))


def draw_text(options: SynthOptions, lexicon: Lexicon, rng: np.random.Generator) -> str:
    """A line of text of the wanted kinds, within the alphabet and the lengths."""
    letters = frozenset(options.alphabet)
    low, high = options.length
    text = ""
    for _ in range(8 + low // 4):
        kind = draw_kind(options.kinds, rng)
        piece = fit_to_alphabet(KINDS[kind](lexicon, rng), letters)
        text = f"{text} {piece}" if text and " " in letters else text + piece
        if len(text) > high:
            text = _shorten(text, high)
        text = text.strip()
        if len(text) >= low:
            return text
    while len(text) < low:
        text += lexicon.visible[int(rng.random() * len(lexicon.visible))]
    return text


def split_words(text: str) -> list[tuple[int, int]]:
    """First character and end of each word."""
    ends = [-1, *(place for place, c in enumerate(text) if c == " "), len(text)]
    return [(a + 1, b) for a, b in pairwise(ends) if b > a + 1]


def _shorten(text: str, most: int) -> str:
    """Cut behind the last word that fits; inside the first one if need be."""
    cut = text[: most + 1].rfind(" ")
    return text[:cut] if cut > 0 else text[:most]


def _render(
    text: str,
    font: Font,
    options: SynthOptions,
    lexicon: Lexicon,
    rng: np.random.Generator,
    *,
    typewritten: bool,
) -> Line:
    # Uniform in the logarithm: small print is common.
    low, high = options.native
    native = round(low * (high / low) ** float(rng.random()))
    size = _SIZES[native > 40]
    setting, strengths = _set(text, font, size, options, rng, typewritten=typewritten)
    left, top, right, bottom = setting.box
    # Room for leaning, thickening, bending and the neighbours.
    pad = round(0.6 * size)
    mask = np.zeros(
        (math.ceil(bottom - top) + 2 * pad, math.ceil(right - left) + 2 * pad), np.uint8
    )
    x, y = pad - math.floor(left), pad - math.floor(top)
    paint(mask, setting, x, y, strengths=strengths)
    if happens(rng, options.underline):
        mask, _ = ink.underline(mask, geometry.move(setting.quads, x, y), rng, baseline=float(y))
    if happens(rng, options.neighbours):
        _add_neighbours(mask, setting, x, y, font, options, lexicon, rng)
    if happens(rng, options.beside):
        _add_beside(mask, setting, x, y, font, lexicon, rng)
    quads = geometry.move(with_words(setting), x, y)
    mask, quads = print_ink(mask, quads, options, rng, small=native < 24)
    mask, quads, bent = _place(mask, quads, options, rng, native, size)
    image = colour_ink(mask, options, rng, native)
    image = develop(image, quads, options, rng)
    if options.height is not None and image.shape[0] != options.height:
        image, quads = _resize(image, quads, options.height)
    if image.ndim == 2:
        image = cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)  # type: ignore[assignment]
    characters, words, quad = name_quads(text, quads, bent=bent)
    return Line(image, text, characters, quad, words, font.name)


def _set(
    text: str,
    font: Font,
    size: int,
    options: SynthOptions,
    rng: np.random.Generator,
    *,
    typewritten: bool,
) -> tuple[Setting, list[int] | None]:
    drawn = rng.random()
    spacing = between(rng, options.spacing) * size if drawn < 0.5 else 0.0
    blanks = between(rng, options.loose_words)
    jitter = strengths = None
    if typewritten:
        depth = 0.05 * size * float(rng.random())
        jitter = np.round((rng.random(len(text)) - 0.5) * 2 * depth).astype(int).tolist()
        weak = 256 - int(150 * rng.random())
        strengths = (weak + (256 - weak) * rng.random(len(text))).astype(int).tolist()
    if happens(rng, options.wide_gaps):
        blanks *= 1.5 + 2.5 * float(rng.random())
    setting = typeset(text, font, size, spacing=spacing, word_spacing=blanks, jitter=jitter)
    return setting, strengths


def _add_neighbours(
    mask: Picture,
    setting: Setting,
    x: int,
    y: int,
    font: Font,
    options: SynthOptions,
    lexicon: Lexicon,
    rng: np.random.Generator,
) -> None:
    """Paint the lines above and below into the mask, as far as it reaches."""
    pitch = setting.size * (0.95 + 0.35 * float(rng.random()))
    letters = font.characters | {" "}
    for sign, chance in ((-1, 0.8), (1, 0.6)):
        if rng.random() > chance:
            continue
        kind = draw_kind(options.kinds, rng)
        text = fit_to_alphabet(KINDS[kind](lexicon, rng), letters)
        while text and len(text) < 0.7 * len(setting.text):
            text = f"{text} {text}"
        if text:
            other = typeset(text[: options.length[1]], font, setting.size)
            paint(mask, other, x - int(rng.random() * setting.size), y + round(sign * pitch))


def _add_beside(
    mask: Picture,
    setting: Setting,
    x: int,
    y: int,
    font: Font,
    lexicon: Lexicon,
    rng: np.random.Generator,
) -> None:
    """Paint a word to the left or right into the mask, a blank away, as far as it reaches."""
    letters = font.characters | {" "}
    left, _, right, _ = setting.box
    for is_left in (True, False):
        if rng.random() > 0.6:
            continue
        text = fit_to_alphabet(KINDS["word"](lexicon, rng), letters)
        if text:
            other = typeset(text, font, setting.size)
            gap = setting.size * (0.15 + 0.2 * float(rng.random()))
            at = left - gap - other.box[2] if is_left else right + gap - other.box[0]
            paint(mask, other, x + round(at), y)


def with_words(setting: Setting) -> Quads:
    """The quads of characters, then words, then the whole line: all go through the same warps."""
    boxes = setting.boxes
    # reduceat takes from each start to the next; the parts behind the words are dropped.
    ends = np.array([*split_words(setting.text), (0, len(boxes))]).ravel()
    padded = np.concatenate([boxes, boxes[-1:]])
    low = np.minimum.reduceat(padded[:, :2], ends)[::2]
    high = np.maximum.reduceat(padded[:, 2:], ends)[::2]
    return geometry.boxes_to_quads(np.concatenate([boxes, np.concatenate([low, high], axis=1)]))


def name_quads(
    text: str, quads: Quads, *, bent: bool
) -> tuple[Quads, tuple[Word, ...], NDArray[np.float32]]:
    """Take apart what `with_words` has put together.

    Args:
        text: Of the line.
        quads: Warped.
        bent: By more than a homography, so that the quads of words and lines must be widened.

    Returns:
        Quads of the characters, words, quad of the line.
    """
    characters, around = quads[: len(text)], quads[len(text) :]
    spans = [*split_words(text), (0, len(text))]
    if bent:
        around = np.stack(
            [
                geometry.enclose(quad, characters[a:b].reshape(-1, 2))
                for quad, (a, b) in zip(around, spans, strict=True)
            ]
        )
    words = tuple(Word(text[a:b], around[n]) for n, (a, b) in enumerate(spans[:-1]))
    return characters, words, around[-1]


def _place(
    mask: Picture,
    quads: Quads,
    options: SynthOptions,
    rng: np.random.Generator,
    native: int,
    size: int,
) -> tuple[Picture, Quads, bool]:
    """Bend, lean and crop the ink, and bring the crop to its native height.

    Returns:
        Ink, quads, and whether the line was bent.
    """
    drawn = rng.random(2).tolist()
    bent = drawn[0] < options.arc or drawn[1] < options.bend
    if drawn[0] < options.arc:
        mask, quads = geometry.arc(mask, quads, 2.4 * (float(rng.random()) - 0.5))
    elif drawn[1] < options.bend:
        amplitude = 0.1 * size * float(rng.random())
        length = mask.shape[1] * (0.6 + 2 * float(rng.random()))
        phase = 2 * math.pi * float(rng.random())
        mask, quads = geometry.wave(mask, quads, amplitude, length, phase, fill=0)
    height, width = mask.shape
    normal = rng.standard_normal(6).tolist()
    # Long lines can't lean much without leaving the picture.
    degrees = normal[0] * options.rotation * min(1.0, 6 * height / width)
    corners = np.zeros((4, 2))
    corners[:, 1] = np.array([normal[1], normal[2], -normal[2], -normal[1]]) * (
        options.perspective * 0.5 * size
    )
    matrix = geometry.rotation(degrees, width / 2, height / 2) @ geometry.tilt(
        width, height, corners
    )
    matrix = geometry.shear(normal[3] * options.slant, height / 2) @ matrix
    left, top, right, bottom = geometry.outline(geometry.project(matrix, quads))
    if happens(rng, options.oblique):
        narrow = between(rng, (0.4, 1.0))
        steepest = min(_STEEPEST, _TALLEST_CROP * (bottom - top) / (narrow * (right - left)))
        matrix = geometry.climb(narrow, between(rng, (-steepest, steepest))) @ matrix
        straight = bottom - top
        left, top, right, bottom = geometry.outline(geometry.project(matrix, quads))
        # The crop grows; its letters stay as large as they were.
        native = round(native * max(1.0, (bottom - top) / max(straight, 1.0)))
    tall = bottom - top
    if rng.random() < 0.25:
        # Some crops are as high as the face, whatever the line says.
        top, bottom = min(top, bottom - 0.9 * size), max(bottom, top + 0.9 * size)
        tall = bottom - top
    # A line without tall letters (a dash, a full stop) is not blown up to full height.
    lacking = max(0.0, 0.45 * size - tall)
    top, bottom = top - lacking * float(rng.random()), bottom + lacking * 0.5
    tall = bottom - top
    top -= between(rng, options.margin_y) * tall
    bottom += between(rng, options.margin_y) * tall
    left -= between(rng, options.margin_x) * tall
    right += between(rng, options.margin_x) * tall
    scale = native / (bottom - top)
    stretch = math.exp(between(rng, (math.log(options.stretch[0]), math.log(options.stretch[1]))))
    if rng.random() < 0.3:
        stretch = 1.0
    out_width = min(_LONGEST_SIDE, max(4, round((right - left) * scale * stretch)))
    matrix = (
        geometry.scaling(out_width / (right - left), scale)
        @ geometry.translation(-left, -top)
        @ matrix
    )
    return *geometry.warp(mask, quads, matrix, (native, out_width)), bent


def _resize(image: Picture, quads: Quads, height: int) -> tuple[Picture, Quads]:
    width = max(1, round(image.shape[1] * height / image.shape[0]))
    scale = np.array([width / image.shape[1], height / image.shape[0]], np.float32)
    method = cv2.INTER_AREA if height < image.shape[0] else cv2.INTER_LINEAR
    resized = cv2.resize(image, (width, height), interpolation=method)
    return resized, quads * scale  # type: ignore[return-value]
