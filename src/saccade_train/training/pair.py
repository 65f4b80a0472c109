"""Two networks that learn side by side, as one module of the training loop."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

__all__ = ["Pair"]


class Pair(nn.Module):
    """Runs both networks on the same input; the first is the one that is kept."""

    def __init__(self, student: nn.Module, other: nn.Module) -> None:
        super().__init__()
        self.student = student
        self.other = other

    def forward(self, x: Tensor) -> tuple[Any, Any]:
        """What both say."""
        return self.student(x), self.other(x)
