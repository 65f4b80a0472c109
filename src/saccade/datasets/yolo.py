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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from saccade.datasets.detection_set import (
    DetectionSample,
    DetectionSet,
    Kind,
    RawBox,
    Tally,
    build_sample,
    complete,
    name_classes,
)
from saccade.datasets.layout import (
    PictureFinder,
    has_file,
    has_folder,
    inside,
    is_picture,
    name_in,
    name_splits,
    picture_size,
    read_bytes,
)
from saccade.datasets.lists import parse_classes
from saccade.datasets.rounding import plain, shortest
from saccade.datasets.stores import Store
from saccade.datasets.yolo_yaml import class_names, format_names, parse_data_yaml
from saccade.errors import DatasetError, ImageError
from saccade.geometry.boxes import cxcywh_to_xyxy, xyxy_to_cxcywh

__all__ = ["YoloPart", "read_yolo", "write_yolo", "write_yolo_classes", "yolo_splits"]

_YAML_FILES = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
_CLASS_FILES = ("classes.txt", "labels/classes.txt", "obj.names")
_SPLITS = ("train", "val", "valid", "validation", "test")

# A share beyond this is a pixel, not a share.
_MOST_SHARE = 2.0
# Digits that are always written, as other tools do.
_DECIMALS = 6

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


@dataclass(frozen=True)
class YoloPart:
    """Where a split lies in a store.

    Attributes:
        folders: of pictures, which are searched to the bottom.
        listed: names of files that list pictures.
        yaml: name of the ``data.yaml``, or empty.
    """

    folders: tuple[str, ...]
    listed: tuple[str, ...] = ()
    yaml: str = ""


def yolo_splits(store: Store, yaml: str = "") -> dict[str, YoloPart]:
    """Find the splits of a YOLO dataset; none if the place is no such dataset.

    Args:
        store: the place.
        yaml: name of its ``data.yaml``, if it was named; by default it is looked for.

    Raises:
        DatasetError: ``data.yaml`` speaks of splits, and none is there.
    """
    folders, files = store.top()
    yaml = yaml or next((name for name in _YAML_FILES if name in files), "")
    content = parse_data_yaml(store.text(yaml)) if yaml else {}
    told = {
        name: value
        for name, value in content.items()
        if value and (name in _SPLITS or str(value).startswith("images/"))
    }
    parts = {
        name: _resolve(store, value, content.get("path"), yaml) for name, value in told.items()
    }
    found = {name: part for name, part in parts.items() if part.folders or part.listed}
    if found:
        return name_splits(found)
    for inner, outer in (("images/{}", "labels"), ("{}/images", "{}/labels")):
        for name in _SPLITS:
            if has_folder(store, inner.format(name)) and has_folder(store, outer.format(name)):
                found[name] = YoloPart((inner.format(name),), (), yaml)
        if found:
            return name_splits(found)
    if "images" in folders and "labels" in folders:
        return {"train": YoloPart(("images",), (), yaml)}
    if told:
        where = name_in(store, yaml)
        raise DatasetError(
            f"{where} names {', '.join(f'{k}: {v}' for k, v in told.items())}, and none of these "
            f"is a folder or list inside {store.where}; expected paths relative to the file"
        )
    return {}


def _resolve(store: Store, value: Any, base: Any, yaml: str) -> YoloPart:
    """Find the folders and lists of a split, whatever their paths were relative to."""
    folders, lists = [], []
    for given in [value] if isinstance(value, str) else value if isinstance(value, list) else []:
        start = inside(base) if isinstance(base, str) else ""
        # Exports are known to write ../train/images for what lies beside the file.
        plain = given.strip().replace("\\", "/")
        while plain.startswith(("../", "./")):
            plain = plain.partition("/")[2]
        whole = posixpath.basename(plain.rstrip("/"))
        for tried in (posixpath.join(start, plain), plain, f"images/{whole}", f"{whole}/images"):
            name = inside(tried)
            if name and has_file(store, name):
                lists.append(name)
                break
            if name and has_folder(store, name):
                folders.append(name)
                break
    return YoloPart(tuple(folders), tuple(lists), yaml)


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
            corners = _to_pixels(np.array([values[1:5]]), scale)[0].tolist()
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


def _to_pixels(shares: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Centres and sizes as shares to corners in pixels, float64 (N, 4)."""
    pixels: np.ndarray = cxcywh_to_xyxy(shares) * np.tile(scale, 2)
    return pixels


def write_yolo(root: Path, split: str, whole: DetectionSet, names: Sequence[str]) -> None:
    """Write ``labels/SPLIT/*.txt``. What counts for nothing is left out: YOLO can't mark it.

    Shares have six decimals, and more where the same float32 corners need them.

    Args:
        root: folder of the dataset.
        split: its name.
        whole: the boxes.
        names: of the pictures in ``images/SPLIT/``; they differ without their endings.
    """
    folder = root / "labels" / split
    folder.mkdir(parents=True, exist_ok=True)
    for sample, name in zip(whole.samples, names, strict=True):
        text = _lines(sample)
        (folder / f"{name.rpartition('.')[0]}.txt").write_text(text, encoding="utf-8")


def write_yolo_classes(root: Path, classes: Sequence[str], splits: Sequence[str]) -> None:
    """Write ``data.yaml``. It has no ``path``, so that the folder can be moved."""
    lines = [f"{split}: images/{split}\n" for split in splits]
    text = "".join([*lines, f"nc: {len(classes)}\n", format_names(classes)])
    (root / "data.yaml").write_text(text, encoding="utf-8")


def _lines(sample: DetectionSample) -> str:
    boxes = sample.boxes[~sample.crowd]
    scale = np.array([sample.width, sample.height], np.float64)
    exact = xyxy_to_cxcywh(boxes.astype(np.float64)) / np.tile(scale, 2)
    rows, decimals = shortest(exact, lambda shares: _to_pixels(shares, scale), boxes, _DECIMALS)
    lines = []
    for label, row, count in zip(
        sample.labels[~sample.crowd], rows.tolist(), decimals, strict=True
    ):
        lines.append(" ".join([str(label), *(plain(value, count) for value in row)]) + "\n")
    return "".join(lines)
