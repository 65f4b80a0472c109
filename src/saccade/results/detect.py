"""The result of detection: boxes, what is in them, and the forms that other programs take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saccade.errors import MissingExtra, OptionError, Problem
from saccade.geometry.boxes import clip, xyxy_to_cxcywh, xyxy_to_xywh
from saccade.results._read import read_result, read_timings

__all__ = ["DetectedObject", "Detections"]

_UNKNOWN = -1


@dataclass(frozen=True)
class DetectedObject:
    """One thing in a picture.

    Attributes:
        label: What it is.
        score: How sure the model is, 0..1.
        box: x1, y1, x2, y2 in pixels of the source.
        class_id: Number of its class in the model, from 0; -1 where it is not known.
    """

    label: str
    score: float
    box: tuple[float, float, float, float]
    class_id: int = _UNKNOWN

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: ``label, score, box, class_id``."""
        return {
            "label": self.label,
            "score": self.score,
            "box": list(self.box),
            "class_id": self.class_id,
        }


# Arrays do not compare with one truth value, so equality is our own.
@dataclass(frozen=True, eq=False, repr=False)
class Detections:
    """The things in one picture, the surest first.

    >>> found = Detections("street.jpg", 640, 480, [[10, 20, 110, 220]], [0.9], ("person",), [0])
    >>> found
    street.jpg: person 0.90
    >>> found[0].box, found.boxes.shape
    ((10.0, 20.0, 110.0, 220.0), (1, 4))

    Whatever order the boxes are given in, they are kept by descending score; equal scores keep
    their order. The arrays are read-only.

    Attributes:
        image: Name of the picture or video.
        width: Of the picture, in pixels.
        height: Likewise.
        boxes: float32 ``(N, 4)``, xyxy in pixels of the source.
        scores: float32 ``(N,)``, 0..1.
        labels: N names.
        class_ids: int64 ``(N,)``, the number of each class in the model, from 0; -1 where it is
            not known.
        timings_ms: Milliseconds by stage; not compared.
        frame: Number of the frame in a video, from 0; None for a picture.
        problems: What was wrong with the answer of the model and left out; not compared.
    """

    image: str
    width: int
    height: int
    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: tuple[str, ...]
    class_ids: NDArray[np.int64]
    timings_ms: dict[str, float] = field(default_factory=dict)
    frame: int | None = None
    problems: tuple[Problem, ...] = ()

    def __post_init__(self) -> None:
        boxes = np.array(self.boxes, np.float32).reshape(-1, 4)
        scores = np.array(self.scores, np.float32).reshape(-1)
        class_ids = np.array(self.class_ids, np.int64).reshape(-1)
        labels = tuple(self.labels)
        if not len(boxes) == len(scores) == len(labels) == len(class_ids):
            raise OptionError(
                f"{len(boxes)} boxes, {len(scores)} scores, {len(labels)} labels and "
                f"{len(class_ids)} class ids; expected as many of each"
            )
        if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
            raise OptionError("boxes or scores are not finite numbers; leave such rows out")
        order = np.argsort(-scores, kind="stable")
        arrays: dict[str, NDArray[Any]] = {
            "boxes": boxes[order],
            "scores": scores[order],
            "class_ids": class_ids[order],
        }
        for name, array in arrays.items():
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        object.__setattr__(self, "labels", tuple(labels[index] for index in order))

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> DetectedObject:
        """One object; negative numbers count from the end."""
        return DetectedObject(
            label=self.labels[index],
            score=_plain(self.scores[index]),
            box=_plain_box(self.boxes[index]),
            class_id=int(self.class_ids[index]),
        )

    def __iter__(self) -> Iterator[DetectedObject]:
        return (self[index] for index in range(len(self)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Detections):
            return NotImplemented
        return (
            (self.image, self.width, self.height, self.labels, self.frame)
            == (other.image, other.width, other.height, other.labels, other.frame)
            and np.array_equal(self.boxes, other.boxes)
            and np.array_equal(self.scores, other.scores)
            and np.array_equal(self.class_ids, other.class_ids)
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        found = ", ".join(f"{item.label} {item.score:.2f}" for item in self)
        where = self.image if self.frame is None else f"{self.image} frame {self.frame}"
        return f"{where}: {found or 'nothing'}"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: ``image, width, height, objects, timings_ms``.

        An object has ``label, score, box, class_id``. ``frame`` follows ``image`` in a video, and
        ``problems``, a list of texts, comes last where there are some.
        """
        return {
            "image": self.image,
            **({} if self.frame is None else {"frame": self.frame}),
            "width": self.width,
            "height": self.height,
            "objects": [item.to_dict() for item in self],
            "timings_ms": dict(self.timings_ms),
            **({"problems": [item.reason for item in self.problems]} if self.problems else {}),
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Detections:
        """Read what :meth:`to_dict` wrote; the keys ``class_id`` of the objects may be missing.

        Raises:
            OptionError: A key is missing or of the wrong type.
        """
        return read_result(cls, plain, _detections_from_dict)

    def draw(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Draw the objects into a picture.

        Args:
            image: uint8 RGB ``(H, W, 3)``.

        Returns:
            A new picture of the same shape.
        """
        from saccade.imaging.draw import draw_boxes

        return draw_boxes(image, self.boxes, self.labels, scores=self.scores)

    def to_coco(
        self, image_id: int = 0, category_ids: Sequence[int] | None = None
    ) -> list[dict[str, Any]]:
        """The objects as entries of a COCO result file.

        Args:
            image_id: Number of the picture in the dataset.
            category_ids: COCO's number of each class of the model, in the model's order; None
                takes the number of the class plus 1, as COCO counts from 1.

        Returns:
            ``{"image_id", "category_id", "bbox": [x, y, width, height], "score"}`` for each object.

        Raises:
            OptionError: A class has no number.
        """
        shapes = xyxy_to_xywh(self.boxes.astype(np.float64))
        return [
            {
                "image_id": image_id,
                "category_id": _category(int(class_id), category_ids),
                # To the thousandth: differences of float32 are noise beyond.
                "bbox": [round(value, 3) for value in shape.tolist()],
                "score": _plain(score),
            }
            for class_id, shape, score in zip(self.class_ids, shapes, self.scores, strict=True)
        ]

    def to_yolo(self, *, scores: bool = False) -> str:
        """The objects as the text of a YOLO label file.

        Args:
            scores: Whether each line ends with the score; label files for training have none.

        Returns:
            A line for each object: number of the class, then centre x, centre y, width and height
            in parts of the picture, 0..1. Boxes are cut at the border of the picture.

        Raises:
            OptionError: The number of a class is not known.
        """
        inside = clip(self.boxes.astype(np.float64), (self.height, self.width))
        size = (self.width, self.height, self.width, self.height)
        lines = []
        for class_id, shape, score in zip(
            self.class_ids, xyxy_to_cxcywh(inside) / size, self.scores, strict=True
        ):
            numbers = [f"{value:.6f}" for value in shape] + ([f"{score:.6g}"] if scores else [])
            lines.append(f"{_known(int(class_id))} {' '.join(numbers)}\n")
        return "".join(lines)

    def to_supervision(self) -> Any:
        """The objects as ``supervision.Detections``, with their names under ``class_name``.

        Raises:
            MissingExtra: The package supervision is not installed.
        """
        try:
            import supervision  # type: ignore[import-not-found, unused-ignore]
        except ModuleNotFoundError as error:
            raise MissingExtra("supervision", None, "to_supervision()") from error
        return supervision.Detections(
            xyxy=np.array(self.boxes),
            confidence=np.array(self.scores),
            class_id=np.array(self.class_ids),
            data={"class_name": np.array(self.labels, dtype=np.str_)},
        )


def _category(class_id: int, category_ids: Sequence[int] | None) -> int:
    if category_ids is None:
        return _known(class_id) + 1
    if not 0 <= class_id < len(category_ids):
        raise OptionError(
            f"class {class_id} has none of the {len(category_ids)} category ids; "
            "pass one for each class of the model"
        )
    return int(category_ids[class_id])


def _known(class_id: int) -> int:
    if class_id < 0:
        raise OptionError(
            "an object has no class id; expected one from 0 on, as a Detector gives it"
        )
    return class_id


def _plain(value: np.float32) -> float:
    """The shortest decimal number that is this float32: tidy, and exact when it is read again."""
    return float(str(value))


def _plain_box(box: NDArray[np.float32]) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = (_plain(value) for value in box)
    return x1, y1, x2, y2


def _detections_from_dict(plain: Mapping[str, Any]) -> Detections:
    objects = plain["objects"]
    frame = plain.get("frame")
    image = str(plain["image"])
    return Detections(
        image=image,
        width=int(plain["width"]),
        height=int(plain["height"]),
        boxes=np.array([_four(item["box"]) for item in objects], np.float32),
        scores=np.array([float(item["score"]) for item in objects], np.float32),
        labels=tuple(str(item["label"]) for item in objects),
        class_ids=np.array([int(item.get("class_id", _UNKNOWN)) for item in objects], np.int64),
        timings_ms=read_timings(plain),
        frame=None if frame is None else int(frame),
        problems=tuple(Problem(image, str(reason)) for reason in plain.get("problems", ())),
    )


def _four(box: Sequence[float]) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = (float(value) for value in box)
    return x1, y1, x2, y2
