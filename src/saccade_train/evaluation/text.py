"""The scores of models that find and read text, on label files of PP-OCR.

The functions ``score_...`` take any function for a model, so a training calls them with a torch
network, and :func:`evaluate_text` with the stages that users run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from saccade.datasets.text import (
    PageSample,
    TextLineSet,
    TextPageSet,
    open_text_lines,
    open_text_pages,
)
from saccade.errors import DatasetError, ImageError, OptionError, Problem, nearest
from saccade.metrics.text import (
    TextRule,
    detection_counts,
    detection_metrics,
    end_to_end_counts,
    end_to_end_metrics,
    line_metrics,
)
from saccade.tasks._text_models import TextDetector, TextDirection
from saccade.tasks._text_recogniser import TextRecogniser
from saccade.tasks.read_text import TextReader

__all__ = [
    "TEXT_TASKS",
    "TextScores",
    "evaluate_text",
    "score_directions",
    "score_lines",
    "score_pages",
    "score_readings",
]

TEXT_TASKS = ("text_detect", "text_direction", "text_recognise")
"""What the card of a text model says that it does."""

Image = NDArray[np.uint8]
Polygons = Sequence[np.ndarray] | np.ndarray
"""Of one picture: polygons (K, 2) in its pixels, or an array (N, K, 2)."""
Progress = Callable[[int], None]

_EXACT = TextRule()


@dataclass(frozen=True)
class TextScores:
    """What :func:`evaluate_text` found.

    Attributes:
        metrics: by their usual names; ``n`` is the number of pictures.
        skipped: what was left out, and why.
    """

    metrics: dict[str, float]
    skipped: tuple[Problem, ...]


def score_lines(
    read: Callable[[list[Image]], Sequence[str]],
    lines: TextLineSet,
    rule: TextRule = _EXACT,
    *,
    batch: int = 64,
    skipped: list[Problem] | None = None,
    progress: Progress | None = None,
) -> dict[str, float]:
    """Score the reading of lines.

    Args:
        read: from uint8 RGB pictures of lines (h, w, 3) to what they say, one text each.
        lines: what to read.
        rule: which differences don't matter.
        batch: lines that are read together.
        skipped: gets the pictures that could not be read from disk.
        progress: told the number of pictures after each batch.

    Returns:
        ``line_accuracy``, ``cer``, ``one_minus_ned``, ``n``; see
        :func:`saccade.metrics.text.line_metrics`.

    Raises:
        DatasetError: no picture could be read.
        OptionError: ``read`` gave another number of texts than pictures, or ``batch`` is below 1.
    """
    wanted: list[str] = []
    got: list[str] = []
    for samples, images in _batches(lines, batch, skipped, progress):
        wanted += [sample.text for sample in samples]
        got += list(read(images))
    return line_metrics(wanted, got, rule=rule)


def score_pages(
    find: Callable[[Image], Polygons],
    pages: TextPageSet,
    *,
    skipped: list[Problem] | None = None,
    progress: Progress | None = None,
) -> dict[str, float]:
    """Score the detection of text.

    Args:
        find: from a picture, uint8 RGB (H, W, 3), to polygons around its texts.
        pages: where to find text.
        skipped: gets the pictures that could not be read from disk.
        progress: told the number of pictures after each.

    Returns:
        ``precision``, ``recall``, ``hmean`` at IoU 0.5, and ``n``; see
        :func:`saccade.metrics.text.detection_counts`.

    Raises:
        DatasetError: no picture could be read.
    """
    counts = []
    for (sample,), (image,) in _batches(pages, 1, skipped, progress):
        points, _, ignored = _truth(sample)
        counts.append(detection_counts(points, ignored, list(find(image))))
    return {**detection_metrics(counts), "n": len(counts)}


def score_readings(
    read: Callable[[Image], tuple[Polygons, Sequence[str]]],
    pages: TextPageSet,
    rule: TextRule = _EXACT,
    *,
    skipped: list[Problem] | None = None,
    progress: Progress | None = None,
) -> dict[str, float]:
    """Score finding and reading together.

    Args:
        read: from a picture, uint8 RGB (H, W, 3), to polygons and what is written in them.
        pages: what to read.
        rule: which differences don't matter.
        skipped: gets the pictures that could not be read from disk.
        progress: told the number of pictures after each.

    Returns:
        ``precision``, ``recall``, ``hmean`` of the detection, as :func:`score_pages`;
        ``end_to_end_precision``, ``end_to_end_recall``, ``end_to_end_hmean`` and ``cer``, see
        :func:`saccade.metrics.text.end_to_end_counts`; and ``n``.

    Raises:
        DatasetError: no picture could be read.
    """
    found, right = [], []
    for (sample,), (image,) in _batches(pages, 1, skipped, progress):
        points, texts, ignored = _truth(sample)
        polygons, readings = read(image)
        found.append(detection_counts(points, ignored, list(polygons)))
        right.append(end_to_end_counts(points, texts, ignored, list(polygons), readings, rule=rule))
    whole = end_to_end_metrics(right)
    cer = whole.pop("cer")
    joint = {f"end_to_end_{name}": value for name, value in whole.items()}
    return {**detection_metrics(found), **joint, "cer": cer, "n": len(found)}


def score_directions(
    turned: Callable[[list[Image]], NDArray[np.floating]],
    lines: TextLineSet,
    *,
    batch: int = 64,
    skipped: list[Problem] | None = None,
    progress: Progress | None = None,
) -> dict[str, float]:
    """Score which lines are said to stand on their heads.

    Args:
        turned: from uint8 RGB pictures of lines (h, w, 3) to the probabilities (N,) that they are
            turned by 180 degrees.
        lines: labelled ``0`` and ``180``; where any other label occurs, the labels are taken for
            texts and the lines for upright, and each is looked at both as it is and turned.
        batch: lines that are looked at together.
        skipped: gets the pictures that could not be read from disk.
        progress: told the number of pictures after each batch.

    Returns:
        ``accuracy``; that of upright lines, ``accuracy_0``, and of turned ones, ``accuracy_180``
        (without such lines not a number); and ``n``, the number of lines looked at.

    Raises:
        DatasetError: no picture could be read.
    """
    labelled = {sample.text.strip() for sample in lines.samples} <= {"0", "180"}
    hits: dict[bool, list[bool]] = {False: [], True: []}
    for samples, images in _batches(lines, batch, skipped, progress):
        if labelled:
            truth = [sample.text.strip() == "180" for sample in samples]
        else:
            images += [np.ascontiguousarray(image[::-1, ::-1]) for image in images]
            truth = [False] * len(samples) + [True] * len(samples)
        for label, probability in zip(truth, turned(images), strict=True):
            hits[label].append((probability > 0.5) == label)
    share = {label: _mean(list_) for label, list_ in hits.items()}
    both = hits[False] + hits[True]
    return {
        "accuracy": _mean(both),
        "accuracy_0": share[False],
        "accuracy_180": share[True],
        "n": len(both),
    }


def evaluate_text(
    model: str,
    task: str,
    places: Sequence[str],
    split: str = "val",
    *,
    recogniser: str | None = None,
    direction: str | None = None,
    dictionary: str | None = None,
    rule: TextRule = _EXACT,
    runtime: str = "onnxruntime",
    threads: int | None = None,
    batch: int = 64,
    progress: Callable[[int], Progress] | None = None,
) -> TextScores:
    """Score text models as users run them.

    Args:
        model: name of a shipped model or an ``.onnx`` file, ours or a PP-OCR network of others.
        task: one of :data:`TEXT_TASKS`.
        places: label files, or what holds them; see :mod:`saccade.datasets.text`.
        split: which part of the data.
        recogniser: with it, pages are read as well: a second model; of ``text_detect`` only.
        direction: a third one, which sees lines that stand on their heads.
        dictionary: characters of a recogniser of others that does not carry them.
        rule: which differences between texts don't matter.
        runtime: see :func:`saccade.runtime.open_session`.
        threads: likewise.
        batch: lines that are looked at together.
        progress: gets the number of pictures, and gives what is told of each.

    Raises:
        OptionError: an unknown task, or options that do not belong to it.
        ModelError: a model cannot serve.
        DatasetError: no data, or none that can be read.
    """
    if task not in TEXT_TASKS:
        raise OptionError(f"unknown task {task!r}; {nearest(task, TEXT_TASKS)}")
    if task != "text_detect" and (recogniser is not None or direction is not None):
        raise OptionError(f"{model} is a model to {task}; a recogniser joins a text detector only")
    for name in (model, recogniser, direction):
        if name is not None and Path(name).is_dir():
            raise OptionError(
                f"{name} is a folder; export the run first (saccade export {name} -o model.onnx) "
                "and measure the file"
            )
    if recogniser is None and direction is not None:
        raise OptionError("a direction classifier joins a detector with a recogniser only")
    skipped: list[Problem] = []
    metrics: dict[str, float]
    if task == "text_detect":
        pages = _pages(places, split)
        tell = None if progress is None else progress(len(pages))
        if recogniser is None:
            detector = TextDetector(model, runtime=runtime, threads=threads)
            metrics = score_pages(
                lambda image: detector.find(image).quads, pages, skipped=skipped, progress=tell
            )
        else:
            reader = TextReader(
                model,
                recogniser,
                False if direction is None else direction,
                dictionary=dictionary,
                runtime=runtime,
                threads=threads,
            )
            metrics = score_readings(_reading(reader), pages, rule, skipped=skipped, progress=tell)
        return TextScores(metrics, (*pages.problems, *skipped))
    lines = _lines(places, split)
    tell = None if progress is None else progress(len(lines))
    if task == "text_direction":
        classifier = TextDirection(model, runtime=runtime, threads=threads)
        metrics = score_directions(
            classifier.classify, lines, batch=batch, skipped=skipped, progress=tell
        )
    else:
        reads = TextRecogniser(model, dictionary=dictionary, runtime=runtime, threads=threads)
        metrics = score_lines(
            lambda crops: [line.text for line in reads.read(crops)],
            lines,
            rule,
            batch=batch,
            skipped=skipped,
            progress=tell,
        )
    return TextScores(metrics, (*lines.problems, *skipped))


def _reading(reader: TextReader) -> Callable[[Image], tuple[list[np.ndarray], list[str]]]:
    def read(image: Image) -> tuple[list[np.ndarray], list[str]]:
        page = reader(image, words=False)
        polygons = [np.array(line.polygon, np.float32) for line in page.lines]
        return polygons, [line.text for line in page.lines]

    return read


def _pages(places: Sequence[str], split: str) -> TextPageSet:
    sets = [open_text_pages(place, split) for place in places]
    return TextPageSet(
        tuple(sample for one in sets for sample in one.samples),
        tuple(problem for one in sets for problem in one.problems),
        ", ".join(one.place for one in sets),
    )


def _lines(places: Sequence[str], split: str) -> TextLineSet:
    sets = [open_text_lines(place, split) for place in places]
    return TextLineSet(
        tuple(sample for one in sets for sample in one.samples),
        tuple(problem for one in sets for problem in one.problems),
        ", ".join(one.place for one in sets),
    )


def _truth(sample: PageSample) -> tuple[list[np.ndarray], list[str], list[bool]]:
    regions = sample.regions
    return (
        [region.points for region in regions],
        [region.text for region in regions],
        [region.ignored for region in regions],
    )


def _batches(
    pictures: TextPageSet | TextLineSet,
    batch: int,
    skipped: list[Problem] | None,
    progress: Progress | None,
) -> Iterator[tuple[list, list[Image]]]:  # type: ignore[type-arg]
    """Read pictures a few at a time; those that can't be read are left out.

    Raises:
        DatasetError: none could be read.
    """
    if batch < 1:
        raise OptionError(f"batch is {batch}; expected at least 1")
    problems: list[Problem] = []
    any_read = False
    for start in range(0, len(pictures), batch):
        numbers = range(start, min(len(pictures), start + batch))
        samples, images = [], []
        for number in numbers:
            sample = pictures.samples[number]
            try:
                images.append(pictures.read(number))
                samples.append(sample)
            except ImageError as error:
                problems.append(Problem(sample.path, str(error)))
        if images:
            any_read = True
            yield samples, images
        if progress is not None:
            progress(len(numbers))
    if skipped is not None:
        skipped += problems
    if not any_read:
        reason = f", for example {problems[0]}" if problems else ""
        raise DatasetError(f"{pictures.place}: no picture could be read{reason}")


def _mean(hits: Sequence[bool]) -> float:
    return sum(hits) / len(hits) if hits else float("nan")
