"""Pages and lines of text in the label files of PP-OCR.

Pages: ``PATH<TAB>[{"transcription": "...", "points": [[x, y], ...]}, ...]``, a line each, corners
clockwise from top left; ``###`` and ``*`` mark text that can't be read. Lines: ``PATH<TAB>TEXT``.
Paths are relative to the folder of the list, or to the root of a ``.zip``, which is read in place.

A broken line is left out and listed, with its number; the others count.

Labelled pages are labelled lines as well: where a place has no list of lines but one of pages, its
lines are cut out of the pages, at the size they have there.
"""

from __future__ import annotations

import functools
import json
import math
import os
import posixpath
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar

import numpy as np

from saccade.datasets.stores import FolderStore, Store, open_store, read_member
from saccade.errors import DatasetError, Problem
from saccade.geometry.polygons import min_area_box, order_by_sum
from saccade.imaging.read import read_image
from saccade.text.crop import UPRIGHT_RATIO, cut_line

__all__ = [
    "IGNORED_TEXTS",
    "LineSample",
    "PageSample",
    "TextLineSet",
    "TextPageSet",
    "TextRegion",
    "format_line",
    "format_page",
    "open_text_lines",
    "open_text_pages",
]

Place: TypeAlias = "str | os.PathLike[str]"
_Sample = TypeVar("_Sample")

IGNORED_TEXTS = ("###", "*")
"""Transcriptions of text that can't be read."""

_CUT_HEIGHT = 48  # pixels; lines on pages lose detail only from twice this height on

_ALIASES = {"val": ("val", "valid", "validation")}


@dataclass(frozen=True, slots=True, eq=False)
class TextRegion:
    """A text on a page.

    Attributes:
        points: float32 (K, 2), at least four corners, clockwise from top left, in pixels.
        text: what it says.
    """

    points: np.ndarray
    text: str

    @property
    def ignored(self) -> bool:
        """Whether it can't be read; it is neither learnt nor scored."""
        return self.text in IGNORED_TEXTS


@dataclass(frozen=True, slots=True)
class PageSample:
    """A picture and the texts on it; ``archive`` is the ``.zip`` that holds it, or empty."""

    path: str
    regions: tuple[TextRegion, ...]
    archive: str = ""


@dataclass(frozen=True, slots=True)
class LineSample:
    """A picture of a line and its text; ``archive`` is the ``.zip`` that holds it, or empty.

    With ``points``, float32 (4, 2), the picture is a page and the line stands there on it.
    """

    path: str
    text: str
    archive: str = ""
    points: np.ndarray | None = field(default=None, compare=False)


SampleT = TypeVar("SampleT", PageSample, LineSample)


@dataclass(frozen=True)
class _TextSet(Generic[SampleT]):
    """Labelled pictures, which are read one at a time. Cheap to copy to worker processes.

    Attributes:
        samples: in the order of the list.
        problems: what was left out, and why.
        place: where it came from, for messages.
    """

    samples: tuple[SampleT, ...]
    problems: tuple[Problem, ...] = ()
    place: str = ""

    def __len__(self) -> int:
        return len(self.samples)

    def read(self, index: int) -> np.ndarray:
        """Read a picture, uint8 RGB (H, W, 3).

        Raises:
            ImageError: it cannot be read; the message names it.
        """
        return _read(self.samples[index])


class TextPageSet(_TextSet[PageSample]):
    """Labelled pages."""


class TextLineSet(_TextSet[LineSample]):
    """Labelled lines."""

    def read(self, index: int, points: np.ndarray | None = None) -> np.ndarray:
        """Read a line, uint8 RGB (H, W, 3).

        Args:
            index: which.
            points: (4, 2), where on its page it is cut out, for a sample that stands on one; None:
                at its own place.

        Raises:
            ImageError: it cannot be read; the message names it.
        """
        sample = self.samples[index]
        if sample.points is None:
            return _read(sample)
        page = _read_page(sample.path, sample.archive)
        quad = np.asarray(sample.points if points is None else points, np.float32)
        return cut_line(page, quad.clip(0, (page.shape[1], page.shape[0])), _CUT_HEIGHT)


def open_text_pages(place: Place, split: str = "train") -> TextPageSet:
    """Open labelled pages; no picture is read yet.

    Args:
        place: a folder or ``.zip`` with ``det_SPLIT.txt`` or ``SPLIT.txt``, or such a list itself.
        split: which part; ``"val"`` also finds ``valid`` and ``validation``.

    Returns:
        The set. Pages without text stay in it.

    Raises:
        DatasetError: no such place or list, or no page left in it.
    """
    samples, problems, where = _open(place, split, "det", _page)
    return TextPageSet(tuple(samples), tuple(problems), where)


def open_text_lines(place: Place, split: str = "train") -> TextLineSet:
    """Open labelled lines; no picture is read yet.

    Args:
        place: a folder or ``.zip`` with ``rec_SPLIT.txt`` or ``SPLIT.txt``, or such a list itself;
            or a folder or ``.zip`` of pages, with ``det_SPLIT.txt``.
        split: which part; ``"val"`` also finds ``valid`` and ``validation``.

    Returns:
        The set. Spaces in the texts are as written. Lines of pages that can't be read, or that run
        upwards or downwards, are not in it.

    Raises:
        DatasetError: no such place or list, or no line left in it.
    """
    if _has_pages_only(place, split):
        pages = open_text_pages(place, split)
        lines = tuple(line for page in pages.samples for line in _lines_of(page))
        if not lines:
            raise DatasetError(f"{pages.place} has no line that can be read")
        return TextLineSet(lines, pages.problems, pages.place)
    samples, problems, where = _open(place, split, "rec", _line)
    return TextLineSet(tuple(samples), tuple(problems), where)


