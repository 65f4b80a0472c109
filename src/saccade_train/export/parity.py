"""Do the torch model and its exported graph say the same, and if not, from which layer on?

The outputs are compared on pictures, on every runtime that is asked for. When they differ beyond
the tolerance, the inner values of the graph are laid open and compared with those of the torch
model, layer by layer in the order of computation; the first layer that differs is named.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor

from saccade.errors import ParityError
from saccade.imaging.prepare import Prepare
from saccade.runtime import Session, open_session
from saccade_train.export.fold import norm_names
from saccade_train.export.network import Network, deployed_outputs
from saccade_train.export.tidy import layer_outputs

__all__ = [
    "DEFAULT_TOLERANCE",
    "Difference",
    "ParityReport",
    "check_parity",
    "compare",
    "comparison_batch",
    "first_difference",
    "normalise",
    "rendered_pictures",
    "torch_outputs",
]

Image = NDArray[np.uint8]

DEFAULT_TOLERANCE = 1e-4
"""Float32 runtimes come out between 1e-6 and 1e-5; a wrong constant is off by far more."""

_BATCH = 8
_TEXT = 0.3
"""A pixel of a probability map is text above it (:class:`saccade.text.db_decode.DBOptions`)."""
_OBJECT = 0.4
"""A point of a detector is an object above it."""


@dataclass(frozen=True)
class Difference:
    """How far two arrays are apart.

    Attributes:
        absolute: largest difference of two numbers.
        relative: that, as a part of the largest number of the reference.
    """

    absolute: float
    relative: float


@dataclass(frozen=True)
class ParityReport:
    """What the comparison on one runtime found.

    Attributes:
        runtime: compared with eager PyTorch.
        pictures: how many.
        outputs: difference of each output of the graph.
        same_answer: for how many pictures both say the same: the class, the class of every step of
            a line, which points are objects, which pixels are text, which other picture is the
            most alike, or all bits.
        tolerance: largest relative difference allowed.
    """

    runtime: str
    pictures: int
    outputs: dict[str, Difference]
    same_answer: int
    tolerance: float

    @property
    def worst(self) -> float:
        """The largest relative difference of all outputs."""
        return max(difference.relative for difference in self.outputs.values())

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        return asdict(self)


def check_parity(
    model: Network,
    file: str | Path,
    pictures: Image | Sequence[Image],
    *,
    mean: Sequence[float],
    std: Sequence[float],
    runtime: str = "onnxruntime",
    tolerance: float = DEFAULT_TOLERANCE,
    threads: int | None = None,
) -> ParityReport:
    """Compare a torch model with its exported graph.

    Args:
        model: in evaluation mode.
        file: the exported graph.
        pictures: uint8 (N, H, W, 3), of a size that the graph takes; N at least 1. Several such
            batches may differ in size.
        mean: of each channel on the scale 0..1, for the torch model.
        std: likewise.
        runtime: see :func:`saccade.runtime.open_session`.
        tolerance: largest relative difference of each output.
        threads: of the runtime.

    Raises:
        ParityError: an output differs by more than the tolerance; the first layer that differs is
            named.
    """
    session = open_session(file, runtime=runtime, threads=threads)
    absolute: dict[str, float] = {}
    largest: dict[str, float] = {}
    same_answer = count = 0
    worst = -1.0
    worst_picture: Image | None = None
    for batch in _batches([pictures] if isinstance(pictures, np.ndarray) else pictures):
        wanted, got = torch_outputs(model, batch, mean, std), session.run(batch)
        for name, want in wanted.items():
            apart = np.abs(want - got[name]).reshape(len(batch), -1).max(axis=1)
            apart = np.where(np.isfinite(apart), apart, np.inf)
            top = float(np.abs(want).max())
            absolute[name] = max(absolute.get(name, 0.0), float(apart.max()))
            largest[name] = max(largest.get(name, 0.0), top)
            if apart.max() / (top or 1.0) > worst:
                worst = float(apart.max() / (top or 1.0))
                worst_picture = batch[apart.argmax()][None]
        same = _answer(wanted) == _answer(got)
        same_answer += int(same.reshape(len(batch), -1).all(axis=1).sum())
        count += len(batch)
    outputs = {
        name: Difference(absolute[name], absolute[name] / (largest[name] or 1.0))
        for name in absolute
    }
    report = ParityReport(runtime, count, outputs, same_answer, tolerance)
    if not report.worst <= tolerance:
        assert worst_picture is not None
        found = first_difference(model, file, worst_picture, mean, std, runtime, tolerance)
        raise _refusal(report, found)
    return report


def first_difference(
    model: Network,
    file: str | Path,
    batch: Image,
    mean: Sequence[float],
    std: Sequence[float],
    runtime: str = "onnxruntime",
    tolerance: float = DEFAULT_TOLERANCE,
) -> tuple[str, Difference] | None:
    """Find the first layer whose output differs between the torch model and the graph.

    Args:
        model: in evaluation mode.
        file: a graph out of :func:`saccade_train.export.onnx.export_model`.
        batch: uint8 (N, H, W, 3).
        mean: of each channel on the scale 0..1.
        std: likewise.
        runtime: see :func:`saccade.runtime.open_session`.
        tolerance: largest relative difference of a layer.

    Returns:
        The layer's name in the torch model, and the difference of its output; None when no single
        layer exceeds the tolerance.
    """
    graph = onnx.load(str(file))
    values = layer_outputs(graph.graph)
    given = _run_opened(graph, sorted(set(values.values())), batch, runtime)
    wanted = _layer_values(model, normalise(batch, mean, std))
    norms = norm_names(model)
    for layer, value in values.items():
        # A folded convolution gives what the BatchNorm behind it gave.
        name = norms.get(layer, layer)
        if name in wanted and wanted[name].shape == given[value].shape:
            difference = compare(wanted[name], given[value])
            if not difference.relative <= tolerance:
                return name, difference
    return None


def compare(want: NDArray[Any], got: NDArray[Any]) -> Difference:
    """Measure how far two arrays of one shape are apart; infinite where a number is not finite."""
    apart = np.abs(np.asarray(want, np.float64) - np.asarray(got, np.float64))
    if not np.isfinite(apart).all():
        return Difference(float("inf"), float("inf"))
    absolute = float(apart.max(initial=0.0))
    return Difference(absolute, absolute / (float(np.abs(want).max(initial=0.0)) or 1.0))


def normalise(batch: Image, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Turn uint8 (N, H, W, 3) into float32 (N, 3, H, W): (x / 255 - mean) / std."""
    planes = torch.from_numpy(np.ascontiguousarray(batch.transpose(0, 3, 1, 2)))
    shape = (1, 3, 1, 1)
    return (planes / 255.0 - torch.tensor(mean).view(shape)) / torch.tensor(std).view(shape)


