"""What the predictors of whole pictures share: opening a model, and reading pictures ahead."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from saccade import zoo
from saccade.errors import ImageError, ModelFileError, OptionError
from saccade.imaging.prepare import Prepare
from saccade.imaging.read import ImageSource, describe_source, read_image
from saccade.modelfile import ModelCard, read_card
from saccade.results import Failed
from saccade.runtime import Session, open_session

__all__ = [
    "MAX_BATCH",
    "LoadedModel",
    "Ready",
    "check_count",
    "check_images",
    "load_model",
    "milliseconds",
    "read_batches",
    "read_picture",
]

MAX_BATCH = 1024

# Decoding a photograph takes about as long as a small network takes to look at it. Two threads keep
# up with the network; OpenCV and Pillow release the interpreter while they work.
_READERS = 2


@dataclass(frozen=True)
class LoadedModel:
    """A model file, its card, and its graph ready to run."""

    path: Path
    card: ModelCard
    session: Session


@dataclass(frozen=True)
class Ready:
    """A picture prepared for a model.

    Attributes:
        image: Its name.
        pixels: uint8 RGB ``(height, width, 3)``, as the model takes it.
        timings_ms: Milliseconds of reading and of preparing.
    """

    image: str
    pixels: NDArray[np.uint8]
    timings_ms: dict[str, float]


def load_model(
    model: str | os.PathLike[str] | None,
    *,
    task: str,
    output: str,
    runtime: str,
    threads: int | None,
) -> LoadedModel:
    """Open the model of a predictor.

    Args:
        model: Name or file; None for the default of the task.
        task: What the predictor does, a key of ``zoo.DEFAULT``.
        output: The output of the graph that the predictor needs.
        runtime: See :func:`saccade.runtime.open_session`.
        threads: Likewise.

    Raises:
        UnknownModel: No such model.
        ModelFileError: The file is damaged, or a model of another task: its graph lacks the output.
    """
    path = zoo.default(task) if model is None else zoo.find(model)
    card = read_card(path)
    if output not in card.outputs:
        raise ModelFileError(
            f"{path}: a model to {card.task} with the outputs {', '.join(card.outputs) or 'none'}; "
            f"to {task}, a model with the output {output!r} is needed (see: saccade models)"
        )
    session = open_session(path, runtime=runtime, threads=threads)
    if output not in session.output_names or session.input_name != card.input_name:
        raise ModelFileError(
            f"{path}: the card does not fit the graph (it names the input {card.input_name!r} and "
            f"the output {output!r}, the graph has {session.input_name!r} and "
            f"{', '.join(session.output_names)}); export the model again (saccade export)"
        )
    return LoadedModel(path, card, session)


def read_picture(source: ImageSource, prepare: Prepare) -> Ready:
    """Read and prepare one picture.

    Raises:
        ImageError: It cannot be read.
    """
    start = time.perf_counter()
    image = read_image(source)
    read = time.perf_counter()
    pixels = prepare(image)
    timings = {
        "read": milliseconds(read - start),
        "prepare": milliseconds(time.perf_counter() - read),
    }
    return Ready(describe_source(source), pixels, timings)


def read_batches(
    sources: Iterable[ImageSource], prepare: Prepare, batch: int
) -> Iterator[list[Ready | Failed]]:
    """Read pictures in the background, a batch ahead of the caller.

    Memory stays bounded: of any number of sources at most two batches are held, prepared, and two
    pictures in full size.

    Args:
        sources: The pictures; taken from the iterable as they are needed, in this thread.
        prepare: How a picture becomes the input of the model.
        batch: Pictures in a group.

    Yields:
        Groups of up to ``batch`` pictures in input order; a bad one is a ``Failed``.
    """
    pending: deque[Future[Ready | Failed]] = deque()
    remaining = iter(sources)
    pool = ThreadPoolExecutor(_READERS, thread_name_prefix="saccade-read")
    try:
        while True:
            for source in islice(remaining, 2 * batch - len(pending)):
                pending.append(pool.submit(_read_or_fail, source, prepare))
            if not pending:
                return
            yield [pending.popleft().result() for _ in range(min(batch, len(pending)))]
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def check_images(images: Iterable[ImageSource]) -> Iterable[ImageSource]:
    """Refuse one picture where several are expected: a text is an iterable of letters.

    Raises:
        OptionError: It is one picture.
    """
    if isinstance(images, str | bytes | os.PathLike):
        raise OptionError(f"images is one picture ({describe_source(images)}); pass a list of them")
    return images


def check_count(number: int, name: str, most: int) -> int:
    """Refuse a number outside 1 to ``most``.

    Raises:
        OptionError: It is.
    """
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= most:
        raise OptionError(f"{name} is {number!r}, expected a whole number from 1 to {most}")
    return number


def milliseconds(seconds: float) -> float:
    """Seconds as milliseconds, to the microsecond."""
    return round(1000 * seconds, 3)


def _read_or_fail(source: ImageSource, prepare: Prepare) -> Ready | Failed:
    try:
        return read_picture(source, prepare)
    except ImageError as error:
        return Failed(describe_source(source), str(error))
