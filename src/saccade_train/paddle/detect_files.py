"""From PaddleDetection's weights of a detector to a model file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Unpack

from saccade.imaging.prepare import Prepare
from saccade_train.export.detect import export_detector
from saccade_train.export.write import ExportOptions, ExportReport
from saccade_train.paddle.detect import import_detector

__all__ = ["DETECTOR_SIDE", "convert_paddle_detector"]

DETECTOR_SIDE = 416
"""Pixels: the side of the input unless another is given; every size was released at this one."""

_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)


def convert_paddle_detector(
    path: str | Path,
    architecture: str,
    out: str | Path,
    *,
    labels: Callable[[int], Sequence[str]],
    side: int | None = None,
    **options: Unpack[ExportOptions],
) -> ExportReport:
    """Make a model file of PaddleDetection's ``.pdparams``.

    Pictures are stretched to a square by cubic interpolation and normalised with ImageNet's
    constants, as the reference's readers do (``configs/picodet/_base_/picodet_416_reader.yml``).

    Args:
        path: the file.
        architecture: a name of :data:`saccade_train.models.detector.DETECTORS`.
        out: the model file.
        labels: gives the names of that many classes.
        side: of the input, in pixels, a multiple of 32: the one that the weights were trained for,
            which is not in them. By default :data:`DETECTOR_SIDE`.
        options: see :class:`ExportOptions`.

    Raises:
        OptionError: no such architecture; labels or side do not fit.
        ModelFileError: the file is missing, foreign, hostile or damaged, or doesn't fit.
        SaccadeError: see :func:`saccade_train.export.write.write_network`.
    """
    model = import_detector(path, architecture)
    pixels = side or DETECTOR_SIDE
    return export_detector(
        model,
        out,
        labels=labels(model.num_classes),
        prepare=Prepare(pixels, pixels, "stretch", interpolation="cubic"),
        mean=_MEAN,
        std=_STD,
        **options,
    )
