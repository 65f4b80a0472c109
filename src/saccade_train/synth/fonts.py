"""Which fonts there are, and which characters each can write.

A font "has" a character if it draws something of its own for it: not the box for missing glyphs,
not nothing, and not the same shape as a simpler character of the alphabet (typewriter faces draw a
curly quote as a straight one, capitals-only faces draw ``a`` as ``A``: such a picture would carry a
wrong label). FreeType draws each character once to find out, some milliseconds a font; fontTools
would read the tables of the font faster, but they tell of glyphs, not of shapes. What was found out
is kept on disk (:mod:`.font_cache`).
"""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
from PIL import ImageFont

from saccade.errors import OptionError, Problem
from saccade.imaging.fonts import font_folders

from .font_cache import FontCache

__all__ = ["Font", "FontSet", "find_fonts", "load_font"]

_Shape: TypeAlias = tuple[tuple[int, int], bytes, object]
_SUFFIXES = (".ttf", ".otf", ".ttc", ".otc")
_MISSING = "\U0010fffe"  # a code point that is never assigned
_PROBE = 32
_STRIDE = 9
_LEAST_LIKENESS = 0.25
# Enough to tell two designs apart, and to see that two files hold the same one.
_SPECIMEN = "Rage0379&Qb"
# Draws that look for a font with all characters of a text, before all fonts are gone through.
_TRIES = 12
# One face of a family that has many is plain more often than in proportion.
_PLAIN = ("regular", "book", "roman", "medium", "normal", "text", "r")
_PLAIN_WEIGHT = 6.0


@dataclass(frozen=True)
class Font:
    """One face.

    Attributes:
        path: Of the file; empty for the Latin face inside Pillow.
        index: Of the face inside a collection.
        family: As the font calls itself.
        style: As the font calls itself: Regular, Bold Italic...
        monospaced: All characters are equally wide.
        characters: Those of the alphabet that it has.
    """

    path: str
    index: int
    family: str
    style: str
    monospaced: bool
    characters: frozenset[str]

    @property
    def name(self) -> str:
        """Family and style."""
        return f"{self.family} {self.style}"

    @property
    def root(self) -> str:
        """What sister families share: ``Noto Sans`` of ``Noto Sans Mono``; the unit of a split."""
        return " ".join(self.family.split()[:2])

    @property
    def is_plain(self) -> bool:
        """Upright, of book weight."""
        return all(word in _PLAIN for word in self.style.lower().split())


