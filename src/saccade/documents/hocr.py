"""hOCR 1.2: text and its places as an XHTML page (http://kba.github.io/hocr-spec/1.2)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from xml.sax.saxutils import escape, quoteattr

import saccade
from saccade.documents._frame import Box, bounds, frame_of, round_out, union
from saccade.documents._parts import Word, blocks_of, clean, numbered, words_of
from saccade.results import Page, TextLine

__all__ = ["to_hocr"]

_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" \
"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">
<html xmlns="http://www.w3.org/1999/xhtml">
 <head>
  <title>{title}</title>
  <meta http-equiv="Content-Type" content="text/html; charset=utf-8" />
  <meta name="ocr-system" content="saccade {version}" />
  <meta name="ocr-capabilities" content="{capabilities}" />
  <meta name="ocr-number-of-pages" content="{pages}" />
 </head>
 <body>
"""
_CLASSES = "ocr_page ocr_carea ocr_par ocr_line ocrx_word ocrp_wconf"


def to_hocr(pages: Iterable[Page] | Page, *, characters: bool = False) -> str:
    """Write pages as hOCR.

    Boxes are upright ones in whole pixels of the source. A line has its ``baseline`` (slope, and
    offset from the lower left corner of its box), or where it is turned by a quarter or more its
    ``textangle``.

    Args:
        pages: What was read.
        characters: Also write each character with its box and score (``ocrx_cinfo``), for the words
            that know theirs.
    """
    listed = numbered(pages)
    names = dict.fromkeys(clean(page.image) for _, page in listed)
    parts = [
        _HEAD.format(
            title=escape(", ".join(names)),
            version=saccade.__version__,
            capabilities=_CLASSES + " ocrx_cinfo" * characters,
            pages=len(listed),
        )
    ]
    for number, page in listed:
        parts += _page(number, page, characters)
    parts.append(" </body>\n</html>\n")
    return "".join(parts)


def _page(number: int, page: Page, characters: bool) -> Iterator[str]:
    # The specification knows no way to write a double quote inside a quoted name.
    name = clean(page.image).replace('"', "'")
    title = f'image "{name}"; bbox 0 0 {page.width} {page.height}; ppageno {number - 1}'
    yield f'  <div class="ocr_page" id="page_{number}" title={quoteattr(title)}>\n'
    count = {"par": 0, "line": 0, "word": 0}

    def identity(kind: str) -> str:
        count[kind] += 1
        return f'id="{kind}_{number}_{count[kind]}"'

    for b, block in enumerate(blocks_of(page), 1):
        box = _bbox(union(bounds(line.polygon) for part in block for line in part), page)
        yield f'   <div class="ocr_carea" id="block_{number}_{b}" title="{box}">\n'
        for paragraph in block:
            box = _bbox(union(bounds(line.polygon) for line in paragraph), page)
            yield f'    <p class="ocr_par" {identity("par")} title="{box}">\n'
            for line in paragraph:
                place = _line_place(line, page)
                yield f'     <span class="ocr_line" {identity("line")} title="{place}">'
                for word in words_of(line):
                    yield _word(word, page, identity("word"), characters)
                yield "</span>\n"
            yield "    </p>\n"
        yield "   </div>\n"
    yield "  </div>\n"


def _line_place(line: TextLine, page: Page) -> str:
    box = bounds(line.polygon)
    frame = frame_of(line.polygon)
    if frame.quarter:
        return f"{_bbox(box, page)}; textangle {frame.angle % 360:.4g}"
    (x, y), _ = frame.baseline()
    left, _, _, bottom = round_out(box, page)
    slope = frame.along[1] / frame.along[0]
    offset = y + slope * (left - x) - bottom
    return f"{_bbox(box, page)}; baseline {slope:.4f} {offset:.0f}"


def _word(item: Word, page: Page, identity: str, characters: bool) -> str:
    word = item.word
    inside = escape(word.text)
    if characters and word.characters:
        inside = "".join(
            f'<span class="ocrx_cinfo" title="x_bboxes {_corners(bounds(c.polygon), page)}; '
            f'x_conf {100 * c.score:.2f}">{escape(clean(c.text))}</span>'
            for c in word.characters
        )
    title = f"{_bbox(bounds(word.polygon), page)}; x_wconf {100 * word.score:.0f}"
    space = " " if item.space else ""
    return f'<span class="ocrx_word" {identity} title="{title}">{inside}</span>{space}'


def _bbox(box: Box, page: Page) -> str:
    return f"bbox {_corners(box, page)}"


def _corners(box: Box, page: Page) -> str:
    return " ".join(map(str, round_out(box, page)))
