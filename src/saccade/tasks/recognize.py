"""From a picture to a name: what in the gallery does it resemble most?

For now the whole frame is the only object; finding the main bodies first (PP-ShiTu, arXiv
2111.00775) comes with the detector.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from saccade.errors import GalleryError, ImageError, OptionError, UnknownModel
from saccade.gallery import Gallery, PictureEmbedder
from saccade.imaging.read import ImageSource, describe_source, read_image
from saccade.results import Failed, Neighbour, Recognized, RecognizedObject
from saccade.tasks._pictures import MAX_BATCH, check_count, check_images, milliseconds
from saccade.tasks.embed import Embedder

__all__ = ["DEFAULT_THRESHOLD", "Recognizer", "check_threshold", "open_embedder"]

DEFAULT_THRESHOLD = 0.5
"""Cosine similarity below which a picture is "unknown".

It is the general ``score_thres`` of PP-ShiTu and **not calibrated**: what two unlike pictures score
depends on the model and on the gallery. Look at the scores of your own pictures, then choose;
calibration by gallery, with a stated rate of false accepts, is to come.
"""

_MAX_TOP = 10_000
_READERS = 2


@dataclass(frozen=True)
class _Frame:
    """A picture that was read."""

    image: str
    pixels: NDArray[np.uint8]
    read_ms: float


class Recognizer:
    """Names what pictures show by a gallery. Immutable; any number of threads may share one.

    What is added to the gallery while it runs, by this process or another, is known at once.

    ::

        recognize = saccade.Recognizer("pantry.gallery")
        for thing in recognize("photo.jpg"):
            thing.label, thing.score

    Args:
        gallery: An open gallery, or its place.
        model: Name or file of the model, or an embedder that is already loaded; None takes the
            model that the gallery was made with.
        runtime: ``"onnxruntime"``, ``"openvino"`` or ``"openvino-bf16"``.
        threads: Threads for one run; None takes what the machine or container allows.

    Raises:
        GalleryError: No gallery there; or the model is another one than the gallery's, or gone.
        ModelError: The model cannot serve.
    """

    def __init__(
        self,
        gallery: Gallery | str | os.PathLike[str],
        model: str | os.PathLike[str] | PictureEmbedder | None = None,
        *,
        runtime: str = "onnxruntime",
        threads: int | None = None,
    ) -> None:
        self._gallery = gallery if isinstance(gallery, Gallery) else Gallery.open(gallery)
        if model is None or isinstance(model, str | os.PathLike):
            model = open_embedder(self._gallery, model, runtime=runtime, threads=threads)
        self._gallery.check_model(model.fingerprint, model.name)
        self._embedder: PictureEmbedder = model

    @property
    def gallery(self) -> Gallery:
        """The gallery."""
        return self._gallery

    def __repr__(self) -> str:
        return f"Recognizer({self._gallery!r})"

    def __call__(
        self, image: ImageSource, *, top: int = 5, threshold: float = DEFAULT_THRESHOLD
    ) -> Recognized:
        """Name what a picture shows.

        Args:
            image: A path, bytes, a PIL image, or uint8 RGB ``(H, W, 3)``.
            top: How many neighbours to list; fewer come back if the gallery has fewer.
            threshold: The best neighbour gives its name if its similarity, -1..1, is at least this.
                See :data:`DEFAULT_THRESHOLD`, which is not calibrated.

        Raises:
            ImageError: The picture cannot be read.
            OptionError: ``top`` or ``threshold`` is out of range.
            GalleryError: The gallery cannot be read.
        """
        _check(top, threshold)
        return self._answer([_read(image)], top, threshold)[0]

    def many(
        self,
        images: Iterable[ImageSource],
        *,
        top: int = 5,
        threshold: float = DEFAULT_THRESHOLD,
        batch: int = 8,
    ) -> Iterator[Recognized | Failed]:
        """Name what many pictures show.

        Args:
            images: The pictures; any iterable, taken as it is needed.
            top: How many neighbours to list.
            threshold: As in a call.
            batch: Pictures that are held, embedded and searched at once.

        Returns:
            An iterator in input order. A picture that cannot be read is a ``Failed``, and the
            others go on.

        Raises:
            OptionError: An option is out of range, or ``images`` is one picture.
        """
        _check(top, threshold)
        check_count(batch, "batch", MAX_BATCH)
        return self._stream(iter(check_images(images)), top, threshold, batch)

    def _stream(
        self, images: Iterator[ImageSource], top: int, threshold: float, batch: int
    ) -> Iterator[Recognized | Failed]:
        with ThreadPoolExecutor(_READERS, thread_name_prefix="saccade-read") as pool:
            while group := list(pool.map(_read_or_fail, islice(images, batch))):
                frames = [item for item in group if isinstance(item, _Frame)]
                answers = iter(self._answer(frames, top, threshold))
                for item in group:
                    yield item if isinstance(item, Failed) else next(answers)

    def _answer(self, frames: Sequence[_Frame], top: int, threshold: float) -> list[Recognized]:
        if not frames:
            return []
        start = time.perf_counter()
        vectors = self._embedder.batch([frame.pixels for frame in frames])
        embedded = time.perf_counter()
        neighbours = _neighbours(self._gallery, vectors, top)
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
                objects=(_named(frame, found, threshold),),
                timings_ms={"read": frame.read_ms, **shared},
            )
            for frame, found in zip(frames, neighbours, strict=True)
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


def _named(frame: _Frame, found: tuple[Neighbour, ...], threshold: float) -> RecognizedObject:
    height, width = frame.pixels.shape[:2]
    best = found[0] if found else None
    return RecognizedObject(
        box=(0.0, 0.0, float(width), float(height)),
        label=best.label if best is not None and best.score >= threshold else None,
        score=best.score if best is not None else 0.0,
        neighbours=found,
    )


def _check(top: int, threshold: float) -> None:
    check_count(top, "top", _MAX_TOP)
    check_threshold(threshold)


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
