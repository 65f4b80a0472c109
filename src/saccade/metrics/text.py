"""How well text is found and read.

Detection: the rules of ICDAR 2015 at IoU 0.5, as ``PaddleOCR/ppocr/metrics/eval_det_iou.py`` counts
them. Reading: line accuracy, character error rate and 1-NED under a stated :class:`TextRule`.
Both together: ``tools/end2end/eval_end2end.py`` of the same project. All counts are summed over the
pictures first and divided once.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from saccade.errors import OptionError
from saccade.geometry.polygons import area, intersection_area, iou, is_simple

__all__ = [
    "ReadingCounts",
    "RegionCounts",
    "TextRule",
    "detection_counts",
    "detection_metrics",
    "edit_distance",
    "end_to_end_counts",
    "end_to_end_metrics",
    "line_metrics",
]


@dataclass(frozen=True)
class TextRule:
    """Which differences between two texts don't matter.

    Full-width forms always count as the usual ones (U+FF21 is an A), and Unicode is compared in
    the composed form NFC.

    Attributes:
        ignore_case: "Total" is "TOTAL".
        ignore_spaces: all white space is left out.
        letters_and_digits_only: all else is left out, in every script.
    """

    ignore_case: bool = False
    ignore_spaces: bool = False
    letters_and_digits_only: bool = False

    def __call__(self, text: str) -> str:
        """Bring a text to the form in which it is compared."""
        text = unicodedata.normalize("NFC", text.translate(_HALF_WIDTH))
        if self.ignore_case:
            text = text.casefold()
        if self.ignore_spaces:
            text = "".join(text.split())
        if self.letters_and_digits_only:
            text = "".join(character for character in text if character.isalnum())
        return text


_HALF_WIDTH = {0x3000: 0x20, **{code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}}
_EXACT = TextRule()


class RegionCounts(NamedTuple):
    """One picture's detections.

    Attributes:
        matched: detections that match a text.
        truths: texts that count.
        found: detections that count.
    """

    matched: int
    truths: int
    found: int


class ReadingCounts(NamedTuple):
    """One picture's detections with what they say.

    Attributes:
        right: detections that match a text and say the same.
        truths: texts that count.
        found: detections that count.
        edits: edit distances, a text without detection and a detection without text in full.
        characters: of the texts that count.
    """

    right: int
    truths: int
    found: int
    edits: int
    characters: int


def detection_counts(
    truths: Sequence[np.ndarray],
    ignored: Sequence[bool],
    found: Sequence[np.ndarray],
    *,
    least_iou: float = 0.5,
) -> RegionCounts:
    """Match the detections of one picture with its texts.

    A detection of which more than half lies in an ignored text doesn't count. The others are
    matched in the order of the texts: the first free detection with an IoU above ``least_iou``.
    Polygons that cross themselves or have no area are left out on both sides.

    Args:
        truths: polygons (K, 2) of the texts.
        ignored: which of them can't be read.
        found: polygons of the detections.
        least_iou: an IoU must lie above it.

    Raises:
        OptionError: another number of flags than polygons.
    """
    _check(truths, ignored, "flags")
    valid = [(p, skip) for p, skip in zip(truths, ignored, strict=True) if is_simple(p)]
    care = [polygon for polygon, skip in valid if not skip]
    spare = [polygon for polygon, skip in valid if skip]
    counted = []
    simple = [polygon for polygon in found if is_simple(polygon)]
    for polygon, near in zip(simple, _near(simple, spare), strict=True):
        half = 0.5 * area(polygon)
        if not any(intersection_area(polygon, spare[other]) > half for other in near):
            counted.append(polygon)
    taken: set[int] = set()
    for polygon, near in zip(care, _near(care, counted), strict=True):
        for index in near:
            if index not in taken and iou(polygon, counted[index]) > least_iou:
                taken.add(index)
                break
    return RegionCounts(len(taken), len(care), len(counted))


def detection_metrics(counts: Iterable[RegionCounts]) -> dict[str, float]:
    """Sum up pictures.

    Returns:
        ``precision``, ``recall`` and ``hmean``, their harmonic mean; 0 where there is nothing.
    """
    matched, truths, found = _sums(counts, 3)
    return _hmean(matched, truths, found)


def end_to_end_counts(
    truths: Sequence[np.ndarray],
    texts: Sequence[str],
    ignored: Sequence[bool],
    found: Sequence[np.ndarray],
    read: Sequence[str],
    *,
    rule: TextRule = _EXACT,
    least_iou: float = 0.5,
) -> ReadingCounts:
    """Match what was found and read in one picture with its texts.

    Polygons are taken by their convex hulls. Pairs with an IoU of at least ``least_iou`` are joined
    one to one, the best first; what is joined with an ignored text doesn't count.

    Args:
        truths: polygons (K, 2) of the texts.
        texts: what they say.
        ignored: which of them can't be read.
        found: polygons of the detections.
        read: what was read in them.
        rule: for the comparison.
        least_iou: of a pair.

    Raises:
        OptionError: lists of different lengths.
    """
    _check(truths, texts, "texts")
    _check(truths, ignored, "flags")
    _check(found, read, "texts")
    hulls, boxes = [_hull(p) for p in truths], [_hull(p) for p in found]
    overlaps = [
        (overlap, i, j)
        for i, near in enumerate(_near(hulls, boxes))
        for j in near
        if (overlap := iou(hulls[i], boxes[j])) >= least_iou
    ]
    partner: dict[int, int] = {}  # detection -> text
    for _, i, j in sorted(overlaps, key=lambda item: (-item[0], item[1], item[2])):
        if j not in partner and i not in partner.values():
            partner[j] = i

    want, got = [rule(text) for text in texts], [rule(text) for text in read]
    right = edits = 0
    counted = 0
    for j, text in enumerate(got):
        match = partner.get(j)
        if match is None:
            counted += 1
            edits += len(text)
        elif not ignored[match]:
            counted += 1
            right += text == want[match]
            edits += edit_distance(text, want[match])
    care = [i for i, skip in enumerate(ignored) if not skip]
    missed = set(care) - set(partner.values())
    edits += sum(len(want[i]) for i in missed)
    return ReadingCounts(right, len(care), counted, edits, sum(len(want[i]) for i in care))


def end_to_end_metrics(counts: Iterable[ReadingCounts]) -> dict[str, float]:
    """Sum up pictures.

    Returns:
        ``precision``, ``recall``, ``hmean``, and ``cer``: edits over characters, where texts that
        were missed and detections of nothing count in full; not a number without characters.
    """
    right, truths, found, edits, characters = _sums(counts, 5)
    cer = edits / characters if characters else float("nan")
    return {**_hmean(right, truths, found), "cer": cer}


def line_metrics(
    texts: Sequence[str], read: Sequence[str], *, rule: TextRule = _EXACT
) -> dict[str, float]:
    """Score the reading of lines that were cut out.

    Args:
        texts: what the lines say.
        read: what was read.
        rule: for the comparison.

    Returns:
        ``line_accuracy``: share of lines read without mistake. ``cer``: edit distances over
        characters. ``one_minus_ned``: mean of 1 - edit distance / length of the longer text.
        ``n``: lines. Not a number where there is nothing to divide by.

    Raises:
        OptionError: lists of different lengths.
    """
    _check(texts, read, "readings")
    pairs = [(rule(one), rule(two)) for one, two in zip(texts, read, strict=True)]
    edits = [edit_distance(one, two) for one, two in pairs]
    nan = float("nan")
    longer = [max(len(one), len(two), 1) for one, two in pairs]
    characters = sum(len(one) for one, _ in pairs)
    alike = [1 - count / length for count, length in zip(edits, longer, strict=True)]
    return {
        "line_accuracy": sum(count == 0 for count in edits) / len(pairs) if pairs else nan,
        "cer": sum(edits) / characters if characters else nan,
        "one_minus_ned": sum(alike) / len(pairs) if pairs else nan,
        "n": len(pairs),
    }


def edit_distance(first: str, second: str) -> int:
    """Count the characters to insert, delete or exchange (Levenshtein).

    A whole column of the table lies in the bits of two integers (Myers 1999, in the form of Hyyrö
    2003), so lines of text take microseconds.

    Examples:
        >>> edit_distance("kitten", "sitting")
        3
    """
    if len(first) < len(second):
        first, second = second, first
    if not second:
        return len(first)
    where: dict[str, int] = {}
    for position, character in enumerate(second):
        where[character] = where.get(character, 0) | 1 << position
    everything = (1 << len(second)) - 1
    last = 1 << (len(second) - 1)
    rises, falls = everything, 0  # by one, going down the column
    distance = len(second)
    for character in first:
        equal = where.get(character, 0)
        straight = equal | falls
        diagonal = (((equal & rises) + rises) ^ rises) | equal
        right_up = falls | ~(diagonal | rises) & everything
        right_down = rises & diagonal
        distance += bool(right_up & last) - bool(right_down & last)
        right_up = right_up << 1 | 1
        right_down <<= 1
        rises = (right_down | ~(straight | right_up)) & everything
        falls = right_up & straight & everything
    return distance


def _near(polygons: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> list[list[int]]:
    """For each polygon, which of the others have a bounding box that overlaps its own."""
    if not polygons or not others:
        return [[] for _ in polygons]
    low, high = (
        np.array([edge(p, axis=0) for p in polygons], float)[:, None] for edge in (np.min, np.max)
    )
    lowest, highest = (
        np.array([edge(p, axis=0) for p in others], float)[None] for edge in (np.min, np.max)
    )
    touching: np.ndarray = np.all((low < highest) & (lowest < high), axis=2)
    return [np.flatnonzero(row).tolist() for row in touching]


def _hull(polygon: np.ndarray) -> np.ndarray:
    points = np.asarray(polygon, np.float32).reshape(-1, 1, 2)
    return np.asarray(cv2.convexHull(points), np.float64).reshape(-1, 2)


def _sums(counts: Iterable[tuple[int, ...]], width: int) -> list[int]:
    return [sum(column) for column in zip(*counts, strict=True)] or [0] * width


def _hmean(matched: int, truths: int, found: int) -> dict[str, float]:
    precision = matched / found if found else 0.0
    recall = matched / truths if truths else 0.0
    both = precision + recall
    hmean = 2 * precision * recall / both if both else 0.0
    return {"precision": precision, "recall": recall, "hmean": hmean}


def _check(items: Sequence[object], others: Sequence[object], what: str) -> None:
    if len(items) != len(others):
        raise OptionError(f"{len(items)} items with {len(others)} {what}; expected one each")
