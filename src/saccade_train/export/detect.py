"""From a trained detector to one ``.onnx`` file that needs nothing beside it.

The graph takes the pixels of prepared pictures, uint8 RGB (N, H, W, 3), and gives ``boxes``
(N, P, 4) xyxy in pixels of its input and ``scores`` (N, P, C), probabilities. Suppression is left
to who runs it, so that its thresholds can be chosen; or, with ``nms``, it is the end of the graph.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Unpack

import onnx

from saccade.errors import OptionError, nearest
from saccade.imaging.prepare import Prepare
from saccade.modelfile import ModelCard
from saccade_train.export.graph import graph_of
from saccade_train.export.network import output_names
from saccade_train.export.parity import comparison_batch
from saccade_train.export.suppress import (
    SUPPRESSED_OUTPUTS,
    Suppression,
    append_nms,
    check_nms,
)
from saccade_train.export.write import ExportOptions, ExportReport, Image, write_network
from saccade_train.models.detector import PicoDet

__all__ = ["DETECT_THRESHOLDS", "export_detector"]

DETECT_THRESHOLDS = {"score": 0.4, "iou": 0.6, "keep": 100.0}
"""What a card says if nothing else is given. It may also say ``body``: from which score on a box is
looked up when main bodies are recognised, where PP-ShiTu's 0.2 does not fit."""

"""What :class:`saccade.Detector` shows unless it is told otherwise: boxes above a score; of two
that overlap by more than ``iou`` the better; and so many at most."""

_FLOOR = 0.025
"""NMS in the graph drops boxes up to this score, so that lower thresholds can be chosen later."""
_NMS_TOLERANCE = 0.05
_TOLERANCE = 1e-3
"""Relative, of the outputs: scores are square roots, steep near zero, where rounding shows."""
_RENDERED = 4
_STEP = 32


def export_detector(
    model: PicoDet,
    out: str | Path,
    *,
    labels: Sequence[str],
    prepare: Prepare,
    mean: Sequence[float],
    std: Sequence[float],
    thresholds: Mapping[str, float] | None = None,
    with_nms: bool = False,
    **options: Unpack[ExportOptions],
) -> ExportReport:
    """Write a detector as one ``.onnx`` file with its card, proved against torch.

    Args:
        model: put into evaluation mode on a copy.
        out: the file; its folder must exist.
        labels: name of each class.
        prepare: how pictures become the input; sides are multiples of 32.
        mean: of each channel, RGB, on the scale 0..1.
        std: likewise.
        thresholds: by name, where they differ from :data:`DETECT_THRESHOLDS`.
        with_nms: end the graph in NMS with these thresholds, but for scores above 0.025: ``boxes``
            (N, K, 4), ``scores`` (N, K), ``labels`` int64 (N, K), filled up with zeros.
        options: see :class:`ExportOptions`; without ``tolerance`` it is 1e-3.

    Raises:
        OptionError: labels, sizes or thresholds do not fit.
        SaccadeError: see :func:`saccade_train.export.write.write_network`.

    Examples:
        >>> rule = Prepare(320, 320, "stretch")                               # doctest: +SKIP
        >>> export_detector(model, "cats.onnx", labels=["cat"], prepare=rule,
        ...                 mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))        # doctest: +SKIP
    """
    if len(labels) != model.num_classes:
        raise OptionError(
            f"{len(labels)} labels for a model of {model.num_classes} classes; give one each"
        )
    size = (prepare.height, prepare.width)
    if size[0] % _STEP or size[1] % _STEP:
        raise OptionError(
            f"a detector of {size[0]} x {size[1]} pixels; both sides must be multiples of {_STEP}"
        )
    options.setdefault("tolerance", _TOLERANCE)
    limits = _thresholds(thresholds or {})
    last = Suppression(_FLOOR, limits["iou"], round(limits["keep"]))
    if with_nms:
        told = (
            f"NMS is the end of the graph: class-wise, IoU {last.iou:g}, {last.keep} boxes, scores "
            f"above {last.score:g}"
        )
        notes = options.get("notes", "")
        options["notes"] = f"{notes.rstrip('.')}. {told}" if notes else told
    card = ModelCard(
        task="detect",
        architecture=model.architecture,
        prepare=prepare,
        labels=tuple(labels),
        outputs=SUPPRESSED_OUTPUTS if with_nms else output_names(model),
        thresholds=limits,
        mean=tuple(float(value) for value in mean),
        std=tuple(float(value) for value in std),
    )

    def batches(pictures: Sequence[Image]) -> list[Image]:
        return [comparison_batch(prepare, pictures, _RENDERED)]

    def end(
        graph: onnx.ModelProto, file: Path, pictures: Sequence[Image], runtimes: Sequence[str]
    ) -> onnx.ModelProto:
        ended = append_nms(graph, last)
        target = file.with_name("ended.onnx")
        onnx.save(ended, str(target))
        for runtime in runtimes:
            check_nms(file, target, pictures, last, runtime)
        target.replace(file)
        return ended

    def graph(net: PicoDet) -> onnx.ModelProto:
        return graph_of(net, mean, std, size)

    if not with_nms:
        return write_network(model, out, card, graph, batches, **options)
    # Rounding decides which of two boxes alike stays; what the boxes score changes little by it.
    return write_network(
        model,
        out,
        card,
        graph,
        batches,
        end=end,
        tested=("scores",),
        test_tolerance=_NMS_TOLERANCE,
        **options,
    )


def _thresholds(given: Mapping[str, float]) -> dict[str, float]:
    for name, value in given.items():
        known = (*DETECT_THRESHOLDS, "body")
        if name not in known:
            raise OptionError(f"unknown threshold {name!r}; {nearest(name, known)}")
        if name == "keep" and not (value >= 1 and float(value).is_integer()):
            raise OptionError(f"keep is {value:g}; expected a whole number of boxes, at least 1")
        if name != "keep" and not 0 <= value <= 1:
            raise OptionError(f"{name} is {value:g}; expected 0 to 1")
    return {name: float(value) for name, value in {**DETECT_THRESHOLDS, **given}.items()}
