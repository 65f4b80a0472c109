"""PaddleDetection's names for the weights of our detectors, and loading by them.

The values are the same, tensor by tensor; there are no linear layers to turn. The files hold more
than the network needs, and that is left alone: the last layers a second time by their place in a
list (second generation), and five tensors that nothing reads or that are constants.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from saccade.errors import ModelFileError, OptionError, nearest
from saccade_train.backbones.esnet import ESNet
from saccade_train.heads.picodet import REG_MAX, PicoHead
from saccade_train.models.detector import DETECTORS, PicoDet, build_detector
from saccade_train.necks.pan import CSPBlock
from saccade_train.paddle.assign import assign
from saccade_train.paddle.pdparams import read_pdparams

__all__ = ["import_detector", "load_paddle_detector", "paddle_detector_names"]

_LEFT_ALONE = re.compile(
    r"head\.head_(cls|reg)_list\.[0-3]\.(weight|bias)"  # a second copy
    r"|head\.p[3-6]_feat\.scale_reg"  # of a parent class, never read
    r"|head\.distribution_project\.project"  # the numbers 0 .. 7
)
_STATISTICS = {"running_mean": "_mean", "running_var": "_variance"}

Pairs = Iterator[tuple[str, str]]


def paddle_detector_names(model: PicoDet) -> dict[str, str]:
    """Map our name of each tensor to PaddleDetection's, in the order of the state dict.

    Examples:
        >>> paddle_detector_names(build_detector("picodet_s", 3))["head.levels.0.sides.weight"]
        'head.head_reg0.weight'
    """
    layers = dict(_layers(model))
    names = {}
    for name in model.state_dict():
        layer, _, tensor = name.rpartition(".")
        if tensor != "num_batches_tracked":
            names[name] = f"{layers.get(layer, layer)}.{_STATISTICS.get(tensor, tensor)}"
    return names


def load_paddle_detector(
    model: PicoDet, tensors: Mapping[str, np.ndarray], *, source: str = "the weights"
) -> None:
    """Load a detector's weights; the model stays as it was when they don't fit.

    Args:
        model: of the same architecture and number of classes.
        tensors: what :func:`saccade_train.paddle.pdparams.read_pdparams` gave.
        source: the name of the file, for messages.

    Raises:
        ModelFileError: tensors are missing, left over, of another shape, or not finite numbers.
    """
    assign(
        model,
        paddle_detector_names(model),
        {name: value for name, value in tensors.items() if not _LEFT_ALONE.fullmatch(name)},
        source=f"{source} does not fit {model.architecture}",
    )


def import_detector(path: str | Path, architecture: str) -> PicoDet:
    """Build a detector from PaddleDetection's ``.pdparams``, in evaluation mode.

    The number of classes is read from the file.

    Args:
        path: the file.
        architecture: a name of :data:`saccade_train.models.detector.DETECTORS`.

    Raises:
        ModelFileError: the file is missing, foreign, hostile or damaged, or doesn't fit.
        OptionError: no such architecture.
    """
    if architecture not in DETECTORS:
        raise OptionError(f"unknown detector {architecture!r}; {nearest(architecture, DETECTORS)}")
    path = Path(path)
    if path.suffix == ".pdiparams":
        raise ModelFileError(
            f"{path}: exported Paddle weights have no names; import the .pdparams file instead"
        )
    tensors = read_pdparams(path)
    model = build_detector(architecture, _classes(tensors, architecture, path))
    load_paddle_detector(model, tensors, source=str(path))
    return model.eval()


def _classes(tensors: Mapping[str, np.ndarray], architecture: str, path: Path) -> int:
    bias = tensors.get("head.head_cls0.bias")
    if bias is None or bias.ndim != 1:
        raise ModelFileError(
            f"{path}: has no 'head.head_cls0.bias', so it is no PicoDet; its tensors begin with "
            f"{', '.join(list(tensors)[:3]) or 'nothing'}"
        )
    # The first generation gives classes and sides by one layer.
    together = DETECTORS[architecture].head is PicoHead
    if together == ("head.head_reg0.bias" in tensors):
        generation = "second" if together else "first"
        others = (name for name, of in DETECTORS.items() if (of.head is PicoHead) != together)
        raise ModelFileError(
            f"{path} does not fit {architecture}: it is of PicoDet's {generation} generation; "
            f"expected one of {', '.join(others)}"
        )
    classes = bias.size - 4 * (REG_MAX + 1) if together else bias.size
    if classes < 1:
        raise ModelFileError(f"{path}: 'head.head_cls0.bias' of {bias.size} numbers has no classes")
    return int(classes)


def _layers(model: PicoDet) -> Pairs:
    """Our name and PaddleDetection's of every layer whose names differ."""
    if isinstance(model.backbone, ESNet):
        yield from _esnet(model.backbone)
    yield from _neck(model)
    for level in range(len(model.head.levels)):
        yield from _head(model, level)


