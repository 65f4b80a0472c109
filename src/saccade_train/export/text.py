"""From trained text networks to ``.onnx`` files: detector, direction classifier, recogniser.

All take pixels, uint8 RGB (N, H, W, 3), and are compared with torch before the file appears, at
several sizes. The detector takes any multiples of 32 and gives ``probability`` (N, H, W). The
direction classifier takes lines of 48 x 192 and gives ``probabilities`` (N, 2). The recogniser
takes lines 32 high and at least 8 wide and gives ``probabilities`` (N, T, C), T a quarter of the
width.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Unpack

import numpy as np

from saccade.errors import OptionError, nearest
from saccade.imaging.prepare import Prepare
from saccade.imaging.resize import resize
from saccade.modelfile import ModelCard
from saccade.text.db_decode import DBOptions
from saccade.text.sizes import detector_size, resized_width
from saccade_train.export.graph import graph_of
from saccade_train.export.network import Network, output_names
from saccade_train.export.parity import rendered_pictures
from saccade_train.export.write import ExportOptions, ExportReport, Image, write_network
from saccade_train.models.text_detector import TextDetector
from saccade_train.models.text_direction import DIRECTIONS, TextDirection
from saccade_train.models.text_recogniser import LINE_HEIGHT, TextRecogniser

__all__ = [
    "DETECTOR_THRESHOLDS",
    "DIRECTION_THRESHOLDS",
    "RECOGNISER_THRESHOLDS",
    "export_text_detector",
    "export_text_direction",
    "export_text_recogniser",
]

_DB = DBOptions()
DETECTOR_THRESHOLDS = {
    "threshold": _DB.threshold,
    "box_threshold": _DB.box_threshold,
    "unclip_ratio": _DB.unclip_ratio,
    "limit": 960.0,
    "least": 0.0,
    "gap": 0.0,
    "margin": 0.2,
}
"""How the map is read (:class:`saccade.text.db_decode.DBOptions`), and the longest side of the
picture that the detector gets, in pixels; ``least`` is the shorter side to which smaller ones are
enlarged. With a ``gap`` above 0, lines are fitted to their ink (:mod:`saccade.text.ink`)."""
DIRECTION_THRESHOLDS = {"threshold": 0.9}
"""A line is turned when its probability of standing on its head is above this."""
RECOGNISER_THRESHOLDS = {"drop_score": 0.5, "narrow": 0.0, "sure": 0.0}
"""Lines with a lower mean score than ``drop_score`` are left out, those with a lower one than
``sure`` are looked at again (:mod:`saccade.text.second_look`); those of fewer pixels than
``narrow`` are drawn out (:func:`saccade.text.sizes.reading_width`)."""

_GREY = 127
"""What lines of a batch are padded with, on the right."""
_LEAST_WIDTH = 8
_HALF = (0.5, 0.5, 0.5)


def export_text_detector(
    model: TextDetector,
    out: str | Path,
    *,
    mean: Sequence[float],
    std: Sequence[float],
    thresholds: Mapping[str, float] | None = None,
    **options: Unpack[ExportOptions],
) -> ExportReport:
    """Write a text detector as one ``.onnx`` file with its card, proved against torch.

    Args:
        model: put into evaluation mode on a copy; only its probability map is exported.
        out: the file; its folder must exist.
        mean: of each channel, RGB, on the scale 0..1.
        std: likewise.
        thresholds: by name, where they differ from :data:`DETECTOR_THRESHOLDS`.
        options: see :class:`ExportOptions`.

    Raises:
        SaccadeError: see :func:`saccade_train.export.write.write_network`.
    """
    limits = _thresholds(thresholds, DETECTOR_THRESHOLDS)
    card = _card("text_detect", model, (640, 640), (), limits, mean, std)
    limit = round(limits["limit"])

    def batches(pictures: Sequence[Image]) -> list[Image]:
        rendered = [rendered_pictures(n, h, w) for n, h, w in ((3, 64, 96), (1, 160, 32))]
        return [_page(one, limit) for one in pictures] + rendered

    sides = {1: ("height", 32), 2: ("width", 32)}
    return write_network(
        model, out, card, lambda net: graph_of(net, mean, std, (64, 96), sides), batches, **options
    )


def export_text_direction(
    model: TextDirection,
    out: str | Path,
    *,
    mean: Sequence[float] = _HALF,
    std: Sequence[float] = _HALF,
    thresholds: Mapping[str, float] | None = None,
    **options: Unpack[ExportOptions],
) -> ExportReport:
    """Write a direction classifier as one ``.onnx`` file with its card, proved against torch.

    Args:
        model: of two classes; put into evaluation mode on a copy.
        out: the file; its folder must exist.
        mean: of each channel, RGB, on the scale 0..1.
        std: likewise.
        thresholds: by name, where they differ from :data:`DIRECTION_THRESHOLDS`.
        options: see :class:`ExportOptions`. Pictures are lines.

    Raises:
        OptionError: the model has other than two classes.
        SaccadeError: see :func:`saccade_train.export.write.write_network`.
    """
    if model.head.out_features != len(DIRECTIONS):
        raise OptionError(
            f"the direction classifier has {model.head.out_features} classes; expected two, "
            f"{' and '.join(DIRECTIONS)} degrees"
        )
    height, width = size = (48, 192)
    limits = _thresholds(thresholds, DIRECTION_THRESHOLDS)
    card = _card("text_direction", model, size, DIRECTIONS, limits, mean, std)

    def batches(pictures: Sequence[Image]) -> list[Image]:
        lines = [_line(one, height, width, width) for one in pictures]
        return [np.concatenate([*lines, rendered_pictures(6, height, width)])]

    return write_network(
        model, out, card, lambda net: graph_of(net, mean, std, size), batches, **options
    )


def export_text_recogniser(
    model: TextRecogniser,
    out: str | Path,
    *,
    alphabet: Sequence[str],
    mean: Sequence[float] = _HALF,
    std: Sequence[float] = _HALF,
    thresholds: Mapping[str, float] | None = None,
    **options: Unpack[ExportOptions],
) -> ExportReport:
    """Write a recogniser as one ``.onnx`` file with its card, proved against torch.

    Args:
        model: put into evaluation mode on a copy.
        out: the file; its folder must exist.
        alphabet: the characters of the classes from 1 on; class 0 is the blank.
        mean: of each channel, RGB, on the scale 0..1.
        std: likewise.
        thresholds: by name, where they differ from :data:`RECOGNISER_THRESHOLDS`.
        options: see :class:`ExportOptions`. Pictures are lines.

    Raises:
        OptionError: the alphabet does not fit the model.
        SaccadeError: see :func:`saccade_train.export.write.write_network`.
    """
    _check_alphabet(alphabet, model.num_classes)
    limits = _thresholds(thresholds, RECOGNISER_THRESHOLDS)
    card = _card("text_recognise", model, (LINE_HEIGHT, 320), alphabet, limits, mean, std)

    def batches(pictures: Sequence[Image]) -> list[Image]:
        lines = [_line(one, LINE_HEIGHT, _LEAST_WIDTH) for one in pictures]
        sizes = ((6, 320), (1, _LEAST_WIDTH), (2, 333))
        return lines + [rendered_pictures(n, LINE_HEIGHT, width) for n, width in sizes]

    size, any_width = (LINE_HEIGHT, 72), {2: ("width", 1)}
    return write_network(
        model, out, card, lambda net: graph_of(net, mean, std, size, any_width), batches, **options
    )


def _card(
    task: str,
    model: Network,
    size: tuple[int, int],
    labels: Iterable[str],
    thresholds: dict[str, float],
    mean: Sequence[float],
    std: Sequence[float],
) -> ModelCard:
    return ModelCard(
        task=task,
        architecture=model.architecture,
        prepare=Prepare(*size, "stretch"),
        labels=tuple(labels),
        outputs=output_names(model),
        thresholds=thresholds,
        mean=tuple(float(value) for value in mean),
        std=tuple(float(value) for value in std),
    )


def _thresholds(
    given: Mapping[str, float] | None, defaults: Mapping[str, float]
) -> dict[str, float]:
    for name in given or {}:
        if name not in defaults:
            raise OptionError(f"unknown threshold {name!r}; {nearest(name, defaults)}")
    limits = {name: float(value) for name, value in {**defaults, **(given or {})}.items()}
    if "limit" in limits:
        sides = ("limit", "least", "gap", "margin")
        decoding = {name: value for name, value in limits.items() if name not in sides}
        DBOptions(**decoding)  # type: ignore[arg-type]  # refuses what is out of range
        if not limits["limit"] >= 32:
            raise OptionError(f"limit is {limits['limit']:g}; expected at least 32 pixels")
        if not 0 <= limits["least"] <= limits["limit"]:
            raise OptionError(
                f"least is {limits['least']:g}; expected pixels from 0 to the limit, "
                f"{limits['limit']:g}"
            )
        for name in ("gap", "margin"):
            if not 0 <= limits[name] <= 100:
                raise OptionError(f"{name} is {limits[name]:g}; expected 0 to 100 line heights")
    return limits


def _check_alphabet(alphabet: Sequence[str], classes: int) -> None:
    if len(alphabet) != classes - 1:
        raise OptionError(
            f"an alphabet of {len(alphabet)} characters for a model of {classes} classes; "
            f"expected {classes - 1}, since class 0 is the blank"
        )
    if "" in tuple(alphabet):
        raise OptionError(
            f"character {tuple(alphabet).index('') + 1} of the alphabet is empty; give one each"
        )


def _page(image: Image, limit: int) -> Image:
    return resize(image, detector_size(image.shape[0], image.shape[1], limit))[None]


def _line(image: Image, height: int, least: int, most: int = 4096) -> Image:
    """Bring a line to a height, and with grey on its right to at least some width."""
    width = resized_width((image.shape[0], image.shape[1]), most, height)
    line = np.full((1, height, max(width, least), 3), _GREY, np.uint8)
    line[0, :, :width] = resize(image, (height, width))
    return line
