"""Optimisers, and which weights decay."""

from __future__ import annotations

from typing import Any

from torch import nn, optim

from saccade_train.recipes.schema import OptimiserOptions

__all__ = ["build_optimiser", "decay_groups"]

_NORMS = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm)


def decay_groups(model: nn.Module, options: OptimiserOptions) -> list[dict[str, Any]]:
    """Split the parameters into those that decay and those that don't.

    Normalisation layers and biases are governed by ``decay_norm`` and ``decay_bias``. Without
    ``decay_norm`` the model's own attribute of that name decides: PP-LCNet spares its norms but not
    its biases, ResNet-vd spares nothing.

    Returns:
        One or two parameter groups; frozen parameters are in none.
    """
    decay_norm = options.decay_norm
    if decay_norm is None:
        decay_norm = bool(getattr(model, "decay_norm", False))
    decayed: list[nn.Parameter] = []
    spared: list[nn.Parameter] = []
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if not parameter.requires_grad:
                continue
            if isinstance(module, _NORMS):
                decays = decay_norm
            else:
                decays = options.decay_bias or name != "bias"
            (decayed if decays else spared).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": options.weight_decay},
        {"params": spared, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def build_optimiser(model: nn.Module, options: OptimiserOptions) -> optim.Optimizer:
    """The optimiser of a recipe over all trainable parameters of a model."""
    groups = decay_groups(model, options)
    match options.name:
        case "sgd":
            return optim.SGD(
                groups, lr=options.lr, momentum=options.momentum, nesterov=options.nesterov
            )
        case "adamw":
            return optim.AdamW(groups, lr=options.lr, betas=options.betas)
