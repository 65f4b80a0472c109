"""Any ONNX classifier as a teacher, run by ONNX Runtime; with our card or without one.

What the card would say is found from the graph: the layout of the input, its size, whether it takes
pixels (uint8) or normalised numbers (float32), and which output holds the classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from saccade.errors import ModelFileError, OptionError
from saccade.imaging.prepare import Prepare
from saccade.modelfile import fingerprint, has_card, read_card
from saccade.runtime import available_threads
from saccade.runtime.onnx_runtime import OnnxRuntimeSession
from saccade_train.recipes.schema_distill import TeacherOptions

from .teacher import IMAGENET_MEAN, IMAGENET_STD, Taught

__all__ = ["OnnxTeacher"]

# With these, (RGB / 255 - mean) / std is the pixel itself.
_PIXEL_MEAN = (0.0, 0.0, 0.0)
_PIXEL_STD = (1 / 255, 1 / 255, 1 / 255)
_EPS = 1e-12


class OnnxTeacher:
    """See :class:`.teacher.Teacher`.

    Args:
        path: The .onnx file.
        options: Of the recipe; what a card says cannot be said otherwise.
        name: What the recipe calls it.

    Raises:
        ModelFileError: The file is damaged, or its graph is not that of a classifier.
        OptionError: An option that doesn't fit the file.
    """

    def __init__(self, path: Path, options: TeacherOptions, name: str) -> None:
        self.name, self.source = name, str(path)
        self.fingerprint = fingerprint(path)
        if options.bn == "train":
            raise OptionError(
                f"teacher {path}: an ONNX graph cannot go by the statistics of a batch; leave bn "
                "out, or give the run folder instead"
            )
        self._session = OnnxRuntimeSession(path, available_threads(torch.get_num_threads()))
        self._nhwc, self._fixed, self._batch = _input(self._session, path)
        self._pixels = self._session.input_dtype == np.uint8
        self.classes: tuple[str, ...] | None = None
        self.prepare: Prepare | None = None
        wanted: str | None = None
        notes: list[str] = []
        if has_card(path):
            card = read_card(path)
            if card.task != "classify" or "probabilities" not in card.outputs:
                raise ModelFileError(f"teacher {path}: is a model to {card.task}, no classifier")
            self.prepare, self.classes, wanted = card.prepare, card.labels, "probabilities"
        elif self._fixed is not None:
            height, width = self._fixed
            self.prepare = Prepare(height, width, "short_crop", round(max(self._fixed) * 8 / 7))
        if self._pixels:
            if options.mean or options.std:
                raise OptionError(f"teacher {path}: takes pixels as they are; leave mean, std out")
            self.mean, self.std = _PIXEL_MEAN, _PIXEL_STD
        else:
            self.mean, self.std = options.mean or IMAGENET_MEAN, options.std or IMAGENET_STD
            if not (options.mean and options.std):
                notes.append(
                    f"note: {path} does not say how its pictures are normalised; taken as "
                    f"ImageNet's, mean {list(self.mean)} and std {list(self.std)} (see mean, std)"
                )
        size = self._fixed or (224, 224)
        empty = torch.zeros(1, 3, *size)
        self._output, self.num_classes = _class_output(self._run(empty), wanted, path)
        self._kind = options.output if wanted is None else "probabilities"
        self.notes = tuple(notes)
        if self.classes is not None and len(self.classes) != self.num_classes:
            raise ModelFileError(
                f"teacher {path}: its card names {len(self.classes)} classes, its graph has "
                f"{self.num_classes}; export it again"
            )

    def to(self, device: torch.device) -> None:
        """It stays where it is, on the CPU."""

    @torch.no_grad()
    def look(self, images: Tensor, layers: Sequence[str] = ()) -> Taught:
        """See :class:`.teacher.Teacher`; pictures of another size are resized."""
        if layers:
            raise OptionError(
                f"teacher {self.source}: an ONNX graph shows no layers, but terms look at "
                f"{', '.join(layers)}; give the run folder, or terms on logits"
            )
        answer = self._run(images.float().cpu())[self._output]
        scores = torch.from_numpy(answer.reshape(len(images), self.num_classes))
        if self._are_probabilities(scores):
            # Any logits with this softmax will do, and the logarithm is one.
            scores = scores.clamp_min(_EPS).log()
        return Taught(scores.to(images.device), {})

    def _are_probabilities(self, scores: Tensor) -> bool:
        if self._kind != "auto":
            return self._kind == "probabilities"
        return bool((scores >= 0).all() and ((scores.sum(1) - 1).abs() < 1e-2).all())

    def _run(self, images: Tensor) -> dict[str, NDArray[np.float32]]:
        if self._fixed is not None and tuple(images.shape[2:]) != self._fixed:
            images = F.interpolate(images, self._fixed, mode="bilinear", antialias=True)
        if self._nhwc:
            images = images.permute(0, 2, 3, 1)
        if self._pixels:
            images = images.round().clamp(0, 255).to(torch.uint8)
        batch = images.contiguous().numpy()
        if self._batch is None:
            return self._session.run(batch)
        # The graph takes batches of one size only: the last one is filled up.
        parts: list[dict[str, NDArray[np.float32]]] = []
        for start in range(0, len(batch), self._batch):
            piece = batch[start : start + self._batch]
            filled = np.concatenate([piece, np.repeat(piece[-1:], self._batch - len(piece), 0)])
            answer = self._session.run(filled)
            parts.append({key: value[: len(piece)] for key, value in answer.items()})
        return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def _input(
    session: OnnxRuntimeSession, path: Path
) -> tuple[bool, tuple[int, int] | None, int | None]:
    """Whether channels come last; height and width, if they are fixed; the batch, if it is."""
    shape = session.input_shape
    if len(shape) != 4 or 3 not in (shape[1], shape[3]):
        raise ModelFileError(
            f"teacher {path}: its input {session.input_name} has the shape {_shown(shape)}; "
            "expected pictures of three channels, N x 3 x H x W or N x H x W x 3"
        )
    nhwc = shape[3] == 3 and shape[1] != 3
    height, width = (shape[1], shape[2]) if nhwc else (shape[2], shape[3])
    if (height is None) != (width is None):
        raise ModelFileError(
            f"teacher {path}: its input has the shape {_shown(shape)}; expected height and width "
            "both fixed or both free"
        )
    fixed = (height, width) if height is not None and width is not None else None
    return nhwc, fixed, shape[0]


def _class_output(
    outputs: Mapping[str, NDArray[np.float32]], wanted: str | None, path: Path
) -> tuple[str, int]:
    """The output that holds one number for each class, and how many those are."""
    vectors = {
        name: value.size
        for name, value in outputs.items()
        if value.ndim >= 2 and value.shape[1] > 1 and value.size == value.shape[1]
    }
    for name in (wanted, "probabilities", "logits"):
        if name in vectors:
            return str(name), vectors[str(name)]
    if len(vectors) == 1 and wanted is None:
        return next(iter(vectors.items()))
    found = ", ".join(f"{name} {list(value.shape)}" for name, value in outputs.items())
    raise ModelFileError(
        f"teacher {path}: its outputs for one picture are {found}; expected one of shape "
        f"[1, classes]{', named probabilities or logits' if len(vectors) > 1 else ''}"
    )


def _shown(shape: Sequence[int | None]) -> str:
    return " x ".join("?" if side is None else str(side) for side in shape)
