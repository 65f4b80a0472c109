"""Samples into a folder: pictures, and label files that appear complete or not at all.

::

    OUT/images/00000042.jpg    sample number 42
    OUT/crops/00000042_7.jpg   its eighth line, if crops are wanted of pages
    OUT/rec.txt                recognition labels
    OUT/det.txt                detection labels, of pages
    OUT/synth.json             what the samples were made from
    OUT/alphabet.txt           the dictionary, one character a line

While the work goes on, labels are collected in ``labels.jsonl``: one line for each sample, behind
its pictures. A work that was stopped goes on where it was, if it is the same work.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from saccade._files import whole_file
from saccade.errors import DatasetError
from saccade.imaging.draw import save_image
from saccade.text.crop import crop_quad

from .alphabets import write_alphabet
from .labels import Level, boxes_of, detection_line, recognition_line
from .lines import LineSource
from .pages import PageSource

__all__ = ["Work", "write_samples"]

_JOURNAL, _RECORD = "labels.jsonl", "synth.json"
# Ends of complete files, so that truncated ones are made again.
_ENDS = {".jpg": b"\xff\xd9", ".png": b"IEND\xaeB`\x82"}
_QUALITY = 95


@dataclass(frozen=True)
class Work:
    """What to write.

    Attributes:
        source: Of lines or pages.
        out: The folder.
        count: Samples, from number 0.
        suffix: Of the pictures: .jpg or .png.
        level: What the boxes of pages hold.
        crops: Lines are also cut out of pages, for recognition.
    """

    source: LineSource | PageSource
    out: Path
    count: int
    suffix: str = ".jpg"
    level: Level = "line"
    crops: bool = False

    def record(self) -> dict[str, Any]:
        """What identifies the work; another one must not be mixed into its folder."""
        options = [asdict(part) for part in self.source.options]
        lexicons = [(lexicon.words, lexicon.lines) for lexicon in self.source.lexicons]
        return {
            "format": 1,
            "kind": type(self.source).__name__,
            "seed": self.source.seed,
            "suffix": self.suffix,
            "level": self.level,
            "crops": self.crops,
            "fonts": self.source.fonts.fingerprint,
            "text": hashlib.sha256(repr(lexicons).encode()).hexdigest()[:16],
            "options": json.loads(json.dumps(options)),
        }


def write_samples(work: Work, workers: int = 1) -> Iterator[int]:
    """Write all samples that are not there yet, then the label files.

    Args:
        work: What to write.
        workers: Processes. The result does not depend on it.

    Yields:
        The number of each sample that is done, those found first; in no particular order beyond
        that. Stop in between, and the next call goes on.

    Raises:
        DatasetError: The folder can't be written, or holds another work.
    """
    try:
        _prepare(work)
        labels = _done(work)
        yield from labels
        todo = (index for index in range(work.count) if index not in labels)
        with (work.out / _JOURNAL).open("a", encoding="utf-8") as journal:
            for index, label in _make(work, todo, workers):
                labels[index] = label
                journal.write(json.dumps([index, label], ensure_ascii=False) + "\n")
                journal.flush()
                yield index
        for name in ("rec", "det"):
            lines = [line for index in range(work.count) for line in labels[index].get(name, [])]
            if lines or name == ("rec" if isinstance(work.source, LineSource) else "det"):
                _write(work.out / f"{name}.txt", "".join(f"{line}\n" for line in lines))
    except OSError as error:
        raise DatasetError(
            f"{work.out}: cannot be written ({error.strerror or error}); choose another folder, or "
            "make room"
        ) from error


def _prepare(work: Work) -> None:
    """Make the folders; see that what is there belongs to this work."""
    if work.out.exists() and not work.out.is_dir():
        raise DatasetError(f"{work.out}: is a file; give a folder")
    record = work.record()
    place = work.out / _RECORD
    if place.exists():
        try:
            found = json.loads(place.read_text(encoding="utf-8"))
        except (UnicodeDecodeError, json.JSONDecodeError):
            found = {}
        differing = [key for key, value in record.items() if found.get(key) != value]
        if differing:
            raise DatasetError(
                f"{work.out}: holds samples made with other {', '.join(differing)}; repeat the "
                "same options to go on, or choose another folder"
            )
    elif work.out.exists() and any(work.out.iterdir()):
        raise DatasetError(f"{work.out}: is not empty and no earlier work of this kind; "
                           "choose another folder")  # fmt: skip
    (work.out / "images").mkdir(parents=True, exist_ok=True)
    if work.crops:
        (work.out / "crops").mkdir(exist_ok=True)
    alphabet = "".join(dict.fromkeys("".join(part.alphabet for part in work.source.options)))
    write_alphabet(work.out / "alphabet.txt", alphabet)
    _write(place, json.dumps(record, ensure_ascii=False, indent=1))


def _done(work: Work) -> dict[int, dict[str, list[str]]]:
    """Labels of the samples whose pictures are there and whole."""
    journal = work.out / _JOURNAL
    labels: dict[int, dict[str, list[str]]] = {}
    if not journal.exists():
        return labels
    lines = journal.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    kept = []
    for line in lines:
        try:
            index, label = json.loads(line)
        except (json.JSONDecodeError, TypeError, ValueError):
            continue  # cut off when the work was stopped
        if not line.endswith("\n") or index in labels:
            continue
        kept.append(line)
        if index < work.count and _is_whole(work, label):
            labels[index] = label
        else:
            kept.pop()
            if index >= work.count:
                kept.append(line)
    if len(kept) != len(lines):
        _write(journal, "".join(kept))
    return labels


def _is_whole(work: Work, label: dict[str, list[str]]) -> bool:
    for line in (*label.get("rec", ()), *label.get("det", ())):
        path = work.out / line.partition("\t")[0]
        try:
            data = path.read_bytes()
        except OSError:
            return False
        if not data.endswith(_ENDS[work.suffix]):
            return False
        if cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_REDUCED_GRAYSCALE_8) is None:
            return False
    return True


def _make(
    work: Work, todo: Iterator[int], workers: int
) -> Iterator[tuple[int, dict[str, list[str]]]]:
    if workers <= 1:
        for index in todo:
            yield index, _write_one(work, index)
        return
    # Not by fork: threads of OpenCV may be running.
    with ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=_start_worker, initargs=(work,)
    ) as pool:
        try:
            while batch := list(islice(todo, 256 * workers)):
                yield from zip(batch, pool.map(_write_in_worker, batch, chunksize=8), strict=True)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


_worker_work: Work | None = None


def _start_worker(work: Work) -> None:
    global _worker_work
    _worker_work = work
    cv2.setNumThreads(1)


def _write_in_worker(index: int) -> dict[str, list[str]]:
    assert _worker_work is not None
    return _write_one(_worker_work, index)


def _write_one(work: Work, index: int) -> dict[str, list[str]]:
    """Write the pictures of one sample; gives its lines for the label files."""
    name = f"images/{index:08d}{work.suffix}"
    source = work.source
    if isinstance(source, LineSource):
        line = source[index]
        save_image(work.out / name, line.image, quality=_QUALITY)
        return {"rec": [recognition_line(name, line.text)]}
    page = source[index]
    save_image(work.out / name, page.image, quality=_QUALITY)
    label = {"det": [detection_line(name, boxes_of(page, work.level))]}
    if work.crops:
        label["rec"] = []
        for number, written in enumerate(page.lines):
            if not written.is_readable:
                continue
            crop = f"crops/{index:08d}_{number}{work.suffix}"
            image = np.ascontiguousarray(crop_quad(page.image, written.quad))
            save_image(work.out / crop, image, quality=_QUALITY)
            label["rec"].append(recognition_line(crop, written.text))
    return label


def _write(path: Path, text: str) -> None:
    """The file appears complete or not at all."""
    with whole_file(path) as beside:
        beside.write_text(text, encoding="utf-8")
