"""Tiny ONNX files for tests: real graphs with our contract (uint8 NHWC in), a few kilobytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

LABELS = ("red", "green", "blue")


class ColourEmbedder:
    """A stub of an embedder: the mean colour, of unit length."""

    name = "colour"
    path = Path("/models/colour.onnx")
    fingerprint = "c" * 64
    dim = 3

    def batch(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """(N, 3) float32."""
        means = np.stack([image.reshape(-1, 3).mean(axis=0) for image in images])
        lengths = np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-9)
        return (means / lengths).astype(np.float32)


def toy_graph(*, size: int = 32, dim: int = 8, classes: int = 3, seed: int = 0) -> Any:
    """An ``onnx.ModelProto``: uint8 (N, size, size, 3) -> probabilities (N, classes), embedding.

    With three classes it names the strongest colour channel of the picture, so tests can know the
    answer: the first three numbers of the embedding are the means of red, green and blue.
    """
    onnx = pytest.importorskip("onnx", reason="the 'train' extra builds the toy models")
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    rng = np.random.default_rng(seed)
    conv = rng.normal(0, 0.05, (dim, 3, 3, 3)).astype(np.float32)
    for channel in range(3):  # three filters pass their colour through
        conv[channel] = 0
        conv[channel, channel, 1, 1] = 1
    fc = np.zeros((dim, classes), np.float32)
    for index in range(classes):
        fc[index % 3, index] = 10.0
    weights = {
        "scale": np.float32(1 / 255),
        "conv": conv,
        "fc": fc,
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["floats"], to=onnx.TensorProto.FLOAT),
        helper.make_node("Mul", ["floats", "scale"], ["scaled"]),
        helper.make_node("Transpose", ["scaled"], ["nchw"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["nchw", "conv"], ["maps"], pads=[1, 1, 1, 1], name="first_conv"),
        helper.make_node("Relu", ["maps"], ["positive"]),
        helper.make_node("GlobalAveragePool", ["positive"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["embedding"]),
        helper.make_node("MatMul", ["embedding", "fc"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "toy",
        [info("image", onnx.TensorProto.UINT8, ["N", size, size, 3])],
        [
            info("probabilities", onnx.TensorProto.FLOAT, ["N", classes]),
            info("embedding", onnx.TensorProto.FLOAT, ["N", dim]),
        ],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="toy"
    )


def toy_card(
    *, size: int = 32, dim: int = 8, labels: tuple[str, ...] = LABELS, **changes: Any
) -> Any:
    """The card that goes with :func:`toy_graph`."""
    from saccade.imaging.prepare import Prepare
    from saccade.modelfile import ModelCard

    card = ModelCard(
        task="classify",
        architecture="toy",
        prepare=Prepare(height=size, width=size, mode="stretch"),
        labels=labels,
        outputs=("probabilities", "embedding"),
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        licence="Apache-2.0",
        training_data="none: the weights are set by hand",
        recipe="tests/toymodel.py",
        scores={"top1": 1.0},
        created="2026-01-01T00:00:00Z",
        saccade_version="0.0.0",
        embedding_dim=dim,
    )
    return replace(card, **changes)


def write_toy_classifier(
    path: Path,
    *,
    size: int = 32,
    dim: int = 8,
    labels: tuple[str, ...] = LABELS,
    seed: int = 0,
    **changes: Any,
) -> Path:
    """Write a whole model file: graph, card, self-test.

    Args:
        path: Where it goes.
        size: Height and width of the input.
        dim: Length of the embedding.
        labels: Names of the classes.
        seed: Seed of the weights; another seed is another model (another fingerprint).
        **changes: Other fields of the card.
    """
    from saccade.modelfile import make_self_test, write_card
    from saccade.runtime import open_session

    graph = toy_graph(size=size, dim=dim, classes=len(labels), seed=seed)
    path.write_bytes(graph.SerializeToString())
    changes.setdefault(
        "self_test", make_self_test(open_session(path, threads=1).run, (2, size, size, 3))
    )
    write_card(path, path, toy_card(size=size, dim=dim, labels=labels, **changes))
    return path
