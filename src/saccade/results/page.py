"""The result of reading: a page of text, its lines, their words and characters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from saccade.errors import OptionError
from saccade.results._read import read_result, read_timings

__all__ = ["Page", "Polygon", "TextCharacter", "TextLine", "TextWord", "lines_from_plain"]

Polygon: TypeAlias = tuple[tuple[float, float], ...]
"""Corners ``(x, y)`` in pixels of the source, clockwise from the top left of the text as read."""


@dataclass(frozen=True)
class TextCharacter:
    """One character.

    Attributes:
        text: The character.
        score: How sure the recogniser is, 0..1.
        polygon: Where it stands.
    """

    text: str
    score: float
    polygon: Polygon

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: ``text, score, polygon``."""
        return {"text": self.text, "score": self.score, "polygon": _plain(self.polygon)}


@dataclass(frozen=True)
class TextWord:
    """One word.

    Attributes:
        text: What it says.
        score: How sure the recogniser is, 0..1.
        polygon: Where it stands.
        characters: Its characters in the order of the text; may be empty.
    """

    text: str
    score: float
    polygon: Polygon
    characters: tuple[TextCharacter, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: ``text, score, polygon, characters``."""
        return {
            "text": self.text,
            "score": self.score,
            "polygon": _plain(self.polygon),
            "characters": [character.to_dict() for character in self.characters],
        }


@dataclass(frozen=True)
class TextLine:
    """One line of text, as the detector found it.

    Attributes:
        text: What it says.
        score: How sure the recogniser is, 0..1.
        polygon: Where it stands.
        words: Its words in the order of the text; may be empty.
    """

    text: str
    score: float
    polygon: Polygon
    words: tuple[TextWord, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: ``text, score, polygon, words``."""
        return {
            "text": self.text,
            "score": self.score,
            "polygon": _plain(self.polygon),
            "words": [word.to_dict() for word in self.words],
        }


@dataclass(frozen=True)
class Page:
    """The text of one picture, or of one page of a document.

    >>> corners = ((10.0, 10.0), (90.0, 10.0), (90.0, 30.0), (10.0, 30.0))
    >>> page = Page("receipt.jpg", 640, 480, (TextLine("Total 7.20", 0.98, corners),))
    >>> page
    receipt.jpg: 1 line, 'Total 7.20'
    >>> [line.text for line in page]
    ['Total 7.20']

    Attributes:
        image: Name of the picture or document.
        width: Of the picture, in pixels.
        height: Likewise.
        lines: In reading order; may be empty.
        number: Page of a document or frame of a TIFF, from 1.
        pages: How many of them the document has.
        rotation: Degrees (0, 90, 180, 270) by which the picture must be turned clockwise for its
            text to stand upright. Polygons are in pixels of the picture as it is, not turned.
        timings_ms: Milliseconds by stage; not compared.
        blocks: Number of the block (column or paragraph) that each line belongs to; as many as
            lines, or empty where blocks are not known.
    """

    image: str
    width: int
    height: int
    lines: tuple[TextLine, ...]
    number: int = 1
    pages: int = 1
    rotation: int = 0
    timings_ms: dict[str, float] = field(default_factory=dict, compare=False)
    blocks: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.rotation not in (0, 90, 180, 270):
            raise OptionError(f"rotation {self.rotation}: expected 0, 90, 180 or 270 degrees")
        if self.blocks and len(self.blocks) != len(self.lines):
            raise OptionError(
                f"{len(self.blocks)} blocks for {len(self.lines)} lines; expected one each, or none"
            )
        if not 1 <= self.number <= self.pages:
            raise OptionError(f"page {self.number} of {self.pages}: expected a number from 1 on")

    def __len__(self) -> int:
        return len(self.lines)

    def __iter__(self) -> Iterator[TextLine]:
        return iter(self.lines)

    def __repr__(self) -> str:
        name = self.image if self.pages == 1 else f"{self.image} page {self.number}"
        if not self.lines:
            return f"{name}: no text"
        count = f"{len(self)} line{'s' if len(self) > 1 else ''}"
        return f"{name}: {count}, {self.lines[0].text!r}{', ...' if len(self) > 1 else ''}"

    @property
    def text(self) -> str:
        """The lines, in reading order, each on a line of its own."""
        return "\n".join(line.text for line in self.lines)

    @property
    def words(self) -> tuple[TextWord, ...]:
        """The words of all lines, in reading order."""
        return tuple(word for line in self.lines for word in line.words)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values.

        ``image, width, height, page, pages, rotation, lines, timings_ms``, and ``blocks`` where
        they are known. A line has ``text, score, polygon, words``; a word ``text, score, polygon,
        characters``; a polygon is ``[[x, y], ...]``.
        """
        return {
            "image": self.image,
            "width": self.width,
            "height": self.height,
            "page": self.number,
            "pages": self.pages,
            "rotation": self.rotation,
            "lines": [line.to_dict() for line in self.lines],
            **({"blocks": list(self.blocks)} if self.blocks else {}),
            "timings_ms": dict(self.timings_ms),
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Page:
        """Read what :meth:`to_dict` wrote.

        Raises:
            OptionError: A key is missing or of the wrong type.
        """
        return read_result(cls, plain, _page_from_plain)

    def draw(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Draw what was read, for a person to check it.

        Args:
            image: uint8 RGB ``(H, W, 3)``, the picture that was read.

        Returns:
            A new picture of two halves, ``(H, 2 W, 3)``: the picture with its lines framed, and
            their texts at the same places. Colours tell how sure the recogniser was: green from
            0.9, orange from 0.7, red below. Turned upright where ``rotation`` is not 0; then the
            sides change with it.

        Raises:
            OptionError: The picture is no uint8 RGB.
        """
        from saccade.imaging.draw_text import draw_text

        polygons = [np.array(line.polygon, np.float64) for line in self.lines]
        texts = [line.text for line in self.lines]
        scores = [line.score for line in self.lines]
        return draw_text(image, polygons, texts, scores, rotation=self.rotation)


def lines_from_plain(plain: Sequence[Mapping[str, Any]]) -> tuple[TextLine, ...]:
    """Read the lines of a ``to_dict``.

    Raises:
        KeyError, TypeError, ValueError: It is not of that form; callers name what they read.
    """
    return tuple(
        TextLine(*_said(line), tuple(_word_from_plain(word) for word in line["words"]))
        for line in plain
    )


def _page_from_plain(plain: Mapping[str, Any]) -> Page:
    return Page(
        image=str(plain["image"]),
        width=int(plain["width"]),
        height=int(plain["height"]),
        lines=lines_from_plain(plain["lines"]),
        number=int(plain["page"]),
        pages=int(plain["pages"]),
        rotation=int(plain["rotation"]),
        timings_ms=read_timings(plain),
        blocks=tuple(int(block) for block in plain.get("blocks", ())),
    )


def _word_from_plain(plain: Mapping[str, Any]) -> TextWord:
    characters = tuple(TextCharacter(*_said(character)) for character in plain["characters"])
    return TextWord(*_said(plain), characters)


def _said(plain: Mapping[str, Any]) -> tuple[str, float, Polygon]:
    """The fields that characters, words and lines share, in their order."""
    polygon = tuple((float(x), float(y)) for x, y in plain["polygon"])
    return str(plain["text"]), float(plain["score"]), polygon


def _plain(polygon: Polygon) -> list[list[float]]:
    return [[x, y] for x, y in polygon]