def _conv_bn(ours: str, theirs: str, conv: str, bn: str) -> Pairs:
    yield f"{ours}.conv", f"{theirs}.{conv}"
    yield f"{ours}.bn", f"{theirs}.{bn}"


def _separable(ours: str, theirs: str) -> Pairs:
    """The reference's DPModule: four layers in a row."""
    yield from _conv_bn(f"{ours}.dw_conv", theirs, "dwconv", "bn1")
    yield from _conv_bn(f"{ours}.pw_conv", theirs, "pwconv", "bn2")


def _esnet(backbone: ESNet) -> Pairs:
    yield from _conv_bn("backbone.conv1", "backbone._conv1", "_conv", "_batch_norm")
    first = {
        "dw_1": "_conv_dw_1",
        "linear_1": "_conv_linear_1",
        "pw_2": "_conv_pw_2",
        "dw_2": "_conv_dw_2",
        "linear_2": "_conv_linear_2",
        "merge.dw_conv": "_conv_dw_mv1",
        "merge.pw_conv": "_conv_pw_mv1",
    }
    others = {"pw": "_conv_pw", "dw": "_conv_dw", "linear": "_conv_linear"}
    for stage in (2, 3, 4):
        for index in range(len(backbone.get_submodule(f"stage{stage}"))):  # type: ignore[arg-type]
            ours, theirs = f"backbone.stage{stage}.{index}", f"backbone.{stage}_{index + 1}"
            for name, their_name in (others if index else first).items():
                yield from _conv_bn(
                    f"{ours}.{name}", f"{theirs}.{their_name}", "_conv", "_batch_norm"
                )
            for conv in ("conv1", "conv2"):
                yield f"{ours}.se.{conv}", f"{theirs}._se.{conv}"


def _neck(model: PicoDet) -> Pairs:
    for number in range(3):
        yield from _conv_bn(f"neck.conv_t.{number}", f"neck.conv_t.convs.{number}", "conv", "bn")
    downs = ("first_top_conv", "second_top_conv", "downsamples.0", "downsamples.1")
    for name in downs:
        yield from _separable(f"neck.{name}", f"neck.{name}")
    for name in ("top_down_blocks", "bottom_up_blocks"):
        for number in range(2):
            block = f"neck.{name}.{number}"
            if isinstance(model.get_submodule(block), CSPBlock):
                ours, theirs = f"{block}.bottleneck", f"{block}.blocks.0"
                yield from _conv_bn(f"{ours}.0", f"{theirs}.conv1", "conv", "bn")
                yield from _separable(f"{ours}.1", f"{theirs}.conv2")


def _head(model: PicoDet, level: int) -> Pairs:
    ours = f"head.levels.{level}"
    tower = model.get_submodule(f"{ours}.tower")
    for number in range(len(tower)):  # type: ignore[arg-type]
        for part in ("dw", "pw"):
            theirs = f"head.conv_feat.cls_conv_{part}{level}.{number}"
            yield from _conv_bn(f"{ours}.tower.{number}.{part}_conv", theirs, "conv", "norm")
    if isinstance(model.head, PicoHead):
        yield f"{ours}.predict", f"head.head_cls{level}"
        return
    yield f"{ours}.gate.fc", f"head.conv_feat.se.{level}.fc"
    yield from _conv_bn(f"{ours}.gate.conv", f"head.conv_feat.se.{level}.conv", "conv", "norm")
    yield f"{ours}.classes", f"head.head_cls{level}"
    yield f"{ours}.sides", f"head.head_reg{level}"
    yield from _conv_bn(f"{ours}.align.0", f"head.cls_align.{level}", "dwconv", "bn1")
    yield from _conv_bn(f"{ours}.align.1", f"head.cls_align.{level}", "pwconv", "bn2")
