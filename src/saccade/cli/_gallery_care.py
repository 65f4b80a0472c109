"""The verbs of ``saccade gallery`` that change and keep what is there."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from saccade.cli._gallery_common import Place, index_after, size
from saccade.cli.common import (
    JsonOption,
    RuntimeOption,
    ThreadsOption,
    complain,
    console,
    print_json,
)

__all__ = ["VERBS"]


def remove(
    place: Place,
    ids: Annotated[
        list[int] | None, typer.Argument(metavar="ID", help="Ids, as the list shows them.")
    ] = None,
    label: Annotated[
        str | None, typer.Option("--label", "-l", metavar="TEXT", help="All of this label.")
    ] = None,
    path: Annotated[
        str | None, typer.Option("--path", metavar="FILE", help="All that came from this file.")
    ] = None,
) -> None:
    """Remove pictures from a gallery; their files stay where they are.

    \b
    Examples:
      saccade gallery remove pantry.gallery 17 18
      saccade gallery remove pantry.gallery --label lemon
      saccade gallery remove pantry.gallery --path products/lemon/3.jpg
    """  # noqa: D301
    from saccade.gallery import Gallery

    if not ids and label is None and path is None:
        raise typer.BadParameter("nothing to remove; give an ID, --label or --path")
    with Gallery.open(place) as shelf:
        if path is not None and not shelf.has_source(path):
            path = os.path.abspath(path)  # noqa: PTH100  (as add remembers it; resolves no links)
        count = shelf.remove(ids or [], label=label, source=path)
        index_after(shelf)
        typer.echo(f"{count} removed; {place} has {size(shelf)}", err=True)


def rename(
    place: Place,
    names: Annotated[list[str], typer.Argument(metavar="[OLD] NEW", help="The labels.")],
    item: Annotated[
        int | None, typer.Option("--id", metavar="ID", help="Rename this one item only.")
    ] = None,
) -> None:
    """Give a label another name, or one item another label.

    Renamed to a label that is there already, the two become one.

    \b
    Examples:
      saccade gallery rename pantry.gallery lemon "Citrus × limon"
      saccade gallery rename pantry.gallery --id 17 lime
    """  # noqa: D301
    from saccade.gallery import Gallery

    if len(names) != (2 if item is None else 1):
        raise typer.BadParameter("give OLD and NEW, or --id ID and NEW")
    with Gallery.open(place) as shelf:
        done = shelf.rename(*names) if item is None else shelf.relabel(item, names[0])
        merged = f", {done.merged} there already" if done.merged else ""
        typer.echo(f"{done.renamed} renamed{merged}; {place} has {size(shelf)}", err=True)


def stats(place: Place, json: JsonOption = False) -> None:
    """Sizes and facts of a gallery: model, index, calibration.

    \b
    Examples:
      saccade gallery stats pantry.gallery
      saccade gallery stats pantry.gallery --json
    """  # noqa: D301
    from saccade.gallery import Gallery
    from saccade.gallery import stats as facts

    with Gallery.open(place) as shelf:
        found = facts(shelf)
    if json:
        print_json(found)
        return
    from rich.text import Text

    for key, value in found.items():
        console().print(Text(f"{key.replace('_', ' '):14} {'-' if value is None else value}"))


def check(
    place: Place,
    repair: Annotated[
        bool, typer.Option("--repair", help="Build the index anew where it is wrong.")
    ] = False,
) -> None:
    """Compare the index of a gallery with its truth, and look for damage.

    The exit status is 1 if something is wrong and was not repaired. Damage of the truth itself
    cannot be repaired: bring back a copy or an export.

    \b
    Examples:
      saccade gallery check pantry.gallery
      saccade gallery check pantry.gallery --repair
    """  # noqa: D301
    from saccade.gallery import Gallery
    from saccade.gallery import check as compare

    with Gallery.open(place) as shelf:
        found = compare(shelf, repair=repair)
        for problem in (*found.damage, *found.stale):
            complain(f"{place}: {problem}")
        if found.stale and not repair:
            complain(f"mend it with: saccade gallery check {place} --repair")
        if found.ok:
            state = "is repaired" if found.repaired else "is whole"
            typer.echo(f"{place} {state}: {size(shelf)}", err=True)
    if not found.ok:
        raise typer.Exit(1)


def export(
    place: Place,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="OUT", help="A new folder, or a new .zip file.")
    ],
) -> None:
    """Write a gallery as plain files: JSON lines and a NumPy array.

    \b
    Examples:
      saccade gallery export pantry.gallery --out pantry.zip
    """  # noqa: D301
    from saccade.gallery import Gallery, export_gallery

    with Gallery.open(place) as shelf:
        count = export_gallery(shelf, out)
    typer.echo(f"{count} items written to {out}", err=True)


def import_(
    place: Place,
    source: Annotated[Path, typer.Argument(metavar="EXPORT", help="An exported gallery.")],
) -> None:
    """Make a gallery of an export, or add the export to a gallery of the same model.

    \b
    Examples:
      saccade gallery import pantry.gallery pantry.zip
    """  # noqa: D301
    from saccade.gallery import Gallery, import_gallery

    added = import_gallery(source, place)
    known = f", {added.duplicates} there already" if added.duplicates else ""
    with Gallery.open(place) as shelf:
        index_after(shelf)
        typer.echo(f"{len(added.ids)} added{known}; {place} has {size(shelf)}", err=True)


def re_embed(
    place: Place,
    model: Annotated[
        str, typer.Option("--model", "-m", metavar="NAME|FILE", help="The new model.")
    ],
    drop_missing: Annotated[
        bool,
        typer.Option("--drop-missing", help="Remove items whose picture cannot be read any more."),
    ] = False,
    runtime: RuntimeOption = "onnxruntime",
    threads: ThreadsOption = None,
) -> None:
    """Change the model of a gallery, from the pictures it was made of.

    Searches and adds go on with the old model until all is done; then the new vectors take their
    place at once, and who has the gallery open has to open it again. An interrupted call is resumed
    by making it again. Pictures that are gone or have changed are listed; then nothing is changed,
    unless with --drop-missing.

    \b
    Examples:
      saccade gallery re-embed pantry.gallery --model better.onnx
    """  # noqa: D301
    from rich.console import Console
    from rich.progress import Progress

    from saccade.gallery import Gallery, reembed
    from saccade.tasks.embed import Embedder

    screen = Console(stderr=True)
    with Gallery.open(place) as shelf:
        embedder = Embedder(model, runtime=runtime, threads=threads)
        with Progress(console=screen, transient=True, disable=not screen.is_terminal) as bar:
            task = bar.add_task("re-embed", total=len(shelf))
            report = reembed(
                *(shelf, embedder),
                drop_missing=drop_missing,
                on_progress=lambda done: bar.advance(task, done),
            )
        for problem in report.problems:
            complain(problem)
        if report.problems and not drop_missing:
            complain(
                f"{place} keeps its model: {len(report.problems)} of {len(shelf)} pictures could"
                " not be read; bring them back, or remove these items with --drop-missing"
            )
            raise typer.Exit(1)
        index_after(shelf)
        dropped = f", {report.dropped} removed" if report.dropped else ""
        typer.echo(f"{report.embedded} embedded with {embedder.name}{dropped}", err=True)


def calibrate(
    place: Place,
    rate: Annotated[
        float,
        typer.Option(
            "--false-accept-rate",
            metavar="R",
            help="How often a thing that is not in the gallery may be given a name, 0 to 1.",
        ),
    ] = 0.05,
    json: JsonOption = False,
) -> None:
    """Learn from the gallery itself which similarity is enough to be known.

    \b
    Examples:
      saccade gallery calibrate pantry.gallery --false-accept-rate 0.01
    """  # noqa: D301
    from saccade.gallery import Gallery
    from saccade.gallery.calibration import calibrate as learn

    with Gallery.open(place) as shelf:
        _, labels, vectors = shelf.vectors()
        calibration = learn(vectors, labels, false_accept_rate=rate)
        shelf.set_calibration(calibration)
    if json:
        print_json(calibration.to_dict())
    else:
        typer.echo(
            f"{place}: known from a similarity of {calibration.threshold:.3f} on, for a false"
            f" accept rate of {calibration.false_accept_rate:g}",
            err=True,
        )


def index(
    place: Place,
    kind: Annotated[
        str | None,
        typer.Argument(metavar="KIND", help="auto, flat, hnsw, ivf, ivf-pq; binary-flat, -hnsw."),
    ] = None,
) -> None:
    """Build the index of a gallery now, of the kind that is told, which is remembered.

    \b
    Examples:
      saccade gallery index pantry.gallery
      saccade gallery index pantry.gallery hnsw
    """  # noqa: D301
    from saccade.gallery import Gallery

    with Gallery.open(place) as shelf:
        if kind is not None:
            shelf.set_index(kind)
        built = shelf.build_index()
        typer.echo(f"{place} has the index {built} over {size(shelf)}", err=True)


VERBS: dict[str, Callable[..., Any]] = {
    "remove": remove,
    "rename": rename,
    "stats": stats,
    "check": check,
    "export": export,
    "import": import_,
    "re-embed": re_embed,
    "calibrate": calibrate,
    "index": index,
}
