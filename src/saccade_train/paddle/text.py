"""PaddleOCR's names for the weights of our text networks, and loading by them.

Detector, direction classifier and recogniser of PP-OCRv2 and the detector's teacher carry other
names than the same trunks in PaddleClas. Values differ in one thing only: Paddle stores the matrix
of a linear layer as (in, out). Its LSTM has PyTorch's gate order, shapes and names; its state dict
lists the same tensors a second time by cell, and those are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from torch import nn

from saccade.errors import ModelFileError, OptionError
from saccade_train.backbones.mobilenet_v3 import MobileNetV3
from saccade_train.backbones.resnet import ResNet
from saccade_train.models.text_detector import (
    TEXT_DETECTORS,
    TextDetector,
    build_text_detector,
)
from saccade_train.models.text_direction import TextDirection, build_text_direction
from saccade_train.models.text_recogniser import (
    TEXT_RECOGNISERS,
    TextRecogniser,
    build_text_recogniser,
)
from saccade_train.paddle.assign import assign
from saccade_train.paddle.pdparams import read_pdparams

__all__ = [
    "DIRECTION",
    "TEXT_ARCHITECTURES",
    "TEXT_PREFIXES",
    "TextNetwork",
    "import_text_detector",
    "import_text_direction",
    "import_text_recogniser",
    "load_paddle_text",
    "paddle_text_names",
]

TextNetwork = TextDetector | TextDirection | TextRecogniser

TEXT_PREFIXES = ("", "Student.", "Student2.", "Teacher.")
"""What stands before the names: nothing, or the network's part in a distillation."""

DIRECTION = "direction_mobilenet_v3_small_x0_35"

TEXT_ARCHITECTURES = (*TEXT_DETECTORS, DIRECTION, *TEXT_RECOGNISERS)
"""Names of our text networks; PaddleOCR has weights of some of them."""

_ALIAS = re.compile(r"neck\.encoder\.lstm\.\d+\.cell_[fb]w\.")
_LCNET_LAYERS = {"dw_conv": "_depthwise_conv", "se": "_se", "pw_conv": "_pointwise_conv"}
_STATISTICS = {"running_mean": "_mean", "running_var": "_variance"}


def paddle_text_names(model: TextNetwork) -> dict[str, str]:
    """Map our name of each tensor to PaddleOCR's, in the order of the state dict.

    Raises:
        OptionError: PaddleOCR has no detector on that backbone.

    Examples:
        >>> paddle_text_names(build_text_direction())["head.weight"]
        'head.fc.weight'
    """
    layers = dict(_layers(model))
    names = {}
    for name in model.state_dict():
        layer, _, tensor = name.rpartition(".")
        if tensor != "num_batches_tracked":
            names[name] = f"{layers.get(layer, layer)}.{_STATISTICS.get(tensor, tensor)}"
    return names


def load_paddle_text(
    model: TextNetwork,
    tensors: Mapping[str, np.ndarray],
    *,
    source: str = "the weights",
    prefix: str | None = None,
) -> None:
    """Load a text network's weights; the model stays as it was when they don't fit.

    Args:
        model: of the same architecture and number of classes.
        tensors: what :func:`saccade_train.paddle.pdparams.read_pdparams` gave.
        source: the name of the file, for messages.
        prefix: what stands before each name; by default the one of :data:`TEXT_PREFIXES` that fits
            most names, a student before a teacher. Tensors with another beginning are left alone.

    Raises:
        ModelFileError: tensors are missing, left over, of another shape, or not finite numbers.
        OptionError: PaddleOCR has no detector on that backbone.
    """
    names = paddle_text_names(model)
    if prefix is None:
        counts = {p: sum(p + name in tensors for name in names.values()) for p in TEXT_PREFIXES}
        prefix = max(TEXT_PREFIXES, key=lambda p: counts[p])  # the first of equals
        if not counts[prefix]:
            first = ", ".join(list(tensors)[:3]) or "none"
            raise ModelFileError(
                f"{source}: none of its {len(tensors)} tensors ({first}) is one of "
                f"{model.architecture}; is it another network?"
            )
    assign(
        model,
        names,
        {name: value for name, value in _below(tensors, prefix) if not _ALIAS.match(name)},
        source=f"{source} does not fit {model.architecture}",
        transposed=frozenset(
            f"{name}.weight" for name, part in model.named_modules() if isinstance(part, nn.Linear)
        ),
    )


def import_text_detector(
    path: str | Path, architecture: str = "db_mobilenet_v3_large_x0_5", *, prefix: str | None = None
) -> TextDetector:
    """Build a detector from PaddleOCR's ``.pdparams``, in evaluation mode.

    Args:
        path: the file, of one network or of a distillation.
        architecture: ``db_mobilenet_v3_large_x0_5`` for the students, ``db_resnet18_vd`` for their
            teacher.
        prefix: as of :func:`load_paddle_text`.

    Raises:
        ModelFileError: the file is missing, foreign, hostile or damaged, or doesn't fit.
        OptionError: no such architecture.
    """
    model = build_text_detector(architecture)
    load_paddle_text(model, read_pdparams(Path(path)), source=str(path), prefix=prefix)
    return model.eval()


