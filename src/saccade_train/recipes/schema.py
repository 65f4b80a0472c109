"""What a recipe may say: typed, frozen, and with no room for a misspelt key.

A recipe is a YAML file that maps one to one onto a :class:`Recipe`; its key ``task`` says which:
:class:`ClassifyRecipe` here, those that read text in ``schema_text.py``, those that find objects in
``schema_detect.py``. Every number that shapes a training stands here: nothing is scaled behind the
reader's back. In particular ``optimiser.lr`` is the rate that is used, and ``batch_size`` counts
the samples of one optimiser step over all processes and accumulation pieces, so a recipe means the
same on one core and on eight GPUs.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from saccade.imaging.prepare import Prepare

__all__ = [
    "AugmentOptions",
    "ClassifyRecipe",
    "CropOptions",
    "DataOptions",
    "EmaOptions",
    "ModelOptions",
    "OptimiserOptions",
    "PartsOptions",
    "PrepareOptions",
    "Recipe",
    "ScheduleOptions",
]

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[int, Field(ge=1)]


class _Part(BaseModel):
    """Base of all parts: unknown keys are refused, values cannot be changed afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ModelOptions(_Part):
    """Which network."""

    arch: str = "lcnet_x1_0"
    """A name in :data:`saccade_train.models.classifier.ARCHITECTURES`."""
    options: dict[str, Any] = {}
    """Options of that architecture, for example ``{se: false, act: relu}``."""


class PrepareOptions(_Part):
    """Preprocessing at evaluation and in the exported model, a :class:`Prepare`."""

    height: Positive = 224
    width: Positive = 224
    mode: Literal["short_crop", "stretch", "letterbox"] = "short_crop"
    short: Positive = 256
    """The short side before the centre crop (mode ``short_crop``)."""
    interpolation: Literal["linear", "cubic", "area"] = "linear"

    @model_validator(mode="after")
    def _crop_fits(self) -> Self:
        if self.mode == "short_crop" and self.short < max(self.height, self.width):
            raise ValueError(
                f"short={self.short} is less than the crop {self.height}x{self.width}; "
                "a crop cannot be larger than the picture"
            )
        return self

    def prepare(self) -> Prepare:
        """The same rule as the runtime's object."""
        return Prepare(**self.model_dump())


class DataOptions(_Part):
    """How pictures come in."""

    train_size: Positive = 224
    """Height and width of a training picture. Testing at about 1.15x this size scores best."""
    eval: PrepareOptions = PrepareOptions()
    """Preprocessing at evaluation; also what the exported model asks for."""
    eval_at_train_size: bool = False
    """Evaluate a second time with the evaluation pictures resized to ``train_size``."""
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    """Subtracted from RGB in [0, 1]."""
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    """Divides afterwards."""
    holdout: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.1
    """Share of every class that is held out for evaluation when the data has no val split."""
    verify: bool = True
    """Decode every picture before the first step, so that broken ones are listed and skipped."""
    cache_mb: Annotated[int, Field(ge=0)] = 2048
    """Memory for decoded pictures, per process; those beyond it are read from disk each time."""
    cache_short: Positive | None = None
    """Training pictures are shrunk to this short side when read. None: 1.5 x ``train_size``."""
    workers: Annotated[int, Field(ge=0)] = 1
    """Background threads that augment ahead of the training step; 0: in the loop itself."""

    @property
    def read_short(self) -> int:
        """The short side to which training pictures are shrunk when they are read."""
        return self.cache_short or round(1.5 * self.train_size)


