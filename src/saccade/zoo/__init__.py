"""The models shipped inside the package, and finding one by name.

A model's name is the name of its file without ``.onnx``. Nothing is ever downloaded.
"""

from __future__ import annotations

import os
from pathlib import Path

from saccade.errors import UnknownModel, nearest
from saccade.modelfile import ModelCard, read_card

__all__ = ["DEFAULT", "cards", "default", "find", "names"]

MODELS = Path(__file__).parent / "models"
LETTERS = MODELS / "letters_latin.npz"
"""Counts for :class:`saccade.text.letters.LetterModel`."""

# The one place that says which model serves a task when the user names none.
DEFAULT = {
    "classify": "lcnet_x1_0_shop91",
    "embed": "goods_resnet18_vd_x0_5",
    "detect": "mainbody_picodet_s_320",
    "mainbody": "mainbody_picodet_s_320",
    "text_detect": "db_r10_latin",
    "text_direction": "direction_latin",
    "text_recognise": "crnn_latin",
}


def names() -> list[str]:
    """The names of the shipped models, sorted."""
    return sorted(path.stem for path in MODELS.glob("*.onnx"))


def cards() -> dict[str, ModelCard]:
    """The cards of the shipped models, by name.

    Raises:
        ModelFileError: A shipped file is damaged.
    """
    return {name: read_card(MODELS / f"{name}.onnx") for name in names()}


def find(model: str | os.PathLike[str]) -> Path:
    """The file of a model.

    Args:
        model: The name of a shipped model, or the path of a file. A file whose name is that of a
            shipped model is reached with ``./``.

    Raises:
        UnknownModel: Neither; the message names the nearest models.
    """
    text = os.fspath(model)
    known = names()
    if text in known:
        return MODELS / f"{text}.onnx"
    # A folder is let through: reading its card says better what is wrong with it.
    if text and "\0" not in text and Path(text).exists():
        return Path(text)
    raise UnknownModel(
        f"no model {text!r}: no file of that name, and not among the shipped models "
        f"({nearest(text, known)})"
    )


def default(task: str) -> Path:
    """The file of the model that serves a task when the user names none.

    Args:
        task: A key of :data:`DEFAULT`.

    Raises:
        UnknownModel: No model is shipped for the task.
    """
    name = DEFAULT.get(task)
    if name is None or name not in names():
        raise UnknownModel(
            f"this installation ships no model to {task}; name one (--model NAME or FILE, "
            "see: saccade models)"
        )
    return find(name)
