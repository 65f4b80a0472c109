"""From a torch module to a tidy ONNX graph without a card."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import onnx
import torch
from torch import Tensor, nn

from saccade.errors import ModelError
from saccade_train.export.network import Network, PixelNetwork, output_names
from saccade_train.export.tidy import tidy

__all__ = ["graph_of", "trace"]

_OPSET = 18


def graph_of(
    model: Network,
    mean: Sequence[float],
    std: Sequence[float],
    size: tuple[int, int],
    dynamic: Mapping[int, tuple[str, int]] | None = None,
) -> onnx.ModelProto:
    """Trace a network that takes pixels, uint8 (N, H, W, 3), with its constants folded.

    Args:
        model: left as it is.
        mean: of each channel on the scale 0..1.
        std: likewise.
        size: (height, width) of the pictures, or an example of it.
        dynamic: the axes of the picture that may have any size (1: height, 2: width): the name of
            the size, and of what it is a multiple.

    Raises:
        ModelError: torch cannot export it.
    """
    dynamic = dynamic or {}
    wrapped = PixelNetwork(model, mean, std, size, any_width=2 in dynamic)
    example = torch.zeros(2, *size, 3, dtype=torch.uint8)
    return trace(
        wrapped,
        example,
        {0: ("batch", 1), **dynamic},
        name=model.architecture,
        outputs=output_names(model),
    )


def trace(
    module: nn.Module,
    example: Tensor,
    dynamic: Mapping[int, tuple[str, int]],
    *,
    name: str,
    outputs: Sequence[str],
) -> onnx.ModelProto:
    """Trace a module with a child ``net`` into a tidy graph, checked, without a card.

    Args:
        module: takes one tensor, ``image``, and returns as many as there are ``outputs``.
        example: an input with at least two pictures.
        dynamic: for each axis of the input that may have any size, by number: the name of the
            size, and of what it is a multiple.
        name: of the network, for messages.
        outputs: their names.

    Raises:
        ModelError: torch cannot export it.
    """
    shapes = {
        axis: torch.export.Dim(size) if step == 1 else step * torch.export.Dim(f"{size}_{step}")
        for axis, (size, step) in dynamic.items()
    }
    try:
        with _quiet():
            program = torch.onnx.export(
                module.eval(),
                (example,),
                dynamo=True,
                dynamic_shapes=(shapes,),
                input_names=["image"],
                output_names=list(outputs),
                opset_version=_OPSET,
                verbose=False,
            )
            assert program is not None
            graph: onnx.ModelProto = program.model_proto
    except torch.onnx.errors.OnnxExporterError as error:
        raise ModelError(f"{name} cannot be exported: {_first_line(error)}") from error
    tidy(graph, prefix="net.")
    dims = graph.graph.input[0].type.tensor_type.shape.dim
    for axis, (size, _) in dynamic.items():
        dims[axis].dim_param = size
    onnx.checker.check_model(graph, full_check=True)
    return graph


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's remarks about itself (deprecations, packages we don't use) from users."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
