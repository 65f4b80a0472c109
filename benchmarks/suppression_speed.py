"""Milliseconds of suppression and fusion, beside the double loop and other libraries.

    python benchmarks/suppression_speed.py
    python benchmarks/suppression_speed.py --methods nms wbf --counts 100 1000
    python benchmarks/suppression_speed.py --peer PYTHON    # one that has ensemble-boxes

Boxes lie around objects of 16 to 300 pixels in a picture of 1000, 20 an object, found by three
models; ``of 80 classes`` gives each object a class. The double loop is that of the tests, in plain
Python; ours must equal it, which is checked as it is timed. OpenCV is `cv2.dnn.NMSBoxes` (of 80
classes `NMSBoxesBatched`) and `softNMSBoxes` (of one class), on one thread. ensemble-boxes
(`nms`, `soft_nms`, `non_maximum_weighted`, `weighted_boxes_fusion`) runs in its own interpreter, is
compiled before it is timed, and always goes by class. Times are processor time, the best of several
rounds that take turns; for the double loop, one round. A ratio is that library's time over ours.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import slow_suppression as slow
from saccade.geometry.fusion import nmw, voting_nms, weighted_boxes_fusion
from saccade.geometry.suppression import box_voting, nms, soft_nms

MODELS = 3
IOU = {"nms": 0.6, "soft linear": 0.3, "box voting": 0.5, "voting": 0.5, "nmw": 0.55, "wbf": 0.55}
METHODS = ["nms", "soft linear", "soft gaussian", "box voting", "voting", "nmw", "wbf"]
SIGMA, FLOOR, VOTE = 0.5, 0.001, 0.9

# What the other interpreter runs: the scene and the methods in, milliseconds out.
PEER = """
import json, sys, time, warnings
import numpy as np
warnings.simplefilter("ignore")
import ensemble_boxes as e
data = np.load(sys.argv[1])
boxes, scores, labels, models = (data[name] for name in ("boxes", "scores", "labels", "models"))
parts = [[list(column[models == m]) for m in range(3)] for column in (boxes, scores, labels)]
calls = {
    "nms": lambda: e.nms(*parts, iou_thr=0.6),
    "soft linear": lambda: e.soft_nms(*parts, method=1, iou_thr=0.3, sigma=0.5, thresh=0.001),
    "soft gaussian": lambda: e.soft_nms(*parts, method=2, iou_thr=0.3, sigma=0.5, thresh=0.001),
    "nmw": lambda: e.non_maximum_weighted(*parts, iou_thr=0.55, skip_box_thr=0.0),
    "wbf": lambda: e.weighted_boxes_fusion(*parts, iou_thr=0.55, skip_box_thr=0.0),
}
found = {}
for name in sys.argv[2:]:
    if name in calls:
        calls[name]()
        rounds = []
        for _ in range(3):
            start = time.process_time()
            calls[name]()
            rounds.append(time.process_time() - start)
        found[name] = min(rounds) * 1000
