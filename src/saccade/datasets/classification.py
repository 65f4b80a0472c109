"""Pictures with one class each: ImageFolder, list files, and ``.zip`` packs read in place.

A place is any of::

    ROOT/train/CLASS/*.jpg       splits as folders, classes as folders below them
    ROOT/CLASS/*.jpg             no splits: everything is the split "train"
    ROOT/train.txt, classes.txt  lists of PATH<TAB>LABEL, paths relative to ROOT
    lists/train.txt              one such list, paths relative to its folder, or absolute; what is
                                 in a .zip is written pack.zip:train/1.jpg
    pack.zip                     any of the first three inside an archive, which is not unpacked

Class names, not numbers, tie a validation set to its training set.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from saccade.datasets.classification_set import ClassificationSet, Sample, split_holdout
from saccade.datasets.lists import name_rows, parse_classes, parse_list
from saccade.datasets.stores import (
    FolderStore,
    Store,
    is_archive,
    member_size,
    open_store,
    split_packed,
)
from saccade.errors import DatasetError, Problem, nearest
from saccade.imaging.read import IMAGE_SUFFIXES

__all__ = [
    "ClassificationSet",
    "Sample",
    "find_sample",
    "join_classification",
    "list_splits",
    "open_classification",
    "split_holdout",
]

Place: TypeAlias = "str | os.PathLike[str]"

_SPLITS = ("train", "val", "valid", "validation", "test")
_ALIASES = {"val": ("valid", "validation")}
_NOT_LISTS = ("classes", "coarse_classes", "labels", "readme", "license", "licence", "sources")


def open_classification(
    place: Place | Sequence[Place], split: str = "train", classes: Sequence[str] | None = None
) -> ClassificationSet:
    """Open a classification dataset; no picture is read yet.

    Args:
        place: folder, list file or ``.zip`` (see the module); or several of them, which are joined.
        split: which part. ``"val"`` also finds ``valid`` and ``validation``. A list file is itself
            one split; a folder of classes without splits has only ``"train"``.
        classes: the classes of the training set, to which labels are mapped by name. By default
            the place itself says which classes there are.

    Returns:
        The set. Missing pictures, repeated lines and empty classes are left out and listed in
        ``problems``.

    Raises:
        DatasetError: nothing of that kind at the place, no such split, a bad line or label (with
            its number), a class that the training set lacks, or no picture left.
    """
    if not isinstance(place, (str, os.PathLike)):
        return join_classification(
            [open_classification(one, split, classes) for one in place], classes
        )
    path = Path(place)
    given = tuple(classes) if classes is not None else None
    if path.is_file() and not is_archive(path):
        store: Store = FolderStore(path.parent)
        return _from_list(store, path.name, str(path), given, report_empty=given is None)
    store = open_store(path)
    kind, name = _find_split(store, split)
    if kind == "list":
        report_empty = given is None and split == "train"
        return _from_list(store, name, _name_in(store, name), given, report_empty)
    return _from_folders(store, name, given)


def find_sample(store: Store, path: str) -> Sample | None:
    """Find the picture that a line of a list means, with label 0.

    Args:
        store: the folder or archive of the list.
        path: of a file in it; in a folder also an absolute path, or ``pack.zip:member``.

    Returns:
        None if there is no such file.
    """
    try:
        if store.has(path):
            return Sample(store.locate(path), 0, store.archive)
    except OSError:  # a name that no disk can hold
        return None
    packed = None if store.archive else split_packed(store.locate(path))
    if packed is None or member_size(*packed) < 0:
        return None
    return Sample(packed[1], 0, str(Path(packed[0]).resolve()))


def list_splits(place: Place) -> tuple[str, ...]:
    """Name the splits that a place has, as `open_classification` takes them.

    Returns:
        For example ``("test", "train", "val")``; ``("train",)`` for a list file or a folder of
        classes.

    Raises:
        DatasetError: nothing is there.
    """
    path = Path(place)
    if path.is_file() and not is_archive(path):
        return ("train",)
    return _splits_of(open_store(path)) or ("train",)


def join_classification(
    sets: Sequence[ClassificationSet], classes: Sequence[str] | None = None
) -> ClassificationSet:
    """Make one set of several; classes of the same name become one.

    Args:
        sets: at least one.
        classes: the classes of the result; by default those of the first set, then the new ones of
            each next.

    Raises:
        DatasetError: no set, a class outside ``classes``, or one picture with two classes.
    """
    if not sets:
        raise DatasetError("no dataset to join; name at least one")
    names = tuple(
        classes if classes is not None else dict.fromkeys(c for s in sets for c in s.classes)
    )
    found = [(sample, one.classes[sample.label]) for one in sets for sample in one.samples]
    problems = [problem for one in sets for problem in one.problems]
    return _assemble(found, names, problems, " + ".join(one.place for one in sets))


def _splits_of(store: Store) -> tuple[str, ...]:
    folders, files = store.top()
    lists = {
        PurePosixPath(name).stem
        for name in files
        if name.endswith(".txt") and PurePosixPath(name).stem.lower() not in _NOT_LISTS
    }
    if "classes.txt" not in files:
        lists &= set(_SPLITS)
    return tuple(sorted(lists | {name for name in folders if name in _SPLITS}))


def _find_split(store: Store, split: str) -> tuple[str, str]:
    """Say how a split is stored: ("list", file name) or ("folders", folder, "" for the top)."""
    folders, _ = store.top()
    for name in (split, *_ALIASES.get(split, ())):
        if store.has(f"{name}.txt"):
            return "list", f"{name}.txt"
        if name in folders:
            return "folders", name
    known = _splits_of(store)
    if known:
        raise DatasetError(f"{store.where} has no split {split!r}; it has: {', '.join(known)}")
    if split == "train" and len(folders) > 1:
        return "folders", ""
    if folders and split != "train":
        raise DatasetError(
            f"{store.where} has no split {split!r}, only folders of classes; open it as 'train', "
            f"or sort its pictures into train/ and {split}/"
        )
    raise DatasetError(
        f"{store.where} is not a classification dataset; expected {split}.txt with classes.txt, "
        f"{split}/CLASS/pictures, or two or more folders CLASS/pictures"
    )


def _from_list(
    store: Store, name: str, where: str, given: tuple[str, ...] | None, report_empty: bool
) -> ClassificationSet:
    own = None
    if store.has("classes.txt"):
        own = parse_classes(store.text("classes.txt"), _name_in(store, "classes.txt"))
    rows = parse_list(store.text(name), where)
    names, named = name_rows(rows, where, own, given)
    found: list[tuple[Sample, str]] = []
    problems: list[Problem] = []
    for row, label in zip(rows, named, strict=True):
        sample = find_sample(store, row.path)
        if sample is not None:
            found.append((sample, label))
        else:
            problems.append(Problem(f"{where} line {row.line}", f"no such picture: {row.path}"))
    if not found:
        raise DatasetError(
            f"none of the {len(rows)} pictures of {where} exists, for example {rows[0].path}; "
            "paths must be relative to the folder of the list"
        )
    if report_empty:
        used = {label for _, label in found}
        problems += [
            Problem(where, f"class {name!r} has no picture") for name in names if name not in used
        ]
    return _assemble(found, names, problems, where, given)


def _from_folders(store: Store, name: str, given: tuple[str, ...] | None) -> ClassificationSet:
    where = _name_in(store, name)
    found: list[tuple[Sample, str]] = []
    problems: list[Problem] = []
    names = []
    for label in store.folders(name):
        below = f"{name}/{label}" if name else label
        pictures = [
            Sample(store.locate(file), 0, store.archive)
            for file in store.files(below)
            if PurePosixPath(file).suffix.lower() in IMAGE_SUFFIXES
        ]
        if pictures:
            names.append(label)
            found += [(picture, label) for picture in pictures]
        else:
            problems.append(Problem(f"{where}/{label}", "the class has no picture and is left out"))
    if not found or (not name and len(names) < 2):
        raise DatasetError(
            f"{where} has {len(names)} folder(s) with pictures; expected one folder for each "
            "class, with its pictures inside"
        )
    return _assemble(found, tuple(names), problems, where, given)


def _assemble(
    found: Sequence[tuple[Sample, str]],
    names: tuple[str, ...],
    problems: list[Problem],
    where: str,
    given: tuple[str, ...] | None = None,
) -> ClassificationSet:
    """Number the classes, and keep each picture once."""
    classes = given if given is not None else names
    number = {name: index for index, name in enumerate(classes)}
    seen: dict[tuple[str, str], str] = {}
    samples = []
    for sample, label in found:
        if label not in number:
            raise DatasetError(
                f"{where}: class {label!r} (for example {sample.where}) is not a class of the "
                f"training set{_hint(label, classes)}"
            )
        key = (sample.archive, sample.path)
        before = seen.setdefault(key, label)
        if before != label:
            raise DatasetError(
                f"{where}: {sample.where} is labelled both {before!r} and {label!r}; keep one"
            )
        samples.append(replace(sample, label=number[label]))
    if len(seen) < len(samples):
        samples, repeated = _once(samples)
        problems = [*problems, *repeated]
    return ClassificationSet(classes, tuple(samples), tuple(problems), where)


def _once(samples: list[Sample]) -> tuple[list[Sample], list[Problem]]:
    times = Counter(samples)
    problems = [
        Problem(sample.where, f"is listed {count} times; used once")
        for sample, count in times.items()
        if count > 1
    ]
    return list(times), problems


def _hint(name: str, classes: Sequence[str]) -> str:
    hint = nearest(name, classes)
    return f"; {hint}" if hint.startswith("did") or len(classes) <= 12 else ""


def _name_in(store: Store, name: str) -> str:
    return f"{store.where}:{name}" if store.archive else str(Path(store.where, name))
