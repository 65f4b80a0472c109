"""Merge the files of boxes that several models found in the same pictures."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from saccade.datasets.coco_results import (
    CocoResults,
    ImageId,
    Rows,
    read_coco_results,
    write_coco_results,
)
from saccade.errors import DatasetError, OptionError, Problem
from saccade.geometry.fusion import FusionMethod, check_fusion, fuse

__all__ = ["FusedFiles", "fuse_files"]

_NOTHING: Rows = (np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.int64))
# Pictures in, the same pictures out: where a bar of progress is put in.
Track = Callable[[Iterable[ImageId], int], Iterable[ImageId]]


@dataclass(frozen=True)
class FusedFiles:
    """What `fuse_files` did.

    Attributes:
        path: the file that was written.
        method: how the boxes were merged.
        files: each file, and how many boxes it had.
        pictures: how many pictures have boxes in any file.
        boxes: how many boxes were written.
        problems: what was left out.
    """

    path: Path
    method: str
    files: tuple[tuple[str, int], ...]
    pictures: int
    boxes: int
    problems: tuple[Problem, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "path": str(self.path),
            "method": self.method,
            "files": [{"path": path, "boxes": boxes} for path, boxes in self.files],
            "pictures": self.pictures,
            "boxes": self.boxes,
            "problems": [str(problem) for problem in self.problems],
        }


def fuse_files(
    files: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    method: FusionMethod = "voting",
    iou: float | None = None,
    weights: Sequence[float] | None = None,
    k: int | None = None,
    sigma: float | None = None,
    keep: int | None = 300,
    track: Track | None = None,
) -> FusedFiles:
    """Merge COCO files of results, one a model, picture by picture.

    A picture that is missing from a file is one in which that model found nothing.

    Args:
        files: see `saccade.datasets.coco_results`.
        out: the file to write; it appears whole or not at all.
        method: see `saccade.geometry.fusion.fuse`, as for all options that follow.
        iou: the threshold.
        weights: how much each file counts, above 0.
        k: how many vote.
        sigma: of the gaussian Soft-NMS.
        keep: at most so many boxes a picture.
        track: is handed the pictures and their number, and hands the pictures on.

    Raises:
        DatasetError: a file cannot be read or written, or two disagree on what an id means.
        OptionError: an option that is outside its range or that the method does not have, or
            ``out`` is one of the files.
    """
    check_fusion(len(files), method=method, iou=iou, weights=weights, k=k, sigma=sigma, keep=keep)
    target = Path(out)
    for file in files:
        if target.exists() and Path(file).exists() and target.samefile(file):
            raise OptionError(f"{target} is one of the files to merge; write to another place")
    models = [read_coco_results(file) for file in files]
    _check_names(models)
    pictures = dict.fromkeys(chain.from_iterable(model.pictures for model in models))

    def merge(image: ImageId) -> tuple[ImageId, Rows]:
        parts = [model.pictures.get(image, _NOTHING) for model in models]
        return image, fuse(
            parts, method=method, iou=iou, weights=weights, k=k, sigma=sigma, keep=keep
        )

    order = pictures if track is None else track(pictures, len(pictures))
    boxes = write_coco_results(target, map(merge, order))
    counts = tuple((str(model.path), len(model)) for model in models)
    problems = tuple(chain.from_iterable(model.problems for model in models))
    return FusedFiles(target, method, counts, len(pictures), boxes, problems)


def _check_names(models: Sequence[CocoResults]) -> None:
    """Refuse files in which one id stands for different pictures or classes."""
    known: dict[tuple[str, ImageId], tuple[str, Path]] = {}
    for model in models:
        for (kind, number), name in model.names.items():
            other, place = known.setdefault((kind, number), (name, model.path))
            if other != name:
                raise DatasetError(
                    f"number {number} of {kind} is {other!r} in {place} and {name!r} in "
                    f"{model.path}; make both files over the same pictures and classes"
                )
