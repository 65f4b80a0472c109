"""Where the splits of a YOLO dataset lie; see `saccade.datasets.yolo`."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import Any

from saccade.datasets.layout import has_file, has_folder, inside, name_in, name_splits
from saccade.datasets.stores import Store
from saccade.datasets.yolo_yaml import parse_data_yaml
from saccade.errors import DatasetError

__all__ = ["YoloPart", "yolo_splits"]

_YAML_FILES = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
_SPLITS = ("train", "val", "valid", "validation", "test")


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
