"""What does it cost that our graphs take pixels (uint8, NHWC) and normalise inside?

    python benchmarks/input_cost.py [--arch lcnet_x1_0] [--size 224] [--threads 2] [--json]

Three ways to the same answer, with the same weights, measured in turns in one process:

- ``pixels``: our graph. It takes the pixels as they are;
- ``float, normalised before``: the same network as usually exported, float32 NCHW in; the picture
  lies ready, normalised, so this is the network alone;
- ``float + NumPy``: the same graph, with the normalisation and transposition done in NumPy each
  time, as a program has to that uses such a graph.

A ratio above 1 says that ``pixels`` is faster; it is the median over paired rounds.
"""

from __future__ import annotations

import argparse
import copy
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from saccade.bench import interleave, paired_ratio, timing
from saccade.runtime import open_session
from saccade_train.export.fold import fold_batch_norms, fold_dropout
from saccade_train.export.graph import trace
from saccade_train.export.onnx import export_graph
from saccade_train.models.classifier import build_classifier

MEAN = np.float32([0.485, 0.456, 0.406]).reshape(1, 3, 1, 1)
STD = np.float32([0.229, 0.224, 0.225]).reshape(1, 3, 1, 1)
PIXELS, FLOAT, NUMPY = "pixels", "float, normalised before", "float + NumPy"


class FloatClassifier(nn.Module):
    """A classifier with its BatchNorms folded, but normalised float32 (N, 3, H, W) in."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.net = copy.deepcopy(model).requires_grad_(False)
        fold_batch_norms(self.net)
        fold_dropout(self.net)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Map (N, 3, H, W) to probabilities and unit vectors."""
        vector = self.net.forward_embedding(image)
        length = torch.linalg.vector_norm(vector, dim=1, keepdim=True).clamp_min(1e-12)
        return self.net.head.fc(vector).softmax(dim=1), vector / length


def normalise(batch: np.ndarray) -> np.ndarray:
    """The fastest of the ways that we know in NumPy: transpose bytes, then compute in place."""
    planes = np.ascontiguousarray(batch.transpose(0, 3, 1, 2)).astype(np.float32)
    planes *= 1 / (255 * STD)
    planes -= MEAN / STD
    return planes


def subjects(arch: str, size: int, threads: int, runtime: str) -> dict[str, Callable[[], object]]:
    """Export both graphs, check that they agree, and give what is to be measured."""
    torch.manual_seed(0)
    model = build_classifier(arch, 1000).eval()
    mean, std = MEAN.ravel().tolist(), STD.ravel().tolist()
    graphs = {
        PIXELS: export_graph(model, mean, std, size, size),
        FLOAT: trace(
            FloatClassifier(model),
            torch.zeros(2, 3, size, size),
            {0: ("batch", 1)},
            name=arch,
            outputs=("probabilities", "embedding"),
        ),
    }
    with tempfile.TemporaryDirectory() as folder:
        sessions = {}
        for number, (name, graph) in enumerate(graphs.items()):
            file = Path(folder, f"{number}.onnx")
            onnx.save(graph, str(file))
            sessions[name] = open_session(file, runtime=runtime, threads=threads)
    batch = np.random.default_rng(0).integers(0, 256, (1, size, size, 3), dtype=np.uint8)
    ready = normalise(batch)
    pixels, floats = sessions[PIXELS], sessions[FLOAT]
    for name, want in floats.run(ready).items():
        np.testing.assert_allclose(pixels.run(batch)[name], want, rtol=1e-3, atol=1e-6)
    return {
        PIXELS: lambda: pixels.run(batch),
        FLOAT: lambda: floats.run(ready),
        NUMPY: lambda: floats.run(normalise(batch)),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--arch", default="lcnet_x1_0")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runtime", default="onnxruntime")
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    seconds = interleave(
        subjects(options.arch, options.size, options.threads, options.runtime), options.runs
    )
    rows = {}
    for name, took in seconds.items():
        ratio = paired_ratio(seconds[PIXELS], took)
        rows[name] = {
            "median_ms": round(timing(took, 1).median_ms, 3),
            "fastest_ms": round(1e3 * float(took.min()), 3),
            "ratio": round(ratio.median, 3),
            "ratio_p10": round(ratio.p10, 3),
            "ratio_p90": round(ratio.p90, 3),
        }
    if options.json:
        print(json.dumps({**vars(options), "rows": rows}))
        return
    print(
        f"{options.arch}, {options.size} x {options.size}, batch 1, {options.threads} threads, "
        f"{options.runtime}, {options.runs} rounds"
    )
    print(f"{'':26}{'median ms':>10}{'fastest ms':>12}   time against pixels (p10 .. p90)")
    for name, row in rows.items():
        print(
            f"{name:26}{row['median_ms']:10.2f}{row['fastest_ms']:12.2f}   "
            f"{row['ratio']:.3f} ({row['ratio_p10']:.2f} .. {row['ratio_p90']:.2f})"
        )


if __name__ == "__main__":
    main()
