from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from drawn_weights import draw_weights
from saccade.errors import OptionError
from saccade_train.backbones.base import Backbone, check_strides
from saccade_train.backbones.lcnet import LCNet
from saccade_train.backbones.mobilenet_v3 import MobileNetV3
from saccade_train.backbones.resnet import HsOptions, ResNet
from saccade_train.layers.depthwise import DepthwiseSeparable
from saccade_train.layers.hs_block import HierarchicalSplit
from saccade_train.layers.se import SqueezeExcite

torch.set_num_threads(1)

BACKBONES: dict[str, Callable[..., Backbone]] = {
    "lcnet": lambda **options: LCNet(0.25, **options),
    "resnet-basic": lambda **options: ResNet(18, width=0.125, **options),
    "resnet-vb": lambda **options: ResNet(26, variant="vb", width=0.125, **options),
    "hs-resnet": lambda **options: ResNet(26, width=0.125, hs=HsOptions(4, 2), **options),
    "hs-resnet-all": lambda **options: ResNet(
        26, width=0.125, hs=HsOptions(3, 3, "all"), **options
    ),
    "mobilenet-small": lambda **options: MobileNetV3("small", 0.35, **options),
    "mobilenet-large": lambda **options: MobileNetV3("large", 0.35, **options),
}


@pytest.fixture(params=BACKBONES)
def make(request: pytest.FixtureRequest) -> Callable[..., Backbone]:
    return BACKBONES[request.param]


@pytest.mark.parametrize(("height", "width"), [(64, 96), (33, 65), (1, 1)])
def test_taps_lie_at_their_strides(make: Callable[..., Backbone], height: int, width: int) -> None:
    backbone = make().eval()
    maps = backbone.forward_features(torch.randn(2, 3, height, width))
    assert [y.shape for y in maps] == [
        (2, channels, math.ceil(height / stride), math.ceil(width / stride))
        for stride, channels in backbone.feature_channels.items()
    ]
    assert list(backbone.feature_channels) == [4, 8, 16, 32]
    assert backbone.out_channels == maps[-1].shape[1]


def test_forward_is_the_last_tap(make: Callable[..., Backbone]) -> None:
    backbone = make().eval()
    x = torch.randn(1, 3, 40, 40)
    torch.testing.assert_close(backbone(x), backbone.forward_features(x)[-1])


def test_strides_change_sizes_and_not_weights(make: Callable[..., Backbone]) -> None:
    plain, text = make().eval(), make(strides=[2, 1, [2, 1], (2, 1), (2, 1)]).eval()
    text.load_state_dict(plain.state_dict())
    maps = text.forward_features(torch.zeros(1, 3, 32, 80))
    assert [tuple(y.shape[2:]) for y in maps] == [(16, 40), (8, 40), (4, 40), (2, 40)]


def test_strides_of_one_network_leave_the_next_alone(make: Callable[..., Backbone]) -> None:
    make(strides=(1, 1, 1, 1, 1))
    assert make()(torch.zeros(1, 3, 64, 64)).shape[2:] == (2, 2)


def test_every_parameter_gets_a_gradient(make: Callable[..., Backbone]) -> None:
    torch.manual_seed(0)
    backbone = make()
    sum(y.square().mean() for y in backbone.forward_features(torch.randn(2, 3, 64, 64))).backward()
    for name, parameter in backbone.named_parameters():
        assert parameter.grad is not None, name
        assert bool(parameter.grad.abs().sum() > 0), name


def test_stages_hold_every_parameter_once(make: Callable[..., Backbone]) -> None:
    backbone = make()
    staged = [id(p) for group in backbone.parameter_stages().values() for p in group]
    assert sorted(staged) == sorted(id(p) for p in backbone.parameters())


def test_stage_names() -> None:
    assert list(LCNet(0.25).stages()) == ["conv1", *(f"blocks{n}" for n in range(2, 7))]
    assert list(ResNet(18, width=0.125).stages()) == ["stem", *(f"stage{n}" for n in range(1, 5))]
    assert [len(group) for group in MobileNetV3("large", 0.35).stages().values()] == [
        *(4, 3, 3, 3, 4)  # the stem with the first three blocks, the last 1x1 with the last three
    ]
    assert len(MobileNetV3("small", 0.35).stages()) == 4


def test_batch_norm_policy() -> None:
    assert [kind.decay_norm for kind in (LCNet, MobileNetV3, ResNet)] == [False, False, True]


def test_lcnet_sizes_at_odd_input() -> None:
    x = torch.zeros(1, 3, 320, 417)
    shapes = {}
    for name, stage in LCNet(0.25).eval().named_children():
        x = stage(x)
        shapes[name] = tuple(x.shape[1:])
    assert shapes == {
        "conv1": (8, 160, 209),
        "blocks2": (8, 160, 209),
        "blocks3": (16, 80, 105),
        "blocks4": (32, 40, 53),
        "blocks5": (64, 20, 27),
        "blocks6": (128, 10, 14),
    }


@pytest.mark.parametrize(
    ("scale", "channels"),
    [
        (0.35, (24, 48, 88, 176)),
        (0.75, (48, 96, 192, 384)),
        (1.0, (64, 128, 256, 512)),
        (1.5, (96, 192, 384, 768)),
        (2.0, (128, 256, 512, 1024)),
        (2.5, (160, 320, 640, 1280)),
    ],
)
def test_lcnet_feature_channels(scale: float, channels: tuple[int, ...]) -> None:
    with torch.device("meta"):
        assert tuple(LCNet(scale).feature_channels.values()) == channels


