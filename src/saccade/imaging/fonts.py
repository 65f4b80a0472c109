"""Text as pixels, in whatever script a label is written.

No font is shipped with Saccade. A text is drawn with the first of these that has all its
characters:

1. a font of the system, plain sans-serif ones first;
2. the Latin font inside Pillow;
3. the fonts inside OpenCV 5 (Latin, Cyrillic, Greek, Hebrew, Arabic, Chinese, Japanese, Korean).

Where none has them, the characters that are missing show as question marks. Look-ups are cached.
"""

from __future__ import annotations

import os
import sys
import unicodedata
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

__all__ = ["clean_text", "covers", "font_folders", "render_text"]

# Plain faces that people can read at small sizes, by file name without ending; then everything
# else.
_PREFERRED = (
    "DejaVuSans",
    "NotoSans-Regular",
    "NotoSans[wdth,wght]",
    "NotoSansCJK-Regular",
    "NotoSansCJKsc-Regular",
    "SourceHanSans-Regular",
    "LiberationSans-Regular",
    "Arial",
    "arial",
    "segoeui",
    "Helvetica",
    "SFNS",
    "wqy-microhei",
    "wqy-zenhei",
    "DroidSansFallbackFull",
    "FreeSans",
    "Arial Unicode",
    "PingFang",
    "msyh",
)
_DECORATED = ("bold", "italic", "oblique", "light", "thin", "condensed", "mono", "black", "serif")
_PROBE_SIZE = 24
_MISSING = "\U0010fffe"  # a code point that is never assigned


def clean_text(text: str) -> str:
    """Make a text fit for one line: line breaks, tabs and control characters become blanks."""
    kept = (" " if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") else c for c in text)
    return " ".join("".join(kept).split())


def render_text(text: str, size: int) -> np.ndarray:
    """Draw one line of text.

    All texts of one size come out equally high, with the baseline at the same height.

    Args:
        text: as `clean_text` leaves it.
        size: of the font, in pixels.

    Returns:
        uint8 (H, W): 0 outside the letters, 255 inside; H is 1.3 times ``size``, W is at least 1.
    """
    height, baseline = round(1.3 * size), round(1.02 * size)
    characters = frozenset(c for c in text if not c.isspace())
    font = _find_font(characters)
    if font is None and (mask := _by_opencv(text, size, height, baseline)) is not None:
        return _trim(mask)
    if font is None:
        text = "".join(c if c.isspace() or covers("", c) else "?" for c in text)
    face = _load(font or "", size)
    margin = size // 2
    width = int(face.getlength(text)) + 2 * margin + 1
    canvas = Image.new("L", (width, height), 0)
    ImageDraw.Draw(canvas).text((margin, baseline), text, fill=255, font=face, anchor="ls")
    return _trim(np.asarray(canvas))


def font_folders() -> list[Path]:
    """The folders where this system keeps its fonts, those of the user last."""
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 - Path.home() raises without a home
    if sys.platform == "win32":
        local = Path(os.environ.get("LOCALAPPDATA", home), "Microsoft/Windows/Fonts")
        return [Path(os.environ.get("WINDIR", r"C:\Windows"), "Fonts"), local]
    if sys.platform == "darwin":
        system = [Path("/System/Library/Fonts"), Path("/Library/Fonts")]
        return [*system, home / "Library/Fonts"]
    data = Path(os.environ.get("XDG_DATA_HOME", home / ".local/share"))
    return [
        Path("/usr/share/fonts"),
        Path("/usr/local/share/fonts"),
        data / "fonts",
        home / ".fonts",
    ]


@lru_cache(maxsize=65536)
def covers(font: str, character: str) -> bool:
    """Say whether a font has a glyph of its own for a character.

    Args:
        font: path of the file; empty for the font inside Pillow.
        character: one code point.
    """
    if unicodedata.category(character) in ("Cf", "Mn", "Me"):
        return True  # joiners, directions and accents, which belong to their neighbours
    try:
        blank = _probe(font, _MISSING)
        shape = _probe(font, character)
    except (OSError, ValueError):
        return False
    return shape != blank


@lru_cache(maxsize=1024)
def _find_font(characters: frozenset[str]) -> str | None:
    for font in (*_system_fonts(), ""):
        if all(covers(font, character) for character in characters):
            return font
    return None


@lru_cache(maxsize=1)
def _system_fonts() -> tuple[str, ...]:
    found: dict[str, tuple[int, int, str]] = {}
    for folder in font_folders():
        for place, _, names in os.walk(folder):
            for name in names:
                stem, suffix = os.path.splitext(name)  # noqa: PTH122
                if suffix.lower() not in (".ttf", ".otf", ".ttc"):
                    continue
                path = str(Path(place, name))
                rank = _PREFERRED.index(stem) if stem in _PREFERRED else len(_PREFERRED)
                decorated = sum(word in name.lower() for word in _DECORATED)
                found[path] = (rank, decorated, path)
    return tuple(sorted(found, key=lambda path: found[path]))


@lru_cache(maxsize=64)
def _load(font: str, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    if font:
        return ImageFont.truetype(font, size)
    return ImageFont.load_default(size)


@lru_cache(maxsize=4096)
def _probe(font: str, character: str) -> tuple[tuple[int, int], bytes]:
    mask = _load(font, _PROBE_SIZE).getmask(character)
    return mask.size, bytes(mask)


def _by_opencv(text: str, size: int, height: int, baseline: int) -> np.ndarray | None:
    """Draw with the fonts that are built into OpenCV from version 5 on; None before."""
    if not hasattr(cv2, "FontFace"):
        return None
    margin = size // 2
    canvas = np.zeros((height, (len(text) + 2) * 2 * size, 3), np.uint8)
    try:
        face = cv2.FontFace("uni")
        cv2.putText(canvas, text, (margin, baseline), (255, 255, 255), face, size, 400)
    except cv2.error:
        return None
    return canvas[:, :, 0] if canvas.any() else None


def _trim(mask: np.ndarray) -> np.ndarray:
    """Cut empty columns off both sides."""
    inked = np.flatnonzero(mask.any(axis=0))
    if not len(inked):
        return np.ascontiguousarray(mask[:, :1])
    return np.ascontiguousarray(mask[:, inked[0] : inked[-1] + 1])
