"""The pictures of a training: several places joined, and a holdout where there is no val split."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from saccade.datasets.classification import (
    ClassificationSet,
    join_classification,
    list_splits,
    open_classification,
    split_holdout,
)
from saccade.errors import DatasetError, Problem

__all__ = ["Places", "TrainingData", "fingerprint", "open_training_data", "place_list"]

Places = Path | str | Sequence[Path | str]


@dataclass(frozen=True)
class TrainingData:
    """What a training reads; both sets have the same classes."""

    train: ClassificationSet
    val: ClassificationSet
    problems: tuple[Problem, ...]
    """Pictures that are left out."""
    notes: tuple[str, ...]
    """Decisions that the user should know of."""


def open_training_data(
    data: Places,
    val: Places = (),
    *,
    holdout: float = 0.1,
    seed: int = 0,
    closed: bool = True,
) -> TrainingData:
    """Open the pictures to train on and to evaluate with.

    Args:
        data: One or several places (folder, list file, .zip pack); their training pictures are
            joined, classes of the same name become one.
        val: Places to evaluate with. Empty: the val splits of ``data``; a place without one gives
            up ``holdout`` of each class instead.
        holdout: That share.
        seed: Which pictures are held out.
        closed: Refuse classes in val that train does not have. Otherwise val has classes of its
            own, for searches among them.

    Raises:
        DatasetError: A place is missing or empty, all is of one class, or a class of val is absent
            from train.
    """
    trains: list[ClassificationSet] = []
    vals: list[ClassificationSet] = []
    problems: list[Problem] = []
    notes: list[str] = []
    for place in place_list(data):
        train = open_classification(place, "train")
        problems += train.problems
        if not place_list(val):
            if _has_val(place):
                vals.append(open_classification(place, "val"))
                problems += vals[-1].problems
            else:
                whole = len(train)
                train, held = split_holdout(train, holdout, seed)
                vals.append(held)
                notes.append(
                    f"{place} has no val split: {len(held)} of its {whole} pictures are held out "
                    f"for evaluation ({holdout:.0%} of each class, seed {seed})"
                )
        trains.append(train)
    if not trains:
        raise DatasetError("no pictures to train on; name a folder, a list file or a .zip pack")
    joined = join_classification(trains)
    if len(joined.classes) < 2:
        named = ", ".join(str(place) for place in place_list(data))
        raise DatasetError(
            f"{named}: one class only ({joined.classes[0]!r}); a classifier needs two or more"
        )
    for place in place_list(val):
        split = "val" if _has_val(place) else "train"
        vals.append(open_classification(place, split))
        problems += vals[-1].problems
    # Joining maps classes by name and refuses those that training does not know.
    evaluated = join_classification(vals, joined.classes if closed else None)
    shared = _both(joined, evaluated)
    if shared:
        notes.append(
            f"warning: {len(shared)} pictures are in train and in val ({shared[0]} is one): "
            "the scores will flatter"
        )
    return TrainingData(joined, evaluated, tuple(problems), tuple(notes))


def fingerprint(*sets: ClassificationSet) -> str:
    """A digest of the classes and of each picture's name and class, in order.

    Where the pictures lie does not count: a dataset that was moved is still the same.
    """
    digest = hashlib.sha256()
    for one in sets:
        digest.update("\0".join(one.classes).encode())
        for sample in one.samples:
            name = "/".join(Path(sample.path).parts[-3:])
            digest.update(f"\0{name}\0{sample.label}".encode(errors="surrogateescape"))
    return digest.hexdigest()


def place_list(places: Places) -> list[Path]:
    """One place or several, as paths."""
    if isinstance(places, str | Path):
        return [Path(places)]
    return [Path(place) for place in places]


def _has_val(place: Path) -> bool:
    return not {"val", "valid", "validation"}.isdisjoint(list_splits(place))


def _both(train: ClassificationSet, val: ClassificationSet) -> list[str]:
    known = {sample.where for sample in train.samples}
    return [sample.where for sample in val.samples if sample.where in known]
