"""What layers inside a network say, without changing the network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from saccade.errors import OptionError, nearest

__all__ = ["feature_shapes", "find_layers", "with_features"]


def find_layers(network: nn.Module, names: Sequence[str], whose: str) -> dict[str, nn.Module]:
    """Find modules by their dotted names.

    Raises:
        OptionError: there is none of a name; the nearest are named.
    """
    known = dict(network.named_modules())
    found: dict[str, nn.Module] = {}
    for name in names:
        if not name or name not in known:
            raise OptionError(f"layers: {whose} has no layer {name!r}; {_hint(name, known)}")
        found[name] = known[name]
    return found


def with_features(
    network: nn.Module, x: Tensor, names: Sequence[str]
) -> tuple[Tensor, dict[str, Tensor]]:
    """Run a network, and catch what some of its layers give.

    Args:
        network: a classifier.
        x: its input.
        names: dotted names of modules that are run once.

    Returns:
        Its output, and the outputs of the layers by name.
    """
    caught: dict[str, Tensor] = {}

    def catch(name: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Tensor) -> None:
            caught[name] = output

        return hook

    hooks = [
        module.register_forward_hook(catch(name))
        for name, module in find_layers(network, names, "the network").items()
    ]
    try:
        return network(x), caught
    finally:
        for hook in hooks:
            hook.remove()


def feature_shapes(
    network: nn.Module, names: Sequence[str], size: tuple[int, int], whose: str
) -> list[tuple[int, ...]]:
    """The shapes of layers' outputs for one picture of that height and width, batch first.

    Raises:
        OptionError: no such layer, or one that gives something else than vectors or maps.
    """
    find_layers(network, names, whose)
    was = {module: module.training for module in network.modules()}
    network.eval()
    with torch.no_grad():
        device = next(network.parameters()).device
        _, caught = with_features(network, torch.zeros(1, 3, *size, device=device), names)
    for module, training in was.items():
        module.training = training
    shapes = [tuple(caught[name].shape) for name in names]
    for name, shape in zip(names, shapes, strict=True):
        if len(shape) not in (2, 4):
            raise OptionError(f"layers: {name} of {whose} gives {shape}, neither vectors nor maps")
    return shapes


def _hint(name: str, known: dict[str, nn.Module]) -> str:
    hint = nearest(name, [one for one in known if one])
    return hint if hint.startswith("did") else "name one such as backbone.blocks6"
