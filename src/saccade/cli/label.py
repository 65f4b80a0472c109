"""``saccade label``: the pictures of a pool that a teacher is surest of, in a list."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from saccade.cli.common import (
    JsonOption,
    RuntimeOption,
    ThreadsOption,
    complain,
    print_json,
    progress,
)

if TYPE_CHECKING:
    from saccade.mining import LabelReport
    from saccade.mining.duplicates import Mode

__all__ = ["label"]

_MOST_LINES = 20


def label(
    teacher: Annotated[
        str,
        typer.Option(
            "--teacher", "-t", metavar="NAME|FILE", help="A classifier; see 'saccade models'."
        ),
    ],
    pool: Annotated[
        list[str],
        typer.Option(
            "--pool",
            "-p",
            metavar="PLACE",
            help="Unlabelled pictures: a folder, a list, a .zip or pack.zip:FOLDER (may be "
            "repeated).",
            show_default=False,
        ),
    ],
    per_class: Annotated[
        int, typer.Option("--per-class", "-k", metavar="K", help="Pictures of a class at most.")
    ],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="PLACE", help="A folder, or the list (.txt) to write."),
    ],
    val: Annotated[
        list[str] | None,
        typer.Option(
            "--val",
            metavar="PLACE",
            help="Pictures that must not be selected, nor near-copies of them (may be repeated).",
            show_default=False,
        ),
    ] = None,
    least_score: Annotated[
        float, typer.Option("--least-score", metavar="S", help="Lower scores are not selected.")
    ] = 0.0,
    near_duplicates: Annotated[
        str,
        typer.Option(
            "--near-duplicates",
            metavar="fast|sift|off",
            help="Tell copies by hash, by hash and SIFT, or only whole files.",
        ),
    ] = "fast",
    json: JsonOption = False,
    runtime: RuntimeOption = "onnxruntime",
    threads: ThreadsOption = None,
    batch: Annotated[
        int, typer.Option("--batch", metavar="N", help="Pictures that are scored together.")
    ] = 32,
) -> None:
    """Label a pool of pictures by a teacher, and list the best of each class.

    Written are a list, classes.txt, a side file (.jsonl) that tells score and origin of every file,
    and a journal from which the same command goes on. Files that can't be used, validation
    pictures found in the pool and classes without a picture are told on stderr; the exit status is
    0 all the same.

    \b
    Examples:
      saccade label --teacher mine.onnx --pool photos/ --val val/ --per-class 200 --out mined/
      saccade label -t mine.onnx -p web.zip -p more.txt -k 50 -o mined.txt --least-score 0.8
      saccade label -t mine.onnx -p photos/ --val data.zip -k 50 -o mined/ --near-duplicates sift
    """  # noqa: D301
    from saccade.mining import label_pool

    def track(groups: Iterable[Any]) -> Iterable[Any]:
        return progress(groups, None, "batches")

    report = label_pool(
        teacher,
        pool,
        out,
        per_class=per_class,
        val=val or (),
        least_score=least_score,
        near_duplicates=cast("Mode", near_duplicates),
        batch=batch,
        runtime=runtime,
        threads=threads,
        track=track,
    )
    _complain_all(report)
    if json:
        print_json(report.to_dict())
    else:
        typer.echo(_summary(report))


def _complain_all(report: LabelReport) -> None:
    for note in report.notes:
        complain(note)
    bad = report.files["broken"] + report.files["not_a_picture"]
    for problem in report.problems[:_MOST_LINES]:
        complain(f"left out: {problem}")
    if bad:
        complain(
            f"left out: {report.files['not_a_picture']:,} files that are no pictures and "
            f"{report.files['broken']:,} that can't be read; all are in {report.details}"
        )
    for leak in report.leaks[:_MOST_LINES]:
        complain(f"left out: {leak}")
    if report.leaks:
        complain(
            f"validation pictures in the pool: {len(report.leaks):,}, left out; all are in "
            f"{report.details}"
        )
    if empty := report.empty_classes:
        names = ", ".join(empty[:_MOST_LINES]) + (", ..." if len(empty) > _MOST_LINES else "")
        complain(f"no picture for {len(empty)} of {len(report.classes)} classes: {names}")


def _summary(report: LabelReport) -> str:
    files = report.files
    full = len(report.classes) - len(report.empty_classes)
    return (
        f"{report.list}: {files['selected']:,} pictures of {full:,} classes, out of "
        f"{sum(files.values()):,} files ({report.scored:,} scored now); not taken: "
        f"{files['beyond']:,} beyond the best, {files['low_score']:,} of low score, "
        f"{files['copy']:,} copies, {files['validation']:,} validation pictures, "
        f"{files['broken']:,} broken, {files['not_a_picture']:,} no pictures"
    )
