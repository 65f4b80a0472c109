"""What the recipes say that teach detection: PP-PicoDet (arXiv 2111.00902).

The defaults are those of the second generation at 320 pixels
(``PaddleDetection/configs/picodet/picodet_s_320_coco_lcnet.yml`` and its ``_base_``).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from saccade.imaging.prepare import Prepare

from .schema import Fraction, Positive, Recipe, _Part

__all__ = [
    "BoxAugmentOptions",
    "BoxData",
    "BoxLoss",
    "BoxModel",
    "DetectRecipe",
    "SuppressOptions",
    "TrainSize",
]

Weight = Annotated[float, Field(ge=0.0)]
Side = Annotated[int, Field(ge=32, multiple_of=32)]
TrainSize: TypeAlias = Side | tuple[Side, Side]
"""A square's side, or (height, width), pixels."""


class BoxModel(_Part):
    """Which network."""

    arch: str = "picodet_s"
    """A name in :data:`saccade_train.models.detector.DETECTORS`."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Options of that architecture, for example ``{neck_channels: 64}``."""


class SuppressOptions(_Part):
    """How boxes become detections at evaluation."""

    score: Fraction = 0.025
    """Boxes up to this score are dropped before the suppression."""
    iou: Fraction = 0.6
    """Of two boxes of a class that overlap by more than this, the weaker goes."""
    keep: Positive = 100
    """Boxes of a picture that are kept, of all classes together."""


class BoxData(_Part):
    """How pictures come in."""

    height: Side = 320
    """Height of a picture at evaluation and in the exported model: it is stretched to this."""
    width: Side = 320
    interpolation: Literal["linear", "cubic", "area"] = "cubic"
    """Of the resize at evaluation and in the exported model; in training it is drawn."""
    sizes: tuple[TrainSize, ...] = ()
    """Sizes of training pictures; each batch draws one of them. Empty: height x width alone."""
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    """Subtracted from RGB in [0, 1]."""
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    """Divides afterwards."""
    class_agnostic: bool = False
    """Make one class, ``object``, of all: a detector of main bodies."""
    negatives: bool = False
    """Learn from pictures without boxes too: all that is found there is wrong."""
    holdout: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.1
    """Share of the pictures that is held out for evaluation when a place has no val split."""
    read_long: Positive | None = None
    """Pictures with a longer side than this are shrunk to it when they are read."""
    cache_mb: Annotated[int, Field(ge=0)] = 512
    """Memory for decoded training pictures, in each worker; others are read each time."""
    workers: Annotated[int, Field(ge=0)] = 1
    """Background processes that make batches ahead of the training step; 0: in the loop itself."""
    suppress: SuppressOptions = SuppressOptions()

    @property
    def train_sizes(self) -> tuple[tuple[int, int], ...]:
        """(height, width) of each of ``sizes``."""
        if not self.sizes:
            return ((self.height, self.width),)
        return tuple((one, one) if isinstance(one, int) else one for one in self.sizes)

    def prepare(self) -> Prepare:
        """Preprocessing at evaluation, as the runtime's object."""
        return Prepare(self.height, self.width, "stretch", interpolation=self.interpolation)


class BoxAugmentOptions(_Part):
    """The steps of :func:`saccade_train.augment.detection.augment_boxed`."""

    crop: Fraction = 1.0
    """Chance of the random IoU crop, which itself leaves one picture in seven whole."""
    crop_scale: tuple[float, float] = (0.3, 1.0)
    """Least and greatest root of the crop's share of the area."""
    crop_aspect: tuple[float, float] = (0.5, 2.0)
    """Least and greatest width / height of it, relative to the picture's own."""
    crop_thresholds: tuple[Fraction, ...] = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9)
    """IoU that some object must have with the crop; one is drawn for each picture."""
    flip: Fraction = 0.5
    """Chance of a left-right flip."""
    turn: Fraction = 0.0
    """Chance of a turn by one, two or three quarters; for pictures that have no upright."""
    distort: Fraction = 0.5
    """Chance of each of: other brightness, contrast, saturation, hue."""
    strength: Fraction = 0.5
    """The first three are multiplied by 1 - x to 1 + x."""
    hue: Annotated[float, Field(ge=0.0, le=0.5)] = 18 / 255
    """The shift is drawn from -x to x turns of the colour circle."""
    expand: Fraction = 0.0
    """Chance that the picture is put on a larger grey canvas."""
    expand_largest: Annotated[float, Field(ge=1.0)] = 4.0
    """Longest side of that canvas, relative to the picture's."""
    mosaic: Fraction = 0.0
    """Chance that four pictures become one."""
    mixup: Fraction = 0.0
    """Chance that such a mosaic is mixed with a fifth picture."""
    mosaic_epochs: Positive | None = None
    """Mosaic and mixup end after so many epochs. None: never."""
    interpolations: tuple[Literal["nearest", "linear", "area", "cubic", "lanczos"], ...] = (
        "nearest",
        "linear",
        "area",
        "cubic",
        "lanczos",
    )
    """Of the resize; each batch draws one."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not 0 < self.crop_scale[0] <= self.crop_scale[1] <= 1:
            raise ValueError(
                f"crop_scale={self.crop_scale} must be (least, greatest), above 0 and up to 1"
            )
        if not 0 < self.crop_aspect[0] <= 1 <= self.crop_aspect[1]:
            raise ValueError(f"crop_aspect={self.crop_aspect} must be two ratios around 1")
        if not self.interpolations:
            raise ValueError("interpolations is empty; name at least one")
        if self.mixup and not self.mosaic:
            raise ValueError("mixup mixes mosaics; it needs mosaic above 0")
        return self


class BoxLoss(_Part):
    """What is summed; see :class:`saccade_train.losses.picodet.PicoLossOptions`."""

    generation: Literal[1, 2] = 2
    """Of which PicoDet; None below means: as released for it."""
    assigner: Literal["simota", "tal", "atss", "switch"] | None = None
    """Which points learn which object; ``switch`` is ATSS first, and TAL from an epoch on."""
    switch_epoch: Annotated[int, Field(ge=0)] = 100
    """That epoch, from 0."""
    classification: Literal["vfl", "qfl", "focal"] = "vfl"
    box: Literal["iou", "giou", "diou", "ciou"] = "giou"
    classification_weight: Weight = 1.0
    box_weight: Weight | None = None
    dfl_weight: Weight | None = None
    """0: no distribution focal loss."""


class DetectRecipe(Recipe):
    """A PicoDet."""

    task: Literal["detect"] = "detect"
    model: BoxModel = BoxModel()
    data: BoxData = BoxData()
    augment: BoxAugmentOptions = BoxAugmentOptions()
    loss: BoxLoss = BoxLoss()
    decisive: Literal["map", "map_50"] = "map"
    """The score whose greatest value marks the best weights."""
