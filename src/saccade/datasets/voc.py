"""Boxes in Pascal VOC XML files, read and written.

Read are ``Annotations/*.xml`` with ``JPEGImages/`` and the splits of ``ImageSets/Main/*.txt``;
the folders ``SPLIT/`` with pictures and XML side by side; and either without splits (everything is
``train``). Classes come from ``classes.txt``, ``labels.txt`` or ``label_list.txt``; without one,
all names in all files, sorted, so that every split has the same.

A corner is the number of a pixel, counted from 1, and the last pixel belongs to the box (VOC2007
development kit, section 2): ``x1 = xmin - 1``, ``x2 = xmax``. Files of tools that count from 0 come
out one pixel to the left; only corners at 0 give them away, and those are told as problems.
"""

from __future__ import annotations

import math
import posixpath
import re
from collections.abc import Mapping
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from saccade.datasets.class_names import clean_name
from saccade.datasets.detection_kinds import MISSING
from saccade.datasets.detection_set import (
    DetectionSample,
    DetectionSet,
    RawBox,
    build_sample,
    complete,
)
from saccade.datasets.layout import (
    PictureFinder,
    is_picture,
    name_in,
    picture_size,
    read_bytes,
)
from saccade.datasets.lists import parse_classes
from saccade.datasets.stores import Store
from saccade.datasets.tally import Kind, Tally
from saccade.datasets.voc_layout import VocPart, voc_splits, xml_files
from saccade.datasets.voc_write import FLAGS, write_voc, write_voc_classes
from saccade.errors import DatasetError, ImageError

__all__ = ["VocPart", "parse_xml", "read_voc", "voc_splits", "write_voc", "write_voc_classes"]

_CLASS_FILES = ("classes.txt", "labels.txt", "label_list.txt")
# No annotation is larger; one that is was made to fill the memory.
_MOST_BYTES = 16 * 2**20
_MOST_PIXELS = 1e7

_BROKEN = Kind("1 file is broken and was left out", "{} files are broken and were left out")
_NO_XML = Kind(
    "1 picture of the split has no annotation file and was left out",
    "{} pictures of the split have no annotation files and were left out",
)
_UNREADABLE = Kind(
    "1 picture has no size in its file and can't be read; it was left out",
    "{} pictures have no size in their files and can't be read; they were left out",
)
_TWICE = Kind(
    "1 picture is listed twice in the split; it counts once",
    "{} pictures are listed more than once in the split; each counts once",
)
_BAD_BOXES = Kind(
    "1 object has no name or no box of four finite numbers and was left out",
    "{} objects have no names or no boxes of four finite numbers and were left out",
)
_NO_CLASS = Kind(
    "1 box has a class that the list of classes lacks and was left out",
    "{} boxes have classes that the list of classes lacks and were left out",
)
_FROM_ZERO = Kind(
    "1 box begins at pixel 0, though VOC counts from 1; its tool may have counted from 0",
    "{} boxes begin at pixel 0, though VOC counts from 1; their tool may have counted from 0",
)


def read_voc(store: Store, part: VocPart, *, details: bool = False) -> DetectionSet:
    """Read a split; no picture is read, unless its size is missing.

    Args:
        store: where everything lies.
        part: one of `voc_splits`.
        details: keep what else is said of a box, for conversion.

    Raises:
        DatasetError: no usable file, or none of the pictures exists.
    """
    where = name_in(store, part.listed or part.annotations)
    tally = Tally(where)
    files = {posixpath.basename(name)[:-4]: name for name in xml_files(store, part.annotations)}
    stems = _stems(store.text(part.listed), files, tally) if part.listed else sorted(files)
    listed = _class_list(store, part.root)
    roots = {stem: _read_root(store, files[stem], tally) for stem in stems if stem in files}
    tally.add(_NO_XML, next((s for s in stems if s not in files), ""), len(stems) - len(roots))
    known = listed or _all_names(store, part, files, roots)
    labels = {name: label for label, name in enumerate(known)}
    finder = PictureFinder(store, part.pictures)
    samples: list[DetectionSample] = []
    for stem, root in roots.items():
        if root is None:
            continue
        found = _find_picture(finder, stem, root)
        if found is None:
            tally.add(MISSING, f"the one of {posixpath.basename(files[stem])}")
            continue
        size = _size(root)
        if size is None:
            try:
                size = picture_size(store.locate(found), store.archive)
            except ImageError:
                tally.add(_UNREADABLE, posixpath.basename(found))
                continue
        samples.append(
            build_sample(
                _boxes(root, labels, tally, posixpath.basename(files[stem]), details),
                tally,
                path=store.locate(found),
                archive=store.archive,
                image_id=len(samples) + 1,
                size=size,
            )
        )
    if not samples:
        reasons = "; ".join(str(problem) for problem in tally.problems())
        raise DatasetError(f"{where}: no usable annotation with its picture; {reasons}")
    if not known:
        raise DatasetError(
            f"{where}: no object in any file, and no classes.txt that names the classes"
        )
    return complete(samples, known, tuple(range(1, len(known) + 1)), tally)


