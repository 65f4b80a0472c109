"""Where the files and the pictures of a COCO dataset lie."""

from __future__ import annotations

import posixpath
import re
from pathlib import PurePosixPath

from saccade.datasets.layout import has_folder, name_splits
from saccade.datasets.stores import Store

__all__ = ["coco_splits", "picture_folders"]

_INSTANCES = re.compile(r"instances_(.+)\.json")
_PLAIN = re.compile(r"((?:train|val|valid|validation|test)(?:[_-]?20\d\d)?)\.json")
_ROBOFLOW = "_annotations.coco.json"


def coco_splits(store: Store) -> dict[str, str]:
    """Find the COCO files of a place: their names in the store, by split."""
    folders, top = store.top()
    files = list(top)
    if "annotations" in folders:
        files += [n for n in store.files("annotations") if posixpath.dirname(n) == "annotations"]
    for pattern in (_INSTANCES, _PLAIN):
        found: dict[str, str] = {}
        for name in files:
            if match := pattern.fullmatch(posixpath.basename(name)):
                found.setdefault(match[1], name)
        if found:
            return name_splits(found)
    return name_splits({f: f"{f}/{_ROBOFLOW}" for f in folders if store.has(f"{f}/{_ROBOFLOW}")})


def picture_folders(store: Store, name: str) -> list[str]:
    """Where the pictures of a file may lie, likely places first."""
    stem = PurePosixPath(name).stem.removeprefix("instances_")
    beside = posixpath.dirname(name)
    tried = [f"images/{stem}", "images", stem, re.sub(r"[_-]?20\d\d$", "", stem), beside, ""]
    if stem == PurePosixPath(_ROBOFLOW).stem:
        tried.insert(0, beside)
    return [folder for folder in dict.fromkeys(tried) if has_folder(store, folder)]
