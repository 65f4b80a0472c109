"""PaddleOCR's weights in, through files as Paddle writes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from drawn_weights import draw_weights, drawn_input
from paddle_files import paddle_text_tensors as as_paddle
from paddle_files import write_pdparams
from saccade.errors import ModelFileError, OptionError
from saccade_train.models.text_detector import build_text_detector
from saccade_train.models.text_direction import build_text_direction
from saccade_train.models.text_recogniser import build_text_recogniser
from saccade_train.paddle.text import (
    TextNetwork,
    import_text_detector,
    import_text_direction,
    import_text_recogniser,
    load_paddle_text,
    paddle_text_names,
)

torch.set_num_threads(1)

MOBILE = "db_mobilenet_v3_large_x0_5"
TEACHER = "db_resnet18_vd"
CRNN = "crnn_lcnet_x1_0"


def drawn(model: TextNetwork) -> TextNetwork:
    draw_weights(model)
    return model.eval()


def assert_same(one: nn.Module, two: nn.Module) -> None:
    other = two.state_dict()
    for name, value in one.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            torch.testing.assert_close(other[name], value, rtol=0, atol=0, msg=name)


BN = ("weight", "bias", "_mean", "_variance")


def conv_bn(name: str, conv: str = "conv", bn: str = "bn") -> set[str]:
    return {f"{name}.{conv}.weight", *(f"{name}.{bn}.{tensor}" for tensor in BN)}


def test_names_of_the_detector() -> None:
    names = list(paddle_text_names(build_text_detector(MOBILE)).values())
    expected = conv_bn("backbone.conv") | conv_bn("backbone.stage3.3")
    for stage, blocks in enumerate((3, 3, 6, 3)):
        for block in range(blocks):
            for layer in ("expand_conv", "bottleneck_conv", "linear_conv"):
                expected |= conv_bn(f"backbone.stage{stage}.{block}.{layer}")
    expected |= {f"neck.{name}_conv.weight" for s in range(2, 6) for name in (f"in{s}", f"p{s}")}
    for branch in ("head.binarize", "head.thresh"):
        expected |= {f"{branch}.conv1.weight"}
        expected |= {f"{branch}.conv{n}.{t}" for n in (2, 3) for t in ("weight", "bias")}
        expected |= {f"{branch}.conv_bn{n}.{tensor}" for n in (1, 2) for tensor in BN}
    assert len(names) == len(expected) == 269
    assert set(names) == expected


def test_names_of_the_teacher() -> None:
    names = list(paddle_text_names(build_text_detector(TEACHER)).values())
    assert len(names) == len(set(names)) == 149
    expected = {name for n in (1, 2, 3) for name in conv_bn(f"backbone.conv1_{n}", "_conv", "_batch_norm")}  # fmt: skip  # noqa: E501
    for stage in range(4):
        for layer in ("conv0", "conv1", "short"):
            expected |= conv_bn(f"backbone.bb_{stage}_0.{layer}", "_conv", "_batch_norm")
            if layer != "short":
                expected |= conv_bn(f"backbone.bb_{stage}_1.{layer}", "_conv", "_batch_norm")
    assert {name for name in names if name.startswith("backbone.")} == expected


def test_names_of_the_direction_classifier() -> None:
    names = list(paddle_text_names(build_text_direction()).values())
    assert len(names) == len(set(names)) == 213
    expected = conv_bn("backbone.conv1") | conv_bn("backbone.conv2")
    for block in range(11):
        for layer in ("expand_conv", "bottleneck_conv", "linear_conv"):
            expected |= conv_bn(f"backbone.blocks.{block}.{layer}")
        if block not in (1, 2):
            expected |= {
                f"backbone.blocks.{block}.mid_se.conv{n}.{tensor}"
                for n in (1, 2)
                for tensor in ("weight", "bias")
            }
    assert set(names) == expected | {"head.fc.weight", "head.fc.bias"}


def test_names_of_the_recogniser() -> None:
    model = build_text_recogniser(CRNN, 97)
    assert len(as_paddle(model)) == 179
    expected = conv_bn("backbone.conv1", "_conv", "_batch_norm")
    for block in range(13):
        for layer in ("_depthwise_conv", "_pointwise_conv"):
            expected |= conv_bn(f"backbone.block_list.{block}.{layer}", "_conv", "_batch_norm")
    for block in (11, 12):
        expected |= {
            f"backbone.block_list.{block}._se.conv{n}.{tensor}"
            for n in (1, 2)
            for tensor in ("weight", "bias")
        }
    expected |= {
        f"neck.encoder.lstm.{kind}_l{layer}{way}"
        for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        for layer in (0, 1)
        for way in ("", "_reverse")
    }
    expected |= {f"head.fc{n}.{tensor}" for n in (1, 2) for tensor in ("weight", "bias")}
    assert set(paddle_text_names(model).values()) == expected
    shapes = {name: value.shape for name, value in as_paddle(model).items()}
    assert shapes["head.fc1.weight"] == (128, 96) and shapes["head.fc2.weight"] == (96, 97)
    assert shapes["neck.encoder.lstm.0.cell_bw.weight_ih"] == (256, 512)


@torch.no_grad()
def test_a_distillation_of_detectors_through_a_file(tmp_path: Path) -> None:
    student, teacher = drawn(build_text_detector(MOBILE)), drawn(build_text_detector(TEACHER))
    second = build_text_detector(MOBILE).eval()
    tensors = {
        **as_paddle(teacher, "Teacher."),
        **as_paddle(student, "Student."),
        **as_paddle(second, "Student2."),
    }
    path = write_pdparams(tmp_path / "cml.pdparams", tensors)
    model = import_text_detector(path)
    assert not model.training
    assert_same(student, model)
    x = drawn_input(64, 96)
    torch.testing.assert_close(model.probability(x), student.probability(x))
    assert_same(second, import_text_detector(path, prefix="Student2."))
    assert_same(teacher, import_text_detector(path, TEACHER))


def test_single_networks_through_a_file(tmp_path: Path) -> None:
    direction = drawn(build_text_direction())
    path = write_pdparams(tmp_path / "cls.pdparams", as_paddle(direction), protocol=2)
    assert_same(direction, import_text_direction(path))
    recogniser = drawn(build_text_recogniser(CRNN, 12))
    path = write_pdparams(tmp_path / "rec.pdparams", as_paddle(recogniser), protocol=2, split=9999)
    model = import_text_recogniser(path)
    assert model.num_classes == 12
    assert_same(recogniser, model)


@torch.no_grad()
def test_the_student_of_two_equal_recognisers(tmp_path: Path) -> None:
    student, teacher = drawn(build_text_recogniser(CRNN, 12)), build_text_recogniser(CRNN, 12)
    tensors = {**as_paddle(teacher, "Teacher."), **as_paddle(student, "Student.")}
    path = write_pdparams(tmp_path / "udml.pdparams", tensors)
    model = import_text_recogniser(path)
    assert_same(student, model)
    assert_same(teacher, import_text_recogniser(path, prefix="Teacher."))
    x = drawn_input(32, 64)
    torch.testing.assert_close(model.probabilities(x), student.probabilities(x))


def test_square_matrices_are_transposed_too() -> None:
    reference = drawn(build_text_recogniser(CRNN, 96))
    model = build_text_recogniser(CRNN, 96)
    load_paddle_text(model, as_paddle(reference))
    torch.testing.assert_close(model.head.fc2.weight, reference.head.fc2.weight)


def test_what_does_not_fit_changes_nothing(tmp_path: Path) -> None:
    model = build_text_direction()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    tensors = as_paddle(drawn(build_text_direction()))
    cut = {name: value for name, value in tensors.items() if name != "head.fc.bias"}
    with pytest.raises(ModelFileError, match=r"1 tensors missing \(head\.fc\.bias\)"):
        load_paddle_text(model, cut, source="cls.pdparams")
    with pytest.raises(ModelFileError, match="1 tensors unknown"):
        load_paddle_text(model, {**tensors, "more": np.zeros(3)})
    with pytest.raises(ModelFileError, match="is it another network"):
        load_paddle_text(model, {"neck.x": np.zeros(3)})
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, before[name])
    path = write_pdparams(tmp_path / "cls.pdparams", tensors)
    with pytest.raises(ModelFileError, match=r"no 'head\.fc2\.bias'"):
        import_text_recogniser(path)
    with pytest.raises(ModelFileError, match=r"is one of db_mobilenet.*another network"):
        import_text_detector(path)
    with pytest.raises(OptionError, match="no detector like db_lcnet"):
        paddle_text_names(build_text_detector("db_lcnet_x0_25"))
