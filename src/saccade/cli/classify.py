"""``saccade classify``: the top classes of pictures."""

from __future__ import annotations

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
    console,
    expand,
    print_json,
    progress,
)

if TYPE_CHECKING:
    from saccade.results import Classes

__all__ = ["classify"]


def classify(
    images: Images,
    model: ModelOption = None,
    top: Annotated[
        int, typer.Option("--top", "-k", metavar="N", help="How many classes to name.")
    ] = 5,
    json: JsonOption = False,
    draw: DrawOption = None,
    runtime: RuntimeOption = "onnxruntime",
    threads: ThreadsOption = None,
    batch: Annotated[
        int, typer.Option("--batch", metavar="N", help="Pictures that are looked at together.")
    ] = 8,
) -> None:
    """Say what pictures show: the classes a model knows, the most likely first.

    A picture that cannot be read costs one line on stderr, and the exit status 1 at the end; the
    others are answered.

    \b
    Examples:
      saccade classify photo.jpg
      saccade classify photos/ --top 1 --json > answers.jsonl
      saccade classify photo.jpg --model my.onnx --draw answer.jpg
    """  # noqa: D301
    from saccade.results import Failed
    from saccade.tasks.classify import Classifier

    classifier = Classifier(model, runtime=runtime, threads=threads)
    paths, complete = expand(images)
    drawings = Drawings(draw, len(paths))
    found: list[Classes] = []
    answers = classifier.many(paths, top=top, batch=min(batch, max(1, len(paths))))
    for answer in progress(answers, len(paths), "classify"):
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
        _print_table(found)
    if not complete:
        raise typer.Exit(1)


def _print_table(found: list[Classes]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    table.add_column("image", overflow="fold")
    table.add_column("class", overflow="fold")
    table.add_column("score", justify="right")
    for answer in found:
        for place, (label, score) in enumerate(answer):
            # Text, not str: brackets in a file name are no markup.
            table.add_row(Text(answer.image if place == 0 else ""), Text(label), f"{score:.4f}")
    console().print(table)
