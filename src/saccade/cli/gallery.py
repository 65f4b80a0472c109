"""``saccade gallery``: make, fill, search and list galleries; the others are in _gallery_care."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from saccade.cli import _gallery_care as care
from saccade.cli._gallery_common import Place, index_after, pairs, print_found, size
from saccade.cli.common import (
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
    from saccade.gallery import Gallery, PictureEmbedder, Pictures

__all__ = ["app"]

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Make, fill, search and keep galleries: labelled pictures that give others their names.",
    epilog="\b\nExamples:\n"
    "  saccade gallery create pantry.gallery products/\n"
    "  saccade gallery list pantry.gallery",
)

PicturesArgument = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="PICTURES",
        help="Folders whose subfolders are labels; with --label any pictures and folders.",
        show_default=False,
    ),
]
LabelOption = Annotated[
    str | None,
    typer.Option("--label", "-l", metavar="TEXT", help="What all these pictures show."),
]
ListOption = Annotated[
    Path | None,
    typer.Option(
        "--list",
        metavar="FILE",
        help="Pictures of a text file or of stdin (-): lines 'path<TAB>label', or JSON objects of "
        "path, label and metadata; paths from where the file is. With --label, paths alone do.",
    ),
]
MetaOption = Annotated[
    list[str] | None,
    typer.Option("--meta", metavar="KEY=VALUE", help="Metadata of all these; may be repeated."),
]
GalleryModel = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="NAME|FILE",
        help="The model the gallery was made with, if it has moved since.",
    ),
]


@app.command("create")
def create(
    place: Place,
    pictures: PicturesArgument = None,
    label: LabelOption = None,
    list_file: ListOption = None,
    meta: MetaOption = None,
    index: Annotated[
        str,
        typer.Option(
            "--index",
            metavar="KIND",
            help="auto (by the size), flat, hnsw, ivf, ivf-pq, binary-flat or binary-hnsw; "
            "the binary kinds keep one bit a number, for good.",
        ),
    ] = "auto",
    model: ModelOption = None,
    runtime: RuntimeOption = "onnxruntime",
    threads: ThreadsOption = None,
) -> None:
    """Make a gallery, empty or with first pictures.

    All its pictures will be compared by the one model that is chosen here.

    \b
    Examples:
      saccade gallery create pantry.gallery
      saccade gallery create pantry.gallery products/        (products/LABEL/*.jpg)
      saccade gallery create pantry.gallery --model my.onnx --index binary-flat
    """  # noqa: D301
    from saccade.errors import GalleryError
    from saccade.gallery import create_gallery
    from saccade.tasks.embed import Embedder

    found = _find(pictures or [], label, list_file, meta or [])
    if found is not None and not found.found:
        for problem in found.problems:
            complain(problem)
        raise GalleryError(f"{place} was not created: no picture to add was found")
    embedder = Embedder(model, runtime=runtime, threads=threads)
    with create_gallery(place, embedder, index=index) as shelf:
        typer.echo(f"created {place} for the model {embedder.name}", err=True)
        if found is not None:
            _fill(shelf, embedder, found)


@app.command("add")
def add(
    place: Place,
    pictures: PicturesArgument = None,
    label: LabelOption = None,
    list_file: ListOption = None,
    meta: MetaOption = None,
    model: GalleryModel = None,
    runtime: RuntimeOption = "onnxruntime",
    threads: ThreadsOption = None,
) -> None:
    """Add pictures to a gallery; they are known at once, also to programs that have it open.

    Pictures that are there already are recognised, so an interrupted call is simply made again. A
    picture that cannot be read is skipped with a line on stderr, and the exit status is 1.

    \b
    Examples:
      saccade gallery add pantry.gallery products/           (products/LABEL/*.jpg)
      saccade gallery add pantry.gallery lemon1.jpg lemon2.jpg --label lemon
      saccade gallery add pantry.gallery --list pictures.tsv --meta shelf=3
      find . -name '*.jpg' | saccade gallery add pantry.gallery --label lemon --list -
    """  # noqa: D301
    from saccade.gallery import Gallery
    from saccade.tasks.recognize import open_embedder

    with Gallery.open(place) as shelf:
        found = _find(pictures or [], label, list_file, meta or [])
        if found is None:
            raise typer.BadParameter("nothing to add; give PICTURES or --list FILE")
        embedder = open_embedder(shelf, model, runtime=runtime, threads=threads)
        _fill(shelf, embedder, found)


@app.command("search")
def search(
    place: Place,
    images: Images,
    top: Annotated[
        int, typer.Option("--top", "-k", metavar="N", help="How many neighbours to list.")
    ] = 5,
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where", metavar="KEY=VALUE", help="Only items of this metadata; may be repeated."
        ),
    ] = None,
    dba: Annotated[
        int, typer.Option("--dba", metavar="N", help="Average each item with N alike (DBA).")
    ] = 0,
    qe: Annotated[
        int, typer.Option("--qe", metavar="N", help="Average each query with N found (alpha-QE).")
    ] = 0,
    rerank: Annotated[
        bool, typer.Option("--rerank", help="Order what is found anew, by k-reciprocal encoding.")
    ] = False,
    json: JsonOption = False,
    model: GalleryModel = None,
    runtime: RuntimeOption = "onnxruntime",
    threads: ThreadsOption = None,
) -> None:
    """Find what in a gallery is most alike to pictures, best first.

    With --dba, --qe or --rerank all vectors are read, which suits a gallery of thousands, and the
    scores are no plain similarities any more.

    \b
    Examples:
      saccade gallery search pantry.gallery photo.jpg --top 10
      saccade gallery search pantry.gallery photos/ --where shelf=3 --json
      saccade gallery search pantry.gallery photo.jpg --qe 5 --rerank
    """  # noqa: D301
    from saccade.gallery import Gallery, search_refined
    from saccade.results import Failed
    from saccade.tasks.recognize import open_embedder

    wanted = pairs(where or [], "--where")
    with Gallery.open(place) as shelf:
        embedder = open_embedder(shelf, model, runtime=runtime, threads=threads)
        paths, complete = expand(images)
        vectors = progress(embedder.many(paths), len(paths), "search")
        for path, vector in zip(paths, vectors, strict=True):
            if isinstance(vector, Failed):
                complain(vector)
                complete = False
                continue
            seen = vector[None] if vector.any() else vector[None][:0]
            if dba or qe or rerank:
                options: dict[str, Any] = {"dba": dba, "qe": qe, "rerank": rerank}
                found = search_refined(shelf, seen, top, where=wanted, **options)
            else:
                found = shelf.search(seen, top, where=wanted, fingerprint=embedder.fingerprint)
            print_found(shelf, path, found, json=json)
    if not complete:
        raise typer.Exit(1)


@app.command("list")
def list_(
    place: Place,
    label: Annotated[
        str | None, typer.Option("--label", "-l", metavar="TEXT", help="Only this label.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """List what is in a gallery.

    \b
    Examples:
      saccade gallery list pantry.gallery
      saccade gallery list pantry.gallery --label lemon --json
    """  # noqa: D301
    from saccade.errors import GalleryError
    from saccade.gallery import Gallery

    with Gallery.open(place) as shelf:
        if label is not None and label not in shelf.labels():
            raise GalleryError(
                f"{place} has no picture labelled {label!r}; see its labels with: "
                f"saccade gallery list {place}"
            )
        if json:
            for item in shelf.items(label):
                print_json(item.to_dict())
        else:
            _print_table(shelf, label)


def _find(
    pictures: list[Path], label: str | None, list_file: Path | None, meta: list[str]
) -> Pictures | None:
    """All pictures that were named on the command line; None if nothing was."""
    from dataclasses import replace

    from saccade.gallery import Pictures, labelled_folder, labelled_list, with_label

    metadata = pairs(meta, "--meta")
    if label is not None and not label.strip():
        raise typer.BadParameter("the label is blank", param_hint="--label")
    if not pictures and list_file is None:
        if label is not None:
            raise typer.BadParameter("--label without PICTURES")
        return None
    found = Pictures()
    if label is not None:
        found += with_label(pictures, label)
    else:
        for folder in pictures:
            found += labelled_folder(folder)
    found = replace(
        found, found=tuple(replace(picture, metadata=metadata) for picture in found.found)
    )
    if list_file is not None:
        found += labelled_list(list_file, label=label, metadata=metadata)
    return found


def _fill(shelf: Gallery, embedder: PictureEmbedder, found: Pictures) -> None:
    """Add the pictures with a progress bar, complain about the bad ones, and sum up."""
    from rich.console import Console
    from rich.progress import Progress

    from saccade.gallery import add_pictures

    screen = Console(stderr=True)
    with Progress(console=screen, transient=True, disable=not screen.is_terminal) as progress:
        task = progress.add_task("add", total=len(found.found))
        report = add_pictures(
            shelf, embedder, found.found, on_progress=lambda done: progress.advance(task, done)
        )
    problems = [*found.problems, *report.problems]
    for problem in problems:
        complain(problem)
    parts = [f"{report.added} added"]
    if report.duplicates:
        parts.append(f"{report.duplicates} there already")
    index_after(shelf)
    if problems:
        parts.append(f"{len(problems)} left out")
    typer.echo(f"{', '.join(parts)}; {shelf.place} has {size(shelf)}", err=True)
    if problems:
        raise typer.Exit(1)


def _print_table(shelf: Gallery, label: str | None) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    table.add_column("id", justify="right")
    table.add_column("label", overflow="fold")
    table.add_column("source", overflow="fold")
    table.add_column("added", overflow="fold")
    for item in shelf.items(label):
        # Text, not str: brackets in a label are no markup.
        added = item.added_at[:19].replace("T", " ")
        # Below the present folder the short name says as much.
        source = item.source.removeprefix(f"{Path.cwd()}/")
        table.add_row(str(item.id), Text(item.label), Text(source), added)
    screen = console()
    if table.row_count:
        screen.print(table)
    screen.print(Text(f"{size(shelf)}, made with the model {shelf.model}"))


for name, verb in care.VERBS.items():
    app.command(name)(verb)
