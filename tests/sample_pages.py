"""Pages as a reader gives them, made without a reader."""

from __future__ import annotations

import math
import unicodedata
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from saccade.results import Page, Polygon, TextCharacter, TextLine, TextWord

__all__ = ["RECEIPT", "blank", "line", "page", "turned"]

Piece: TypeAlias = tuple[float, float, str]

PITCH, HEIGHT = 10.0, 20.0  # of a character, in pixels

RECEIPT: list[Piece] = [
    (140, 20, "CORNER SHOP"),
    (20, 100, "Oat milk 1 l"),
    (360, 101, "4.90"),
    (20, 130, "Café “rye” & <seeds>"),
    (350, 129, "12.50"),
    (20, 160, "日本茶 緑茶 €"),
    (360, 160, "7.20"),
    (20, 230, 'Thank you 😀 it\'s "done"'),
]


def line(x: float, y: float, text: str, score: float = 0.9) -> TextLine:
    """A line of equally wide characters (wide ones twice), with its words and characters."""
    words: list[TextWord] = []
    characters: list[TextCharacter] = []
    at = x
    for character in text + " ":
        width = PITCH * (2 if unicodedata.east_asian_width(character) in "WF" else 1)
        if not character.isspace():
            characters.append(TextCharacter(character, score, _box(at, y, at + width)))
        elif characters:
            start = characters[0].polygon[0][0]
            said = "".join(c.text for c in characters)
            words.append(TextWord(said, score, _box(start, y, at), tuple(characters)))
            characters = []
        at += width
    return TextLine(text, score, _box(x, y, at - PITCH), tuple(words))


def page(
    pieces: list[Piece], name: str = "receipt.jpg", width: int = 420, height: int = 280
) -> Page:
    return Page(name, width, height, tuple(line(*piece) for piece in pieces))


def turned(flat: Page, degrees: float) -> Page:
    """The same page with its text turned clockwise around the middle."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    x0, y0 = flat.width / 2, flat.height / 2

    def turn(polygon: Polygon) -> Polygon:
        return tuple(
            (x0 + (x - x0) * cos - (y - y0) * sin, y0 + (x - x0) * sin + (y - y0) * cos)
            for x, y in polygon
        )

    lines = tuple(
        replace(
            one,
            polygon=turn(one.polygon),
            words=tuple(
                replace(
                    word,
                    polygon=turn(word.polygon),
                    characters=tuple(replace(c, polygon=turn(c.polygon)) for c in word.characters),
                )
                for word in one.words
            ),
        )
        for one in flat.lines
    )
    return replace(flat, lines=lines)


def blank(of: Page, value: int = 230) -> np.ndarray:
    """A picture for a page, of one colour that is not grey."""
    image = np.full((of.height, of.width, 3), value, np.uint8)
    image[:, :, 2] //= 2
    return image


def _box(left: float, top: float, right: float) -> Polygon:
    return (left, top), (right, top), (right, top + HEIGHT), (left, top + HEIGHT)
