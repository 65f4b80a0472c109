"""Released weights in: through files as Paddle and timm write them, up to the golden outputs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from drawn_weights import draw_weights, drawn_input
from paddle_files import paddle_tensors, write_pdparams
from saccade.errors import ModelFileError, OptionError
from saccade_train.models.classifier import Classifier, build_classifier
from saccade_train.paddle.importing import import_classifier
from saccade_train.paddle.names import load_paddle, load_paddle_backbone, paddle_names
from saccade_train.paddle.timm import read_torch, timm_names

torch.set_num_threads(1)

GOLDEN_X0_25 = (-0.056951, -0.024036, 0.126497, 0.002320, -0.156055)  # the reference, see models/
GOLDEN_STD = 0.107615


def drawn(name: str, classes: int = 7, **options: Any) -> Classifier:
    model = build_classifier(name, classes, **options)
    draw_weights(model)
    return model.eval()


@torch.no_grad()
def run(model: Classifier, side: int = 64) -> np.ndarray:
    return model(drawn_input(side)).numpy()


def unchanged(model: Classifier) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("paddle_compat", [False, True])
def test_golden_outputs_through_a_file(tmp_path: Path, protocol: int, paddle_compat: bool) -> None:
    reference = drawn("lcnet_x0_25", 1000)
    path = write_pdparams(tmp_path / "a.pdparams", paddle_tensors(reference), protocol)
    model = import_classifier(path, "lcnet_x0_25", paddle_compat=paddle_compat)
    assert not model.training
    assert model.num_classes == 1000
    assert run(model, 224)[0, :5] == pytest.approx(GOLDEN_X0_25, abs=1e-4 * GOLDEN_STD)


@pytest.mark.parametrize("name", ["lcnet_x0_25", "mobilenet_v3_small_x0_35"])
def test_the_dropout_factor_is_folded_or_kept(tmp_path: Path, name: str) -> None:
    path = write_pdparams(tmp_path / "a.pdparams", paddle_tensors(drawn(name)))
    folded = import_classifier(path, name)
    kept = import_classifier(path, name, paddle_compat=True)
    np.testing.assert_allclose(run(folded), run(kept), rtol=1e-5, atol=1e-6)
    x = drawn_input(64)
    with torch.no_grad():
        torch.testing.assert_close(
            folded.forward_embedding(x) * 0.8, kept.forward_embedding(x), rtol=1e-5, atol=1e-6
        )
    plain = import_classifier(path, name, reference_dropout=0.0)
    bias = plain.head.fc.bias.detach().numpy()
    np.testing.assert_allclose((run(plain) - bias) * 0.8, run(folded) - bias, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["resnet18_vd", "mobilenet_v3_large_x0_35"])
def test_other_families_through_a_file(tmp_path: Path, name: str) -> None:
    mobile = "mobilenet" in name
    reference = drawn(name, **({"paddle_compat": True} if mobile else {}))
    path = write_pdparams(tmp_path / "a.pdparams", paddle_tensors(reference))
    np.testing.assert_allclose(
        run(import_classifier(path, name)), run(reference), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("name", ["resnet26", "hs_resnet26", "resnet50_vd"])
def test_every_tensor_finds_its_place(name: str) -> None:
    reference = drawn(name, width=0.125)
    model = build_classifier(name, 7, width=0.125)
    load_paddle(model, paddle_tensors(reference))
    for key, value in reference.state_dict().items():
        torch.testing.assert_close(model.state_dict()[key], value, msg=key)


def test_a_square_matrix_is_transposed_too() -> None:
    reference = drawn("lcnet_x0_25", 16, class_expand=16, dropout=0.0)
    tensors = paddle_tensors(reference)
    assert tensors["fc.weight"].shape == (16, 16)
    model = build_classifier("lcnet_x0_25", 16, class_expand=16)
    load_paddle(model, tensors, reference_dropout=0.0)
    torch.testing.assert_close(model.head.fc.weight, reference.head.fc.weight)


def test_paddle_names_of_the_specification() -> None:
    names = list(paddle_names(build_classifier("lcnet_x0_25", 7)).values())
    assert len(names) == 146
    assert names[:5] == [
        "conv1.conv.weight",
        *("conv1.bn.weight", "conv1.bn.bias", "conv1.bn._mean", "conv1.bn._variance"),
    ]
    assert names[-3:] == ["last_conv.weight", "fc.weight", "fc.bias"]
    assert {"blocks6.1.se.conv2.bias", "blocks5.5.dw_conv.bn._variance"} <= set(names)
    resnet = set(paddle_names(build_classifier("resnet50_vd", 7, width=0.125)).values())
    assert {"stem.2.bn._mean", "blocks.15.conv2.conv.weight", "blocks.3.short.bn.bias"} <= resnet
    mobile = set(paddle_names(build_classifier("mobilenet_v3_small_x0_35", 7)).values())
    assert {
        *("conv.conv.weight", "blocks.0.mid_se.conv1.bias", "blocks.10.linear_conv.bn._mean"),
        *("blocks.1.expand_conv.conv.weight", "blocks.1.bottleneck_conv.bn.weight"),
        *("last_second_conv.bn.bias", "last_conv.weight", "fc.bias"),
    } <= mobile


@pytest.mark.parametrize("prefix", ["backbone.", "Student.", "Student.backbone."])
def test_prefixes(tmp_path: Path, prefix: str) -> None:
    reference = drawn("lcnet_x0_25")
    teacher = paddle_tensors(drawn("lcnet_x0_35", 9), "Teacher.")
    path = write_pdparams(tmp_path / "a.pdparams", {**teacher, **paddle_tensors(reference, prefix)})
    model = import_classifier(path, "lcnet_x0_25")
    torch.testing.assert_close(model.backbone.state_dict(), reference.backbone.state_dict())


def test_a_prefix_can_be_given() -> None:
    teacher = drawn("lcnet_x0_25")
    model = build_classifier("lcnet_x0_25", 7)
    tensors = {**paddle_tensors(teacher, "Teacher."), "Student.w": np.zeros(3)}
    load_paddle(model, tensors, prefix="Teacher.")
    torch.testing.assert_close(model.backbone.state_dict(), teacher.backbone.state_dict())


def test_the_trunk_of_a_detector() -> None:
    reference = drawn("lcnet_x0_25")
    tensors = paddle_tensors(reference.backbone, "backbone.") | {"neck.w": np.zeros(3)}
    model = build_classifier("lcnet_x0_25", 7)
    load_paddle_backbone(model.backbone, tensors)
    torch.testing.assert_close(model.backbone.state_dict(), reference.backbone.state_dict())
    del tensors["backbone.conv1.bn._mean"]
    with pytest.raises(ModelFileError, match=r"LCNet: 1 tensors missing \(conv1.bn._mean\)"):
        load_paddle_backbone(model.backbone, tensors)


def change(tensors: dict[str, np.ndarray], kind: str) -> None:
    if kind == "missing":
        for name in list(tensors)[:5]:
            del tensors[name]
    elif kind == "unknown":
        tensors["head.extra"] = np.zeros(3, np.float32)
    elif kind == "misshaped":
        tensors["conv1.conv.weight"] = tensors["conv1.conv.weight"][:4]
    elif kind == "transposed":
        tensors["fc.weight"] = tensors["fc.weight"].T
    elif kind == "not a number":
        tensors["fc.bias"] = tensors["fc.bias"] * np.float32("nan")
    elif kind == "whole numbers":
        tensors["fc.bias"] = np.ones(7, np.int64)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (
            "missing",
            r"5 tensors missing \(conv1.conv.weight, conv1.bn.weight, conv1.bn.bias, ...\)",
        ),
        ("unknown", r"1 tensors unknown \(head.extra\)"),
        ("misshaped", r"conv1.conv.weight is 4x3x3x3 instead of 8x3x3x3"),
        ("transposed", r"fc.weight is 7x1280 instead of 1280x7"),
        ("not a number", r"1 tensors not finite numbers \(fc.bias\)"),
        ("whole numbers", r"1 tensors not finite numbers \(fc.bias\)"),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_changes(kind: str, message: str) -> None:
    tensors = paddle_tensors(drawn("lcnet_x0_25"))
    change(tensors, kind)
    model = build_classifier("lcnet_x0_25", 7)
    before = unchanged(model)
    with pytest.raises(ModelFileError, match=message) as caught:
        load_paddle(model, tensors, source="a.pdparams")
    assert str(caught.value).startswith("a.pdparams does not fit lcnet_x0_25: ")
    assert "\n" not in str(caught.value)
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)


def test_another_architecture(tmp_path: Path) -> None:
    path = write_pdparams(tmp_path / "a.pdparams", paddle_tensors(drawn("lcnet_x0_25")))
    with pytest.raises(ModelFileError, match="does not fit lcnet_x0_35"):
        import_classifier(path, "lcnet_x0_35")
    with pytest.raises(ModelFileError, match="does not fit resnet18_vd"):
        import_classifier(path, "resnet18_vd")
    with pytest.raises(OptionError, match="did you mean 'lcnet_x0_25'"):
        import_classifier(path, "lcnet_x025")
    write_pdparams(path, {"a": np.ones(3), "b": np.ones(3)})
    with pytest.raises(ModelFileError, match=r"has no 'fc.bias'.*begin with a, b"):
        import_classifier(path, "lcnet_x0_25")
    with pytest.raises(ModelFileError, match=r"none of its 2 tensors \(a, b\) is one of"):
        load_paddle(build_classifier("lcnet_x0_25", 7), {"a": np.ones(3), "b": np.ones(3)})


@pytest.mark.parametrize(
    ("name", "message"),
    [("a.pdiparams", "import the .pdparams"), ("a.h5", "expected one of .pdparams")],
)
def test_other_kinds_of_files(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(ModelFileError, match=message):
        import_classifier(tmp_path / name, "lcnet_x0_25")


# --- timm -----------------------------------------------------------------------------------------


def timm_state(model: Classifier) -> dict[str, torch.Tensor]:
    ours = model.state_dict()
    state = {theirs: ours[name] for name, theirs in timm_names(model).items()}
    return state | {"bn1.num_batches_tracked": torch.tensor(9)}


def test_timm_names() -> None:
    names = list(timm_names(build_classifier("lcnet_x0_5", 7, last_conv_bias=True)).values())
    assert len(names) == len(set(names)) == 147
    assert names[:3] == ["conv_stem.weight", "bn1.weight", "bn1.bias"]
    assert names[-4:-2] == ["conv_head.weight", "conv_head.bias"]
    assert names[-2:] == ["classifier.weight", "classifier.bias"]
    stages = {".".join(name.split(".")[1:3]) for name in names if name.startswith("blocks.")}
    assert stages == {
        *("0.0", "1.0", "1.1", "2.0", "2.1", "3.0", "3.1"),
        *("4.0", "4.1", "4.2", "4.3", "5.0", "5.1"),
    }
    assert {
        *("blocks.0.0.conv_dw.weight", "blocks.0.0.bn1.running_var", "blocks.3.1.conv_pw.weight"),
        *("blocks.4.3.bn2.bias", "blocks.5.0.se.conv_reduce.weight"),
        "blocks.5.1.se.conv_expand.bias",
    } <= set(names)


def test_timm_shapes() -> None:
    """Channels of timm's lcnet_050 by its own names."""
    model = build_classifier("lcnet_x0_5", 1000, last_conv_bias=True)
    shapes = {name: tuple(value.shape) for name, value in timm_state(model).items()}
    assert shapes["conv_stem.weight"] == (8, 3, 3, 3)
    assert shapes["blocks.3.0.conv_dw.weight"] == (64, 1, 3, 3)
    assert shapes["blocks.3.1.conv_dw.weight"] == (128, 1, 5, 5)
    assert shapes["blocks.5.0.se.conv_reduce.weight"] == (32, 128, 1, 1)
    assert shapes["conv_head.weight"] == (1280, 256, 1, 1)
    assert shapes["classifier.weight"] == (1000, 1280)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("bias", [True, False])
