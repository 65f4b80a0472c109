"""How fast is an exported PP-PicoDet beside other small detectors?

    python benchmarks/detector_latency.py [--sizes 320 416] [--threads 2] [--runs 100] [--openvino]
                                          [--only NAME ...] [--also NAME@SIDE ...] [--json]

All networks are built here with random weights and 80 classes, exported with the same options
(opset, BatchNorm and constants folded, uint8 pixels in, the same normalisation inside) and run in
turns in one process. Every graph ends in boxes and scores of all points, without suppression.
Of ours the whole predictor is measured too: a picture of 640 x 480 is resized, goes through the
graph, and the boxes are suppressed; the threshold is such that ``--candidates`` scores pass it.

Ratios are medians over paired rounds: how many times as fast as ``--reference`` at the same input
side (or its largest). The mAP is what the authors publish for COCO val2017 with their weights; it
tells the class of the networks and is not measured here. YOLOv8n and RTMDet-tiny are published at
640 only, and are measured there as well.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import nn

from peers import PEERS
from peers.export import peer_graph
from saccade import Detector
from saccade.bench import interleave, paired_ratio
from saccade.errors import nearest
from saccade.imaging.prepare import Prepare
from saccade.runtime import open_session
from saccade_train.export.detect import export_detector
from saccade_train.export.parity import normalise, rendered_pictures
from saccade_train.layers.macs import count_macs, count_parameters
from saccade_train.models.detector import build_detector

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CLASSES = 80
PICTURE = (480, 640)

# configs/picodet/README_en.md and configs/picodet/legacy_model/README.md of PaddleDetection
OURS: dict[str, dict[int, float]] = {
    "picodet_xs": {320: 23.5, 416: 26.2},
    "picodet_s": {320: 29.1, 416: 32.5},
    "picodet_m": {320: 34.4, 416: 37.5},
    "picodet_v1_s": {320: 27.1, 416: 30.7},
    "picodet_v1_m": {320: 30.9, 416: 34.8},
}
PUBLISHED = OURS | {name: peer.map for name, peer in PEERS.items()}


@dataclass(frozen=True)
class Subject:
    """A network at one input side."""

    name: str
    side: int

    def __str__(self) -> str:
        return f"{self.name}@{self.side}"

    @classmethod
    def of(cls, text: str) -> Subject:
        """Read ``name@side``."""
        name, _, side = text.partition("@")
        if not side.isdigit():
            sys.exit(f"{text!r}: expected a network and its input side, such as yolov8n@640")
        return cls(known(name), int(side))


@dataclass(frozen=True)
class Row:
    """One line of the table; times in milliseconds."""

    name: str
    side: int
    runtime: str
    parameters: int
    million_macs: float
    map: str
    median_ms: float
    p10_ms: float
    p90_ms: float
    times_as_fast: float | None
    times_as_fast_p10: float | None
    times_as_fast_p90: float | None
    whole_median_ms: float | None
    whole_p90_ms: float | None


def known(name: str) -> str:
    """The name, if there is such a network."""
    if name not in PUBLISHED:
        sys.exit(f"unknown network {name!r}; {nearest(name, PUBLISHED)}")
    return name


def build(name: str) -> nn.Module:
    """Make a network with random weights."""
    torch.manual_seed(0)
    return build_detector(name, CLASSES) if name in OURS else PEERS[name].build(CLASSES)


def settle(model: nn.Module, side: int) -> nn.Module:
    """Give BatchNorms the statistics of pictures, as training would.

    Otherwise signals fade from layer to layer, down to numbers that a processor is slow with.
    """
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        model.train()(normalise(rendered_pictures(2, side, side), MEAN, STD))
    return model.eval()


def export(model: nn.Module, subject: Subject, file: Path) -> None:
    """Write the graph of a network, ours with its card."""
    if subject.name in OURS:
        prepare = Prepare(subject.side, subject.side, "stretch")
        labels = [f"class {number}" for number in range(CLASSES)]
        # Random weights amplify rounding more than trained ones do.
        export_detector(
            model, file, labels=labels, prepare=prepare, mean=MEAN, std=STD, tolerance=1e-2
        )
    else:
        size = (subject.side, subject.side)
        onnx.save(peer_graph(model, subject.name, MEAN, STD, size), str(file))


def open_graph(file: Path, side: int, runtime: str, threads: int) -> Callable[[], object]:
    """Open a graph; what comes back runs it on noise."""
    session = open_session(file, runtime=runtime, threads=threads)
    pixels = np.random.default_rng(0).integers(0, 256, (1, side, side, 3), dtype=np.uint8)
    outputs = session.run(pixels)
    points = outputs["scores"].shape[1]
    if outputs["boxes"].shape != (1, points, 4) or outputs["scores"].shape != (1, points, CLASSES):
        sys.exit(f"{file.stem}: shapes {[one.shape for one in outputs.values()]}")
    return lambda: session.run(pixels)


def open_whole(file: Path, runtime: str, threads: int, candidates: int) -> Callable[[], object]:
    """Open a predictor; what comes back runs it on a picture with so many candidates."""
    detect = Detector(file, runtime=runtime, threads=threads)
    picture = rendered_pictures(2, *PICTURE)[1]
    rule = detect.card.prepare
    small = cv2.resize(picture, (rule.width, rule.height))
    scores = detect.outputs(small[None])["scores"]
    least = float(np.partition(scores.ravel(), -candidates - 1)[-candidates - 1])
    return lambda: detect(picture, score=least)


def measure(
    subjects: Sequence[Subject], runtimes: Sequence[str], options: argparse.Namespace
) -> list[Row]:
    """Build, export, run in turns, and sum up."""
    counts: dict[Subject, tuple[int, float]] = {}
    graphs: dict[tuple[Subject, str], Callable[[], object]] = {}
    whole: dict[tuple[Subject, str], Callable[[], object]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for subject in subjects:
            print(f"exporting {subject}", file=sys.stderr)
            model = settle(build(subject.name), subject.side)
            macs = count_macs(model, subject.side, subject.side)
            counts[subject] = count_parameters(model), macs / 1e6
            file = Path(folder, f"{subject}.onnx")
            export(model, subject, file)
            for runtime in runtimes:
                key = subject, runtime
                graphs[key] = open_graph(file, subject.side, runtime, options.threads)
                if subject.name in OURS:
                    whole[key] = open_whole(file, runtime, options.threads, options.candidates)
    run: dict[str, Callable[[], object]] = {}
    run |= {f"{subject} {runtime}": ready for (subject, runtime), ready in graphs.items()}
    run |= {f"{subject} {runtime} whole": ready for (subject, runtime), ready in whole.items()}
    seconds = interleave(run, options.runs)
    return [
        row(subject, runtime, counts[subject], seconds, reference(subjects, subject, options))
        for subject, runtime in graphs
    ]


def reference(
    subjects: Sequence[Subject], subject: Subject, options: argparse.Namespace
) -> Subject | None:
    """What a network is compared with: the reference at its side, or at its largest."""
    of_name = [one for one in subjects if one.name == options.reference]
    same = [one for one in of_name if one.side == subject.side]
    return same[0] if same else max(of_name, key=lambda one: one.side, default=None)


def row(
    subject: Subject,
    runtime: str,
    counts: tuple[int, float],
    seconds: Mapping[str, NDArray[np.float64]],
    against: Subject | None,
) -> Row:
    """Sum up one network on one runtime."""
    took = seconds[f"{subject} {runtime}"]
    low, median, high = (round(1e3 * float(one), 3) for one in np.percentile(took, [10, 50, 90]))
    ratio = None if against is None else paired_ratio(took, seconds[f"{against} {runtime}"])
    all_of_it = seconds.get(f"{subject} {runtime} whole")
    return Row(
        name=subject.name,
        side=subject.side,
        runtime=runtime,
        parameters=counts[0],
        million_macs=round(counts[1], 1),
        map=published(subject),
        median_ms=median,
        p10_ms=low,
        p90_ms=high,
        times_as_fast=None if ratio is None else round(ratio.median, 3),
        times_as_fast_p10=None if ratio is None else round(ratio.p10, 3),
        times_as_fast_p90=None if ratio is None else round(ratio.p90, 3),
        whole_median_ms=_milliseconds(all_of_it, 50),
        whole_p90_ms=_milliseconds(all_of_it, 90),
    )


def published(subject: Subject) -> str:
    """The published mAP at this side; else, in brackets, that at another side."""
    known_at = PUBLISHED[subject.name]
    if subject.side in known_at:
        return f"{known_at[subject.side]:.1f}"
    side = max(known_at)
    return f"({known_at[side]:.1f} at {side})"


def table(rows: Sequence[Row]) -> str:
    """The rows as text."""
    lines = [
        f"{'':20}{'side':>5}{'runtime':>13}{'params M':>10}{'MACs M':>9}{'mAP':>15}"
        f"{'median ms':>11}{'p10':>8}{'p90':>8}   {'times as fast':22}{'whole ms':>9}{'p90':>8}"
    ]
    for one in sorted(rows, key=lambda one: (one.side, one.runtime)):
        ratio = (
            ""
            if one.times_as_fast is None
            else f"{one.times_as_fast:.2f} "
            f"({one.times_as_fast_p10:.2f} .. {one.times_as_fast_p90:.2f})"
        )
        whole = (
            ""
            if one.whole_median_ms is None
            else f"{one.whole_median_ms:9.2f}{one.whole_p90_ms:8.2f}"
        )
        lines.append(
            f"{one.name:20}{one.side:5}{one.runtime:>13}{one.parameters / 1e6:10.3f}"
            f"{one.million_macs:9.0f}{one.map:>15}{one.median_ms:11.2f}{one.p10_ms:8.2f}"
            f"{one.p90_ms:8.2f}   {ratio:22}{whole}".rstrip()
        )
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[320, 416], metavar="SIDE")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--openvino", action="store_true", help="OpenVINO too, in float32")
    parser.add_argument("--only", nargs="+", default=list(PUBLISHED), metavar="NAME")
    parser.add_argument(
        "--also", nargs="*", default=["yolov8n@640", "rtmdet_tiny@640"], metavar="NAME@SIDE"
    )
    parser.add_argument("--reference", default="picodet_s", metavar="NAME")
    parser.add_argument("--candidates", type=int, default=300)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    subjects = [Subject(known(name), side) for side in options.sizes for name in options.only]
    known(options.reference)
    extra = [Subject.of(text) for text in options.also]
    subjects += [one for one in extra if one.name in options.only and one not in subjects]
    torch.set_num_threads(options.threads)
    runtimes = ["onnxruntime", "openvino"] if options.openvino else ["onnxruntime"]
    rows = measure(subjects, runtimes, options)
    if options.json:
        told: dict[str, Any] = {**vars(options), "rows": [asdict(one) for one in rows]}
        print(json.dumps(told))
        return
    print(
        f"batch 1, {options.threads} threads, {options.runs} rounds; times as fast as "
        f"{options.reference} at the same side, or its largest; whole: picture "
        f"{PICTURE[1]} x {PICTURE[0]}, {options.candidates} candidates"
    )
    print(table(rows))


def _milliseconds(took: NDArray[np.float64] | None, part: float) -> float | None:
    return None if took is None else round(1e3 * float(np.percentile(took, part)), 3)


if __name__ == "__main__":
    main()