class CropOptions(_Part):
    """How a training picture of ``data.train_size`` is cut out."""

    kind: Literal["random_resized", "pad", "resize"] = "random_resized"
    """``random_resized``: a part of random area and shape (RandCropImage of PaddleClas). ``pad``:
    resized, padded by ``pad`` pixels, cropped at random (CIFAR's custom). ``resize``: stretched."""
    area: tuple[Fraction, Fraction] = (0.08, 1.0)
    """Smallest and largest share of the picture's area (random_resized)."""
    ratio: tuple[float, float] = (0.75, 4 / 3)
    """Smallest and largest width / height (random_resized)."""
    pad: Annotated[int, Field(ge=0)] = 4
    """Border in pixels (pad)."""
    fill: Literal["black", "reflect"] = "black"
    """What the border shows (pad)."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not 0 < self.area[0] <= self.area[1]:
            raise ValueError(f"area={self.area} must be (smallest, largest), both above 0")
        if not 0 < self.ratio[0] <= self.ratio[1]:
            raise ValueError(f"ratio={self.ratio} must be (smallest, largest), both above 0")
        return self


class AugmentOptions(_Part):
    """What is done to training pictures: crop, flip, policy, colour, erase; then mixing."""

    crop: CropOptions = CropOptions()
    flip: Fraction = 0.5
    """Chance of a left-right flip."""
    policy: Literal["none", "autoaugment", "randaugment"] = "none"
    """AutoAugment is the ImageNet policy (arXiv 1805.09501); RandAugment is arXiv 1909.13719."""
    randaugment_layers: Positive = 2
    """How many operations RandAugment applies in a row."""
    randaugment_magnitude: Annotated[int, Field(ge=0, le=10)] = 5
    """Strength of RandAugment's operations, 0 to 10."""
    brightness: Fraction = 0.0
    """Colour jitter: the factor is drawn from 1 - x to 1 + x."""
    contrast: Fraction = 0.0
    saturation: Fraction = 0.0
    hue: Annotated[float, Field(ge=0.0, le=0.5)] = 0.0
    """Colour jitter: the shift is drawn from -x to x turns of the colour circle."""
    erase: Fraction = 0.0
    """Chance of random erasing (arXiv 1708.04896)."""
    erase_area: tuple[Fraction, Fraction] = (0.02, 0.4)
    """Smallest and largest share of the picture that is erased."""
    mixup: Annotated[float, Field(ge=0.0)] = 0.0
    """Alpha of mixup (arXiv 1710.09412); 0: off."""
    cutmix: Annotated[float, Field(ge=0.0)] = 0.0
    """Alpha of CutMix (arXiv 1905.04899); 0: off. With both on, a fair coin decides each batch."""
    mix_probability: Fraction = 1.0
    """Chance that a batch is mixed at all, when mixup or cutmix is on."""


class PartsOptions(_Part):
    """Learning to tell near-identical classes apart by their parts."""

    method: Literal["none", "wsdan", "dcl"] = "none"
    """``wsdan``: attention that crops and drops (arXiv 1901.09891); the network ends in bilinear
    attention pooling. ``dcl``: shuffled patches (CVPR 2019); the network stays as it is."""
    maps: Positive = 32
    """Attention maps M (wsdan). The vector before the classifier has M times the channels of the
    last feature map."""
    crop: tuple[Fraction, Fraction] = (0.4, 0.6)
    """From where to where the threshold of a training crop is drawn, in shares of the greatest
    attention (wsdan)."""
    drop: tuple[Fraction, Fraction] = (0.2, 0.5)
    """Likewise, for what is blanked (wsdan)."""
    test_crop: Fraction = 0.1
    """Threshold of the second look at evaluation, by the mean of all maps (wsdan)."""
    center: Annotated[float, Field(ge=0.0)] = 1.0
    """Weight of the distance to the class's centre (wsdan)."""
    center_rate: Fraction = 0.05
    """How fast centres follow their pictures (wsdan); *unverified*, general knowledge."""
    patches: Annotated[int, Field(ge=2)] = 7
    """Pictures are cut into patches x patches (dcl). The last feature map must not be smaller."""
    border: Annotated[int, Field(ge=0)] = 10
    """Pixels that are cut off on each side before that (dcl); 10 is for pictures of 448."""
    by_class: bool = False
    """Tell shuffled pictures from whole ones of each class: 2 C classes in place of 2 (dcl)."""
    position: Annotated[float, Field(ge=0.0)] = 1.0
    """Weight of finding out where patches were (dcl): 1 for birds, .01 for cars and aircraft."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        for name in ("crop", "drop"):
            least, most = getattr(self, name)
            if least > most:
                raise ValueError(f"{name}=({least}, {most}) must be (smallest, largest)")
        return self


class OptimiserOptions(_Part):
    """How weights move."""

    name: Literal["sgd", "adamw"] = "sgd"
    lr: Annotated[float, Field(gt=0.0)] = 0.1
    """Peak learning rate, as used: it is not scaled with the batch."""
    momentum: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.9
    """SGD only."""
    nesterov: bool = False
    """SGD only."""
    betas: tuple[float, float] = (0.9, 0.999)
    """AdamW only."""
    weight_decay: Annotated[float, Field(ge=0.0)] = 3e-5
    """SGD: added to the gradient (L2). AdamW: decoupled."""
    decay_norm: bool | None = None
    """Whether normalisation layers decay too. None: as the architecture's authors did it."""
    decay_bias: bool = True
    """Whether the biases of other layers decay too."""

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> Self:
        if self.nesterov and self.momentum == 0.0:
            raise ValueError("nesterov needs momentum above 0")
        return self


