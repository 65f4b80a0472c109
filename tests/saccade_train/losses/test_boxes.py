"""Losses of class scores and of boxes: worked numbers, slow loops, gradients."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from saccade_train.heads.picodet import expected_distances
from saccade_train.losses.dfl import dfl_loss, side_distances
from saccade_train.losses.iou import ciou_loss, diou_loss, giou, giou_loss, iou_loss
from saccade_train.losses.varifocal import (
    binary_cross_entropy,
    focal_weight,
    quality_weight,
    varifocal_loss,
    varifocal_loss_with_logits,
)

Z = [0.1, 0.2, 0.3, 1, 0.5, 0, -0.5, -1]
BOX_LOSSES = [iou_loss, giou_loss, diou_loss, ciou_loss]


def near(values: object, tolerance: float = 1e-6) -> object:
    return pytest.approx(values, abs=tolerance)


# ---------------------------------------------------------------------- scores


def test_varifocal_worked_numbers() -> None:
    q = torch.tensor([0.8, 0, 0])
    terms = varifocal_loss(torch.tensor([0.7, 0.2, 0.1]), q)
    assert terms.tolist() == near([0.420908, 0.006694, 0.000790])
    assert float(terms.sum()) == near(0.428392)
    terms = varifocal_loss_with_logits(torch.tensor([1.0, -1, 0]), q)
    assert terms.tolist() == near([0.410609, 0.016994, 0.129965])


@given(
    p=st.floats(0.001, 0.999),
    q=st.one_of(st.just(0.0), st.floats(0.001, 1.0)),
)
def test_scores_against_the_formulas(p: float, q: float) -> None:
    entropy = -(q * math.log(p) + (1 - q) * math.log(1 - p))
    ours, wanted = torch.tensor([p, q], dtype=torch.float64)
    z = torch.logit(ours)
    varifocal = (q if q > 0 else 0.75 * p**2) * entropy
    assert float(varifocal_loss(ours, wanted)) == pytest.approx(varifocal, rel=1e-5)
    assert float(varifocal_loss_with_logits(z, wanted)) == pytest.approx(varifocal, rel=1e-5)
    assert float(quality_weight(ours, wanted)) == pytest.approx(abs(p - q) ** 2, rel=1e-5)
    for y, weight in ((1.0, 0.25 * (1 - p) ** 2), (0.0, 0.75 * p**2)):
        assert float(focal_weight(ours, torch.tensor(y))) == pytest.approx(weight, rel=1e-5)


def test_saturated_probabilities_have_finite_losses_and_gradients() -> None:
    for dtype in (torch.float32, torch.float64):
        values = [0.0, 1e-30, 3e-5, 0.5, 1 - 6e-8, 1.0, 1 + 5e-10]
        for target in (0.0, 0.4, 1.0):
            p = torch.tensor(values, dtype=dtype, requires_grad=True)
            loss = varifocal_loss(p, torch.full_like(p, target))
            (slope,) = torch.autograd.grad(loss.sum(), p)
            assert loss.isfinite().all()
            assert slope.isfinite().all()
            assert float(slope.abs().max()) < 1e8
    right = binary_cross_entropy(torch.tensor([0.0, 1.0]), torch.tensor([0.0, 1.0]))
    assert right.tolist() == near([0, 0])


def test_gradients_of_the_scores() -> None:
    torch.manual_seed(0)
    p = (torch.rand(6, dtype=torch.float64) * 0.9 + 0.05).requires_grad_()
    z = torch.randn(6, dtype=torch.float64, requires_grad=True)
    q = torch.tensor([0, 0, 0.2, 0.7, 1, 0], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda p: varifocal_loss(p, q), p)
    assert torch.autograd.gradcheck(lambda z: varifocal_loss_with_logits(z, q), z)


# ---------------------------------------------------------------------- boxes


def slow_losses(a: Sequence[float], b: Sequence[float]) -> list[float]:
    """IoU, GIoU, DIoU and CIoU loss, from the papers."""
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    wide = max(a[2], b[2]) - min(a[0], b[0])
    high = max(a[3], b[3]) - min(a[1], b[1])
    sides = [(one[2] - one[0], one[3] - one[1]) for one in (a, b)]
    union = sides[0][0] * sides[0][1] + sides[1][0] * sides[1][1] - width * height
    iou = width * height / union
    giou = iou - (wide * high - union) / (wide * high)
    x, y = ((a[i] + a[i + 2] - b[i] - b[i + 2]) / 2 for i in (0, 1))
    diou = iou - (x * x + y * y) / (wide**2 + high**2)
    angles = [math.atan(w / h) for w, h in sides]
    v = 4 / math.pi**2 * (angles[0] - angles[1]) ** 2
    ciou = diou - (v / (1 - iou + v) * v if v else 0.0)
    return [1 - iou, 1 - giou, 1 - diou, 1 - ciou]


def test_giou_worked_numbers() -> None:
    first = torch.tensor([[0.0, 0, 10, 10], [0, 0, 2, 2], [1, 2, 4, 9]])
    second = torch.tensor([[5.0, 5, 15, 15], [3, 3, 5, 5], [1, 2, 4, 9]])
    assert giou_loss(first, second).tolist() == near([1.079365, 1.680000, 0])


coordinate = st.floats(-50, 50)
side = st.floats(0.5, 60)
boxes = st.builds(lambda x, y, w, h: [x, y, x + w, y + h], coordinate, coordinate, side, side)


@given(first=boxes, second=boxes)
def test_boxes_against_the_formulas(first: list[float], second: list[float]) -> None:
    pair = [torch.tensor(box, dtype=torch.float64) for box in (first, second)]
    found = [float(loss(*pair)) for loss in BOX_LOSSES]
    assert found == pytest.approx(slow_losses(first, second), rel=1e-6, abs=1e-6)
    assert 0 <= found[0] <= 1
    assert 0 <= found[1] <= 2
    assert float(giou(*pair)) == pytest.approx(1 - found[1])


def test_gradients_of_the_boxes() -> None:
    torch.manual_seed(1)
    corner = torch.rand(8, 2, dtype=torch.float64) * 4
    ours = torch.cat([corner, corner + 0.5 + torch.rand(8, 2, dtype=torch.float64) * 4], 1)
    theirs = ours.roll(1, 0) + 0.1
    ours.requires_grad_()
    for loss in (iou_loss, giou_loss, diou_loss):
        assert torch.autograd.gradcheck(lambda box, loss=loss: loss(box, theirs), ours)
    # The factor of CIoU has no gradient: its slope is that of the parts with the factor held.
    v = 4 / math.pi**2 * (angle(theirs) - angle(ours)).square()
    factor = (v / (iou_loss(ours, theirs) + v)).detach()
    expected = torch.autograd.grad((diou_loss(ours, theirs) + factor * v).sum(), ours)[0]
    found = torch.autograd.grad(ciou_loss(ours, theirs).sum(), ours)[0]
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-8)


def angle(box: Tensor) -> Tensor:
    return torch.atan((box[:, 2] - box[:, 0]) / (box[:, 3] - box[:, 1]))


@pytest.mark.parametrize("loss", BOX_LOSSES)
def test_boxes_without_area_are_finite(loss: Callable[[Tensor, Tensor], Tensor]) -> None:
    some = [[3.0, 3, 3, 3], [3, 3, 9, 3], [3, 1, 3, 8], [0, 0, 5, 5], [40, 40, 41, 41]]
    first = torch.tensor([a for a in some for _ in some], requires_grad=True)
    second = torch.tensor([b for _ in some for b in some])
    values = loss(first, second)
    (slope,) = torch.autograd.grad(values.sum(), first)
    assert values.isfinite().all()
    assert slope.isfinite().all()
    assert loss(torch.zeros(0, 4), torch.zeros(0, 4)).shape == (0,)


# ---------------------------------------------------------------------- sides


def test_dfl_worked_numbers() -> None:
    z = torch.tensor(Z)
    found = dfl_loss(z.expand(3, 8), torch.tensor([3.4, 6.9, 0.0]))
    assert found.tolist() == near([1.504368, 3.254368, 2.204368], 2e-6)
    assert float(expected_distances(z.repeat(4))[0]) == near(2.983195)


def test_side_distances_worked_numbers() -> None:
    found = side_distances(torch.tensor([4.5, 4.5]), torch.tensor([1.0, 0, 14, 4]))
    assert found.tolist() == near([3.5, 4.5, 6.9, 0])
    assert side_distances(torch.zeros(0, 2), torch.zeros(0, 4)).shape == (0, 4)


@given(t=st.floats(0, 6.9), seed=st.integers(0, 1000))
def test_dfl_against_the_formula(t: float, seed: int) -> None:
    z = torch.randn(8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    chances = [math.exp(value) for value in z.tolist()]
    log = [math.log(chance / sum(chances)) for chance in chances]
    i = math.floor(t)
    expected = -log[i] * (i + 1 - t) - log[i + 1] * (t - i)
    assert float(dfl_loss(z, torch.tensor(t, dtype=torch.float64))) == pytest.approx(
        expected, rel=1e-6
    )


def test_dfl_is_least_where_the_mean_is_right() -> None:
    z = torch.full((8,), -20.0)
    z[3], z[4] = math.log(0.6), math.log(0.4)
    z.requires_grad_()
    (slope,) = torch.autograd.grad(dfl_loss(z, torch.tensor(3.4)), z)
    assert slope.tolist() == near([0.0] * 8)
    assert float(expected_distances(z.detach().repeat(4))[0]) == near(3.4, 1e-4)
