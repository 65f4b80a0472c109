"""Outputs of the reference detectors for weights drawn by rule (original Paddle code, CPU, fp32).

The rule knows no names: tensor values depend on the number of elements alone.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from saccade_train.heads.picodet import decode_boxes
from saccade_train.models.detector import build_detector

torch.set_num_threads(1)

Pair = tuple[float, float]


def uniform(count: int, offset: int) -> np.ndarray:
    """Numbers in -0.5..0.5 by an integer hash of ``offset`` .. ``offset + count - 1``."""
    v = np.arange(offset, offset + count, dtype=np.uint64) * 2654435761 % 2**32
    v ^= v >> 15
    v = v * 2246822519 % 2**32
    v ^= v >> 13
    return v / 2**32 - 0.5


def fill(model: nn.Module, norm: float) -> None:
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            n, fan_in = module.weight.numel(), module.weight[0].numel()
            weight = uniform(n, n) * np.sqrt(12) * np.sqrt(2 / fan_in)
            module.weight.copy_(torch.from_numpy(weight.reshape(module.weight.shape)))
            if module.bias is not None:
                size = module.bias.numel()
                module.bias.copy_(torch.from_numpy(0.2 * uniform(size, size)))
        elif isinstance(module, nn.BatchNorm2d):
            module.weight.fill_(norm)


@torch.no_grad()
def run(name: str, side: int, norm: float) -> tuple[list[Tensor], Tensor, Tensor]:
    """The maps C3..C5 and P3..P6, the scores and the boxes."""
    model = build_detector(name, 80).eval()
    fill(model, norm)
    picture = 2 * uniform(3 * side * side, 0).reshape(1, 3, side, side)
    x = torch.from_numpy(picture.astype(np.float32))
    maps: list[Tensor] = []
    model.neck.register_forward_hook(lambda _m, inputs, ys: maps.extend([*inputs[0][1:], *ys]))
    output = model(x)
    return maps, output.scores, decode_boxes(output)[0]


def moments(x: Tensor) -> Pair:
    return float(x.double().mean()), float(x.double().std(correction=0))


# C3, C4, C5, P3, P4, P5, P6, scores: mean and deviation; the largest score, and where.
GOLDEN: dict[str, tuple[float, list[Pair], float, tuple[int, int] | None]] = {
    "picodet_xs": (
        1.25,
        [
            *[(0.175654, 0.639049), (0.690946, 1.62284), (0.0993759, 0.423809)],
            *[(1.51212, 3.18016), (4.05197, 7.33607), (8.15388, 13.131), (12.0407, 19.537)],
            (0.372004, 0.309915),
        ],
        0.760055,
        (4, 1263),
    ),
    "picodet_s": (
        1.23,
        [
            *[(0.120609, 0.47518), (0.374504, 1.05383), (0.145713, 0.551626)],
            *[(0.660121, 1.81899), (1.80479, 3.92751), (3.92278, 6.257), (5.56411, 9.03007)],
            (0.43018, 0.257043),
        ],
        0.759234,
        (1, 424),
    ),
    "picodet_m": (
        1.21,
        [
            *[(0.278829, 0.808966), (2.38145, 3.74063), (1.71681, 2.86254)],
            *[(4.85661, 7.8926), (9.1971, 14.2794), (12.2193, 19.4497), (15.0003, 21.3462)],
            (0.349324, 0.344018),
        ],
        0.758242,
        (0, 1148),
    ),
    "picodet_l": (
        1.20,
        [
            *[(0.371133, 0.966951), (1.79774, 3.11745), (1.46176, 2.53654)],
            *[(2.84027, 4.56654), (4.75855, 7.06888), (5.87205, 8.97291), (8.84613, 11.1009)],
            (0.161653, 0.268837),
        ],
        0.758039,
        (6, 447),
    ),
    "picodet_v1_s": (
        1.12,
        [
            *[(0.909057, 1.65488), (0.799653, 1.48871), (1.22246, 2.16344)],
            *[(1.25752, 2.07369), (1.71407, 2.98407), (1.88172, 3.16551), (3.41779, 5.14453)],
            (0.571861, 0.397192),
        ],
        1.0,
        None,  # many scores round to 1
    ),
    "picodet_v1_m": (
        1.08,
        [
            *[(0.461654, 1.11291), (0.0775287, 0.38382), (0.0278254, 0.182112)],
            *[(0.139151, 0.571053), (0.029467, 0.257701)],
            *[(0.0052725, 0.0605544), (0.0108188, 0.085898), (0.496653, 0.0658457)],
        ],
        0.889600,
        (72, 1266),
    ),
    "picodet_v1_l": (
        1.12,
        [
            *[(0.352129, 0.95987), (0.13662, 0.559146), (0.08158, 0.402474)],
            *[(0.151135, 0.553981), (0.00445666, 0.170363)],
            *[(0.0166441, 0.122743), (0.0402733, 0.233392), (0.500626, 0.0369556)],
        ],
        0.713232,
        (22, 648),
    ),
}
# The box of the first point, of the last point, and the mean of all.
BOXES = {
    "picodet_xs": [
        (-26.0367, -23.2140, 31.3439, 32.1576),
        (-95.9997, 160.0, 352.0, 608.0),
        (108.6621, 116.4912, 181.8154, 185.5041),
    ],
    "picodet_s": [
        (-23.7317, -23.6908, 32.0916, 31.8807),
        (66.7402, -159.9999, 289.0034, 288.0018),
        (115.0002, 116.2473, 183.4853, 188.5585),
    ],
    "picodet_m": [
        (-20.0008, -4.0005, 16.4783, 54.3849),
        (95.9999, 224.0, 608.0, 352.5856),
        (124.8892, 147.5391, 208.3744, 232.2068),
    ],
    "picodet_l": [
        (-15.9390, -33.3834, 33.9689, 51.9024),
        (32.0, -91.1383, 671.9992, 416.0070),
        (111.7218, 114.4263, 196.3676, 219.7614),
    ],
    "picodet_v1_s": [
        (-30.2852, -20.9178, 29.8584, 34.1251),
        (222.4601, 176.3961, 342.0232, 600.7247),
        (117.7416, 112.2323, 213.3987, 217.2600),
    ],
    "picodet_v1_m": [
        (-24.4326, -24.5637, 32.3134, 32.1749),
        (61.6526, 64.1956, 511.2823, 513.8998),
        (119.5612, 120.3001, 198.9944, 199.4878),
    ],
    "picodet_v1_l": [
        (-24.4632, -24.4234, 31.4276, 31.8698),
        (61.3544, 64.8218, 510.0236, 514.3278),
        (119.8491, 120.9289, 199.3909, 199.7312),
    ],
}


def test_the_rule() -> None:
    expected = [-0.5, -0.13641977, 0.33194042, -0.44155899, -0.3129217, 0.33968852]
    expected += [-0.44176235, -0.1260955]
    assert uniform(8, 0) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(name: str) -> None:
    norm, golden, highest, place = GOLDEN[name]
    maps, scores, boxes = run(name, 320, norm)
    assert [tuple(one.shape[2:]) for one in maps] == [(n, n) for n in (40, 20, 10, 40, 20, 10, 5)]
    assert scores.shape == (1, 2125, 80)
    for found, expected in zip(map(moments, [*maps, scores]), golden, strict=True):
        assert found == pytest.approx(expected, rel=1e-4)
    assert float(scores.max()) == pytest.approx(highest, rel=1e-4)
    if place is not None:  # the value there, not the place: ties at saturated scores move
        label, point = place
        assert float(scores[0, point, label]) == pytest.approx(highest, rel=1e-4)
    found_boxes = np.stack([boxes[0].numpy(), boxes[-1].numpy(), boxes.mean(dim=0).numpy()])
    np.testing.assert_allclose(found_boxes, np.array(BOXES[name]), rtol=0, atol=0.05)


def test_golden_at_416() -> None:
    maps, scores, boxes = run("picodet_xs", 416, 1.25)
    assert scores.shape == (1, 3598, 80)
    assert moments(maps[3]) == pytest.approx((1.98594, 4.08154), rel=1e-4)
    assert moments(maps[6]) == pytest.approx((12.6473, 21.6922), rel=1e-4)
    assert moments(scores) == pytest.approx((0.364397, 0.317858), rel=1e-4)
    mean = [154.8578, 163.7320, 228.9363, 231.5399]
    np.testing.assert_allclose(boxes.mean(dim=0).numpy(), mean, rtol=0, atol=0.05)
