"""Graphs of text networks: ours with a card, and those of PP-OCR as others export them.

Ours take uint8 RGB ``(N, H, W, 3)``. A foreign one takes normalised float32 BGR ``(N, 3, H, W)``,
and has no card; what it needs besides is known from PaddleOCR's and RapidOCR's code.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from saccade import zoo
from saccade.errors import ModelError, ModelFileError
from saccade.modelfile import ModelCard, has_card, read_card, read_metadata
from saccade.runtime import Session, open_session

__all__ = [
    "TextGraph",
    "foreign_alphabet",
    "open_text_graph",
    "probe",
    "read_dictionary",
    "read_words",
]

_HALF = (0.5, 0.5, 0.5)


@dataclass(frozen=True)
class TextGraph:
    """A text network, ready to run.

    Attributes:
        path: Its file.
        session: The graph.
        output: Name of the output.
        card: Its card; None for a foreign graph.
    """

    path: Path
    session: Session
    output: str
    card: ModelCard | None

    def run(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run the network on pictures, uint8 RGB ``(N, H, W, 3)``."""
        if self.card is not None:
            return self.session.run(batch)[self.output]
        return self.session.run(_normalise(batch, _HALF, _HALF))[self.output]


def open_text_graph(
    model: str | os.PathLike[str] | None,
    *,
    task: str,
    output: str,
    runtime: str,
    threads: int | None,
) -> TextGraph:
    """Open a text network.

    Args:
        model: Name or file; None for the default of the task.
        task: ``"text_detect"``, ``"text_direction"`` or ``"text_recognise"``.
        output: Name of the output of our graphs.
        runtime: See :func:`saccade.runtime.open_session`.
        threads: Likewise.

    Raises:
        UnknownModel: No such model.
        ModelFileError: The file is damaged, or a model of another task.
    """
    path = zoo.default(task) if model is None else zoo.find(model)
    card = read_card(path) if has_card(path) else None
    if card is not None and card.task != task:
        raise ModelFileError(f"{path}: a model to {card.task}; expected one to {task}")
    session = open_session(path, runtime=runtime, threads=threads)
    if card is None:
        shape = session.input_shape
        if len(shape) != 4 or shape[1] not in (3, None):
            raise ModelFileError(
                f"{path}: has no Saccade card and takes {shape}; expected a PP-OCR network, which "
                "takes (N, 3, height, width), or a file made by 'saccade export'"
            )
        return TextGraph(path, session, session.output_names[0], None)
    if output not in session.output_names:
        raise ModelFileError(
            f"{path}: its graph gives {', '.join(session.output_names)}, expected {output!r}; "
            "export the model again (saccade export)"
        )
    return TextGraph(path, session, output, card)


def read_dictionary(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Read the characters of a recogniser from a file, one a line, as PaddleOCR keeps them.

    Raises:
        ModelFileError: The file cannot be read or is empty.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise ModelFileError(
            f"{path}: cannot be read as a dictionary ({error}); expected UTF-8, a character a line"
        ) from error
    if not text.strip("\n"):
        raise ModelFileError(f"{path}: is empty; expected the characters, one a line")
    return _lines(text)


def read_words(path: str | os.PathLike[str]) -> list[str]:
    """Read a word list from a file, one word a line.

    Each word is also allowed in lower case, in capitals, and with its first letter as a capital.

    Raises:
        ModelFileError: The file cannot be read or holds no word.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").split()
    except (OSError, ValueError) as error:
        raise ModelFileError(
            f"{path}: cannot be read as a word list ({error}); expected UTF-8, a word a line"
        ) from error
    if not lines:
        raise ModelFileError(f"{path}: holds no word; expected one a line")
    return sorted({form for w in lines for form in (w, w.lower(), w.upper(), w.capitalize())})


def foreign_alphabet(
    graph: TextGraph, dictionary: Sequence[str] | None, classes: int
) -> tuple[str, ...]:
    """Find the alphabet of a foreign recogniser.

    Args:
        graph: The recogniser.
        dictionary: Characters that the user gave; None takes those in the metadata of the file.
        classes: That the graph gives: blank, the characters, and nearly always a space.

    Raises:
        ModelFileError: No characters are known, or another number than the graph gives.
    """
    if dictionary is None:
        text = read_metadata(graph.path).get("character", "")
        if not text:
            raise ModelFileError(
                f"{graph.path}: names no characters; give its dictionary, one character a line "
                "(--dict FILE)"
            )
        dictionary = _lines(text)
    known = tuple(dictionary)
    for alphabet in ((*known, " "), known):
        if len(alphabet) + 1 == classes:
            return alphabet
    raise ModelFileError(
        f"{graph.path}: tells {classes} classes apart; the dictionary of {len(known)} characters "
        f"gives {len(known) + 2} with blank and space; expected the dictionary it was trained with"
    )


def probe(graph: TextGraph, heights: Sequence[int]) -> tuple[int, int]:
    """Find the height of line that a foreign recogniser takes, and how many classes it gives.

    Raises:
        ModelFileError: It takes none of the heights.
    """
    fixed = graph.session.input_shape[2]
    for height in (fixed,) if fixed is not None else heights:
        try:
            given = graph.run(np.full((1, height, 320, 3), 127, np.uint8))
        except ModelError:
            continue
        if given.ndim == 3:
            return height, given.shape[2]
    raise ModelFileError(
        f"{graph.path}: is no recogniser of lines; expected a PP-OCR network that takes "
        f"(N, 3, {' or '.join(map(str, heights))}, width) and gives (N, steps, classes)"
    )


def _lines(text: str) -> tuple[str, ...]:
    # Not splitlines(): some alphabets hold characters that it takes for ends of lines.
    return tuple(line.removesuffix("\r") for line in text.removesuffix("\n").split("\n"))


def _normalise(
    batch: NDArray[np.uint8], mean: Sequence[float], std: Sequence[float]
) -> NDArray[np.float32]:
    """uint8 RGB NHWC to float32 BGR NCHW; mean and std in the order of the network."""
    count, height, width, _ = batch.shape
    out = np.empty((count, 3, height, width), np.float32)
    for channel in range(3):
        np.multiply(
            batch[..., 2 - channel], np.float32(1 / (255 * std[channel])), out=out[:, channel]
        )
        out[:, channel] -= np.float32(mean[channel] / std[channel])
    return out
