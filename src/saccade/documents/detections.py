"""What was found in many pictures, as one COCO file or a folder of YOLO label files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from saccade._files import whole_file
from saccade.errors import ImageError
from saccade.geometry.boxes import xyxy_to_xywh
from saccade.results import Detections

__all__ = ["YoloFolder", "to_coco", "write_coco"]


def to_coco(found: Iterable[Detections], classes: Sequence[str]) -> dict[str, Any]:
    """A COCO dataset of pictures and what was found in them.

    Every annotation also holds what an entry of a COCO *result* file does (``image_id,
    category_id, bbox, score``), so ``document["annotations"]`` is one.

    Args:
        found: The results, in the order of the pictures; a frame of a video is a picture whose
            entry also has ``frame``.
        classes: Names of all classes of the model; the category of the first has the number 1.

    Returns:
        ``{"images", "annotations", "categories"}``; pictures and annotations count from 1.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, item in enumerate(found, 1):
        image = {"id": number, "file_name": item.image, "width": item.width, "height": item.height}
        images.append(image if item.frame is None else {**image, "frame": item.frame})
        sides = xyxy_to_xywh(item.boxes)[:, 2:].tolist()
        for entry, (width, height) in zip(item.to_coco(number), sides, strict=True):
            extra = {"area": round(width * height, 3), "iscrowd": 0}
            annotations.append({"id": len(annotations) + 1, **entry, **extra})
    categories = [{"id": number, "name": name} for number, name in enumerate(classes, 1)]
    return {"images": images, "annotations": annotations, "categories": categories}


def write_coco(path: Path, found: Iterable[Detections], classes: Sequence[str]) -> None:
    """Write :func:`to_coco` into a file, which appears whole or not at all.

    Raises:
        ImageError: It cannot be written.
    """
    text = json.dumps(to_coco(found, classes), ensure_ascii=False, allow_nan=False)
    _write(path, f"{text}\n")


class YoloFolder:
    """A folder of YOLO label files, one for each picture, and ``classes.txt``.

    Args:
        folder: Made if need be.
        classes: Names of all classes of the model.

    Raises:
        ImageError: The folder cannot be made or written.
    """

    def __init__(self, folder: Path, classes: Sequence[str]) -> None:
        self._folder = folder
        self._taken = {"classes"}
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ImageError(
                f"{folder}: cannot be made a folder ({error.strerror}); choose another"
            ) from error
        # A line is a class, so a name is one line.
        _write(folder / "classes.txt", "".join(f"{' '.join(name.split())}\n" for name in classes))

    def write(self, found: Detections, *, scores: bool = False) -> Path:
        """Write the label file of one picture; it is empty where nothing was found.

        Args:
            found: What was found.
            scores: See :meth:`Detections.to_yolo`.

        Returns:
            The file: named after the picture, with the number of the frame in a video; pictures of
            one name from two folders get numbers.

        Raises:
            ImageError: It cannot be written.
        """
        stem = Path(found.image).stem.replace(":", "-")
        if found.frame is not None:
            stem = f"{stem}-{found.frame:06d}"
        name, number = stem, 1
        while name in self._taken:
            number += 1
            name = f"{stem}-{number}"
        self._taken.add(name)
        path = self._folder / f"{name}.txt"
        _write(path, found.to_yolo(scores=scores))
        return path


def _write(target: Path, content: str) -> None:
    try:
        with whole_file(target) as beside:
            beside.write_text(content, encoding="utf-8")
    except OSError as error:
        raise ImageError(
            f"cannot write {target}: {error.strerror or error}; choose another place"
        ) from error
