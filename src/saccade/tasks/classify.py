"""From a picture to its classes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saccade.errors import ModelFileError, OptionError
from saccade.imaging.read import ImageSource, describe_source, read_image
from saccade.modelfile import ModelCard
from saccade.results import Classes, Failed
from saccade.tasks._pictures import (
    MAX_BATCH,
    Ready,
    check_count,
    check_images,
    load_model,
    milliseconds,
    read_batches,
    read_picture,
)
from saccade.tasks.views import fuse_views

if TYPE_CHECKING:
    from saccade.tasks.detect import Detector

__all__ = ["Classifier"]

_OUTPUT = "probabilities"
_MAX_TOP = 1_000_000


class Classifier:
    """Names what a picture shows. Immutable; any number of threads may share one.

    ::

        classify = saccade.Classifier()
        found = classify("photo.jpg", top=3)
        found.labels, found.scores

    Args:
        model: Name of a shipped model or an ``.onnx`` file; None for the default.
        runtime: ``"onnxruntime"``, ``"openvino"`` or ``"openvino-bf16"``.
        threads: Threads for one run; None takes what the machine or container allows.

    Raises:
        UnknownModel: No such model.
        ModelFileError: The file is damaged or of another task.
        OptionError: An unknown runtime or a bad number of threads.
        MissingExtra: The runtime is not installed.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        *,
        runtime: str = "onnxruntime",
        threads: int | None = None,
    ) -> None:
        self._model = load_model(
            model, task="classify", output=_OUTPUT, runtime=runtime, threads=threads
        )
        if not self.labels:
            raise ModelFileError(
                f"{self._model.path}: the card names no labels; export it again (saccade export)"
            )

    @property
    def card(self) -> ModelCard:
        """The card of the model."""
        return self._model.card

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of all classes, in the order of the scores."""
        return self._model.card.labels

    @property
    def path(self) -> Path:
        """File of the model."""
        return self._model.path

    @property
    def fixed_batch(self) -> int | None:
        """How many pictures the graph takes at once; None where any number goes."""
        return self._model.session.input_shape[0]

    def __call__(
        self,
        image: ImageSource,
        *,
        top: int = 5,
        body: Detector | None = None,
        body_share: float = 0.5,
    ) -> Classes:
        """Name what a picture shows.

        Args:
            image: A path, bytes, a PIL image, or uint8 RGB ``(H, W, 3)``.
            top: How many classes to name; fewer come back if the model knows fewer.
            body: Finds main bodies, such as ``saccade.Detector("mainbody_picodet_s_320")``: the
                surest one is looked at too, enlarged, and counts ``body_share``. Where nothing is
                found, the whole picture decides.
            body_share: From 0 to 1; see :func:`saccade.tasks.views.fuse_views`.

        Raises:
            ImageError: The picture cannot be read.
            OptionError: ``top`` or ``body_share`` is out of range, or ``body`` is no detector.
        """
        check_count(top, "top", _MAX_TOP)
        if body is not None:
            return self._look_twice(image, top, body, body_share)
        return self._answer([read_picture(image, self.card.prepare)], top)[0]

    def many(
        self, images: Iterable[ImageSource], *, top: int = 5, batch: int = 8
    ) -> Iterator[Classes | Failed]:
        """Name what many pictures show, reading them while others are looked at.

        Args:
            images: The pictures; any iterable, taken as it is needed.
            top: How many classes to name.
            batch: Pictures that go through the network at once.

        Returns:
            An iterator in input order. A picture that cannot be read is a ``Failed``, and the
            others go on.

        Raises:
            OptionError: ``top`` or ``batch`` is out of range, or ``images`` is one picture.
        """
        check_count(top, "top", _MAX_TOP)
        check_count(batch, "batch", MAX_BATCH)
        return self._stream(check_images(images), top, batch)

    def probabilities(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The plain numbers, for evaluation.

        Args:
            batch: uint8 RGB ``(N, height, width, 3)``, prepared as the card says.

        Returns:
            float32 ``(N, C)``, each row summing to 1.

        Raises:
            OptionError: The batch has another type or shape.
            ModelFileError: The graph gives another number of classes than the card names.
        """
        scores = self._model.session.run(batch)[_OUTPUT]
        if scores.shape != (len(batch), len(self.labels)):
            raise ModelFileError(
                f"{self._model.path}: the graph gives probabilities of shape {scores.shape} for "
                f"{len(batch)} pictures, the card names {len(self.labels)} labels; "
                "export the model again (saccade export)"
            )
        return scores

    def __repr__(self) -> str:
        return f"Classifier({str(self._model.path)!r}, {len(self.labels)} classes)"

    def _look_twice(
        self, image: ImageSource, top: int, detector: Detector, share: float
    ) -> Classes:
        # Few need it, and it brings all of detection along.
        from saccade.tasks._main_bodies import find_pieces

        if not callable(detector):
            raise OptionError(
                f"body is {detector!r}; expected a detector that is loaded, such as "
                'saccade.Detector("mainbody_picodet_s_320")'
            )

        start = time.perf_counter()
        picture = read_image(image)
        read = time.perf_counter()
        # The surest main body comes first, the full frame last.
        *bodies, frame = find_pieces(detector, picture, 1).crops
        found = time.perf_counter()
        views = [self.card.prepare(view) for view in (frame, *bodies)]
        ready = time.perf_counter()
        # One by one: some graphs take one picture at a time.
        rows = [self.probabilities(view[None])[0] for view in views]
        row = fuse_views(rows[0], rows[-1], share)
        timings = {
            "read": milliseconds(read - start),
            "detect": milliseconds(found - read),
            "prepare": milliseconds(ready - found),
        }
        infer = milliseconds(time.perf_counter() - ready)
        return self._name(Ready(describe_source(image), views[0], timings), row, top, infer)

    def _stream(
        self, images: Iterable[ImageSource], top: int, batch: int
    ) -> Iterator[Classes | Failed]:
        for group in read_batches(images, self.card.prepare, batch):
            ready = [item for item in group if isinstance(item, Ready)]
            answers = iter(self._answer(ready, top))
            for item in group:
                yield item if isinstance(item, Failed) else next(answers)

    def _answer(self, ready: list[Ready], top: int) -> list[Classes]:
        if not ready:
            return []
        start = time.perf_counter()
        scores = self.probabilities(np.stack([item.pixels for item in ready]))
        infer = milliseconds((time.perf_counter() - start) / len(ready))
        return [self._name(item, row, top, infer) for item, row in zip(ready, scores, strict=True)]

    def _name(self, item: Ready, row: NDArray[np.float32], top: int, infer: float) -> Classes:
        # Stable, so that equal scores keep the order of the labels on every machine.
        best = np.argsort(-row, kind="stable")[:top]
        return Classes(
            image=item.image,
            labels=tuple(self.labels[index] for index in best),
            # Six digits: what float32 holds; more would be noise in the JSON.
            scores=tuple(float(f"{row[index]:.6g}") for index in best),
            timings_ms={**item.timings_ms, "infer": infer},
        )
