"""The detector's losses: worked numbers and slow loops."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from saccade.errors import OptionError
from saccade_train.heads.db import DBMaps, step
from saccade_train.losses.db import (
    DBLossOptions,
    DBTargets,
    balanced_cross_entropy,
    balanced_dice,
    db_loss,
    dice_loss,
    masked_l1,
)

P = torch.tensor([0.9, 0.8, 0.2, 0.1])
G = torch.tensor([1.0, 1.0, 0.0, 0.0])
M = torch.tensor([1.0, 1.0, 1.0, 0.0])


def near(x: float, tolerance: float = 1e-6) -> object:
    return pytest.approx(x, abs=tolerance)


def test_step() -> None:
    p = torch.tensor([0.6, 0.5, 0.5, 0.31])
    t = torch.tensor([0.4, 0.5, 0.55, 0.3])
    assert step(p, t).tolist() == near([0.9999546, 0.5, 0.0758582, 0.6224593], 2e-6)


def test_worked_numbers() -> None:
    assert float(dice_loss(P, G, M)) == near(0.1282054)
    assert float(balanced_dice(P, G, M)) == near(0.1282053)
    assert float(balanced_cross_entropy(P, G, M)) == near(0.1838825)
    found = masked_l1(torch.tensor([0.35, 0.5]), torch.tensor([0.3, 0.7]), torch.ones(2))
    assert float(found) == near(0.125)


def example() -> tuple[DBMaps, DBTargets]:
    p = torch.tensor([[[[0.9, 0.6], [0.2, 0.3]]]])
    t = torch.tensor([[[[0.5, 0.5], [0.3, 0.3]]]])
    g = torch.tensor([[[1.0, 1.0], [0.0, 0.0]]])
    target = torch.tensor([[[0.7, 0.4], [0.3, 0.3]]])
    seen = torch.tensor([[[1.0, 1.0], [1.0, 0.0]]])
    return DBMaps(p, t, step(p, t)), DBTargets(g, torch.ones_like(g), target, seen)


def test_the_whole_loss() -> None:
    loss = db_loss(*example())
    assert loss.shrink.item() == near(1.2500006)
    assert loss.threshold.item() == near(0.9999997)
    assert loss.binary.item() == near(0.1140859)
    assert loss.total.item() == near(2.3640862)


def test_the_form_of_the_paper() -> None:
    maps, targets = example()
    options = DBLossOptions(main="bce", shrink_weight=1, binary_weight=5)
    loss = db_loss(maps, targets, options)
    expected = -(math.log(0.9) + math.log(0.6) + math.log(0.8) + math.log(0.7)) / 4
    assert loss.shrink.item() == near(expected, 1e-5)
    assert loss.binary.item() == near(5 * 0.1140859, 5e-6)
    assert loss.total.item() == near(float(loss.shrink + loss.threshold + loss.binary))


def test_both_is_the_sum_of_dice_and_cross_entropy() -> None:
    maps, targets = example()
    dice, entropy, both = (
        db_loss(maps, targets, DBLossOptions(main=main)) for main in ("dice", "bce", "both")
    )
    assert both.shrink.item() == near(float(dice.shrink + entropy.shrink))
    assert both.binary.item() == near(float(dice.binary))


def slow_balanced(p: Tensor, g: Tensor, m: Tensor, negatives: float) -> float:
    positive, background = [], []
    for x, y, seen in zip(p.tolist(), g.tolist(), m.tolist(), strict=True):
        if seen:
            (positive if y else background).append(-math.log(x if y else 1 - x))
    count = int(min(len(background), negatives * len(positive)))
    hardest = sorted(background, reverse=True)[:count]
    return (sum(positive) + sum(hardest)) / (len(positive) + count + 1e-6)


@pytest.mark.parametrize("negatives", [1.0, 3.0, 1000.0])
def test_balanced_cross_entropy_against_the_loop(negatives: float) -> None:
    generator = torch.Generator().manual_seed(1)
    p = torch.rand(200, generator=generator) * 0.98 + 0.01
    g = (torch.rand(200, generator=generator) < 0.1).float()
    m = (torch.rand(200, generator=generator) < 0.8).float()
    found = balanced_cross_entropy(p.reshape(2, 1, 10, 10), *(x.reshape(2, 1, 10, 10) for x in (g, m)), negatives)  # fmt: skip  # noqa: E501
    assert float(found) == pytest.approx(slow_balanced(p, g, m, negatives), rel=1e-5)


def test_background_may_count_for_more() -> None:
    """Four background pixels of weight 5 are the hardest ones, and count five times."""
    p = torch.tensor([0.9, 0.5, 0.4, 0.3, 0.2, 0.1])
    g = torch.tensor([1.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    weights = torch.tensor([1.0, 1.0, 1.0, 1.0, 5.0, 0.0])
    losses = -torch.log(1 - p)
    # Of 5 x 0.223, 0.693, 0.511 and 0.357 the three largest, beside the one text pixel.
    expected = (-math.log(0.9) + 5 * losses[4] + losses[1] + losses[2]) / 4
    assert float(balanced_cross_entropy(p, g, weights)) == near(float(expected))
    # However much it counts, no more pixels are taken than there are.
    assert math.isfinite(float(balanced_cross_entropy(p, g, 100 * weights, 1000.0)))


def test_dice_against_the_loop() -> None:
    generator = torch.Generator().manual_seed(2)
    p, m = torch.rand(50, generator=generator), torch.ones(50)
    g = (torch.rand(50, generator=generator) < 0.5).float()
    shared = sum(a * b for a, b in zip(p.tolist(), g.tolist(), strict=True))
    assert float(dice_loss(p, g, m)) == pytest.approx(
        1 - 2 * shared / (sum(p.tolist()) + sum(g.tolist())), rel=1e-5
    )


def test_a_batch_without_text_and_one_without_pixels() -> None:
    nothing = torch.zeros_like(G)
    p = P.clone().requires_grad_()
    for loss in (balanced_dice, balanced_cross_entropy):
        for g, m in ((nothing, M), (G, nothing)):
            value = loss(p, g, m)
            assert value.item() == 0
            value.backward()
    assert torch.isfinite(p.grad).all()
    assert float(masked_l1(P, G, nothing)) == 0


def test_only_the_hard_background_gets_a_gradient() -> None:
    p = torch.tensor([0.6, 0.9, 0.8, 0.1, 0.05, 0.02]).requires_grad_()
    g = torch.tensor([1.0, 0, 0, 0, 0, 0])
    balanced_cross_entropy(p, g, torch.ones(6)).backward()
    assert (p.grad != 0).tolist() == [True, True, True, True, False, False]


def test_bad_options() -> None:
    with pytest.raises(OptionError, match="main 'focal'"):
        DBLossOptions(main="focal")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="negatives"):
        DBLossOptions(negatives=0)
