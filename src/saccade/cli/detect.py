"""``saccade detect``: the objects in pictures and videos."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from saccade.cli._video_drawings import VideoDrawings
from saccade.cli.common import (
    Drawings,
    DrawOption,
    JsonOption,
    RuntimeOption,
    ThreadsOption,
    complain,
    console,
    expand,
    print_json,
    progress,
)
from saccade.errors import ImageError, OptionError

if TYPE_CHECKING:
    from saccade.documents.detections import YoloFolder
    from saccade.results import Detections, Failed
    from saccade.tasks.detect import Detector, Frame, LookOptions, Slices, Source
    from saccade.tasks.ensemble import Ensemble

    Look: TypeAlias = Callable[[Iterable[Source]], Iterator[Frame | Failed]]

__all__ = ["detect"]


def detect(
    places: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGE|VIDEO",
            help="Pictures, videos, folders of them, and cameras (camera:0).",
        ),
    ],
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME|FILE",
            help="The model; see 'saccade models' for names. Given several times, the models "
            "decide together.",
        ),
    ] = None,
    fuse: Annotated[
        str | None,
        typer.Option(
            "--fuse",
            metavar="METHOD",
            help="How several models decide together: voting (the default), wbf, nmw, nms, soft.",
        ),
    ] = None,
    score: Annotated[
        float | None,
        typer.Option(
            "--score",
            metavar="S",
            help="Objects score more than this, 0 to 1; by default the model's limit.",
            show_default=False,
        ),
    ] = None,
    iou: Annotated[
        float | None,
        typer.Option(
            "--iou",
            metavar="T",
            help="Boxes that overlap more than this, 0 to 1, are one object; by default the "
            "model's limit.",
            show_default=False,
        ),
    ] = None,
    keep: Annotated[
        int | None,
        typer.Option(
            "--keep",
            metavar="N",
            help="Objects of a picture at most; by default the model's limit.",
            show_default=False,
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--class", "-c", metavar="NAME", help="Only this class; may be given several times."
        ),
    ] = None,
    suppress: Annotated[
        str,
        typer.Option(
            "--suppress",
            metavar="METHOD",
            help="What becomes of boxes of one model that overlap: nms, soft, soft-linear, "
            "box-voting, nmw, wbf, none.",
        ),
    ] = "nms",
    agnostic: Annotated[
        bool,
        typer.Option("--agnostic", help="Boxes of different classes suppress each other too."),
    ] = False,
    slice_: Annotated[
        str | None,
        typer.Option(
            "--slice",
            metavar="auto|N",
            help="For small things in large pictures: also look at tiles of N pixels, or of the "
            "size of the model's input.",
        ),
    ] = None,
    overlap: Annotated[
        float, typer.Option("--overlap", metavar="P", help="Part of a tile that neighbours share.")
    ] = 0.2,
    every: Annotated[
        int, typer.Option("--every", metavar="N", help="Of videos, look at every N-th frame.")
    ] = 1,
    json: JsonOption = False,
    draw: DrawOption = None,
    coco: Annotated[
        Path | None,
        typer.Option("--coco", metavar="OUT.json", help="Write all answers as a COCO file."),
    ] = None,
    yolo: Annotated[
        Path | None,
        typer.Option(
            "--yolo", metavar="DIR", help="Write a YOLO label file for each picture or frame."
        ),
    ] = None,
    runtime: RuntimeOption = "onnxruntime",
    threads: ThreadsOption = None,
) -> None:
    """Find the objects in pictures, videos and what a camera sees.

    What cannot be read costs one line on stderr, and the exit status 1 at the end; the others are
    answered. A video is answered frame by frame, and drawn as an .mp4; a camera until Ctrl-C.

    \b
    Examples:
      saccade detect street.jpg --model my.onnx --draw answer.jpg
      saccade detect photos/ --model my.onnx --json > answers.jsonl
      saccade detect photos/ --model a.onnx --model b.onnx --fuse voting --coco found.json
      saccade detect aerial.tif --model my.onnx --slice auto --score 0.3
      saccade detect clip.mp4 --model my.onnx --every 5 --draw drawn.mp4
    """  # noqa: D301
    _check_out(coco)
    finder = _finder(model or [], fuse, runtime, threads)
    look = _look(
        finder,
        {
            "score": score,
            "iou": iou,
            "keep": keep,
            "classes": only or None,
            "slices": _slices(slice_, overlap),
        },
        suppress,
        agnostic,
    )
    look([])  # refuses options before the first picture is opened
    if every < 1:
        raise OptionError(f"--every is {every}, expected at least 1")
    sources, complete = _sources(places)
    work = _Work(finder.labels, sources, json=json, draw=draw, coco=coco, yolo=yolo)
    answers = work.answers(look, every)
    try:
        for item in work.watched(answers, every):
            work.take(item)
    except KeyboardInterrupt:
        # How one stops a camera: what was found until then is not lost.
        answers.close()
        work.finish()
        raise
    work.finish()
    if not complete or not work.complete:
        raise typer.Exit(1)


class _Work:
    """What happens to each picture and frame, and to all of them at the end."""

    def __init__(
        self,
        classes: tuple[str, ...],
        sources: list[str],
        *,
        json: bool,
        draw: Path | None,
        coco: Path | None,
        yolo: Path | None,
    ) -> None:
        from saccade.documents.detections import YoloFolder
        from saccade.imaging.video import is_video

        self.complete = True
        self._classes = classes
        self._sources = sources
        self._clips = [source for source in sources if is_video(source)]
        pictures = len(sources) - len(self._clips)
        self._json = json
        self._coco = coco
        self._drawings = Drawings(draw if pictures else None, len(sources))
        self._video_drawings = VideoDrawings(draw, len(sources))
        self._yolo: YoloFolder | None = None if yolo is None else YoloFolder(yolo, classes)
        self._found: list[Detections] = []

    def watched(self, answers: Iterator[Frame | Failed], every: int) -> Iterator[Frame | Failed]:
        """The answers with a bar, but where lines run through the same screen and tell enough."""
        if (self._json or self._clips) and sys.stdout.isatty():
            return answers
        return progress(answers, self._count(every), "detect")

    def _count(self, every: int) -> int | None:
        """How many pictures and frames there are, for the bar; None if it cannot be known."""
        from saccade.imaging.video import CAMERA, Video

        total = len(self._sources) - len(self._clips)
        if not sys.stderr.isatty():
            return total
        for clip in self._clips:
            if clip.startswith(f"{CAMERA}:"):
                return None
            try:
                with Video(clip, every=every) as video:
                    if video.count is None:
                        return None
                    total += video.count
            except ImageError:
                continue  # it is complained about when its turn comes
        return total

    def answers(self, look: Look, every: int) -> Generator[Frame | Failed, None, None]:
        """The answers in the order of the sources; what fails is a ``Failed``."""
        from saccade.imaging.video import is_video

        for are_clips, group in groupby(self._sources, is_video):
            if not are_clips:
                yield from look([Path(source) for source in group])
                continue
            for clip in group:
                yield from self._clip(clip, look, every)

    def _clip(self, clip: str, look: Look, every: int) -> Iterator[Frame | Failed]:
        from saccade.imaging.video import Video
        from saccade.results import Failed

        try:
            with Video(clip, every=every) as video:
                drawn = self._video_drawings.open(clip, video.fps / every)
                try:
                    for item in look(video):
                        if not isinstance(item, Failed):
                            drawn.add(item)
                        yield item
                finally:
                    drawn.close()
                    self.complete &= drawn.complete
        except ImageError as error:
            yield Failed(clip, str(error))

    def take(self, item: Frame | Failed) -> None:
        """Print, draw and write one answer."""
        from saccade.results import Failed

        if isinstance(item, Failed):
            complain(item)
            self.complete = False
            return
        found = item.found
        for problem in found.problems:
            complain(problem)
            self.complete = False
        if found.frame is None:
            self.complete &= self._drawings.save(found.image, found.draw, pixels=item.image)
        if self._yolo is not None:
            try:
                self._yolo.write(found)
            except ImageError as error:
                complain(error)
                self.complete = False
        if self._json:
            print_json(found.to_dict())
        elif self._clips:
            typer.echo(repr(found))  # at once: a video is long, and a camera has no end
        if self._coco is not None or not (self._json or self._clips):
            self._found.append(found)

    def finish(self) -> None:
        """Write what is written in one piece."""
        if self._found and not (self._json or self._clips):
            _print_table(self._found)
        if self._coco is not None:
            from saccade.documents.detections import write_coco

            write_coco(self._coco, self._found, self._classes)


def _finder(
    models: list[str], fuse: str | None, runtime: str, threads: int | None
) -> Detector | Ensemble:
    if len(models) > 1:
        from saccade.tasks.ensemble import DEFAULT_FUSE, Ensemble

        return Ensemble(models, fuse=fuse or DEFAULT_FUSE, runtime=runtime, threads=threads)
    if fuse is not None:
        raise typer.BadParameter("--fuse needs several models; give --model more than once")
    from saccade.tasks.detect import Detector

    return Detector(models[0] if models else None, runtime=runtime, threads=threads)


def _look(finder: Detector | Ensemble, options: LookOptions, suppress: str, agnostic: bool) -> Look:
    """Looking at pictures by the options of the command."""
    from saccade.tasks.detect import Detector

    if isinstance(finder, Detector):
        return partial(finder.frames, suppression=suppress, agnostic=agnostic, **options)
    if suppress != "nms" or agnostic:
        raise typer.BadParameter("--suppress and --agnostic are for one model; several take --fuse")
    return partial(finder.frames, **options)


def _slices(size: str | None, overlap: float) -> Slices | None:
    from saccade.tasks.detect import Slices

    if size is None:
        return None
    if size != "auto" and not size.isdecimal():
        raise OptionError(f"--slice is {size!r}, expected 'auto' or a number of pixels")
    return Slices(None if size == "auto" else int(size), overlap)


def _sources(places: list[str]) -> tuple[list[str], bool]:
    """Pictures, videos and cameras in their order, and whether every place could be listed."""
    from saccade.imaging.video import CAMERA

    found: list[str] = []
    complete = True
    for place in places:
        if place.startswith(f"{CAMERA}:"):
            found.append(place)
            continue
        paths, listed = expand([place], videos=True)
        found += map(str, paths)
        complete &= listed
    return found, complete


def _check_out(place: Path | None) -> None:
    """Find out before the work, not after it, that an answer has nowhere to go."""
    if place is not None and (place.is_dir() or not place.absolute().parent.is_dir()):
        what = "is a folder" if place.is_dir() else "lies in a folder that does not exist"
        raise ImageError(f"{place}: {what}; name a file in an existing folder")


def _print_table(found: list[Detections]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    table.add_column("image", overflow="fold")
    table.add_column("object", overflow="fold")
    table.add_column("score", justify="right")
    table.add_column("box")
    for answer in found:
        if not len(answer):
            table.add_row(Text(answer.image), "nothing", "", "")
        for place, item in enumerate(answer):
            # Text, not str: brackets in a file name are no markup.
            name = Text(answer.image if place == 0 else "")
            box = " ".join(f"{value:.0f}" for value in item.box)
            table.add_row(name, Text(item.label), f"{item.score:.4f}", box)
    console().print(table)
