"""ESNet: counts, taps and blocks, as the reference publishes them."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from saccade.errors import OptionError
from saccade_train.backbones.esnet import ESNET_RATIOS_M, ESNET_RATIOS_S, ESNet
from saccade_train.layers.macs import count_parameters
from saccade_train.layers.se import SqueezeExcite

torch.set_num_threads(1)

SIZES = {
    "s": (0.75, ESNET_RATIOS_S, 603_659, (96, 192, 384)),
    "m": (1.0, ESNET_RATIOS_M, 1_338_026, (128, 256, 512)),
    "l": (1.25, ESNET_RATIOS_M, 2_077_041, (160, 320, 640)),
}
INNER = {
    "s": "88 48 48 / 96 120 96 120 96 96 96 / 192 192 192",
    "m": "112 64 128 / 160 128 192 160 160 128 160 / 512 320 384",
    "l": "144 80 160 / 200 160 240 200 200 160 200 / 640 400 480",
}


@pytest.mark.parametrize("size", SIZES)
def test_counts_and_widths(size: str) -> None:
    scale, ratios, parameters, channels = SIZES[size]
    with torch.device("meta"):
        net = ESNet(scale, ratios)
    assert count_parameters(net) == parameters
    assert net.feature_channels == dict(zip((4, 8, 16, 32), (24, *channels), strict=True))
    stages = []
    for name in ("stage2", "stage3", "stage4"):
        gates = [one for one in net.get_submodule(name).modules() if isinstance(one, SqueezeExcite)]
        inner = [gate.conv2.out_channels for gate in gates]
        stages.append(" ".join(str(width) for width in [2 * inner[0], *inner[1:]]))
    assert " / ".join(stages) == INNER[size]


@pytest.fixture(scope="module")
def small() -> ESNet:
    torch.manual_seed(0)
    return ESNet(0.25)


@pytest.mark.parametrize(("height", "width"), [(64, 96), (33, 65), (1, 1)])
@torch.no_grad()
def test_taps_lie_at_their_strides(small: ESNet, height: int, width: int) -> None:
    x = torch.randn(2, 3, height, width)
    maps = small.eval().forward_features(x)
    assert [y.shape for y in maps] == [
        (2, channels, math.ceil(height / stride), math.ceil(width / stride))
        for stride, channels in small.feature_channels.items()
    ]
    torch.testing.assert_close(small(x), maps[-1])


def test_every_parameter_gets_a_gradient_and_is_staged_once(small: ESNet) -> None:
    small.train()
    loss = sum(y.square().mean() for y in small.forward_features(torch.randn(2, 3, 64, 64)))
    assert isinstance(loss, torch.Tensor)
    loss.backward()
    for name, parameter in small.named_parameters():
        assert parameter.grad is not None, name
        assert bool(parameter.grad.abs().sum() > 0), name
    staged = [id(p) for group in small.parameter_stages().values() for p in group]
    assert sorted(staged) == sorted(id(p) for p in small.parameters())
    assert list(small.stages()) == ["conv1", "stage2", "stage3", "stage4"]


@torch.no_grad()
def test_half_of_the_channels_passes_a_block_at_stride_1(small: ESNet) -> None:
    block = small.eval().get_submodule("stage3.1")
    x = torch.randn(1, 64, 4, 4)
    y = block(x)
    # Shuffled in two groups: [B, 2, C / 2] -> swap -> flatten.
    torch.testing.assert_close(y.view(1, 32, 2, 4, 4)[:, :, 0], x[:, :32])
    changed = x.clone()
    changed[:, :32] += 1
    torch.testing.assert_close(block(changed)[:, 1::2], y[:, 1::2])


def test_activations(small: ESNet) -> None:
    kinds = [type(module) for module in small.modules()]
    # 3 activations in each of 10 plain blocks would be pw, dw, linear: the depthwise one has none.
    assert kinds.count(nn.Hardswish) == 1 + 10 * 2 + 3 * (1 + 2 + 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": 0}, "scale 0"),
        ({"scale": True}, "scale True"),
        ({"ratios": (0.5,) * 12}, "12 ratios: expected 13"),
        ({"ratios": (0.5,) * 12 + (2.0,)}, r"ratio 2\.0: expected a number above 0, up to 1"),
    ],
)
def test_bad_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        ESNet(**options)  # type: ignore[arg-type]
