"""From a trained classifier to one ``.onnx`` file that needs nothing beside it.

The graph takes the pixels of prepared pictures, uint8 RGB (N, H, W, 3), and gives ``probabilities``
(N, C) and ``embedding`` (N, D), the vector before the classifier at unit length. What the file says
about itself is its card. Before the file appears it is compared with the torch model.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

import onnx

from saccade.errors import OptionError
from saccade.imaging.prepare import Prepare
from saccade.modelfile import ModelCard
from saccade_train.export.graph import graph_of
from saccade_train.export.network import output_names
from saccade_train.export.parity import comparison_batch
from saccade_train.export.write import ExportOptions, ExportReport, Image, write_network
from saccade_train.models.classifier import Classifier

__all__ = ["export_graph", "export_model"]

_RENDERED = 8


def export_graph(
    model: Classifier,
    mean: Sequence[float],
    std: Sequence[float],
    height: int,
    width: int,
    *,
    dynamic_size: bool = False,
) -> onnx.ModelProto:
    """Trace a classifier into a tidy graph without a card.

    Args:
        model: in evaluation mode; left as it is.
        mean: of each channel on the scale 0..1.
        std: likewise.
        height: of the pictures.
        width: of the pictures.
        dynamic_size: let the graph take pictures of any size.

    Raises:
        ModelError: torch cannot export it.
    """
    any_size = {1: ("height", 1), 2: ("width", 1)} if dynamic_size else None
    return graph_of(model, mean, std, (height, width), any_size)


def export_model(
    model: Classifier,
    out: str | Path,
    *,
    labels: Sequence[str],
    prepare: Prepare,
    mean: Sequence[float],
    std: Sequence[float],
    architecture: str | None = None,
    dynamic_size: bool = False,
    **options: Unpack[ExportOptions],
) -> ExportReport:
    """Write a classifier as one ``.onnx`` file with its card, proved against the torch model.

    The file appears whole or not at all; an older file of that name stays when the export fails.

    Args:
        model: the classifier; put into evaluation mode on a copy.
        out: the file; its folder must exist.
        labels: name of each class.
        prepare: how pictures become the input.
        mean: of each channel on the scale 0..1.
        std: likewise.
        architecture: for the card; by default the model's own.
        dynamic_size: see :func:`export_graph`.
        options: see :class:`saccade_train.export.write.ExportOptions`.

    Raises:
        OptionError: labels, mean, std, runtime or tolerance do not fit.
        ParityError: a runtime differs from torch; the first layer that differs is named.
        ModelFileError: the file cannot be written.
        MissingExtra: a runtime is not installed.

    Examples:
        >>> model = build_classifier("lcnet_x0_25", 2)                        # doctest: +SKIP
        >>> export_model(model, "cats.onnx", labels=["cat", "dog"], prepare=Prepare(),
        ...              mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))  # doctest: +SKIP
    """
    if len(labels) != model.num_classes:
        raise OptionError(
            f"{len(labels)} labels for a model of {model.num_classes} classes; give one each"
        )
    size = (prepare.height, prepare.width)
    card = ModelCard(
        task="classify",
        architecture=architecture or model.architecture,
        prepare=prepare,
        labels=tuple(labels),
        outputs=output_names(model),
        mean=tuple(float(value) for value in mean),
        std=tuple(float(value) for value in std),
        embedding_dim=model.embedding_dim,
    )

    def batches(pictures: Sequence[Image]) -> list[Image]:
        return [comparison_batch(prepare, pictures, _RENDERED)]

    return write_network(
        model,
        out,
        card,
        lambda net: export_graph(net, mean, std, *size, dynamic_size=dynamic_size),
        batches,
        **options,
    )