def import_text_direction(path: str | Path, *, prefix: str | None = None) -> TextDirection:
    """Build a direction classifier from PaddleOCR's ``.pdparams``, in evaluation mode.

    Args:
        path: the file.
        prefix: as of :func:`load_paddle_text`.

    Raises:
        ModelFileError: the file is missing, foreign, hostile or damaged, or doesn't fit.
    """
    tensors = read_pdparams(Path(path))
    model = build_text_direction(_classes(tensors, "head.fc.bias", str(path), prefix))
    load_paddle_text(model, tensors, source=str(path), prefix=prefix)
    return model.eval()


def import_text_recogniser(path: str | Path, *, prefix: str | None = None) -> TextRecogniser:
    """Build PP-OCRv2's recogniser from PaddleOCR's ``.pdparams``, in evaluation mode.

    The number of classes is read from the file; the alphabet is not in it.

    Args:
        path: the file, of one network or of a distillation.
        prefix: as of :func:`load_paddle_text`.

    Raises:
        ModelFileError: the file is missing, foreign, hostile or damaged, or doesn't fit.
    """
    tensors = read_pdparams(Path(path))
    classes = _classes(tensors, "head.fc2.bias", str(path), prefix)
    model = build_text_recogniser("crnn_lcnet_x1_0", classes)
    load_paddle_text(model, tensors, source=str(path), prefix=prefix)
    return model.eval()


def _layers(model: TextNetwork) -> Iterator[tuple[str, str]]:
    """Our name and PaddleOCR's of every layer whose names differ."""
    if isinstance(model, TextRecogniser):
        yield from _lcnet_layers(model)
        yield "neck.lstm", "neck.encoder.lstm"
    elif isinstance(model, TextDirection):
        yield from _conv_bn("backbone.conv", "backbone.conv1")
        yield from _conv_bn("backbone.last_second_conv", "backbone.conv2")
        yield "head", "head.fc"
    elif isinstance(model.backbone, MobileNetV3):
        yield from _mobile_detector_layers(model.backbone)
    elif isinstance(model.backbone, ResNet):
        yield from _resnet_layers(model.backbone)
    else:
        raise OptionError(f"PaddleOCR has no detector like {model.architecture}")


def _conv_bn(ours: str, theirs: str, conv: str = "conv", bn: str = "bn") -> list[tuple[str, str]]:
    return [(f"{ours}.conv", f"{theirs}.{conv}"), (f"{ours}.bn", f"{theirs}.{bn}")]


def _mobile_detector_layers(backbone: MobileNetV3) -> Iterator[tuple[str, str]]:
    """Blocks are numbered within four stages; a stage begins where the map is halved again."""
    stage, within = 0, 0
    for number, block in enumerate(backbone.blocks):
        depthwise = block.get_submodule("bottleneck_conv.conv")
        assert isinstance(depthwise, nn.Conv2d)
        if number >= 2 and depthwise.stride != (1, 1):
            stage, within = stage + 1, 0
        for name, _ in block.named_modules():
            if name:
                theirs = f"backbone.stage{stage}.{within}.{name}"
                yield f"backbone.blocks.{number}.{name}", theirs
        within += 1
    yield from _conv_bn("backbone.last_second_conv", f"backbone.stage{stage}.{within}")


def _resnet_layers(backbone: ResNet) -> Iterator[tuple[str, str]]:
    for number in range(3):
        ours, theirs = f"backbone.stem.{number}", f"backbone.conv1_{number + 1}"
        yield from _conv_bn(ours, theirs, "_conv", "_batch_norm")
    number = 0
    for stage in range(4):
        for within in range(len(backbone.stages()[f"stage{stage + 1}"])):
            for layer in ("conv0", "conv1", "conv2", "short"):
                ours = f"backbone.blocks.{number}.{layer}"
                theirs = f"backbone.bb_{stage}_{within}.{layer}"
                yield from _conv_bn(ours, theirs, "_conv", "_batch_norm")
            number += 1


def _lcnet_layers(model: TextRecogniser) -> Iterator[tuple[str, str]]:
    """Thirteen blocks in one list."""
    yield from _conv_bn("backbone.conv1", "backbone.conv1", "_conv", "_batch_norm")
    number = 0
    for stage in range(2, 7):
        for within in range(len(getattr(model.backbone, f"blocks{stage}"))):
            for layer, name in _LCNET_LAYERS.items():
                ours = f"backbone.blocks{stage}.{within}.{layer}"
                theirs = f"backbone.block_list.{number}.{name}"
                if layer == "se":
                    yield from ((f"{ours}.conv{n}", f"{theirs}.conv{n}") for n in (1, 2))
                else:
                    yield from _conv_bn(ours, theirs, "_conv", "_batch_norm")
            number += 1


def _below(tensors: Mapping[str, np.ndarray], prefix: str) -> Iterator[tuple[str, np.ndarray]]:
    for name, value in tensors.items():
        if name.startswith(prefix):
            yield name.removeprefix(prefix), value


def _classes(tensors: Mapping[str, np.ndarray], name: str, source: str, prefix: str | None) -> int:
    for start in TEXT_PREFIXES if prefix is None else (prefix,):
        bias = tensors.get(start + name)
        if bias is not None and bias.ndim == 1 and bias.size > 1:
            return int(bias.size)
    raise ModelFileError(
        f"{source}: has no {(prefix or '') + name!r}, so it is no network of this kind; its "
        "tensors begin with "
        f"{', '.join(list(tensors)[:3]) or 'nothing'}"
    )
