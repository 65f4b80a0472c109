"""What the recipes say that teach reading: finding text, turning it upright, and reading it.

The data of these trainings is drawn: ``data.synth`` mixes presets of :mod:`saccade_train.synth`,
and ``data.real`` says which share of the samples comes from the labelled pictures of ``--data``.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from .schema import Fraction, Positive, Recipe, _Part

__all__ = [
    "DetectionLoss",
    "LineAugmentOptions",
    "LineData",
    "PageAugmentOptions",
    "PageData",
    "RecognitionLoss",
    "SynthPart",
    "TextDetectRecipe",
    "TextDirectionRecipe",
    "TextModel",
    "TextRecogniseRecipe",
]

Weight = Annotated[float, Field(ge=0.0)]


class SynthPart(_Part):
    """One kind of drawn text."""

    preset: Literal["document", "receipt", "scene"]
    weight: Weight = 1.0
    """How often, relative to the other parts."""
    length: tuple[Positive, Positive] | None = None
    """Fewest and most characters of a line. None: as the preset has it."""
    page: tuple[Positive, Positive] | None = None
    """Least and greatest longer side of a page, pixels. None: as the preset has it."""


_ALL_PARTS = (
    SynthPart(preset="document", weight=0.4),
    SynthPart(preset="receipt", weight=0.35),
    SynthPart(preset="scene", weight=0.25),
)


class _TextData(_Part):
    """What all text trainings say of their data."""

    synth: tuple[SynthPart, ...] = _ALL_PARTS
    """What is drawn."""
    alphabet: str = "latin"
    """``latin``, ``ascii``, or the path of a dictionary file, one character a line."""
    text: str | None = None
    """A file of running text, or of words, to write; None: the toolkit's own words."""
    fonts: Literal["train", "all"] = "train"
    """``train`` leaves out a fifth of the font families, to test on designs never seen."""
    real: Fraction = 0.0
    """Share of the samples that comes from ``--data`` rather than being drawn."""
    epoch: Positive = 20_000
    """Samples that make an epoch; drawn data has no end of its own."""
    val_limit: Positive = 400
    """At most so many samples of each place are read at an evaluation in training."""
    workers: Annotated[int, Field(ge=0)] = 1
    """Background processes that make samples ahead of the training step; 0: in the loop itself."""

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.real < 1 and not any(part.weight > 0 for part in self.synth):
            raise ValueError("synth is empty; with real below 1, something must be drawn")
        return self


class LineData(_TextData):
    """Lines for recognition and direction."""

    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    """Subtracted from RGB in [0, 1]."""
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)
    """Divides afterwards."""
    columns: Positive = 8192
    """Pixels of width of one optimiser step: all its lines side by side at a height of 32. A step
    of short words has many lines, one of long lines few; ``batch_size`` is their mean."""
    widest: Positive = 800
    """Pixels at a height of 32; lines that would be wider are squeezed."""
    narrow: Annotated[float, Field(ge=0.0)] = 0.0
    """Pixels at a height of 32; narrower lines are drawn out, see
    :func:`saccade.text.sizes.reading_width`. 0, as PP-OCR has it: none."""
    case_free: tuple[str, ...] = ()
    """File or folder names of places whose transcriptions don't keep the case of the print; there
    the loss takes either case of a letter as right."""


class PageData(_TextData):
    """Pages for detection."""

    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    """Subtracted from RGB in [0, 1]."""
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    """Divides afterwards."""
    size: Annotated[int, Field(ge=32, multiple_of=32)] = 640
    """Height and width of a training picture."""
    limit: Annotated[int, Field(ge=32)] = 960
    """Longest side at evaluation, and what the exported model asks for."""
    unclip: Annotated[float, Field(gt=0.0)] = 1.5
    """How far regions are widened at evaluation; see :class:`saccade.text.db_decode.DBOptions`."""
    threshold: Fraction = 0.3
    """Pixels above this probability make regions at evaluation."""
    box_threshold: Fraction = 0.6
    """Regions below this mean probability are dropped at evaluation; cross entropy draws paler and
    fatter maps than Dice, and wants less here and more above."""
    epoch: Positive = 2_000
    val_limit: Positive = 40


class TextModel(_Part):
    """Which network."""

    arch: str
    options: dict[str, Any] = Field(default_factory=dict)
    """Options of that architecture, for example ``{hidden: 96}``."""


