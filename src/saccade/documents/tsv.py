"""Tab-separated values with the twelve columns of Tesseract."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from saccade.documents._frame import Box, bounds, round_out, union
from saccade.documents._parts import blocks_of, numbered, words_of
from saccade.results import Page

__all__ = ["TSV_COLUMNS", "to_tsv"]

TSV_COLUMNS = (
    "level",
    "page_num",
    "block_num",
    "par_num",
    "line_num",
    "word_num",
    "left",
    "top",
    "width",
    "height",
    "conf",
    "text",
)


def to_tsv(pages: Iterable[Page] | Page) -> str:
    """Write pages as Tesseract writes TSV, for programs that read that.

    Level 1 is a page, 2 a block, 3 a paragraph, 4 a line, 5 a word. Boxes are upright ones in whole
    pixels of the source. ``conf`` goes from 0 to 100, and is -1 for all but words. There is no
    quoting: tabs and line ends inside a text become blanks.

    Returns:
        A header, then a row for each item, each with a line end.
    """
    rows = ["\t".join(TSV_COLUMNS)]
    for number, page in numbered(pages):
        rows += _rows(number, page)
    return "\n".join(rows) + "\n"


def _rows(number: int, page: Page) -> Iterator[str]:
    def row(level: int, place: tuple[int, int, int, int], box: Box, said: str = "-1\t") -> str:
        left, top, right, bottom = round_out(box, page)
        numbers = (level, number, *place, left, top, right - left, bottom - top)
        return "\t".join(map(str, numbers)) + "\t" + said

    yield row(1, (0, 0, 0, 0), (0, 0, page.width, page.height))
    for b, block in enumerate(blocks_of(page), 1):
        yield row(2, (b, 0, 0, 0), union(bounds(line.polygon) for part in block for line in part))
        for p, paragraph in enumerate(block, 1):
            yield row(3, (b, p, 0, 0), union(bounds(line.polygon) for line in paragraph))
            for n, line in enumerate(paragraph, 1):
                yield row(4, (b, p, n, 0), bounds(line.polygon))
                for w, (word, _) in enumerate(words_of(line), 1):
                    said = f"{100 * word.score:.2f}\t{word.text}"
                    yield row(5, (b, p, n, w), bounds(word.polygon), said)