def parse_xml(data: bytes) -> Element:
    """Parse XML without document types and entities, which can be made to fill the memory.

    Raises:
        ValueError: broken, too large, or with a DTD.
    """
    if len(data) > _MOST_BYTES:
        raise ValueError(f"{len(data):,} bytes are too many for an annotation")
    builder = TreeBuilder()
    parser = expat.ParserCreate()

    def refuse(*_: object) -> None:
        raise ValueError("it declares a document type (DTD), which annotations have no need of")

    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.buffer_text = True
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise ValueError(f"broken XML ({error})") from error
    except (LookupError, UnicodeError) as error:
        raise ValueError(f"XML in an unknown encoding ({error})") from error
    return builder.close()


def _stems(text: str, files: Mapping[str, str], tally: Tally) -> list[str]:
    """The names in a list; a line may end in a mark (-1, 0, 1), and carry ending or folder."""
    found: dict[str, None] = {}
    for line in text.split("\n"):
        stem = line.strip()
        if not stem:
            continue
        if stem not in files:
            stem = re.sub(r"\s+-?[01]$", "", stem)
        if stem not in files:
            stem = posixpath.basename(stem.replace("\\", "/"))
        if stem not in files and (is_picture(stem) or stem.endswith(".xml")):
            stem = stem.rpartition(".")[0]
        if stem in found:
            tally.add(_TWICE, stem)
        found[stem] = None
    return list(found)


def _class_list(store: Store, root: str) -> tuple[str, ...]:
    for name in _CLASS_FILES:
        path = posixpath.join(root, name)
        if store.has(path):
            return parse_classes(store.text(path), name_in(store, path))
    return ()


def _all_names(
    store: Store, part: VocPart, files: Mapping[str, str], known: Mapping[str, Element | None]
) -> tuple[str, ...]:
    """The names of all objects of all splits, sorted."""
    names = set()
    for folder in part.all_annotations:
        for path in xml_files(store, folder):
            stem = posixpath.basename(path)[:-4]
            if stem in known and files[stem] == path:
                root = known[stem]
            else:
                root = _read_root(store, path, None)
            for thing in root.iterfind("object") if root is not None else ():
                names.add(clean_name(thing.findtext("name") or ""))
    return tuple(sorted(names - {""}))


def _read_root(store: Store, name: str, tally: Tally | None) -> Element | None:
    try:
        root = parse_xml(read_bytes(store, name))
        if root.tag != "annotation":
            raise ValueError(f"its root is <{root.tag:.40}>, expected <annotation>")
    except (ValueError, DatasetError) as error:
        if tally is not None:
            tally.add(_BROKEN, f"{posixpath.basename(name)}: {error}")
        return None
    return root


def _find_picture(finder: PictureFinder, stem: str, root: Element) -> str | None:
    """By the name of the annotation first: ``filename`` is often that of an older copy."""
    given = (root.findtext("filename") or "").strip()
    ending = posixpath.splitext(given)[1] if is_picture(given) else ""
    tried = [stem + ending] if ending else []
    tried += [stem + other for other in (".jpg", ".jpeg", ".png", ".JPG", ".JPEG", ".PNG")]
    tried += [given] if given else []
    tried += [stem + other for other in (".bmp", ".webp", ".tif", ".tiff", ".gif")]
    return next((found for name in tried if (found := finder.find(name))), None)


def _size(root: Element) -> tuple[int, int] | None:
    width, height = (_number(root.findtext(f"size/{key}")) for key in ("width", "height"))
    if width is None or height is None or not (1 <= width < 1e6 and 1 <= height < 1e6):
        return None
    return int(height), int(width)


def _boxes(
    root: Element, labels: Mapping[str, int], tally: Tally, file: str, details: bool
) -> list[RawBox]:
    boxes = []
    for thing in root.iterfind("object"):
        name = clean_name(thing.findtext("name") or "")
        corners = [
            _number(thing.findtext(f"bndbox/{key}")) for key in ("xmin", "ymin", "xmax", "ymax")
        ]
        left, top, right, bottom = corners
        if not name or left is None or top is None or right is None or bottom is None:
            tally.add(_BAD_BOXES, file)
            continue
        if name not in labels:
            tally.add(_NO_CLASS, f"{name!r} ({file})")
            continue
        if 0 <= min(left, top) < 1:
            tally.add(_FROM_ZERO, file)
            left, top = max(left, 1.0), max(top, 1.0)
        more = _details(thing) if details else None
        difficult = (thing.findtext("difficult") or "").strip() == "1"
        boxes.append(
            RawBox((left - 1, top - 1, right, bottom), labels[name], False, difficult, None, more)
        )
    return boxes


def _details(thing: Element) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key in FLAGS:
        if (thing.findtext(key) or "").strip() == "1":
            found[key] = 1
    pose = clean_name(thing.findtext("pose") or "")
    if pose and pose != "Unspecified":
        found["pose"] = pose
    return found


def _number(text: str | None) -> float | None:
    try:
        number = float(text) if text is not None and "_" not in text else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) and abs(number) < _MOST_PIXELS else None
