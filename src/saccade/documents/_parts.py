"""Pages, blocks, paragraphs and words, as all formats see them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from saccade.documents._frame import bounds, frame_of, upright
from saccade.errors import OptionError
from saccade.results import Page, Polygon, TextLine, TextWord

__all__ = ["Word", "blocks_of", "clean", "numbered", "words_of"]

# Tabs and line ends would break TSV and plain text; the other controls, single surrogates and
# U+FFFE, U+FFFF may not stand in XML 1.0.
_BLANKS = re.compile("[\t\n\r\x0b\x0c\x1c-\x1f\x85\u2028\u2029]+")
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


class Word(NamedTuple):
    """A word of a line.

    Attributes:
        word: With a text that any format can hold, and that is not blank.
        space: Whether a space follows before the next word.
    """

    word: TextWord
    space: bool


def clean(text: str) -> str:
    """Make a text fit for one line of any format.

    Line ends and tabs become blanks; what XML forbids becomes the replacement character U+FFFD.
    """
    return _FORBIDDEN.sub("\ufffd", _BLANKS.sub(" ", text)).strip()


def numbered(pages: Iterable[Page] | Page) -> list[tuple[int, Page]]:
    """Pages with their numbers: their own where these rise, else counted from 1.

    So pages of one document keep their numbers though one could not be read, and single pictures
    are told apart.
    """
    listed = [pages] if isinstance(pages, Page) else list(pages)
    for page in listed:
        if not isinstance(page, Page):
            raise OptionError(f"{page!r} is no page; expected what the reader gives")
    numbers = [page.number for page in listed]
    if any(after <= before for before, after in pairwise(numbers)):
        numbers = list(range(1, len(listed) + 1))
    return list(zip(numbers, listed, strict=True))


def words_of(line: TextLine) -> list[Word]:
    """The words of a line that are not blank.

    Where the line knows no words, its text is parted at blanks, and its polygon in proportion to
    the characters.
    """
    known = [(word, text) for word in line.words if (text := clean(word.text))]
    if not known:
        return _part(line)
    spans: list[tuple[int, int]] = []
    at = 0
    for word, _ in known:
        start = line.text.find(word.text, at)
        at = at if start < 0 else start + len(word.text)
        spans.append((start, at))
    # Scripts without spaces have words too: a space follows where the line has one, or where the
    # line and its words don't agree.
    spaces = [
        start < 0 or after < 0 or any(map(str.isspace, line.text[end:after]))
        for (start, end), (after, _) in pairwise(spans)
    ]
    words = (replace(word, text=text) for word, text in known)
    return [Word(word, space) for word, space in zip(words, [*spaces, False], strict=True)]


def _part(line: TextLine) -> list[Word]:
    pieces = clean(line.text).split()
    total = sum(map(len, pieces)) + len(pieces) - 1
    frame = frame_of(line.polygon)
    found: list[Word] = []
    at = 0
    for index, piece in enumerate(pieces, 1):
        low, high = (frame.width * (end / total - 0.5) for end in (at, at + len(piece)))
        up, down = -frame.height / 2, frame.height / 2
        polygon: Polygon = (
            frame.at(low, up),
            frame.at(high, up),
            frame.at(high, down),
            frame.at(low, down),
        )
        whole = len(pieces) == 1
        word = TextWord(piece, line.score, line.polygon if whole else polygon)
        found.append(Word(word, index < len(pieces)))
        at += len(piece) + 1
    return found


def blocks_of(page: Page) -> list[list[list[TextLine]]]:
    """Part a page into blocks of paragraphs of lines; lines without any word are left out.

    Blocks are those of the page, or one where it knows none. A paragraph ends where the next line
    stands further off than a line is high, or above.
    """
    numbers = page.blocks or (0,) * len(page.lines)
    blocks: list[list[list[TextLine]]] = []
    before: int | None = None
    for line, number in zip(page.lines, numbers, strict=True):
        if not words_of(line):
            continue
        if number != before:
            blocks.append([[line]])
            before = number
        else:
            blocks[-1][0].append(line)
    return [_paragraphs(block[0], page) for block in blocks]


def _paragraphs(lines: list[TextLine], page: Page) -> list[list[TextLine]]:
    boxes = [bounds(upright(line.polygon, page)) for line in lines]
    height = median(bottom - top for _, top, _, bottom in boxes)
    paragraphs = [[lines[0]]]
    for line, before, box in zip(lines[1:], boxes, boxes[1:], strict=False):
        below = box[1] - before[3] > height
        above = box[3] < before[1]
        if below or above:
            paragraphs.append([line])
        else:
            paragraphs[-1].append(line)
    return paragraphs
