"""How much faster is the exported file than eager PyTorch?

    python benchmarks/runtime_latency.py [--arch lcnet_x1_0] [--size 224] [--threads 2] [--json]

All runtimes have the same weights and are measured in turns in one process. PyTorch gets its input
ready and normalised, in both memory layouts; the exported file gets pixels. Ratios are medians over
paired rounds: how many times as fast as PyTorch in the layout that is faster here. A processor
without bfloat16 instructions runs OpenVINO's bfloat16 as float32, which is said below the table.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import torch

from saccade.bench import interleave, paired_ratio, timing
from saccade.runtime import RUNTIMES, open_session
from saccade_train.export.onnx import export_graph
from saccade_train.export.parity import normalise
from saccade_train.models.classifier import build_classifier

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
EAGER, EAGER_NHWC = "PyTorch eager", "PyTorch eager, channels_last"


def has_bfloat16() -> bool | None:
    """Whether the processor computes in bfloat16; None where that cannot be told."""
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return None
    return "avx512_bf16" in flags or "amx_bf16" in flags


def subjects(arch: str, size: int, threads: int, batch: int) -> dict[str, Callable[[], object]]:
    """Export, open every runtime that is installed, and give what is to be measured."""
    torch.manual_seed(0)
    torch.set_num_threads(threads)
    model = build_classifier(arch, 1000).eval()
    image = np.random.default_rng(0).integers(0, 256, (batch, size, size, 3), dtype=np.uint8)
    ready = normalise(image, MEAN, STD).contiguous()
    nhwc = build_classifier(arch, 1000).eval()
    nhwc.load_state_dict(model.state_dict())
    nhwc = nhwc.to(memory_format=torch.channels_last)
    ready_nhwc = ready.contiguous(memory_format=torch.channels_last)

    @torch.inference_mode()
    def eager() -> object:
        return model(ready).softmax(1)

    @torch.inference_mode()
    def eager_nhwc() -> object:
        return nhwc(ready_nhwc).softmax(1)

    found: dict[str, Callable[[], object]] = {EAGER: eager, EAGER_NHWC: eager_nhwc}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "model.onnx")
        onnx.save(export_graph(model, MEAN, STD, size, size), str(file))
        for runtime in RUNTIMES:
            if runtime.startswith("openvino") and importlib.util.find_spec("openvino") is None:
                continue
            session = open_session(file, runtime=runtime, threads=threads)
            found[runtime] = lambda session=session: session.run(image)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--arch", default="lcnet_x1_0")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    seconds = interleave(
        subjects(options.arch, options.size, options.threads, options.batch), options.runs
    )
    reference = min((EAGER, EAGER_NHWC), key=lambda name: float(np.median(seconds[name])))
    rows = {}
    for name, took in seconds.items():
        sums, ratio = timing(took, options.batch), paired_ratio(took, seconds[reference])
        rows[name] = {
            "median_ms": round(sums.median_ms, 3),
            "p90_ms": round(sums.p90_ms, 3),
            "fastest_ms": round(1e3 * float(took.min()), 3),
            "times_as_fast": round(ratio.median, 2),
            "times_as_fast_p10": round(ratio.p10, 2),
            "times_as_fast_p90": round(ratio.p90, 2),
        }
    bfloat16 = has_bfloat16()
    if options.json:
        print(json.dumps({**vars(options), "bfloat16": bfloat16, "rows": rows}))
        return
    print(
        f"{options.arch}, {options.size} x {options.size}, batch {options.batch}, "
        f"{options.threads} threads, {options.runs} rounds"
    )
    print(f"{'':30}{'median ms':>10}{'p90 ms':>9}{'fastest ms':>12}   times as fast (p10 .. p90)")
    for name, row in rows.items():
        print(
            f"{name:30}{row['median_ms']:10.2f}{row['p90_ms']:9.2f}{row['fastest_ms']:12.2f}   "
            f"{row['times_as_fast']:.2f} "
            f"({row['times_as_fast_p10']:.2f} .. {row['times_as_fast_p90']:.2f})"
        )
    if bfloat16 is False:
        print("this processor has no bfloat16 instructions: openvino-bf16 computed in float32")


if __name__ == "__main__":
    main()
