"""Pictures with one class each: what the readers build, and how a part is held out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from saccade.datasets.stores import read_member
from saccade.errors import DatasetError, OptionError, Problem
from saccade.imaging.read import read_image

__all__ = ["ClassificationSet", "Sample", "split_holdout"]


@dataclass(frozen=True, slots=True)
class Sample:
    """One labelled picture.

    Attributes:
        path: of the file; inside ``archive`` if there is one.
        label: number of its class.
        archive: absolute path of the ``.zip`` that holds it, or empty.
    """

    path: str
    label: int
    archive: str = ""

    @property
    def where(self) -> str:
        """What messages call it: ``pack.zip:train/cat/1.jpg`` or the path."""
        return f"{self.archive}:{self.path}" if self.archive else self.path


@dataclass(frozen=True)
class ClassificationSet:
    """Labelled pictures, read one at a time. Cheap to copy to worker processes.

    Attributes:
        classes: names; their position is the label.
        samples: in the order of the list, or sorted by class and path.
        problems: what was left out, and why.
        place: where it came from, for messages.
    """

    classes: tuple[str, ...]
    samples: tuple[Sample, ...]
    problems: tuple[Problem, ...] = ()
    place: str = ""

    def __len__(self) -> int:
        return len(self.samples)

    def read(self, index: int) -> np.ndarray:
        """Read a picture.

        Returns:
            uint8 RGB (H, W, 3).

        Raises:
            ImageError: it cannot be read; the message names it.
        """
        sample = self.samples[index]
        if sample.archive:
            return read_image(read_member(sample.archive, sample.path), name=sample.where)
        return read_image(sample.path)

    def label(self, index: int) -> int:
        """Give the number of the class of a picture."""
        return self.samples[index].label

    @cached_property
    def labels(self) -> np.ndarray:
        """The labels of all pictures: int64 (N,), read-only."""
        labels = np.array([sample.label for sample in self.samples], np.int64)
        labels.setflags(write=False)
        return labels

    def counts(self) -> np.ndarray:
        """Count the pictures of each class: int64 (C,)."""
        return np.bincount(self.labels, minlength=len(self.classes)).astype(np.int64)

    def subset(self, indices: Iterable[int]) -> ClassificationSet:
        """Keep only some pictures, in the given order, with the same classes."""
        return replace(self, samples=tuple(self.samples[int(index)] for index in indices))


def split_holdout(
    whole: ClassificationSet, fraction: float = 0.1, seed: int = 0
) -> tuple[ClassificationSet, ClassificationSet]:
    """Set pictures of every class aside, for folders without a validation split.

    Each class gives ``fraction`` of its pictures, rounded, but at least one and never its last; a
    class with one picture gives none. The same seed and set give the same parts.

    Args:
        whole: the set to part.
        fraction: share to set aside, between 0 and 1.
        seed: of the draw.

    Returns:
        The rest and the part set aside, both in the order of ``whole`` and with all its classes.

    Raises:
        OptionError: a fraction outside its range.
        DatasetError: no class has two pictures.
    """
    if not 0 < fraction < 1:
        raise OptionError(
            f"holdout fraction is {fraction}; expected a number between 0 and 1, like 0.1"
        )
    generator = np.random.Generator(np.random.PCG64(seed))
    held = np.zeros(len(whole), bool)
    for label in range(len(whole.classes)):
        members = np.flatnonzero(whole.labels == label)
        order = generator.permutation(len(members))
        count = min(max(1, round(fraction * len(members))), len(members) - 1)
        held[members[order[: max(count, 0)]]] = True
    if not held.any():
        raise DatasetError(f"no class of {whole.place} has two pictures; nothing can be held out")
    return whole.subset(np.flatnonzero(~held)), whole.subset(np.flatnonzero(held))
