"""``saccade recognize``: pictures named by a gallery."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

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

__all__ = [
    "AllOption",
    "DetectorOption",
    "GalleryModelOption",
    "MaxObjectsOption",
    "ThresholdOption",
    "TopOption",
    "chosen_detector",
    "print_objects",
    "recognize",
]

# Of saccade.tasks.recognize, which is too heavy to import here; tests compare.
DEFAULT_THRESHOLD = 0.5
MAX_OBJECTS = 5

TopOption = Annotated[
    int, typer.Option("--top", "-k", metavar="N", help="How many neighbours to list.")
]
ThresholdOption = Annotated[
    float | None,
    typer.Option(
        "--threshold",
        metavar="S",
        help="Similarity, -1 to 1, from which on the best neighbour gives its name. By default the "
        f"gallery's own (see: saccade gallery calibrate), else {DEFAULT_THRESHOLD}.",
        show_default=False,
    ),
]
DetectorOption = Annotated[
    str | None,
    typer.Option(
        "--detector",
        metavar="NAME|FILE",
        help="A model to detect, that finds the things to be named; 'none' looks at the full frame "
        "alone. By default the shipped one, if there is one.",
        show_default=False,
    ),
]
MaxObjectsOption = Annotated[
    int,
    typer.Option(
        "--max-objects", metavar="N", help="How many things to look at besides the full frame."
    ),
]
AllOption = Annotated[
    bool,
    typer.Option(
        "--all", help="Give all that was looked at: the full frame, and things that overlap, too."
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
    detector: DetectorOption = None,
    top: TopOption = 5,
    threshold: ThresholdOption = None,
    max_objects: MaxObjectsOption = MAX_OBJECTS,
    every: AllOption = False,
    json: JsonOption = False,
    draw: DrawOption = None,
    model: GalleryModelOption = None,
    runtime: RuntimeOption = "onnxruntime",
    threads: ThreadsOption = None,
) -> None:
    """Name what pictures show by what they resemble most in a gallery.

    Things are found by the detector, if there is one, and looked up together with the full frame.
    What resembles nothing enough is 'unknown' (null in JSON). A picture that cannot be read costs
    one line on stderr, and the exit status 1 at the end; the others are answered.

    \b
    Examples:
      saccade recognize photo.jpg --gallery pantry.gallery
      saccade recognize photos/ --gallery pantry.gallery --json > answers.jsonl
      saccade recognize photo.jpg --gallery pantry.gallery --draw answer.jpg --threshold 0.7
      saccade recognize shelf.jpg --gallery pantry.gallery --detector bodies.onnx --max-objects 20
    """  # noqa: D301
    from saccade.gallery import Gallery
    from saccade.results import Failed
    from saccade.tasks.recognize import Recognizer

    with Gallery.open(gallery) as shelf:
        namer = Recognizer(
            shelf, model, detector=chosen_detector(detector), runtime=runtime, threads=threads
        )
        if len(shelf) == 0:
            complain(f"{gallery} is empty; add pictures with: saccade gallery add {gallery} ...")
        paths, complete = expand(images)
        drawings = Drawings(draw, len(paths))
        found: list[Recognized | Look] = []
        answers = namer.many(
            paths, top=top, threshold=threshold, max_objects=max_objects, every=every
        )
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


def chosen_detector(detector: str | None) -> str | Literal[False] | None:
    """What ``--detector`` means in Python: 'none' is no detector at all."""
    return False if detector == "none" else detector


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
