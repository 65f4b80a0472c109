from __future__ import annotations

import pytest
from torch import nn


@pytest.fixture
def shapes_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what is slow on the meta device and doesn't matter to shapes and counts."""
    monkeypatch.setattr(nn.BatchNorm2d, "forward", lambda _self, x: x)
    monkeypatch.setattr(nn.Hardswish, "forward", lambda _self, x: x)
    monkeypatch.setattr(nn.Conv2d, "reset_parameters", lambda _self: None)
    monkeypatch.setattr(nn.init, "kaiming_normal_", lambda tensor, **_options: tensor)
