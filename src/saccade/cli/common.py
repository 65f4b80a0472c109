"""What several verbs share: options, folders of pictures, drawn copies, JSON lines, progress."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from saccade.errors import ImageError

if TYPE_CHECKING:
    from rich.console import Console

__all__ = [
    "DrawOption",
    "Drawings",
    "Images",
    "JsonOption",
    "ModelOption",
    "RuntimeOption",
    "ThreadsOption",
    "complain",
    "console",
    "expand",
    "print_json",
    "progress",
]

Images = Annotated[
    list[str], typer.Argument(metavar="IMAGE", help="Pictures, and folders of pictures.")
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model", "-m", metavar="NAME|FILE", help="The model; see 'saccade models' for names."
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON object a line, nothing else.")
]
DrawOption = Annotated[
    Path | None,
    typer.Option(
        "--draw",
        metavar="OUT",
        help="Save a copy of each picture with the answer drawn in: a file for one picture, "
        "else a folder.",
    ),
]
RuntimeOption = Annotated[
    str,
    typer.Option(
        "--runtime", metavar="NAME", help="onnxruntime, openvino (float32) or openvino-bf16."
    ),
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(
        "--threads",
        metavar="N",
        help="Threads; by default what the machine or container allows (or SACCADE_THREADS).",
        show_default=False,
    ),
]

_Item = TypeVar("_Item")
# Below this the work is over before a bar could be read.
_LONG = 20
# Without a terminal nothing is gained by folding columns at 80 characters.
_WIDE = 160


def complain(message: object) -> None:
    """Say on stderr, in one line, what could not be done."""
    typer.echo(f"saccade: {' '.join(str(message).split())}", err=True)


def print_json(plain: Any) -> None:
    """Print one JSON object on one line of stdout."""
    typer.echo(json.dumps(plain, ensure_ascii=False, allow_nan=False))


def console() -> Console:
    """Where tables are printed: stdout, as wide as the terminal; wide into files and pipes."""
    from rich.console import Console

    return Console() if sys.stdout.isatty() else Console(width=_WIDE)


def expand(
    places: Iterable[str], *, documents: bool = False, videos: bool = False
) -> tuple[list[Path], bool]:
    """Expand folders to the pictures in them; a place that cannot be listed is complained about.

    Args:
        places: Pictures and folders.
        documents: Whether PDF files in folders count too.
        videos: Whether videos in folders count too.

    Returns:
        The pictures in the order of the places, and whether every place could be listed.
    """
    from saccade.imaging.documents import DOCUMENT_SUFFIXES
    from saccade.imaging.read import IMAGE_SUFFIXES, list_images

    suffixes = DOCUMENT_SUFFIXES if documents else IMAGE_SUFFIXES
    if videos:
        from saccade.imaging.video import VIDEO_SUFFIXES

        suffixes |= VIDEO_SUFFIXES
    found: list[Path] = []
    complete = True
    for place in places:
        try:
            found += list_images([place], suffixes)
        except ImageError as error:
            complain(error)
            complete = False
    return found, complete


def progress(items: Iterable[_Item], total: int | None, what: str) -> Iterator[_Item]:
    """Pass items on, with a bar on stderr where a person watches and the work is long.

    Args:
        items: Anything.
        total: How many; None where nobody knows.
        what: Stands before the bar.
    """
    if not sys.stderr.isatty() or (total is not None and total < _LONG):
        yield from items
        return
    from rich.console import Console
    from rich.progress import track

    screen = Console(stderr=True)
    yield from track(items, description=what, total=total, console=screen, transient=True)


class Drawings:
    """Where the drawn copies of pictures go.

    Args:
        out: A file for one picture; a folder (made if need be) for several; None for nowhere.
        count: The number of pictures.

    Raises:
        ImageError: The folder cannot be made.
    """

    def __init__(self, out: Path | None, count: int) -> None:
        self._out = out
        self._is_folder = out is not None and (count > 1 or out.is_dir() or not out.suffix)
        self._taken: set[str] = set()
        if out is not None and self._is_folder:
            try:
                out.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise ImageError(
                    f"{out}: cannot be made a folder ({error.strerror}); choose another --draw"
                ) from error

    def save(
        self, image: str, draw: Callable[[Any], Any], *, pixels: Any = None, number: int = 0
    ) -> bool:
        """Draw into a copy of a picture and save it.

        Args:
            image: Path of the picture.
            draw: Takes and returns a picture, uint8 RGB.
            pixels: The picture, if it is at hand; None reads it.
            number: Of the page in a document of several, from 1; 0 for a picture.

        Returns:
            False, after a complaint, when the copy cannot be written or would overwrite the picture
            itself: the answer and the other pictures do not suffer for it.
        """
        if self._out is None:
            return True
        try:
            self._save(self._out, Path(image), draw, pixels, number)
        except ImageError as error:
            complain(error)
            return False
        return True

    def _save(
        self, out: Path, source: Path, draw: Callable[[Any], Any], pixels: Any, number: int
    ) -> None:
        from saccade.imaging.draw import save_image
        from saccade.imaging.read import read_image

        page = f"-{number}" if number else ""
        if self._is_folder:
            target = out / self._name(source, page)
        else:
            target = out.with_name(f"{out.stem}{page}{out.suffix}")
        if target.exists() and target.samefile(source):
            raise ImageError(f"{target}: --draw would overwrite the picture; choose another place")
        save_image(target, draw(read_image(source) if pixels is None else pixels))

    def _name(self, source: Path, page: str) -> str:
        """Name of a copy; pictures of one name from two folders get numbers."""
        from saccade.imaging.draw import WRITABLE_SUFFIXES

        suffix = source.suffix if source.suffix.lower() in WRITABLE_SUFFIXES else ".png"
        name, number = f"{source.stem}{page}{suffix}", 1
        while name in self._taken:
            number += 1
            name = f"{source.stem}{page}-{number}{suffix}"
        self._taken.add(name)
        return name
