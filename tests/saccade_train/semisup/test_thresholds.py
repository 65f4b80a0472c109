"""The methods of the semi-supervised part against worked numbers and slow loops."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from saccade_train.augment.mixing import mixup
from saccade_train.losses import smooth_one_hot, soft_cross_entropy
from saccade_train.semisup import thresholds as ssl

WEAK = torch.tensor([[6, 1, 0], [2, 1, 0], [0, 4, 0.5], [1, 1.2, 5]], dtype=torch.float64)
STRONG = torch.tensor([[3, 1, 0], [1, 1, 0], [0, 2, 0.5], [0, 0.5, 2]], dtype=torch.float64)


def near(values: list[float], digits: float = 5e-7) -> object:
    return pytest.approx(values, abs=digits)


@pytest.fixture
def judged() -> tuple[Tensor, Tensor, Tensor]:
    """Probabilities, confidences, labels of the weak views."""
    p = WEAK.softmax(1)
    return p, *p.max(1)


def test_fixmatch(judged: tuple[Tensor, Tensor, Tensor]) -> None:
    _, confidence, labels = judged
    assert confidence.tolist() == near([0.990867, 0.665241, 0.953732, 0.960904])
    assert labels.tolist() == [0, 0, 1, 2]
    mask = ssl.confident(confidence, 0.95)
    assert mask.tolist() == [1, 0, 1, 1]
    loss = ssl.pseudo_label_loss(STRONG, labels, mask)
    assert float(loss) == near(0.1956393610, 5e-11)
    one = torch.ones(4, dtype=torch.float64)
    each = [
        float(ssl.pseudo_label_loss(STRONG[i : i + 1], labels[i : i + 1], one[:1]))
        for i in range(4)
    ]
    assert each == near([0.169846, 0.861995, 0.306356, 0.306356])


@pytest.mark.parametrize(
    ("warmup", "status", "limits", "mask"),
    [
        (True, [0.75, 0.5, 0.25], [0.57, 0.316667, 0.135714], [1, 1, 1, 1]),
        (False, [1, 0.666667, 0.333333], [0.95, 0.475, 0.19], [1, 0, 1, 1]),
    ],
)
def test_flexmatch(
    judged: tuple[Tensor, Tensor, Tensor],
    warmup: bool,
    status: list[float],
    limits: list[float],
    mask: list[int],
) -> None:
    _, confidence, labels = judged
    latest = torch.tensor([0, 0, 0, 1, 1, 2, -1, -1, -1, -1])
    found = ssl.flexmatch_status(latest, 3, warmup=warmup)
    assert found.tolist() == near(status)
    each = ssl.flexmatch_thresholds(found.double(), 0.95)
    assert each.tolist() == near(limits, 1e-6)
    assert ssl.confident(confidence, each[labels]).tolist() == mask
    if warmup:
        weights = ssl.confident(confidence, each[labels])
        loss = ssl.pseudo_label_loss(STRONG, labels, weights)
        assert float(loss) == near(0.4111380620, 5e-11)


def test_flexmatch_remembers_the_latest_confident_label() -> None:
    latest = torch.full((6,), -1)
    numbers, labels = torch.tensor([4, 1, 2]), torch.tensor([1, 0, 2])
    moved = ssl.flexmatch_latest(latest, numbers, labels, torch.tensor([0.99, 0.5, 0.95]), 0.95)
    assert moved.tolist() == [-1, -1, 2, -1, 1, -1]
    assert latest.tolist() == [-1] * 6
    again = ssl.flexmatch_latest(
        moved, torch.tensor([4]), torch.tensor([0]), torch.tensor([0.96]), 0.95
    )
    assert again.tolist() == [-1, -1, 2, -1, 0, -1]
    # Nothing selected at all: no threshold is above 0, with or without warm-up.
    for warmup in (True, False):
        assert ssl.flexmatch_status(latest, 3, warmup=warmup).tolist() == [0, 0, 0]


def test_softmatch_weights() -> None:
    confidence = torch.tensor([0.9, 0.5, 0.3], dtype=torch.float64)
    mean, variance = torch.tensor([0.5, 0.04], dtype=torch.float64)
    weights = ssl.softmatch_weights(confidence, mean, variance)
    assert weights.tolist() == near([1, 1, 0.1353352832], 5e-11)


def test_first_steps_of_the_averages(judged: tuple[Tensor, Tensor, Tensor]) -> None:
    p, confidence, _ = judged
    mean = ssl.moved_average(torch.tensor(1 / 3).double(), confidence.mean(), 0.999)
    variance = ssl.moved_average(torch.tensor(1.0).double(), confidence.var(), 0.999)
    assert float(mean) == near(0.3338926861, 5e-8)
    assert float(variance) == near(0.9990232504, 5e-11)
    start = ssl.FreeMatchState(*(value.double() for value in ssl.FreeMatchState.start(3)))
    state = ssl.moved_freematch(start, p)
    assert float(state.tau) == near(0.3338926861, 5e-8)
    assert state.marginal.tolist() == near([0.333423, 0.333307, 0.333271])
    assert state.histogram.tolist() == near([0.3335, 0.33325, 0.33325], 1e-7)
    each = ssl.freematch_thresholds(state.tau, state.marginal)
    assert each.tolist() == near([0.333893, 0.333776, 0.333740])


def test_freematch_thresholds() -> None:
    each = ssl.freematch_thresholds(torch.tensor(0.6), torch.tensor([0.5, 0.3, 0.2]))
    assert each.tolist() == near([0.6, 0.36, 0.24])


def test_distribution_alignment(judged: tuple[Tensor, Tensor, Tensor]) -> None:
    p = judged[0]
    aligned = ssl.align_distribution(p, torch.tensor([0.5, 0.3, 0.2]).double())
    assert aligned[0].tolist() == near([0.982872, 0.011038, 0.006091], 6e-7)
    assert aligned.sum(1).tolist() == near([1.0] * 4)


def test_softmatch_takes_the_first_marginal_as_it_is(
    judged: tuple[Tensor, Tensor, Tensor],
) -> None:
    p = judged[0]
    state, confidence = ssl.moved_softmatch(ssl.SoftMatchState.start(3), p)
    assert state.marginal.tolist() == near(p.mean(0).tolist())
    assert confidence.tolist() == near(ssl.align_distribution(p, p.mean(0)).amax(1).tolist())
    assert float(state.mean) == near(0.999 / 3 + 0.001 * float(confidence.mean()))
    later, _ = ssl.moved_softmatch(state, p.flip(1), 0.9)
    expected = 0.9 * p.mean(0) + 0.1 * p.flip(1).mean(0)
    assert later.marginal.tolist() == near(expected.tolist())


def test_fairness_against_a_slow_loop() -> None:
    generator = torch.Generator().manual_seed(0)
    strong = torch.randn(6, 3, generator=generator, dtype=torch.float64)
    mask = torch.tensor([1, 0, 1, 1, 0, 1])
    marginal = torch.tensor([0.5, 0.3, 0.2]).double()
    histogram = torch.tensor([0.6, 0.4, 0.0]).double()
    state = ssl.FreeMatchState(torch.tensor(0.5).double(), marginal, histogram)
    kept = [row.softmax(0).tolist() for row, counts in zip(strong, mask, strict=True) if counts]
    shares = [sum(max(p) == p[c] for p in kept) / len(kept) for c in range(3)]
    means = [sum(p[c] for p in kept) / len(kept) for c in range(3)]
    seen = [m / s if s else 0.0 for m, s in zip(means, shares, strict=True)]
    expected = [
        m / h if h else 0.0 for m, h in zip(marginal.tolist(), histogram.tolist(), strict=True)
    ]
    slow = sum(
        e / sum(expected) * math.log(s / sum(seen) + 1e-12)
        for e, s in zip(expected, seen, strict=True)
    )
    assert float(ssl.fairness(strong, mask, state)) == pytest.approx(slow, rel=1e-12)


def test_fairness_of_nothing_is_nothing() -> None:
    strong = STRONG.clone().requires_grad_()
    loss = ssl.fairness(strong, torch.zeros(4), ssl.FreeMatchState.start(3))
    loss.backward()
    assert float(loss.detach()) == 0
    assert strong.grad is not None
    assert not strong.grad.any()


def test_label_smoothing_and_mixup() -> None:
    logits, labels = torch.tensor([[2, 1, 0.1]]), torch.tensor([0])
    plain = soft_cross_entropy(logits, smooth_one_hot(labels, 3))
    assert float(plain) == near(0.4170300163, 1e-6)
    smoothed = soft_cross_entropy(logits, smooth_one_hot(labels, 3, 0.1))
    assert float(smoothed) == near(0.5136966829, 1e-6)
    targets = smooth_one_hot(torch.tensor([0, 2]), 3)
    images = torch.zeros(2, 3, 1, 1)
    mixed = mixup(images, targets, torch.tensor([1, 0]), 0.3)[1]
    assert float(soft_cross_entropy(logits, mixed[:1])) == near(1.7470300163, 1e-6)
