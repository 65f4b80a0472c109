"""Pasted things into a folder or .zip in the form of COCO, and cut-outs read from pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from saccade.datasets.coco_write import write_coco
from saccade.datasets.detection_set import DetectionSample, DetectionSet
from saccade.datasets.staging import refuse_taken, staging
from saccade.errors import DatasetError, ImageError, Problem
from saccade.imaging.draw import save_image
from saccade.imaging.read import list_images, read_image

from ._types import Picture
from .cutouts import Cutout, cut_out
from .objects import ObjectSource

__all__ = ["read_cutouts", "read_photographs", "write_objects"]

_QUALITY = 92


def read_cutouts(
    places: Sequence[Path], *, tolerance: int = 7
) -> tuple[list[Cutout], list[Problem]]:
    """Cut things out of all pictures of some places.

    A picture in a folder inside a place is labelled by that folder's name, one in the place itself
    by its own.

    Args:
        places: pictures and folders of them.
        tolerance: see :func:`.cutouts.cut_out`.

    Returns:
        The cut-outs, and the pictures that were left out.

    Raises:
        ImageError: a place does not exist or holds no picture.
        DatasetError: nothing could be cut out.
    """
    cutouts: list[Cutout] = []
    problems: list[Problem] = []
    for place in places:
        for path in list_images([place]):
            label = path.stem if path == place or path.parent == place else path.parent.name
            try:
                cutouts.append(cut_out(read_image(path), label, tolerance=tolerance))
            except (ImageError, DatasetError) as error:
                problems.append(Problem(str(path), str(error)))
    if not cutouts:
        why = f"; the first: {problems[0]}" if problems else ""
        raise DatasetError(f"nothing could be cut out of {len(problems)} pictures{why}")
    return cutouts, problems


def read_photographs(places: Sequence[Path]) -> tuple[list[Picture], list[Problem]]:
    """Read what grounds are cut from.

    Raises:
        ImageError: a place does not exist or holds no picture.
    """
    pictures: list[Picture] = []
    problems: list[Problem] = []
    for path in list_images(places):
        try:
            pictures.append(read_image(path))
        except ImageError as error:
            problems.append(Problem(str(path), str(error)))
    return pictures, problems


def write_objects(
    source: ObjectSource, out: Path, count: int, *, split: str = "train"
) -> Iterator[int]:
    """Write samples 0 to ``count`` - 1 as COCO: ``images/``, ``annotations/instances_SPLIT.json``.

    The folder appears complete or not at all.

    Args:
        source: what to write.
        out: a folder that is not there yet or empty, or the name of a new .zip.
        count: how many.
        split: name of the split.

    Yields:
        The number of each sample that is written.

    Raises:
        DatasetError: the place is taken or cannot be written.
    """
    packed = out.suffix.lower() == ".zip"
    refuse_taken(out, packed)
    classes = source.labels
    with staging(out, packed) as folder:
        (folder / "images").mkdir()
        names, samples = [], []
        for number in range(count):
            made = source[number]
            names.append(f"{number:06d}.jpg")
            save_image(folder / "images" / names[-1], made.image, quality=_QUALITY)
            sides = made.boxes[:, 2:] - made.boxes[:, :2]
            samples.append(
                DetectionSample(
                    path=f"images/{names[-1]}",
                    image_id=number + 1,
                    width=source.side,
                    height=source.side,
                    boxes=made.boxes,
                    labels=np.array([classes.index(label) for label in made.labels], np.int64),
                    crowd=np.zeros(len(sides), bool),
                    areas=sides.prod(axis=1),
                )
            )
            yield number
        ids = tuple(range(1, len(classes) + 1))
        write_coco(folder, split, DetectionSet(tuple(samples), classes, ids), names)
