"""PaddleDetection's weights in, through files as Paddle writes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from drawn_weights import draw_weights
from paddle_files import paddle_detector_tensors as as_paddle
from paddle_files import write_pdparams
from saccade.errors import ModelFileError, OptionError
from saccade_train.models.detector import DETECTORS, PicoDet, build_detector
from saccade_train.paddle.detect import (
    import_detector,
    load_paddle_detector,
    paddle_detector_names,
)

torch.set_num_threads(1)

BN = ("weight", "bias", "_mean", "_variance")

# Tensors in the state dict of the reference, with what is left alone.
SIZES = {
    "picodet_xs": 463,
    "picodet_s": 463,
    "picodet_m": 543,
    "picodet_l": 543,
    "picodet_v1_s": 580,
    "picodet_v1_m": 660,
    "picodet_v1_l": 660,
}


def drawn(name: str, classes: int = 3) -> PicoDet:
    model = build_detector(name, classes)
    draw_weights(model)
    return model.eval()


def both(name: str) -> set[str]:
    return {f"{name}.weight", f"{name}.bias"}


def conv_bn(name: str, conv: str = "conv", bn: str = "bn") -> set[str]:
    return {f"{name}.{conv}.weight", *(f"{name}.{bn}.{tensor}" for tensor in BN)}


def dp(name: str) -> set[str]:
    return {
        f"{name}.{layer}.{tensor}"
        for layer, tensors in (("dwconv", BN[:1]), ("bn1", BN), ("pwconv", BN[:1]), ("bn2", BN))
        for tensor in tensors
    }


def lcnet_names() -> set[str]:
    names = conv_bn("backbone.conv1")
    for stage, blocks in ((2, 1), (3, 2), (4, 2), (5, 6), (6, 2)):
        for block in range(blocks):
            place = f"backbone.blocks{stage}.{block}"
            names |= conv_bn(f"{place}.dw_conv") | conv_bn(f"{place}.pw_conv")
            if stage == 6:
                names |= both(f"{place}.se.conv1") | both(f"{place}.se.conv2")
    return names


def esnet_names() -> set[str]:
    names = conv_bn("backbone._conv1", "_conv", "_batch_norm")
    first = "dw_1 linear_1 pw_2 dw_2 linear_2 dw_mv1 pw_mv1"
    for stage, blocks in ((2, 3), (3, 7), (4, 3)):
        for block in range(1, blocks + 1):
            place = f"backbone.{stage}_{block}"
            for conv in (first if block == 1 else "pw dw linear").split():
                names |= conv_bn(f"{place}._conv_{conv}", "_conv", "_batch_norm")
            names |= both(f"{place}._se.conv1") | both(f"{place}._se.conv2")
    return names


def neck_names(*, csp: bool) -> set[str]:
    names = dp("neck.first_top_conv") | dp("neck.second_top_conv")
    for number in range(3):
        names |= conv_bn(f"neck.conv_t.convs.{number}")
    for number in range(2):
        names |= dp(f"neck.downsamples.{number}")
        for way in ("top_down_blocks", "bottom_up_blocks"):
            block = f"neck.{way}.{number}"
            if csp:
                for conv in ("main_conv", "short_conv", "final_conv", "blocks.0.conv1"):
                    names |= conv_bn(f"{block}.{conv}")
                names |= dp(f"{block}.blocks.0.conv2")
            else:
                for step in range(2):
                    names |= conv_bn(f"{block}.{step}.dw_conv")
                    names |= conv_bn(f"{block}.{step}.pw_conv")
    return names


def head_names(convs: int, *, second: bool) -> set[str]:
    names: set[str] = set()
    for level in range(4):
        for number in range(convs):
            for part in ("dw", "pw"):
                name = f"head.conv_feat.cls_conv_{part}{level}.{number}"
                names |= conv_bn(name, "conv", "norm")
        names |= both(f"head.head_cls{level}")
        if second:
            names |= both(f"head.head_reg{level}") | dp(f"head.cls_align.{level}")
            names |= both(f"head.conv_feat.se.{level}.fc")
            names |= conv_bn(f"head.conv_feat.se.{level}.conv", "conv", "norm")
    return names


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("picodet_s", lcnet_names() | neck_names(csp=False) | head_names(2, second=True)),
        ("picodet_m", lcnet_names() | neck_names(csp=False) | head_names(4, second=True)),
        ("picodet_v1_s", esnet_names() | neck_names(csp=True) | head_names(2, second=False)),
        (
            "picodet_v1_lcnet_x2_5",
            lcnet_names() | neck_names(csp=True) | head_names(4, second=False),
        ),
    ],
)
def test_names(name: str, expected: set[str]) -> None:
    names = list(paddle_detector_names(build_detector(name, 3)).values())
    assert len(names) == len(expected)
    assert set(names) == expected


@pytest.mark.parametrize("name", DETECTORS)
def test_every_size_through_a_file(name: str, tmp_path: Path) -> None:
    reference = drawn(name)
    tensors = as_paddle(reference)
    if name in SIZES:
        assert len(tensors) == SIZES[name]
    path = write_pdparams(tmp_path / "weights.pdparams", tensors)
    model = import_detector(path, name)
    assert not model.training
    assert model.num_classes == 3
    other = model.state_dict()
    for key, value in reference.state_dict().items():
        if not key.endswith("num_batches_tracked"):
            assert torch.equal(other[key], value), key


def test_the_outputs_are_those_of_the_layers_of_that_name() -> None:
    """Marks put at Paddle's names come out where they belong."""
    model = build_detector("picodet_xs", 2).eval()
    tensors = as_paddle(drawn("picodet_xs", 2))
    for level in range(4):
        tensors[f"head.head_cls{level}.weight"] = np.zeros((2, 96, 1, 1), np.float32)
        tensors[f"head.head_cls{level}.bias"] = np.array([level, -level], np.float32)
    load_paddle_detector(model, tensors)
    with torch.no_grad():
        output = model(torch.zeros(1, 3, 64, 64))
    level = output.strides.log2() - 3
    torch.testing.assert_close(output.logits[0], torch.stack([level, -level], dim=1))


