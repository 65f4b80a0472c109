"""Several detectors that decide together what is in a picture."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Unpack

import numpy as np
from numpy.typing import NDArray

from saccade.errors import OptionError
from saccade.geometry.fusion import FusionMethod, check_fusion
from saccade.geometry.fusion import fuse as fuse_boxes
from saccade.geometry.suppression import nms, soft_nms
from saccade.results import Detections, Failed
from saccade.tasks._candidates import Candidates, join
from saccade.tasks._detect_common import (
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
from saccade.tasks._suppress import from_arrays

__all__ = ["DEFAULT_FUSE", "Ensemble"]

DEFAULT_FUSE: FusionMethod = "voting"

# A model alone must not be sure: what it finds counts from this score on, and it is the merged
# score that has to pass the limit.
_FLOOR = 0.05
_MOST_OF_A_MODEL = 300
_SOFT_SIGMA = 0.15  # of the Soft-NMS before voting, as in the released parts of Open Images 2019


class Ensemble:
    """Several detectors as one. Immutable; any number of threads may share one.

    A class is known by its name. Where only some of the models know it, only those are asked: the
    silence of the others costs it nothing.

    ::

        detect = saccade.Ensemble(["a.onnx", "b.onnx"], fuse="wbf")
        found = detect("street.jpg")

    Args:
        models: Names of shipped models or ``.onnx`` files.
        fuse: How their boxes are merged: ``"voting"``, ``"wbf"``, ``"nmw"``, ``"nms"`` or
            ``"soft"``; see :func:`saccade.geometry.fusion.fuse`.
        weights: How much each model counts, above 0; None for all alike.
        runtime: ``"onnxruntime"``, ``"openvino"`` or ``"openvino-bf16"``.
        threads: Threads for one run; None takes what the machine or container allows.

    Raises:
        ModelError: A model cannot serve.
        OptionError: No model, an unknown method, or weights that do not fit.
        MissingExtra: The runtime is not installed.
    """

    def __init__(
        self,
        models: Iterable[str | os.PathLike[str]],
        *,
        fuse: str = DEFAULT_FUSE,
        weights: Sequence[float] | None = None,
        runtime: str = "onnxruntime",
        threads: int | None = None,
    ) -> None:
        if isinstance(models, str | os.PathLike):
            raise OptionError(f"models is one model ({os.fspath(models)!r}); pass a list of them")
        names = list(models)
        check_fusion(len(names), method=fuse, weights=weights)
        self._graphs = [DetectorGraph(name, runtime=runtime, threads=threads) for name in names]
        self._fuse: FusionMethod = fuse  # type: ignore[assignment]
        self._weights = [1.0] * len(names) if weights is None else [float(w) for w in weights]
        self._labels = tuple(dict.fromkeys(n for g in self._graphs for n in g.card.labels))
        numbers = {name: number for number, name in enumerate(self._labels)}
        # Of each model, from its classes to ours.
        self._numbers = [
            np.array([numbers[name] for name in graph.card.labels], np.int64)
            for graph in self._graphs
        ]
        self._groups = _groups(self._numbers, len(self._labels))

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of all classes of all models, by their numbers here."""
        return self._labels

    def __call__(
        self,
        image: Source,
        *,
        score: float | None = None,
        iou: float | None = None,
        keep: int | None = None,
        classes: Iterable[str | int] | None = None,
        slices: Slices | int | bool | None = None,
    ) -> Detections:
        """Find the objects in a picture.

        Args:
            image: A path, bytes, a PIL image, uint8 RGB ``(H, W, 3)``, or a frame of a video.
            score: Objects score more than this after merging, 0..1; None takes the lowest limit of
                the models. What one model alone finds loses score by most methods.
            iou: Overlap from which on boxes are merged, 0..1; None takes the method's.
            keep: How many objects come back at most; None takes the highest limit of the models.
            classes: Names or numbers (see :attr:`labels`) of the classes that count; None for all.
            slices: As in a call of a :class:`saccade.Detector`.

        Raises:
            ImageError: The picture cannot be read.
            OptionError: An option is out of range.
            ModelFileError: A graph is not what its card says.
        """
        answer = self._plan(score=score, iou=iou, keep=keep, classes=classes, slices=slices)
        return answer(read_source(image))

    def stream(
        self, sources: Iterable[Source], **options: Unpack[LookOptions]
    ) -> Iterator[Detections | Failed]:
        """Find the objects in many pictures; as :meth:`saccade.Detector.stream`."""
        return only_found(self.frames(sources, **options))

    def frames(
        self, sources: Iterable[Source], **options: Unpack[LookOptions]
    ) -> Iterator[Frame | Failed]:
        """As :meth:`stream`, with the pixels of each picture, for drawing."""
        return answer_all(sources, self._plan(**options))

    def __repr__(self) -> str:
        models = ", ".join(repr(str(graph.path)) for graph in self._graphs)
        return f"Ensemble([{models}], fuse={self._fuse!r})"

    def _plan(
        self,
        *,
        score: float | None = None,
        iou: float | None = None,
        keep: int | None = None,
        classes: Iterable[str | int] | None = None,
        slices: Slices | int | bool | None = None,
    ) -> Callable[[Picture], Detections]:
        limits = [graph.card.thresholds for graph in self._graphs]
        least = min(own.get("score", SCORE) for own in limits) if score is None else score
        least = check_part(least, "score")
        most = int(max(own.get("keep", KEEP) for own in limits)) if keep is None else keep
        check_keep(most)
        check_fusion(len(limits), method=self._fuse, iou=iou)
        wanted = wanted_classes(classes, self._labels)
        cut = Slices.of(slices)

        def answer(picture: Picture) -> Detections:
            timings: dict[str, float] = {}
            parts = []
            for graph, numbers in zip(self._graphs, self._numbers, strict=True):
                part, spent = self._see(graph, numbers, picture, min(_FLOOR, least), wanted, cut)
                parts.append(part)
                for stage, ms in spent.items():
                    timings[stage] = round(timings.get(stage, 0.0) + ms, 3)
            start = time.perf_counter()
            found = self._merge(parts, iou, least)
            timings["fuse"] = milliseconds(time.perf_counter() - start)
            return make_detections(picture, found, self._labels, most, timings)

        return answer

    def _see(
        self,
        graph: DetectorGraph,
        numbers: NDArray[np.int64],
        picture: Picture,
        score: float,
        wanted: NDArray[np.bool_] | None,
        slices: Slices | None,
    ) -> tuple[Candidates, dict[str, float]]:
        """What one model finds, thinned out, in our numbers of classes."""
        limit = graph.card.thresholds.get("iou", IOU)
        found, timings = graph.see(
            picture.pixels,
            score=score,
            iou=limit,
            wanted=None if wanted is None else wanted[numbers],
            slices=slices,
        )
        found = drop_outside(found, picture.pixels.shape[:2])
        if self._fuse == "voting":
            kept, faded = soft_nms(
                *(found.boxes, found.scores, found.classes),
                sigma=_SOFT_SIGMA,
                keep=_MOST_OF_A_MODEL,
            )
            scores = faded.astype(np.float32)
        else:
            kept = nms(found.boxes, found.scores, found.classes, iou=limit, keep=_MOST_OF_A_MODEL)
            scores = found.scores[kept]
        part = Candidates(
            found.boxes[kept], scores, numbers[found.classes[kept]], found.broken, found.rows
        )
        return part, timings

    def _merge(self, parts: Sequence[Candidates], iou: float | None, score: float) -> Candidates:
        merged = []
        for models, classes in self._groups:
            group = [parts[number].pick(classes[parts[number].classes]) for number in models]
            fused = fuse_boxes(
                [(part.boxes, part.scores, part.classes) for part in group],
                method=self._fuse,
                iou=iou,
                weights=[self._weights[number] for number in models],
                keep=None,
            )
            merged.append(from_arrays(*fused, broken=0, rows=0))
        found = join(merged)
        found = found.pick(found.scores > score)
        return Candidates(
            *(found.boxes, found.scores, found.classes),
            broken=sum(part.broken for part in parts),
            rows=sum(part.rows for part in parts),
        )


def _groups(
    numbers: Sequence[NDArray[np.int64]], count: int
) -> list[tuple[tuple[int, ...], NDArray[np.bool_]]]:
    """The sets of models that know a class, and bool ``(count,)`` for the classes of each."""
    knowing = [
        tuple(model for model, known in enumerate(numbers) if (known == index).any())
        for index in range(count)
    ]
    return [
        (models, np.array([own == models for own in knowing], np.bool_))
        for models in dict.fromkeys(knowing)
    ]
