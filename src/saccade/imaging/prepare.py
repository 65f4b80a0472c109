"""The one description of preprocessing: from any picture to the pixels that a model takes.

A `Prepare` is part of a recipe, of an exported model's card and of evaluation. All three run this
code, so training, evaluation and deployment cannot drift apart. Colour order, mean and deviation
are inside the graph.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from saccade.errors import OptionError, nearest
from saccade.imaging.resize import Interpolation, letterbox, resize, resize_short_crop

__all__ = ["Prepare", "PrepareMode"]

PrepareMode: TypeAlias = Literal["short_crop", "stretch", "letterbox"]


@dataclass(frozen=True)
class Prepare:
    """How a picture becomes the input of a model.

    Attributes:
        height: of the model's input, in pixels.
        width: of the model's input, in pixels.
        mode: ``short_crop`` resizes the shorter side to ``short`` and cuts the middle out, as
            classifiers are evaluated; ``stretch`` resizes to the input size without keeping
            proportions; ``letterbox`` keeps proportions and fills the rest with grey 114.
        short: shorter side after resizing, for ``short_crop`` only; at least height and width.
        interpolation: ``linear``, ``cubic`` or ``area``.
    """

    height: int = 224
    width: int = 224
    mode: PrepareMode = "short_crop"
    short: int = 256
    interpolation: Interpolation = "linear"

    def __post_init__(self) -> None:
        for key in ("height", "width", "short"):
            value = getattr(self, key)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise OptionError(
                    f"prepare: {key} is {value!r}; expected a whole number of pixels, at least 1"
                )
        for key, kind in (("mode", PrepareMode), ("interpolation", Interpolation)):
            value = getattr(self, key)
            if value not in get_args(kind):
                raise OptionError(
                    f"prepare: unknown {key} {value!r}; {nearest(str(value), get_args(kind))}"
                )
        if self.mode == "short_crop" and self.short < max(self.height, self.width):
            raise OptionError(
                f"prepare: short is {self.short}, smaller than the crop of {self.height} x "
                f"{self.width}; make it at least {max(self.height, self.width)}"
            )

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Prepare one picture.

        Args:
            image: uint8 RGB (H, W, 3), of any size from 1 x 1.

        Returns:
            uint8 RGB (height, width, 3), contiguous, never sharing memory with ``image``.
        """
        size = (self.height, self.width)
        match self.mode:
            case "short_crop":
                return resize_short_crop(image, self.short, size, self.interpolation)
            case "stretch":
                return resize(image, size, self.interpolation)
            case "letterbox":
                return letterbox(image, size, interpolation=self.interpolation)[0]

    def batch(self, images: Iterable[np.ndarray]) -> np.ndarray:
        """Prepare several pictures, which may differ in size.

        Args:
            images: uint8 RGB arrays (H, W, 3).

        Returns:
            uint8 (N, height, width, 3); N may be 0.
        """
        ready = [self(image) for image in images]
        return np.stack(ready) if ready else np.empty((0, self.height, self.width, 3), np.uint8)

    def to_dict(self) -> dict[str, Any]:
        """Give all settings as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Prepare:
        """Build from settings, as `to_dict` writes them; those left out take their defaults.

        Raises:
            OptionError: an unknown key or a value outside its range.
        """
        known = [field.name for field in fields(cls)]
        for key in settings:
            if key not in known:
                raise OptionError(f"prepare: unknown key {key!r}; {nearest(str(key), known)}")
        return cls(**settings)
