"""Boxes in YOLO text files, read and written.

A line of ``labels/SPLIT/NAME.txt`` is ``CLASS CX CY W H``, centre and size as shares of the picture
``images/SPLIT/NAME.jpg``. Names come from ``data.yaml``, or from ``classes.txt`` (also in
``labels/``) with one a line. ``SPLIT/images`` with ``SPLIT/labels`` is read as well, and so are
splits that ``data.yaml`` gives as a folder, several folders or a list file.

Lines of outlines (``CLASS X Y X Y X Y ...``) become the boxes around them.
"""

from __future__ import annotations

import math
import posixpath
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from saccade.datasets.class_names import name_classes
from saccade.datasets.detection_set import (
    DetectionSample,
    DetectionSet,
    RawBox,
    build_sample,
    complete,
)
from saccade.datasets.layout import (
    PictureFinder,
    has_file,
    has_folder,
    inside,
    is_picture,
    name_in,
    picture_size,
    read_bytes,
)
from saccade.datasets.lists import parse_classes
from saccade.datasets.stores import Store
from saccade.datasets.tally import Kind, Tally
from saccade.datasets.yolo_layout import YoloPart, yolo_splits
from saccade.datasets.yolo_write import to_pixels, write_yolo, write_yolo_classes
from saccade.datasets.yolo_yaml import class_names, parse_data_yaml
from saccade.errors import DatasetError, ImageError

__all__ = ["YoloPart", "read_yolo", "write_yolo", "write_yolo_classes", "yolo_splits"]

_CLASS_FILES = ("classes.txt", "labels/classes.txt", "obj.names")

# A share beyond this is a pixel, not a share.
_MOST_SHARE = 2.0

_UNREADABLE = Kind(
    "1 picture can't be read and was left out", "{} pictures can't be read and were left out"
)
_NO_LABELS = Kind(
    "1 picture has no label file and counts as one without boxes",
    "{} pictures have no label files and count as pictures without boxes",
)
_NO_PICTURE = Kind(
    "1 label file belongs to no picture and was left out",
    "{} label files belong to no picture and were left out",
)
_MISSING = Kind(
    "1 picture of the list is missing and was left out",
    "{} pictures of the list are missing and were left out",
)
_TWICE = Kind(
    "1 picture is listed twice; it counts once",
    "{} pictures are listed more than once; each counts once",
)
_BROKEN_FILE = Kind(
    "1 label file can't be read; its picture was left out",
    "{} label files can't be read; their pictures were left out",
)
_BAD_LINE = Kind(
    "1 line is broken (expected CLASS CX CY W H) and was left out",
    "{} lines are broken (expected CLASS CX CY W H) and were left out",
)
_PIXELS = Kind(
    "1 line has numbers that are no shares of the picture (0 to 1) and was left out",
    "{} lines have numbers that are no shares of the picture (0 to 1) and were left out",
)
_NO_CLASS = Kind(
    "1 line has a class number that has no name and was left out",
    "{} lines have class numbers that have no names and were left out",
)
_OUTLINE = Kind(
    "1 line is an outline; the box around it is used",
    "{} lines are outlines; the boxes around them are used",
)
_SCORE = Kind(
    "1 line has a sixth number (a score?), which is ignored",
    "{} lines have a sixth number (a score?), which is ignored",
)
_COUNT = Kind("the count 'nc' of its data.yaml is not the number of names, which is used", "")


def read_yolo(store: Store, part: YoloPart, *, details: bool = False) -> DetectionSet:
    """Read a split. The sizes of all pictures are read from their headers.

    Args:
        store: where everything lies.
        part: one of `yolo_splits`.
        details: keep outlines, for conversion.

    Raises:
        DatasetError: no names of classes, or no picture that can be read.
    """
    tally = Tally(" + ".join(name_in(store, name) for name in (*part.folders, *part.listed)))
    classes = _classes(store, part.yaml, tally)
    samples: list[DetectionSample] = []
    pictures = _pictures(store, part, tally)
    labels = {name: _label_name(name) for name in pictures}
    present = [name for name in labels.values() if has_file(store, name)]
    for name, label in labels.items():
        located = store.locate(name)
        try:
            size = picture_size(located, store.archive)
        except ImageError:
            tally.add(_UNREADABLE, name)
            continue
        text = ""
        if not has_file(store, label):
            tally.add(_NO_LABELS, name)
        else:
            try:
                text = read_bytes(store, label).decode("utf-8-sig")
            except (DatasetError, UnicodeDecodeError):
                tally.add(_BROKEN_FILE, label)
                continue
        boxes = _parse(text, label, size, len(classes), tally, details)
        samples.append(
            build_sample(
                boxes,
                tally,
                path=located,
                archive=store.archive,
                image_id=len(samples) + 1,
                size=size,
            )
        )
    _count_orphans(store, part, set(present), tally)
    if not samples:
        reasons = "; ".join(str(problem) for problem in tally.problems())
        raise DatasetError(
            f"{tally.where}: no picture that can be read; {reasons or 'it is empty'}"
        )
    return complete(samples, classes, tuple(range(1, len(classes) + 1)), tally)


