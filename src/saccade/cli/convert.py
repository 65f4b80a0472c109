"""``saccade convert``: one form of a dataset of boxes to another."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from saccade.cli.common import JsonOption, complain, print_json, progress

if TYPE_CHECKING:
    from saccade.datasets.convert import Conversion

__all__ = ["convert"]

_Item = TypeVar("_Item")


def convert(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="COCO, VOC or YOLO: a folder, a .zip, a COCO .json or a YOLO data.yaml.",
        ),
    ],
    to: Annotated[str, typer.Option("--to", metavar="coco|voc|yolo", help="What to write.")],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="PLACE", help="The folder to make, or a .zip."),
    ],
    split: Annotated[
        list[str] | None,
        typer.Option(
            "--split",
            metavar="NAME",
            help="Convert only this split (may be repeated); by default all.",
            show_default=False,
        ),
    ] = None,
    link: Annotated[
        bool, typer.Option("--link", help="Hard-link the pictures instead of copying them.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Convert labelled boxes between COCO, Pascal VOC and YOLO, with their pictures.

    Corners stay the same to the last digit of float32. What the new form can't hold, and what was
    mended or left out of the source, is counted on stderr; the exit status is 0 all the same.
    Nothing is overwritten, and nothing half written stays.

    \b
    Examples:
      saccade convert bccd.zip --to yolo -o bccd_yolo
      saccade convert VOCdevkit/VOC2012 --to coco -o voc_coco --link
      saccade convert instances.json --to voc -o out --split val
    """  # noqa: D301
    from saccade.datasets.convert import convert_detection

    def track(items: Iterable[_Item], total: int) -> Iterable[_Item]:
        return progress(items, total, "pictures")

    done = convert_detection(source, to, out, splits=split or (), link=link, track=track)
    for problem in (*done.problems, *done.losses):
        complain(problem)
    if json:
        print_json(done.to_dict())
    else:
        typer.echo(_summary(done))


def _summary(done: Conversion) -> str:
    splits = ", ".join(
        f"{split} {count:,} picture{'s' * (count != 1)} / {boxes:,} box{'es' * (boxes != 1)}"
        for (split, count), boxes in zip(done.pictures.items(), done.boxes.values(), strict=True)
    )
    count = len(done.classes)
    return f"{done.place}: {splits}, {count} class{'es' * (count != 1)}"
