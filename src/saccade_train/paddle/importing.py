"""From a file of foreign weights to one of our classifiers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from saccade.errors import ModelFileError, OptionError, nearest
from saccade_train.models.classifier import ARCHITECTURES, Classifier, build_classifier
from saccade_train.models.detector import DETECTORS
from saccade_train.paddle.embed import EMBED_ARCHITECTURES
from saccade_train.paddle.names import PREFIXES, load_paddle
from saccade_train.paddle.pdparams import read_pdparams
from saccade_train.paddle.text import TEXT_ARCHITECTURES
from saccade_train.paddle.timm import TORCH_SUFFIXES, load_timm, read_torch

__all__ = ["import_classifier"]


def import_classifier(
    path: str | Path,
    architecture: str,
    *,
    paddle_compat: bool = False,
    reference_dropout: float = 0.2,
) -> Classifier:
    """Build a classifier from PaddleClas' ``.pdparams``, or from timm's weights of a PP-LCNet.

    The number of classes is read from the file. The model is in evaluation mode.

    Args:
        path: ``.pdparams``; or ``.safetensors``, ``.pth``, ``.pt``, ``.bin`` for timm.
        architecture: the name of ours that the weights belong to, e.g. ``lcnet_x1_0``.
        paddle_compat: keep Paddle's dropout, to train on as the reference would; by default its
            factor is folded into the last layer, see :mod:`saccade_train.paddle.names`.
        reference_dropout: the rate that the weights were trained with in Paddle.

    Raises:
        OptionError: no such architecture.
        ModelFileError: the file is missing, foreign, hostile or damaged, or doesn't fit.

    Examples:
        >>> model = import_classifier("x1_0.pdparams", "lcnet_x1_0")  # doctest: +SKIP
    """
    path = Path(path)
    if architecture not in ARCHITECTURES:
        known_names = (*ARCHITECTURES, *TEXT_ARCHITECTURES, *DETECTORS, *EMBED_ARCHITECTURES)
        raise OptionError(
            f"unknown architecture {architecture!r}; {nearest(architecture, known_names)}"
        )
    if path.suffix == ".pdparams":
        tensors = read_pdparams(path)
        classes = _classes(tensors, [f"{prefix}fc.bias" for prefix in PREFIXES], path)
        options = {"paddle_compat": True} if paddle_compat else {}
        model = build_classifier(architecture, classes, **options)
        load_paddle(model, tensors, source=str(path), reference_dropout=reference_dropout)
    elif path.suffix in TORCH_SUFFIXES:
        if not architecture.startswith("lcnet_x"):
            raise OptionError(
                f"{path}: PyTorch weights are read for PP-LCNet (timm) only, not for {architecture}"
            )
        tensors = read_torch(path)
        classes = _classes(tensors, ["classifier.bias"], path)
        bias = "conv_head.bias" in tensors
        model = build_classifier(architecture, classes, last_conv_bias=bias)
        load_timm(model, tensors, source=str(path))
    elif path.suffix == ".pdiparams":
        raise ModelFileError(
            f"{path}: exported Paddle weights have no names; import the .pdparams file instead"
        )
    else:
        known = ", ".join((".pdparams", *TORCH_SUFFIXES))
        raise ModelFileError(f"{path}: unknown kind of file; expected one of {known}")
    return model.eval()


def _classes(tensors: Mapping[str, np.ndarray], names: list[str], path: Path) -> int:
    for name in names:
        bias = tensors.get(name)
        if bias is not None and bias.ndim == 1 and bias.size:
            return int(bias.size)
    raise ModelFileError(
        f"{path}: has no {names[0]!r}, so it is no classifier of this kind; its tensors begin with "
        f"{', '.join(list(tensors)[:3]) or 'nothing'}"
    )
