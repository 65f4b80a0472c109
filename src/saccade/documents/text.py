"""Plain text that keeps the layout: columns stay columns, gaps stay gaps.

A page becomes a grid of characters. Its pitch is that of the closely set lines, so that most
lines fit into the cells that they cover; pieces of text that stand side by side share a row.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from saccade.documents._frame import bounds, frame_of, upright
from saccade.documents._parts import clean, numbered, words_of
from saccade.results import Page, Polygon, TextLine

__all__ = ["to_text"]

_WIDEST = 240  # cells in a row; more would be blanks between a few letters
_GAP = 3.0  # pitches between two words from which on they are pieces of their own
_STEEP = 20.0  # degrees; lines turned further don't tell the slant of the page
_CLOSE = 0.25  # this part of the characters may be set closer than the grid
_AMOUNT = re.compile(r"\W*\d[\d\W]*\w{0,3}")  # 7.20, 1 x 0,99, -20 %, 4.95 EUR, 12.00 A


@dataclass(frozen=True)
class _Piece:
    """Text without wide gaps, and its box on the page turned upright and level."""

    text: str
    left: float
    top: float
    right: float
    bottom: float

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2

    @property
    def height(self) -> float:
        return self.bottom - self.top


def to_text(pages: Iterable[Page] | Page) -> str:
    """Write pages as plain text that keeps their layout.

    What stands side by side on the page stands side by side in a row of text, amounts flush right;
    wide vertical gaps become blank lines. Pages are parted by a form feed. For the bare lines in
    reading order, take ``page.text``.

    Returns:
        Rows, each with a line end.
    """
    return "\f".join(_page(page) for _, page in numbered(pages))


def _page(page: Page) -> str:
    pieces = _pieces(page)
    if not pieces:
        return ""
    left = min(piece.left for piece in pieces)
    pitch = max(_pitch(pieces), (max(piece.right for piece in pieces) - left) / _WIDEST)
    rows = _rows(pieces)
    blanks = _blanks(rows)
    return "".join(
        "\n" * above + _row(row, left, pitch) + "\n"
        for row, above in zip(rows, blanks, strict=True)
    )


def _pieces(page: Page) -> list[_Piece]:
    """The lines of a page, level, parted at wide gaps."""
    slant = _slant(page)
    cos, sin = math.cos(slant), math.sin(slant)

    def level(polygon: Polygon) -> Polygon:
        turned = upright(polygon, page)
        return tuple((x * cos + y * sin, y * cos - x * sin) for x, y in turned)

    pieces: list[_Piece] = []
    for line in page.lines:
        for text, polygons in _stretches(line):
            frame = frame_of(level(polygons[0]))
            corners = tuple(corner for polygon in polygons for corner in level(polygon))
            left, top, right, bottom = bounds(corners)
            if frame.quarter in (90, 270):  # text that runs down the page takes one row
                middle, half = (top + bottom) / 2, (right - left) / 2
                top, bottom = middle - half, middle + half
            pieces.append(_Piece(text, left, top, right, bottom))
    return pieces


def _slant(page: Page) -> float:
    """By how many radians the lines of an upright page run downhill: the median, by width."""
    frames = [frame_of(upright(line.polygon, page)) for line in page.lines]
    steady = sorted((f.angle, f.width) for f in frames if abs(f.angle) <= _STEEP)
    return -math.radians(_quantile(steady, 0.5)) if steady else 0.0


def _stretches(line: TextLine) -> list[tuple[str, list[Polygon]]]:
    """The text of a line and where it stands, parted where words stand far from each other."""
    words = words_of(line)
    if not words:
        return []
    if not line.words:
        return [(clean(line.text), [line.polygon])]
    frame = frame_of(line.polygon)
    spans = [frame.span(item.word.polygon) for item in words]
    cells = sum(_cells(item.word.text) for item in words)
    pitch = sum(high - low for low, high in spans) / max(cells, 1)
    found = [(words[0].word.text, [words[0].word.polygon])]
    for before, item, (_, end), (start, _) in zip(words, words[1:], spans, spans[1:], strict=False):
        if start - end > _GAP * pitch and before.space:
            found.append((item.word.text, [item.word.polygon]))
        else:
            text, polygons = found[-1]
            joined = text + (" " if before.space else "") + item.word.text
            found[-1] = (joined, [*polygons, item.word.polygon])
    return found if len(found) > 1 else [(found[0][0], [line.polygon])]


def _pitch(pieces: list[_Piece]) -> float:
    """Width of a cell in pixels."""
    weighed = sorted(
        ((piece.right - piece.left) / cells, cells)
        for piece in pieces
        if (cells := _cells(piece.text)) > 0
    )
    return max(_quantile(weighed, _CLOSE), 1e-6) if weighed else 1.0


def _quantile(weighed: Sequence[tuple[float, float]], share: float) -> float:
    """The value up to which this share of the weight lies; values in rising order."""
    left = share * sum(weight for _, weight in weighed)
    for value, weight in weighed:
        left -= weight
        if left <= 0:
            return value
    return weighed[-1][0]


def _cells(text: str) -> int:
    """Columns that a text takes on a terminal: wide characters two, accents none."""
    return sum(
        2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
        if unicodedata.category(character) not in ("Mn", "Me", "Cf")
    )


def _rows(pieces: list[_Piece]) -> list[list[_Piece]]:
    """Pieces that share half of their height stand in one row, unless one covers the other."""
    rows: list[list[_Piece]] = []
    for piece in sorted(pieces, key=lambda p: (p.middle, p.left)):
        fitting = [row for row in rows[-4:] if _fits(row, piece)]
        if fitting:
            min(fitting, key=lambda row: abs(_nearest(row, piece).middle - piece.middle)).append(
                piece
            )
        else:
            rows.append([piece])
    rows.sort(key=lambda row: sum(p.middle for p in row) / len(row))
    return [sorted(row, key=lambda p: p.left) for row in rows]


def _nearest(row: list[_Piece], piece: _Piece) -> _Piece:
    return min(row, key=lambda p: max(p.left - piece.right, piece.left - p.right))


def _fits(row: list[_Piece], piece: _Piece) -> bool:
    near = _nearest(row, piece)
    common = min(near.bottom, piece.bottom) - max(near.top, piece.top)
    beside = all(
        min(p.right, piece.right) - max(p.left, piece.left)
        <= 0.5 * min(p.right - p.left, piece.right - piece.left)
        for p in row
    )
    return beside and common >= 0.5 * min(near.height, piece.height)


def _blanks(rows: list[list[_Piece]]) -> list[int]:
    """Blank lines above each row: one where the gap is wider than usual, two where far wider."""
    tops = [median(piece.top for piece in row) for row in rows]
    bottoms = [median(piece.bottom for piece in row) for row in rows]
    gaps = [top - bottom for bottom, top in zip(bottoms, tops[1:], strict=False)]
    if not gaps:
        return [0]
    height = median(piece.height for row in rows for piece in row)
    usual = min(median(gaps), height)
    wider = [(gap - usual) / max(height, 1e-6) for gap in gaps]
    return [0, *(2 if more > 3 else 1 if more > 0.7 else 0 for more in wider)]


def _row(row: list[_Piece], left: float, pitch: float) -> str:
    said, filled = "", 0
    for piece in row:
        cells = _cells(piece.text)
        column = round((piece.left - left) / pitch)
        if said and _AMOUNT.fullmatch(piece.text):
            column = round((piece.right - left) / pitch) - cells
        column = max(column, filled + 1 if said else 0)
        said += " " * (column - filled) + piece.text
        filled = column + cells
    return said
