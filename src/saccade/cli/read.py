"""``saccade read``: the text in pictures and documents."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from saccade._files import whole_file
from saccade.cli.common import (
    Drawings,
    DrawOption,
    JsonOption,
    RuntimeOption,
    ThreadsOption,
    complain,
    expand,
    print_json,
    progress,
)
from saccade.errors import ImageError

if TYPE_CHECKING:
    from saccade.results import Page
    from saccade.tasks.read_text import Frame, TextReader

__all__ = ["read"]

_FILE = {"metavar": "NAME|FILE", "show_default": False}


def read(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="IMAGE|PDF", help="Pictures, PDF files, and folders of them."),
    ],
    text: Annotated[
        bool, typer.Option("--text", help="Print plain text that keeps the layout (the default).")
    ] = False,
    json: JsonOption = False,
    tsv: Annotated[
        bool, typer.Option("--tsv", help="Print a table of pages, lines and words.")
    ] = False,
    hocr: Annotated[bool, typer.Option("--hocr", help="Print hOCR.")] = False,
    alto: Annotated[bool, typer.Option("--alto", help="Print ALTO XML.")] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Write it to a file, not to stdout."),
    ] = None,
    pdf: Annotated[
        Path | None,
        typer.Option("--pdf", metavar="OUT", help="Write a searchable PDF of all pages."),
    ] = None,
    draw: DrawOption = None,
    characters: Annotated[
        bool, typer.Option("--characters", help="Also give every character with its place.")
    ] = False,
    min_score: Annotated[
        float | None,
        typer.Option(
            "--min-score",
            metavar="S",
            help="Leave out lines with a lower score, 0 to 1; by default the model's, 0.5.",
            show_default=False,
        ),
    ] = None,
    det: Annotated[
        str | None, typer.Option("--det", help="The model that finds lines.", **_FILE)
    ] = None,
    rec: Annotated[
        str | None, typer.Option("--rec", help="The model that reads them.", **_FILE)
    ] = None,
    orient: Annotated[
        str | None,
        typer.Option(
            "--orient",
            help="The model that sees which lines stand on their heads; 'none' for none.",
            **_FILE,
        ),
    ] = None,
    dictionary: Annotated[
        Path | None,
        typer.Option(
            "--dict",
            metavar="FILE",
            help="Characters of a foreign model that does not carry them, one a line.",
        ),
    ] = None,
    words: Annotated[
        Path | None,
        typer.Option(
            "--words", metavar="FILE", help="Read only words of this list, one a line; slower."
        ),
    ] = None,
    runtime: RuntimeOption = "onnxruntime",
    threads: ThreadsOption = None,
) -> None:
    """Read the text in pictures, PDF files and multi-page TIFF files.

    Lines come in reading order, column by column; pages that lie on their side or on their head are
    read the right way up. PP-OCR models of others (versions 2 to 6, as ONNX files) serve as well as
    those of Saccade. What cannot be read costs one line on stderr, and the exit status 1 at the
    end; the others are answered.

    \b
    Examples:
      saccade read receipt.jpg
      saccade read scans/ --json > answers.jsonl
      saccade read letter.pdf --pdf letter-searchable.pdf --hocr --out letter.hocr
      saccade read photo.jpg --det det.onnx --rec rec.onnx --orient none --draw answer.png
    """  # noqa: D301
    form = _one_form(text=text, json=json, tsv=tsv, hocr=hocr, alto=alto)
    _check_places(out, pdf)
    reader = _reader(det, rec, orient, dictionary, words, runtime, threads)
    paths, complete = expand(sources, documents=True)
    drawings = Drawings(draw, len(paths))
    work = _Work(form, characters, drawings, out)
    frames = reader.frames(paths, words=True, characters=characters, min_score=min_score)
    if not any(path.suffix.lower() in (".pdf", ".tif", ".tiff") for path in paths):
        frames = progress(frames, len(paths), "read")
    done = work.run(frames)
    if pdf is None:
        for _ in done:
            pass
    else:
        _write_pdf(pdf, done, paths)
    work.finish()
    if not complete or not work.complete:
        raise typer.Exit(1)


class _Work:
    """What happens to each page, and to all of them at the end."""

    def __init__(self, form: str, characters: bool, drawings: Drawings, out: Path | None) -> None:
        self.complete = True
        self._form = form
        self._characters = characters
        self._drawings = drawings
        self._out = out
        self._pages: list[Page] = []
        # JSON and text leave page by page; the other forms are one document.
        self._streams = out is None and form in ("json", "text")
        self._count = 0

    def run(self, frames: Iterator[Frame | Any]) -> Iterator[Frame]:
        from saccade.documents import to_text
        from saccade.results import Failed

        for frame in frames:
            if isinstance(frame, Failed):
                complain(frame)
                self.complete = False
                continue
            page = frame.page
            self.complete &= self._drawings.save(
                page.image,
                page.draw,
                pixels=frame.image,
                number=page.number if page.pages > 1 else 0,
            )
            if not self._streams:
                self._pages.append(page)
            elif self._form == "json":
                print_json(page.to_dict())
            else:
                typer.echo(("\f" if self._count else "") + to_text(page), nl=False)
            self._count += 1
            yield frame

    def finish(self) -> None:
        if not self._pages:
            return
        content = self._content()
        if self._out is None:
            typer.echo(content, nl=False)
        else:
            _write_whole(self._out, content)

    def _content(self) -> str:
        import json

        from saccade import documents

        match self._form:
            case "json":
                lines = (json.dumps(page.to_dict(), ensure_ascii=False) for page in self._pages)
                return "".join(f"{line}\n" for line in lines)
            case "tsv":
                return documents.to_tsv(self._pages)
            case "hocr":
                return documents.to_hocr(self._pages, characters=self._characters)
            case "alto":
                return documents.to_alto(self._pages, characters=self._characters)
            case _:
                return documents.to_text(self._pages)


def _reader(
    det: str | None,
    rec: str | None,
    orient: str | None,
    dictionary: Path | None,
    words: Path | None,
    runtime: str,
    threads: int | None,
) -> TextReader:
    from saccade.tasks._text_graphs import read_words
    from saccade.tasks.read_text import TextReader

    return TextReader(
        det,
        rec,
        False if orient == "none" else orient,
        dictionary=dictionary,
        words=None if words is None else read_words(words),
        runtime=runtime,
        threads=threads,
    )


def _one_form(**wanted: bool) -> str:
    chosen = [name for name, is_wanted in wanted.items() if is_wanted]
    if len(chosen) > 1:
        raise typer.BadParameter(f"--{chosen[0]} and --{chosen[1]}: choose one form")
    return chosen[0] if chosen else "text"


def _check_places(*places: Path | None) -> None:
    """Find out before the work, not after it, that an answer has nowhere to go."""
    for place in places:
        if place is not None and (place.is_dir() or not place.absolute().parent.is_dir()):
            what = "is a folder" if place.is_dir() else "lies in a folder that does not exist"
            raise ImageError(f"{place}: {what}; name a file in an existing folder")


def _write_pdf(pdf: Path, frames: Iterator[Frame], paths: list[Path]) -> None:
    from saccade.documents import write_pdf
    from saccade.imaging.documents import DPI

    first = next(frames, None)
    if first is None:
        complain(f"{pdf}: not written, since no page could be read")
        return
    rendered = all(path.suffix.lower() == ".pdf" for path in paths)

    def pages() -> Iterator[tuple[Page, Any]]:
        frame: Frame | None = first
        while frame is not None:
            is_jpeg = frame.page.image.lower().endswith((".jpg", ".jpeg"))
            # The bytes of a JPEG go into the PDF as they are.
            yield frame.page, Path(frame.page.image) if is_jpeg else frame.image
            frame = next(frames, None)

    if rendered:
        write_pdf(pdf, pages(), dpi=DPI)
    else:
        write_pdf(pdf, pages())


def _write_whole(target: Path, content: str) -> None:
    """A file that is there whole or not at all."""
    try:
        with whole_file(target) as beside:
            beside.write_text(content, encoding="utf-8")
    except OSError as error:
        raise ImageError(
            f"cannot write {target}: {error.strerror or error}; choose another --out"
        ) from error
