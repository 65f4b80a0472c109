"""Everything in one glance at a picture: the things in it, their names, and its text."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from typing import Literal, Unpack

import numpy as np
from numpy.typing import NDArray

from saccade.errors import ImageError
from saccade.gallery import Gallery
from saccade.imaging.read import ImageSource, describe_source, read_image
from saccade.results import Failed, Look, Recognized, RecognizedObject
from saccade.tasks._main_bodies import DetectorChoice, open_detector
from saccade.tasks._pictures import check_count, check_images, milliseconds
from saccade.tasks.classify import Classifier
from saccade.tasks.detect import Detector
from saccade.tasks.read_text import TextReader
from saccade.tasks.recognize import MAX_OBJECTS, RecognizeOptions, Recognizer, check_threshold

__all__ = ["Looker"]

_MAX_OBJECTS, _MAX_TOP = 100, 10_000


class Looker:
    """Says in one go what pictures show. Immutable; any number of threads may share one.

    With a gallery, things are found and named as :class:`saccade.Recognizer` does it. Without one,
    a detector that is given names the things it finds by its own classes; without that too, the
    picture gets the most likely class of the classifier. Text is read where models to read it are
    shipped.

    ::

        look = saccade.Looker("pantry.gallery")
        seen = look("photo.jpg")
        seen.objects, seen.lines

    Args:
        gallery: An open gallery, or its place; None names by the detector or the classifier.
        model: Name or file of the model; None takes the gallery's model, or the default classifier.
        detector: Finds the things: name or file of a model to detect, or one that is already
            loaded. None takes, with a gallery, the shipped one if there is one; False looks at the
            full frame alone.
        reader: Reads the text; None takes the shipped models, if there are; False reads none.
        runtime: ``"onnxruntime"``, ``"openvino"`` or ``"openvino-bf16"``.
        threads: Threads for one run; None takes what the machine or container allows.

    Raises:
        GalleryError: No gallery there, or of another model.
        ModelError: A model cannot serve.
    """

    def __init__(
        self,
        gallery: Gallery | str | os.PathLike[str] | None = None,
        model: str | os.PathLike[str] | None = None,
        *,
        detector: DetectorChoice = None,
        reader: TextReader | Literal[False] | None = None,
        runtime: str = "onnxruntime",
        threads: int | None = None,
    ) -> None:
        if reader is None and TextReader.is_shipped():
            reader = TextReader(runtime=runtime, threads=threads)
        self._reader = reader or None
        self._namer: Recognizer | Detector | Classifier
        if gallery is not None:
            self._namer = Recognizer(
                gallery, model, detector=detector, runtime=runtime, threads=threads
            )
            return
        # The shipped detector knows where things are, not what they are: it is no namer.
        own = open_detector(detector or False, runtime=runtime, threads=threads)
        self._namer = own or Classifier(model, runtime=runtime, threads=threads)

    def __repr__(self) -> str:
        return f"Looker({self._namer!r})"

    def __call__(self, image: ImageSource, **options: Unpack[RecognizeOptions]) -> Look:
        """Look at a picture.

        Args:
            image: A path, bytes, a PIL image, or uint8 RGB ``(H, W, 3)``.
            **options: As of :meth:`saccade.Recognizer.__call__`; without a gallery only
                ``max_objects`` matters, to a detector.

        Raises:
            ImageError: The picture cannot be read.
            OptionError: An option is out of range.
            GalleryError: The gallery cannot be read.
        """
        _check(options)
        start = time.perf_counter()
        pixels = read_image(image)
        timings = {"read": milliseconds(time.perf_counter() - start)}
        height, width = pixels.shape[:2]
        objects, own = self._name(pixels, options)
        timings = {**own, **timings}
        if self._reader is None:
            return Look(describe_source(image), width, height, objects, timings)
        start = time.perf_counter()
        lines = self._reader(pixels).lines
        timings["text"] = milliseconds(time.perf_counter() - start)
        return Look(describe_source(image), width, height, objects, timings, lines)

    def many(
        self, images: Iterable[ImageSource], **options: Unpack[RecognizeOptions]
    ) -> Iterator[Look | Failed]:
        """Look at many pictures.

        Args:
            images: The pictures; any iterable, taken as it is needed.
            **options: As in a call.

        Returns:
            An iterator in input order. A picture that cannot be read is a ``Failed``, and the
            others go on.

        Raises:
            OptionError: An option is out of range, or ``images`` is one picture.
        """
        check_images(images)
        _check(options)
        if isinstance(self._namer, Recognizer) and self._reader is None:  # several at once
            found = self._namer.many(images, **options)
            return (i if isinstance(i, Failed) else _from_recognized(i) for i in found)
        return self._stream(images, options)

    def _name(
        self, pixels: NDArray[np.uint8], options: RecognizeOptions
    ) -> tuple[tuple[RecognizedObject, ...], dict[str, float]]:
        """The things in a picture, and how long they took."""
        match self._namer:
            case Recognizer():
                recognized = self._namer(pixels, **options)
                return recognized.objects, recognized.timings_ms
            case Detector():
                found = self._namer(pixels, keep=options.get("max_objects", MAX_OBJECTS))
                things = [found[index] for index in range(len(found))]
                objects = tuple(RecognizedObject(t.box, t.label, t.score) for t in things)
                return objects, found.timings_ms
            case _:
                height, width = pixels.shape[:2]
                frame = (0.0, 0.0, float(width), float(height))
                classes = self._namer(pixels, top=1)
                objects = tuple(RecognizedObject(frame, label, score) for label, score in classes)
                return objects, classes.timings_ms

    def _stream(
        self, images: Iterable[ImageSource], options: RecognizeOptions
    ) -> Iterator[Look | Failed]:
        for image in images:
            try:
                yield self(image, **options)
            except ImageError as error:
                yield Failed(describe_source(image), str(error))


def _check(options: RecognizeOptions) -> None:
    """Refuse what no namer takes before the first picture is read."""
    threshold = options.get("threshold")
    if threshold is not None:
        check_threshold(threshold)
    check_count(options.get("max_objects", MAX_OBJECTS), "max_objects", _MAX_OBJECTS)
    check_count(options.get("top", 5), "top", _MAX_TOP)


def _from_recognized(found: Recognized) -> Look:
    return Look(found.image, found.width, found.height, found.objects, found.timings_ms)