class ScheduleOptions(_Part):
    """How the learning rate moves, per step. Warm-up is linear."""

    kind: Literal["cosine", "cosine_7_16", "piecewise", "constant"] = "cosine"
    """``cosine_7_16``: ``peak * cos(7/16 pi k / K)``, which ends at a fifth of the peak: FixMatch's
    (arXiv 2001.07685)."""
    warmup_epochs: Annotated[float, Field(ge=0.0)] = 0.0
    warmup_steps: Annotated[int, Field(ge=0)] = 0
    """Warm-up in steps, in place of ``warmup_epochs``."""
    warmup_from: Fraction = 0.0
    """Where the warm-up begins, as a share of the peak."""
    epochs: Positive | None = None
    """Cosines: the epoch at which they end; a training of fewer epochs stops before it.
    None: the training's last one."""
    end: Annotated[float, Field(ge=0.0)] = 0.0
    """Cosine: the rate at the end."""
    boundaries: tuple[float, ...] = ()
    """Piecewise: epochs at which the rate falls."""
    factor: Annotated[float, Field(gt=0.0)] = 0.1
    """Piecewise: what the rate is multiplied by at each boundary."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.warmup_epochs and self.warmup_steps:
            raise ValueError("give warmup_epochs or warmup_steps, not both")
        if (self.kind == "piecewise") != bool(self.boundaries):
            raise ValueError("boundaries belong to kind: piecewise, which needs at least one")
        if list(self.boundaries) != sorted(set(self.boundaries)):
            raise ValueError(f"boundaries={list(self.boundaries)} must rise")
        return self


class EmaOptions(_Part):
    """An exponential moving average of the weights, which is then what is evaluated and shipped."""

    decay: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """0: off."""
    warmup: bool = True
    """Start with a short memory: the decay of step t is at most (1 + t) / (10 + t)."""
    cycle_epochs: Annotated[int, Field(ge=0)] = 0
    """Epochs after which the average starts anew; 0: never. PP-PicoDet: 40."""


class Recipe(_Part):
    """What every training has, whatever it teaches."""

    task: str
    about: str = ""
    """What the recipe is for, and the published number it belongs to."""
    init: str | None = None
    """Start from these weights: a run folder, a .safetensors file, a file that ``saccade export``
    wrote, or the name of a shipped model. The last layer is renewed when the number of classes
    differs."""
    optimiser: OptimiserOptions = OptimiserOptions()
    schedule: ScheduleOptions = ScheduleOptions()
    epochs: Positive = 100
    batch_size: Positive = 128
    """Samples of one optimiser step, over all processes and accumulation pieces."""
    accumulate: Positive = 1
    """Pieces into which a batch is split to save memory."""
    clip_grad: Annotated[float, Field(ge=0.0)] = 0.0
    """Largest gradient norm; 0: no clipping."""
    ema: EmaOptions = EmaOptions()
    precision: Literal["32", "bf16"] = "32"
    """bf16 is mixed precision. It pays on GPUs and on CPUs with bf16 units (AMX, AVX512-BF16); on
    others it is ten times slower than 32."""
    channels_last: bool = True
    """Memory layout NHWC inside the network; 1.7 times as fast as NCHW for LCNet on a CPU."""
    seed: Annotated[int, Field(ge=0)] = 0
    eval_every: Positive = 1
    """Epochs between evaluations; the last epoch is always evaluated."""
    log_every: Positive = 50
    """Steps between lines of the log."""
    save_seconds: Annotated[float, Field(ge=0.0)] = 60.0
    """Longest time between checkpoints."""
    save_steps: Annotated[int, Field(ge=0)] = 0
    """Steps between checkpoints, besides ``save_seconds``; 0: by time alone."""

    @model_validator(mode="before")
    @classmethod
    def _plain_precision(cls, values: Any) -> Any:
        # YAML reads `precision: 32` as a number.
        if isinstance(values, dict) and isinstance(values.get("precision"), int):
            return {**values, "precision": str(values["precision"])}
        return values

    @model_validator(mode="after")
    def _pieces(self) -> Self:
        if self.batch_size % self.accumulate:
            raise ValueError(
                f"batch_size={self.batch_size} cannot be split into accumulate={self.accumulate} "
                "equal pieces"
            )
        return self


_WITH_PARTS: tuple[str, ...] = ("classify", "mining")


class ClassifyRecipe(Recipe):
    """Everything that one classification training depends on, data aside."""

    task: Literal["classify"] = "classify"
    model: ModelOptions = ModelOptions()
    data: DataOptions = DataOptions()
    augment: AugmentOptions = AugmentOptions()
    label_smoothing: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    parts: PartsOptions = PartsOptions()

    @model_validator(mode="after")
    def _parts_of_one_picture(self) -> Self:
        method = self.parts.method
        if method == "none":
            return self
        if self.task not in _WITH_PARTS:
            raise ValueError(
                f"parts.method={method} belongs to task {' or '.join(_WITH_PARTS)}, not to "
                f"{self.task}; leave it none"
            )
        if self.augment.mixup or self.augment.cutmix:
            raise ValueError(
                f"parts.method={method} looks for the parts of one thing, and augment.mixup and "
                "augment.cutmix blend two; set them to 0"
            )
        return self
