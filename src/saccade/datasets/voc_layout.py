"""Where the splits of a Pascal VOC dataset lie; see `saccade.datasets.voc`."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from dataclasses import dataclass

from saccade.datasets.layout import has_folder, name_splits
from saccade.datasets.stores import Store

__all__ = ["VocPart", "voc_splits", "xml_files"]

_SPLIT_FOLDERS = ("train", "val", "valid", "validation", "test")
_PICTURE_FOLDERS = ("JPEGImages", "images", "Images", "")


@dataclass(frozen=True)
class VocPart:
    """Where a split lies in a store.

    Attributes:
        annotations: folder of the XML files.
        pictures: folders in which pictures are looked for.
        listed: name of the file that lists the split, or empty for every XML file of the folder.
        root: folder of the list of classes.
        all_annotations: folders whose files name the classes where no list does.
    """

    annotations: str
    pictures: tuple[str, ...]
    listed: str
    root: str
    all_annotations: tuple[str, ...]


def voc_splits(store: Store) -> dict[str, VocPart]:
    """Find the splits of a VOC dataset; none if the place is no such dataset."""
    folders, _ = store.top()
    root = ""
    if "Annotations" not in folders:  # VOCdevkit/VOC2012
        years = [name for name in folders if "Annotations" in store.folders(name)]
        root = years[0] if len(years) == 1 else ""
    for name in ("Annotations", "annotations", "annotations/xmls", ""):
        annotations = posixpath.join(root, name) if name else root
        if has_folder(store, annotations) and any(xml_files(store, annotations)):
            pictures = [posixpath.join(root, folder) for folder in _PICTURE_FOLDERS]
            whole = VocPart(
                annotations,
                (*(p.rstrip("/") for p in pictures if has_folder(store, p.rstrip("/"))), name),
                "",
                root,
                (annotations,),
            )
            return _listed(store, whole) or {"train": whole}
    split = [f for f in folders if f in _SPLIT_FOLDERS and any(xml_files(store, f))]
    return name_splits({f: VocPart(f, (f,), "", "", tuple(split)) for f in split})


def _listed(store: Store, whole: VocPart) -> dict[str, VocPart]:
    """The splits of ImageSets/Main; the lists of one class each (``dog_train.txt``) are none."""
    folder = posixpath.join(whole.root, "ImageSets/Main")
    if not has_folder(store, folder):
        return {}
    stems = {
        posixpath.basename(name)[:-4]: name
        for name in store.files(folder)
        if name.endswith(".txt") and posixpath.dirname(name) == folder
    }
    splits = {
        stem: name
        for stem, name in stems.items()
        if stem.rpartition("_")[2] not in stems or "_" not in stem
    }
    return name_splits(
        {
            stem: VocPart(
                whole.annotations, whole.pictures, name, whole.root, whole.all_annotations
            )
            for stem, name in splits.items()
        }
    )


def xml_files(store: Store, folder: str) -> Iterable[str]:
    """Names of the XML files right in a folder; the empty name is the top."""
    if not folder:
        return [name for name in store.top()[1] if name.endswith(".xml")]
    return [
        name
        for name in store.files(folder)
        if name.endswith(".xml") and posixpath.dirname(name) == folder
    ]
