"""Everything in one glance at a picture: its name and its text, later its objects."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from typing import Literal

from saccade.errors import ImageError
from saccade.gallery import Gallery
from saccade.imaging.read import ImageSource, describe_source, read_image
from saccade.results import Failed, Look, Recognized, RecognizedObject
from saccade.tasks._pictures import check_images, milliseconds
from saccade.tasks.classify import Classifier
from saccade.tasks.read_text import TextReader
from saccade.tasks.recognize import DEFAULT_THRESHOLD, Recognizer, check_threshold

__all__ = ["Looker"]


class Looker:
    """Says in one go what pictures show. Immutable; any number of threads may share one.

    With a gallery the picture is named by its most similar item, without one by the most likely
    class of the classifier. The whole frame is the only object. Text is read where
    models to read it are shipped.

    ::

        look = saccade.Looker("pantry.gallery")
        seen = look("photo.jpg")
        seen.objects, seen.lines

    Args:
        gallery: An open gallery, or its place; None names by the classifier.
        model: Name or file of the model; None takes the gallery's model, or the default classifier.
        reader: Reads the text; None takes the shipped models, if there are; False reads none.
        runtime: ``"onnxruntime"``, ``"openvino"`` or ``"openvino-bf16"``.
        threads: Threads for one run; None takes what the machine or container allows.

    Raises:
        GalleryError: No gallery there, or of another model.
        ModelError: The model cannot serve.
    """

    def __init__(
        self,
        gallery: Gallery | str | os.PathLike[str] | None = None,
        model: str | os.PathLike[str] | None = None,
        *,
        reader: TextReader | Literal[False] | None = None,
        runtime: str = "onnxruntime",
        threads: int | None = None,
    ) -> None:
        if reader is None and TextReader.is_shipped():
            reader = TextReader(runtime=runtime, threads=threads)
        self._reader = reader or None
        self._namer: Recognizer | Classifier = (
            Classifier(model, runtime=runtime, threads=threads)
            if gallery is None
            else Recognizer(gallery, model, runtime=runtime, threads=threads)
        )

    def __repr__(self) -> str:
        return f"Looker({self._namer!r})"

    def __call__(self, image: ImageSource, *, threshold: float = DEFAULT_THRESHOLD) -> Look:
        """Look at a picture.

        Args:
            image: A path, bytes, a PIL image, or uint8 RGB ``(H, W, 3)``.
            threshold: With a gallery, the similarity from which on a neighbour gives its name; not
                calibrated, see :data:`saccade.tasks.recognize.DEFAULT_THRESHOLD`.

        Raises:
            ImageError: The picture cannot be read.
            OptionError: ``threshold`` is out of range.
            GalleryError: The gallery cannot be read.
        """
        start = time.perf_counter()
        pixels = read_image(image)
        timings = {"read": milliseconds(time.perf_counter() - start)}
        height, width = pixels.shape[:2]
        if isinstance(self._namer, Recognizer):
            found = self._namer(pixels, threshold=threshold)
            objects = found.objects
            timings = {**found.timings_ms, **timings}
        else:
            classes = self._namer(pixels, top=1)
            frame = (0.0, 0.0, float(width), float(height))
            objects = tuple(RecognizedObject(frame, label, score) for label, score in classes)
            timings = {**classes.timings_ms, **timings}
        if self._reader is None:
            return Look(describe_source(image), width, height, objects, timings)
        start = time.perf_counter()
        lines = self._reader(pixels).lines
        timings["text"] = milliseconds(time.perf_counter() - start)
        return Look(describe_source(image), width, height, objects, timings, lines)

    def many(
        self, images: Iterable[ImageSource], *, threshold: float = DEFAULT_THRESHOLD
    ) -> Iterator[Look | Failed]:
        """Look at many pictures.

        Args:
            images: The pictures; any iterable, taken as it is needed.
            threshold: As in a call.

        Returns:
            An iterator in input order. A picture that cannot be read is a ``Failed``, and the
            others go on.

        Raises:
            OptionError: ``threshold`` is out of range, or ``images`` is one picture.
        """
        check_images(images)
        if isinstance(self._namer, Recognizer):
            check_threshold(threshold)
            if self._reader is None:  # several pictures at once
                found = self._namer.many(images, threshold=threshold)
                return (i if isinstance(i, Failed) else _from_recognized(i) for i in found)
        return self._stream(images, threshold)

    def _stream(self, images: Iterable[ImageSource], threshold: float) -> Iterator[Look | Failed]:
        for image in images:
            try:
                yield self(image, threshold=threshold)
            except ImageError as error:
                yield Failed(describe_source(image), str(error))


def _from_recognized(found: Recognized) -> Look:
    return Look(found.image, found.width, found.height, found.objects, found.timings_ms)
