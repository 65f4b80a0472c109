"""PaddleClas' names for the weights of our classifiers, and loading by them.

Our modules carry the reference's names, so one rule serves PP-LCNet, ResNet(-vd) and MobileNetV3:
leave out ``backbone.`` and ``head.``, and say ``_mean`` and ``_variance`` for BatchNorm's
statistics. Two things differ in the values. Paddle stores the matrix of a linear layer as
(in, out); which tensors those are is decided by the type of our layer, never by the shape. And
Paddle's classifiers with a dropout multiply by 1 - p when they infer, see
:mod:`saccade_train.layers.dropout`: a model built with ``paddle_compat=True`` does so itself;
otherwise the factor is folded into the weight of the linear layer, which gives the same logits and
leaves the embedding free of it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import nn

from saccade.errors import ModelFileError
from saccade_train.backbones.base import Backbone
from saccade_train.layers.dropout import DownscaleInInfer
from saccade_train.models.classifier import Classifier
from saccade_train.paddle.assign import assign

__all__ = [
    "PREFIXES",
    "find_prefix",
    "load_paddle",
    "load_paddle_backbone",
    "paddle_name",
    "paddle_names",
    "without_unused",
]

PREFIXES = ("", "backbone.", "Student.", "Student.backbone.")
"""What PaddleClas puts before the names: nothing; in a retrieval model (and in PaddleDetection) the
trunk's part; in a distillation the student's."""


def paddle_names(module: nn.Module) -> dict[str, str]:
    """Map our name of each tensor to Paddle's, in the order of the state dict.

    Examples:
        >>> from saccade_train.models.classifier import build_classifier
        >>> names = paddle_names(build_classifier("lcnet_x0_25", 10))
        >>> names["backbone.conv1.bn.running_mean"], names["head.fc.weight"]
        ('conv1.bn._mean', 'fc.weight')
    """
    return {
        name: paddle_name(name)
        for name in module.state_dict()
        if not name.endswith("num_batches_tracked")
    }


def paddle_name(name: str) -> str:
    """Say what Paddle calls one of our tensors of a classifier or its trunk."""
    name = name.removeprefix("backbone.").removeprefix("head.")
    if name.startswith("rep_stages."):
        name = name.removeprefix("rep_")
    return name.replace(".running_mean", "._mean").replace(".running_var", "._variance")


def load_paddle(
    model: Classifier,
    tensors: Mapping[str, np.ndarray],
    *,
    source: str = "the weights",
    prefix: str | None = None,
    reference_dropout: float = 0.2,
) -> None:
    """Load a classifier's weights; the model stays as it was when they don't fit.

    Args:
        model: the classifier, of the same architecture and number of classes.
        tensors: what :func:`saccade_train.paddle.pdparams.read_pdparams` gave.
        source: the name of the file, for messages.
        prefix: what stands before each name; by default found among :data:`PREFIXES`. Tensors with
            another beginning are left alone.
        reference_dropout: the rate p that Paddle would multiply with as 1 - p; of no effect for
            networks without dropout and for ``paddle_compat`` models.

    Raises:
        ModelFileError: tensors are missing, left over, of another shape, or not finite numbers.
    """
    names = paddle_names(model)
    has_dropout = not isinstance(model.head.last_conv, nn.Identity)
    itself = isinstance(model.head.dropout, DownscaleInInfer)
    factors = {"head.fc.weight": 1.0 - reference_dropout} if has_dropout and not itself else {}
    assign(
        model,
        names,
        _without_prefix(tensors, names, prefix, source, model.architecture),
        source=_doubt(source, model.architecture),
        transposed=_linear_weights(model),
        factors=factors,
    )


def load_paddle_backbone(
    backbone: Backbone,
    tensors: Mapping[str, np.ndarray],
    *,
    source: str = "the weights",
    prefix: str | None = None,
) -> None:
    """Load the trunk of a classifier, a detector or a retrieval model; its other parts are left.

    Args:
        backbone: stays as it was when the weights don't fit.
        tensors: as of :func:`load_paddle`, like the other arguments.
        source: see there.
        prefix: see there.

    Raises:
        ModelFileError: tensors are missing, of another shape, or not finite numbers.
    """
    names = paddle_names(backbone)
    kind = type(backbone).__name__
    found = _without_prefix(tensors, names, prefix, source, kind)
    wanted = set(names.values())
    trunk = {name: value for name, value in found.items() if name in wanted}
    assign(backbone, names, trunk, source=_doubt(source, kind))


def without_unused(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Leave out PP-LCNetV2's joined kernels: files of a training hold them, but not yet computed.

    Their block has the parallel kernels as well, of which our export computes the joined one.
    """
    lists = {name.split("dw_conv_list.")[0] for name in tensors if "dw_conv_list." in name}
    unused = {f"{block}dw_conv.{part}" for block in lists for part in ("weight", "bias")}
    return {name: value for name, value in tensors.items() if name not in unused}


def find_prefix(tensors: Mapping[str, np.ndarray], names: Mapping[str, str]) -> str | None:
    """Give the prefix of :data:`PREFIXES` under which most of the names are found, if any are."""
    counts = {
        prefix: sum(prefix + name in tensors for name in names.values()) for prefix in PREFIXES
    }
    best = max(PREFIXES, key=lambda prefix: counts[prefix])  # the first of equals
    return best if counts[best] else None


def _without_prefix(
    tensors: Mapping[str, np.ndarray],
    names: Mapping[str, str],
    prefix: str | None,
    source: str,
    kind: str,
) -> dict[str, np.ndarray]:
    found = find_prefix(tensors, names) if prefix is None else prefix
    if found is None:
        first = ", ".join(list(tensors)[:3]) or "none"
        raise ModelFileError(
            f"{source}: none of its {len(tensors)} tensors ({first}) is one of {kind}; "
            "is it another architecture?"
        )
    return {
        name.removeprefix(found): value
        for name, value in without_unused(tensors).items()
        if name.startswith(found)
    }


def _linear_weights(module: nn.Module) -> frozenset[str]:
    return frozenset(
        f"{name}.weight" for name, child in module.named_modules() if isinstance(child, nn.Linear)
    )


def _doubt(source: str, kind: str) -> str:
    return f"{source} does not fit {kind}"
