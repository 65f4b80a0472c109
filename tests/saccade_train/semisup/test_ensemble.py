"""Means of predictions."""

from __future__ import annotations

import pytest
import torch

from saccade.errors import OptionError
from saccade_train.semisup.ensemble import mean_probabilities, with_flips

FIRST = torch.tensor([[0.6, 0.4, 0], [0.2, 0.5, 0.3]], dtype=torch.float64)
SECOND = torch.tensor([[0.3, 0.6, 0.1], [0.1, 0.2, 0.7]], dtype=torch.float64)


def test_worked_numbers() -> None:
    mean = mean_probabilities([FIRST, SECOND])
    assert mean.flatten().tolist() == pytest.approx([0.45, 0.5, 0.05, 0.15, 0.35, 0.5])
    product = mean_probabilities([FIRST, SECOND], "geometric")
    expected = [0.464102, 0.535898, 0, 0.154406, 0.345262, 0.500332]
    assert product.flatten().tolist() == pytest.approx(expected, abs=5e-7)


def test_weights() -> None:
    for how in ("arithmetic", "geometric"):
        alone = mean_probabilities([FIRST, SECOND], how, [1, 0])  # type: ignore[arg-type]
        assert torch.allclose(alone, FIRST)
    tilted = mean_probabilities([FIRST, SECOND], weights=[3, 1])
    assert tilted[0].tolist() == pytest.approx([0.525, 0.45, 0.025])
    with pytest.raises(OptionError, match="expected one a member"):
        mean_probabilities([FIRST, SECOND], weights=[1])
    with pytest.raises(OptionError, match="at least one"):
        mean_probabilities([])


def test_a_veto_of_everything_leaves_equal_chances() -> None:
    sure = torch.eye(2)
    both = mean_probabilities([sure, sure.flip(1)], "geometric")
    assert both.tolist() == [[0.5, 0.5], [0.5, 0.5]]


def test_flips() -> None:
    images = torch.arange(12.0).view(1, 1, 3, 4)
    first_column = with_flips(lambda x: x[:, 0, :, 0], images)
    assert first_column.tolist() == [[1.5, 5.5, 9.5]]
