"""The files of a labelling: the list, its classes, and the side file that tells where all is from.

The list has lines ``PATH<TAB>CLASS``, as every reader of lists here takes them. The path is
relative to the list where the picture lies below its folder, absolute elsewhere, and
``pack.zip:member`` in an archive. The class is its name; where all names in question are whole
numbers, it is the number of its line in ``classes.txt``, from 0, since readers take numbers so.

The side file is JSON Lines: first an object that tells the teacher and the options, then one for
each file of the pool.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saccade._files import whole_file
from saccade.errors import DatasetError, ModelFileError
from saccade.mining.journal import Entry
from saccade.mining.select import BELOW, BEYOND

__all__ = [
    "FORMAT",
    "Outputs",
    "check_classes",
    "describe",
    "list_lines",
    "listable",
    "status",
    "write_lines",
]

_NUMBER = re.compile(r"[+-]?\d+")
_UNLISTABLE = re.compile(r"[\t\r\n\v\f\x1c-\x1e\x85\u2028\u2029]")

FORMAT = "saccade label 1"
_MARK = f'{{"format": "{FORMAT}"'.encode()


@dataclass(frozen=True)
class Outputs:
    """Where the files of a labelling go.

    Attributes:
        list: the list file.
        classes: ``classes.txt`` beside it.
        details: the side file.
        journal: the journal.
    """

    list: Path
    classes: Path
    details: Path
    journal: Path

    @classmethod
    def at(cls, out: str | os.PathLike[str]) -> Outputs:
        """Name the files.

        Args:
            out: a list file to write, ending in ``.txt``; or a folder, which gets a ``train.txt``.
        """
        path = Path(out)
        target = path if path.suffix.lower() == ".txt" and not path.is_dir() else path / "train.txt"
        return cls(
            target,
            target.with_name("classes.txt"),
            target.with_suffix(".jsonl"),
            target.with_suffix(".journal"),
        )

    def claim(self, classes: Sequence[str]) -> None:
        """Make the folder, and make sure that nothing of others is overwritten.

        Raises:
            DatasetError: a file is there that no labelling wrote, ``classes.txt`` has other
                classes, or the folder can't be made.
        """
        if self.list.name.lower() == "classes.txt":
            raise DatasetError(f"{self.list} is where the classes go; choose another --out")
        try:
            self.list.parent.mkdir(parents=True, exist_ok=True)
            for file in (self.list, self.details):
                if file.exists() and not self._is_ours():
                    raise DatasetError(
                        f"{file} is there already, and was not written by saccade label; choose "
                        "another --out"
                    )
            if self.classes.exists():
                wanted = "".join(f"{name}\n" for name in classes)
                if self.classes.read_text(encoding="utf-8") != wanted:
                    raise DatasetError(
                        f"{self.classes} has other classes than the teacher; choose another --out"
                    )
        except (OSError, UnicodeDecodeError) as error:
            raise DatasetError(
                f"{self.list} cannot be written ({error}); choose another --out"
            ) from error

    def _is_ours(self) -> bool:
        """Whether a labelling wrote the side file, and so the list."""
        if not self.details.exists():
            return False
        with self.details.open("rb") as file:
            return file.read(len(_MARK)) == _MARK


def check_classes(names: Sequence[str], teacher: str) -> None:
    """Refuse names that a list file can't hold.

    Raises:
        ModelFileError: a name twice, blank, or with a tab or line break.
    """
    seen: set[str] = set()
    for name in names:
        if not name or name != name.strip() or _UNLISTABLE.search(name):
            raise ModelFileError(
                f"{teacher}: the class {name!r} is blank or has a tab, a line break or blanks "
                "around it, which a list can't hold; export the model with other labels"
            )
        if name in seen:
            raise ModelFileError(
                f"{teacher}: two classes are called {name!r}; export the model with labels that "
                "differ"
            )
        seen.add(name)


def list_lines(
    entries: Iterable[Entry], classes: Sequence[str], used: Iterable[int], folder: Path
) -> Iterator[str]:
    """The lines of a list.

    Args:
        entries: the selected ones.
        classes: names of all classes.
        used: numbers of the classes that the entries have.
        folder: of the list.
    """
    as_numbers = all(_NUMBER.fullmatch(classes[label]) for label in used)
    base = os.path.join(os.path.abspath(folder), "")  # noqa: PTH100, PTH118 - resolves no links
    for entry in entries:
        path = entry.where.removeprefix(base)
        yield f"{path}\t{entry.label if as_numbers else classes[entry.label]}"


def listable(where: str) -> bool:
    """Whether a list can hold a path: valid UTF-8, no tab or line break, no blanks around it."""
    try:
        where.encode()
    except UnicodeEncodeError:
        return False
    return where == where.strip() and not any(mark in where for mark in "\t\r\n")


def status(entry: Entry) -> str:
    """What became of a file, one of :data:`saccade.mining.report.STATUSES`."""
    if entry.problem:
        return "broken" if entry.stamp else "not_a_picture"
    if entry.copy_of:
        return "validation"
    if not entry.reason:
        return "selected"
    return {BEYOND: "beyond", BELOW: "low_score"}.get(entry.reason, "copy")


def describe(entry: Entry, classes: Sequence[str]) -> dict[str, Any]:
    """A file of the pool, as the side file has it."""
    told = status(entry)
    plain: dict[str, Any] = {"picture": entry.where, "place": entry.source, "status": told}
    if entry.copy_of:
        plain["reason"] = f"a copy of the validation picture {entry.copy_of} ({entry.how})"
    elif reason := entry.problem or entry.reason:
        plain["reason"] = reason
    if entry.sha256:
        plain["sha256"] = entry.sha256
        plain["hash"] = entry.hash.hex()
    if entry.label >= 0 and not entry.problem:
        plain["class"] = classes[entry.label]
        plain["score"] = entry.score
        plain["top"] = [[classes[label], score] for label, score in json.loads(entry.top)]
    return plain


def write_lines(file: Path, lines: Iterable[str]) -> int:
    """Write a text file that appears whole or not at all.

    Returns:
        How many lines it has.

    Raises:
        DatasetError: it can't be written.
    """
    count = 0
    try:
        with (
            whole_file(file) as beside,
            beside.open("x", encoding="utf-8", errors="backslashreplace", newline="\n") as out,
        ):
            for line in lines:
                out.write(line + "\n")
                count += 1
            out.flush()
            os.fsync(out.fileno())
    except OSError as error:
        raise DatasetError(
            f"{file} cannot be written ({error.strerror or error}); choose another --out"
        ) from error
    return count
