"""``saccade look``: everything in one glance at a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from saccade.cli.common import (
    Drawings,
    DrawOption,
    Images,
    JsonOption,
    ModelOption,
    RuntimeOption,
    ThreadsOption,
    complain,
    expand,
    print_json,
    progress,
)
from saccade.cli.recognize import (
    MAX_OBJECTS,
    AllOption,
    DetectorOption,
    MaxObjectsOption,
    ThresholdOption,
    TopOption,
    chosen_detector,
    print_objects,
)

if TYPE_CHECKING:
    from saccade.results import Look

__all__ = ["look"]


def look(
    images: Images,
    gallery: Annotated[
        Path | None,
        typer.Option(
            "--gallery", "-g", metavar="PLACE", help="Name by this gallery, not by a classifier."
        ),
    ] = None,
    detector: DetectorOption = None,
    top: TopOption = 5,
    threshold: ThresholdOption = None,
    max_objects: MaxObjectsOption = MAX_OBJECTS,
    every: AllOption = False,
    text: Annotated[
        bool, typer.Option("--text/--no-text", help="Whether to read the text too.")
    ] = True,
    json: JsonOption = False,
    draw: DrawOption = None,
    model: ModelOption = None,
    runtime: RuntimeOption = "onnxruntime",
    threads: ThreadsOption = None,
) -> None:
    """Look at pictures: what is in them, in one answer.

    With a gallery, things are found and named as 'saccade recognize' does it. Without one, a
    detector that is given names what it finds by its own classes; else the picture gets its most
    likely class. Text is read where models to read it are shipped.

    \b
    Examples:
      saccade look photo.jpg
      saccade look photo.jpg --gallery pantry.gallery --draw answer.jpg
      saccade look photos/ --gallery pantry.gallery --json > answers.jsonl
    """  # noqa: D301
    from saccade.results import Failed
    from saccade.tasks.look import Looker

    looker = Looker(
        gallery,
        model,
        detector=chosen_detector(detector),
        reader=None if text else False,
        runtime=runtime,
        threads=threads,
    )
    paths, complete = expand(images)
    drawings = Drawings(draw, len(paths))
    found: list[Look] = []
    answers = looker.many(paths, top=top, threshold=threshold, max_objects=max_objects, every=every)
    for answer in progress(answers, len(paths), "look"):
        if isinstance(answer, Failed):
            complain(answer)
            complete = False
            continue
        complete &= drawings.save(answer.image, answer.draw)
        if json:
            print_json(answer.to_dict())
        else:
            found.append(answer)
    if found:
        print_objects(found)
        _print_lines(found)
    if not complete:
        raise typer.Exit(1)


def _print_lines(found: list[Look]) -> None:
    for answer in found:
        if answer.lines:
            typer.echo(f"\n{answer.image} reads:")
            for line in answer.lines:
                typer.echo(f"  {line.text}")
