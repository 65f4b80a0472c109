"""One form of a dataset of boxes to another, whole or not at all.

The result grows in a hidden folder beside its place and is moved there when all of it is written;
an interruption leaves nothing half done. Pictures are copied byte by byte, or hard-linked. Their
headers are looked at on the way: a picture that can't be read or has another size than its
annotation would stop whoever trains on the result, so it is left out and told.
"""

from __future__ import annotations

import os
import shutil
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeAlias, TypeVar

from saccade.datasets.class_names import clean_name
from saccade.datasets.coco_write import write_coco
from saccade.datasets.conversion_losses import count_losses
from saccade.datasets.detection import detection_splits, open_detection
from saccade.datasets.detection_set import (
    DetectionSample,
    DetectionSet,
    check_picture_size,
    share_classes,
)
from saccade.datasets.layout import is_picture, picture_size
from saccade.datasets.staging import refuse_taken, staging
from saccade.datasets.stores import read_member
from saccade.datasets.tally import Kind, Tally
from saccade.datasets.voc_write import write_voc, write_voc_classes
from saccade.datasets.yolo_write import write_yolo, write_yolo_classes
from saccade.errors import DatasetError, ImageError, OptionError, Problem, nearest
from saccade.imaging.decode import sniff

__all__ = ["FORMS", "Conversion", "Track", "convert_detection"]

Place: TypeAlias = "str | os.PathLike[str]"
_Item = TypeVar("_Item")

FORMS = ("coco", "voc", "yolo")
"""What can be written."""

_FOLDERS = {"coco": "images", "voc": "JPEGImages", "yolo": "images/{}"}
_ENDINGS = {
    "PNG": ".png",
    "GIF": ".gif",
    "BMP": ".bmp",
    "TIFF": ".tif",
    "JPEG 2000": ".jp2",
    "WebP": ".webp",
    "PNM": ".pnm",
    "AVIF": ".avif",
}

_BAD_PICTURE = Kind(
    "1 picture can't be used and was left out", "{} pictures can't be used and were left out"
)
_RENAMED = Kind("1 picture got another name", "{} pictures got other names")


@dataclass(frozen=True)
class Conversion:
    """What `convert_detection` did.

    Attributes:
        place: of the result.
        form: of the result.
        classes: names, in order.
        pictures: by split.
        boxes: by split.
        problems: of the source: what was mended or left out.
        losses: what the new form can't hold.
    """

    place: str
    form: str
    classes: tuple[str, ...]
    pictures: Mapping[str, int]
    boxes: Mapping[str, int]
    problems: tuple[Problem, ...]
    losses: tuple[Problem, ...]

    def to_dict(self) -> dict[str, Any]:
        """A plain form for JSON."""
        return {
            "place": self.place,
            "form": self.form,
            "classes": list(self.classes),
            "pictures": dict(self.pictures),
            "boxes": dict(self.boxes),
            "problems": [str(problem) for problem in self.problems],
            "losses": [str(loss) for loss in self.losses],
        }


class Track(Protocol):
    """Passes items on, for a progress bar."""

    def __call__(self, items: Iterable[_Item], total: int) -> Iterable[_Item]:
        """Pass ``total`` items on."""
        ...


def _untracked(items: Iterable[_Item], total: int) -> Iterable[_Item]:
    return items


def convert_detection(
    source: Place,
    form: str,
    place: Place,
    *,
    splits: Sequence[str] = (),
    link: bool = False,
    track: Track = _untracked,
) -> Conversion:
    """Write a dataset of boxes in another form (or in its own, cleaned).

    Corners come back from every form as the same float32.

    Args:
        source: see `open_detection`.
        form: ``"coco"``, ``"voc"`` or ``"yolo"``.
        place: the folder to make, or a ``.zip``; it must not be there yet (an empty folder may).
        splits: which to convert; by default all. For a COCO file, what to call its split.
        link: hard-link the pictures instead of copying them.
        track: passes the pictures on while they are copied, for a progress bar.

    Raises:
        DatasetError: the source can't be read, nothing of it can be used, or the place is taken or
            can't be written.
        OptionError: an unknown form, or links where they can't be.
    """
    if form not in FORMS:
        raise OptionError(f"no form {form!r}; {nearest(form, FORMS)}")
    target = Path(place)
    packed = target.suffix.lower() == ".zip"
    refuse_taken(target, packed)
    sets = _open(source, splits)
    if link and (packed or any(sample.archive for one in sets.values() for sample in one.samples)):
        raise OptionError(
            "pictures can be linked only from a folder into a folder; leave --link away"
        )
    lost, broken = Tally(f"in {form}"), Tally(str(source))
    names = _names(sets, form, lost)
    jobs = [
        (split, sample, name)
        for split, one in sets.items()
        for sample, name in zip(one.samples, names[split], strict=True)
    ]
    copied: dict[str, list[tuple[DetectionSample, str]]] = {split: [] for split in sets}
    with staging(target, packed) as root:
        for folder in {_FOLDERS[form].format(split) for split in sets}:
            (root / folder).mkdir(parents=True)
        for split, sample, name in track(jobs, len(jobs)):
            try:
                check_picture_size(sample, picture_size(sample.path, sample.archive))
                _copy(sample, root / _FOLDERS[form].format(split) / name, link)
            except ImageError as error:
                broken.add(_BAD_PICTURE, str(error))
            else:
                copied[split].append((sample, name))
        written = {
            split: replace(sets[split], samples=tuple(sample for sample, _ in copies))
            for split, copies in copied.items()
        }
        if not any(written.values()):
            reasons = "; ".join(str(problem) for problem in broken.problems())
            raise DatasetError(f"nothing of {source} can be converted: {reasons}")
        for split, one in written.items():
            _write(root, form, split, one, [name for _, name in copied[split]])
            count_losses(one, form, lost)
        first = next(iter(written.values()))
        if form == "voc":
            write_voc_classes(root, first.classes)
        if form == "yolo":
            write_yolo_classes(root, first.classes, list(written))
    return Conversion(
        place=str(target),
        form=form,
        classes=first.classes,
        pictures={split: len(one) for split, one in written.items()},
        boxes={split: _written_boxes(one, form) for split, one in written.items()},
        problems=(
            *(problem for one in sets.values() for problem in one.problems),
            *broken.problems(),
        ),
        losses=lost.problems(),
    )


