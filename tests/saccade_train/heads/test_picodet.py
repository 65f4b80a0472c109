"""Points, decoding and both heads of PicoDet, against slow loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from saccade.errors import OptionError
from saccade_train.heads.picodet import (
    STRIDES,
    PicoHead,
    PicoHeadV2,
    PicoOutput,
    decode_boxes,
    expected_distances,
    grid_points,
)

torch.set_num_threads(1)

Z = [0.1, 0.2, 0.3, 1.0, 0.5, 0.0, -0.5, -1.0]


def test_worked_distance() -> None:
    distances = expected_distances(torch.tensor(Z * 4))
    assert distances.tolist() == pytest.approx([2.983195] * 4, abs=1e-6)


def test_sides_are_told_apart() -> None:
    z = torch.full((4, 8), -50.0)
    z[0, 1], z[1, 3], z[2, 0], z[3, 7] = 50.0, 50.0, 50.0, 50.0
    assert expected_distances(z.flatten()).tolist() == pytest.approx([1, 3, 0, 7])


def slow_decode(output: PicoOutput) -> np.ndarray:
    pictures, points, _ = output.regression.shape
    boxes = np.zeros((pictures, points, 4))
    for n in range(pictures):
        for p in range(points):
            distances = []
            for side in range(4):
                z = output.regression[n, p, 8 * side : 8 * side + 8].tolist()
                weights = [math.exp(value) for value in z]
                mean = sum(j * weight for j, weight in enumerate(weights)) / sum(weights)
                distances.append(mean * float(output.strides[p]))
            x, y = output.points[p].tolist()
            left, top, right, bottom = distances
            boxes[n, p] = x - left, y - top, x + right, y + bottom
    return boxes


def slow_points(height: int, width: int) -> list[tuple[float, float, float]]:
    found: list[tuple[float, float, float]] = []
    for stride in STRIDES:
        for row in range(math.ceil(height / stride)):
            found.extend(
                ((column + 0.5) * stride, (row + 0.5) * stride, stride)
                for column in range(math.ceil(width / stride))
            )
    return found


def map_sizes(height: int, width: int) -> list[tuple[int, int]]:
    return [(math.ceil(height / stride), math.ceil(width / stride)) for stride in STRIDES]


@given(st.integers(1, 9), st.integers(1, 9))
def test_points_against_a_loop(rows: int, columns: int) -> None:
    points, strides = grid_points(map_sizes(32 * rows, 32 * columns))
    found = torch.cat([points, strides[:, None]], dim=1)
    assert found.dtype == torch.float32
    assert [tuple(row) for row in found.tolist()] == slow_points(32 * rows, 32 * columns)


@pytest.mark.parametrize(
    ("side", "counts"),
    [(320, (1600, 400, 100, 25)), (416, (2704, 676, 169, 49)), (640, (6400, 1600, 400, 100))],
)
def test_numbers_of_points(side: int, counts: tuple[int, ...]) -> None:
    _, strides = grid_points(map_sizes(side, side))
    assert tuple(int((strides == stride).sum()) for stride in STRIDES) == counts


def test_boxes_against_a_loop() -> None:
    torch.manual_seed(0)
    points, strides = grid_points(map_sizes(64, 96))
    rows = len(points)
    nothing = torch.zeros(2, rows, 1)
    output = PicoOutput(nothing, nothing, 3 * torch.randn(2, rows, 32), points, strides)
    boxes = decode_boxes(output)
    assert boxes.shape == (2, rows, 4)
    np.testing.assert_allclose(boxes.numpy(), slow_decode(output), rtol=1e-5, atol=1e-4)
    assert bool((boxes[..., 2:] >= boxes[..., :2]).all())


def features(channels: int, height: int = 96, width: int = 64) -> list[Tensor]:
    torch.manual_seed(1)
    return [torch.randn(2, channels, h, w) for h, w in map_sizes(height, width)]


@torch.no_grad()
def test_rows_of_the_first_head_are_cells_in_order() -> None:
    head, maps = PicoHead(8, 3, 1).eval(), features(8)
    output = head(maps)
    assert torch.equal(output.scores, output.logits.sigmoid())
    row = 0
    for level, one in enumerate(maps):
        raw = head.levels[level](one)
        for y in range(one.shape[2]):
            for x in range(one.shape[3]):
                torch.testing.assert_close(output.logits[:, row], raw[:, :3, y, x])
                torch.testing.assert_close(output.regression[:, row], raw[:, 3:, y, x])
                stride = STRIDES[level]
                assert output.points[row].tolist() == [(x + 0.5) * stride, (y + 0.5) * stride]
                row += 1
    assert row == len(output.points) == len(output.strides)


@torch.no_grad()
def test_scores_of_the_second_head() -> None:
    head, maps = PicoHeadV2(8, 3, 1).eval(), features(8)
    for parameter in head.parameters():
        parameter.copy_(torch.randn_like(parameter))
    output = head(maps)
    assert output.scores.shape == output.logits.shape == (2, len(output.points), 3)
    row = 0
    for level, one in enumerate(maps):
        classes, sides, align = head.levels[level](one)
        assert align.shape == (2, 1, *one.shape[2:])
        for y in range(one.shape[2]):
            for x in range(one.shape[3]):
                torch.testing.assert_close(output.regression[:, row], sides[:, :, y, x])
                p, q = classes[:, :, y, x].sigmoid(), align[:, :, y, x].sigmoid()
                torch.testing.assert_close(output.scores[:, row], (p * q + 1e-9).sqrt())
                row += 1


def test_the_gate_spares_the_alignment_and_weighs_the_rest() -> None:
    level = PicoHeadV2(8, 3, 1).eval().levels[0]
    x = torch.randn(1, 8, 6, 6)
    with torch.no_grad():
        before = level(x)
        level.gate.fc.bias.fill_(-50.0)  # shut
        after = level(x)
    torch.testing.assert_close(after[2], before[2])
    assert torch.equal(after[0], level.classes.bias.view(1, 3, 1, 1).expand(1, 3, 6, 6))


@pytest.mark.parametrize("kind", [PicoHead, PicoHeadV2])
def test_half_precision_gives_float32(kind: type[nn.Module]) -> None:
    head = kind(8, 3, 1).eval().bfloat16()
    output = head([one.bfloat16() for one in features(8)])
    assert {value.dtype for value in output} == {torch.float32}
    assert bool(output.scores.isfinite().all())


@pytest.mark.parametrize("kind", [PicoHead, PicoHeadV2])
def test_gradients(kind: type[nn.Module]) -> None:
    head = kind(8, 3, 2)
    output = head(features(8))
    (output.scores.sum() + decode_boxes(output).square().mean()).backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad is not None, name
        assert bool(parameter.grad.isfinite().all()), name


def test_scores_far_below_zero_have_finite_gradients() -> None:
    head = PicoHeadV2(8, 3, 1)
    with torch.no_grad():
        for level in head.levels:
            level.classes.bias.fill_(-200.0)
    output = head(features(8))
    output.scores.sum().backward()
    assert float(output.scores.detach().max()) == pytest.approx(1e-9**0.5, rel=1e-3)
    assert all(bool(p.grad.isfinite().all()) for p in head.parameters() if p.grad is not None)


def test_first_values_of_the_first_head() -> None:
    torch.manual_seed(0)
    level = PicoHead(96, 80, 2).levels[2]
    assert level.predict.bias.detach().numpy() == pytest.approx(np.full(112, -4.59512), abs=1e-5)
    for module in level.modules():
        if isinstance(module, nn.Conv2d):
            assert float(module.weight.detach().std()) == pytest.approx(0.01, rel=0.15)


def test_first_values_of_the_second_head() -> None:
    torch.manual_seed(0)
    level = PicoHeadV2(96, 80, 2).levels[0]
    assert level.classes.bias.detach().numpy() == pytest.approx(np.full(80, -4.59512), abs=1e-5)
    assert level.classes.bias.detach().sigmoid().numpy() == pytest.approx(np.full(80, 0.01))
    assert not level.sides.bias.any() and not level.gate.fc.bias.any()
    spread = {
        name: float(module.weight.detach().std())
        for name, module in level.named_modules()
        if isinstance(module, nn.Conv2d) and module.weight.numel() > 1
    }
    kaiming = math.sqrt(2 / (96 * 25))
    expected = dict.fromkeys(spread, 0.01) | {"gate.fc": 0.001, "align.0.conv": kaiming}
    assert spread == pytest.approx(expected, rel=0.15)


@pytest.mark.parametrize("kind", [PicoHead, PicoHeadV2])
def test_bad_numbers(kind: type[nn.Module]) -> None:
    with pytest.raises(OptionError, match="number of classes 0: expected a whole number"):
        kind(8, 0, 2)
    with pytest.raises(OptionError, match="tower convolutions 0"):
        kind(8, 3, 0)