@dataclass(frozen=True)
class FontSet:
    """Fonts to draw with, in an order that does not depend on folders.

    Attributes:
        fonts: The faces.
        problems: Files that were left out, and why.
    """

    fonts: tuple[Font, ...]
    problems: tuple[Problem, ...] = ()

    def __len__(self) -> int:
        return len(self.fonts)

    def missing(self, alphabet: str) -> str:
        """The characters of an alphabet that no font has, in its order."""
        known = frozenset[str]().union(*(font.characters for font in self.fonts))
        return "".join(c for c in alphabet if c not in known and not c.isspace())

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits over the names and characters of all faces."""
        digest = hashlib.sha256()
        for font in self.fonts:
            digest.update(f"{font.name}|{''.join(sorted(font.characters))}\n".encode())
        return digest.hexdigest()[:16]

    def split(self, held_out: float = 0.2) -> tuple[FontSet, FontSet]:
        """Set whole families aside, to test on designs never trained on.

        The side of a family depends on its name alone, so it stays when other fonts are added.

        Args:
            held_out: Share of the families, about; from 0 to 1.

        Returns:
            The fonts to train with, and the held-out ones; either may be empty in a small set.
        """
        if not 0.0 <= held_out <= 1.0:
            raise OptionError(f"held_out {held_out}: expected a share from 0 to 1")
        sides: tuple[list[Font], list[Font]] = ([], [])
        for font in self.fonts:
            drawn = int.from_bytes(hashlib.sha256(font.root.encode()).digest()[:8], "big") / 2**64
            sides[drawn < held_out].append(font)
        return FontSet(tuple(sides[0])), FontSet(tuple(sides[1]))

    def draw(self, rng: np.random.Generator, text: str, *, mono: float) -> Font:
        """Draw a font that can write a text: first the family, then the face.

        Args:
            rng: Source of randomness.
            text: Its characters must be in the font; if no font has them all, the one that has
                most of them is taken.
            mono: Share of monospaced fonts, if there are any.
        """
        needed = frozenset(text.replace(" ", ""))
        groups = self._groups
        families = groups[bool(groups[1]) and (not groups[0] or rng.random() < mono)]
        for _ in range(_TRIES):
            faces, steps = families[int(rng.random() * len(families))]
            font = faces[int(np.searchsorted(steps, rng.random() * steps[-1], side="right"))]
            if needed <= font.characters:
                return font
        able = [font for font in self.fonts if needed <= font.characters]
        if able:
            return able[int(rng.random() * len(able))]
        return max(self.fonts, key=lambda font: len(needed & font.characters))

    @cached_property
    def _groups(self) -> tuple[list[tuple[list[Font], np.ndarray]], ...]:
        """Proportional families, monospaced families: their faces, and steps to draw one by."""
        families: tuple[dict[str, list[Font]], dict[str, list[Font]]] = ({}, {})
        for font in self.fonts:
            families[font.monospaced].setdefault(font.root, []).append(font)
        return tuple(
            [
                (faces, np.cumsum([_PLAIN_WEIGHT if f.is_plain else 1.0 for f in faces]))
                for faces in group.values()
            ]
            for group in families
        )


def find_fonts(alphabet: str, places: Sequence[str | Path] | None = None) -> FontSet:
    """Look for fonts that have characters of an alphabet.

    Files that hold a design which another file has already given are passed over.

    Args:
        alphabet: The characters of interest.
        places: Fonts, and folders that are searched to the bottom; None stands for the folders of
            the system and, last, the Latin face inside Pillow.

    Returns:
        The fonts that have at least half of the alphabet, or all of its letters and digits within
        ASCII; those and nothing else.

    Raises:
        OptionError: A place that does not exist, or no font of use in the places.
    """
    files = _font_files(font_folders() if places is None else places, strict=places is not None)
    problems = []
    found: dict[bytes, Font] = {}
    cache = FontCache(alphabet)
    for path in files:
        try:
            for font, look in _cached(path, alphabet, cache):
                found.setdefault(look, font)
        except (OSError, ValueError, SyntaxError) as error:
            problems.append(Problem(str(path), f"is not a font that FreeType reads ({error})"))
    cache.save()
    if places is None:
        for font, look in _read_font("", alphabet):
            found.setdefault(look, font)
    basic = frozenset(c for c in alphabet if c.isascii() and c.isalnum())
    visible = sum(not c.isspace() for c in alphabet)
    fonts = [
        font
        for font in found.values()
        if 2 * len(font.characters) >= visible or (basic and basic <= font.characters)
    ]
    if not fonts:
        where = "this system" if places is None else ", ".join(str(place) for place in places)
        raise OptionError(
            f"no font in {where} covers half of the alphabet ({visible} characters); "
            "install fonts for it, or give a folder that has some"
        )
    fonts.sort(key=lambda font: (font.family, font.style, Path(font.path).name, font.index))
    return FontSet(tuple(fonts), tuple(problems))


def load_font(path: str, index: int, size: int) -> ImageFont.FreeTypeFont:
    """Open a face at a size in pixels; an empty path is the face inside Pillow."""
    if path:
        return ImageFont.truetype(path, size, index, layout_engine=ImageFont.Layout.BASIC)
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise OptionError("this Pillow was built without FreeType; install the usual wheel")
    return font


def _font_files(places: Iterable[str | Path], *, strict: bool) -> list[Path]:
    files: dict[Path, None] = {}
    for place in places:
        path = Path(place)
        if path.is_file():
            files[path] = None
        elif path.is_dir():
            for folder, folders, names in os.walk(path):
                folders.sort()
                fonts = (name for name in sorted(names) if name.lower().endswith(_SUFFIXES))
                files.update({Path(folder, name): None for name in fonts})
        elif strict:
            raise OptionError(f"fonts {place}: no such file or folder")
    return list(files)


def _cached(path: Path, alphabet: str, cache: FontCache) -> tuple[tuple[Font, bytes], ...]:
    facts = cache.get(path)
    if facts is None:
        faces = _read_font(str(path), alphabet)
        cache.put(
            path,
            [
                asdict(font) | {"characters": "".join(sorted(font.characters)), "look": look.hex()}
                for font, look in faces
            ],
        )
        return faces
    return tuple(
        (
            Font(
                path=str(path),
                index=face["index"],
                family=face["family"],
                style=face["style"],
                monospaced=face["monospaced"],
                characters=frozenset(face["characters"]),
            ),
            bytes.fromhex(face["look"]),
        )
        for face in facts
    )


@lru_cache(maxsize=4096)
def _read_font(path: str, alphabet: str) -> tuple[tuple[Font, bytes], ...]:
    """The faces of a file, each with a key that equals for equal designs."""
    found = []
    index = 0
    while True:
        try:
            face = load_font(path, index, _PROBE)
        except OSError:
            if index == 0:
                raise
            break
        family, style = face.getname()
        characters = _coverage(face, alphabet)
        # A symbol font's Greek capitals look Latin enough to pass for letters.
        if characters and "symbol" not in (family or "").lower():
            widths = {face.getlength(c) for c in "iMw.1" if c in characters}
            found.append(
                (
                    Font(
                        path=path,
                        index=index,
                        family=(family or Path(path).stem).strip(),
                        style=(style or "Regular").strip(),
                        monospaced=len(widths) == 1 and "i" in characters,
                        characters=characters,
                    ),
                    _look(face, characters),
                )
            )
        index += 1
        if not path.lower().endswith((".ttc", ".otc")):
            break
    return tuple(found)


def _coverage(face: ImageFont.FreeTypeFont, alphabet: str) -> frozenset[str]:
    blank = _shape(face, _MISSING)
    if all(_shape(face, character) == blank for character in alphabet[::_STRIDE]):
        return frozenset()  # a font of another script: most of them are seen through at once
    shapes: dict[_Shape, str] = {}
    characters = set()
    for character in sorted(alphabet):  # simple ones first: ASCII, capitals before small letters
        if character.isspace():
            continue
        shape = _shape(face, character)
        if shape == blank or shape[0] in ((0, 0), (0, 1), (1, 0)) or not any(shape[1]):
            continue
        twin = shapes.setdefault(shape, character)
        if twin != character and (not character.isascii() or twin == character.upper()):
            continue
        characters.add(character)
    return frozenset() if _is_symbolic(shapes) else frozenset(characters)


def _is_symbolic(shapes: dict[_Shape, str]) -> bool:
    """Say whether a font draws something else in place of letters and digits (dingbats, Greek).

    Its shapes are compared with those of the face inside Pillow.
    """
    likeness = []
    for (size, mask, _), character in shapes.items():
        if character.isascii() and character.isalnum():
            ours = _thumbnail(np.frombuffer(mask, np.uint8).reshape(size[1], size[0]))
            likeness.append(float((ours * _model(character)).sum()))
    return len(likeness) >= 10 and sum(likeness) / len(likeness) < _LEAST_LIKENESS


@lru_cache(maxsize=128)
def _model(character: str) -> np.ndarray:
    size, mask, _ = _shape(load_font("", 0, _PROBE), character)
    return _thumbnail(np.frombuffer(mask, np.uint8).reshape(size[1], size[0]))


def _thumbnail(mask: np.ndarray) -> np.ndarray:
    """A glyph as a vector of unit length, whatever its size and weight."""
    small = cv2.GaussianBlur(cv2.resize(mask, (12, 12), interpolation=cv2.INTER_AREA), (0, 0), 1.0)
    centred = small.astype(np.float32) - small.mean()
    unit: np.ndarray = centred / (np.linalg.norm(centred) + 1e-6)
    return unit


def _shape(face: ImageFont.FreeTypeFont, character: str) -> _Shape:
    mask, offset = face.getmask2(character, mode="L", anchor="ls")
    return mask.size, bytes(mask), offset


def _look(face: ImageFont.FreeTypeFont, characters: frozenset[str]) -> bytes:
    specimen = [c for c in _SPECIMEN if c in characters] or sorted(characters)[:12]
    digest = hashlib.sha256(str(len(characters)).encode())
    for character in specimen:
        if unicodedata.category(character) != "Zs":
            digest.update(repr(_shape(face, character)).encode())
    return digest.digest()
