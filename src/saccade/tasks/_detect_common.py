"""What a detector and an ensemble of them share: options, streams, and making results."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias, TypedDict

import numpy as np
from numpy.typing import NDArray

from saccade.errors import ImageError, OptionError, Problem, nearest
from saccade.geometry.boxes import area, clip
from saccade.imaging.read import ImageSource, describe_source, read_image
from saccade.imaging.video import VideoFrame
from saccade.results import Detections, Failed
from saccade.tasks._candidates import Candidates
from saccade.tasks._pictures import check_count, check_images, milliseconds
from saccade.tasks._slices import Slices

__all__ = [
    "DetectOptions",
    "Frame",
    "LookOptions",
    "Picture",
    "Source",
    "answer_all",
    "check_keep",
    "check_part",
    "drop_outside",
    "make_detections",
    "only_found",
    "read_source",
    "wanted_classes",
]

MAX_KEEP = 100_000
_READERS = 2

Source: TypeAlias = "ImageSource | VideoFrame"


class LookOptions(TypedDict, total=False):
    """The options of a call that detectors and ensembles share; see ``Detector.__call__``."""

    score: float | None
    iou: float | None
    keep: int | None
    classes: Iterable[str | int] | None
    slices: Slices | int | bool | None


class DetectOptions(LookOptions, total=False):
    """The options of a call of a detector; see ``Detector.__call__``."""

    suppression: str
    agnostic: bool


@dataclass(frozen=True)
class Frame:
    """A picture with what was found in it.

    Attributes:
        found: What was found.
        image: uint8 RGB ``(H, W, 3)``.
    """

    found: Detections
    image: NDArray[np.uint8]


@dataclass(frozen=True)
class Picture:
    """A picture that was read.

    Attributes:
        image: Its name.
        pixels: uint8 RGB ``(H, W, 3)``.
        read_ms: Milliseconds of reading.
        frame: Number of the frame of a video; None for a picture.
    """

    image: str
    pixels: NDArray[np.uint8]
    read_ms: float
    frame: int | None = None


def answer_all(
    sources: Iterable[Source], answer: Callable[[Picture], Detections]
) -> Iterator[Frame | Failed]:
    """Answer many pictures, reading two ahead.

    Args:
        sources: Any iterable, taken as it is needed.
        answer: Of one picture.

    Returns:
        An iterator in input order. A picture that cannot be read is a ``Failed``, and the others go
        on.

    Raises:
        OptionError: ``sources`` is one picture.
    """
    if isinstance(sources, VideoFrame):
        raise OptionError(f"sources is one frame of {sources.name}; pass a list of frames")
    check_images(sources)  # type: ignore[arg-type]
    return _answered(iter(sources), answer)


def only_found(frames: Iterator[Frame | Failed]) -> Iterator[Detections | Failed]:
    """The results without the pixels."""
    return (item if isinstance(item, Failed) else item.found for item in frames)


def _answered(
    sources: Iterator[Source], answer: Callable[[Picture], Detections]
) -> Iterator[Frame | Failed]:
    for item in _read_ahead(sources):
        if isinstance(item, Failed):
            yield item
            continue
        yield Frame(answer(item), item.pixels)


def _read_ahead(sources: Iterator[Source]) -> Iterator[Picture | Failed]:
    """Decode two pictures ahead, in the background; sources are taken in the caller's thread."""
    pending: deque[Future[Picture | Failed]] = deque()
    pool = ThreadPoolExecutor(_READERS, thread_name_prefix="saccade-read")
    try:
        while True:
            for source in islice(sources, _READERS - len(pending)):
                pending.append(pool.submit(_read_or_fail, source))
            if not pending:
                return
            item = pending.popleft().result()
            yield item
            del item  # or one picture more would be held while the next is waited for
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def read_source(source: Source) -> Picture:
    """Read one picture.

    Raises:
        ImageError: It cannot be read.
    """
    if isinstance(source, VideoFrame):
        return Picture(source.name, source.pixels, 0.0, source.number)
    start = time.perf_counter()
    pixels = read_image(source)
    return Picture(describe_source(source), pixels, milliseconds(time.perf_counter() - start))


