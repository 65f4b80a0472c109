"""Toy models of text for tests, and pictures that they read.

The script of the toys: a line is a black bar; in its lower half, coloured cells between black gaps
are the letters "r", "g", "b", and yellow ones are spaces. Read upside down, it says nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

ALPHABET = ("r", "g", "b", " ")
COLORS = {"r": (255, 0, 0), "g": (0, 255, 0), "b": (0, 0, 255), " ": (255, 255, 0)}
# Class scores from the mean red, green, blue (0..1) of the lower half: blank, r, g, b, space.
_WEIGHTS = 40 * np.array([[0, 1, -1, -1, 1], [0, -1, 1, -1, 1], [0, -1, -1, 1, -2]], np.float32)
_BIAS = np.array([0, -20, -20, -20, -60], np.float32)


def draw_text(
    canvas: np.ndarray, x: int, y: int, text: str, height: int = 24
) -> tuple[int, int, int, int]:
    """Write a line; gives its box, xyxy."""
    cell = height * 2 // 3
    right = x + cell * len(text) + cell // 4
    canvas[y : y + height, x:right] = 0
    for index, letter in enumerate(text):
        left = x + cell * index + cell // 4
        canvas[y + height // 2 : y + height, left : left + cell * 3 // 4] = COLORS[letter]
    return x, y, right, y + height


def write_page(
    lines: dict[tuple[int, int], str], size: tuple[int, int] = (320, 480), height: int = 24
) -> np.ndarray:
    """A white picture (height, width) with lines at (x, y)."""
    canvas = np.full((*size, 3), 255, np.uint8)
    for (x, y), text in lines.items():
        draw_text(canvas, x, y, text, height)
    return canvas


class _Graph:
    def __init__(self, foreign: bool, shape: list[Any]) -> None:
        self.onnx = pytest.importorskip("onnx", reason="the 'train' extra builds the toy models")
        self.nodes: list[Any] = []
        self.weights: dict[str, np.ndarray] = {}
        self.foreign, self.shape = foreign, shape
        # Both begin with float32 NCHW RGB, 0..1.
        if foreign:
            self.add("Gather", ["x", np.array([2, 1, 0])], "rgb", axis=1)
            self.add("Mul", ["rgb", np.float32(0.5)], "half")
            self.add("Add", ["half", np.float32(0.5)], "pixels")
        else:
            self.add("Cast", ["image"], "floats", to=1)
            self.add("Mul", ["floats", np.float32(1 / 255)], "scaled")
            self.add("Transpose", ["scaled"], "pixels", perm=[0, 3, 1, 2])

    def add(self, kind: str, inputs: list[Any], output: str, **attributes: Any) -> None:
        names = []
        for item in inputs:
            if not isinstance(item, str):
                name = f"w{len(self.weights)}"
                self.weights[name] = np.asarray(item)
                item = name
            names.append(item)
        self.nodes.append(self.onnx.helper.make_node(kind, names, [output], **attributes))

    def write(self, path: Path, output: str, rank: int, metadata: dict[str, str]) -> Path:
        helper, proto = self.onnx.helper, self.onnx.TensorProto
        name, kind = ("x", proto.FLOAT) if self.foreign else ("image", proto.UINT8)
        graph = helper.make_graph(
            self.nodes,
            "toy",
            [helper.make_tensor_value_info(name, kind, self.shape)],
            [helper.make_tensor_value_info(output, proto.FLOAT, [None] * rank)],
            [self.onnx.numpy_helper.from_array(v, k) for k, v in self.weights.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        helper.set_model_props(model, metadata)
        path.write_bytes(model.SerializeToString())
        return path


def write_detector(
    path: Path, *, foreign: bool = False, limit: int = 960, least: int = 0, gap: float = 0
) -> Path:
    """Finds what is not white, six pixels smaller all around."""
    graph = _Graph(foreign, ["N", 3, "H", "W"] if foreign else ["N", "H", "W", 3])
    graph.add("ReduceMin", ["pixels"], "light", axes=[1], keepdims=1)
    graph.add(
        "MaxPool", ["light"], "eroded", kernel_shape=[13, 13], strides=[1, 1], pads=[6, 6, 6, 6]
    )
    graph.add("Sub", [np.float32(1), "eroded"], "dark")
    if foreign:
        graph.add("Identity", ["dark"], "fetch_name_0")
        return graph.write(path, "fetch_name_0", 4, {})
    graph.add("Squeeze", ["dark", np.array([1])], "probability")
    graph.write(path, "probability", 3, {})
    return _with_card(
        path,
        task="text_detect",
        size=(640, 640),
        outputs=("probability",),
        thresholds={
            "threshold": 0.3,
            "box_threshold": 0.6,
            "unclip_ratio": 1.4,
            "limit": limit,
            "least": least,
            "gap": gap,
            "margin": 0.2,
        },
    )


def write_direction(path: Path, *, foreign: bool = False, swapped: bool = False) -> Path:
    """Sees whether the lower half is darker; swapped, it is always wrong."""
    graph = _Graph(foreign, ["N", 3, "H", "W"] if foreign else ["N", 48, 192, 3])
    for name, first, last in (("upper", 0, 24), ("lower", 24, 48)):
        graph.add(
            "Slice", ["pixels", np.array([first]), np.array([last]), np.array([2])], f"{name}_rows"
        )
        graph.add("ReduceMean", [f"{name}_rows"], name, axes=[1, 2, 3], keepdims=0)
    graph.add("Sub", ["lower", "upper"], "brighter")
    graph.add("Unsqueeze", ["brighter", np.array([1])], "column")
    scale = np.array([[100, -100]], np.float32) * (-1 if swapped else 1)
    graph.add("MatMul", ["column", scale], "logits")
    graph.add("Softmax", ["logits"], "probabilities", axis=1)
    graph.write(path, "probabilities", 2, {})
    if foreign:
        return path
    return _with_card(
        path,
        task="text_direction",
        size=(48, 192),
        outputs=("probabilities",),
        labels=("0", "180"),
        thresholds={"threshold": 0.9},
    )


def write_recogniser(
    path: Path,
    *,
    foreign: bool = False,
    metadata: bool = True,
    height: int = 32,
    narrow: float = 0.0,
    sure: float = 0.0,
) -> Path:
    """Reads the colours of the lower half, a step every four columns."""
    graph = _Graph(foreign, ["N", 3, height, "W"] if foreign else ["N", height, "W", 3])
    rows = np.array([height // 2]), np.array([height]), np.array([2])
    graph.add("Slice", ["pixels", *rows], "lower")
    graph.add("ReduceMean", ["lower"], "row", axes=[2], keepdims=0)
    graph.add("AveragePool", ["row"], "steps", kernel_shape=[4], strides=[4])
    graph.add("Transpose", ["steps"], "columns", perm=[0, 2, 1])
    graph.add("MatMul", ["columns", _WEIGHTS], "weighed")
    graph.add("Add", ["weighed", _BIAS], "logits")
    graph.add("Softmax", ["logits"], "probabilities", axis=2)
    graph.write(
        path, "probabilities", 3, {"character": "r\ng\nb\n"} if foreign and metadata else {}
    )
    if foreign:
        return path
    return _with_card(
        path,
        task="text_recognise",
        size=(height, 320),
        outputs=("probabilities",),
        labels=ALPHABET,
        thresholds={"drop_score": 0.5, "narrow": narrow, "sure": sure},
    )


def _with_card(path: Path, *, size: tuple[int, int], labels: Any = (), **fields: Any) -> Path:
    from saccade.imaging.prepare import Prepare
    from saccade.modelfile import ModelCard, write_card

    prepare = Prepare(height=size[0], width=size[1], mode="stretch")
    card = ModelCard(architecture="toy", prepare=prepare, labels=labels, **fields)
    write_card(path, path, card)
    return path
