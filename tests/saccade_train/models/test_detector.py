"""Counts, shapes and behaviour of the detectors, as the reference publishes them."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from saccade.errors import OptionError
from saccade_train.heads.picodet import PicoOutput, decode_boxes
from saccade_train.layers.macs import count_macs, count_parameters
from saccade_train.models.detector import DETECTORS, build_detector

torch.set_num_threads(1)

# Of 80 classes: all parameters; backbone, neck and head; multiply-adds at 320, 416 and 640.
COUNTS = {
    "picodet_xs": (
        704_254,
        [136_810, 343_488, 223_956],
        [330_749_549, 559_392_566, 1_322_829_524],
    ),
    "picodet_s": (
        1_186_492,
        [584_488, 378_048, 223_956],
        [481_103_149, 813_439_918, 1_924_025_524],
    ),
    "picodet_m": (
        3_465_316,
        [2_235_792, 704_768, 524_756],
        [1_272_970_701, 2_152_043_022, 5_090_580_276],
    ),
    "picodet_l": (
        5_804_500,
        [3_929_792, 1_096_000, 778_708],
        [2_085_754_285, 3_525_921_454, 8_340_743_860],
    ),
    "picodet_v1_s": (
        992_715,
        [603_659, 249_600, 139_456],
        [350_963_528, 593_460_248, 1_403_617_928],
    ),
    "picodet_v1_m": (
        2_152_554,
        [1_338_026, 435_200, 379_328],
        [716_313_120, 1_211_289_408, 2_864_514_720],
    ),
    "picodet_v1_l": (
        3_305_009,
        [2_077_041, 672_000, 555_968],
        [1_084_338_792, 1_833_587_088, 4_336_201_992],
    ),
    "picodet_v1_lcnet_x1_0": (1_830_688, [1_016_160, 435_200, 379_328], [714_570_240]),
    "picodet_v1_lcnet_x1_5": (3_107_664, [2_235_792, 492_544, 379_328], [1_100_887_040]),
    "picodet_v1_lcnet_x2_5": (7_084_720, [6_098_160, 607_232, 379_328], [2_286_643_200]),
}


@pytest.mark.parametrize("name", DETECTORS)
@pytest.mark.usefixtures("shapes_only")
def test_counts(name: str) -> None:
    model = build_detector(name, 80).to("meta")
    whole, parts, macs = COUNTS[name]
    assert count_parameters(model) == whole
    assert [count_parameters(part) for part in model.children()] == parts
    sides = (320, 416, 640)[: len(macs)]
    assert [count_macs(model, side, side) for side in sides] == macs


SMALL = ("picodet_xs", "picodet_v1_s")


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize(("height", "width"), [(32, 32), (64, 160), (224, 96)])
@torch.no_grad()
def test_any_multiples_of_32(name: str, height: int, width: int) -> None:
    model = build_detector(name, 3).eval()
    output = model(torch.randn(2, 3, height, width))
    points = sum(math.ceil(height / s) * math.ceil(width / s) for s in (8, 16, 32, 64))
    assert output.scores.shape == output.logits.shape == (2, points, 3)
    assert output.regression.shape == (2, points, 32)
    assert output.points.shape == (points, 2)
    assert output.strides.shape == (points,)
    assert decode_boxes(output).shape == (2, points, 4)
    assert float(output.scores.min()) >= 0 and float(output.scores.max()) <= 1
    inside = output.points[output.strides <= 32]
    assert float(inside[:, 0].max()) < width and float(inside[:, 1].max()) < height


@pytest.mark.parametrize("name", SMALL)
@torch.no_grad()
def test_a_picture_lying_on_its_side_gives_the_same_rows_elsewhere(name: str) -> None:
    """Transposed kernels on a transposed picture: every point says what its mirror image said."""
    torch.manual_seed(0)
    # In training mode, so that normalisation keeps fresh weights from saying nothing at all.
    model = build_detector(name, 3).train()
    x = torch.randn(2, 3, 64, 224)
    output = model(x)
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.copy_(module.weight.transpose(2, 3).clone())
    other = model(x.transpose(2, 3))
    where = {(s, x, y): row for row, (s, x, y) in enumerate(_places(output))}
    mirrored = [where[s, y, x] for s, x, y in _places(other)]
    assert mirrored != sorted(mirrored)
    assert float(output.regression.std()) > 0.01
    for found, expected in zip(other[:3], output[:3], strict=True):
        torch.testing.assert_close(found, expected[:, mirrored], rtol=1e-3, atol=1e-4)


def _places(output: PicoOutput) -> list[tuple[float, float, float]]:
    rows = torch.cat([output.strides[:, None], output.points], dim=1).tolist()
    return [(s, x, y) for s, x, y in rows]


@pytest.mark.parametrize("name", SMALL)
def test_training(name: str) -> None:
    torch.manual_seed(0)
    model = build_detector(name, 2).train()
    output = model(torch.randn(2, 3, 64, 96))
    (output.scores.square().mean() + decode_boxes(output).square().mean() / 1e4).backward()
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert bool(parameter.grad.isfinite().all()), parameter_name


@torch.no_grad()
def test_a_fresh_detector_finds_nothing() -> None:
    torch.manual_seed(0)
    for name in SMALL:
        output = build_detector(name, 4).eval()(torch.randn(1, 3, 64, 64))
        probability = output.logits.sigmoid()
        assert float(probability.max()) < 0.02, name
        assert float(output.scores.max()) < 0.2, name


@pytest.mark.parametrize("name", SMALL)
def test_neck_width(name: str) -> None:
    narrow, standard = build_detector(name, 3, neck_channels=64), build_detector(name, 3)
    output = narrow.eval()(torch.zeros(1, 3, 64, 64))
    assert narrow.neck.out_channels == 64
    assert count_parameters(narrow.backbone) == count_parameters(standard.backbone)
    assert count_parameters(narrow.neck) < count_parameters(standard.neck)
    assert count_parameters(narrow.head) < count_parameters(standard.head)
    assert output.scores.shape == (1, 85, 3)


def test_attributes() -> None:
    with torch.device("meta"):
        model = build_detector("picodet_s", 7)
    assert (model.architecture, model.num_classes, model.decay_norm) == ("picodet_s", 7, False)


@pytest.mark.parametrize(("height", "width"), [(320, 330), (33, 64), (16, 32)])
def test_other_sizes_are_refused(height: int, width: int) -> None:
    with torch.device("meta"):
        model = build_detector("picodet_xs", 3)
        with pytest.raises(OptionError, match=f"{height}x{width} pixels.*multiples of 32"):
            model(torch.zeros(1, 3, height, width))


@pytest.mark.parametrize(
    ("name", "classes", "options", "message"),
    [
        ("picodet_sx", 3, {}, "unknown detector 'picodet_sx'; .*picodet_"),
        ("picodet_s", 0, {}, "number of classes 0"),
        ("picodet_s", 3, {"neck_channels": 0}, "neck channels 0"),
        ("picodet_s", 3, {"neck_channels": 96.0}, r"neck channels 96\.0"),
        ("picodet_v1_s", 3, {"neck_channels": 95}, "neck channels 95: expected an even number"),
    ],
)
def test_errors(name: str, classes: int, options: dict[str, int], message: str) -> None:
    with torch.device("meta"), pytest.raises(OptionError, match=message):
        build_detector(name, classes, **options)
