"""Checkpoints: safetensors for tensors, JSON for the rest, and never a half-written one.

A checkpoint is a folder. It is written beside the old one, flushed to disk, and swapped in by
renaming; the old one goes only after that. Whenever the machine stops, ``last`` or ``last.old`` is
whole.

::

    RUN/last/model.safetensors       weights and batch-norm statistics
    RUN/last/ema.safetensors         their moving average (when the recipe asks for one)
    RUN/last/optimiser.safetensors   momentum buffers
    RUN/last/state.json              steps done, best scores, the recipe, what the data was
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load_file, save
from torch import Tensor, optim

from saccade.errors import TrainingError

__all__ = [
    "find_folder",
    "load_state",
    "load_tensors",
    "network_alone",
    "optimiser_tensors",
    "restore_optimiser",
    "write_folder",
    "write_text",
]


def write_text(path: Path, text: str) -> None:
    """Write a file so that it is either the old one or the new one, whole."""
    beside = path.with_name(path.name + ".new")
    with beside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def write_folder(
    place: Path, tensors: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any]
) -> None:
    """Write a checkpoint folder, replacing the previous one in a way that survives being killed.

    Args:
        place: The folder, for example ``RUN/last``.
        tensors: By file name without suffix: tensors by name.
        state: What goes into ``state.json``.
    """
    new, old = _beside(place, ".new"), _beside(place, ".old")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    for name, group in tensors.items():
        file = new / f"{name}.safetensors"
        plain = {key: value.detach().cpu().contiguous() for key, value in group.items()}
        # Not save_file, which makes files that only their owner can read.
        file.write_bytes(save(plain))
        _flush(file)
    (new / "state.json").write_text(json.dumps(state, indent=1), "utf-8")
    _flush(new / "state.json")
    _flush(new)
    # Between the two renames only the old folder exists: find_folder knows.
    if place.exists():
        shutil.rmtree(old, ignore_errors=True)
        place.rename(old)
    new.rename(place)
    _flush(place.parent)
    shutil.rmtree(old, ignore_errors=True)


def find_folder(place: Path) -> Path | None:
    """The newest whole checkpoint folder of that name, or None."""
    for candidate in (place, _beside(place, ".old")):
        if (candidate / "state.json").is_file():
            return candidate
    return None


def load_state(folder: Path) -> dict[str, Any]:
    """Read ``state.json`` of a checkpoint folder."""
    try:
        state = json.loads((folder / "state.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise TrainingError(
            f"{folder}: the checkpoint is damaged ({error}); use --restart"
        ) from None
    return dict(state)


def load_tensors(file: Path) -> dict[str, Tensor]:
    """Read a safetensors file.

    Raises:
        TrainingError: It is missing or damaged.
    """
    try:
        return load_file(file)
    except (OSError, safetensors.SafetensorError) as error:
        raise TrainingError(f"{file}: cannot be read as safetensors ({error})") from None


def network_alone(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Of a training that holds more than the network it is for, the tensors of that network.

    Two networks that learn from each other, or an embedder with its memory, call it ``student``;
    where there is none of that name, all is returned.
    """
    alone = {name.removeprefix("student."): t for name, t in tensors.items() if "student." in name}
    return alone or tensors


def optimiser_tensors(optimiser: optim.Optimizer) -> dict[str, Tensor]:
    """The buffers of an optimiser as ``{"<parameter number>.<buffer>": tensor}``."""
    return {
        f"{number}.{name}": value
        for number, buffers in optimiser.state_dict()["state"].items()
        for name, value in buffers.items()
        if isinstance(value, Tensor)
    }


def restore_optimiser(optimiser: optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put buffers back, in the memory layout of the parameters: sums then run in the same order."""
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        number, name = key.split(".", 1)
        parameter = parameters[int(number)]
        if value.shape == parameter.shape:
            value = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
        state.setdefault(int(number), {})[name] = value
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": state, "param_groups": groups})


def _beside(place: Path, suffix: str) -> Path:
    return place.with_name(place.name + suffix)


def _flush(path: Path) -> None:
    """Make sure that a file or a folder's entries are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
