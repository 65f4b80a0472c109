"""Searchable PDF: the picture that was read, with its text below it, unseen.

Written by ourselves, page by page, so that a document of any length takes the memory of one page.
"""

from __future__ import annotations

import math
import os
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import saccade
from saccade._files import whole_file
from saccade.documents._frame import Frame, frame_of
from saccade.documents._jpeg import Jpeg, jpeg_of
from saccade.documents._parts import clean, words_of
from saccade.documents._pdf_file import PdfFile, number, text_string
from saccade.documents._pdf_font import ASCENT, GLYPH_WIDTH, GlyphlessFont
from saccade.errors import ImageError, OptionError
from saccade.imaging.read import ImageSource
from saccade.results import Page, TextLine

__all__ = ["write_pdf"]

_POINTS = 72.0  # in an inch
_SHORTEST, _LONGEST = 3.0, 14400.0  # points of a side that readers accept (ISO 32000-1, annex C)
_LEVEL = math.cos(math.radians(15))


def write_pdf(
    path: str | os.PathLike[str],
    pages: Iterable[tuple[Page, ImageSource]],
    *,
    dpi: float = 300.0,
    quality: int = 90,
    title: str | None = None,
) -> None:
    """Write pages as a PDF that looks like the pictures and can be searched and copied from.

    The bytes of JPEG files go in as they are. Pages are turned upright by their ``rotation``. The
    file appears complete or not at all, and holds no date, so that the same pages give the same
    bytes.

    Args:
        path: The file; its folder must exist.
        pages: What was read, each with its picture: a path, bytes, a PIL image, or uint8 RGB
            ``(H, W, 3)``. Any iterable, taken page by page.
        dpi: Pixels per inch, which give the size of the pages.
        quality: Of pictures that must be encoded, 1 to 100.
        title: Of the document; by default the name of the first picture.

    Raises:
        ImageError: A picture that cannot be read or is not the one that was read, or a place that
            cannot be written.
        OptionError: ``dpi`` or ``quality`` is out of range, or there is no page.
    """
    if not 1 <= dpi <= 10_000:
        raise OptionError(f"dpi {dpi}: expected 1 to 10000 pixels per inch")
    if not 1 <= quality <= 100:
        raise OptionError(f"quality {quality}: expected 1 to 100")
    target = Path(path)
    try:
        with whole_file(target) as beside, beside.open("xb") as file:
            _write(file, pages, dpi, quality, title)
    except OSError as error:
        raise ImageError(
            f"cannot write {target}: {error.strerror or error}; check that its folder exists and "
            "may be written"
        ) from error


def _write(
    file: BinaryIO,
    pages: Iterable[tuple[Page, ImageSource]],
    dpi: float,
    quality: int,
    title: str | None,
) -> None:
    pdf = PdfFile(file)
    catalog, tree = pdf.reserve(), pdf.reserve()
    font = GlyphlessFont(pdf)
    kids: list[int] = []
    for page, source in pages:
        title = clean(page.image) if title is None else title
        kids.append(_add_page(pdf, tree, font, page, jpeg_of(source, page, quality), dpi))
    if not kids:
        raise OptionError("there is no page to write; a PDF needs one at least")
    font.write(pdf)
    listed = " ".join(f"{kid} 0 R" for kid in kids)
    pdf.add(f"<</Type /Pages /Count {len(kids)} /Kids [{listed}]>>", into=tree)
    pdf.add(f"<</Type /Catalog /Pages {tree} 0 R>>", into=catalog)
    maker = text_string(f"Saccade {saccade.__version__}")
    info = pdf.add(f"<</Title {text_string(title or '')} /Creator {maker} /Producer {maker}>>")
    pdf.finish(catalog, info)


def _add_page(
    pdf: PdfFile, tree: int, font: GlyphlessFont, page: Page, jpeg: Jpeg, dpi: float
) -> int:
    scale = min(_POINTS / dpi, _LONGEST / max(page.width, page.height))
    scale = max(scale, _SHORTEST / min(page.width, page.height))
    width, height = page.width * scale, page.height * scale
    color = "/DeviceGray" if jpeg.channels == 1 else "/DeviceRGB"
    image = pdf.add_stream(
        jpeg.data,
        f"/Type /XObject /Subtype /Image /Width {jpeg.width} /Height {jpeg.height} "
        f"/ColorSpace {color} /BitsPerComponent 8 /Filter /DCTDecode",
        pack=False,
    )
    shown = f"q {number(width)} 0 0 {number(height)} 0 0 cm /Im Do Q\n"
    lines = "".join(_line(line, font, scale, height) for line in page.lines)
    content = pdf.add_stream((shown + f"BT\n3 Tr\n{lines}ET\n" * bool(lines)).encode("ascii"))
    return pdf.add(
        f"<</Type /Page /Parent {tree} 0 R /MediaBox [0 0 {number(width)} {number(height)}] "
        f"/Rotate {page.rotation} /Contents {content} 0 R "
        f"/Resources <</XObject <</Im {image} 0 R>> /Font <</F {font.identity} 0 R>>>>>>"
    )


def _line(line: TextLine, font: GlyphlessFont, scale: float, height: float) -> str:
    """The operators that write one line: each word stretched to its box, blanks to the gaps."""
    words = words_of(line)
    frame = frame_of(line.polygon)
    size = frame.height * scale
    if not words or size < 1e-3:
        return ""
    spans = [frame.span(item.word.polygon) for item in words]
    starts = [start for start, _ in spans[1:]]
    said = f"/F {number(size)} Tf\n"
    for index, (item, (start, end)) in enumerate(zip(words, spans, strict=True)):
        end = max(end, start + 0.01 * frame.height)
        said += _matrix(frame, start, end, scale, height)
        said += _shown(item.word.text, (end - start) * scale, size, font)
        if item.space:
            gap = max(starts[index] - end, 0.1 * frame.height)
            said += _shown(" ", gap * scale, size, font)
    return said


def _matrix(frame: Frame, start: float, end: float, scale: float, height: float) -> str:
    """Where the letters of a word begin, and which way they run; PDF counts upwards.

    Readers part words whose letters climb by half a point, so the words of a line that is nearly
    level are written level, each at its own height; the same for lines nearly upright.
    """
    middle, below = (start + end) / 2, frame.height * (ASCENT - 0.5)
    x, y = frame.at(middle, below)
    turn = math.radians(frame.quarter)
    level = math.cos(turn), -math.sin(turn)
    off = frame.along[0] * level[0] + frame.along[1] * level[1]
    right, down = level if off > _LEVEL else frame.along
    x, y = x - (end - start) / 2 * right, y - (end - start) / 2 * down
    places = (right, -down, down, right, x * scale, height - y * scale)
    return " ".join(map(number, places)) + " Tm\n"


def _shown(text: str, width: float, size: float, font: GlyphlessFont) -> str:
    natural = len(text) * GLYPH_WIDTH * size
    return f"{number(100 * width / natural)} Tz <{font.encode(_as_seen(text))}> Tj\n"


def _as_seen(word: str) -> str:
    """A word from left to right, as readers expect it of scripts that run from right to left."""
    kinds = {unicodedata.bidirectional(character) for character in word}
    if "L" in kinds or not kinds & {"R", "AL"}:
        return word
    return re.sub(r"\d+", lambda digits: digits[0][::-1], word[::-1])