print(json.dumps(found))
"""


def scene(count: int, by_class: bool, seed: int = 0) -> dict[str, np.ndarray]:
    """Boxes as detectors propose them."""
    rng = np.random.default_rng(seed)
    objects = max(1, count // 20)
    centre = rng.uniform(0, 1000, (objects, 2))
    size = np.exp(rng.uniform(np.log(16), np.log(300), (objects, 2)))
    which = rng.integers(0, objects, count)
    middle = centre[which] + rng.normal(0, 0.08, (count, 2)) * size[which]
    side = size[which] * np.exp(rng.normal(0, 0.12, (count, 2)))
    return {
        "boxes": np.concatenate([middle - side / 2, middle + side / 2], axis=1),
        "scores": rng.uniform(0, 1, count),
        "labels": which % 80 if by_class else np.zeros(count, np.int64),
        "models": rng.integers(0, MODELS, count),
    }


def ours(method: str, data: dict[str, np.ndarray]) -> Callable[[], Any]:
    """The call to be timed."""
    three = (data["boxes"], data["scores"], data["labels"])
    merged = {"weights": [1.0] * MODELS, "iou": IOU.get(method)}
    match method:
        case "nms":
            return lambda: nms(*three, iou=IOU[method])
        case "soft linear":
            return lambda: soft_nms(*three, method="linear", iou=IOU[method], floor=FLOOR)
        case "soft gaussian":
            return lambda: soft_nms(*three, sigma=SIGMA, floor=FLOOR)
        case "box voting":
            return lambda: box_voting(*three, iou=IOU[method], vote_iou=VOTE)
        case "voting":
            return lambda: voting_nms(*three, data["models"], keep=None, **merged)
        case "nmw":
            return lambda: nmw(*three, data["models"], **merged)
    return lambda: weighted_boxes_fusion(*three, data["models"], **merged)


def by_loops(method: str, data: dict[str, np.ndarray]) -> Callable[[], Any]:
    """The same by plain loops."""
    three = tuple(data[name].tolist() for name in ("boxes", "scores", "labels"))
    models, weights = data["models"].tolist(), [1.0] * MODELS
    match method:
        case "nms":
            return lambda: slow.slow_nms(*three, IOU[method])
        case "soft linear" | "soft gaussian":
            kind = method.split()[1]
            return lambda: slow.slow_soft_nms(*three, kind, IOU["soft linear"], SIGMA, FLOOR)
        case "box voting":
            return lambda: slow.slow_box_voting(*three, IOU[method], VOTE)
        case "voting":
            return lambda: slow.slow_voting(*three, models, weights, IOU[method], MODELS)
        case "nmw":
            return lambda: slow.slow_nmw(*three, models, weights, IOU[method])
    return lambda: slow.slow_wbf(*three, models, weights, IOU[method])


def by_opencv(method: str, data: dict[str, np.ndarray], by_class: bool) -> Callable[[], Any] | None:
    """The same by OpenCV, where it has it."""
    boxes = data["boxes"]
    rows = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    scores = data["scores"].astype(np.float32)
    if method == "nms" and by_class:
        labels = data["labels"].astype(np.int32)
        return partial(cv2.dnn.NMSBoxesBatched, rows, scores, labels, 0.0, IOU[method])
    if method == "nms":
        return partial(cv2.dnn.NMSBoxes, rows, scores, 0.0, IOU[method])
    if method == "soft gaussian" and not by_class:
        rectangles = np.round(rows).astype(int).tolist()
        return partial(
            cv2.dnn.softNMSBoxes, rectangles, scores, FLOOR, 0.3, sigma=SIGMA,
            method=cv2.dnn.SOFT_NMSMETHOD_SOFTNMS_GAUSSIAN,
        )  # fmt: skip
    return None


def by_peer(python: str, methods: list[str], data: dict[str, np.ndarray]) -> dict[str, float]:
    """Milliseconds of ensemble-boxes, which wants corners in 0..1."""
    low, high = data["boxes"].min(), data["boxes"].max()
    scaled = {**data, "boxes": (data["boxes"] - low) / (high - low)}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "scene.npz"
        np.savez(file, **scaled)
        done = subprocess.run(
            [python, "-c", PEER, str(file), *methods], capture_output=True, text=True, check=True
        )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def spend(call: Callable[[], Any]) -> tuple[float, Any]:
    """Milliseconds of processor time, and the answer."""
    start = time.process_time()
    answer = call()
    return (time.process_time() - start) * 1000, answer


def is_equal(method: str, found: Any, expected: Any) -> bool:
    """Whether ours is the answer of the loops, to the last bit."""
    if method == "nms":
        return found.tolist() == expected
    if method.startswith("soft"):
        return list(zip(*(column.tolist() for column in found), strict=True)) == expected
    rows = zip(*(column.tolist() for column in found), strict=True)
    return list(rows) == [(list(box), score, label) for box, score, label in expected]


def main() -> None:
    """Print a row for each method and count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--counts", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS, metavar="METHOD")
    parser.add_argument("--peer", metavar="PYTHON", help="an interpreter that has ensemble-boxes")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--most", type=int, default=10_000, help="boxes up to which the double loop runs"
    )
    asked = parser.parse_args()
    cv2.setNumThreads(1)
    for by_class in (False, True):
        print(f"\nboxes of {80 if by_class else 1} class{'es' * by_class}: ms, and ratios to ours")
        print(
            f"{'boxes':>6} {'method':<14}{'ours':>8} {'loops':>16} {'OpenCV':>16} {'ensemble':>16}"
        )
        for count in asked.counts:
            data = scene(count, by_class)
            peer = by_peer(asked.peer, asked.methods, data) if asked.peer else {}
            for method in asked.methods:
                call, other = ours(method, data), by_opencv(method, data, by_class)
                best, theirs = np.inf, np.inf
                for _ in range(asked.rounds):
                    spent, found = spend(call)
                    best = min(best, spent)
                    if other is not None:
                        theirs = min(theirs, spend(other)[0])
                times: list[float | None] = [None, theirs if other else None, peer.get(method)]
                if count <= asked.most:
                    times[0], expected = spend(by_loops(method, data))
                    if not is_equal(method, found, expected):
                        sys.exit(f"{method}, {count} boxes: ours is not what the loops give")
                cells = " ".join(
                    f"{'-':>16}" if one is None else f"{one:>9.2f} {one / best:>5.1f}x"
                    for one in times
                )
                print(f"{count:>6} {method:<14}{best:>8.2f} {cells}", flush=True)


if __name__ == "__main__":
    main()
