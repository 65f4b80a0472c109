from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from saccade.errors import ParityError
from saccade_train.export.parity import (
    check_parity,
    compare,
    first_difference,
    normalise,
    rendered_pictures,
    torch_outputs,
)
from saccade_train.export.tidy import layer_of, layer_outputs

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
NAMES = ("lcnet", "lcnet_paddle", "mobilenet_small", "resnet", "resnet_vd", "hs_resnet")
RUNTIMES = [
    "onnxruntime",
    pytest.param(
        "openvino",
        marks=pytest.mark.skipif(
            importlib.util.find_spec("openvino") is None, reason="openvino is not installed"
        ),
    ),
]
Export = Callable[[str], Any]


def sabotage(source: Path, target: Path, weight: str) -> Path:
    """Copy a model file and change one weight a little."""
    model = onnx.load(str(source))
    tensor = next(one for one in model.graph.initializer if one.name == weight)
    values = numpy_helper.to_array(tensor)
    noise = np.random.default_rng(0).normal(0, 0.1 * np.abs(values).max(), values.shape)
    values = (values + noise).astype(np.float32)
    tensor.CopyFrom(numpy_helper.from_array(values, weight))
    onnx.save(model, str(target))
    return target


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("name", NAMES)
def test_every_family_says_the_same_everywhere(
    export_once: Export, name: str, runtime: str
) -> None:
    made = export_once(name)
    pictures = np.concatenate(
        [made.noise(2), rendered_pictures(2, made.height, made.width)[1:], made.noise(1) // 8]
    )
    for batch in (pictures[:1], pictures[:3], pictures):
        report = check_parity(
            made.model, made.path, batch, mean=MEAN, std=STD, runtime=runtime, tolerance=2e-5
        )
        assert report.same_answer == len(batch)
        assert set(report.outputs) == {"probabilities", "embedding"}


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize(
    ("name", "weight", "layer"),
    [
        ("lcnet_paddle", "backbone.conv1.conv.weight", "backbone.conv1.bn"),
        (
            "lcnet_paddle",
            "backbone.blocks4.1.dw_conv.conv.weight",
            "backbone.blocks4.1.dw_conv.bn",
        ),
        ("lcnet_paddle", "backbone.blocks6.0.se.conv2.bias", "backbone.blocks6.0.se.conv2"),
        ("lcnet_paddle", "head.last_conv.weight", "head.last_conv"),
        ("lcnet_paddle", "head.fc.weight", "head.fc"),
        ("hs_resnet", "backbone.blocks.2.conv1.convs.1.conv.weight", None),
        ("resnet_vd", "backbone.blocks.4.short.conv.bias", "backbone.blocks.4.short.bn"),
        (
            "mobilenet_small",
            "backbone.blocks.3.linear_conv.conv.weight",
            "backbone.blocks.3.linear_conv.bn",
        ),
    ],
)
def test_the_first_differing_layer_is_named(
    export_once: Export, tmp_path: Path, name: str, weight: str, layer: str | None, runtime: str
) -> None:
    made = export_once(name)
    known = {tensor.name for tensor in onnx.load(str(made.path)).graph.initializer}
    if layer is None:  # a block with splits: any of its convolutions will do
        weight = min(one for one in known if ".convs." in one and one.endswith("weight"))
        layer = weight.removesuffix("conv.weight") + "bn"
    bad = sabotage(made.path, tmp_path / "bad.onnx", weight)
    with pytest.raises(ParityError, match="first layer that differs") as caught:
        check_parity(made.model, bad, made.noise(3), mean=MEAN, std=STD, runtime=runtime)
    assert repr(layer) in str(caught.value)
    assert runtime in str(caught.value)


def test_an_honest_file_has_no_differing_layer(export_once: Export) -> None:
    made = export_once("lcnet_paddle")
    assert first_difference(made.model, made.path, made.noise(1), MEAN, STD) is None


def test_errors_that_add_up_are_told_as_such(export_once: Export) -> None:
    made = export_once("mobilenet_small")
    with pytest.raises(ParityError, match=r"differs from PyTorch.*allowed 1e-12"):
        check_parity(made.model, made.path, made.noise(1), mean=MEAN, std=STD, tolerance=1e-12)


def test_another_mean_is_a_difference_from_the_first_layer_on(export_once: Export) -> None:
    made = export_once("lcnet_paddle")
    with pytest.raises(ParityError, match=r"backbone\.conv1\.bn"):
        check_parity(made.model, made.path, made.noise(1), mean=(0.5, 0.5, 0.5), std=STD)


@pytest.mark.parametrize("name", NAMES)
def test_every_layer_with_weights_can_be_blamed(export_once: Export, name: str) -> None:
    made = export_once(name)
    graph = onnx.load(str(made.path)).graph
    values = layer_outputs(graph)
    modules = dict(made.model.named_modules())
    assert set(values) <= set(modules)
    weighted = {
        path
        for path, module in modules.items()
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear)
    }
    assert weighted <= set(values)


def test_layers_come_in_the_order_of_computation(export_once: Export) -> None:
    made = export_once("lcnet_paddle")
    graph = onnx.load(str(made.path)).graph
    order = list(layer_outputs(graph))
    wanted = ["backbone.conv1.conv", "backbone.conv1.act", "backbone.conv1", "backbone.blocks2"]
    assert [layer for layer in order if layer in wanted] == wanted
    assert layer_of(graph.node[0]) == ""


def test_normalise_follows_the_formula() -> None:
    batch = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 3), dtype=np.uint8)
    planes = normalise(batch, MEAN, STD)
    assert planes.shape == (2, 3, 3, 4)
    for n, y, x, c in np.ndindex(*batch.shape):
        want = (batch[n, y, x, c] / 255 - MEAN[c]) / STD[c]
        assert planes[n, c, y, x].item() == pytest.approx(want, rel=1e-5, abs=1e-6)


def test_embeddings_have_unit_length(export_once: Export) -> None:
    made = export_once("lcnet_paddle")
    outputs = torch_outputs(made.model, made.noise(2), MEAN, STD)
    np.testing.assert_allclose(np.linalg.norm(outputs["embedding"], axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(outputs["probabilities"].sum(axis=1), 1, rtol=1e-5)


def test_a_number_that_is_none_is_an_infinite_difference() -> None:
    assert compare(np.ones(3), np.array([1, np.nan, 1])).relative == np.inf
    assert compare(np.array([0.0, -4.0]), np.array([1.0, -4.0])).relative == 0.25


def test_rendered_pictures_are_what_they_were() -> None:
    pictures = rendered_pictures(4, 9, 12)
    assert pictures.shape == (4, 9, 12, 3)
    assert pictures.dtype == np.uint8
    np.testing.assert_array_equal(pictures, rendered_pictures(4, 9, 12))
    assert len({picture.tobytes() for picture in pictures}) == 4
