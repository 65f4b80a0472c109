"""RKD and cosine distillation against double loops."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from saccade.errors import OptionError
from saccade_train.distill.relations import cosine_distance, rkd_angles, rkd_distances


def rows(seed: int, length: int) -> Tensor:
    return torch.randn(5, length, generator=torch.Generator().manual_seed(seed))


def huber(value: float) -> float:
    return value * value / 2 if abs(value) < 1 else abs(value) - 0.5


def test_distances() -> None:
    ours, theirs = rows(0, 4), rows(1, 7) * 30
    pairs = list(itertools.permutations(range(5), 2))
    first = [float((ours[a] - ours[b]).norm()) for a, b in pairs]
    second = [float((theirs[a] - theirs[b]).norm()) for a, b in pairs]
    means = sum(first) / 20, sum(second) / 20
    terms = [huber(a / means[0] - b / means[1]) for a, b in zip(first, second, strict=True)]
    assert float(rkd_distances(ours, theirs)) == pytest.approx(sum(terms) / 20, abs=1e-6)


def angle(x: Tensor, i: int, j: int, k: int) -> float:
    if j in (i, k):
        return 0.0
    a, b = x[i] - x[j], x[k] - x[j]
    return float(a @ b / (a.norm() * b.norm()))


def test_angles() -> None:
    ours, theirs = rows(2, 4), rows(3, 7)
    triples = list(itertools.product(range(5), repeat=3))
    terms = [huber(angle(ours, *one) - angle(theirs, *one)) for one in triples]
    assert float(rkd_angles(ours, theirs)) == pytest.approx(sum(terms) / 125, abs=1e-6)


def test_cosine() -> None:
    ours, theirs = rows(4, 6), rows(5, 6)
    cosines = [float(a @ b / (a.norm() * b.norm())) for a, b in zip(ours, theirs, strict=True)]
    wanted = 1 - sum(cosines) / 5
    assert float(cosine_distance(ours, theirs)) == pytest.approx(wanted, abs=1e-6)
    assert float(cosine_distance(ours, 3 * ours)) == pytest.approx(0, abs=1e-6)
    with pytest.raises(OptionError, match="6 numbers, the teacher's 7"):
        cosine_distance(ours, rows(5, 7))


@pytest.mark.parametrize("loss", [rkd_distances, rkd_angles])
def test_like_vectors_cost_nothing_and_gradients_are_finite(loss: object) -> None:
    ours = rows(6, 4).requires_grad_()
    still = ours.detach()
    assert float(loss(still, 2 * still + 1)) == pytest.approx(0, abs=1e-6)  # type: ignore[operator]
    twice = torch.cat([ours, ours[:1]])  # two rows alike
    value = loss(twice, torch.randn(6, 3, generator=torch.Generator().manual_seed(7)))  # type: ignore[operator]
    value.backward()
    assert ours.grad is not None
    assert torch.isfinite(ours.grad).all()
