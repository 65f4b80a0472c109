"""An exponential moving average of a model's weights (Polyak averaging)."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

__all__ = ["Ema", "ema_decay"]


def ema_decay(step: int, decay: float, warmup: bool) -> float:
    """The decay after step ``step`` (from 0): short-sighted at first, when weights move fast."""
    return min(decay, (1 + step) / (10 + step)) if warmup else decay


class Ema:
    """A shadow of a model whose weights lag behind it.

    Batch-norm statistics are averaged with the same weights as the parameters: statistics of the
    newest weights would not fit the averaged ones. Integer buffers (the batch counters) are copied.
    """

    def __init__(self, model: nn.Module, decay: float, *, warmup: bool = True) -> None:
        self.decay = decay
        self.warmup = warmup
        self.module = copy.deepcopy(model).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Move the shadow towards the model, after optimiser step ``step`` (from 0)."""
        weight = 1.0 - ema_decay(step, self.decay, self.warmup)
        ours: list[Tensor] = []
        theirs: list[Tensor] = []
        shadow = self.module.state_dict()
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point():
                ours.append(shadow[name])
                theirs.append(tensor)
            else:
                shadow[name].copy_(tensor)
        torch._foreach_lerp_(ours, theirs, weight)
