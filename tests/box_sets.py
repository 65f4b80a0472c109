"""Small datasets of boxes, laid out as files, for several tests."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

Files = Mapping[str, "bytes | str | dict[str, Any]"]


def png(width: int = 20, height: int = 10, colour: tuple[int, int, int] = (9, 8, 7)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(buffer, "PNG")
    return buffer.getvalue()


def lay_out(root: Path, files: Files, packed: bool = False) -> Path:
    """Write files below a folder, or into a ``.zip`` there; dicts become JSON."""
    plain = {
        name: json.dumps(content, ensure_ascii=False).encode()
        if isinstance(content, dict)
        else content.encode()
        if isinstance(content, str)
        else content
        for name, content in files.items()
    }
    if packed:
        root.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(root / "pack.zip", "w") as archive:
            for name, content in plain.items():
                archive.writestr(name, content)
        return root / "pack.zip"
    for name, content in plain.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def coco(
    boxes: Iterable[Mapping[str, Any]] = (), images: int = 1, categories: Any = None
) -> dict[str, Any]:
    """A COCO file over the pictures ``1.png``, ``2.png``, ... of 20 x 10 pixels."""
    return {
        "images": [
            {"id": number, "file_name": f"{number}.png", "width": 20, "height": 10}
            for number in range(1, images + 1)
        ],
        "annotations": [
            {"id": n, "image_id": 1, "category_id": 1, "iscrowd": 0, "bbox": [1, 2, 3, 4], **box}
            for n, box in enumerate(boxes, start=1)
        ],
        "categories": categories or [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
    }


def coco_place(root: Path, content: Any, packed: bool = False, images: int = 3) -> Path:
    """A COCO folder or pack with one split."""
    pictures = {f"images/{n}.png": png() for n in range(1, images + 1)}
    text = content if isinstance(content, str | bytes) else json.dumps(content)
    return lay_out(root, {"annotations/instances_train.json": text, **pictures}, packed)


def voc_object(name: str = "cat", box: Any = (2, 3, 4, 6), more: str = "") -> str:
    corners = "".join(
        f"<{key}>{value}</{key}>"
        for key, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=False)
    )
    return f"<object><name>{name}</name>{more}<bndbox>{corners}</bndbox></object>"


def voc(*objects: str, size: tuple[int, int] = (20, 10), filename: str = "x.png") -> str:
    width, height = size
    return (
        f"<annotation><filename>{filename}</filename><size><width>{width}</width>"
        f"<height>{height}</height><depth>3</depth></size>{''.join(objects)}</annotation>"
    )


def reasons(whole: Any) -> str:
    return "\n".join(problem.reason for problem in whole.problems)


def same_boxes(first: Any, second: Any) -> bool:
    """Whether two sets have the same boxes and labels on pictures in the same order."""
    return len(first) == len(second) and all(
        np.array_equal(a.boxes, b.boxes)
        and np.array_equal(a.labels, b.labels)
        and (a.width, a.height) == (b.width, b.height)
        for a, b in zip(first.samples, second.samples, strict=True)
    )
