"""From a picture to the objects in it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Unpack

import numpy as np
from numpy.typing import NDArray

from saccade.modelfile import ModelCard
from saccade.results import Detections, Failed
from saccade.tasks._detect_common import (
    DetectOptions,
    Frame,
    LookOptions,
    Picture,
    Source,
    answer_all,
    check_keep,
    check_part,
    drop_outside,
    make_detections,
    only_found,
    read_source,
    wanted_classes,
)
from saccade.tasks._detect_graph import IOU, KEEP, SCORE, DetectorGraph
from saccade.tasks._pictures import milliseconds
from saccade.tasks._slices import Slices
from saccade.tasks._suppress import OWN_IOU, Suppression, check_suppression, suppress

__all__ = [
    "DetectOptions",
    "Detector",
    "Frame",
    "LookOptions",
    "Slices",
    "Source",
    "Suppression",
]


class Detector:
    """Finds objects. Immutable; any number of threads may share one.

    ::

        detect = saccade.Detector("model.onnx")
        found = detect("street.jpg", score=0.5)
        found.boxes, found.scores, found.labels

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
        self._graph = DetectorGraph(model, runtime=runtime, threads=threads)

    @property
    def card(self) -> ModelCard:
        """The card of the model."""
        return self._graph.card

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of all classes, by their numbers."""
        return self._graph.card.labels

    def __call__(
        self,
        image: Source,
        *,
        score: float | None = None,
        iou: float | None = None,
        keep: int | None = None,
        classes: Iterable[str | int] | None = None,
        suppression: str = "nms",
        agnostic: bool = False,
        slices: Slices | int | bool | None = None,
    ) -> Detections:
        """Find the objects in a picture.

        Where a limit is None, the model's own holds. A model whose graph ends in NMS has limits
        built in; those given here come on top of them.

        Args:
            image: A path, bytes, a PIL image, uint8 RGB ``(H, W, 3)``, or a frame of a video.
            score: Objects score more than this, 0..1.
            iou: Of two boxes of a class that overlap more than this, 0..1, one is left.
            keep: How many objects come back at most.
            classes: Names or numbers of the classes that count; None for all.
            suppression: What becomes of boxes that overlap: ``"nms"`` leaves the surest;
                ``"soft"`` and ``"soft-linear"`` (Soft-NMS) lower the score of the others;
                ``"box-voting"`` leaves the surest, at the mean place of all; ``"nmw"`` and
                ``"wbf"`` merge them, see :mod:`saccade.geometry.fusion`; ``"none"`` leaves all.
            agnostic: Whether boxes of different classes suppress each other too.
            slices: Also look at tiles of the picture, so that small things are seen: the longer
                side of a tile in pixels, True for the size of the model's input, or
                :class:`Slices`.

        Raises:
            ImageError: The picture cannot be read.
            OptionError: An option is out of range.
            ModelFileError: The graph is not what its card says.
        """
        answer = self._plan(
            score=score,
            iou=iou,
            keep=keep,
            classes=classes,
            suppression=suppression,
            agnostic=agnostic,
            slices=slices,
        )
        return answer(read_source(image))

    def stream(
        self, sources: Iterable[Source], **options: Unpack[DetectOptions]
    ) -> Iterator[Detections | Failed]:
        """Find the objects in many pictures, reading them while others are looked at.

        Args:
            sources: The pictures, or a :class:`saccade.imaging.video.Video`; any iterable, taken as
                it is needed.
            **options: As in a call.

        Returns:
            An iterator in input order. A picture that cannot be read is a ``Failed``, and the
            others go on.

        Raises:
            OptionError: An option is out of range, or ``sources`` is one picture.
        """
        return only_found(self.frames(sources, **options))

    def frames(
        self, sources: Iterable[Source], **options: Unpack[DetectOptions]
    ) -> Iterator[Frame | Failed]:
        """As :meth:`stream`, with the pixels of each picture, for drawing."""
        return answer_all(sources, self._plan(**options))

    def outputs(self, batch: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """The plain numbers of the network, for evaluation.

        Args:
            batch: uint8 RGB ``(N, height, width, 3)``, prepared as the card says.

        Returns:
            By name: ``boxes`` ``(N, P, 4)`` xyxy in pixels of the batch and ``scores`` ``(N, P,
            C)``; or with NMS in the graph ``boxes`` ``(N, K, 4)``, ``scores`` and ``labels`` ``(N,
            K)``.

        Raises:
            OptionError: The batch has another type or shape.
            ModelFileError: The graph is not what its card says.
        """
        return self._graph.run(batch)

    def __repr__(self) -> str:
        return f"Detector({str(self._graph.path)!r}, {len(self.labels)} classes)"

    def _plan(
        self,
        *,
        score: float | None = None,
        iou: float | None = None,
        keep: int | None = None,
        classes: Iterable[str | int] | None = None,
        suppression: str = "nms",
        agnostic: bool = False,
        slices: Slices | int | bool | None = None,
    ) -> Callable[[Picture], Detections]:
        own = self.card.thresholds
        least = check_part(own.get("score", SCORE) if score is None else score, "score")
        method = check_suppression(suppression, agnostic=agnostic)
        usual = OWN_IOU.get(method, own.get("iou", IOU))
        limit = check_part(usual if iou is None else iou, "iou")
        most = check_keep(int(own.get("keep", KEEP)) if keep is None else keep)
        wanted = wanted_classes(classes, self.labels)
        cut = Slices.of(slices)

        def answer(picture: Picture) -> Detections:
            found, timings = self._graph.see(
                picture.pixels, score=least, iou=limit, wanted=wanted, slices=cut
            )
            start = time.perf_counter()
            found = drop_outside(found, picture.pixels.shape[:2])
            found = suppress(found, method, iou=limit, score=least, keep=most, agnostic=agnostic)
            timings["suppress"] = milliseconds(time.perf_counter() - start)
            return make_detections(picture, found, self.labels, most, timings)

        return answer
