"""Tiny detectors for tests: real graphs with our contract that find coloured rectangles."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

LABELS = ("red", "green", "blue")
SCORE = 0.9
# What else is proposed for each rectangle: offsets of the box, and the part of the score.
ECHOES = (((0, 0, 0, 0), 1.0), ((1, 1, 1, 1), 0.8), ((-1, 0, 1, 0), 0.7))


def detector_graph(
    *,
    height: int = 64,
    width: int = 64,
    nms: bool = False,
    broken: bool = False,
    batch: int | None = None,
    score: float = SCORE,
    echoes: tuple[Any, ...] = ECHOES,
) -> Any:
    """An ``onnx.ModelProto`` that frames the pixels of each pure colour.

    The box of a class is the smallest around all pixels whose channel alone is above 127; its score
    is ``score`` times the part of the box that has the colour. A class that is not there scores 0.

    Args:
        height: Of the input.
        width: Of the input.
        nms: Whether the graph ends in the form with ``labels``, filled up with rows of score 0.
        broken: Whether the score of a class that is not there is NaN.
        batch: A fixed number of pictures; None for any.
        score: Of a perfect rectangle.
        echoes: Further proposals for each rectangle, see :data:`ECHOES`.
    """
    onnx = pytest.importorskip("onnx", reason="the 'train' extra builds the toy models")
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    float_, int64 = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64
    weights: dict[str, np.ndarray] = {
        "half": np.float32(127),
        "one": np.float32(1),
        "zero": np.float32(0),
        "score": np.float32(score),
        "pixels": np.array([1, 2], np.int64),
        "channel": np.array([3], np.int64),
        "x_up": np.arange(1, width + 1, dtype=np.float32).reshape(1, width, 1),
        "x_down": np.arange(width, 0, -1, dtype=np.float32).reshape(1, width, 1),
        "y_up": np.arange(1, height + 1, dtype=np.float32).reshape(1, height, 1),
        "y_down": np.arange(height, 0, -1, dtype=np.float32).reshape(1, height, 1),
        "width": np.float32(width),
        "height": np.float32(height),
        "last": np.array([-1], np.int64),
        "offsets": np.array([e[0] for e in echoes], np.float32).reshape(1, -1, 1, 4),
        "parts": np.array([e[1] for e in echoes], np.float32).reshape(1, -1, 1, 1),
        "eye": np.eye(3, dtype=np.float32).reshape(1, 1, 3, 3),
        "box_rows": np.array([0, -1, 4], np.int64),
        "score_rows": np.array([0, -1, 3], np.int64),
        "at_1": np.array([1], np.int64),
        "score_axes": np.array([1, 3], np.int64),
        "filling": np.array([0, 0, 0, 0, 4, 0], np.int64),
        "score_filling": np.array([0, 0, 0, 4], np.int64),
        "numbers": np.array([[0, 1, 2]], np.float32),
    }
    node = helper.make_node
    nodes = [
        node("Cast", ["image"], ["floats"], to=float_),
        node("Greater", ["floats", "half"], ["bright"]),
        node("Cast", ["bright"], ["on"], to=float_),
        node("ReduceSum", ["on", "channel"], ["count_on"], keepdims=1),
        node("Equal", ["count_on", "one"], ["is_pure"]),
        node("Cast", ["is_pure"], ["pure"], to=float_),
        node("Mul", ["on", "pure"], ["mask"]),
        node("ReduceMax", ["mask"], ["columns"], axes=[1], keepdims=0),
        node("ReduceMax", ["mask"], ["rows"], axes=[2], keepdims=0),
    ]
    for axis, line, size in (("x", "columns", "width"), ("y", "rows", "height")):
        nodes += [
            node("Mul", [line, f"{axis}_down"], [f"{axis}_first"]),
            node("ReduceMax", [f"{axis}_first"], [f"{axis}_near"], axes=[1], keepdims=0),
            node("Sub", [size, f"{axis}_near"], [f"{axis}1"]),
            node("Mul", [line, f"{axis}_up"], [f"{axis}_second"]),
            node("ReduceMax", [f"{axis}_second"], [f"{axis}2"], axes=[1], keepdims=0),
            node("Sub", [f"{axis}2", f"{axis}1"], [f"{axis}_side"]),
            node("Max", [f"{axis}_side", "zero"], [f"{axis}_length"]),
        ]
    nodes += [
        node("Mul", ["x_length", "y_length"], ["area"]),
        node("ReduceSum", ["mask", "pixels"], ["count"], keepdims=0),
        node("Identity", ["area"], ["divisor"])
        if broken
        else node("Max", ["area", "one"], ["divisor"]),
        node("Div", ["count", "divisor"], ["density"]),
        node("Mul", ["density", "score"], ["class_scores"]),
    ]
    for name in ("x1", "y1", "x2", "y2"):
        nodes.append(node("Unsqueeze", [name, "last"], [f"{name}_column"]))
    nodes.append(
        node("Concat", [f"{n}_column" for n in ("x1", "y1", "x2", "y2")], ["plain"], axis=-1)
    )
    info = helper.make_tensor_value_info
    rows: Any = batch or "N"
    if nms:
        nodes += [
            node("Pad", ["plain", "filling"], ["boxes"]),
            node("Pad", ["class_scores", "score_filling"], ["scores"]),
            node("Mul", ["area", "zero"], ["zeros"]),
            node("Add", ["zeros", "numbers"], ["plain_labels"]),
            node("Pad", ["plain_labels", "score_filling"], ["label_floats"]),
            node("Cast", ["label_floats"], ["labels"], to=int64),
        ]
        outputs = [
            info("boxes", float_, [rows, 7, 4]),
            info("scores", float_, [rows, 7]),
            info("labels", int64, [rows, 7]),
        ]
    else:
        nodes += [
            node("Unsqueeze", ["plain", "at_1"], ["plain_4d"]),
            node("Add", ["plain_4d", "offsets"], ["boxes_4d"]),
            node("Reshape", ["boxes_4d", "box_rows"], ["boxes"]),
            node("Unsqueeze", ["class_scores", "score_axes"], ["scores_4d"]),
            node("Mul", ["scores_4d", "eye"], ["diagonal"]),
            node("Mul", ["diagonal", "parts"], ["echoed"]),
            node("Reshape", ["echoed", "score_rows"], ["scores"]),
        ]
        points = 3 * len(echoes)
        outputs = [
            info("boxes", float_, [rows, points, 4]),
            info("scores", float_, [rows, points, 3]),
        ]
    used = {name for item in nodes for name in item.input}
    graph = helper.make_graph(
        nodes,
        "toy_detector",
        [info("image", onnx.TensorProto.UINT8, [rows, height, width, 3])],
        outputs,
        [numpy_helper.from_array(v, n) for n, v in weights.items() if n in used],
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="toy"
    )


def detector_card(*, height: int = 64, width: int = 64, nms: bool = False, **changes: Any) -> Any:
    """The card that goes with :func:`detector_graph`."""
    from saccade.imaging.prepare import Prepare
    from saccade.modelfile import ModelCard

    card = ModelCard(
        task="detect",
        architecture="toy",
        prepare=Prepare(height=height, width=width, mode="stretch"),
        labels=LABELS,
        outputs=("boxes", "scores", "labels") if nms else ("boxes", "scores"),
        thresholds={"score": 0.4, "iou": 0.6, "keep": 100},
        licence="Apache-2.0",
        training_data="none: the weights are set by hand",
        recipe="tests/toydetector.py",
        scores={"map": 1.0},
        created="2026-01-01T00:00:00Z",
        saccade_version="0.0.0",
    )
    return replace(card, **changes)


def write_detector(
    path: Path,
    *,
    height: int = 64,
    width: int = 64,
    nms: bool = False,
    broken: bool = False,
    batch: int | None = None,
    score: float = SCORE,
    echoes: tuple[Any, ...] = ECHOES,
    **changes: Any,
) -> Path:
    """Write a whole model file: graph, card, self-test; see :func:`detector_graph`."""
    from saccade.modelfile import make_self_test, write_card
    from saccade.runtime import open_session

    graph = detector_graph(
        height=height, width=width, nms=nms, broken=broken, batch=batch, score=score, echoes=echoes
    )
    path.write_bytes(graph.SerializeToString())
    if not broken:
        run = open_session(path, threads=1).run
        changes.setdefault("self_test", make_self_test(run, (batch or 2, height, width, 3)))
    card = detector_card(height=height, width=width, nms=nms, **changes)
    write_card(path, path, card)
    return path


def scene(height: int, width: int, *rectangles: tuple[str, int, int, int, int]) -> np.ndarray:
    """A black picture with rectangles ``(colour, x1, y1, x2, y2)``."""
    picture = np.zeros((height, width, 3), np.uint8)
    for colour, x1, y1, x2, y2 in rectangles:
        picture[y1:y2, x1:x2] = 0
        picture[y1:y2, x1:x2, LABELS.index(colour)] = 255
    return picture