def format_page(path: str, regions: Iterable[TextRegion]) -> str:
    """Write the line of a list that stands for a page, without the line feed.

    Raises:
        DatasetError: a path that can't stand in a list.
    """
    label = [
        {"transcription": region.text, "points": np.asarray(region.points).tolist()}
        for region in regions
    ]
    return f"{_plain(path)}\t{json.dumps(label, ensure_ascii=False)}"


def format_line(path: str, text: str) -> str:
    """Write the line of a list that stands for a line of text, without the line feed.

    Raises:
        DatasetError: a path or a text that can't stand in a list.
    """
    if not text or "\n" in text or "\r" in text:
        raise DatasetError(f"{path}: the text {text!r} is empty or more than a line")
    return f"{_plain(path)}\t{text}"


def _open(
    place: Place, split: str, task: str, parse: Callable[[str, str, str], _Sample]
) -> tuple[list[_Sample], list[Problem], str]:
    path = Path(place)
    if path.is_file() and path.suffix.lower() != ".zip":
        store: Store = FolderStore(path.parent)
        name, where = path.name, str(path)
    else:
        store = open_store(path)
        name = _find_list(store, split, task)
        where = f"{store.where}:{name}" if store.archive else str(path / name)
    samples, problems = [], []
    for number, line in _lines(store.text(name)):
        picture, tab, label = line.partition("\t")
        picture = posixpath.normpath(picture.strip()) if picture.strip() else ""
        try:
            if not tab or not picture:
                raise ValueError("expected PATH<TAB>LABEL")
            if not store.has(picture):
                raise ValueError(f"there is no picture {picture}")
            samples.append(parse(store.locate(picture), label, store.archive))
        except ValueError as error:
            problems.append(Problem(f"{where} line {number}", str(error)))
    if not samples:
        reason = f"; the first of {len(problems)}: {problems[0]}" if problems else ""
        raise DatasetError(f"{where} has no usable line, expected PATH<TAB>LABEL{reason}")
    return samples, problems, where


def _has_pages_only(place: Place, split: str) -> bool:
    path = Path(place)
    if path.is_file() and path.suffix.lower() != ".zip":
        return False
    store = open_store(path)
    names = _ALIASES.get(split, (split,))
    own = any(store.has(f"rec_{name}.txt") or store.has(f"{name}.txt") for name in names)
    return not own and any(store.has(f"det_{name}.txt") for name in names)


def _lines_of(page: PageSample) -> Iterator[LineSample]:
    """The lines of a page that can be read, from left to right."""
    for region in page.regions:
        points = region.points
        if len(points) > 4:
            points = order_by_sum(min_area_box(points)[0])
        across, down = np.linalg.norm(points[1] - points[0]), np.linalg.norm(points[3] - points[0])
        upright = len(region.text) > 1 and down >= UPRIGHT_RATIO * across
        if not region.ignored and region.text.strip() and min(across, down) >= 2 and not upright:
            yield LineSample(page.path, region.text, page.archive, points)


def _find_list(store: Store, split: str, task: str) -> str:
    tried = [
        form.format(name)
        for name in _ALIASES.get(split, (split,))
        for form in (f"{task}_{{}}.txt", "{}.txt")
    ]
    for name in tried:
        if store.has(name):
            return name
    lists = [name for name in store.top()[1] if name.endswith(".txt")]
    raise DatasetError(
        f"{store.where} has no list {' or '.join(tried[:2])}; "
        f"its lists: {', '.join(lists) or 'none'}"
    )


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines that are not blank, with their numbers; only a line feed ends a line."""
    for number, line in enumerate(text.split("\n"), start=1):
        line = line.removesuffix("\r")
        if line.strip():
            yield number, line


def _line(path: str, label: str, archive: str) -> LineSample:
    if not label.strip():
        raise ValueError("the line has no text")
    return LineSample(path, label, archive)


def _page(path: str, label: str, archive: str) -> PageSample:
    try:
        content = json.loads(label)
    except (json.JSONDecodeError, RecursionError) as error:
        reason = getattr(error, "msg", "nested too deeply")
        raise ValueError(f"the label is no JSON ({reason})") from error
    if not isinstance(content, list):
        raise ValueError("the label is no JSON list of texts")
    return PageSample(path, tuple(_region(entry) for entry in content), archive)


def _region(entry: Any) -> TextRegion:
    match entry:
        case {"transcription": str() as text, "points": list() as points}:
            if len(points) >= 4 and all(_is_point(point) for point in points):
                return TextRegion(np.array(points, np.float32), text)
    raise ValueError(
        'a text of the label is malformed; expected {"transcription": text, "points": four or '
        "more [x, y]}"
    )


def _is_point(point: Any) -> bool:
    return (
        isinstance(point, Sequence)
        and len(point) == 2
        and all(
            isinstance(value, int | float) and math.isfinite(value) and abs(value) < 1e7
            for value in point
        )
    )


def _plain(path: str) -> str:
    if not path.strip() or any(character in path for character in "\t\r\n"):
        raise DatasetError(
            f"the path {path!r} can't stand in a list; expected no tabs or line ends"
        )
    return path


@functools.lru_cache(maxsize=16)
def _read_page(path: str, archive: str) -> np.ndarray:
    """A page, kept for its other lines."""
    page = _read(PageSample(path, (), archive))
    page.flags.writeable = False
    return page


def _read(sample: PageSample | LineSample) -> np.ndarray:
    if sample.archive:
        where = f"{sample.archive}:{sample.path}"
        return read_image(read_member(sample.archive, sample.path), name=where)
    return read_image(sample.path)