def _classes(store: Store, yaml: str, tally: Tally) -> tuple[str, ...]:
    listed = next((name for name in _CLASS_FILES if has_file(store, name)), "")
    if yaml:
        content = parse_data_yaml(store.text(yaml))
        try:
            names = class_names(content.get("names"), name_in(store, yaml))
        except DatasetError:
            if not listed:
                raise
        else:
            count = max(names) + 1
            if content.get("nc") not in (None, str(count)):
                tally.add(_COUNT)
            fallbacks = [f"class {number}" for number in range(count)]
            return name_classes([names.get(n, "") for n in range(count)], fallbacks, tally)
    if listed:
        return parse_classes(store.text(listed), name_in(store, listed))
    raise DatasetError(
        f"{store.where} has pictures and labels, but no names of classes; write a classes.txt into "
        "it with one name a line (line 1 is class 0), or a data.yaml with 'names'"
    )


def _pictures(store: Store, part: YoloPart, tally: Tally) -> list[str]:
    found: dict[str, None] = {}
    for folder in part.folders:
        found |= dict.fromkeys(name for name in store.files(folder) if is_picture(name))
    for listed in part.listed:
        # Paths are relative to the list, to the root, or to wherever the list was made.
        finder = PictureFinder(store, (posixpath.dirname(listed), "", "images"))
        for line in store.text(listed).split("\n"):
            if not line.strip():
                continue
            name = finder.find(_suffix_in(store, line))
            if name is None:
                tally.add(_MISSING, line.strip()[:80])
            elif name in found:
                tally.add(_TWICE, name)
            else:
                found[name] = None
    return list(found)


def _suffix_in(store: Store, line: str) -> str:
    """The part of an absolute path that lies below a folder of the store."""
    path = line.strip().replace("\\", "/")
    if inside(path):
        return path
    parts = path.split("/")
    tails = ("/".join(parts[start:]) for start in range(1, len(parts)))
    return next((tail for tail in tails if tail and has_file(store, tail)), path)


def _label_name(picture: str) -> str:
    """Where the labels of a picture lie: ``labels`` in place of the last ``images``."""
    folder, _, name = picture.rpartition("/")
    parts = folder.split("/") if folder else []
    if "images" in parts:
        last = len(parts) - 1 - parts[::-1].index("images")
        parts[last] = "labels"
    return "/".join([*parts, name.rpartition(".")[0] + ".txt"])


def _count_orphans(store: Store, part: YoloPart, known: set[str], tally: Tally) -> None:
    for folder in part.folders:
        labels = posixpath.dirname(_label_name(f"{folder}/_.jpg"))
        if labels == folder or not has_folder(store, labels):
            continue
        for name in store.files(labels):
            if name.endswith(".txt") and name not in known and not name.endswith("/classes.txt"):
                tally.add(_NO_PICTURE, name)


def _parse(
    text: str, name: str, size: tuple[int, int], classes: int, tally: Tally, details: bool
) -> list[RawBox]:
    height, width = size
    scale = np.array([width, height], np.float64)
    boxes = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{name} line {number}"
        values = _numbers(line)
        if values is None or len(values) < 5 or (len(values) > 6 and len(values) % 2 == 0):
            tally.add(_BAD_LINE, where)
        elif not (values[0].is_integer() and 0 <= values[0] < classes):
            tally.add(_NO_CLASS, f"{values[0]:g} ({where})")
        elif max(map(abs, values[1:5] if len(values) <= 6 else values[1:])) > _MOST_SHARE:
            tally.add(_PIXELS, where)
        elif len(values) <= 6:
            if len(values) == 6:
                tally.add(_SCORE, where)
            corners = to_pixels(np.array([values[1:5]]), scale)[0].tolist()
            boxes.append(_box(corners, values[0], {} if details else None))
        else:
            tally.add(_OUTLINE, where)
            points = np.array(values[1:]).reshape(-1, 2) * scale
            corners = [*points.min(axis=0).tolist(), *points.max(axis=0).tolist()]
            outline = {"segmentation": [points.ravel().tolist()]}
            boxes.append(_box(corners, values[0], outline if details else None))
    return boxes


def _box(corners: Sequence[float], label: float, details: Mapping[str, Any] | None) -> RawBox:
    left, top, right, bottom = corners
    return RawBox((left, top, right, bottom), int(label), details=details)


def _numbers(line: str) -> list[float] | None:
    try:
        values = [float(word) for word in line.split()]
    except ValueError:
        return None
    return values if all(map(math.isfinite, values)) and "_" not in line else None