@torch.inference_mode()
def torch_outputs(
    model: Network, batch: Image, mean: Sequence[float], std: Sequence[float]
) -> dict[str, NDArray[np.float32]]:
    """Compute with the torch model what the graph gives.

    Args:
        model: in evaluation mode.
        batch: uint8 (N, H, W, 3).
        mean: of each channel on the scale 0..1.
        std: likewise.

    Returns:
        See :func:`saccade_train.export.network.deployed_outputs`.
    """
    outputs = deployed_outputs(model, normalise(batch, mean, std))
    return {name: output.numpy() for name, output in outputs.items()}


def comparison_batch(prepare: Prepare, pictures: Sequence[Image], rendered: int) -> Image:
    """Prepared pictures to compare on, uint8 (N, height, width, 3).

    Args:
        prepare: how pictures become the input.
        pictures: real ones, uint8 (H, W, 3) each; there may be none.
        rendered: how many to render where there are none.
    """
    drawn = rendered_pictures(rendered, prepare.height, prepare.width)
    # Some noise stays among the real pictures: it reaches numbers that they do not.
    return np.concatenate([prepare.batch(pictures), drawn[:2]]) if pictures else drawn


def rendered_pictures(count: int, height: int, width: int, seed: int = 0) -> Image:
    """Draw pictures for a comparison when there are no real ones.

    Half of them is noise. The others are smooth: colour gradients with rectangles on them.

    Returns:
        uint8 (count, height, width, 3).
    """
    random = np.random.Generator(np.random.PCG64(seed))
    pictures = random.integers(0, 256, (count, height, width, 3), dtype=np.uint8)
    down, right = np.linspace(0, 1, height)[:, None, None], np.linspace(0, 1, width)[None, :, None]
    for picture in pictures[1::2]:
        corners = random.uniform(0, 255, (3, 3))
        picture[:] = (
            corners[0] * (1 - down) + corners[1] * (down - down * right) + corners[2] * down * right
        )
        for _ in range(6):
            top, left = random.integers(0, height), random.integers(0, width)
            bottom, end = random.integers(top, height + 1), random.integers(left, width + 1)
            picture[top:bottom, left:end] = random.integers(0, 256, 3)
    return pictures


