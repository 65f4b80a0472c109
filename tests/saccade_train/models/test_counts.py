"""Parameters, state and multiply-adds, to the unit. Everything runs on the meta device."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from saccade_train.backbones.lcnet import LCNet
from saccade_train.backbones.mobilenet_v3 import MobileNetV3
from saccade_train.layers.macs import count_macs, count_parameters, count_state
from saccade_train.layers.rep_depthwise import RepDepthwiseSeparable
from saccade_train.models.classifier import Classifier, build_classifier

pytestmark = pytest.mark.usefixtures("shapes_only")


def meta(name: str, **options: Any) -> Classifier:
    with torch.device("meta"):
        return build_classifier(name, 1000, **options)


def counts(model: Classifier) -> tuple[int, int, int]:
    return count_parameters(model), count_state(model), count_macs(model, 224, 224)


def state_tensors(model: Classifier) -> int:
    return sum(not name.endswith("num_batches_tracked") for name in model.state_dict())


LCNET = {
    "lcnet_x0_25": (1_521_184, 1_523_936, 16_773_440, 76_344),
    "lcnet_x0_35": (1_643_090, 1_646_930, 27_357_832, 136_810),
    "lcnet_x0_5": (1_879_576, 1_885_048, 44_731_008, 270_896),
    "lcnet_x0_75": (2_357_008, 2_365_232, 94_786_496, 584_488),
    "lcnet_x1_0": (2_952_520, 2_963_464, 155_700_480, 1_016_160),
    "lcnet_x1_5": (4_499_832, 4_516_248, 334_188_416, 2_235_792),
    "lcnet_x2_0": (6_521_512, 6_543_400, 580_194_816, 3_929_792),
    "lcnet_x2_5": (9_017_560, 9_044_920, 893_719_680, 6_098_160),
}


@pytest.mark.parametrize("name", LCNET)
def test_lcnet(name: str) -> None:
    model = meta(name)
    *expected, trunk = LCNET[name]
    assert counts(model) == tuple(expected)
    assert count_parameters(model.backbone) == trunk
    assert state_tensors(model) == 146


# Parameters with and without the joined kernels, as the reference has them, and multiply-adds.
LCNET_V2 = {
    "lcnet_v2_small": (4_193_448, 4_092_840, 283_463_168, 280_320_896),
    "lcnet_v2_base": (6_800_360, 6_624_232, 600_072_192, 593_875_456),
    "lcnet_v2_large": (10_716_840, 10_444_200, 1_092_344_320, 1_082_089_600),
}


@pytest.mark.parametrize("name", LCNET_V2)
def test_lcnet_v2(name: str) -> None:
    model = meta(name)
    blocks = [m for m in model.modules() if isinstance(m, RepDepthwiseSeparable) and m.rep]
    # 5x5 and a bias of each channel; the reference keeps them unused beside the parallel ones.
    joined = sum(26 * block.dw_conv_list[0].conv.in_channels for block in blocks)
    parallel = sum(count_parameters(block.dw_conv_list) for block in blocks)
    with_joined, deployed, macs, deployed_macs = LCNET_V2[name]
    assert count_parameters(model) + joined == with_joined
    assert count_parameters(model) + joined - parallel == deployed
    assert count_macs(model, 224, 224) == macs
    for block in blocks:
        block.dw_conv_list = block.dw_conv_list[:1]
    assert count_macs(model, 224, 224) == deployed_macs


# Beyond x1.0 the reference publishes rounded numbers only.
MOBILENET_V3 = {
    "mobilenet_v3_large_x1_0": (5_480_206, 5_504_638, 219_799_200),
    "mobilenet_v3_small_x1_0": (2_939_958, 2_952_102, 60_119_520),
}
MOBILENET_V3_ROUNDED = {
    "mobilenet_v3_small_x0_35": 1.66,
    "mobilenet_v3_small_x1_25": 3.6,
    "mobilenet_v3_large_x0_35": 2.1,
}


@pytest.mark.parametrize("name", MOBILENET_V3)
def test_mobilenet_v3(name: str) -> None:
    assert counts(meta(name)) == MOBILENET_V3[name]


@pytest.mark.parametrize("name", MOBILENET_V3_ROUNDED)
def test_mobilenet_v3_of_other_widths(name: str) -> None:
    millions = count_parameters(meta(name)) / 1e6
    assert millions == pytest.approx(MOBILENET_V3_ROUNDED[name], abs=0.05)


RESNET = {
    "resnet18_vd": (11_712_968, 11_722_824, 2_066_558_976, 117),
    "resnet34_vd": (21_821_128, 21_838_408, 3_916_247_040, 197),
    "resnet50": (25_557_032, 25_610_152, 4_089_184_256, 267),
    "resnet50_vd": (25_576_264, 25_629_512, 4_328_824_832, 277),
    "resnet101_vd": (44_568_392, 44_673_864, 8_041_046_016, 532),
    "resnet152_vd": (60_212_040, 60_363_592, 11_753_267_200, 787),
    "resnet200_vd": (74_738_504, 74_933_064, 15_247_122_432, 1027),
}


@pytest.mark.parametrize("name", RESNET)
def test_resnet(name: str) -> None:
    model = meta(name)
    *expected, tensors = RESNET[name]
    assert counts(model) == tuple(expected)
    assert state_tensors(model) == tensors


# (s, w): parameters and 10^-4 G multiply-adds in the modes all, plain_stride2, plain_transition
HS_RESNET50 = {
    (8, 8): ((18_038_233, 3.0891), (20_099_975, 3.3206), (20_125_043, 3.3994)),
    (4, 16): ((18_724_496, 3.2089), (20_599_264, 3.4189), (20_621_576, 3.4889)),
    (5, 12): ((17_584_437, 3.0064), (19_235_730, 3.1914), (19_255_567, 3.2536)),
    (5, 13): ((18_984_997, 3.2463), (20_924_946, 3.4644), (20_948_635, 3.5388)),
    (6, 10): ((17_419_052, 2.9740), (19_114_825, 3.1646), (19_135_496, 3.2296)),
    (6, 14): ((24_537_357, 4.2241), (27_860_044, 4.5969), (27_899_930, 4.7222)),
    (5, 16): ((23_556_464, 4.0553), (26_492_264, 4.3841), (26_527_184, 4.4938)),
    (3, 28): ((24_227_008, 4.1797), (27_635_448, 4.5614), (27_676_048, 4.6886)),
    (5, 20): ((30_395_842, 5.2411), (34_983_187, 5.7550), (35_038_097, 5.9273)),
    (4, 26): ((31_908_010, 5.5022), (36_858_683, 6.0567), (36_918_017, 6.2428)),
    (8, 14): ((32_855_257, 5.6759), (39_172_715, 6.3845), (39_248_819, 6.6235)),
    (5, 28): ((46_683_101, 8.0440), (55_674_650, 9.0512), (55_782_111, 9.3884)),
    (6, 28): ((58_914_575, 10.1376), (72_201_153, 11.6265), (72_359_934, 12.1248)),
    (8, 28): ((84_014_766, 14.4309), (109_272_030, 17.2612), (109_573_821, 18.2084)),
}


@pytest.mark.parametrize(("splits", "width"), HS_RESNET50)
def test_hs_resnet50(splits: int, width: int) -> None:
    modes = ("all", "plain_stride2", "plain_transition")
    for mode, (parameters, giga) in zip(modes, HS_RESNET50[splits, width], strict=True):
        model = meta("hs_resnet50", hs_splits=splits, hs_width=width, hs_mode=mode)
        assert count_parameters(model) == parameters
        assert round(count_macs(model, 224, 224) / 1e9, 4) == giga


def test_hs_resnet50_multiply_adds_to_the_unit() -> None:
    default = meta("hs_resnet50")
    assert (count_parameters(default), count_macs(default, 224, 224)) == (20_099_975, 3_320_629_154)
    wide = meta("hs_resnet50", hs_splits=5, hs_width=16)
    assert count_macs(wide, 224, 224) == 4_384_131_328
    everywhere = meta("hs_resnet50", hs_splits=5, hs_width=16, hs_mode="all")
    assert count_macs(everywhere, 224, 224) == 4_055_265_280


@pytest.mark.parametrize(
    ("width", "splits", "group"), [(0.25, 6, 3), (0.5, 4, 9), (0.5, 6, 6), (1.0, 4, 18)]
)
def test_small_pairs_of_equal_size(width: float, splits: int, group: int) -> None:
    """Settings for a fair comparison: the HS form is never the larger one, nor much smaller."""
    plain = count_parameters(meta("resnet26_vd", width=width))
    split = count_parameters(meta("hs_resnet26", width=width, hs_splits=splits, hs_width=group))
    assert 0.975 * plain < split <= plain


def test_text_trunks() -> None:
    strides = (2, (2, 1), (2, 1), (2, 1), (2, 1))
    with torch.device("meta"):
        detector = MobileNetV3("large", 0.5, se=False)
        direction = MobileNetV3("small", 0.35, strides=strides)
        recogniser = LCNet(1.0, strides=(2, 1, (2, 1), (2, 1), (2, 1)))
        sizes = [tuple(y.shape[1:]) for y in detector.forward_features(torch.zeros(1, 3, 640, 640))]
        line = torch.zeros(1, 3, 32, 320)
        assert recogniser(line).shape == (1, 512, 2, 160)  # a 2x2 max pool follows: 1 x 80
        assert direction(torch.zeros(1, 3, 48, 192)).shape == (1, 200, 2, 96)
    assert sizes == [(16, 160, 160), (24, 80, 80), (56, 40, 40), (480, 20, 20)]
    assert count_parameters(detector) == 398_480
    assert count_parameters(direction) == 128_954
    assert count_parameters(recogniser) == 1_016_160
