"""From a picture or a document to its text."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from saccade import zoo
from saccade.errors import OptionError, SaccadeError, UnknownModel
from saccade.imaging.documents import Document, open_document
from saccade.imaging.read import ImageSource, describe_source
from saccade.results import Failed, Page, TextCharacter, TextLine, TextWord
from saccade.results.page import Polygon
from saccade.tasks._pictures import check_images, milliseconds
from saccade.tasks._text_models import TextDetector, TextDirection
from saccade.tasks._text_page import FoundLine, FoundText, Stages, read_page
from saccade.tasks._text_recogniser import TextRecogniser
from saccade.text.words import character_spans, quad_slices, word_slices

__all__ = ["Frame", "TextReader"]

ModelName: TypeAlias = "str | os.PathLike[str]"


@dataclass(frozen=True)
class Frame:
    """A page of a document with what was read on it.

    Attributes:
        page: What was read.
        image: uint8 RGB ``(H, W, 3)``.
    """

    page: Page
    image: NDArray[np.uint8]


@dataclass(frozen=True)
class _Decoded:
    name: str
    number: int
    pages: int
    image: NDArray[np.uint8]
    read_ms: float


class TextReader:
    """Reads text. Immutable; any number of threads may share one.

    ::

        read = saccade.TextReader()
        page = read("receipt.jpg")
        page.text, page.lines[0].polygon

    PP-OCR networks of others (versions 2 to 6, as RapidOCR ships them) run as well as ours.

    Args:
        detector: Name or file of the model that finds lines, or one that is loaded; None for the
            default.
        recogniser: Likewise, of the model that reads them.
        direction: Likewise, of the model that sees which lines stand on their heads; None takes the
            default if one is shipped; False goes without.
        dictionary: Characters of a recogniser of others that does not carry them: a file, one a
            line.
        words: If given, what is read is made of these words.
        runtime: ``"onnxruntime"``, ``"openvino"`` or ``"openvino-bf16"``.
        threads: Threads for one run; None takes what the machine or container allows.

    Raises:
        UnknownModel: No such model.
        ModelFileError: A file is damaged or of another task.
        OptionError: An unknown runtime, a bad number of threads, or no words.
        MissingExtra: The runtime is not installed.
    """

    def __init__(
        self,
        detector: ModelName | TextDetector | None = None,
        recogniser: ModelName | TextRecogniser | None = None,
        direction: ModelName | TextDirection | Literal[False] | None = None,
        *,
        dictionary: ModelName | None = None,
        words: Iterable[str] | None = None,
        runtime: str = "onnxruntime",
        threads: int | None = None,
    ) -> None:
        _check_shipped(detector, recogniser)
        if isinstance(recogniser, TextRecogniser) and (words is not None or dictionary is not None):
            raise OptionError(
                "words and dictionary belong to a recogniser that is not loaded yet; "
                "pass them to TextRecogniser"
            )
        if direction is None and not _is_shipped("text_direction"):
            direction = False
        self._stages = Stages(
            detector
            if isinstance(detector, TextDetector)
            else TextDetector(detector, runtime=runtime, threads=threads),
            None
            if direction is False
            else direction
            if isinstance(direction, TextDirection)
            else TextDirection(direction, runtime=runtime, threads=threads),
            recogniser
            if isinstance(recogniser, TextRecogniser)
            else TextRecogniser(
                recogniser, dictionary=dictionary, words=words, runtime=runtime, threads=threads
            ),
        )

    def __repr__(self) -> str:
        stages = self._stages
        return f"TextReader({stages.detector!r}, {stages.recogniser!r}, {stages.direction!r})"

    @staticmethod
    def is_shipped() -> bool:
        """Whether this installation holds models to read text, so that none need be named."""
        return _is_shipped("text_detect") and _is_shipped("text_recognise")

    @property
    def alphabet(self) -> tuple[str, ...]:
        """The characters that can be read."""
        return self._stages.recogniser.alphabet

    def __call__(
        self,
        source: ImageSource,
        *,
        words: bool = True,
        characters: bool = False,
        min_score: float | None = None,
    ) -> Page:
        """Read a picture; of a document with several pages, the first.

        Args:
            source: A path, bytes, a PIL image, or uint8 RGB ``(H, W, 3)``; a path or bytes may be
                a PDF.
            words: Whether to part lines into words.
            characters: Whether to give the words' characters; implies ``words``.
            min_score: Lines with a lower score, 0..1, are left out; None takes what the recogniser
                says, 0.5.

        Raises:
            ImageError: The picture cannot be read.
            OptionError: ``min_score`` is out of range.
            MissingExtra: It is a PDF, and pypdfium2 is not installed.
        """
        answer = _Answer(words, characters, self._least(min_score))
        document = open_document(source)
        try:
            return self._read(_decode(document, 1), answer)
        finally:
            document.close()

    def document(
        self,
        source: ImageSource,
        *,
        words: bool = True,
        characters: bool = False,
        min_score: float | None = None,
    ) -> Iterator[Page | Failed]:
        """Read all pages of a PDF or frames of a TIFF; a picture has one.

        Args:
            source: As in a call.
            words: As in a call.
            characters: As in a call.
            min_score: As in a call.

        Returns:
            An iterator in order. A page that cannot be decoded is a ``Failed``.

        Raises:
            ImageError: The document cannot be opened.
            OptionError: ``min_score`` is out of range.
            MissingExtra: It is a PDF, and pypdfium2 is not installed.
        """
        answer = _Answer(words, characters, self._least(min_score))
        opened = open_document(source)
        return (_page(item) for item in self._frames(_pages(opened), answer))

    def stream(
        self,
        sources: Iterable[ImageSource],
        *,
        words: bool = True,
        characters: bool = False,
        min_score: float | None = None,
    ) -> Iterator[Page | Failed]:
        """Read many pictures and documents, decoding one page ahead.

        Args:
            sources: Any iterable, taken as it is needed.
            words: As in a call.
            characters: As in a call.
            min_score: As in a call.

        Returns:
            An iterator over all pages in input order. What cannot be read is a ``Failed``, and the
            others go on.

        Raises:
            OptionError: ``min_score`` is out of range, or ``sources`` is one picture.
        """
        found = self.frames(sources, words=words, characters=characters, min_score=min_score)
        return (_page(item) for item in found)

    def frames(
        self,
        sources: Iterable[ImageSource],
        *,
        words: bool = True,
        characters: bool = False,
        min_score: float | None = None,
    ) -> Iterator[Frame | Failed]:
        """As :meth:`stream`, with the picture of each page."""
        answer = _Answer(words, characters, self._least(min_score))
        return self._frames(_all_pages(check_images(sources)), answer)

    def _least(self, min_score: float | None) -> float:
        if min_score is None:
            return self._stages.recogniser.drop_score
        if not 0 <= min_score <= 1:
            raise OptionError(f"min_score is {min_score!r}, expected 0 to 1")
        return min_score

    def _frames(
        self, jobs: Iterator[Callable[[], _Decoded] | Failed], answer: _Answer
    ) -> Iterator[Frame | Failed]:
        for item in _ahead(jobs):
            if isinstance(item, Failed):
                yield item
                continue
            yield Frame(self._read(item, answer), item.image)

    def _read(self, item: _Decoded, answer: _Answer) -> Page:
        found = read_page(item.image, self._stages)
        height, width = item.image.shape[:2]
        lines, blocks = answer.lines(found, width, height)
        return Page(
            image=item.name,
            width=width,
            height=height,
            lines=lines,
            number=item.number,
            pages=item.pages,
            rotation=found.rotation,
            timings_ms={"read": item.read_ms, **found.timings_ms},
            blocks=blocks,
        )


@dataclass(frozen=True)
class _Answer:
    """How the lines that were found become those of a page."""

    words: bool
    characters: bool
    min_score: float

    def lines(
        self, found: FoundText, width: int, height: int
    ) -> tuple[tuple[TextLine, ...], tuple[int, ...]]:
        lines: list[TextLine] = []
        blocks: list[int] = []
        numbers: dict[int, int] = {}
        for line in found.lines:
            text = line.text.text.strip()
            if not text or line.text.score < self.min_score:
                continue
            (polygon,) = _polygons(line.quad[None], width, height)
            words = self._words(line, width, height) if self.words or self.characters else ()
            lines.append(TextLine(text, _score(line.text.score), polygon, words))
            blocks.append(numbers.setdefault(line.block, len(numbers)))
        return tuple(lines), tuple(blocks)

    def _words(self, line: FoundLine, width: int, height: int) -> tuple[TextWord, ...]:
        letters = line.text.characters
        # A class may stand for several characters; places are those of classes.
        is_space = [c.text.isspace() for c in letters]
        spans = character_spans(line.text.starts, line.text.ends, is_space)
        parts = word_slices("".join(" " if space else "x" for space in is_space))
        places = [(spans[part.start][0], spans[part.stop - 1][1]) for part in parts]
        boxes = self._boxes(line, [*places, *(spans if self.characters else ())], width, height)
        singles = boxes[len(parts) :]
        words = []
        for part, box in zip(parts, boxes, strict=False):
            inside = letters[part]
            characters = (
                tuple(
                    TextCharacter(c.text, _score(c.score), place)
                    for c, place in zip(inside, singles[part], strict=True)
                )
                if self.characters
                else ()
            )
            score = _score(sum(c.score for c in inside) / len(inside))
            words.append(TextWord("".join(c.text for c in inside), score, box, characters))
        return tuple(words)

    def _boxes(
        self, line: FoundLine, spans: Sequence[tuple[float, float]], width: int, height: int
    ) -> list[Polygon]:
        places = np.array(spans)
        if line.strip is not None:
            places = line.strip.to_column(places)
        quads = quad_slices(line.quad, places, downwards=line.strip is not None)
        return _polygons(quads, width, height)


def _polygons(quads: NDArray[np.floating], width: int, height: int) -> list[Polygon]:
    """Inside the picture, to a hundredth of a pixel: more would be noise in the JSON."""
    inside = np.minimum(np.maximum(quads.astype(np.float64), 0.0), (width, height))
    return [tuple((x, y) for x, y in quad) for quad in np.round(inside, 2).tolist()]


def _score(value: float) -> float:
    return float(f"{value:.6g}")


def _page(item: Frame | Failed) -> Page | Failed:
    return item if isinstance(item, Failed) else item.page


def _all_pages(sources: Iterable[ImageSource]) -> Iterator[Callable[[], _Decoded] | Failed]:
    for source in sources:
        try:
            document = open_document(source)
        except SaccadeError as error:
            yield Failed(describe_source(source), str(error))
            continue
        yield from _pages(document)


def _pages(document: Document) -> Iterator[Callable[[], _Decoded]]:
    try:
        for number in range(1, document.pages + 1):
            yield partial(_decode, document, number)
    finally:
        document.close()


def _decode(document: Document, number: int) -> _Decoded:
    start = time.perf_counter()
    image = document.read(number)
    return _Decoded(
        document.name, number, document.pages, image, milliseconds(time.perf_counter() - start)
    )


def _ahead(jobs: Iterator[Callable[[], _Decoded] | Failed]) -> Iterator[_Decoded | Failed]:
    """Decode one page ahead, in the background; jobs are taken in the caller's thread."""

    def start() -> Future[_Decoded | Failed] | None:
        job = next(jobs, None)
        return None if job is None else pool.submit(_run, job)

    pool = ThreadPoolExecutor(1, thread_name_prefix="saccade-read")
    try:
        coming = start()
        while coming is not None:
            item = coming.result()
            coming = start()
            yield item
            del item  # or two pictures would be held while the next is decoded
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        close = getattr(jobs, "close", None)
        if close is not None:
            close()


def _run(job: Callable[[], _Decoded] | Failed) -> _Decoded | Failed:
    if isinstance(job, Failed):
        return job
    try:
        return job()
    except SaccadeError as error:
        document = job.args[0] if isinstance(job, partial) else None
        return Failed(document.name if document is not None else "", str(error))


def _is_shipped(task: str) -> bool:
    return zoo.DEFAULT.get(task) in zoo.names()


def _check_shipped(detector: object, recogniser: object) -> None:
    """Say in one line what is missing, not model by model."""
    wanted = {"text_detect": detector, "text_recognise": recogniser}
    missing = [task for task, model in wanted.items() if model is None and not _is_shipped(task)]
    if missing:
        names = " and ".join(f"{zoo.DEFAULT.get(task, task)} ({task})" for task in missing)
        raise UnknownModel(
            f"this installation lacks the models to read text: {names}; name files of your own: "
            "--det FILE --rec FILE (Python: TextReader(detector, recogniser))"
        )
