"""Soft cross entropy against a slow double loop."""

from __future__ import annotations

import math

import pytest
import torch

from saccade_train.losses import smooth_one_hot, soft_cross_entropy


def slow_loss(logits: list[list[float]], targets: list[list[float]]) -> float:
    total = 0.0
    for row, wanted in zip(logits, targets, strict=True):
        norm = math.log(sum(math.exp(value) for value in row))
        for value, share in zip(row, wanted, strict=True):
            total -= share * (value - norm)
    return total / len(logits)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_against_slow_loop(smoothing: float) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 5, generator=generator)
    labels = torch.tensor([0, 4, 2, 2, 1, 3])
    targets = [
        [(1 - smoothing) * (column == label) + smoothing / 5 for column in range(5)]
        for label in labels.tolist()
    ]
    smoothed = smooth_one_hot(labels, 5, smoothing)
    torch.testing.assert_close(smoothed, torch.tensor(targets))
    torch.testing.assert_close(smoothed.sum(1), torch.ones(6))
    found = soft_cross_entropy(logits, smoothed)
    assert float(found) == pytest.approx(slow_loss(logits.tolist(), targets), rel=1e-5)
    reference = torch.nn.functional.cross_entropy(logits, labels, label_smoothing=smoothing)
    torch.testing.assert_close(found, reference)


def test_half_precision_logits_are_summed_in_float32() -> None:
    logits = torch.randn(4, 1000, generator=torch.Generator().manual_seed(1)).bfloat16()
    targets = smooth_one_hot(torch.arange(4), 1000, 0.1)
    loss = soft_cross_entropy(logits, targets)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, soft_cross_entropy(logits.float(), targets))


def test_gradient_is_softmax_minus_target() -> None:
    logits = torch.randn(3, 4, generator=torch.Generator().manual_seed(2)).requires_grad_()
    targets = smooth_one_hot(torch.tensor([1, 0, 3]), 4, 0.2)
    soft_cross_entropy(logits, targets).backward()
    assert logits.grad is not None
    torch.testing.assert_close(logits.grad, (logits.detach().softmax(1) - targets) / 3)
