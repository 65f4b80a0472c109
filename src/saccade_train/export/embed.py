"""From a trained embedder to one ``.onnx`` file that needs nothing beside it.

The graph takes the pixels of prepared pictures, uint8 RGB (N, H, W, 3), and gives ``embedding``
(N, D), rows of unit length; or, of a network that makes codes, ``bits`` (N, D), numbers in -1..1
whose signs are the bits. The head is left out: it served training.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

from saccade.imaging.prepare import Prepare
from saccade.modelfile import ModelCard
from saccade_train.export.graph import graph_of
from saccade_train.export.network import output_names
from saccade_train.export.parity import comparison_batch
from saccade_train.export.write import ExportOptions, ExportReport, Image, write_network
from saccade_train.models.embedder import Embedder

__all__ = ["export_embedder"]

_RENDERED = 8


def export_embedder(
    model: Embedder,
    out: str | Path,
    *,
    prepare: Prepare,
    mean: Sequence[float],
    std: Sequence[float],
    **options: Unpack[ExportOptions],
) -> ExportReport:
    """Write an embedder as one ``.onnx`` file with its card, proved against torch.

    Args:
        model: put into evaluation mode on a copy.
        out: the file; its folder must exist.
        prepare: how pictures become the input.
        mean: of each channel, RGB, on the scale 0..1.
        std: likewise.
        options: see :class:`ExportOptions`.

    Raises:
        SaccadeError: see :func:`saccade_train.export.write.write_network`.

    Examples:
        >>> export_embedder(model, "goods.onnx", prepare=Prepare(160, 160, "stretch"),
        ...                 mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))        # doctest: +SKIP
    """
    size = (prepare.height, prepare.width)
    card = ModelCard(
        task="embed",
        architecture=model.architecture,
        prepare=prepare,
        labels=(),
        outputs=output_names(model),
        mean=tuple(float(value) for value in mean),
        std=tuple(float(value) for value in std),
        embedding_dim=model.embedding_dim,
    )

    def batches(pictures: Sequence[Image]) -> list[Image]:
        return [comparison_batch(prepare, pictures, _RENDERED)]

    return write_network(
        model, out, card, lambda net: graph_of(net, mean, std, size), batches, **options
    )
