"""From a picture to names: what in the gallery do the things in it resemble most?

PP-ShiTu's pipeline (arXiv 2111.00775): main bodies and the full frame, embedded together, searched
in the gallery, and named where they resemble something enough. Without a detector of main bodies
the full frame is the only thing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from saccade.errors import GalleryError, ImageError, OptionError, UnknownModel
from saccade.gallery import Gallery, PictureEmbedder
from saccade.imaging.read import ImageSource, describe_source, read_image
from saccade.results import Failed, Neighbour, Recognized, RecognizedObject
from saccade.tasks._main_bodies import (
    MAX_OBJECTS,
    DetectorChoice,
    Pieces,
    choose,
    find_pieces,
    open_detector,
)
from saccade.tasks._pictures import MAX_BATCH, check_count, check_images, milliseconds
from saccade.tasks.detect import Detector
from saccade.tasks.embed import Embedder

__all__ = [
    "DEFAULT_THRESHOLD",
    "MAX_OBJECTS",
    "RecognizeOptions",
    "Recognizer",
    "check_threshold",
    "open_embedder",
]

DEFAULT_THRESHOLD = 0.5
"""Cosine similarity below which a thing is "unknown", where the gallery has no calibration.

It is the general ``score_thres`` of PP-ShiTu: what two unlike pictures score depends on the model
and on the gallery. ``saccade gallery calibrate`` finds the threshold of a gallery, with a stated
rate of false accepts.
"""

_MAX_TOP = 10_000
_MAX_OBJECTS = 100
_READERS = 2


class RecognizeOptions(TypedDict, total=False):
    """The options of a call, see :meth:`Recognizer.__call__`."""

    top: int
    threshold: float | None
    max_objects: int
    every: bool


@dataclass(frozen=True)
class _Frame:
    """A picture that was read."""

    image: str
    pixels: NDArray[np.uint8]
    read_ms: float


@dataclass(frozen=True)
class _Plan:
    """Options that were checked."""

    top: int
    threshold: float
    max_objects: int
    every: bool


class Recognizer:
    """Names what pictures show by a gallery. Immutable; any number of threads may share one.

    What is added to the gallery while it runs, by this process or another, is known at once; so is
    its calibration.

    ::

        recognize = saccade.Recognizer("pantry.gallery")
        for thing in recognize("photo.jpg"):
            thing.label, thing.score, thing.box

    Args:
        gallery: An open gallery, or its place.
        model: Name or file of the model, or an embedder that is already loaded; None takes the
            model that the gallery was made with.
        detector: Finds the main bodies: name or file of a model to detect, or one that is already
            loaded; None takes the shipped one if there is one; False looks at the full frame alone.
        runtime: ``"onnxruntime"``, ``"openvino"`` or ``"openvino-bf16"``.
        threads: Threads for one run; None takes what the machine or container allows.

    Raises:
        GalleryError: No gallery there; or the model is another one than the gallery's, or gone.
        ModelError: A model cannot serve.
    """

    def __init__(
        self,
        gallery: Gallery | str | os.PathLike[str],
        model: str | os.PathLike[str] | PictureEmbedder | None = None,
        *,
        detector: DetectorChoice = None,
        runtime: str = "onnxruntime",
        threads: int | None = None,
    ) -> None:
        self._gallery = gallery if isinstance(gallery, Gallery) else Gallery.open(gallery)
        if model is None or isinstance(model, str | os.PathLike):
            model = open_embedder(self._gallery, model, runtime=runtime, threads=threads)
        self._gallery.check_model(model.fingerprint, model.name)
        self._embedder: PictureEmbedder = model
        self._detector = open_detector(detector, runtime=runtime, threads=threads)

    @property
    def gallery(self) -> Gallery:
        """The gallery."""
        return self._gallery

    @property
    def detector(self) -> Detector | None:
        """What finds the main bodies; None where the full frame is the only thing."""
        return self._detector

    def __repr__(self) -> str:
        return f"Recognizer({self._gallery!r})"

    def __call__(
        self,
        image: ImageSource,
        *,
        top: int = 5,
        threshold: float | None = None,
        max_objects: int = MAX_OBJECTS,
        every: bool = False,
    ) -> Recognized:
        """Name what a picture shows.

        Things with a name come first, by descending similarity; of those that overlap, one is left.
        Main bodies that resemble nothing enough follow, without a label.

        Args:
            image: A path, bytes, a PIL image, or uint8 RGB ``(H, W, 3)``.
            top: How many neighbours to list; fewer come back if the gallery has fewer.
            threshold: The best neighbour gives its name if its similarity, -1..1, is at least this;
                None takes the gallery's calibration, or else :data:`DEFAULT_THRESHOLD`.
            max_objects: How many main bodies to look at besides the full frame.
            every: Whether to give all that was looked at, the full frame and what overlaps
                included.

        Raises:
            ImageError: The picture cannot be read.
            OptionError: An option is out of range.
            GalleryError: The gallery cannot be read.
        """
        plan = self._plan(top=top, threshold=threshold, max_objects=max_objects, every=every)
        return self._answer([_read(image)], plan)[0]

    def many(
        self, images: Iterable[ImageSource], *, batch: int = 8, **options: Unpack[RecognizeOptions]
    ) -> Iterator[Recognized | Failed]:
        """Name what many pictures show.

        Args:
            images: The pictures; any iterable, taken as it is needed.
            batch: Pictures that are held, embedded and searched at once.
            **options: As in a call.

        Returns:
            An iterator in input order. A picture that cannot be read is a ``Failed``, and the
            others go on.

        Raises:
            OptionError: An option is out of range, or ``images`` is one picture.
        """
        plan = self._plan(**options)
        check_count(batch, "batch", MAX_BATCH)
        return self._stream(iter(check_images(images)), plan, batch)

    def _plan(
        self,
        *,
        top: int = 5,
        threshold: float | None = None,
        max_objects: int = MAX_OBJECTS,
        every: bool = False,
    ) -> _Plan:
        check_count(top, "top", _MAX_TOP)
        check_count(max_objects, "max_objects", _MAX_OBJECTS)
        if threshold is None:
            calibration = self._gallery.calibration
            threshold = DEFAULT_THRESHOLD if calibration is None else calibration.threshold
        check_threshold(threshold)
        return _Plan(top, threshold, max_objects, every)

    def _stream(
        self, images: Iterator[ImageSource], plan: _Plan, batch: int
    ) -> Iterator[Recognized | Failed]:
        with ThreadPoolExecutor(_READERS, thread_name_prefix="saccade-read") as pool:
            while group := list(pool.map(_read_or_fail, islice(images, batch))):
                frames = [item for item in group if isinstance(item, _Frame)]
                answers = iter(self._answer(frames, plan))
                for item in group:
                    yield item if isinstance(item, Failed) else next(answers)

    def _answer(self, frames: Sequence[_Frame], plan: _Plan) -> list[Recognized]:
        if not frames:
            return []
        pieces: list[Pieces] = []
        timings: list[dict[str, float]] = []
        for frame in frames:
            start = time.perf_counter()
            pieces.append(find_pieces(self._detector, frame.pixels, plan.max_objects))
            found = {"detect": milliseconds(time.perf_counter() - start)} if self._detector else {}
            timings.append({"read": frame.read_ms, **found})
        start = time.perf_counter()
        vectors = self._embedder.batch([crop for some in pieces for crop in some.crops])
        embedded = time.perf_counter()
        neighbours = iter(_neighbours(self._gallery, vectors, plan.top))
        searched = time.perf_counter()
        shared = {
            "embed": milliseconds((embedded - start) / len(frames)),
            "search": milliseconds((searched - embedded) / len(frames)),
        }
        return [
            Recognized(
                image=frame.image,
                width=frame.pixels.shape[1],
                height=frame.pixels.shape[0],
                objects=tuple(
                    choose(
                        [_named(box, next(neighbours), plan.threshold) for box in some.boxes],
                        every=plan.every,
                    )
                ),
                timings_ms={**times, **shared},
            )
            for frame, some, times in zip(frames, pieces, timings, strict=True)
        ]


def open_embedder(
    gallery: Gallery,
    model: str | os.PathLike[str] | None = None,
    *,
    runtime: str = "onnxruntime",
    threads: int | None = None,
) -> Embedder:
    """Load the model that a gallery was made with, or check that a given one is it.

    Raises:
        GalleryError: It is another model, or the gallery's model is nowhere to be found.
        ModelError: The model cannot serve.
    """
    try:
        embedder = Embedder(
            gallery.model if model is None else model, runtime=runtime, threads=threads
        )
    except UnknownModel as error:
        if model is not None:
            raise
        raise GalleryError(
            f"the gallery {gallery.place} was made with the model {gallery.model}, which is not"
            " found; say where it is with --model FILE"
        ) from error
    gallery.check_model(embedder.fingerprint, embedder.name)
    return embedder


def _neighbours(
    gallery: Gallery, vectors: NDArray[np.float32], top: int
) -> list[tuple[Neighbour, ...]]:
    """The most similar items for each of N vectors; a vector of zeros resembles nothing."""
    seen = np.linalg.norm(vectors, axis=1) > 0.5
    found = gallery.search(vectors[seen], k=top)
    rows = iter(zip(found.ids.tolist(), found.labels, found.scores.tolist(), strict=True))
    return [
        tuple(
            Neighbour(item, label, float(f"{score:.6g}"))
            for item, label, score in zip(*next(rows), strict=True)
            if label is not None
        )
        if usable
        else ()
        for usable in seen
    ]


def _named(
    box: NDArray[np.int64], found: tuple[Neighbour, ...], threshold: float
) -> RecognizedObject:
    x1, y1, x2, y2 = (float(value) for value in box)
    best = found[0] if found else None
    return RecognizedObject(
        box=(x1, y1, x2, y2),
        label=best.label if best is not None and best.score >= threshold else None,
        score=best.score if best is not None else 0.0,
        neighbours=found,
    )


def check_threshold(threshold: float) -> None:
    """Refuse a similarity outside -1 to 1.

    Raises:
        OptionError: It is.
    """
    if not -1.0 <= threshold <= 1.0:
        raise OptionError(f"threshold is {threshold!r}, expected a similarity from -1 to 1")


def _read(source: ImageSource) -> _Frame:
    start = time.perf_counter()
    pixels = read_image(source)
    return _Frame(describe_source(source), pixels, milliseconds(time.perf_counter() - start))


def _read_or_fail(source: ImageSource) -> _Frame | Failed:
    try:
        return _read(source)
    except ImageError as error:
        return Failed(describe_source(source), str(error))