def _read_or_fail(source: Source) -> Picture | Failed:
    try:
        return read_source(source)
    except ImageError as error:
        assert not isinstance(source, VideoFrame)  # those are read already
        return Failed(describe_source(source), str(error))


def drop_outside(found: Candidates, size: tuple[int, int]) -> Candidates:
    """Leave out boxes that do not reach into the picture, before they suppress others.

    Args:
        found: In pixels of the picture.
        size: (height, width) of the picture.
    """
    return found.pick(area(clip(found.boxes, size)) > 0)


def make_detections(
    picture: Picture,
    found: Candidates,
    labels: Sequence[str],
    keep: int,
    timings_ms: dict[str, float],
) -> Detections:
    """Make the result of one picture: clipped to it, tidy, the surest first.

    Args:
        picture: The picture.
        found: What is left after suppression, in its pixels.
        labels: Names of the classes.
        keep: How many objects at most.
        timings_ms: Milliseconds by stage, without reading.
    """
    height, width = picture.pixels.shape[:2]
    # A hundredth of a pixel: more would be noise.
    boxes = np.round(clip(found.boxes, (height, width)), 2)
    # What lies outside of the picture has no area any more.
    inside = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    kept = np.flatnonzero(inside)
    kept = kept[np.argsort(-found.scores[kept], kind="stable")][:keep]
    problems: tuple[Problem, ...] = ()
    if found.broken:
        problems = (
            Problem(
                picture.image,
                f"{_name(picture)}: {found.broken} of {found.rows} boxes of the network are not "
                "numbers (NaN) and were left out; check the model (saccade verify)",
            ),
        )
    classes = found.classes[kept]
    return Detections(
        image=picture.image,
        width=width,
        height=height,
        boxes=boxes[kept],
        scores=found.scores[kept],
        labels=tuple(labels[index] for index in classes),
        class_ids=classes,
        timings_ms={"read": picture.read_ms, **timings_ms},
        frame=picture.frame,
        problems=problems,
    )


def wanted_classes(
    classes: Iterable[str | int] | None, labels: Sequence[str]
) -> NDArray[np.bool_] | None:
    """Which classes count.

    Args:
        classes: Names or numbers; None for all.
        labels: Names of the model's classes.

    Returns:
        bool ``(C,)``, or None for all.

    Raises:
        OptionError: The model does not know one of them, or there is none.
    """
    if classes is None:
        return None
    given = [classes] if isinstance(classes, str | int) else list(classes)
    if not given:
        raise OptionError("classes is empty; name at least one, or pass None for all")
    wanted = np.zeros(len(labels), np.bool_)
    for item in given:
        if isinstance(item, str):
            matches = [index for index, label in enumerate(labels) if label == item]
            if not matches:
                raise OptionError(f"the model knows no class {item!r}; {nearest(item, labels)}")
            wanted[matches] = True
        elif isinstance(item, bool) or not 0 <= item < len(labels):
            raise OptionError(
                f"the model knows no class {item!r}; expected a number from 0 to {len(labels) - 1}"
            )
        else:
            wanted[item] = True
    return wanted


def check_part(value: float, name: str) -> float:
    """Refuse a number outside 0 to 1.

    Raises:
        OptionError: It is.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise OptionError(f"{name} is {value!r}, expected a number from 0 to 1")
    return float(value)


def check_keep(keep: int) -> int:
    """Refuse a number of objects outside 1 to 100,000.

    Raises:
        OptionError: It is.
    """
    return check_count(keep, "keep", MAX_KEEP)


def _name(picture: Picture) -> str:
    return picture.image if picture.frame is None else f"{picture.image} frame {picture.frame}"
