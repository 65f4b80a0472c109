"""Boxes in COCO JSON files, read and written (format: cocodataset.org/#format-data).

Read are ``annotations/instances_SPLIT.json`` (or ``SPLIT.json``; also at the top, and
``SPLIT/_annotations.coco.json``), with the pictures in ``images/``, ``images/SPLIT/``, ``SPLIT/``
or beside the file. ``bbox`` is (x, y, width, height) in pixels. Classes are ordered by their ids,
whatever their order in the file; ids may have gaps.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from saccade.datasets.class_names import name_classes
from saccade.datasets.coco_layout import coco_splits, picture_folders
from saccade.datasets.coco_write import write_coco
from saccade.datasets.detection_kinds import MISSING
from saccade.datasets.detection_set import DetectionSet, RawBox, build_sample, complete
from saccade.datasets.json_values import as_flag, as_integer, as_key, as_number, short
from saccade.datasets.layout import PictureFinder, name_in, picture_size, read_bytes
from saccade.datasets.stores import FolderStore, Store
from saccade.datasets.tally import Kind, Tally
from saccade.errors import DatasetError, ImageError

__all__ = ["coco_splits", "open_coco_file", "read_coco", "write_coco"]

# What a sample has fields for; the rest is kept as details.
_IMAGE_KEYS = frozenset({"id", "file_name", "width", "height"})
_BOX_KEYS = frozenset({"image_id", "category_id", "bbox", "area", "iscrowd", "difficult"})

_NO_IDS = Kind("1 picture has an id that is no whole number; all were numbered anew", "")
_TWIN_IMAGES = Kind(
    "1 picture has the id of another and was left out",
    "{} pictures have the ids of others and were left out",
)
_BAD_IMAGES = Kind(
    "1 entry of 'images' is malformed and was left out",
    "{} entries of 'images' are malformed and were left out",
)
_UNREADABLE = Kind(
    "1 picture has no size in the file and can't be read; it was left out",
    "{} pictures have no size in the file and can't be read; they were left out",
)
_BAD_CATEGORIES = Kind(
    "1 entry of 'categories' is malformed or repeats an id and was left out",
    "{} entries of 'categories' are malformed or repeat an id and were left out",
)
_BAD_BOXES = Kind(
    "1 box is malformed (expected four finite numbers) and was left out",
    "{} boxes are malformed (expected four finite numbers) and were left out",
)
_NO_CATEGORY = Kind(
    "1 box has a category id that the file does not define and was left out",
    "{} boxes have category ids that the file does not define and were left out",
)
_NO_IMAGE = Kind(
    "1 box belongs to no picture of the file and was left out",
    "{} boxes belong to no picture of the file and were left out",
)
_TWIN_BOXES = Kind(
    "1 annotation is there twice, id and all; one was left out",
    "{} annotations are there twice, id and all; they count once",
)
_SAME_IDS = Kind(
    "1 annotation has the id of another; both are kept",
    "{} annotations have the ids of others; all are kept",
)
_NO_LIST = Kind("it has no list 'annotations'; no picture has a box", "")


def open_coco_file(path: Path, *, details: bool = False) -> DetectionSet:
    """Open one COCO file, with its pictures beside it or in the folders around it.

    Raises:
        DatasetError: see `read_coco`.
    """
    root = path.absolute().parent
    if root.name.lower() == "annotations":
        root = root.parent
    name = path.absolute().relative_to(root).as_posix()
    return read_coco(FolderStore(root), name, details=details, where=str(path))


def read_coco(
    store: Store, name: str, *, details: bool = False, where: str | None = None
) -> DetectionSet:
    """Read a COCO file; no picture is read, unless its size is missing.

    Args:
        store: where the file and the pictures lie.
        name: of the file.
        details: keep outlines and whatever else is said of a picture or box, for conversion.
        where: what messages call the file.

    Raises:
        DatasetError: no such file, no COCO file, or none of its pictures exists.
    """
    where = where or name_in(store, name)
    content = _parse(read_bytes(store, name), where)
    tally = Tally(where)
    labels, classes, ids = _categories(content["categories"], where, tally)
    finder = PictureFinder(store, picture_folders(store, name))
    pictures = _pictures(store, content["images"], finder, tally)
    boxes = _boxes(content.get("annotations"), labels, pictures, tally, details)
    samples = []
    for picture in pictures.values():
        if not picture.found:
            continue
        info = {k: v for k, v in picture.entry.items() if k not in _IMAGE_KEYS} if details else {}
        samples.append(
            build_sample(
                boxes.get(picture.image_id, ()),
                tally,
                path=store.locate(picture.found),
                archive=store.archive,
                image_id=picture.image_id,
                size=picture.size,
                info=info,
            )
        )
    if not samples:
        first = next((p.entry.get("file_name") for p in pictures.values()), None)
        raise DatasetError(
            f"{where}: none of its {len(content['images'])} pictures was found"
            + (f", for example {first!r}" if first else "")
            + f"; they are looked for inside {store.where}, in images/ and beside the file"
        )
    more = _further(content, ids) if details else None
    return complete(samples, classes, ids, tally, more)


class _Picture(NamedTuple):
    """An entry of ``images``; ``found`` is its name in the store, empty if it is left out."""

    image_id: int
    entry: Mapping[str, Any]
    found: str
    size: tuple[int, int]


def _parse(text: bytes, where: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except RecursionError as error:
        raise DatasetError(f"{where} is no COCO file: its JSON is nested too deeply") from error
    except ValueError as error:
        raise DatasetError(f"{where} is broken JSON ({error}); write it again") from error
    if isinstance(content, dict):
        lists = [key for key in ("images", "categories") if isinstance(content.get(key), list)]
        if len(lists) == 2:
            return content
        missing = "images" if "images" not in lists else "categories"
        raise DatasetError(f"{where} is no COCO file: it has no list {missing!r}")
    hint = " (that looks like detections, not labels)" if isinstance(content, list) else ""
    raise DatasetError(
        f"{where} is no COCO file{hint}; expected an object with images, annotations and categories"
    )


def _categories(
    entries: Sequence[Any], where: str, tally: Tally
) -> tuple[dict[int, int], tuple[str, ...], tuple[int, ...]]:
    """The label of each category id, the names, and the ids by label."""
    names: dict[int, str] = {}
    for entry in entries:
        number = as_integer(entry.get("id")) if isinstance(entry, dict) else None
        if number is None or number in names:
            tally.add(_BAD_CATEGORIES, short(entry))
            continue
        name = entry.get("name")
        names[number] = name if isinstance(name, str) else ""
    if not names:
        raise DatasetError(
            f"{where} defines no category; expected a list of {{'id': 1, 'name': 'cat'}}"
        )
    ids = tuple(sorted(names))
    classes = name_classes([names[i] for i in ids], [f"category {i}" for i in ids], tally)
    return {number: label for label, number in enumerate(ids)}, classes, ids


def _pictures(
    store: Store, entries: Sequence[Any], finder: PictureFinder, tally: Tally
) -> dict[object, _Picture]:
    """The pictures by the ids that annotations name them by."""
    valid = [
        e
        for e in entries
        if isinstance(e, dict)
        and isinstance(e.get("file_name"), str)
        and as_key(e.get("id")) is not None
    ]
    tally.add(_BAD_IMAGES, count=len(entries) - len(valid))
    numbered = all(isinstance(as_key(e["id"]), int) for e in valid)
    if not numbered:
        tally.add(_NO_IDS)
    pictures: dict[object, _Picture] = {}
    for position, entry in enumerate(valid, start=1):
        key = as_key(entry["id"])
        file_name = entry["file_name"]
        if key in pictures:
            tally.add(_TWIN_IMAGES, short(file_name))
            continue
        image_id = key if numbered and isinstance(key, int) else position
        found, size = finder.find(file_name) or "", _size(entry)
        if not found:
            tally.add(MISSING, short(file_name))
        elif size is None:
            try:
                size = picture_size(store.locate(found), store.archive)
            except ImageError:
                tally.add(_UNREADABLE, short(file_name))
                found = ""
        pictures[key] = _Picture(image_id, entry, found, size or (1, 1))
    return pictures


def _size(entry: Mapping[str, Any]) -> tuple[int, int] | None:
    height, width = as_integer(entry.get("height")), as_integer(entry.get("width"))
    if height is None or width is None or not (0 < height < 1e6 and 0 < width < 1e6):
        return None
    return height, width


def _boxes(
    entries: object,
    labels: Mapping[int, int],
    pictures: Mapping[object, _Picture],
    tally: Tally,
    details: bool,
) -> dict[int, list[RawBox]]:
    """The boxes of each picture, by its id in the set."""
    boxes: dict[int, list[RawBox]] = {}
    if not isinstance(entries, list):
        tally.add(_NO_LIST)
        return boxes
    seen: dict[object, object] = {}
    for entry in entries:
        if not isinstance(entry, dict):
            tally.add(_BAD_BOXES, short(entry))
            continue
        number = as_key(entry.get("id"))
        name = f"id {entry.get('id')!r:.30}"
        picture = pictures.get(as_key(entry.get("image_id")))
        label = labels.get(_or(as_integer(entry.get("category_id")), -1))
        corners = _corners(entry)
        if picture is None:
            tally.add(_NO_IMAGE, name)
        elif label is None:
            tally.add(_NO_CATEGORY, f"{short(entry.get('category_id'))} ({name})")
        elif corners is None:
            tally.add(_BAD_BOXES, name)
        elif number is not None and number in seen and seen[number] == entry:
            tally.add(_TWIN_BOXES, name)
        else:
            if number is not None and number in seen:
                tally.add(_SAME_IDS, name)
            if number is not None:
                seen[number] = entry
            more = {k: v for k, v in entry.items() if k not in _BOX_KEYS} if details else None
            difficult = as_flag(entry.get("difficult"))
            boxes.setdefault(picture.image_id, []).append(
                RawBox(
                    corners,
                    label,
                    as_flag(entry.get("iscrowd")),
                    difficult,
                    as_number(entry.get("area")),
                    more,
                )
            )
    return boxes


def _corners(entry: Mapping[str, Any]) -> tuple[float, float, float, float] | None:
    """The corners of the box; of the outline where there is no box."""
    box = entry.get("bbox")
    if isinstance(box, list) and len(box) == 4:
        numbers = [as_number(value) for value in box]
        x, y, width, height = numbers
        if x is None or y is None or width is None or height is None:
            return None
        return x, y, x + width, y + height
    outline = entry.get("segmentation")
    if box is None and isinstance(outline, list):
        points = [as_number(v) for ring in outline if isinstance(ring, list) for v in ring]
        known = [value for value in points if value is not None]
        if len(known) == len(points) >= 6 and len(points) % 2 == 0:
            return min(known[::2]), min(known[1::2]), max(known[::2]), max(known[1::2])
    return None


def _further(content: Mapping[str, Any], ids: Sequence[int]) -> dict[str, Any]:
    more = {k: v for k, v in content.items() if k not in ("images", "annotations", "categories")}
    by_id = {as_integer(e.get("id")): e for e in reversed(content["categories"]) if type(e) is dict}
    more["categories"] = [
        {k: v for k, v in by_id[number].items() if k not in ("id", "name")} for number in ids
    ]
    return more


def _or(value: int | None, other: int) -> int:
    return other if value is None else value
