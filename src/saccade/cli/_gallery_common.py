"""What the verbs of ``saccade gallery`` share: the place, and what they print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from saccade.cli.common import console, print_json

if TYPE_CHECKING:
    from saccade.gallery import Found, Gallery

__all__ = ["Place", "index_after", "pairs", "print_found", "size"]

Place = Annotated[Path, typer.Argument(metavar="PLACE", help="The gallery, a folder.")]

# From so many vectors on it takes long enough to be told.
_LONG = 20_000


def index_after(shelf: Gallery) -> None:
    """After a change: build the index if it has fallen too far behind."""
    if shelf.searcher.is_behind():
        if len(shelf) > _LONG:
            typer.echo("building the index...", err=True)
        shelf.build_index()


def size(shelf: Gallery) -> str:
    """How many pictures of how many labels."""
    pictures, labels = len(shelf), len(shelf.labels())
    return f"{pictures} picture{'s' * (pictures != 1)} of {labels} label{'s' * (labels != 1)}"


def pairs(options: list[str], name: str) -> dict[str, str]:
    """What ``KEY=VALUE`` options say."""
    found: dict[str, str] = {}
    for option in options:
        key, equals, value = option.partition("=")
        if not equals or not key:
            raise typer.BadParameter(f"{option!r} is not KEY=VALUE", param_hint=name)
        found[key] = value
    return found


def print_found(shelf: Gallery, path: Path, found: Found, *, json: bool) -> None:
    """Print the neighbours of one picture."""
    rows = [row for row in zip(found.ids.ravel(), found.scores.ravel(), strict=True) if row[0] >= 0]
    items = shelf.get(int(item) for item, _ in rows)
    answers = [(float(f"{score:.6g}"), items[int(item)]) for item, score in rows if item in items]
    if json:
        neighbours = [
            {"id": i.id, "label": i.label, "score": s, "source": i.source, "metadata": i.metadata}
            for s, i in answers
        ]
        print_json({"image": str(path), "neighbours": neighbours})
        return
    from rich.text import Text

    screen = console()
    screen.print(Text(f"{path}{'' if answers else ': nothing alike'}"))
    for score, item in answers:
        screen.print(Text(f"  {score:6.3f}  {item.label}  ({item.id}, {item.source})"))
