"""The pool of unlabelled pictures of a semi-supervised training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatch

import numpy as np
from numpy.typing import NDArray

from saccade.datasets.classification import ClassificationSet
from saccade.errors import DatasetError, OptionError
from saccade_train.recipes import ClassifyRecipe

from .data import Places, place_list
from .pictures import Pictures
from .report import Report
from .setup import LoadedData
from .unlabelled import load_unlabelled, same_pictures

__all__ = ["in_class", "load_pool"]


def in_class(items: ClassificationSet, outside: Sequence[str]) -> NDArray[np.bool_]:
    """False for the pictures whose path fits one of the patterns; (N,).

    A pattern is a shell's: ``*`` is anything, also over several folders.
    """
    return np.array(
        [
            not any(fnmatch(sample.where, pattern) for pattern in outside)
            for sample in items.samples
        ],
        bool,
    )


def load_pool(
    recipe: ClassifyRecipe,
    data: LoadedData,
    places: Places,
    *,
    outside: Sequence[str] = (),
    without_labelled: bool = False,
    report: Report,
) -> Pictures:
    """Read the unlabelled pictures of a training.

    Args:
        recipe: Says how they are held.
        data: The labelled pictures; those of the evaluation are left out of the pool.
        places: Of the pool.
        outside: Patterns of pictures that are known to be of none of the classes; left out.
        without_labelled: Leave out copies of labelled training pictures too.
        report: To talk to the user.

    Raises:
        OptionError: No place was given.
        DatasetError: Nothing there, or nothing left.
    """
    if not place_list(places):
        raise OptionError(
            f"task {recipe.task!r} learns from unlabelled pictures; name them with --unlabelled"
        )
    held = data.train.nbytes + sum(pictures.nbytes for pictures in data.val.values())
    pool = load_unlabelled(
        recipe.data, places, report=report, val=data.val[""].items, held_bytes=held
    )
    kept = in_class(pool.items, outside)
    if not kept.all():
        report.say(f"{int((~kept).sum())} unlabelled pictures are out of class and left out")
    elif outside:
        report.say(f"warning: no unlabelled picture fits the patterns {', '.join(outside)}")
    if without_labelled:
        known = same_pictures(pool.items.samples, data.train.items.samples)
        if known:
            report.say(f"{len(known)} unlabelled pictures are labelled ones and left out")
            kept[list(known)] = False
    if not kept.any():
        raise DatasetError(f"{pool.items.place}: none of its pictures is left to learn from")
    if kept.all():
        return pool
    problems = pool.items.problems
    part = pool.only(np.flatnonzero(kept))
    part.items = replace(part.items, problems=problems)
    return part
