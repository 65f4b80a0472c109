"""Boxes written as Pascal VOC XML files; see `saccade.datasets.voc`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

import numpy as np

from saccade.datasets.class_names import clean_name
from saccade.datasets.detection_set import DetectionSample, DetectionSet
from saccade.datasets.rounding import plain, shortest

__all__ = ["FLAGS", "write_voc", "write_voc_classes"]

FLAGS = ("truncated", "occluded")
"""Marks of a box, beside ``difficult``."""


def write_voc(root: Path, split: str, whole: DetectionSet, names: Sequence[str]) -> None:
    """Write ``Annotations/*.xml`` and ``ImageSets/Main/SPLIT.txt``.

    Corners are whole numbers where they can be, and else have as few decimals as give back the
    same float32.

    Args:
        root: folder of the dataset.
        split: its name.
        whole: the boxes. What counts for nothing is written as difficult.
        names: of the pictures in ``JPEGImages/``, one for each sample; they differ without endings.
    """
    folder = root / "Annotations"
    folder.mkdir(parents=True, exist_ok=True)
    stems = [name.rpartition(".")[0] for name in names]
    for sample, name, stem in zip(whole.samples, names, stems, strict=True):
        tree = ElementTree(_annotation(sample, name, whole.classes))
        indent(tree, "\t")
        tree.write(folder / f"{stem}.xml", encoding="utf-8")
    target = root / "ImageSets" / "Main" / f"{split}.txt"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("".join(f"{stem}\n" for stem in stems), encoding="utf-8")


def write_voc_classes(root: Path, classes: Sequence[str]) -> None:
    """Write ``classes.txt``, which keeps the order of the classes and those without a box."""
    text = "".join(f"{name}\n" for name in classes)
    (root / "classes.txt").write_text(text, encoding="utf-8")


def _annotation(sample: DetectionSample, name: str, classes: Sequence[str]) -> Element:
    root = Element("annotation")
    _add(root, "folder", "JPEGImages")
    _add(root, "filename", name)
    size = SubElement(root, "size")
    for key, value in (("width", sample.width), ("height", sample.height), ("depth", 3)):
        _add(size, key, str(value))
    _add(root, "segmented", "0")
    offset = np.array([1, 1, 0, 0], np.float64)
    numbers, decimals = shortest(
        sample.boxes.astype(np.float64) + offset, lambda rows: rows - offset, sample.boxes
    )
    for number, row in enumerate(numbers.tolist()):
        more = sample.details[number] if sample.details else {}
        thing = SubElement(root, "object")
        _add(thing, "name", classes[int(sample.labels[number])])
        pose = more.get("pose")
        _add(thing, "pose", pose if isinstance(pose, str) and clean_name(pose) else "Unspecified")
        for key in FLAGS:
            _add(thing, key, "1" if more.get(key) == 1 else "0")
        _add(thing, "difficult", str(int(sample.crowd[number])))
        box = SubElement(thing, "bndbox")
        for key, value in zip(("xmin", "ymin", "xmax", "ymax"), row, strict=True):
            _add(box, key, plain(value, decimals[number]))
    return root


def _add(parent: Element, tag: str, text: str) -> None:
    SubElement(parent, tag).text = text
