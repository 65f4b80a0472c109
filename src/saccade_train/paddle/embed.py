"""PP-ShiTu's feature extractors of PaddleClas: names of the weights, and a file to a network.

Names as a ``RecModel`` of PaddleClas gives them: ``backbone.``, ``neck.``, ``head.``. The binary
variant has no neck: its layer to the code is ``backbone.fc``. Before that layer Paddle's dropout
multiplies by 1 - p when it infers, which is folded into the layer. Not yet tried on an official
file.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from torch import nn

from saccade.errors import ModelFileError
from saccade_train.models.embedder import Embedder, build_embedder
from saccade_train.paddle.assign import assign
from saccade_train.paddle.pdparams import read_pdparams

__all__ = ["EMBED_ARCHITECTURES", "import_embedder", "paddle_embedder_names"]

EMBED_ARCHITECTURES = {
    "shitu_lcnet_x2_5": ("lcnet_x2_5", "fc"),
    "shitu_lcnet_x2_5_binary": ("lcnet_x2_5", "hash"),
}
"""Name -> architecture of the backbone, and neck."""

_PREFIXES = ("", "Student.")


def paddle_embedder_names(model: Embedder) -> dict[str, str]:
    """Map our name of each tensor, but for the head's, to Paddle's."""
    layer = "backbone.fc." if model.hashes else "neck.fc."
    names = {}
    for name in model.state_dict():
        if name.endswith("num_batches_tracked") or name.startswith("head."):
            continue
        theirs = name.replace("pooled.", "backbone.", 1).replace("neck.fc.", layer, 1)
        theirs = theirs.replace(".running_mean", "._mean").replace(".running_var", "._variance")
        names[name] = theirs
    return names


def import_embedder(
    path: str | Path, architecture: str, neck: str, *, reference_dropout: float = 0.2
) -> Embedder:
    """Build an embedder from PaddleClas' ``.pdparams``; in evaluation mode.

    The head is drawn anew for 2 classes: searching needs none.

    Args:
        path: of the file.
        architecture: of the backbone, such as ``"lcnet_x2_5"``.
        neck: ``"fc"``, or ``"hash"`` for the binary variant.
        reference_dropout: the rate that the weights were trained with in Paddle.

    Raises:
        ModelFileError: the file is missing, foreign, hostile or damaged, or doesn't fit.
    """
    tensors = read_pdparams(Path(path))
    layer = "backbone.fc" if neck == "hash" else "neck.fc"
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
    model = build_embedder(architecture, 2, neck=neck, embedding_dim=dim, head="fc")
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
        factors={"neck.fc.weight": 1.0 - reference_dropout},
    )
    return model.eval()
