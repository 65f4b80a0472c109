"""Start a model from the weights of an earlier one."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from torch import nn

from saccade.errors import TrainingError

from .checkpoint import find_folder, load_tensors, network_alone

__all__ = ["load_initial", "weights_file"]

_NAMED = 8
"""Tensors that are named one by one; more are counted."""


def weights_file(place: str | Path) -> Path:
    """The weights of a run folder (its best ones, else its last ones), or the file itself."""
    path = Path(place)
    if path.is_file():
        return path
    for name in ("best", "last"):
        folder = find_folder(path / name)
        if folder is not None:
            return folder / "model.safetensors"
    if not path.exists():
        raise TrainingError(f"{path}: no such run folder or .safetensors file")
    raise TrainingError(f"{path}: holds no trained weights (best/ or last/)")


def load_initial(model: nn.Module, place: str | Path) -> str:
    """Copy into a model the weights that fit it, by name and shape.

    Args:
        model: Changed in place.
        place: A run folder or a .safetensors file.

    Returns:
        A sentence that says what was loaded and what starts fresh.

    Raises:
        TrainingError: The file is missing or damaged, or does not fit the body: all but the head,
            and but the neck where the file has none (a classifier's weights in a detector).
    """
    file = weights_file(place)
    given = network_alone(load_tensors(file))
    ours = model.state_dict()
    # An embedder pools as a classifier does, below another name, and has its own linear layers.
    if any(name.startswith("pooled.") for name in ours):
        given = {
            f"pooled.{name.removeprefix('head.')}"
            if name.startswith("head.last_conv.")
            else name: t
            for name, t in given.items()
        }
    fitting = {
        name: tensor
        for name, tensor in given.items()
        if name in ours and ours[name].shape == tensor.shape
    }
    fresh = [
        name for name in ours if name not in fitting and not name.endswith("num_batches_tracked")
    ]
    renewed = ["head."]
    if not any(name.startswith("neck.") for name in given):
        renewed.append("neck.")
    body = [name for name in ours if not name.startswith(tuple(renewed))]
    missing = [name for name in body if name in fresh]
    if missing:
        raise TrainingError(
            f"{file}: does not fit this architecture: {len(missing)} of {len(body)} tensors of the "
            f"body are absent or of another shape, {missing[0]!r} first; set model.arch to what "
            "the weights are of"
        )
    model.load_state_dict(fitting, strict=False)
    if not fresh:
        return f"{file}: all {len(fitting)} tensors loaded"
    if len(fresh) <= _NAMED:
        return f"{file}: {len(fitting)} tensors loaded; fresh: {', '.join(fresh)}"
    parts = Counter(name.partition(".")[0] for name in fresh)
    counted = ", ".join(f"{count} of the {part}" for part, count in parts.items())
    return f"{file}: {len(fitting)} tensors loaded; fresh: {counted}"
