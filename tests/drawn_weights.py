"""Weights drawn by rule, so that a network's outputs can be compared with stored numbers.

The rule is that of the reference runs whose results the tests hold: tensor number i of the state
dict, in the reference's order and BatchNorm counters aside, comes from ``RandomState(i)``.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn


def draw_weights(model: nn.Module) -> int:
    """Fill a model; gives the number of tensors."""
    linear = {f"{n}.weight" for n, m in model.named_modules() if isinstance(m, nn.Linear)}
    named = [
        (name, tensor)
        for name, tensor in model.state_dict().items()
        if not name.endswith("num_batches_tracked")
    ]
    for number, (name, tensor) in enumerate(named):
        random = np.random.RandomState(number)
        shape = tuple(tensor.shape)
        if name.endswith("running_var"):
            value = random.uniform(0.5, 1.5, shape)
        elif name.endswith(("running_mean", "bias")):
            value = 0.1 * random.randn(*shape)
        elif name in linear:  # drawn as Paddle stores it, (in, out)
            value = (random.randn(*shape[::-1]) * np.sqrt(1.0 / shape[1])).T
        elif tensor.ndim == 1:
            value = random.uniform(0.5, 1.5, shape)
        else:
            value = random.randn(*shape) * np.sqrt(2.0 / np.prod(shape[1:]))
        tensor.copy_(torch.from_numpy(value.astype(np.float32)))
    return len(named)


def drawn_input(height: int, width: int | None = None) -> Tensor:
    """The picture of the reference runs."""
    shape = (1, 3, height, width or height)
    return torch.from_numpy(np.random.RandomState(1234).randn(*shape).astype(np.float32))
