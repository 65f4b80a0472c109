"""Everything that Saccade raises on purpose.

::

    SaccadeError
    ├── ImageError        a picture that cannot be read, drawn or written
    ├── ModelError        a model that cannot serve
    │   ├── ModelFileError    the file is missing, corrupt, foreign or of another task
    │   ├── UnknownModel      no model of that name
    │   └── ParityError       two forms of one model disagree beyond the tolerance
    ├── DatasetError      labels, lists or folders that do not fit together
    ├── GalleryError      a gallery that is missing, foreign, newer or of another model
    ├── TrainingError     a training that cannot start, go on or be resumed
    ├── OptionError       an argument or option outside its range
    └── MissingExtra      an optional package is not installed

A message names the value, says what was expected, and what to do about it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = [
    "DatasetError",
    "GalleryError",
    "ImageError",
    "MissingExtra",
    "ModelError",
    "ModelFileError",
    "OptionError",
    "ParityError",
    "Problem",
    "SaccadeError",
    "TrainingError",
    "UnknownModel",
    "nearest",
]


class SaccadeError(Exception):
    """Base of all errors that a user can cause and mend."""


class ImageError(SaccadeError):
    """A picture cannot be read, drawn or written."""


class ModelError(SaccadeError):
    """A model cannot serve."""


class ModelFileError(ModelError):
    """A model file is missing, corrupt, without a card, or of another task."""


class UnknownModel(ModelError):
    """No model of that name is shipped, and no file of that name exists."""


class ParityError(ModelError):
    """Two forms of one model (torch, ONNX, OpenVINO) disagree beyond the tolerance."""


class DatasetError(SaccadeError):
    """Labels, lists or folders do not fit together."""


class GalleryError(SaccadeError):
    """A gallery is missing, foreign, of a newer format, or of another model."""


class TrainingError(SaccadeError):
    """A training cannot start, go on, or be resumed."""


class OptionError(SaccadeError):
    """An argument or option is outside its range."""


class MissingExtra(SaccadeError):
    """An optional package is needed and not installed."""

    def __init__(self, package: str, extra: str | None, purpose: str) -> None:
        # Without an extra the package is one that Saccade works with, but does not build on.
        wanted = package if extra is None else f"'saccade[{extra}]'"
        super().__init__(
            f"{purpose} needs the package {package!r}, which is not installed; "
            f"run: pip install {wanted}"
        )


@dataclass(frozen=True)
class Problem:
    """One item that was left out of a longer work, and why.

    Long works (a folder of pictures, a dataset) go on past a bad item, list it and count it.
    """

    where: str
    reason: str

    def __str__(self) -> str:
        # Most reasons are messages of errors, and name the item themselves.
        return self.reason if self.where in self.reason else f"{self.where}: {self.reason}"


def nearest(word: str, choices: Iterable[str], count: int = 3) -> str:
    """Say which of the choices come closest to a mistyped word.

    Returns:
        ``"did you mean 'a' or 'b'?"``, or the list of the choices when none is close.
    """
    known = sorted(choices)
    close = difflib.get_close_matches(word, known, n=count, cutoff=0.6)
    if close:
        return f"did you mean {' or '.join(repr(name) for name in close)}?"
    return f"known: {', '.join(known)}" if known else "none is known"