def _batches(parts: Sequence[Image]) -> Iterator[Image]:
    for part in parts:
        for start in range(0, len(part), _BATCH):
            yield part[start : start + _BATCH]


def _answer(outputs: Mapping[str, NDArray[np.float32]]) -> NDArray[Any]:
    """What is concluded from the outputs: see :attr:`ParityReport.same_answer`."""
    if "probability" in outputs:
        return np.asarray(outputs["probability"] > _TEXT)
    if "boxes" in outputs:
        return np.asarray(outputs["scores"] > _OBJECT)
    if "bits" in outputs:
        return np.asarray(outputs["bits"] > 0)
    if "probabilities" not in outputs:
        likeness = outputs["embedding"] @ outputs["embedding"].T
        np.fill_diagonal(likeness, -2.0)
        return np.asarray(likeness.argmax(axis=1))
    return np.asarray(outputs["probabilities"].argmax(axis=-1))


def _refusal(report: ParityReport, found: tuple[str, Difference] | None) -> ParityError:
    name = max(report.outputs, key=lambda output: report.outputs[output].relative)
    worst = report.outputs[name]
    if found is None:
        blame = (
            "no single layer exceeds it, so the errors add up; a larger --tolerance may be right"
        )
    else:
        blame = f"the first layer that differs is {found[0]!r} (relative {found[1].relative:.2g})"
    return ParityError(
        f"{report.runtime} differs from PyTorch: the output {name!r} by {worst.absolute:.2g} "
        f"(relative {worst.relative:.2g}, allowed {report.tolerance:.2g}) on {report.pictures} "
        f"pictures; {blame}"
    )


def _run_opened(
    model: onnx.ModelProto, values: Sequence[str], batch: Image, runtime: str
) -> Mapping[str, NDArray[np.float32]]:
    """Run a graph with inner values as outputs."""
    opened = onnx.ModelProto()
    opened.CopyFrom(model)
    present = {value.name for value in opened.graph.output}
    opened.graph.output.extend(
        onnx.helper.make_tensor_value_info(value, onnx.TensorProto.FLOAT, None)
        for value in values
        if value not in present
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "opened.onnx")
        onnx.save(opened, str(file))
        session: Session = open_session(file, runtime=runtime)
        return session.run(batch)


def _layer_values(model: Network, x: Tensor) -> dict[str, NDArray[np.float32]]:
    """Record what each module of a model returns; one that is called twice is left out."""
    values: dict[str, NDArray[np.float32]] = {}
    times: dict[str, int] = {}

    def keep(name: str, output: object) -> None:
        times[name] = times.get(name, 0) + 1
        if isinstance(output, Tensor):
            values[name] = output.detach().numpy().copy()  # ReLU may overwrite it in place

    hooks = [
        module.register_forward_hook(lambda _module, _inputs, output, name=name: keep(name, output))
        for name, module in model.named_modules()
        if name
    ]
    try:
        with torch.inference_mode():
            deployed_outputs(model, x)
    finally:
        for hook in hooks:
            hook.remove()
    return {name: value for name, value in values.items() if times[name] == 1}
