"""List files: one picture and its label a line, and the names of the classes.

Two forms are read, as PaddleClas and the packs write them: ``PATH<TAB>LABEL`` (more columns are
ignored), and ``PATH LABEL`` split at the last space. A label is the number of a class or its name.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass

from saccade.errors import DatasetError, nearest

__all__ = ["Row", "name_rows", "parse_classes", "parse_list"]

_NUMBER = re.compile(r"[+-]?\d+")

# Numbers without names beyond this are taken for a mistake (an id of something else).
_MOST_UNNAMED = 100_000


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a list file.

    Attributes:
        line: its number, from 1.
        path: of the picture, as written but without ``./``.
        label: number or name, as written.
    """

    line: int
    path: str
    label: str


def parse_list(text: str, where: str) -> list[Row]:
    """Read the lines of a list file; blank lines are skipped.

    Args:
        text: its content.
        where: its name for messages.

    Raises:
        DatasetError: a line without path or label (with its number), or no line at all.
    """
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        stripped = line.rstrip("\r").strip(" ")
        if not stripped.strip():
            continue
        fields = stripped.split("\t") if "\t" in stripped else stripped.rsplit(" ", 1)
        path, label = fields[0].strip(), fields[1].strip() if len(fields) > 1 else ""
        if not path or not label:
            raise DatasetError(
                f"{where} line {number}: {_short(stripped)} lacks a path or a label; expected "
                "PATH<TAB>LABEL"
            )
        rows.append(Row(number, posixpath.normpath(path), label))
    if not rows:
        raise DatasetError(f"{where} lists no picture; expected lines of PATH<TAB>LABEL")
    return rows


def parse_classes(text: str, where: str) -> tuple[str, ...]:
    """Read ``classes.txt``: line n names class n, from 0.

    Raises:
        DatasetError: a blank line in between, a name twice, or no name.
    """
    names = [line.strip() for line in text.rstrip().split("\n")]
    first: dict[str, int] = {}
    for number, name in enumerate(names, start=1):
        if not name:
            raise DatasetError(f"{where} line {number} is blank; expected one class name a line")
        if name in first:
            raise DatasetError(
                f"{where} line {number}: class {name!r} is already on line {first[name]}; "
                "names must differ"
            )
        first[name] = number
    return tuple(names)


def name_rows(
    rows: Sequence[Row],
    where: str,
    classes: tuple[str, ...] | None,
    fallback: tuple[str, ...] | None = None,
) -> tuple[tuple[str, ...], list[str]]:
    """Find the class name of every row.

    If every label of the list is a whole number, they are numbers of classes; otherwise all are
    names.

    Args:
        rows: of one list.
        where: the list, for messages.
        classes: the names from ``classes.txt``, if there is one.
        fallback: what numbers mean where there is none (the classes of the training set).

    Returns:
        The class names in order, and the class name of each row.

    Raises:
        DatasetError: a number outside the classes, or a name that is not one of them.
    """
    if all(_NUMBER.fullmatch(row.label) for row in rows):
        return _by_number(rows, where, classes or fallback)
    known = classes or tuple(sorted({row.label for row in rows}))
    members = frozenset(known)
    for row in rows:
        if row.label not in members:
            raise DatasetError(
                f"{where} line {row.line}: {row.label!r} is not a class of classes.txt; "
                f"{nearest(row.label, known)}"
            )
    return known, [row.label for row in rows]


def _by_number(
    rows: Sequence[Row], where: str, classes: tuple[str, ...] | None
) -> tuple[tuple[str, ...], list[str]]:
    numbers = [int(row.label) for row in rows]
    limit = len(classes) if classes else _MOST_UNNAMED
    for row, number in zip(rows, numbers, strict=True):
        if not 0 <= number < limit:
            expected = (
                f"there are {limit} classes, numbered 0 to {limit - 1}"
                if classes
                else f"expected 0 to {limit - 1}, or a classes.txt beside the list"
            )
            raise DatasetError(
                f"{where} line {row.line}: label {row.label} is out of range; {expected}"
            )
    names = classes or tuple(str(number) for number in range(max(numbers) + 1))
    return names, [names[number] for number in numbers]


def _short(line: str) -> str:
    return repr(line if len(line) <= 60 else line[:57] + "...")