def test_timm_files(tmp_path: Path, suffix: str, bias: bool) -> None:
    reference = drawn("lcnet_x0_25", last_conv_bias=bias)
    path = tmp_path / f"lcnet{suffix}"
    state = {name: value.contiguous() for name, value in timm_state(reference).items()}
    if suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save({"state_dict": state, "epoch": 3}, path)
    model = import_classifier(path, "lcnet_x0_25")
    np.testing.assert_allclose(run(model), run(reference), rtol=1e-5, atol=1e-6)


def test_timm_weights_of_another_width(tmp_path: Path) -> None:
    path = tmp_path / "lcnet.pth"
    torch.save(timm_state(drawn("lcnet_x0_25", last_conv_bias=True)), path)
    with pytest.raises(ModelFileError, match="does not fit lcnet_x0_35"):
        import_classifier(path, "lcnet_x0_35")
    with pytest.raises(OptionError, match="PP-LCNet"):
        import_classifier(path, "resnet18_vd")


class Command:
    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.proof}",)


def test_a_hostile_checkpoint_is_refused(tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    path = tmp_path / "a.pth"
    torch.save({"w": Command(proof)}, path)
    with pytest.raises(ModelFileError, match="not a plain file of PyTorch weights") as caught:
        read_torch(path)
    assert not proof.exists()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04xxxx", b"\x80\x04}.", b"\x00" * 64])
def test_damaged_checkpoints(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    with pytest.raises(ModelFileError) as caught:
        import_classifier(path, "lcnet_x0_25")
    assert "\n" not in str(caught.value)


def test_checkpoints_of_other_things(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="cannot be read"):
        read_torch(tmp_path / "missing.pth")
    with pytest.raises(ModelFileError, match=r"missing.safetensors"):
        read_torch(tmp_path / "missing.safetensors")
    torch.save([1, 2], tmp_path / "a.pth")
    with pytest.raises(ModelFileError, match="no dict of tensors"):
        read_torch(tmp_path / "a.pth")
