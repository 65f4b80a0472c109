"""The results of recognition by a gallery, and of a look at everything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saccade.results._read import read_result, read_timings
from saccade.results.page import TextLine, lines_from_plain

__all__ = ["Look", "Neighbour", "Recognized", "RecognizedObject"]


@dataclass(frozen=True)
class Neighbour:
    """An item of a gallery that resembles what was seen.

    Attributes:
        id: Its number in the gallery.
        label: What it shows.
        score: Cosine similarity, -1..1.
    """

    id: int
    label: str
    score: float


@dataclass(frozen=True)
class RecognizedObject:
    """One thing in a picture, and its name if it has one.

    Attributes:
        box: x1, y1, x2, y2 in pixels.
        label: Its name; None for "not one of those I know".
        score: How sure: with a gallery the similarity of the best neighbour, -1..1; without one the
            probability of the class, 0..1; 0 where there is nothing to compare with.
        neighbours: The most similar items of the gallery, best first.
    """

    box: tuple[float, float, float, float]
    label: str | None
    score: float
    neighbours: tuple[Neighbour, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: ``box, label or null, score, neighbours: [{id, label, score}]``."""
        return {
            "box": list(self.box),
            "label": self.label,
            "score": self.score,
            "neighbours": [
                {"id": item.id, "label": item.label, "score": item.score}
                for item in self.neighbours
            ],
        }


@dataclass(frozen=True)
class Recognized:
    """The things in one picture, named by a gallery.

    >>> lemon = RecognizedObject((0, 0, 640, 480), "lemon", 0.91, (Neighbour(7, "lemon", 0.91),))
    >>> Recognized("photo.jpg", 640, 480, (lemon,))
    photo.jpg: lemon 0.91

    Attributes:
        image: Name of the picture.
        width: Of the picture, in pixels.
        height: Likewise.
        objects: What was found; may be empty.
        timings_ms: Milliseconds by stage; not compared.
    """

    image: str
    width: int
    height: int
    objects: tuple[RecognizedObject, ...]
    timings_ms: dict[str, float] = field(default_factory=dict, compare=False)

    def __len__(self) -> int:
        return len(self.objects)

    def __iter__(self) -> Iterator[RecognizedObject]:
        return iter(self.objects)

    def __repr__(self) -> str:
        return f"{self.image}: {_names(self.objects)}"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: ``image, width, height, objects, timings_ms``."""
        return {
            "image": self.image,
            "width": self.width,
            "height": self.height,
            "objects": [item.to_dict() for item in self.objects],
            "timings_ms": dict(self.timings_ms),
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Recognized:
        """Read what :meth:`to_dict` wrote.

        Raises:
            OptionError: A key is missing or of the wrong type.
        """
        return read_result(cls, plain, lambda keys: cls(*_objects_from_dict(keys)))

    def draw(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Draw the objects into a picture.

        Args:
            image: uint8 RGB ``(H, W, 3)``.

        Returns:
            A new picture of the same shape.
        """
        return _draw_objects(image, self.objects)


@dataclass(frozen=True)
class Look:
    """Everything seen in one glance at a picture.

    Attributes:
        image: Name of the picture.
        width: Of the picture, in pixels.
        height: Likewise.
        objects: What was found; may be empty.
        timings_ms: Milliseconds by stage; not compared.
        lines: The text in the picture, in reading order; may be empty.
    """

    image: str
    width: int
    height: int
    objects: tuple[RecognizedObject, ...]
    timings_ms: dict[str, float] = field(default_factory=dict, compare=False)
    lines: tuple[TextLine, ...] = ()

    def __repr__(self) -> str:
        names = [_names(self.objects)] if self.objects or not self.lines else []
        return f"{self.image}: {', '.join([*names, *(repr(line.text) for line in self.lines)])}"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: ``image, width, height, objects, lines, timings_ms``."""
        return {
            "image": self.image,
            "width": self.width,
            "height": self.height,
            "objects": [item.to_dict() for item in self.objects],
            "lines": [line.to_dict() for line in self.lines],
            "timings_ms": dict(self.timings_ms),
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Look:
        """Read what :meth:`to_dict` wrote.

        Raises:
            OptionError: A key is missing or of the wrong type.
        """
        return read_result(cls, plain, _look_from_dict)

    def draw(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Draw what was seen into a picture, and write the text beside it.

        The names of things keep off the lines of text where there is room.

        Args:
            image: uint8 RGB ``(H, W, 3)``.

        Returns:
            A new picture, of the same shape; twice as wide where there is text, as
            :meth:`.page.Page.draw` makes it.
        """
        from saccade.imaging.draw_text import draw_text

        if not self.lines:
            return _draw_objects(image, self.objects)
        polygons = [np.array(line.polygon, np.float64) for line in self.lines]
        places = np.array([[*p.min(axis=0), *p.max(axis=0)] for p in polygons])
        drawn = _draw_objects(image, self.objects, places)
        texts, scores = zip(*((line.text, line.score) for line in self.lines), strict=True)
        return draw_text(drawn, polygons, texts, scores)


def _look_from_dict(plain: Mapping[str, Any]) -> Look:
    return Look(*_objects_from_dict(plain), lines_from_plain(plain["lines"]))


def _objects_from_dict(
    plain: Mapping[str, Any],
) -> tuple[str, int, int, tuple[RecognizedObject, ...], dict[str, float]]:
    """The fields that Recognized and Look share, in their order."""
    objects = tuple(_object_from_dict(item) for item in plain["objects"])
    size = int(plain["width"]), int(plain["height"])
    return str(plain["image"]), *size, objects, read_timings(plain)


def _object_from_dict(plain: Mapping[str, Any]) -> RecognizedObject:
    x1, y1, x2, y2 = (float(value) for value in plain["box"])
    label = plain["label"]
    return RecognizedObject(
        box=(x1, y1, x2, y2),
        label=None if label is None else str(label),
        score=float(plain["score"]),
        neighbours=tuple(
            Neighbour(int(item["id"]), str(item["label"]), float(item["score"]))
            for item in plain["neighbours"]
        ),
    )


def _names(objects: tuple[RecognizedObject, ...]) -> str:
    names = [f"{item.label or 'unknown'} {item.score:.2f}" for item in objects]
    return ", ".join(names) or "nothing"


def _draw_objects(
    image: NDArray[np.uint8],
    objects: tuple[RecognizedObject, ...],
    avoid: NDArray[np.float64] | None = None,
) -> NDArray[np.uint8]:
    from saccade.imaging.draw import draw_boxes

    boxes = np.array([item.box for item in objects], np.float32).reshape(-1, 4)
    labels = [item.label or "unknown" for item in objects]
    scores = [item.score for item in objects]
    return draw_boxes(image, boxes, labels, scores=scores, avoid=avoid)
