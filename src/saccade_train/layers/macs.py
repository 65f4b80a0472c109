"""Counting multiply-adds and parameters, in the convention of the reference tables."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

__all__ = ["count_macs", "count_parameters", "count_state"]


def count_parameters(model: nn.Module) -> int:
    """Count trainable numbers."""
    return sum(parameter.numel() for parameter in model.parameters())


def count_state(model: nn.Module) -> int:
    """Count trainable numbers and BatchNorm statistics, which Paddle counts as parameters."""
    return sum(
        tensor.numel()
        for name, tensor in model.state_dict().items()
        if not name.endswith("num_batches_tracked")
    )


def count_macs(model: nn.Module, height: int, width: int) -> int:
    """Count multiply-adds of convolutions, linear layers and LSTMs for one picture, without biases.

    Runs ``model`` on a (1, 3, height, width) input on the device of its parameters; the ``meta``
    device makes that free. Leaves the model as it was.
    """
    total = 0

    def add(module: nn.Module, inputs: Any, output: Any) -> None:
        nonlocal total
        if isinstance(module, nn.Conv2d):
            total += output[0, 0].numel() * module.weight.numel()
        elif isinstance(module, nn.ConvTranspose2d):
            total += inputs[0][0, 0].numel() * module.weight.numel()  # every input meets them all
        elif isinstance(module, nn.LSTM):
            steps = inputs[0].numel() // module.input_size
            total += steps * sum(p.numel() for p in module.parameters() if p.dim() == 2)
        else:
            assert isinstance(module, nn.Linear)
            total += output.numel() * module.in_features

    counted = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.LSTM)
    hooks = [m.register_forward_hook(add) for m in model.modules() if isinstance(m, counted)]
    was_training = model.training
    device = next(model.parameters()).device
    try:
        with torch.no_grad():
            model.eval()(torch.zeros(1, 3, height, width, device=device))
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    return total
