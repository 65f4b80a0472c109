"""PaddleOCR's label files: one picture a line.

Recognition: ``PATH<TAB>TEXT``. Detection: ``PATH<TAB>JSON``, a list of ``{"transcription": TEXT,
"points": [[x, y] x 4]}`` with corners clockwise from the top-left one. What is too small to be read
says ``###``, which trainers and metrics ignore.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .pages import Page

__all__ = ["UNREADABLE", "Level", "boxes_of", "detection_line", "recognition_line"]

UNREADABLE = "###"

Level = Literal["line", "word", "character"]


def recognition_line(path: str, text: str) -> str:
    """A line of a recognition label file, without its end."""
    if "\t" in path or any(c in text for c in "\t\r\n"):
        raise ValueError(f"{path!r}, {text!r}: a tab or line break can't be part of a label")
    return f"{path}\t{text}"


def detection_line(path: str, boxes: Iterable[tuple[str, NDArray[np.float32]]]) -> str:
    """A line of a detection label file, without its end; corners are rounded to whole pixels."""
    if "\t" in path:
        raise ValueError(f"{path!r}: a tab can't be part of a label")
    items = [
        {"transcription": text, "points": np.rint(quad).astype(int).tolist()}
        for text, quad in boxes
    ]
    return f"{path}\t{json.dumps(items, ensure_ascii=False)}"


def boxes_of(page: Page, level: Level = "line") -> Sequence[tuple[str, NDArray[np.float32]]]:
    """The texts and quads of a page, by line, word or character; blanks are no characters here."""
    boxes: list[tuple[str, NDArray[np.float32]]] = []
    for line in page.lines:
        match level:
            case "line":
                found = [(line.text, line.quad)]
            case "word":
                found = [(word.text, word.quad) for word in line.words]
            case "character":
                pairs = zip(line.text, line.quads, strict=True)
                found = [(character, quad) for character, quad in pairs if character != " "]
        boxes += found if line.is_readable else [(UNREADABLE, quad) for _, quad in found]
    return boxes
