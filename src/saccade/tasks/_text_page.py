"""Reading one picture: finding lines, bringing them the right way up, reading them, in order.

What stands on its head or on its side is first told by the boxes and the direction classifier, and
then decided by reading a few lines both ways: the recogniser is far surer of upright text, and a
wrong guess of the classifier does no harm.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saccade.tasks._pictures import milliseconds
from saccade.tasks._text_models import TextDetector, TextDirection
from saccade.tasks._text_recogniser import PlacedText, TextRecogniser
from saccade.text.columns import Strip, lay_out
from saccade.text.crop import UPRIGHT_RATIO, cut_line
from saccade.text.order import reading_blocks
from saccade.text.rotation import is_sideways, sides, turn_image, turn_quads, unturn_quads

__all__ = ["FoundLine", "FoundText", "Stages", "read_page"]

_SAMPLE = 6  # lines that are read both ways
_DOUBTFUL = 0.85  # mean score of a page below which it may stand on its head unnoticed
_TURN_SCORE, _TURN_LEAD = 0.7, 0.05  # what the other way up must score, and by how much more
_SURE = 0.9  # a tall line read so well needs no other try
_UPRIGHT_FIRST = 0.05  # on a page of wide lines a short tall box is most likely an upright letter


@dataclass(frozen=True)
class Stages:
    """The networks; ``direction`` may be missing."""

    detector: TextDetector
    direction: TextDirection | None
    recogniser: TextRecogniser


@dataclass(frozen=True)
class FoundLine:
    """A line that was read.

    Attributes:
        quad: float32 ``(4, 2)``, from the top left of the text as read, in the source picture.
        text: What it says.
        block: Number of its block.
        strip: For a column of upright letters, how it was laid out to be read.
    """

    quad: NDArray[np.float32]
    text: PlacedText
    block: int
    strip: Strip | None = None


@dataclass(frozen=True)
class FoundText:
    """All lines of a picture in reading order, however unsure, and its turn."""

    lines: list[FoundLine]
    rotation: int
    timings_ms: dict[str, float]


@dataclass(frozen=True)
class _Try:
    """One way to read a line."""

    index: int
    crop: NDArray[np.uint8]
    quad: NDArray[np.float32]
    strip: Strip | None = None
    favour: float = 0.0


def read_page(image: NDArray[np.uint8], stages: Stages) -> FoundText:
    """Read a picture.

    Args:
        image: uint8 RGB ``(H, W, 3)``.
        stages: The networks.
    """
    clock = _Clock()
    size = image.shape[0], image.shape[1]
    quads = stages.detector.find(image).quads
    clock.lap("detect")
    rotation = 0
    if is_sideways(quads):
        rotation = _sideways_turn(image, quads, stages.recogniser)
        clock.lap("direction")
        if rotation:
            image = turn_image(image, rotation)
            quads = stages.detector.find(image).quads
            clock.lap("detect")
    if not len(quads):
        return FoundText([], 0, clock.laps)

    tall = _is_tall(quads)
    turned: NDArray[np.float32] | None = None
    suspected = False  # and so asked already whether it stands on its head
    crops = _cut(image, _reading(quads, tall), stages)
    if stages.direction is not None:
        turned = stages.direction.classify(crops)
        across, _ = sides(quads[~tall])
        share = float(across[turned[~tall] > 0.5].sum()) / max(float(across.sum()), 1.0)
        suspected = share > 0.5
        if suspected and _on_its_head(image, quads[~tall], stages.recogniser):
            rotation, image, quads = _turn_over(rotation, image, quads)
            turned = 1 - turned
            crops = [_over(crop) for crop in crops]
        clock.lap("direction")
    tries = _read_lines(image, quads, crops, turned, stages)
    doubtful = not suspected and _mean_score(tries) < _DOUBTFUL
    if doubtful and _on_its_head(image, quads[~tall], stages.recogniser):
        rotation, image, quads = _turn_over(rotation, image, quads)
        turned = None if turned is None else 1 - turned
        crops = [_over(crop) for crop in crops]
        tries = _read_lines(image, quads, crops, turned, stages)
    clock.lap("recognise")
    lines = []
    for block, rows in enumerate(reading_blocks(quads)):
        for index in np.concatenate(rows).tolist():
            found, text = tries[index]
            quad = unturn_quads(found.quad, rotation, size).astype(np.float32)
            lines.append(FoundLine(quad, text, block, found.strip))
    clock.lap("order")
    return FoundText(lines, rotation, clock.laps)


class _Clock:
    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._start = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[name] = round(self.laps.get(name, 0.0) + milliseconds(now - self._start), 3)
        self._start = now


def _read_lines(
    image: NDArray[np.uint8],
    quads: NDArray[np.float32],
    crops: Sequence[NDArray[np.uint8]],
    turned: NDArray[np.float32] | None,
    stages: Stages,
) -> list[tuple[_Try, PlacedText]]:
    """Read every line in the ways that are likely, and keep the best."""
    tall = _is_tall(quads)
    reading = _reading(quads, tall)
    tries = [
        _Try(index, crop, quad)
        for index, (crop, quad) in enumerate(zip(crops, reading, strict=True))
    ]
    if turned is not None and stages.direction is not None:
        overturned = np.flatnonzero(turned > stages.direction.threshold).tolist()
        tries += [_flipped(tries[index]) for index in overturned]
    likely = 0.0 if is_sideways(quads) else _UPRIGHT_FIRST
    for index in np.flatnonzero(tall).tolist():
        strip = lay_out(cut_line(image, quads[index], stages.recogniser.height))
        tries.append(_Try(index, strip.image, quads[index], strip, likely))
    best = _best(tries, stages.recogniser, [])
    doubtful = [index for index in np.flatnonzero(tall).tolist() if best[index][1].score < _SURE]
    best = _best([_flipped(tries[index]) for index in doubtful], stages.recogniser, best)
    ways = [way for way, _ in best]
    texts = stages.recogniser.look_again([way.crop for way in ways], [text for _, text in best])
    return list(zip(ways, texts, strict=True))


def _best(
    tries: Sequence[_Try], recogniser: TextRecogniser, before: list[tuple[_Try, PlacedText]]
) -> list[tuple[_Try, PlacedText]]:
    """Read, and keep for each line the reading that the recogniser is surest of."""
    best = list(before)
    texts = recogniser.read_once([way.crop for way in tries])
    for way, text in zip(tries, texts, strict=True):
        if way.index == len(best):
            best.append((way, text))
            continue
        known, said = best[way.index]
        if text.text.strip() and text.score + way.favour > said.score + known.favour:
            best[way.index] = (way, text)
    return best


def _flipped(way: _Try) -> _Try:
    return _Try(way.index, _over(way.crop), np.roll(way.quad, 2, axis=0))


def _sideways_turn(
    image: NDArray[np.uint8], quads: NDArray[np.float32], recogniser: TextRecogniser
) -> int:
    """By how much a picture of tall boxes must be turned: 0 for columns of upright letters."""
    chosen = quads[_is_tall(quads)]
    _, down = sides(chosen)
    chosen = chosen[np.argsort(-down, kind="stable")[:_SAMPLE]]
    downwards = [cut_line(image, np.roll(quad, -1, axis=0), recogniser.height) for quad in chosen]
    upwards = [_over(crop) for crop in downwards]
    columns = [lay_out(cut_line(image, quad, recogniser.height)).image for quad in chosen]
    texts = recogniser.read_once([*columns, *upwards, *downwards])
    scores = np.array([text.score for text in texts]).reshape(3, -1).mean(axis=1)
    return (0, 90, 270)[int(scores.argmax())]


def _on_its_head(
    image: NDArray[np.uint8], quads: NDArray[np.float32], recogniser: TextRecogniser
) -> bool:
    """Whether the widest lines are read well, and better, when they are turned over.

    Pages that do stand on their heads score 0.93 or more turned and 0.83 or less as they are. Of
    few and doubtful words, as in street scenes, either way may win by chance: they stay.
    """
    if not len(quads):
        return False
    across, _ = sides(quads)
    chosen = quads[np.argsort(-across, kind="stable")[:_SAMPLE]]
    crops = [cut_line(image, quad, recogniser.height) for quad in chosen]
    texts = recogniser.read_once([*crops, *map(_over, crops)])
    upright, over = np.array([text.score for text in texts]).reshape(2, -1).mean(axis=1)
    return bool(over >= _TURN_SCORE and over > upright + _TURN_LEAD)


def _turn_over(
    rotation: int, image: NDArray[np.uint8], quads: NDArray[np.float32]
) -> tuple[int, NDArray[np.uint8], NDArray[np.float32]]:
    size = image.shape[0], image.shape[1]
    over = np.roll(turn_quads(quads, 180, size), 2, axis=1)
    return (rotation + 180) % 360, turn_image(image, 180), over


def _over(crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(crop[::-1, ::-1])


def _is_tall(quads: NDArray[np.float32]) -> NDArray[np.bool_]:
    across, down = sides(quads)
    tall: NDArray[np.bool_] = down >= UPRIGHT_RATIO * across
    return tall


def _reading(quads: NDArray[np.float32], tall: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Quads from the top left of the text, where tall boxes hold text that runs downwards."""
    return np.where(tall[:, None, None], np.roll(quads, -1, axis=1), quads)


def _cut(
    image: NDArray[np.uint8], quads: NDArray[np.float32], stages: Stages
) -> list[NDArray[np.uint8]]:
    return [cut_line(image, quad, stages.recogniser.height) for quad in quads]


def _mean_score(tries: Sequence[tuple[_Try, PlacedText]]) -> float:
    return float(np.mean([text.score for _, text in tries]))
