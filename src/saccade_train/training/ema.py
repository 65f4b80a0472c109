"""An exponential moving average of a model's weights (Polyak averaging).

With the decays d_0, d_1, ... of the steps, the weights after step t count with
(1 - d_t) d_(t+1) d_(t+2) ..., and all of that together is 1 - d_0 d_1 ... d_t, the *mass*. The
average is divided by its mass, so it is a true mean from the first step on; it never contains the
weights that the training began with. PP-PicoDet (arXiv 2111.00902; ``cycle_epoch`` of its
configurations) lets the average start anew every 40 epochs: early weights are then forgotten
altogether.

``PaddleDetection/ppdet/optimizer/ema.py`` divides by 1 - d_t^(t+1) instead, which is the mass only
while the decay is constant; with its rising decays a constant weight 1 comes out as 1.015 after two
steps. That is not repeated here.
"""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn

__all__ = ["Ema", "average_mass", "ema_decay"]


def ema_decay(step: int, decay: float, warmup: bool) -> float:
    """The decay after step ``step`` (from 0): short-sighted at first, when weights move fast."""
    return min(decay, (1 + step) / (10 + step)) if warmup else decay


def average_mass(steps: int, decay: float, warmup: bool) -> float:
    """1 - the product of the first ``steps`` decays, in closed form: nothing needs to be saved.

    Args:
        steps: Updates since the average started, at least 1.
        decay: The largest decay, below 1.
        warmup: Whether the decay rises to it.

    Returns:
        In 0..1.
    """
    rising = 0
    if warmup:
        # (1 + t) / (10 + t) < decay below this t.
        rising = min(steps, max(0, math.ceil((10 * decay - 1) / (1 - decay))))
    # The product of (1 + t) / (10 + t) over t < n is 9! n! / (n + 9)!.
    left = math.prod(j / (rising + j) for j in range(1, 10)) * decay ** (steps - rising)
    return 1.0 - left


class Ema:
    """A shadow of a model: the mean of its weights, the newest ones counting most.

    Batch-norm statistics are averaged with the same weights as the parameters: statistics of the
    newest weights would not fit the averaged ones. Integer buffers (the batch counters) are copied.
    """

    def __init__(
        self, model: nn.Module, decay: float, *, warmup: bool = True, cycle: int = 0
    ) -> None:
        """Begin with a copy of ``model``, which the first update replaces.

        Args:
            model: What is followed.
            decay: The largest decay, below 1.
            warmup: Whether the decay rises to it.
            cycle: Steps after which the average starts anew; 0: never.
        """
        self.decay = decay
        self.warmup = warmup
        self.cycle = cycle
        self.module = copy.deepcopy(model).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Move the shadow towards the model, after optimiser step ``step`` (from 0)."""
        if self.cycle:
            step %= self.cycle
        ours: list[Tensor] = []
        theirs: list[Tensor] = []
        shadow = self.module.state_dict()
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point() and step > 0:
                ours.append(shadow[name])
                theirs.append(tensor)
            else:
                shadow[name].copy_(tensor)
        if ours:
            fresh = 1.0 - ema_decay(step, self.decay, self.warmup)
            mass = average_mass(step + 1, self.decay, self.warmup)
            torch._foreach_lerp_(ours, theirs, fresh / mass)
