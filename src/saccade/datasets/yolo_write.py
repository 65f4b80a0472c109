"""Boxes written as YOLO text files; see `saccade.datasets.yolo`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from saccade.datasets.detection_set import DetectionSample, DetectionSet
from saccade.datasets.rounding import plain, shortest
from saccade.datasets.yolo_yaml import format_names
from saccade.geometry.boxes import cxcywh_to_xyxy, xyxy_to_cxcywh

__all__ = ["to_pixels", "write_yolo", "write_yolo_classes"]

# Digits that are always written, as other tools do.
_DECIMALS = 6


def to_pixels(shares: np.ndarray, scale: np.ndarray) -> np.ndarray:
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
    rows, decimals = shortest(exact, lambda shares: to_pixels(shares, scale), boxes, _DECIMALS)
    lines = []
    for label, row, count in zip(
        sample.labels[~sample.crowd], rows.tolist(), decimals, strict=True
    ):
        lines.append(" ".join([str(label), *(plain(value, count) for value in row)]) + "\n")
    return "".join(lines)
