"""Problems of a dataset, counted by kind and told once for each."""

from __future__ import annotations

from typing import NamedTuple

from saccade.errors import Problem

__all__ = ["Kind", "Tally"]


class Kind(NamedTuple):
    """A kind of problem, as it is told of one and of many (``{}`` stands for the number)."""

    one: str
    many: str


class Tally:
    """Counts problems by kind, with the first examples of each."""

    def __init__(self, where: str) -> None:
        self.where = where
        self._counts: dict[Kind, int] = {}
        self._examples: dict[Kind, dict[str, None]] = {}

    def add(self, kind: Kind, example: str = "", count: int = 1) -> None:
        """Count a problem."""
        if count:
            self._counts[kind] = self._counts.get(kind, 0) + count
            examples = self._examples.setdefault(kind, {})
            if example and len(examples) < 3:
                examples[example] = None

    def problems(self) -> tuple[Problem, ...]:
        """One problem for each kind, in the order in which they first appeared."""
        return tuple(Problem(self.where, self._tell(kind)) for kind in self._counts)

    def _tell(self, kind: Kind) -> str:
        count, examples = self._counts[kind], list(self._examples[kind])
        text = kind.one if count == 1 else kind.many.format(f"{count:,}")
        if not examples:
            return text
        lead = ": " if count <= len(examples) else ", for example "
        return text + lead + ", ".join(examples)
