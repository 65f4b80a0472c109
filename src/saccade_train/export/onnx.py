"""From a trained classifier to one ``.onnx`` file that needs nothing beside it.

The graph takes the pixels of prepared pictures, uint8 RGB (N, H, W, 3), and gives ``probabilities``
(N, C) and ``embedding`` (N, D), the vector before the classifier at unit length. What the file says
about itself is its card. Before the file appears it is compared with the torch model.
"""

from __future__ import annotations

import copy
import importlib.util
import logging
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import saccade
from saccade.errors import MissingExtra, ModelError, ModelFileError, OptionError, nearest
from saccade.imaging.prepare import Prepare
from saccade.modelfile import ModelCard, make_self_test, write_card
from saccade.modelfile.check import BF16_TOLERANCE
from saccade.runtime import RUNTIMES, open_session
from saccade_train.export.fold import (
    Layout,
    check_mean_std,
    first_convolution,
    fold_batch_norms,
    fold_dropout,
    fold_pixels,
    pixel_mean,
)
from saccade_train.export.load import load_run
from saccade_train.export.parity import (
    DEFAULT_TOLERANCE,
    ParityReport,
    check_parity,
    rendered_pictures,
)
from saccade_train.export.tidy import tidy
from saccade_train.models.classifier import Classifier
from saccade_train.recipes import dump_recipe

__all__ = [
    "ExportReport",
    "PixelClassifier",
    "export_graph",
    "export_model",
    "export_run",
    "trace",
]

_OPSET = 18
_OUTPUTS = ("probabilities", "embedding")
_RENDERED = 8


