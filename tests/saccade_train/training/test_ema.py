"""The moving average of weights: formulas, worked numbers, cycles."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from saccade_train.training.ema import Ema, average_mass, ema_decay


def small_net() -> nn.Sequential:
    torch.manual_seed(3)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


def move(net: nn.Module) -> None:
    """As a step of a training would: weights, statistics and counters change."""
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(torch.randn_like(parameter))
        net.train()(torch.randn(4, 3, 4, 4))


@pytest.mark.parametrize("warmup", [False, True])
def test_against_the_sums(warmup: bool) -> None:
    net = small_net()
    ema = Ema(net, 0.6, warmup=warmup)
    seen: list[dict[str, torch.Tensor]] = []
    for step in range(20):
        move(net)
        ema.update(net, step)
        seen.append({name: tensor.clone() for name, tensor in net.state_dict().items()})
        decays = [ema_decay(t, 0.6, warmup) for t in range(step + 1)]
        shares = [(1 - decays[t]) * math.prod(decays[t + 1 :]) for t in range(step + 1)]
        assert average_mass(step + 1, 0.6, warmup) == pytest.approx(sum(shares), rel=1e-12)
        for name, tensor in ema.module.state_dict().items():
            if tensor.is_floating_point():
                sums = sum(k * one[name].double() for k, one in zip(shares, seen, strict=True))
                expected = sums / sum(shares)
            else:
                expected = net.state_dict()[name].double()
            torch.testing.assert_close(tensor.double(), expected, rtol=1e-5, atol=1e-5)
    assert not ema.module.training
    assert not any(parameter.requires_grad for parameter in ema.module.parameters())
    # Statistics are averaged like weights: neither the first nor the newest.
    assert not torch.equal(ema.module[1].running_mean, net[1].running_mean)  # type: ignore[arg-type]


def test_decay_rises() -> None:
    assert ema_decay(0, 0.999, True) == pytest.approx(0.1)
    assert ema_decay(90, 0.999, True) == pytest.approx(0.91)
    assert ema_decay(100_000, 0.999, True) == 0.999
    assert ema_decay(0, 0.999, False) == 0.999
    # The largest decay of PP-PicoDet is reached at this step.
    assert ema_decay(44_989, 0.9998, True) < 0.9998
    assert ema_decay(44_990, 0.9998, True) == pytest.approx(0.9998, abs=1e-15)


@pytest.mark.parametrize("decay", [0.05, 0.1, 0.5, 0.9, 0.9998])
@pytest.mark.parametrize("warmup", [False, True])
def test_mass_in_closed_form(decay: float, warmup: bool) -> None:
    product = 1.0
    for steps in range(1, 400):
        product *= ema_decay(steps - 1, decay, warmup)
        assert average_mass(steps, decay, warmup) == pytest.approx(1 - product, rel=1e-10)


def test_worked_numbers_of_the_reference() -> None:
    """Spec sheet 11.6: a constant weight 1 in PaddleDetection, whose correction is inexact."""
    raw, applied, ours = 0.0, [], []
    raws = []
    net = nn.Linear(1, 1, bias=False)
    net.weight.data.fill_(1.0)
    ema = Ema(nn.Linear(1, 1, bias=False), 0.9998)
    for step in range(4):
        decay = ema_decay(step, 0.9998, True)
        raw = decay * raw + (1 - decay)
        raws.append(raw)
        applied.append(raw / (1 - decay ** (step + 1)))
        ema.update(net, step)
        ours.append(float(ema.module.weight))
        # What the reference averages before it corrects is our mass.
        assert average_mass(step + 1, 0.9998, True) == pytest.approx(raw, rel=1e-12)
    assert raws == pytest.approx([0.9, 0.981818, 0.995455, 0.998601], abs=1e-6)
    assert applied == pytest.approx([1.0, 1.015385, 1.011255, 1.007633], abs=1e-6)
    assert ours == pytest.approx([1.0] * 4, abs=1e-6)


def test_cycle_starts_anew() -> None:
    net = small_net()
    cycled = Ema(net, 0.9, cycle=5)
    fresh = Ema(net, 0.9)
    for step in range(13):
        move(net)
        cycled.update(net, step)
        if step % 5 == 0:
            # Nothing of what was before is left.
            fresh = Ema(small_net(), 0.9)
        fresh.update(net, step % 5)
        for name, tensor in cycled.module.state_dict().items():
            assert torch.equal(tensor, fresh.module.state_dict()[name]), (step, name)
        if step % 5 == 0:
            for name, tensor in cycled.module.state_dict().items():
                assert torch.equal(tensor, net.state_dict()[name])


def test_weights_that_were_never_a_number_are_forgotten() -> None:
    net = nn.Linear(2, 2)
    start = nn.Linear(2, 2)
    start.weight.data.fill_(math.nan)
    ema = Ema(start, 0.99)
    ema.update(net, 0)
    assert torch.equal(ema.module.weight, net.weight)
