"""Start a model from the weights of an earlier one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from torch import Tensor, nn

from saccade import zoo
from saccade.errors import TrainingError, nearest
from saccade.modelfile import read_card
from saccade_train.export.unfold import settle, unfold

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


def load_initial(
    model: nn.Module, place: str | Path, look: Callable[[], None] = lambda: None
) -> str:
    """Copy into a model the weights that fit it, by name and shape.

    Args:
        model: Changed in place.
        place: A run folder, a .safetensors file, a file that was exported, or a shipped model.
        look: Runs the model once on a batch of its training, and puts back whatever that changes
            besides; asked for exported files, see :func:`saccade_train.export.unfold.settle`.

    Returns:
        A sentence that says what was loaded and what starts fresh.

    Raises:
        TrainingError: The file is missing or damaged, or does not fit the body: all but the head,
            and but the neck where the file has none (a classifier's weights in a detector).
        ModelFileError: An exported file is damaged or has no card.
    """
    exported = _exported(place)
    settled: Sequence[str] = ()
    if exported is None:
        file = weights_file(place)
        given = network_alone(load_tensors(file))
        architecture = "what the weights are of"
    else:
        file = exported
        card = read_card(file)
        given, settled = unfold(file, card.std, model)
        architecture = card.architecture
    fitting, fresh = _fitting(model, given, file, architecture)
    model.load_state_dict(fitting, strict=False)
    loaded = [norm for norm in settled if f"{norm}.bias" in fitting]
    if loaded:
        settle(model, loaded, look)
    if not fresh:
        return f"{file}: all {len(fitting)} tensors loaded"
    if len(fresh) <= _NAMED:
        return f"{file}: {len(fitting)} tensors loaded; fresh: {', '.join(fresh)}"
    parts = Counter(name.partition(".")[0] for name in fresh)
    counted = ", ".join(f"{count} of the {part}" for part, count in parts.items())
    return f"{file}: {len(fitting)} tensors loaded; fresh: {counted}"


def _exported(place: str | Path) -> Path | None:
    """The .onnx file at a place, or of a shipped model of that name where nothing lies there."""
    path = Path(place)
    if path.suffix.lower() == ".onnx":
        return path
    if path.exists():
        return None
    known = zoo.names()
    if str(place) not in known:
        raise TrainingError(
            f"{path}: no such run folder or file, and no shipped model "
            f"({nearest(str(path), known)})"
        )
    return zoo.find(place)


def _fitting(
    model: nn.Module, given: dict[str, Tensor], file: Path, architecture: str
) -> tuple[dict[str, Tensor], list[str]]:
    """The tensors that fit the model, and the names of those that start fresh."""
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
            f"body are absent or of another shape, {missing[0]!r} first; set model.arch to "
            f"{architecture}"
        )
    return fitting, fresh
