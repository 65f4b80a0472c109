"""What the verbs return: frozen dataclasses that print well and round-trip through ``to_dict``.

The keys of ``to_dict`` are those of ``--json``. One type comes back always; nothing found is an
empty result. In a stream of pictures, a picture that cannot be answered is a :class:`Failed`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from saccade.errors import OptionError

__all__ = ["Classes", "Failed", "Look", "Neighbour", "Recognized", "RecognizedObject"]


@dataclass(frozen=True)
class Failed:
    """A picture of a stream that could not be answered.

    Attributes:
        image: Name of the picture, as in the other results.
        reason: One line that names the picture, what is wrong with it and the remedy.
    """

    image: str
    reason: str

    def __str__(self) -> str:
        return self.reason


# Classification


@dataclass(frozen=True)
class Classes:
    """The classes of one picture, the most likely first.

    >>> found = Classes("cat.jpg", ("cat", "dog"), (0.9, 0.1))
    >>> found
    cat.jpg: cat 90.0 %, dog 10.0 %
    >>> [(label, score) for label, score in found][0]
    ('cat', 0.9)

    Attributes:
        image: Name of the picture.
        labels: Names of the classes, best first.
        scores: Their probabilities, 0..1, in the same order.
        timings_ms: Milliseconds by stage; not compared.
    """

    image: str
    labels: tuple[str, ...]
    scores: tuple[float, ...]
    timings_ms: dict[str, float] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        if len(self.labels) != len(self.scores):
            raise OptionError(
                f"{len(self.labels)} labels and {len(self.scores)} scores; expected as many"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> Iterator[tuple[str, float]]:
        return iter(zip(self.labels, self.scores, strict=True))

    def __repr__(self) -> str:
        found = ", ".join(f"{label} {100 * score:.1f} %" for label, score in self)
        return f"{self.image}: {found or 'nothing'}"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: ``image, classes: [{label, score}], timings_ms``."""
        return {
            "image": self.image,
            "classes": [{"label": label, "score": score} for label, score in self],
            "timings_ms": dict(self.timings_ms),
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Classes:
        """Read what :meth:`to_dict` wrote.

        Raises:
            OptionError: A key is missing or of the wrong type.
        """
        return _read(cls, plain, _classes_from_dict)

    def draw(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Write the classes into a picture.

        Args:
            image: uint8 RGB ``(H, W, 3)``.

        Returns:
            A new picture of the same shape, a line for each class in its upper left corner.
        """
        from saccade.imaging.draw import draw_labels

        return draw_labels(image, [f"{label} {100 * score:.1f} %" for label, score in self])


def _classes_from_dict(plain: Mapping[str, Any]) -> Classes:
    classes = plain["classes"]
    return Classes(
        image=str(plain["image"]),
        labels=tuple(str(item["label"]) for item in classes),
        scores=tuple(float(item["score"]) for item in classes),
        timings_ms=_timings(plain),
    )


# Recognition by a gallery


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
        return _read(cls, plain, lambda keys: cls(*_objects_from_dict(keys)))

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

    Text is not read yet: ``lines`` is always empty, and there so that what reads the JSON today
    will go on working.

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

    @property
    def lines(self) -> tuple[()]:
        """The lines of text; always empty, until there is a reader."""
        return ()

    def __repr__(self) -> str:
        return f"{self.image}: {_names(self.objects)}"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: ``image, width, height, objects, lines, timings_ms``."""
        return {
            "image": self.image,
            "width": self.width,
            "height": self.height,
            "objects": [item.to_dict() for item in self.objects],
            "lines": list(self.lines),
            "timings_ms": dict(self.timings_ms),
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Look:
        """Read what :meth:`to_dict` wrote.

        Raises:
            OptionError: A key is missing or of the wrong type.
        """
        return _read(cls, plain, _look_from_dict)

    def draw(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Draw what was seen into a picture.

        Args:
            image: uint8 RGB ``(H, W, 3)``.

        Returns:
            A new picture of the same shape.
        """
        return _draw_objects(image, self.objects)


def _look_from_dict(plain: Mapping[str, Any]) -> Look:
    if plain["lines"]:
        raise ValueError("lines of text need a newer Saccade: pip install -U saccade")
    return Look(*_objects_from_dict(plain))


def _objects_from_dict(
    plain: Mapping[str, Any],
) -> tuple[str, int, int, tuple[RecognizedObject, ...], dict[str, float]]:
    """The fields that Recognized and Look share, in their order."""
    objects = tuple(_object_from_dict(item) for item in plain["objects"])
    size = int(plain["width"]), int(plain["height"])
    return str(plain["image"]), *size, objects, _timings(plain)


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
    image: NDArray[np.uint8], objects: tuple[RecognizedObject, ...]
) -> NDArray[np.uint8]:
    from saccade.imaging.draw import draw_boxes

    boxes = np.array([item.box for item in objects], np.float32).reshape(-1, 4)
    labels = [item.label or "unknown" for item in objects]
    return draw_boxes(image, boxes, labels, scores=[item.score for item in objects])


# Reading


_Result = TypeVar("_Result")


def _read(
    kind: type[_Result],
    plain: Mapping[str, Any],
    read: Callable[[Mapping[str, Any]], _Result],
) -> _Result:
    """Read a result; whatever is wrong with the values becomes one OptionError."""
    try:
        return read(plain)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        detail = f"lacks the key {error}" if isinstance(error, KeyError) else str(error)
        raise OptionError(
            f"this is no {kind.__name__} result ({detail}); expected what to_dict() gives"
        ) from error


def _timings(plain: Mapping[str, Any]) -> dict[str, float]:
    return {str(name): float(value) for name, value in plain["timings_ms"].items()}