def _open(source: Place, splits: Sequence[str]) -> dict[str, DetectionSet]:
    """Open splits, with one list of classes."""
    if Path(source).suffix.lower() == ".json" and len(splits) > 1:
        raise OptionError(f"{source} is one split; give one --split, to name it")
    wanted = dict.fromkeys(splits or detection_splits(source))
    sets = {split: open_detection(source, split, details=True) for split in wanted}
    for split in sets:
        if not split or clean_name(split) != split or any(c in "/\\:" for c in split):
            raise OptionError(f"{split!r} can't be the name of a split; expected one like 'train'")
    return dict(zip(sets, share_classes(list(sets.values())), strict=True))


def _names(sets: Mapping[str, DetectionSet], form: str, lost: Tally) -> dict[str, list[str]]:
    """Name the pictures so that none is overwritten, also where letters have no case.

    In VOC and YOLO the annotation has the name of the picture without its ending.
    """
    taken: set[tuple[str, str]] = set()
    names: dict[str, list[str]] = {}
    for split, one in sets.items():
        folder = _FOLDERS[form].format(split)
        names[split] = []
        for sample in one.samples:
            bare = sample.path.replace("\\", "/").rpartition("/")[2]
            name = _portable(bare, sample)
            stem, _, ending = name.rpartition(".")
            number = 1
            while (key := (folder, _folded(name, form))) in taken:
                number += 1
                name = f"{stem}-{number}.{ending}"
            taken.add(key)
            if name != bare:
                lost.add(_RENAMED, f"{bare} to {name}")
            names[split].append(name)
    return names


def _folded(name: str, form: str) -> str:
    folded = unicodedata.normalize("NFC", name).casefold()
    return folded if form == "coco" else folded.rpartition(".")[0]


def _portable(name: str, sample: DetectionSample) -> str:
    """A name that lists, XML and any disk can hold, with the ending of a picture."""
    plain = clean_name(name).lstrip(".")
    plain = "".join("_" if character in '<>:"/\\|?*' else character for character in plain)
    if is_picture(plain) and plain.rpartition(".")[0].strip():
        return plain
    return f"{plain.strip() or 'picture'}{_ENDINGS.get(_sniff(sample) or '', '.jpg')}"


def _sniff(sample: DetectionSample) -> str | None:
    try:
        if sample.archive:
            return sniff(read_member(sample.archive, sample.path))
        with Path(sample.path).open("rb") as file:
            return sniff(file.read(64))
    except (OSError, ImageError):
        return None


def _copy(sample: DetectionSample, target: Path, link: bool) -> None:
    if sample.archive:
        target.write_bytes(read_member(sample.archive, sample.path))
        return
    source = Path(sample.path)
    if not link:
        shutil.copyfile(source, target)
        return
    try:
        target.hardlink_to(source.resolve())
    except OSError as error:
        raise DatasetError(
            f"cannot link {source} ({error.strerror or error}); links stay on one disk, whose kind "
            "must know them: leave --link away"
        ) from error


def _write(root: Path, form: str, split: str, one: DetectionSet, names: Sequence[str]) -> None:
    match form:
        case "coco":
            write_coco(root, split, one, names)
        case "voc":
            write_voc(root, split, one, names)
        case _:
            write_yolo(root, split, one, names)


def _written_boxes(one: DetectionSet, form: str) -> int:
    return int(one.counts().sum()) if form == "yolo" else one.box_count
