"""Pictures with two coloured rectangles each, as COCO folders, for detectors to learn."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

COLOURS = {"blue": (40, 60, 220), "red": (220, 40, 40)}


def draw_shapes(
    count: int, seed: int = 0, size: tuple[int, int] = (120, 140)
) -> list[tuple[np.ndarray, list[tuple[list[int], int]]]]:
    """Pictures, and of each its boxes (x, y, width, height) with their classes."""
    rng = np.random.default_rng(seed)
    height, width = size
    half = width // 2
    found = []
    for number in range(count):
        image = rng.integers(90, 130, (height, width, 3), dtype=np.uint8)
        boxes = []
        for side in range(2):
            w, h = (int(v) for v in rng.integers(30, half - 5, 2))
            x, y = half * side + int(rng.integers(half - w)), int(rng.integers(height - h))
            label = (number + side) % 2
            image[y : y + h, x : x + w] = list(COLOURS.values())[label]
            boxes.append(([x, y, w, h], label))
        found.append((image, boxes))
    return found


def write_shapes(
    root: Path,
    count: int = 6,
    *,
    seed: int = 0,
    splits: Sequence[str] = ("train", "val"),
    names: Sequence[str] = tuple(COLOURS),
    empty: int = 0,
) -> Path:
    """A COCO folder whose splits all have the same pictures; the last ``empty`` have no box."""
    (root / "images").mkdir(parents=True)
    (root / "annotations").mkdir()
    images, annotations = [], []
    for number, (image, boxes) in enumerate(draw_shapes(count, seed)):
        name = f"{seed}_{number}.png"
        cv2.imwrite(str(root / "images" / name), np.ascontiguousarray(image[..., ::-1]))
        height, width = image.shape[:2]
        images.append({"id": number + 1, "file_name": name, "width": width, "height": height})
        annotations += [
            {
                "id": 2 * number + side + 1,
                "image_id": number + 1,
                "category_id": label + 1,
                "bbox": box,
                "area": box[2] * box[3],
                "iscrowd": 0,
            }
            for side, (box, label) in enumerate(boxes)
            if number < count - empty
        ]
    content = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": i + 1, "name": name} for i, name in enumerate(names)],
    }
    for split in splits:
        (root / f"annotations/instances_{split}.json").write_text(json.dumps(content))
    return root