def test_resnet_feature_channels() -> None:
    with torch.device("meta"):
        assert ResNet(50).feature_channels == {4: 256, 8: 512, 16: 1024, 32: 2048}
        assert ResNet(34).feature_channels == {4: 64, 8: 128, 16: 256, 32: 512}


def blocks_of(net: LCNet) -> list[DepthwiseSeparable]:
    return [block for block in net.modules() if isinstance(block, DepthwiseSeparable)]


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        (True, "0000000000011"),
        (False, "0000000000000"),
        ("1100000000000", "1100000000000"),
    ],
)
def test_lcnet_se_mask(option: bool | str, expected: str) -> None:
    blocks = blocks_of(LCNet(0.25, se=option))
    assert "".join("01"[isinstance(block.se, SqueezeExcite)] for block in blocks) == expected


@pytest.mark.parametrize(
    ("option", "expected"),
    [(True, "3333335555555"), (False, "3" * 13), ("1" * 13, "5" * 13)],
)
def test_lcnet_kernels(option: bool | str, expected: str) -> None:
    blocks = blocks_of(LCNet(0.25, large_kernel=option))
    assert "".join(str(block.dw_conv.conv.kernel_size[0]) for block in blocks) == expected


def test_lcnet_activation_reaches_all_but_the_se() -> None:
    kinds = [type(m).__name__ for m in LCNet(0.25, act="relu").modules()]
    assert kinds.count("ReLU") == 27
    assert kinds.count("Hardswish") == 0
    assert kinds.count("HardSigmoid") == 2


@pytest.mark.parametrize("mask", ["01", "0000000000012", 3, None])
def test_lcnet_bad_mask(mask: object) -> None:
    with pytest.raises(OptionError, match="13 digits"):
        LCNet(0.25, se=mask)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "strides", [(2, 2), "22222", (2, 2, 2, 2, 0), (2, 2, 2, 2, (1, 2, 3)), (2, 2, 2, 2, "2"), 2]
)
def test_bad_strides(strides: object) -> None:
    with pytest.raises(OptionError, match="expected"):
        check_strides(strides, 5)  # type: ignore[arg-type]


def test_mobilenet_without_se() -> None:
    kinds = [type(m).__name__ for m in MobileNetV3("small", 0.35, se=False).modules()]
    assert "SqueezeExcite" not in kinds


def test_mobilenet_se_slope() -> None:
    gates = [m for m in MobileNetV3("small", 0.35).modules() if isinstance(m, SqueezeExcite)]
    assert len(gates) == 9
    assert {se.gate.slope for se in gates} == {0.2}


@pytest.mark.parametrize(
    ("mode", "split"),
    [
        ("all", "1111 1111"),
        ("plain_stride2", "11 01 01 01"),
        ("plain_transition", "01 01 01 01"),
    ],
)
def test_hs_modes(mode: str, split: str) -> None:
    net = ResNet(26, width=0.125, hs=HsOptions(4, 2, mode))  # type: ignore[arg-type]
    found = "".join("01"[isinstance(block.conv1, HierarchicalSplit)] for block in net.blocks)
    assert found == split.replace(" ", "")


def test_hs_widths_double_with_the_stage() -> None:
    net = ResNet(26, width=0.125, hs=HsOptions(4, 3))
    assert [net.blocks[k].conv1.width for k in (1, 3, 5, 7)] == [3, 6, 12, 24]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": 51}, "depth 51"),
        ({"variant": "vc"}, "variant 'vc'"),
        ({"width": 0}, "width 0"),
        ({"depth": 18, "hs": HsOptions()}, "no bottlenecks"),
    ],
)
def test_resnet_bad_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        ResNet(**options)  # type: ignore[arg-type]


def test_hs_bad_options() -> None:
    with pytest.raises(OptionError, match="did you mean 'plain_stride2'"):
        HsOptions(mode="plain_stride")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="at least 2"):
        HsOptions(splits=1)


def test_projection_of_resnet_vd_averages_and_vb_strides() -> None:
    vd, vb = ResNet(18, width=0.125), ResNet(18, variant="vb", width=0.125)
    assert vd.blocks[2].short.conv.stride == (1, 1)
    assert isinstance(vd.blocks[2].short.pool, torch.nn.AvgPool2d)
    assert vb.blocks[2].short.conv.stride == (2, 2)
    assert isinstance(vd.blocks[0].short.pool, torch.nn.Identity)  # first stage: never pooled
    assert "blocks.0.short.conv.weight" in vd.state_dict()


def test_state_dict_order_is_the_reference_order() -> None:
    names = list(LCNet(0.25).state_dict())
    assert names[:6] == [
        "conv1.conv.weight",
        *(f"conv1.bn.{n}" for n in ("weight", "bias", "running_mean", "running_var")),
        "conv1.bn.num_batches_tracked",
    ]
    last = [n for n in names if n.startswith("blocks6.1") and n.endswith("weight")]
    assert [n.split(".", 2)[2] for n in last] == [
        *("dw_conv.conv.weight", "dw_conv.bn.weight", "se.conv1.weight", "se.conv2.weight"),
        *("pw_conv.conv.weight", "pw_conv.bn.weight"),
    ]
    assert draw_weights(LCNet(0.25)) == 143
