from __future__ import annotations

import torch
from torch import nn

from saccade_train.layers.macs import count_macs, count_parameters, count_state


def test_counts_of_a_small_network() -> None:
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1),  # 4x5 outputs of 8 channels, 27 each
        nn.BatchNorm2d(8),
        nn.Conv2d(8, 8, 5, padding=2, groups=8),  # 25 each
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 10),
    )
    net.train()
    assert count_macs(net, 8, 10) == 20 * 8 * 27 + 20 * 8 * 25 + 80
    assert net.training
    assert not any(module._forward_hooks for module in net.modules())
    assert count_parameters(net) == (27 * 8 + 8) + 16 + (25 * 8 + 8) + 90
    assert count_state(net) == count_parameters(net) + 16


def test_meta_device_costs_nothing() -> None:
    with torch.device("meta"):
        assert count_macs(nn.Sequential(nn.Conv2d(3, 1000, 1)), 1000, 1000) == 3 * 10**9


def test_transposed_convolutions_and_lstms_count() -> None:
    class Line(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.up = nn.ConvTranspose2d(3, 5, 2, stride=2)
            self.lstm = nn.LSTM(5, 4, 2, bidirectional=True, batch_first=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.lstm(self.up(x).mean(2).transpose(1, 2))[0]

    first, second = 2 * 16 * (5 + 4), 2 * 16 * (8 + 4)  # both directions, four gates of four units
    assert count_macs(Line(), 6, 7) == 6 * 7 * 3 * 5 * 4 + 14 * (first + second)
