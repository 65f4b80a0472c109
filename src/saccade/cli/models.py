"""``saccade models``: the models shipped with Saccade, and the card of any model file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from saccade.cli.common import JsonOption, console, print_json

if TYPE_CHECKING:
    from saccade.modelfile import ModelCard

__all__ = ["app"]

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_LABELS_SHOWN = 12


@app.callback(invoke_without_command=True)
def models(context: typer.Context, json: JsonOption = False) -> None:
    """List the models shipped with Saccade; 'show' prints the card of one.

    \b
    Examples:
      saccade models
      saccade models show NAME
      saccade models show my.onnx --json
    """  # noqa: D301
    if context.invoked_subcommand is not None:
        return
    from saccade import zoo

    cards = zoo.cards()
    if json:
        for name, card in cards.items():
            print_json({"name": name, **card.to_dict()})
    elif cards:
        _print_table(cards, set(zoo.DEFAULT.values()))
    else:
        typer.echo("no models are shipped with this installation", err=True)


@app.command("show")
def show(
    model: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A shipped model or a file.")],
    json: JsonOption = False,
) -> None:
    """Print the card of a model: what it does, how well, and where it comes from.

    \b
    Examples:
      saccade models show my.onnx
      saccade models show my.onnx --json
    """  # noqa: D301
    from saccade import zoo
    from saccade.modelfile import read_card

    path = zoo.find(model)
    card = read_card(path)
    if json:
        print_json({"name": path.stem, **card.to_dict()})
    else:
        _print_card(path.stem, card)


def _print_table(cards: dict[str, ModelCard], defaults: set[str]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("model", "task", "input", "classes", "scores", "licence"):
        table.add_column(heading, overflow="fold")
    for name, card in cards.items():
        table.add_row(
            f"{name} *" if name in defaults else name,
            card.task,
            f"{card.prepare.height}x{card.prepare.width}",
            str(len(card.labels)),
            _scores(card),
            card.licence,
        )
    screen = console()
    screen.print(table, markup=False)
    screen.print("* the default of its task")


def _print_card(name: str, card: ModelCard) -> None:
    from rich.table import Table
    from rich.text import Text

    labels = ", ".join(card.labels[:_LABELS_SHOWN])
    more = ", ..." if len(card.labels) > _LABELS_SHOWN else ""
    prepare = ", ".join(f"{key} {value}" for key, value in card.prepare.to_dict().items())
    rows = {
        "model": name,
        "task": card.task,
        "architecture": card.architecture,
        "input": f"{card.input_name}: uint8 RGB (N, {card.prepare.height}, "
        f"{card.prepare.width}, 3)",
        "prepare": prepare,
        "outputs": ", ".join(card.outputs),
        "embedding": "" if card.embedding_dim is None else f"{card.embedding_dim} numbers",
        "labels": f"{len(card.labels)}: {labels}{more}" if card.labels else "",
        "thresholds": ", ".join(f"{key} {value:g}" for key, value in card.thresholds.items()),
        "scores": _scores(card),
        "licence": card.licence,
        "training data": card.training_data,
        "recipe": card.recipe,
        "notes": card.notes,
        "created": f"{card.created} by Saccade {card.saccade_version}".strip(),
        "fingerprint": card.fingerprint,
        "self-test": "yes (saccade verify)" if card.self_test is not None else "none",
    }
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for key, value in rows.items():
        if value:
            table.add_row(key, Text(value))
    console().print(table)


def _scores(card: ModelCard) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in card.scores.items())
