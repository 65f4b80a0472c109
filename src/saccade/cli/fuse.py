"""``saccade fuse``: what several models found, merged."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from saccade.cli.common import JsonOption, complain, print_json, progress

if TYPE_CHECKING:
    from saccade.tasks.fuse import FusedFiles

__all__ = ["fuse"]

_Item = TypeVar("_Item")


def fuse(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="COCO result files, one a model: image_id, category_id, bbox, score.",
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="OUT.json", help="The result file to write.")
    ],
    method: Annotated[
        str,
        typer.Option("--method", metavar="voting|nms|soft|nmw|wbf", help="How boxes are merged."),
    ] = "voting",
    iou: Annotated[
        float | None,
        typer.Option(
            "--iou",
            metavar="T",
            help="Overlap from which on boxes are the same; by default 0.5 (voting, nms) or 0.55 "
            "(nmw, wbf). With soft it chooses the linear form.",
            show_default=False,
        ),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            "--weights",
            metavar="W,W,...",
            help="How much each file counts, above 0; by default all alike.",
            show_default=False,
        ),
    ] = None,
    k: Annotated[
        int | None,
        typer.Option(
            "--k",
            metavar="K",
            help="Of voting: how many boxes vote; by default the number of files.",
            show_default=False,
        ),
    ] = None,
    sigma: Annotated[
        float | None,
        typer.Option(
            "--sigma",
            metavar="S",
            help="Of soft: how slowly scores fade; by default 0.5.",
            show_default=False,
        ),
    ] = None,
    keep: Annotated[
        int, typer.Option("--keep", metavar="N", help="At most so many boxes a picture.")
    ] = 300,
    json: JsonOption = False,
) -> None:
    """Merge COCO result files of several models over the same pictures.

    \b
    voting  the best box and those that overlap it; the K best vote on place and score
            (after Open Images 2019; our reading of it)
    nms     the best box alone
    soft    the best box; overlapping ones lose score (Soft-NMS, gaussian)
    nmw     mean of the boxes, weighted by score and overlap; score of the best
    wbf     weighted boxes fusion: mean of the boxes and of the scores

    A picture that is missing from a file is one where that model found nothing, which lowers the
    scores of voting and wbf. Nothing half written stays.

    \b
    Examples:
      saccade fuse a.json b.json c.json -o merged.json
      saccade fuse a.json b.json --method wbf --iou 0.6 --weights 2,1 -o merged.json
    """  # noqa: D301
    from saccade.tasks.fuse import fuse_files

    def track(items: Iterable[_Item], total: int) -> Iterable[_Item]:
        return progress(items, total, "pictures")

    done = fuse_files(
        files,
        out,
        method=method,  # type: ignore[arg-type]  # checked there
        iou=iou,
        weights=None if weights is None else _numbers(weights),
        k=k,
        sigma=sigma,
        keep=keep,
        track=track,
    )
    for problem in done.problems:
        complain(problem)
    if json:
        print_json(done.to_dict())
    else:
        typer.echo(_summary(done))


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise typer.BadParameter(
            f"--weights {text!r}; expected numbers with commas between, like 2,1"
        ) from None


def _summary(done: FusedFiles) -> str:
    before = sum(boxes for _, boxes in done.files)
    return (
        f"{done.path}: {_count(before, 'box', 'es')} of {_count(len(done.files), 'file')} in "
        f"{_count(done.pictures, 'picture')} became {done.boxes:,} by {done.method}"
    )


def _count(number: int, what: str, many: str = "s") -> str:
    return f"{number:,} {what}{many * (number != 1)}"
