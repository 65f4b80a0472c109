"""ALTO 4.4: text and its places as libraries and archives keep them.

The schema is that of the Library of Congress, https://www.loc.gov/standards/alto/.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from xml.sax.saxutils import escape, quoteattr

import saccade
from saccade.documents._frame import Box, bounds, frame_of, round_out, union
from saccade.documents._parts import Word, blocks_of, clean, numbered, words_of
from saccade.results import Page, Polygon, TextLine

__all__ = ["to_alto"]

_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<alto xmlns="http://www.loc.gov/standards/alto/ns-v4#" \
xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" \
xsi:schemaLocation="http://www.loc.gov/standards/alto/ns-v4# \
http://www.loc.gov/standards/alto/v4/alto-4-4.xsd" SCHEMAVERSION="4.4">
 <Description>
  <MeasurementUnit>pixel</MeasurementUnit>
{source}  <Processing ID="OCR">
   <processingCategory>contentGeneration</processingCategory>
   <processingSoftware>
    <softwareName>saccade</softwareName>
    <softwareVersion>{version}</softwareVersion>
   </processingSoftware>
  </Processing>
 </Description>
 <Layout>
"""


def to_alto(pages: Iterable[Page] | Page, *, characters: bool = False) -> str:
    """Write pages as ALTO.

    Boxes are upright ones in whole pixels of the source; lines and words that are turned have
    their outline too. A file of ALTO names one source: write one for each picture or document.

    Args:
        pages: What was read.
        characters: Also write each character with its box and score (``Glyph``), for the words that
            know theirs.
    """
    listed = numbered(pages)
    names = {clean(page.image) for _, page in listed}
    source = ""
    if len(names) == 1:
        name = f"<fileName>{escape(names.pop())}</fileName>"
        source = f"  <sourceImageInformation>{name}</sourceImageInformation>\n"
    parts = [_HEAD.format(source=source, version=saccade.__version__)]
    for number, page in listed:
        parts += _page(number, page, characters)
    if not listed:  # a layout has at least one page
        parts.append('  <Page ID="page_1" PHYSICAL_IMG_NR="1" />\n')
    parts.append(" </Layout>\n</alto>\n")
    return "".join(parts)


def _page(number: int, page: Page, characters: bool) -> Iterator[str]:
    size = f'WIDTH="{page.width}" HEIGHT="{page.height}"'
    turned = f' ROTATION="{page.rotation}"' if page.rotation else ""
    yield f'  <Page ID="page_{number}" PHYSICAL_IMG_NR="{number}" {size}{turned}>\n'
    yield f'   <PrintSpace HPOS="0" VPOS="0" {size}>\n'
    for b, block in enumerate(blocks_of(page), 1):
        lines = [line for paragraph in block for line in paragraph]
        box = _place(union(bounds(line.polygon) for line in lines), page)
        angles = {frame_of(line.polygon).quarter for line in lines}
        angle = angles.pop() if len(angles) == 1 else page.rotation
        turned = f' ROTATION="{angle}"' if angle != page.rotation else ""
        yield f'    <TextBlock ID="block_{number}_{b}" {box}{turned}>\n'
        for n, line in enumerate(lines, 1):
            yield from _line(line, page, f"{number}_{b}_{n}", characters)
        yield "    </TextBlock>\n"
    yield "   </PrintSpace>\n  </Page>\n"


def _line(line: TextLine, page: Page, identity: str, characters: bool) -> Iterator[str]:
    ends = " ".join(f"{x:.1f},{y:.1f}" for x, y in frame_of(line.polygon).baseline())
    box = _place(bounds(line.polygon), page)
    yield f'     <TextLine ID="line_{identity}" {box} BASELINE="{ends}">{_shape(line.polygon)}\n'
    words = words_of(line)
    for w, item in enumerate(words, 1):
        yield _string(item, page, f"word_{identity}_{w}", characters)
        if item.space:
            yield _space(item.word.polygon, words[w].word.polygon, page)
    yield "     </TextLine>\n"


def _string(item: Word, page: Page, identity: str, characters: bool) -> str:
    word = item.word
    inside = _shape(word.polygon)
    if characters:
        inside += "".join(
            f'<Glyph CONTENT={quoteattr(text)} GC="{_share(c.score)}" '
            f"{_place(bounds(c.polygon), page)} />"
            for c in word.characters
            if len(text := clean(c.text)) == 1
        )
    box = _place(bounds(word.polygon), page)
    said = f'CONTENT={quoteattr(word.text)} WC="{_share(word.score)}"'
    return (
        f'      <String ID="{identity}" {said} {box}{f">{inside}</String>" if inside else " />"}\n'
    )


def _space(before: Polygon, after: Polygon, page: Page) -> str:
    """The blank between two words: the gap between their boxes, where there is one."""
    one, two = bounds(before), bounds(after)
    left, right = (one[2], two[0]) if one[0] <= two[0] else (two[2], one[0])
    top, bottom = min(one[1], two[1]), max(one[3], two[3])
    return f"      <SP {_place((left, top, max(left, right), bottom), page)} />\n"


def _shape(polygon: Polygon) -> str:
    """The outline, where it is not an upright rectangle in pixels."""
    left, top, right, bottom = bounds(polygon)
    upright = all(
        min(abs(x - left), abs(x - right)) < 0.5 and min(abs(y - top), abs(y - bottom)) < 0.5
        for x, y in polygon
    )
    if upright or len(polygon) < 3:
        return ""
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in polygon)
    return f'<Shape><Polygon POINTS="{points}" /></Shape>'


def _place(box: Box, page: Page) -> str:
    left, top, right, bottom = round_out(box, page)
    return f'HPOS="{left}" VPOS="{top}" WIDTH="{right - left}" HEIGHT="{bottom - top}"'


def _share(score: float) -> str:
    return f"{min(max(score, 0.0), 1.0):.4f}"
