"""Labelled boxes, wherever they lie: COCO, Pascal VOC and YOLO, in folders and ``.zip`` packs.

The kind of a place is recognised by its files; see `saccade.datasets.coco`, ``.voc`` and ``.yolo``
for what is read. A place may also be one COCO ``.json`` or one YOLO ``data.yaml``.

>>> from saccade.datasets.detection import open_detection      # doctest: +SKIP
>>> train = open_detection("det_bccd.zip", "train")            # doctest: +SKIP
>>> train.read(0).shape, train.samples[0].boxes.shape          # doctest: +SKIP
((480, 640, 3), (19, 4))
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TypeAlias

from saccade.datasets.coco import coco_splits, open_coco_file, read_coco
from saccade.datasets.detection_set import (
    DetectionSample,
    DetectionSet,
    class_agnostic,
    merge,
)
from saccade.datasets.layout import choose_split
from saccade.datasets.stores import FolderStore, Store, open_store
from saccade.datasets.voc import VocPart, read_voc, voc_splits
from saccade.datasets.yolo import YoloPart, read_yolo, yolo_splits
from saccade.errors import DatasetError

__all__ = [
    "DetectionSample",
    "DetectionSet",
    "class_agnostic",
    "detection_splits",
    "merge",
    "open_detection",
]

Place: TypeAlias = "str | os.PathLike[str]"
_Opener: TypeAlias = Callable[[bool], DetectionSet]


def open_detection(place: Place, split: str = "train", *, details: bool = False) -> DetectionSet:
    """Open a dataset of boxes; no picture is decoded yet.

    Args:
        place: a folder or ``.zip`` of COCO, VOC or YOLO; a COCO ``.json``; a YOLO ``data.yaml``.
        split: which part. ``"val"`` also finds ``valid`` and ``validation``, ``"train"`` also
            ``train2017``. A COCO file is itself one split, whatever this says.
        details: keep outlines and other things that only a conversion needs.

    Returns:
        The set. Boxes outside of their pictures, broken lines, missing pictures and the like are
        mended or left out, counted, and listed in ``problems``.

    Raises:
        DatasetError: nothing of that kind at the place, no such split, or nothing left of it.
    """
    path = Path(place)
    if path.suffix.lower() == ".json" and not path.is_dir():
        return open_coco_file(path, details=details)
    openers = _openers(path)
    return openers[choose_split(list(openers), split, str(path))](details)


def detection_splits(place: Place) -> tuple[str, ...]:
    """Name the splits of a dataset of boxes, which share no picture.

    Returns:
        For example ``("train", "val")``. For a COCO file, the end of its name, or ``("train",)``.
        ``trainval`` of VOC is not among them where its parts are.

    Raises:
        DatasetError: no dataset of boxes is there.
    """
    path = Path(place)
    if path.suffix.lower() == ".json" and not path.is_dir():
        stem = path.stem.removeprefix("instances_")
        return (stem if stem in ("train", "val", "test") else "train",)
    splits = tuple(_openers(path))
    parts = tuple(split for split in splits if split != "trainval")
    return parts if "train" in parts or "val" in parts else splits


def _openers(path: Path) -> Mapping[str, _Opener]:
    """How each split of a place is opened."""
    if path.suffix.lower() in (".yaml", ".yml") and path.is_file():
        store: Store = FolderStore(path.parent)
        parts = yolo_splits(store, path.name)
        if not parts:
            raise DatasetError(f"{path} names no split; expected lines like 'train: images/train'")
        return {name: partial(_yolo, store, part) for name, part in parts.items()}
    store = open_store(path)
    if coco := coco_splits(store):
        return {name: partial(_coco, store, file) for name, file in coco.items()}
    if voc := voc_splits(store):
        return {name: partial(_voc, store, part) for name, part in voc.items()}
    if yolo := yolo_splits(store):
        return {name: partial(_yolo, store, part) for name, part in yolo.items()}
    raise DatasetError(
        f"{path} is no dataset of boxes; expected annotations/instances_train.json (COCO), "
        "Annotations/*.xml with JPEGImages/ (VOC), or images/, labels/ and data.yaml or "
        "classes.txt (YOLO)"
    )


def _coco(store: Store, name: str, details: bool) -> DetectionSet:
    return read_coco(store, name, details=details)


def _voc(store: Store, part: VocPart, details: bool) -> DetectionSet:
    return read_voc(store, part, details=details)


def _yolo(store: Store, part: YoloPart, details: bool) -> DetectionSet:
    return read_yolo(store, part, details=details)