def test_what_does_not_fit_changes_nothing() -> None:
    model = build_detector("picodet_xs", 3)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    tensors = as_paddle(drawn("picodet_xs"))
    cut = {name: value for name, value in tensors.items() if name != "head.cls_align.2.bn1._mean"}
    with pytest.raises(ModelFileError, match=r"1 tensors missing \(head\.cls_align\.2\.bn1\._mean"):
        load_paddle_detector(model, cut, source="xs.pdparams")
    with pytest.raises(ModelFileError, match=r"1 tensors unknown \(head\.p7_feat\.scale_reg\)"):
        load_paddle_detector(model, {**tensors, "head.p7_feat.scale_reg": np.ones(1)})
    nan = {**tensors, "head.head_cls0.bias": np.full(3, np.nan, np.float32)}
    with pytest.raises(ModelFileError, match="not finite numbers"):
        load_paddle_detector(model, nan)
    with pytest.raises(ModelFileError, match=r"head\.head_cls0\.bias is 4 instead of 3"):
        load_paddle_detector(model, {**tensors, "head.head_cls0.bias": np.zeros(4, np.float32)})
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])


def test_the_wrong_architecture(tmp_path: Path) -> None:
    second = write_pdparams(tmp_path / "s.pdparams", as_paddle(drawn("picodet_s")))
    first = write_pdparams(tmp_path / "v1.pdparams", as_paddle(drawn("picodet_v1_s")))
    with pytest.raises(ModelFileError, match=r"does not fit picodet_xs: .*of another shape"):
        import_detector(second, "picodet_xs")
    with pytest.raises(ModelFileError, match=r"second generation; expected one of picodet_xs, "):
        import_detector(second, "picodet_v1_s")
    with pytest.raises(ModelFileError, match=r"first generation; expected one of picodet_v1_s, "):
        import_detector(first, "picodet_s")
    with pytest.raises(ModelFileError, match=r"does not fit picodet_v1_m: .*tensors missing"):
        import_detector(first, "picodet_v1_m")
    with pytest.raises(OptionError, match="unknown detector 'picodet'; "):
        import_detector(first, "picodet")


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({}, "no PicoDet; its tensors begin with nothing"),
        ({"fc.bias": np.zeros(3, np.float32)}, r"no PicoDet; its tensors begin with fc\.bias"),
        ({"head.head_cls0.bias": np.zeros((2, 2), np.float32)}, "no PicoDet"),
        ({"head.head_cls0.bias": np.zeros(32, np.float32)}, "of 32 numbers has no classes"),
    ],
)
def test_a_file_without_classes(
    tmp_path: Path, tensors: dict[str, np.ndarray], message: str
) -> None:
    path = write_pdparams(tmp_path / "x.pdparams", tensors)
    with pytest.raises(ModelFileError, match=message):
        import_detector(path, "picodet_v1_s")


def test_a_file_of_another_kind(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"import the \.pdparams file instead"):
        import_detector(tmp_path / "model.pdiparams", "picodet_s")
    with pytest.raises(ModelFileError, match="cannot be read"):
        import_detector(tmp_path / "missing.pdparams", "picodet_s")
    (tmp_path / "cut.pdparams").write_bytes(b"\x80\x04}")
    with pytest.raises(ModelFileError, match="truncated or damaged"):
        import_detector(tmp_path / "cut.pdparams", "picodet_s")
