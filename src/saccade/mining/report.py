"""What came out of a labelling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from saccade.errors import Problem

__all__ = ["STATUSES", "LabelReport", "Leak"]

STATUSES = (
    "selected",
    "beyond",
    "low_score",
    "copy",
    "validation",
    "broken",
    "not_a_picture",
)
"""What can become of a file of the pool; the side file uses the same words."""


@dataclass(frozen=True)
class Leak:
    """A picture of the pool that is one of the validation pictures.

    Attributes:
        picture: of the pool.
        copy_of: the validation picture.
        how: what tells it.
    """

    picture: str
    copy_of: str
    how: str

    def __str__(self) -> str:
        return f"{self.picture} is a copy of the validation picture {self.copy_of} ({self.how})"


@dataclass(frozen=True)
class LabelReport:
    """What `label_pool` did.

    Attributes:
        list: the list file.
        classes_file: ``classes.txt`` beside it.
        details: the side file, with every file of the pool.
        journal: what a further call goes on from.
        teacher: name of the teacher.
        fingerprint: of its graph.
        scored: pictures that this call scored; the others were in the journal.
        files: how many files of the pool ended how; a key for each of `STATUSES`.
        classes: pictures selected of each class, in the teacher's order.
        leaks: pictures of the pool that are validation pictures.
        problems: the first hundred files that can't be used, of the pool or for validation.
        notes: what the user should know about the places.
    """

    list: str
    classes_file: str
    details: str
    journal: str
    teacher: str
    fingerprint: str
    scored: int
    files: Mapping[str, int]
    classes: Mapping[str, int]
    leaks: tuple[Leak, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]

    @property
    def empty_classes(self) -> tuple[str, ...]:
        """The classes that received no picture."""
        return tuple(name for name, count in self.classes.items() if not count)

    def to_dict(self) -> dict[str, Any]:
        """A plain form for JSON."""
        return {
            "list": self.list,
            "classes_file": self.classes_file,
            "details": self.details,
            "journal": self.journal,
            "teacher": self.teacher,
            "fingerprint": self.fingerprint,
            "scored": self.scored,
            "files": dict(self.files),
            "classes": dict(self.classes),
            "empty_classes": list(self.empty_classes),
            "leaks": [
                {"picture": leak.picture, "copy_of": leak.copy_of, "how": leak.how}
                for leak in self.leaks
            ],
            "problems": [
                {"where": problem.where, "reason": problem.reason} for problem in self.problems
            ],
            "notes": list(self.notes),
        }
