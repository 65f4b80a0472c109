"""PP-ShiTu's feature extractors of PaddleClas: names of the weights, and a file to a network.

Names as a ``RecModel`` of PaddleClas gives them: ``backbone.``, ``neck.``, ``head.``. The binary
variant has no neck: its layer to the code is ``backbone.fc``; V2's neck is a BatchNorm. Before the
neck Paddle's dropout multiplies by 1 - p when it infers, which is folded into it. Not yet tried on
an official file.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from saccade.errors import ModelFileError
from saccade_train.models.embedder import Embedder, build_embedder
from saccade_train.necks.embedding import BNNeck
from saccade_train.paddle.assign import assign
from saccade_train.paddle.names import paddle_name, without_unused
from saccade_train.paddle.pdparams import read_pdparams

__all__ = ["EMBED_ARCHITECTURES", "import_embedder", "paddle_embedder_names"]

EMBED_ARCHITECTURES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "shitu_lcnet_x2_5": ("lcnet_x2_5", "fc", {}),
    "shitu_lcnet_x2_5_binary": ("lcnet_x2_5", "hash", {}),
    "shitu_v2_lcnet_v2_base": (
        "lcnet_v2_base",
        "bn",
        {
            "class_expand": 512,
            "last_conv_bias": True,
            "last_act": False,
            "strides": (2, 2, 2, 2, 1),
        },
    ),
}
"""Name -> architecture of the backbone, neck, and options of the architecture."""

_PREFIXES = ("", "Student.")
_NECKS = {"fc": "neck.fc.", "hash": "backbone.fc.", "bn": "neck.feat_bn."}
"""Our neck -> what its layer is called there."""


def paddle_embedder_names(model: Embedder) -> dict[str, str]:
    """Map our name of each tensor, but for the head's, to Paddle's."""
    neck = "hash" if model.hashes else "bn" if isinstance(model.neck, BNNeck) else "fc"
    layer = "neck.bn." if neck == "bn" else "neck.fc."
    names = {}
    for name in model.state_dict():
        if name.endswith("num_batches_tracked") or name.startswith("head."):
            continue
        theirs = paddle_name(name.removeprefix("pooled."))
        if name.startswith("neck."):
            names[name] = theirs.replace(layer, _NECKS[neck], 1)
        else:
            names[name] = f"backbone.{theirs}"
    return names


def import_embedder(
    path: str | Path,
    architecture: str,
    neck: str,
    options: Mapping[str, Any] | None = None,
    *,
    reference_dropout: float = 0.2,
) -> Embedder:
    """Build an embedder from PaddleClas' ``.pdparams``; in evaluation mode.

    The head is drawn anew for 2 classes: searching needs none.

    Args:
        path: of the file.
        architecture: of the backbone, such as ``"lcnet_x2_5"``.
        neck: ``"fc"``, ``"hash"`` for the binary variant, or ``"bn"`` for V2.
        options: of the architecture.
        reference_dropout: the rate that the weights were trained with in Paddle.

    Raises:
        ModelFileError: the file is missing, foreign, hostile or damaged, or doesn't fit.
    """
    tensors = without_unused(read_pdparams(Path(path)))
    layer = _NECKS[neck].removesuffix(".")
    found: Mapping[str, np.ndarray] | None = None
    for prefix in _PREFIXES:
        if f"{prefix}{layer}.bias" in tensors:
            found = {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
            break
    if found is None or found[f"{layer}.bias"].ndim != 1:
        raise ModelFileError(
            f"{path}: has no {layer + '.bias'!r}, so it is no embedder of this kind; its tensors "
            f"begin with {', '.join(list(tensors)[:3]) or 'nothing'}"
        )
    dim = int(found[f"{layer}.bias"].size)
    model = build_embedder(
        architecture, 2, neck=neck, embedding_dim=dim, head="fc", options=options
    )
    # The classifiers that training needed.
    unused = ("head.",) if neck == "hash" else ("head.", "backbone.fc.")
    kept = {name: value for name, value in found.items() if not name.startswith(unused)}
    body = nn.ModuleDict({"backbone": model.backbone, "pooled": model.pooled, "neck": model.neck})
    assign(
        body,
        paddle_embedder_names(model),
        kept,
        source=f"{path} does not fit {architecture} with the neck {neck!r}",
        transposed=frozenset({"neck.fc.weight"}),
        factors=_without_dropout(neck, 1.0 - reference_dropout),
    )
    return model.eval()


def _without_dropout(neck: str, kept: float) -> dict[str, float]:
    """What the neck's tensors are multiplied by, so that it takes x in place of kept * x."""
    if neck == "bn":  # (kept * x - mean) * weight = (x - mean / kept) * (weight * kept)
        return {"neck.bn.weight": kept, "neck.bn.running_mean": 1.0 / kept}
    return {"neck.fc.weight": kept}