@dataclass(frozen=True)
class ExportReport:
    """What an export made and how it was proved.

    Attributes:
        path: the file.
        bytes: its size.
        nodes: how many operations the graph has.
        card: as written, with fingerprint and self-test.
        parity: one comparison with the torch model for each runtime.
    """

    path: Path
    bytes: int
    nodes: int
    card: ModelCard
    parity: tuple[ParityReport, ...]

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON values, the card by its fingerprint."""
        return {
            "path": str(self.path),
            "bytes": self.bytes,
            "nodes": self.nodes,
            "fingerprint": self.card.fingerprint,
            "parity": [asdict(report) for report in self.parity],
        }


class PixelClassifier(nn.Module):
    """A classifier that takes pixels, its constants folded.

    Args:
        model: copied; in evaluation mode.
        mean: of each channel on the scale 0..1.
        std: likewise.
        height: of the pictures.
        width: of the pictures; any size may come when the layout is ``"planar"``.
        layout: see :mod:`saccade_train.export.fold`.
    """

    mean: Tensor

    def __init__(
        self,
        model: Classifier,
        mean: Sequence[float],
        std: Sequence[float],
        height: int,
        width: int,
        layout: Layout = "packed",
    ) -> None:
        super().__init__()
        self.net = copy.deepcopy(model).cpu().float().eval().requires_grad_(False)
        fold_batch_norms(self.net)
        fold_dropout(self.net)
        first = first_convolution(self.net)
        conv = self.net.get_submodule(first)
        assert isinstance(conv, nn.Conv2d)
        self.net.set_submodule(first, fold_pixels(conv, std, layout))
        self.register_buffer("mean", pixel_mean(mean, layout, width))
        self.height, self.width, self.layout = height, width, layout

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Map uint8 (N, H, W, 3) to probabilities (N, C) and unit vectors (N, D)."""
        if self.layout == "packed":
            pixels = image.reshape(-1, 1, self.height, 3 * self.width)
        else:
            pixels = image.permute(0, 3, 1, 2)
        vector = self.net.forward_embedding(pixels.float() - self.mean)
        length = torch.linalg.vector_norm(vector, dim=1, keepdim=True).clamp_min(1e-12)
        return self.net.head.fc(vector).softmax(dim=1), vector / length


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
        dynamic_size: let the graph take pictures of any size, at the price of a transposition.

    Raises:
        ModelError: torch cannot export it.
    """
    wrapped = PixelClassifier(
        model, mean, std, height, width, "planar" if dynamic_size else "packed"
    )
    example = torch.zeros(2, height, width, 3, dtype=torch.uint8)
    sizes = {1: "height", 2: "width"} if dynamic_size else {}
    return trace(wrapped, example, {0: "batch", **sizes}, name=model.architecture)


def trace(
    module: nn.Module, example: Tensor, dynamic: Mapping[int, str], *, name: str
) -> onnx.ModelProto:
    """Trace a module with a child ``net`` into a tidy graph, checked, without a card.

    Args:
        module: takes one tensor, ``image``, and returns ``probabilities`` and ``embedding``.
        example: an input with at least two pictures.
        dynamic: name of each axis of the input that may have any size, by number.
        name: of the network, for messages.

    Raises:
        ModelError: torch cannot export it.
    """
    batch = torch.export.Dim("batch")
    shapes = {axis: batch if axis == 0 else torch.export.Dim.AUTO for axis in dynamic}
    try:
        with _quiet():
            program = torch.onnx.export(
                module.eval(),
                (example,),
                dynamo=True,
                dynamic_shapes=(shapes,),
                input_names=["image"],
                output_names=list(_OUTPUTS),
                opset_version=_OPSET,
                verbose=False,
            )
            assert program is not None
            graph: onnx.ModelProto = program.model_proto
    except torch.onnx.errors.OnnxExporterError as error:
        raise ModelError(f"{name} cannot be exported: {_first_line(error)}") from error
    tidy(graph, prefix="net.")
    dims = graph.graph.input[0].type.tensor_type.shape.dim
    for axis, label in dynamic.items():
        dims[axis].dim_param = label
    onnx.checker.check_model(graph, full_check=True)
    return graph


def export_model(
    model: Classifier,
    out: str | Path,
    *,
    labels: Sequence[str],
    prepare: Prepare,
    mean: Sequence[float],
    std: Sequence[float],
    architecture: str | None = None,
    licence: str = "",
    training_data: str = "",
    recipe: str = "",
    scores: Mapping[str, float] | None = None,
    notes: str = "",
    pictures: Sequence[NDArray[np.uint8]] | None = None,
    runtimes: Sequence[str] = ("onnxruntime",),
    tolerance: float = DEFAULT_TOLERANCE,
    dynamic_size: bool = False,
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
        licence: of the weights, for the card.
        training_data: what the model was trained on, for the card.
        recipe: name or text of the recipe, for the card.
        scores: by the name of the metric, for the card.
        notes: for the card.
        pictures: uint8 RGB (H, W, 3) of any size, to compare on; by default rendered ones.
        runtimes: what to compare with torch, see :data:`saccade.runtime.RUNTIMES`.
        tolerance: largest relative difference of an output.
        dynamic_size: see :func:`export_graph`.

    Raises:
        OptionError: labels, mean, std or tolerance do not fit.
        ParityError: a runtime differs from torch; the first layer that differs is named.
        ModelFileError: the file cannot be written.
        MissingExtra: a runtime is not installed.

    Examples:
        >>> model = build_classifier("lcnet_x0_25", 2)                        # doctest: +SKIP
        >>> export_model(model, "cats.onnx", labels=["cat", "dog"], prepare=Prepare(),
        ...              mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))  # doctest: +SKIP
    """
    target = Path(out)
    _check(model, target, labels, mean, std, tolerance)
    for runtime in runtimes:
        _check_runtime(runtime)
    size = (prepare.height, prepare.width)
    card = ModelCard(
        task="classify",
        architecture=architecture or model.architecture,
        prepare=prepare,
        labels=tuple(labels),
        outputs=_OUTPUTS,
        mean=tuple(float(value) for value in mean),
        std=tuple(float(value) for value in std),
        licence=licence,
        training_data=training_data,
        recipe=recipe,
        scores=dict(scores or {}),
        notes=notes,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        saccade_version=saccade.__version__,
        embedding_dim=model.embedding_dim,
    )
    card.to_json()  # a value that cannot be written is told now, not after the work
    model = copy.deepcopy(model).cpu().float().eval()
    graph = export_graph(model, mean, std, *size, dynamic_size=dynamic_size)
    ready = rendered_pictures(_RENDERED, *size)
    if pictures:
        # Some noise stays among the real pictures: it reaches numbers that they do not.
        ready = np.concatenate([prepare.batch(pictures), ready[:2]])
    with tempfile.TemporaryDirectory(prefix="saccade-export-") as folder:
        bare = Path(folder, "model.onnx")
        onnx.save(graph, str(bare))
        parity = tuple(
            check_parity(
                model,
                bare,
                ready,
                mean=mean,
                std=std,
                runtime=runtime,
                tolerance=_allowed(runtime, tolerance),
            )
            for runtime in runtimes
        )
        test = make_self_test(open_session(bare).run, (1, *size, 3))
        card = write_card(bare, target, replace(card, self_test=test))
    return ExportReport(target, target.stat().st_size, len(graph.graph.node), card, parity)


