"""The losses that learn something of their own: AFD, MGD, PEFD, against slow loops."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from saccade.errors import OptionError
from saccade_train.distill import AttentionTransfer, MaskedGeneration, ProjectorEnsemble
from saccade_train.distill.attention import afd_loss, spatial_value
from saccade_train.distill.masked import channel_mask


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def shapes(maps: list[Tensor]) -> list[tuple[int, ...]]:
    return [tuple(one.shape) for one in maps]


def every_parameter_gets_a_gradient(module: torch.nn.Module) -> None:
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


def test_afd_against_a_loop() -> None:
    student = [drawn(3, 4, 8, 8), drawn(3, 6, 4, 4, seed=1), drawn(3, 5, 2, 2, seed=2)]
    teacher = [drawn(3, 7, 8, 8, seed=3), drawn(3, 9, 4, 4, seed=4)]
    torch.manual_seed(0)
    module = AttentionTransfer(shapes(student), shapes(teacher), dim=16)
    weights = module.attention(student, teacher).detach()
    assert weights.shape == (3, 2, 3)
    torch.testing.assert_close(weights.sum(2), torch.ones(3, 2))
    total = 0.0
    for t, theirs in enumerate(teacher):
        size = (theirs.shape[2], theirs.shape[3])
        for n in range(3):
            for s, ours in enumerate(student):
                energy = torch.nn.functional.adaptive_avg_pool2d(
                    (ours[n] ** 2).mean(0, keepdim=True), size
                ).flatten()
                want = (theirs[n] ** 2).mean(0).flatten()
                apart = energy / energy.norm() - want / want.norm()
                total += float(weights[n, t, s]) * float((apart**2).mean()) / 3
    loss = module(student, teacher)
    assert loss.item() == pytest.approx(total, rel=1e-5)
    loss.backward()
    for name, parameter in module.named_parameters():
        # A bias that batch-norm takes away again has a gradient of rounding errors.
        assert parameter.grad is not None, name


def test_afd_formula() -> None:
    value = spatial_value(torch.tensor([[[[3.0, 4.0]]]]))[0]
    assert value.tolist() == pytest.approx([9 / math.hypot(9, 16), 16 / math.hypot(9, 16)])
    attention = torch.tensor([[[0.25, 0.75]]])
    ours, theirs = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]]), torch.tensor([[1.0, 0.0]])
    assert float(afd_loss(attention, [ours], [theirs])) == pytest.approx(0.75)
    with pytest.raises(OptionError, match="afd compares maps"):
        AttentionTransfer([(2, 3)], [(2, 3, 4, 4)])


def test_mgd() -> None:
    ours, theirs = [drawn(4, 3, 5, 5)], [drawn(4, 6, 5, 5, seed=1)]
    module = MaskedGeneration(shapes(ours), shapes(theirs))
    torch.manual_seed(3)
    loss = module(ours, theirs)
    torch.manual_seed(3)
    aligned = module.align(ours[0])
    mask = channel_mask(aligned, 0.15)
    made = module.generate(aligned * mask)
    assert loss.item() == pytest.approx(1.756 * ((made - theirs[0]) ** 2).mean().item(), rel=1e-5)
    loss.backward()
    every_parameter_gets_a_gradient(module)
    torch.manual_seed(0)
    many = channel_mask(torch.zeros(200, 100, 1, 1), 0.15)
    assert many.shape == (200, 100, 1, 1)
    assert set(many.unique().tolist()) == {0.0, 1.0}
    assert float(many.mean()) == pytest.approx(0.85, abs=0.01)


def test_mgd_needs_maps_of_one_size() -> None:
    with pytest.raises(OptionError, match="same stride"):
        MaskedGeneration([(1, 3, 5, 5)], [(1, 3, 4, 4)])
    with pytest.raises(OptionError, match="one layer"):
        MaskedGeneration([(1, 3)], [(1, 3)])


def test_pefd_against_a_loop() -> None:
    ours, theirs = [drawn(4, 3, 5, 5)], [drawn(4, 6, seed=1)]
    module = ProjectorEnsemble(shapes(ours), shapes(theirs), projectors=2)
    total = 0.0
    for n in range(4):
        vector = ours[0][n].mean((1, 2))
        made = sum(p(vector).relu() for p in module.projectors) / 2
        want = theirs[0][n]
        total += 1 - (made @ want / (made.norm() * want.norm())).item()
    loss = module(ours, theirs)
    assert loss.item() == pytest.approx(total / 4, rel=1e-5)
    loss.backward()
    every_parameter_gets_a_gradient(module)
    with pytest.raises(OptionError, match="one layer of the student"):
        ProjectorEnsemble([(1, 3), (1, 3)], [(1, 3)])
    with pytest.raises(OptionError, match="projectors 0"):
        ProjectorEnsemble([(1, 3)], [(1, 3)], projectors=0)
