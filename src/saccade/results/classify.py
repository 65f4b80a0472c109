"""The result of classification."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saccade.errors import OptionError
from saccade.results._read import read_result, read_timings

__all__ = ["Classes"]


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
        return read_result(cls, plain, _classes_from_dict)

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
        timings_ms=read_timings(plain),
    )
