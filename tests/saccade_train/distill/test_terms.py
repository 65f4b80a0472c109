"""Distillation terms: worked numbers and slow loops."""

from __future__ import annotations

import math

import pytest
import torch

from saccade.errors import OptionError
from saccade_train.distill import (
    dilated_teacher,
    dilated_teacher_loss,
    feature_distance,
    mutual_map_kl,
    symmetric_kl,
)
from saccade_train.heads.db import DBMaps, step


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_symmetric_kl_of_the_reference() -> None:
    a = torch.tensor([[[1.0, 2, 3], [0, 0, 0]]])
    b = torch.tensor([[[3.0, 2, 1], [0, 1, 0]]])
    assert float(symmetric_kl(a, b)) == pytest.approx(1.2718125, abs=1e-6)
    assert pytest.approx((1.2737052 + 1.2699199) / 2, abs=1e-7) == 1.2718125
    assert float(symmetric_kl(b, a)) == pytest.approx(1.2718125, abs=1e-6)
    assert float(symmetric_kl(a, a)) == 0


def test_symmetric_kl_against_the_loop() -> None:
    a, b = random(3, 4, 5), random(3, 4, 5, seed=1)
    total = 0.0
    for one, two in ((a, b), (b, a)):
        for n in range(3):
            for t in range(4):
                p, q = one[n, t].double().softmax(0), two[n, t].double().softmax(0)
                total += sum(float(q[c] * math.log(q[c] / p[c])) for c in range(5)) / 3
    assert float(symmetric_kl(a, b)) == pytest.approx(total / 2, rel=1e-5)


def test_both_networks_get_a_gradient() -> None:
    a, b = random(2, 3, 4).requires_grad_(), random(2, 3, 4, seed=1).requires_grad_()
    symmetric_kl(a, b).backward()
    assert a.grad.abs().max() > 0 and b.grad.abs().max() > 0
    p, q = torch.rand(2, 1, 4, 4).requires_grad_(), torch.rand(2, 1, 4, 4).requires_grad_()
    mutual_map_kl(p, q).backward()
    assert p.grad.abs().max() > 0 and q.grad.abs().max() > 0


def test_mutual_map_kl_of_the_reference() -> None:
    u = torch.tensor([[[[0.9, 0.1], [0.5, 0.2]]]])
    v = torch.tensor([[[[0.8, 0.3], [0.5, 0.1]]]])
    assert float(mutual_map_kl(u, v)) == pytest.approx(0.037604, abs=1e-6)


def test_mutual_map_kl_against_the_loop() -> None:
    p, q = random(2, 1, 3, 4).sigmoid(), random(2, 1, 3, 4, seed=1).sigmoid()
    eps, total = 1e-5, 0.0
    for x, y in zip(p.flatten().tolist(), q.flatten().tolist(), strict=True):
        total += y * math.log((y + eps) / (x + eps) + eps)
        total += x * math.log((x + eps) / (y + eps) + eps)
    assert float(mutual_map_kl(p, q)) == pytest.approx(total / 48, rel=1e-5)
    extreme = torch.tensor([0.0, 1.0, 0.0, 1.0]).requires_grad_()
    mutual_map_kl(extreme, torch.tensor([1.0, 0.0, 0.0, 1.0])).backward()
    assert torch.isfinite(extreme.grad).all()


def test_feature_distance() -> None:
    found = feature_distance(torch.tensor([1.0, 2, 3]), torch.tensor([1.5, 2, 1]))
    assert float(found) == pytest.approx(1.4166667, abs=1e-6)
    with pytest.raises(OptionError, match="one architecture"):
        feature_distance(torch.zeros(1, 3), torch.zeros(1, 4))


def test_the_teacher_grows_to_the_right_and_downwards() -> None:
    image = torch.zeros(1, 1, 5, 5)
    image[0, 0, 1, 1] = 0.31
    image[0, 0, 4, 4] = 0.3
    grown = dilated_teacher(image)
    assert grown.nonzero()[:, 2:].tolist() == [[1, 1], [1, 2], [2, 1], [2, 2]]


def test_the_teacher_against_opencv() -> None:
    cv2 = pytest.importorskip("cv2")
    numpy = pytest.importorskip("numpy")
    image = random(1, 1, 17, 23).sigmoid()
    expected = cv2.dilate(
        (image[0, 0].numpy() > 0.3).astype(numpy.uint8), numpy.ones((2, 2), numpy.uint8)
    )
    numpy.testing.assert_array_equal(dilated_teacher(image)[0, 0].numpy(), expected)


def slow_dice(p: torch.Tensor, g: torch.Tensor, m: torch.Tensor) -> float:
    p, g, m = (x.double().flatten() for x in (p, g, m))
    dice = 1 - 2 * (p * g * m).sum() / ((p * m).sum() + (g * m).sum() + 1e-6)
    return dice.item()


def test_the_loss_against_the_dilated_teacher() -> None:
    p, t = random(2, 1, 6, 6).sigmoid(), random(2, 1, 6, 6, seed=1).sigmoid()
    teacher = (random(2, 1, 6, 6, seed=2) - 1.5).sigmoid().requires_grad_()
    mask = (random(2, 6, 6, seed=3) > -1).float()
    student = DBMaps(p.requires_grad_(), t, step(p, t))
    target = dilated_teacher(teacher)
    assert 0 < target.mean() < 1
    loss = dilated_teacher_loss(student, teacher, mask)
    seen = mask[:, None]
    assert loss.shrink.item() == pytest.approx(5 * slow_dice(p, target, seen), rel=1e-5)
    assert loss.binary.item() == pytest.approx(slow_dice(student.binary, target, seen), rel=1e-5)
    assert loss.total.item() == pytest.approx(loss.shrink.item() + loss.binary.item())
    loss.total.backward()
    assert teacher.grad is None and p.grad.abs().max() > 0
    hard = dilated_teacher_loss(student, teacher, mask, main="bce", shrink_weight=1)
    assert hard.shrink.item() > 0 and hard.shrink.item() != pytest.approx(loss.shrink.item() / 5)
