"""The losses on logits: the worked values of PaddleClas, gradients, slow loops, limits."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from saccade.errors import OptionError
from saccade_train.distill import (
    dist_loss,
    dkd_loss,
    feature_distance,
    jensen_shannon,
    kl_divergence,
    mutual_label_kl,
    rkd_angles,
    rkd_distances,
    skd_loss,
    symmetric_kl,
    teacher_cross_entropy,
    wsl_loss,
)

S = torch.tensor([[1, 2, -1, 0.5], [0.2, -0.3, 0.4, 1.5]])
T = torch.tensor([[1.5, 1, -2, 0], [-0.5, 0.1, 0.3, 2.5]])
Y = torch.tensor([1, 3])
S3 = torch.cat([S, torch.tensor([[0.0, 1, 2, -1]])])
T3 = torch.cat([T, torch.tensor([[-1.0, 0.5, 1, 0]])])

Loss = Callable[[Tensor, Tensor], Tensor]

VALUES: dict[str, tuple[Loss, float]] = {
    "symmetric": (symmetric_kl, 0.19452437),
    "jensen_shannon": (jensen_shannon, 0.04711089),
    "cross_entropy": (teacher_cross_entropy, 1.05626318),
    "kl T1": (partial(kl_divergence, temperature=1), 0.18991169),
    "kl T2": (partial(kl_divergence, temperature=2), 0.21212185),
    "kl T4": (kl_divergence, 0.20791361),
    "dkd": (partial(dkd_loss, labels=Y), 0.24152470),
    "dkd T4 b8": (partial(dkd_loss, labels=Y, temperature=4, alpha=1, beta=8), 1.26703930),
    "dist": (dist_loss, 0.26223791),
    "wsl": (partial(wsl_loss, labels=Y), 3.21234107),
    "skd": (partial(skd_loss, labels=Y), 0.81936800),
}


def test_mutual_label_kl_against_the_loop() -> None:
    assert float(mutual_label_kl(S, T)) == pytest.approx(0.07148693, rel=1e-5)
    total = 0.0
    for ours, theirs in zip(S.flatten().tolist(), T.flatten().tolist(), strict=True):
        p, q = 1 / (1 + math.exp(-ours)), 1 / (1 + math.exp(-theirs))
        total += (p * math.log(p / q) + q * math.log(q / p)) / 2
    assert float(mutual_label_kl(S, T)) == pytest.approx(total / len(S), rel=1e-5)
    assert float(mutual_label_kl(T, S)) == float(mutual_label_kl(S, T))
    assert float(mutual_label_kl(S, S)) == 0


LABELS_MATTER = ("wsl", "skd")
"""Not 0 for like logits: they hold a part of the labels, or are weighted by them."""


@pytest.mark.parametrize("name", VALUES)
def test_worked_values(name: str) -> None:
    loss, value = VALUES[name]
    # Temperatures multiply the rounding of float32, here and in the reference.
    assert float(loss(S, T)) == pytest.approx(value, rel=1e-5 if "T4" in name else 1e-6)


def test_rows_of_the_divergence() -> None:
    p, q = S.double().softmax(1), T.double().softmax(1)
    forward = [float(x) for x in (q * (q / p).log()).sum(1)]
    backward = [float(x) for x in (p * (p / q).log()).sum(1)]
    assert forward == pytest.approx([0.24118054, 0.13864284], abs=1e-8)
    assert backward == pytest.approx([0.22101217, 0.17726193], abs=1e-8)
    assert float(symmetric_kl(S, T)) == pytest.approx(sum(forward + backward) / 4, abs=1e-7)
    assert float(symmetric_kl(T, S)) == pytest.approx(0.19452437, abs=1e-7)
    rows = [float(jensen_shannon(S[n : n + 1], T[n : n + 1])) for n in range(2)]
    assert rows == pytest.approx([0.05634998, 0.03787180], abs=1e-7)


def test_printed_gradients() -> None:
    s, t = S.clone().requires_grad_(), T.clone().requires_grad_()
    symmetric_kl(s, t).backward()
    wanted = [
        [-0.13978267, 0.13243797, 0.00659370, 0.00075100],
        [0.07376373, 0.00697665, 0.05190883, -0.13264921],
    ]
    torch.testing.assert_close(s.grad, torch.tensor(wanted), atol=1e-7, rtol=0)
    wanted = [
        [0.16352138, -0.14148077, -0.00704391, -0.01499669],
        [-0.04336646, -0.01230843, -0.04459418, 0.10026907],
    ]
    torch.testing.assert_close(t.grad, torch.tensor(wanted), atol=1e-7, rtol=0)
    p, q = S.softmax(1), T.softmax(1)
    log = (p / q).log()
    formula = ((p - q) + p * (log - (p * log).sum(1, keepdim=True))) / 4
    torch.testing.assert_close(s.grad, formula, atol=1e-7, rtol=0)
    s = S.clone().requires_grad_()
    teacher_cross_entropy(s, T).backward()
    wanted = [
        [-0.15673378, 0.14167172, 0.00705342, 0.00800866],
        [0.05706187, 0.01042686, 0.04971920, -0.11720788],
    ]
    torch.testing.assert_close(s.grad, torch.tensor(wanted), atol=1e-7, rtol=0)


def test_cross_entropy_is_divergence_and_entropy() -> None:
    q = T.softmax(1)
    entropy = float(-(q * q.log()).sum(1).mean())
    assert entropy == pytest.approx(0.86635149, abs=1e-7)
    apart = float(kl_divergence(S, T, temperature=1))
    assert float(teacher_cross_entropy(S, T)) == pytest.approx(entropy + apart, abs=1e-6)


@pytest.mark.parametrize("name", VALUES)
def test_gradients_against_differences(name: str) -> None:
    loss, _ = VALUES[name]
    s = S.clone().requires_grad_()
    loss(s, T).backward()
    assert s.grad is not None
    step = 1e-2  # the arithmetic is in float32
    for n in range(2):
        for c in range(4):
            up, down = S.clone(), S.clone()
            up[n, c] += step
            down[n, c] -= step
            slope = float(loss(up, T) - loss(down, T)) / (2 * step)
            if name == "wsl":  # its weights are held still
                continue
            assert float(s.grad[n, c]) == pytest.approx(slope, abs=3e-4, rel=1e-2)


def test_weights_of_wsl_have_no_gradient() -> None:
    s = S.clone().requires_grad_()
    wsl_loss(s, T, Y).backward()
    free = S.clone().requires_grad_()
    hard, theirs = (torch.nn.functional.cross_entropy(x, Y, reduction="none") for x in (S, T))
    weight = 1 - (-hard / (theirs + 1e-7)).exp()
    soft = -((T / 2).softmax(1) * (free / 2).log_softmax(1)).sum(1)
    (4 * (soft * weight).mean()).backward()
    torch.testing.assert_close(s.grad, free.grad)


@pytest.mark.parametrize("name", VALUES)
def test_like_logits_and_constants(name: str) -> None:
    loss, _ = VALUES[name]
    assert float(loss(S + 3, T - 7)) == pytest.approx(float(loss(S, T)), rel=1e-4)
    if name == "cross_entropy" or name in LABELS_MATTER:
        return
    assert float(loss(S, S + 5)) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("name", VALUES)
def test_sure_teachers_give_finite_gradients(name: str) -> None:
    s = torch.tensor([[60.0, -60, 0, 0], [0, 0, 0, 0]]).requires_grad_()
    t = torch.tensor([[-80.0, 80, 0, 0], [0, 0, 0, 90]])
    VALUES[name][0](s, t).backward()
    assert s.grad is not None
    assert torch.isfinite(s.grad).all()


def test_dkd_against_a_loop() -> None:
    classes, temperature, beta = 4, 3.0, 2.0
    total = 0.0
    for n in range(2):
        y = int(Y[n])
        p, q = ((x[n].double() / temperature).softmax(0) for x in (S, T))
        total += float(q[y] * (q[y] / p[y]).log() + (1 - q[y]) * ((1 - q[y]) / (1 - p[y])).log())
        for c in range(classes):
            if c != y:
                a, b = q[c] / (1 - q[y]), p[c] / (1 - p[y])
                total += beta * float(a * (a / b).log())
    wanted = temperature**2 * total / 2
    found = dkd_loss(S, T, Y, temperature=temperature, beta=beta)
    assert float(found) == pytest.approx(wanted, rel=1e-5)


def test_dist_against_a_loop() -> None:
    def pearson(a: list[float], b: list[float]) -> float:
        mean_a, mean_b = sum(a) / len(a), sum(b) / len(b)
        both = sum((x - mean_a) * (y - mean_b) for x, y in zip(a, b, strict=True))
        norms = [math.sqrt(sum((x - m) ** 2 for x in one)) for one, m in ((a, mean_a), (b, mean_b))]
        return both / (norms[0] * norms[1])

    p, q = S3.double().softmax(1), T3.double().softmax(1)
    rows = sum(pearson(p[n].tolist(), q[n].tolist()) for n in range(3)) / 3
    columns = sum(pearson(p[:, c].tolist(), q[:, c].tolist()) for c in range(4)) / 4
    wanted = 2 * (1 - rows) + 0.5 * (1 - columns)
    assert float(dist_loss(S3, T3, beta=2, gamma=0.5)) == pytest.approx(wanted, rel=1e-4)


def test_rkd_of_the_reference() -> None:
    found = rkd_distances(S3, T3, paddle_compat=True)
    assert float(found) == pytest.approx(0.02716579, abs=1e-7)
    assert float(rkd_angles(S3, T3)) == pytest.approx(0.00631597, abs=1e-7)
    for loss in (rkd_distances, partial(rkd_distances, paddle_compat=True), rkd_angles):
        assert float(loss(S, T)) == pytest.approx(0, abs=1e-6)


def test_feature_distance_kinds() -> None:
    a, b = torch.tensor([0.0, 2.0]), torch.tensor([0.5, 5.0])
    assert float(feature_distance(a, b)) == pytest.approx((0.25 + 9) / 2)
    assert float(feature_distance(a, b, kind="l1")) == pytest.approx(1.75)
    assert float(feature_distance(a, b, kind="smooth_l1")) == pytest.approx((0.125 + 2.5) / 2)
    with pytest.raises(OptionError, match="kind 'l3': unknown distance"):
        feature_distance(a, b, kind="l3")  # type: ignore[arg-type]


def test_a_temperature_of_nothing() -> None:
    with pytest.raises(OptionError, match="temperature 0: expected a number above 0"):
        kl_divergence(S, T, temperature=0)
