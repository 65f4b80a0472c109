"""``saccade recognize``: pictures named by a gallery."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from saccade.cli.common import (
    Drawings,
    DrawOption,
    Images,
    JsonOption,
    RuntimeOption,
    ThreadsOption,
    complain,
    console,
    expand,
    print_json,
    progress,
)

if TYPE_CHECKING:
    from saccade.results import Look, Recognized

__all__ = ["GalleryModelOption", "ThresholdOption", "print_objects", "recognize"]

# saccade.tasks.recognize.DEFAULT_THRESHOLD, which is too heavy to import here; a test compares.
DEFAULT_THRESHOLD = 0.5

ThresholdOption = Annotated[
    float,
    typer.Option(
        "--threshold",
        metavar="S",
        help="Similarity, -1 to 1, from which on the best neighbour gives its name. The default is "
        "not calibrated: look at the scores of your own pictures, then choose.",
    ),
]
GalleryModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="NAME|FILE",
        help="The model the gallery was made with, if it has moved since.",
    ),
]


def recognize(
    images: Images,
    gallery: Annotated[
        Path, typer.Option("--gallery", "-g", metavar="PLACE", help="The gallery that names.")
    ],
    top: Annotated[
        int, typer.Option("--top", "-k", metavar="N", help="How many neighbours to list.")
    ] = 5,
    threshold: ThresholdOption = DEFAULT_THRESHOLD,
    json: JsonOption = False,
    draw: DrawOption = None,
    model: GalleryModelOption = None,
    runtime: RuntimeOption = "onnxruntime",
    threads: ThreadsOption = None,
) -> None:
    """Name what pictures show by what they resemble most in a gallery.

    The whole frame is taken as one object; there is no detector yet. A picture that resembles
    nothing enough is 'unknown' (null in JSON). A picture that cannot be read costs one line on
    stderr, and the exit status 1 at the end; the others are answered.

    \b
    Examples:
      saccade recognize photo.jpg --gallery pantry.gallery
      saccade recognize photos/ --gallery pantry.gallery --json > answers.jsonl
      saccade recognize photo.jpg --gallery pantry.gallery --draw answer.jpg --threshold 0.7
    """  # noqa: D301
    from saccade.gallery import Gallery
    from saccade.results import Failed
    from saccade.tasks.recognize import Recognizer

    with Gallery.open(gallery) as shelf:
        namer = Recognizer(shelf, model, runtime=runtime, threads=threads)
        if len(shelf) == 0:
            complain(f"{gallery} is empty; add pictures with: saccade gallery add {gallery} ...")
        paths, complete = expand(images)
        drawings = Drawings(draw, len(paths))
        found: list[Recognized | Look] = []
        answers = namer.many(paths, top=top, threshold=threshold)
        for answer in progress(answers, len(paths), "recognize"):
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
    if not complete:
        raise typer.Exit(1)


def print_objects(found: Sequence[Recognized | Look]) -> None:
    """Print a table of the objects, each with what it resembles besides."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    table.add_column("image", overflow="fold")
    table.add_column("name", overflow="fold")
    table.add_column("score", justify="right")
    table.add_column("most similar", overflow="fold")
    for answer in found:
        for thing in answer.objects:
            # Text, not str: brackets in a label are no markup.
            similar = [f"{' '.join(n.label.split())} {n.score:.2f}" for n in thing.neighbours]
            name = Text("unknown", "dim") if thing.label is None else Text(thing.label)
            table.add_row(Text(answer.image), name, f"{thing.score:.4f}", Text(", ".join(similar)))
    console().print(table)
