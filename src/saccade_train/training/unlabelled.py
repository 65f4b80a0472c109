"""Pictures without labels, beside those of a training: a folder, a list file, or a ``.zip``.

What a place says about classes is ignored. A folder or an archive is read with all its sub-folders;
where it is a dataset of several splits, only its train split is taken, since a picture that is
evaluated with must not be learnt from. Of a list file the paths count, with labels behind them or
not.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from saccade.datasets.classification import ClassificationSet, Sample
from saccade.datasets.pool import Other, Stray, find, split_of
from saccade.datasets.stores import member_size, read_member
from saccade.errors import DatasetError, ImageError, Problem
from saccade_train._types import Image
from saccade_train.augment.geometric import shrink_short
from saccade_train.recipes.schema import DataOptions

from .data import Places, place_list
from .pictures import Pictures, Shape, load_pictures
from .report import Report

__all__ = ["load_unlabelled", "open_unlabelled", "same_pictures", "without_leaks"]


def open_unlabelled(places: Places) -> tuple[ClassificationSet, tuple[str, ...]]:
    """Find the pictures of some places; none is read yet.

    Args:
        places: Folders, list files or ``.zip`` archives.

    Returns:
        A set whose labels are all -1 and which has no classes, sorted by path inside each place,
        each picture once, with files that are no pictures in ``problems``; and notes for the user.

    Raises:
        DatasetError: Nothing at a place, or no picture there.
    """
    samples: dict[Sample, None] = {}
    problems: list[Problem] = []
    notes: list[str] = []
    for place in place_list(places):
        before = len(samples)
        found, missing, note = _samples(place)
        samples |= dict.fromkeys(found)
        problems += missing
        notes += note
        if not found:
            raise DatasetError(
                f"{place}: no picture there ({len(missing)} other files); expected a folder, a "
                "list file or a .zip with pictures"
            )
        repeated = len(found) - (len(samples) - before)
        if repeated:
            notes.append(f"{place}: {repeated} pictures are listed more than once; used once")
    named = " + ".join(str(place) for place in place_list(places))
    return ClassificationSet((), tuple(samples), tuple(problems), named), tuple(notes)


def load_unlabelled(
    options: DataOptions,
    places: Places,
    *,
    report: Report,
    val: ClassificationSet | None = None,
    held_bytes: int = 0,
    shape: Shape | None = None,
) -> Pictures:
    """Open, decode, check and hold unlabelled pictures, like those of a training.

    Files that are no pictures, broken pictures and those of the evaluation set are left out,
    counted and listed; the user is told.

    Args:
        options: Of the recipe.
        places: See :func:`open_unlabelled`.
        report: To talk to the user.
        val: Pictures to evaluate with; the same files in the pool are left out.
        held_bytes: Memory of ``options.cache_mb`` that is in use already.
        shape: What is done to each picture when it is read; None: it is shrunk as far as the
            recipe allows.

    Returns:
        The pictures; ``items.labels`` are all -1, ``items.problems`` says what was left out.

    Raises:
        DatasetError: Nothing at a place, or not one good picture.
    """
    items, notes = open_unlabelled(places)
    for note in notes:
        report.say(note)
    if val is not None:
        before = len(items)
        items = without_leaks(items, val)
        if len(items) < before:
            report.say(
                f"{before - len(items)} unlabelled pictures are pictures of the evaluation set and "
                "are left out"
            )
    if not len(items):
        raise DatasetError(f"{items.place}: all pictures are pictures of the evaluation set")

    def shrink(image: Image) -> Image:
        return shrink_short(image, options.read_short)

    with report.counting("reading unlabelled", len(items)) as done:
        pictures, broken = load_pictures(
            items,
            shape or shrink,
            limit_bytes=max(0, options.cache_mb * 2**20 - held_bytes),
            verify=options.verify,
            workers=max(1, options.workers),
            done=done,
        )
    problems = (*items.problems, *broken)
    pictures.items = replace(pictures.items, problems=problems)
    for problem in problems[:5]:
        report.say(f"left out: {problem}")
    if len(problems) > 5:
        report.say(f"left out: {len(problems) - 5} more, see skipped.txt")
    report.say(f"{len(pictures)} unlabelled pictures")
    return pictures


def without_leaks(pool: ClassificationSet, val: ClassificationSet) -> ClassificationSet:
    """Leave out the pictures of a pool that are also in an evaluation set, byte for byte.

    ``saccade label`` also finds copies that were scaled or saved anew.

    Returns:
        The rest; what was left out is added to ``problems``.
    """
    leaks = same_pictures(pool.samples, val.samples)
    if not leaks:
        return pool
    kept = [number for number in range(len(pool)) if number not in leaks]
    problems = [
        Problem(pool.samples[number].where, f"is a picture of the evaluation set: {where}")
        for number, where in leaks.items()
    ]
    return replace(pool.subset(kept), problems=(*pool.problems, *problems))


def same_pictures(pool: Sequence[Sample], known: Sequence[Sample]) -> dict[int, str]:
    """Which samples of a pool are files that are known, and what those are called.

    Only files of equal length are read.
    """
    by_size: dict[int, list[Sample]] = defaultdict(list)
    for sample in known:
        by_size[_size(sample)].append(sample)
    digests: dict[int, dict[bytes | None, str]] = {}
    found: dict[int, str] = {}
    for number, sample in enumerate(pool):
        size = _size(sample)
        if size < 0 or size not in by_size:
            continue
        if size not in digests:
            digests[size] = {_digest(one): one.where for one in by_size[size]}
        digest = _digest(sample)
        where = digests[size].get(digest)
        if digest is not None and where is not None:
            found[number] = where
    return found


def _samples(place: Path) -> tuple[list[Sample], list[Problem], list[str]]:
    """The pictures of one place, what is none, and what the user should know."""
    samples: list[Sample] = []
    problems: list[Problem] = []
    for one in find(place):
        match one:
            case Sample():
                samples.append(replace(one, label=-1))
            case Other(file):
                problems.append(Problem(file.where, "is not a picture"))
            case Stray():
                problems.append(Problem(one.where, one.reason))
    split = split_of(place, "pool")
    if not split:
        return samples, problems, []
    note = f"{place} has splits; only its {split} split is used as unlabelled pictures"
    return samples, problems, [note]


def _size(sample: Sample) -> int:
    """Length of the file in bytes; -1 if it cannot be told."""
    if sample.archive:
        return member_size(sample.archive, sample.path)
    try:
        return Path(sample.path).stat().st_size
    except OSError:
        return -1


def _digest(sample: Sample) -> bytes | None:
    """A digest of the file; None if it cannot be read."""
    try:
        if sample.archive:
            data = read_member(sample.archive, sample.path)
        else:
            data = Path(sample.path).read_bytes()
    except (ImageError, OSError):
        return None
    return hashlib.sha256(data).digest()
