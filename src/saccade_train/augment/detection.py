"""What is done to the training pictures of detectors, in order.

The steps of PicoDet (``PaddleDetection/configs/picodet/_base_/picodet_320_reader.yml``): random
crop, mirror, distortion, and one size for the whole batch with a random interpolation. Mosaic,
mixup and expansion are off there.

One step is moved: colours are distorted after the resize. They change point by point, so the
order hardly matters to the pixels, and the resized picture is mostly the smaller one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np

from saccade.errors import OptionError

from .box_crop import THRESHOLDS, iou_crop
from .box_expand import expand
from .boxes import Boxed, Interpolation, flip, stretch, turn
from .mosaic import mixup, mosaic
from .photometric import HUE_TURNS, distort

__all__ = ["DetectionAugment", "augment_boxed"]


@dataclass(frozen=True)
class DetectionAugment:
    """How training pictures are changed.

    Attributes:
        crop: chance of :func:`.box_crop.iou_crop` (which itself may leave a picture whole).
        crop_scale: least and greatest root of the window's share of the area.
        crop_aspect: least and greatest width / height of it, relative to the picture's own.
        crop_thresholds: IoU that some object must have with it, one drawn each time.
        flip: chance of a mirror image.
        turn: chance of a turn by one, two or three quarters of a circle; for pictures that have no
            upright, such as those from above. (Ours, not PicoDet's.)
        distort: chance of each of the four steps of :func:`.photometric.distort`.
        strength: of brightness, contrast and saturation there.
        hue: turns of the colour circle there.
        expand: chance of :func:`.box_expand.expand`.
        expand_largest: its factor.
        mosaic: chance that a picture becomes a mosaic with three others.
        mixup: chance that a mosaic is mixed with one more picture.
    """

    crop: float = 1.0
    crop_scale: tuple[float, float] = (0.3, 1.0)
    crop_aspect: tuple[float, float] = (0.5, 2.0)
    crop_thresholds: tuple[float, ...] = THRESHOLDS
    flip: float = 0.5
    turn: float = 0.0
    distort: float = 0.5
    strength: float = 0.5
    hue: float = HUE_TURNS
    expand: float = 0.0
    expand_largest: float = 4.0
    mosaic: float = 0.0
    mixup: float = 0.0

    def __post_init__(self) -> None:
        chances = ("crop", "flip", "turn", "distort", "strength", "expand", "mosaic", "mixup")
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in chances and not 0 <= value <= 1:
                raise OptionError(f"{field.name} is {value}; expected 0 to 1")
        if not 0 < self.crop_scale[0] <= self.crop_scale[1] <= 1:
            raise OptionError(
                f"crop_scale is {self.crop_scale}; expected two factors up to 1, lesser first"
            )
        if not 0 < self.crop_aspect[0] <= 1 <= self.crop_aspect[1]:
            raise OptionError(
                f"crop_aspect is {self.crop_aspect}; expected two ratios with 1 between them"
            )
        if not self.expand_largest >= 1:
            raise OptionError(f"expand_largest is {self.expand_largest}; expected at least 1")


def augment_boxed(
    boxed: Boxed,
    size: tuple[int, int],
    interpolation: Interpolation,
    rng: np.random.Generator,
    options: DetectionAugment,
    another: Callable[[np.random.Generator], Boxed] | None = None,
) -> Boxed:
    """Make a training picture.

    Args:
        boxed: Picture and objects, whatever its size.
        size: (height, width) of the result.
        interpolation: Of the resize.
        rng: Source of randomness.
        options: See there.
        another: Draws one more picture, for mosaic and mixup; None does without them.

    Returns:
        uint8 (height, width, 3), contiguous, and its objects.
    """
    if another is not None and options.mosaic > 0 and rng.random() < options.mosaic:
        boxed = mosaic([boxed, *(another(rng) for _ in range(3))], size, rng)
        if rng.random() < options.mixup:
            boxed = mixup(boxed, another(rng))
    if rng.random() < options.expand:
        boxed = expand(boxed, rng, largest=options.expand_largest)
    if rng.random() < options.crop:
        boxed = iou_crop(
            boxed,
            rng,
            thresholds=options.crop_thresholds,
            scale=options.crop_scale,
            aspect=options.crop_aspect,
        )
    if rng.random() < options.flip:
        boxed = flip(boxed)
    if options.turn > 0 and rng.random() < options.turn:
        boxed = turn(boxed, int(rng.integers(1, 4)))
    boxed = stretch(boxed, size, interpolation)
    image = distort(
        boxed.image, rng, chance=options.distort, strength=options.strength, hue=options.hue
    )
    return boxed._replace(image=np.ascontiguousarray(image))
