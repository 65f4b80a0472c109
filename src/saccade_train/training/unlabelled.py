"""Pictures without labels, beside those of a training: a folder, a list file, or a ``.zip``.

What a place says about classes is ignored. A folder or an archive is read with all its sub-folders;
where it is a dataset of several splits, only its train split is taken, since a picture that is
evaluated with must not be learnt from. Of a list file the paths count, with labels behind them or
not.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from saccade.datasets.classification import ClassificationSet, Sample, find_sample
from saccade.datasets.stores import FolderStore, Store, member_size, open_store, read_member
from saccade.errors import DatasetError, ImageError, Problem
from saccade.imaging.read import IMAGE_SUFFIXES
from saccade_train._types import Image
from saccade_train.augment.geometric import shrink_short
from saccade_train.recipes.schema import DataOptions

from .data import Places, place_list
from .pictures import Pictures, Shape, load_pictures
from .report import Report

__all__ = ["load_unlabelled", "open_unlabelled", "same_pictures", "without_leaks"]

_EVALUATED = ("val", "valid", "validation", "test")


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
    if place.is_file() and not _is_archive(place):
        store: Store = FolderStore(place.parent)
        return *_listed(store, place.name, str(place)), []
    store = open_store(place)
    folders, files = store.top()
    names = {name.removesuffix(".txt") for name in files if name.endswith(".txt")} | set(folders)
    if "train" not in names or names.isdisjoint(_EVALUATED):
        return *_below(store, ""), []
    note = [f"{place} has splits; only its train split is used as unlabelled pictures"]
    if "train.txt" in files:
        return *_listed(store, "train.txt", f"{place}:train.txt"), note
    return *_below(store, "train"), note


def _below(store: Store, folder: str) -> tuple[list[Sample], list[Problem]]:
    samples: list[Sample] = []
    problems: list[Problem] = []
    for name in store.files(folder):
        sample = Sample(store.locate(name), -1, store.archive)
        if PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES:
            samples.append(sample)
        else:
            problems.append(Problem(sample.where, "is not a picture"))
    return samples, problems


def _listed(store: Store, name: str, where: str) -> tuple[list[Sample], list[Problem]]:
    samples: list[Sample] = []
    problems: list[Problem] = []
    for number, path in _paths(store, store.text(name)):
        sample = find_sample(store, path)
        if sample is not None:
            samples.append(replace(sample, label=-1))
        else:
            problems.append(Problem(f"{where} line {number}", f"no such picture: {path}"))
    return samples, problems


def _paths(store: Store, text: str) -> Iterator[tuple[int, str]]:
    """Line number and path: before a tab, or the whole line, or all but its last word."""
    for number, line in enumerate(text.split("\n"), start=1):
        path = line.partition("\t")[0].strip()
        if not path:
            continue
        if "\t" not in line and " " in path and not store.has(path):
            path = path.rpartition(" ")[0].strip()
        yield number, str(PurePosixPath(path))


def _is_archive(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


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
