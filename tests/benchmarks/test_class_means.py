"""A classifier out of an embedder."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

import class_means


def test_means_are_directions() -> None:
    vectors = np.array([[3.0, 0.0], [0.0, 4.0], [1.0, 0.0]])
    means = class_means.class_means(vectors, np.array([2, 2, 0]), 3)
    np.testing.assert_allclose(means, [[1, 0], [0, 0], [0.6, 0.8]], atol=1e-7)


def test_the_graph_gives_scaled_products_and_has_no_card() -> None:
    given = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 2])
    taken = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", 2])
    node = helper.make_node("Identity", ["image"], ["embedding"])
    graph = helper.make_graph([node], "embedder", [given], [taken])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, {"saccade": "a card of another task"})
    means = np.array([[1, 0], [0.6, 0.8], [0, 1]], np.float32)
    onnx.checker.check_model(class_means.with_logits(model, means))
    session = onnxruntime.InferenceSession(model.SerializeToString())
    assert not session.get_modelmeta().custom_metadata_map
    (logits,) = session.run(None, {"image": np.array([[0.6, 0.8]], np.float32)})
    np.testing.assert_allclose(logits, [[24 * 0.6, 24, 24 * 0.8]], rtol=1e-6)
