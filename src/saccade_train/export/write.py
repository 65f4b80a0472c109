"""From a network and what its card says to one proved model file."""

from __future__ import annotations

import copy
import importlib.util
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypedDict, TypeVar, Unpack

import numpy as np
import onnx
from numpy.typing import NDArray

import saccade
from saccade.errors import MissingExtra, ModelFileError, OptionError, nearest
from saccade.modelfile import ModelCard, make_self_test, write_card
from saccade.modelfile.check import BF16_TOLERANCE
from saccade.runtime import RUNTIMES, open_session
from saccade_train.export.fold import check_mean_std
from saccade_train.export.network import Network
from saccade_train.export.parity import DEFAULT_TOLERANCE, ParityReport, check_parity

__all__ = ["ExportOptions", "ExportReport", "write_network"]

Image = NDArray[np.uint8]
NetworkT = TypeVar("NetworkT", bound=Network)
End = Callable[[onnx.ModelProto, Path, Sequence[Image], Sequence[str]], onnx.ModelProto]
"""From a graph, the file that it is in, pictures and runtimes to the graph that is then in it."""


class ExportOptions(TypedDict, total=False):
    """What every export may be told; each has a default."""

    licence: str
    """Of the weights, for the card."""
    training_data: str
    """What the model was trained on, for the card."""
    recipe: str
    """Name or text of the recipe, for the card."""
    scores: Mapping[str, float]
    """By the name of the metric, for the card."""
    notes: str
    """For the card."""
    pictures: Sequence[Image] | None
    """uint8 RGB (H, W, 3) of any size, to compare on; by default rendered ones."""
    runtimes: Sequence[str]
    """What to compare with torch, see :data:`saccade.runtime.RUNTIMES`; by default ONNX Runtime."""
    tolerance: float
    """Largest relative difference of an output; by default 1e-4."""


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


def write_network(
    model: NetworkT,
    out: str | Path,
    card: ModelCard,
    graph: Callable[[NetworkT], onnx.ModelProto],
    batches: Callable[[Sequence[Image]], Sequence[Image]],
    *,
    end: End | None = None,
    tested: Sequence[str] = (),
    test_tolerance: float = 1e-3,
    **options: Unpack[ExportOptions],
) -> ExportReport:
    """Write a network as one ``.onnx`` file with its card, proved against torch.

    The file appears whole or not at all; an older file of that name stays when the export fails.

    Args:
        model: put into evaluation mode on a copy.
        out: the file; its folder must exist.
        card: the options, the self-test and the date are put in here.
        graph: makes the graph of that copy.
        batches: makes what is compared on, uint8 (N, H, W, 3) each, of the pictures.
        end: puts last steps that torch does not have behind the proved graph, and proves them.
        tested: the outputs that the self-test keeps; by default all.
        test_tolerance: of the self-test.
        options: see :class:`ExportOptions`.

    Raises:
        OptionError: mean, std, runtime or tolerance do not fit.
        ParityError: a runtime differs from torch; the first layer that differs is named.
        ModelFileError: the file cannot be written.
        MissingExtra: a runtime is not installed.
    """
    target = Path(out)
    tolerance = options.get("tolerance", DEFAULT_TOLERANCE)
    runtimes = options.get("runtimes", ("onnxruntime",))
    check_mean_std(card.mean, card.std)
    _check(target, tolerance)
    for runtime in runtimes:
        _check_runtime(runtime)
    card = replace(
        card,
        licence=options.get("licence", ""),
        training_data=options.get("training_data", ""),
        recipe=options.get("recipe", ""),
        scores=dict(options.get("scores", {})),
        notes=options.get("notes", ""),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        saccade_version=saccade.__version__,
    )
    card.to_json()  # a value that cannot be written is told now, not after the work
    model = copy.deepcopy(model)
    model.cpu().float().eval()
    made = graph(model)
    ready = batches(options.get("pictures") or ())
    with tempfile.TemporaryDirectory(prefix="saccade-export-") as folder:
        bare = Path(folder, "model.onnx")
        onnx.save(made, str(bare))
        parity = tuple(
            check_parity(
                model,
                bare,
                ready,
                mean=card.mean,
                std=card.std,
                runtime=runtime,
                tolerance=_allowed(runtime, tolerance),
            )
            for runtime in runtimes
        )
        if end is not None:
            made = end(made, bare, ready, runtimes)
        shape = (1, card.prepare.height, card.prepare.width, 3)
        run = open_session(bare).run

        def answer(batch: Image) -> dict[str, NDArray[np.float32]]:
            outputs = run(batch)
            return {name: outputs[name] for name in tested or outputs}

        test = make_self_test(answer, shape, tolerance=test_tolerance)
        card = write_card(bare, target, replace(card, self_test=test))
    return ExportReport(target, target.stat().st_size, len(made.graph.node), card, parity)


def _check(target: Path, tolerance: float) -> None:
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