class LineAugmentOptions(_Part):
    """The chances of each step of :func:`saccade_train.augment.text_lines.augment_line`."""

    synthetic: Fraction = 0.0
    """Chance that a drawn line goes through these steps too; it has been aged already."""
    distort: Fraction = 0.4
    stretch: Fraction = 0.4
    perspective: Fraction = 0.4
    crop: Fraction = 0.4
    blur: Fraction = 0.4
    hsv: Fraction = 0.4
    jitter: Fraction = 1.0
    noise: Fraction = 0.4
    invert: Fraction = 0.4
    rand: Fraction = 0.0
    """Two operations of RandAugment; 0.5 for the direction classifier in the reference."""
    shrink: Fraction = 0.0
    """As low as lines on a page that was scaled down, 10 to 28 pixels."""


class PageAugmentOptions(_Part):
    """The steps of :func:`saccade_train.augment.text_pages.augment_page`, and CopyPaste."""

    copy_paste: Fraction = 0.0
    """Chance that texts of another picture are pasted in."""
    flip: Fraction = 0.5
    rotation: Annotated[float, Field(ge=0.0, le=180.0)] = 10.0
    """Degrees to either side."""
    scale: tuple[float, float] = (0.5, 3.0)
    limit: Annotated[int, Field(ge=32)] | None = None
    """Crop windows at the reader's scale, with this longest side; else between texts, scaled."""
    brightness: Fraction = 0.0
    contrast: Fraction = 0.0
    grey: Fraction = 0.0
    blur: Fraction = 0.0
    jpeg: Fraction = 0.0
    invert: Fraction = 0.0


class RecognitionLoss(_Part):
    """What is summed, and with which weights (PP-OCRv2, sections 2.2 and 2.3)."""

    focal: bool = False
    """Focal CTC in place of plain CTC."""
    center: Weight = 0.0
    """Weight of the centre loss; 0.05 in the reference. Needs ``centers``."""
    centers: str | None = None
    """File that ``python -m saccade_train.training.centers`` writes."""
    ace: Weight = 0.0
    """Weight of aggregation cross entropy; 0.1 in the reference."""
    aligned: Weight = 0.0
    """Weight of the cross entropy of each step, for drawn lines, whose characters' places are
    known. It spares a new network CTC's long search for the alignment. (Ours, not the paper's.)"""
    mutual: Weight = 0.0
    """U-DML: a second network learns beside the first, and each from the other; 1 in the
    reference. 0: one network."""
    features: Weight = 1.0
    """With ``mutual``: weight of the distance between the trunks' features."""

    @model_validator(mode="after")
    def _centers(self) -> Self:
        if (self.center > 0) != (self.centers is not None):
            raise ValueError("center and centers belong together: a weight above 0 and a file")
        return self


class TextRecogniseRecipe(Recipe):
    """A recogniser of lines: CTC on drawn and real lines."""

    task: Literal["text_recognise"] = "text_recognise"
    model: TextModel = TextModel(arch="crnn_lcnet_x1_0")
    data: LineData = LineData()
    augment: LineAugmentOptions = LineAugmentOptions()
    loss: RecognitionLoss = RecognitionLoss()


class TextDirectionRecipe(Recipe):
    """A classifier that says whether a line stands upside down."""

    task: Literal["text_direction"] = "text_direction"
    model: TextModel = TextModel(arch="direction_mobilenet_v3_small_x0_35")
    data: LineData = LineData()
    augment: LineAugmentOptions = LineAugmentOptions()


class DetectionLoss(_Part):
    """DB loss, and collaborative mutual learning (CML) around it."""

    main: Literal["dice", "bce", "both"] = "dice"
    """On the shrink map: Dice, as every shipped configuration has it, or cross entropy with hard
    negatives, as the paper has it."""
    alpha: Weight = 5.0
    """Weight of the shrink map."""
    beta: Weight = 10.0
    """Weight of the threshold map."""
    between: Annotated[int, Field(ge=1, le=100)] = 1
    """How much the ground between two lines of a row counts; see
    :func:`saccade_train.text.label_maps.gaps_of_rows`. 1 in the reference."""
    mutual: Weight = 0.0
    """DML between two students; 1 in the reference. 0: one network."""
    teacher: str | None = None
    """Run folder of a finished detector, which teaches by its dilated map (the frozen third of
    CML)."""
    dilated: Weight = 1.0
    """Weight of what the teacher says."""


class TextDetectRecipe(Recipe):
    """A DB detector of text."""

    task: Literal["text_detect"] = "text_detect"
    model: TextModel = TextModel(arch="db_mobilenet_v3_large_x0_5")
    data: PageData = PageData()
    augment: PageAugmentOptions = PageAugmentOptions()
    loss: DetectionLoss = DetectionLoss()
