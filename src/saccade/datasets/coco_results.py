"""Files of boxes that a model found, in COCO's form for results.

A list of ``{"image_id", "category_id", "bbox": [x, y, width, height], "score"}``, in pixels. A COCO
dataset whose annotations have scores, as ``saccade detect --coco`` writes it, is read as well. What
else an entry holds (outlines, ...) is not kept.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from saccade._files import whole_file
from saccade.datasets.json_values import is_number
from saccade.errors import DatasetError, Problem
from saccade.geometry.boxes import xywh_to_xyxy, xyxy_to_xywh
from saccade.geometry.overlaps import usable

__all__ = ["CocoResults", "ImageId", "Rows", "read_coco_results", "write_coco_results"]

ImageId: TypeAlias = int | str
Rows: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Boxes float64 (N, 4) xyxy in pixels, scores float64 (N,), category ids int64 (N,)."""

# Of a written box; what is beyond comes of adding and subtracting.
_DIGITS = 6
_WANTED = "expected image_id, category_id, bbox [x, y, width, height] and score"


@dataclass(frozen=True, eq=False)
class CocoResults:
    """What one model found.

    Attributes:
        path: the file.
        pictures: the rows of each picture that has any, by its id, in the order of the file.
        names: what the file says of its ``images`` and ``categories``, where it has them: name by
            kind and id.
        problems: what was left out.
    """

    path: Path
    pictures: Mapping[ImageId, Rows]
    names: Mapping[tuple[str, ImageId], str]
    problems: tuple[Problem, ...] = ()

    def __len__(self) -> int:
        return sum(len(scores) for _, scores, _ in self.pictures.values())


def read_coco_results(path: str | os.PathLike[str]) -> CocoResults:
    """Read a file of results.

    Boxes with a NaN, an infinity or a coordinate beyond ±1e100 are left out and counted.

    Raises:
        DatasetError: the file cannot be read, is no such file, or has an entry that is none.
    """
    path = Path(path)
    entries, names = _entries(path)
    images: dict[ImageId, int] = {}
    numbers = np.empty(len(entries), np.int64)
    labels = np.empty(len(entries), np.int64)
    values = np.empty((len(entries), 5))
    for number, entry in enumerate(entries):
        try:
            image, labels[number], values[number] = _parse(entry)
        except ValueError as error:
            raise DatasetError(f"{path}: entry {number + 1} {error}; {_WANTED}") from None
        numbers[number] = images.setdefault(image, len(images))
    with np.errstate(invalid="ignore", over="ignore"):
        boxes, scores = xywh_to_xyxy(values[:, :4]), values[:, 4]
        good = usable(boxes, scores)
    problems: tuple[Problem, ...] = ()
    if not good.all():
        count = int((~good).sum())
        first = int(np.flatnonzero(~good)[0]) + 1
        problems = (
            Problem(
                str(path),
                f"{count} box{'es' * (count != 1)} with numbers that are not finite left out, "
                f"for example entry {first}",
            ),
        )
    chosen = np.flatnonzero(good)
    chosen = chosen[np.argsort(numbers[chosen], kind="stable")]
    cuts = np.searchsorted(numbers[chosen], np.arange(1, len(images)))
    rows = np.split(chosen, cuts) if images else []
    pictures = {
        image: (boxes[row], scores[row], labels[row])
        for image, row in zip(images, rows, strict=True)
    }
    return CocoResults(path, pictures, names, problems)


def write_coco_results(
    path: str | os.PathLike[str], pictures: Iterable[tuple[ImageId, Rows]]
) -> int:
    """Write a file of results, an entry a line; it appears whole or not at all.

    Returns:
        How many entries it has.

    Raises:
        DatasetError: the file cannot be written.
    """
    target = Path(path)
    if not target.name:
        raise DatasetError(f"{target} is a folder; expected the name of a file to write")
    count = 0
    try:
        with whole_file(target) as beside, beside.open("x", encoding="utf-8") as out:
            out.write("[")
            for image, (boxes, scores, labels) in pictures:
                sides = np.round(xyxy_to_xywh(boxes), _DIGITS).tolist()
                rows = zip(sides, scores.tolist(), labels.tolist(), strict=True)
                for box, score, label in rows:
                    entry = {"image_id": image, "category_id": label, "bbox": box, "score": score}
                    out.write(",\n" if count else "\n")
                    out.write(json.dumps(entry, ensure_ascii=False, allow_nan=False))
                    count += 1
            out.write("\n]\n")
            out.flush()
            os.fsync(out.fileno())
    except OSError as error:
        raise DatasetError(
            f"{target} cannot be written ({error.strerror or error}); choose another place"
        ) from error
    return count


def _entries(path: Path) -> tuple[list[Any], dict[tuple[str, ImageId], str]]:
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({error.strerror or error})") from error
    except (ValueError, RecursionError) as error:
        raise DatasetError(
            f"{path} is no JSON ({error}); expected a COCO file of results"
        ) from error
    names: dict[tuple[str, ImageId], str] = {}
    if isinstance(document, dict):
        for kind, name in (("images", "file_name"), ("categories", "name")):
            listed = document.get(kind)
            for one in listed if isinstance(listed, list) else []:
                if isinstance(one, dict) and _is_id(one.get("id")):
                    names[kind, one["id"]] = str(one.get(name))
        document = document.get("annotations")
    if not isinstance(document, list):
        raise DatasetError(
            f"{path} holds no list of results; expected a list, each with image_id, category_id, "
            "bbox [x, y, width, height] and score"
        )
    return document, names


def _parse(entry: Any) -> tuple[ImageId, int, list[float]]:
    """Image, category, and the numbers x, y, width, height, score."""
    if not isinstance(entry, dict):
        raise ValueError(f"is {_short(entry)}")
    for key in ("image_id", "category_id", "bbox", "score"):
        if key not in entry:
            raise ValueError(f"has no {key}")
    image, category, box, score = (
        entry[key] for key in ("image_id", "category_id", "bbox", "score")
    )
    if not _is_id(image):
        raise ValueError(f"has the image_id {_short(image)}")
    whole = is_number(category) and (isinstance(category, int) or category.is_integer())
    if not whole or abs(category) >= 2**63:
        raise ValueError(f"has the category_id {_short(category)}")
    if not isinstance(box, list) or len(box) != 4 or not all(map(is_number, box)):
        raise ValueError(f"has the bbox {_short(box)}")
    if not is_number(score) or score < 0:
        raise ValueError(f"has the score {_short(score)}, which is not a number from 0 on")
    return image, int(category), [_float(number) for number in (*box, score)]


def _is_id(value: Any) -> bool:
    return isinstance(value, int | str) and not isinstance(value, bool)


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf")


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:37]}..."
