"""Non-maximum suppression as the last steps of a detector's graph, and the proof that it is right.

``NonMaxSuppression`` of ONNX names the boxes that stay, of all pictures in one list. To cut that
list into pictures of one length, the scores of all boxes that went are set to 0, and of each
picture's table of scores the K greatest are taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from saccade.errors import OptionError, ParityError
from saccade.geometry.suppression import nms
from saccade.runtime import open_session

__all__ = ["SUPPRESSED_OUTPUTS", "Suppression", "append_nms", "check_nms"]

SUPPRESSED_OUTPUTS = ("boxes", "scores", "labels")

Image = NDArray[np.uint8]

_LEAST_AGREEMENT = 0.99
"""Share of the boxes: rounding may tip one whose IoU is at the limit."""
_PIXELS = 0.05


@dataclass(frozen=True)
class Suppression:
    """Class-wise suppression.

    Attributes:
        score: boxes must score more than this.
        iou: of two boxes of a class that overlap by more than this, the weaker goes.
        keep: K, boxes of a picture.
    """

    score: float = 0.025
    iou: float = 0.6
    keep: int = 100

    def __post_init__(self) -> None:
        for name in ("score", "iou"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise OptionError(f"{name} is {value:g}; expected 0 to 1")
        if self.keep < 1:
            raise OptionError(f"keep is {self.keep}; expected at least one box")


def append_nms(model: onnx.ModelProto, options: Suppression) -> onnx.ModelProto:
    """Put the suppression behind a graph with ``boxes`` (N, P, 4) and ``scores`` (N, P, C).

    Args:
        model: left as it is.
        options: what is suppressed.

    Returns:
        A graph with ``boxes`` (N, K, 4), ``scores`` (N, K), descending, and ``labels`` int64
        (N, K); rows of zeros fill it up. K is ``keep``, or P * C where that is less.
    """
    made = onnx.ModelProto()
    made.CopyFrom(model)
    graph = made.graph
    points, classes = (
        int(side.dim_value) for side in graph.output[1].type.tensor_type.shape.dim[1:]
    )
    keep = min(options.keep, points * classes)
    inner = {"boxes": "all_boxes", "scores": "all_scores"}
    for node in graph.node:
        node.input[:] = [inner.get(name, name) for name in node.input]
        node.output[:] = [inner.get(name, name) for name in node.output]
    constants: dict[str, np.ndarray] = {
        "keep": np.array([keep], np.int64),
        "iou": np.array([options.iou], np.float32),
        "score": np.array([options.score], np.float32),
        "rows": np.array([0, -1], np.int64),
        "points": np.array(points, np.int64),
        "last": np.array([-1], np.int64),
        "zero": np.array(0, np.float32),
    }
    graph.initializer.extend(
        numpy_helper.from_array(value, f"nms.{name}") for name, value in constants.items()
    )

    def add(kind: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: object) -> None:
        names = [f"nms.{name}" if name in constants else name for name in inputs]
        node = helper.make_node(kind, names, list(outputs), f"nms/{outputs[0]}", **attributes)
        graph.node.append(node)

    add("Transpose", ["all_scores"], ["nms.by_class"], perm=[0, 2, 1])  # (N, C, P)
    add(
        "NonMaxSuppression",
        ["all_boxes", "nms.by_class", "keep", "iou", "score"],
        ["nms.chosen"],  # (S, 3): picture, class, point
    )
    add("GatherND", ["nms.by_class", "nms.chosen"], ["nms.values"])
    add("Shape", ["nms.by_class"], ["nms.shape"])
    add(
        "ConstantOfShape",
        ["nms.shape"],
        ["nms.nothing"],
        value=numpy_helper.from_array(np.zeros(1, np.float32)),
    )
    add("ScatterND", ["nms.nothing", "nms.chosen", "nms.values"], ["nms.kept"])
    add("Reshape", ["nms.kept", "rows"], ["nms.table"])  # (N, C * P)
    add("TopK", ["nms.table", "keep"], ["scores", "nms.places"], axis=1)
    add("Greater", ["scores", "zero"], ["nms.is_real"])
    add("Mod", ["nms.places", "points"], ["nms.point"])
    add("Unsqueeze", ["nms.point", "last"], ["nms.points_2d"])
    add("GatherND", ["all_boxes", "nms.points_2d"], ["nms.best"], batch_dims=1)
    add("Unsqueeze", ["nms.is_real", "last"], ["nms.is_real_2d"])
    add("Where", ["nms.is_real_2d", "nms.best", "zero"], ["boxes"])
    add("Div", ["nms.places", "points"], ["nms.class"])
    add("Cast", ["nms.is_real"], ["nms.one"], to=TensorProto.INT64)
    add("Mul", ["nms.class", "nms.one"], ["labels"])

    del graph.output[:]
    graph.output.extend(
        [
            helper.make_tensor_value_info("boxes", TensorProto.FLOAT, ["batch", keep, 4]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", keep]),
            helper.make_tensor_value_info("labels", TensorProto.INT64, ["batch", keep]),
        ]
    )
    onnx.checker.check_model(made, full_check=True)
    return made


def check_nms(
    plain: str | Path,
    ended: str | Path,
    pictures: Sequence[Image],
    options: Suppression,
    runtime: str = "onnxruntime",
) -> tuple[int, int]:
    """Compare a graph that ends in NMS with :func:`saccade.geometry.suppression.nms`.

    Args:
        plain: the graph without it, for the boxes that both start from.
        ended: the graph with it.
        pictures: uint8 (N, H, W, 3) each, N at least 1.
        options: what is suppressed.
        runtime: see :func:`saccade.runtime.open_session`.

    Returns:
        How many boxes agree, and how many there are.

    Raises:
        ParityError: more than one in a hundred differs.
    """
    before, after = (open_session(file, runtime=runtime) for file in (plain, ended))
    agreed = total = 0
    for batch in pictures:
        given, got = before.run(batch), after.run(batch)
        for row in range(len(batch)):
            want = _suppressed(given["boxes"][row], given["scores"][row], options)
            real = got["scores"][row] > 0
            have = np.column_stack([got[name][row][real] for name in ("labels", "scores", "boxes")])
            agreed += _matches(want, have)
            total += max(len(want), len(have))
    if agreed < _LEAST_AGREEMENT * total:
        raise ParityError(
            f"{runtime}: NMS in the graph agrees with our own on {agreed} of {total} boxes only; "
            "export without --nms"
        )
    return agreed, total


def _suppressed(
    boxes: NDArray[np.float32], scores: NDArray[np.float32], options: Suppression
) -> NDArray[np.float32]:
    """Rows of label, score and box."""
    points, labels = np.nonzero(scores > np.float32(options.score))
    values = scores[points, labels]
    kept = nms(boxes[points], values, labels, iou=options.iou, keep=options.keep)
    return np.column_stack([labels[kept], values[kept], boxes[points[kept]]]).astype(np.float32)


def _matches(want: NDArray[np.float32], have: NDArray[np.float32]) -> int:
    """How many rows of one table have a like in the other, each at most once."""
    if not len(want) or not len(have):
        return 0
    apart = np.abs(want[:, None] - have[None])
    like = (apart[..., 0] < 0.5) & (apart[..., 1] < 1e-4) & (apart[..., 2:] < _PIXELS).all(axis=2)
    return min(int(like.any(axis=1).sum()), int(like.any(axis=0).sum()))