def export_run(
    run: str | Path,
    out: str | Path,
    *,
    licence: str = "",
    training_data: str = "",
    notes: str = "",
    pictures: Sequence[NDArray[np.uint8]] | None = None,
    runtimes: Sequence[str] = ("onnxruntime",),
    tolerance: float = DEFAULT_TOLERANCE,
) -> ExportReport:
    """Export the best model of a run folder; recipe, classes and scores come from the folder.

    Args:
        run: what ``saccade train`` wrote.
        out: see :func:`export_model`, as for the rest.
        licence: of the weights.
        training_data: what it was trained on.
        notes: for the card.
        pictures: to compare on.
        runtimes: to compare.
        tolerance: of the comparison.

    Raises:
        TrainingError: the folder is missing, unfinished or damaged.
        SaccadeError: see :func:`export_model`.
    """
    trained = load_run(run)
    recipe, data = trained.recipe, trained.recipe.data
    if recipe.init:
        # The card travels: it names the run it began with, not where that lay on this computer.
        recipe = recipe.model_copy(update={"init": Path(recipe.init).name})
    return export_model(
        trained.model,
        out,
        labels=trained.classes,
        prepare=data.eval.prepare(),
        mean=data.mean,
        std=data.std,
        licence=licence,
        training_data=training_data,
        recipe=dump_recipe(recipe),
        scores=trained.scores,
        notes=notes,
        pictures=pictures,
        runtimes=runtimes,
        tolerance=tolerance,
    )


def _check(
    model: Classifier,
    target: Path,
    labels: Sequence[str],
    mean: Sequence[float],
    std: Sequence[float],
    tolerance: float,
) -> None:
    check_mean_std(mean, std)
    if len(labels) != model.num_classes:
        raise OptionError(
            f"{len(labels)} labels for a model of {model.num_classes} classes; give one each"
        )
    if not tolerance > 0:
        raise OptionError(
            f"tolerance is {tolerance}; expected a number above 0, like {DEFAULT_TOLERANCE}"
        )
    if target.is_dir():
        raise ModelFileError(
            f"{target}: is a folder; give the name of a file, such as {target / 'model.onnx'}"
        )
    if not target.parent.is_dir():
        raise ModelFileError(f"{target}: the folder {target.parent} does not exist; make it first")


def _check_runtime(runtime: str) -> None:
    if runtime not in RUNTIMES:
        raise OptionError(f"runtime is {runtime!r}; {nearest(runtime, RUNTIMES)}")
    if runtime.startswith("openvino") and importlib.util.find_spec("openvino") is None:
        raise MissingExtra("openvino", "openvino", f"the comparison on {runtime}")


def _allowed(runtime: str, tolerance: float) -> float:
    return max(tolerance, BF16_TOLERANCE) if runtime.endswith("bf16") else tolerance


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
