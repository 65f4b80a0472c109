"""Mixup and CutMix against slow loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from saccade_train.augment.mixing import cutmix, cutmix_box, mix_batch, mixup
from saccade_train.losses import smooth_one_hot, soft_cross_entropy
from saccade_train.recipes.schema import AugmentOptions


def batch(size: int = 6) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(size, 3, 9, 11, generator=generator)
    targets = smooth_one_hot(torch.arange(size) % 4, 4, 0.1)
    return images, targets, torch.randperm(size, generator=generator)


def test_mixup_against_a_loop() -> None:
    images, targets, partners = batch()
    mixed, labels = mixup(images, targets, partners, 0.3)
    for row in range(len(images)):
        other = int(partners[row])
        torch.testing.assert_close(mixed[row], 0.3 * images[row] + 0.7 * images[other])
        torch.testing.assert_close(labels[row], 0.3 * targets[row] + 0.7 * targets[other])
    torch.testing.assert_close(labels.sum(1), torch.ones(6))


def test_cutmix_against_a_loop() -> None:
    images, targets, partners = batch()
    before = images.clone()
    box = (2, 3, 6, 11)
    mixed, labels = cutmix(images, targets, partners, box)
    share = 1 - 4 * 8 / 99
    for row in range(len(images)):
        other = int(partners[row])
        for y in range(9):
            for x in range(11):
                source = other if 2 <= y < 6 and 3 <= x < 11 else row
                assert torch.equal(mixed[row, :, y, x], before[source, :, y, x])
        torch.testing.assert_close(labels[row], share * targets[row] + (1 - share) * targets[other])
    assert torch.equal(images, before)


def test_loss_of_mixed_targets_is_the_mix_of_losses() -> None:
    images, targets, partners = batch()
    logits = images.mean((2, 3)) @ torch.randn(3, 4, generator=torch.Generator().manual_seed(1))
    _, labels = mixup(images, targets, partners, 0.25)
    apart = 0.25 * soft_cross_entropy(logits, targets)
    apart = apart + 0.75 * soft_cross_entropy(logits, targets[partners])
    torch.testing.assert_close(soft_cross_entropy(logits, labels), apart)


def test_boxes_lie_inside_and_have_the_asked_area() -> None:
    areas = []
    for seed in range(300):
        top, left, bottom, right = cutmix_box(40, 60, 0.75, np.random.default_rng(seed))
        assert 0 <= top <= bottom <= 40
        assert 0 <= left <= right <= 60
        areas.append((bottom - top) * (right - left) / 2400)
    assert max(areas) == pytest.approx(0.25, abs=0.01)
    assert cutmix_box(8, 8, 1.0, np.random.default_rng(0))[2:] >= (0, 0)


@pytest.mark.parametrize(
    ("options", "changes"),
    [
        ({}, 0.0),
        ({"mixup": 0.4}, 1.0),
        ({"cutmix": 1.0}, 1.0),
        ({"mixup": 0.4, "cutmix": 1.0}, 1.0),
        ({"mixup": 0.4, "mix_probability": 0.25}, 0.25),
        ({"mixup": 0.4, "mix_probability": 0.0}, 0.0),
    ],
)
def test_how_often_a_batch_is_mixed(options: dict[str, float], changes: float) -> None:
    images, targets, _ = batch()
    parsed = AugmentOptions.model_validate(options)
    changed = 0
    for seed in range(200):
        mixed, labels = mix_batch(images, targets, parsed, np.random.default_rng(seed))
        assert mixed.shape == images.shape
        torch.testing.assert_close(labels.sum(1), torch.ones(6))
        changed += not torch.equal(mixed, images)
    # A share of 1, an empty box or a fixed point may leave a batch as it was.
    assert changed / 200 == pytest.approx(changes, abs=0.08)
