"""What the recipes say that teach embeddings: PP-ShiTu's feature extractor (arXiv 2111.00775)."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from .schema import AugmentOptions, DataOptions, Fraction, Positive, Recipe, _Part

__all__ = [
    "EmbedCenter",
    "EmbedData",
    "EmbedDistill",
    "EmbedLoss",
    "EmbedModel",
    "EmbedRecipe",
    "MemoryOptions",
    "MetricLoss",
    "SamplerOptions",
]

Weight = Annotated[float, Field(ge=0.0)]


class EmbedModel(_Part):
    """Which network."""

    arch: str = "lcnet_x2_5"
    """A name in :data:`saccade_train.models.classifier.ARCHITECTURES`."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Options of that architecture."""
    neck: Literal["fc", "bn", "hash", "none"] = "fc"
    """``hash``: a code of bits, by a linear layer and tanh."""
    embedding_dim: Positive = 512
    """Length of the embedding, or of the code in bits."""
    head: Literal["arc", "cos", "circle", "ada", "fc"] = "arc"
    """The classifier to learn with, see :mod:`saccade_train.heads.margin`."""
    head_options: dict[str, Any] = Field(default_factory=dict)
    """Its options, for example ``{margin: 0.2, scale: 30}``."""


class EmbedData(DataOptions):
    """How pictures come in."""

    gallery: Literal["train", "val"] = "train"
    """What is searched at evaluation with the pictures of val: those of train, or the others of
    val. With ``val`` its classes may be other ones than those of train."""
    gallery_per_class: Positive | None = None
    """Pictures of each class that are searched at most, the first ones; None: all."""


class MetricLoss(_Part):
    """One loss on pairs or triplets of the batch."""

    loss: str
    """A name in :data:`saccade_train.losses.metric.METRIC_LOSSES`."""
    weight: Weight = 1.0
    on: Literal["embedding", "pooled"] = "embedding"
    """Which vectors: the neck's output, or its input."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Options of that loss, for example ``{margin: 0.3}``."""


class MemoryOptions(_Part):
    """Cross-batch memory (XBM, arXiv 1912.06798): metric losses also see earlier batches."""

    size: Annotated[int, Field(ge=0)] = 0
    """Vectors that are remembered, in each process; 0: off."""
    weight: Weight = 1.0
    """Of the losses against the memory, besides their own weights."""
    start_step: Annotated[int, Field(ge=0)] = 1000
    """Steps before the memory counts: early vectors move too fast."""


class EmbedCenter(_Part):
    """Centre loss (Wen et al. 2016)."""

    weight: Weight = 0.0
    """0: off; the reference's is 5e-4."""
    rate: Fraction = 0.5
    """How far a centre moves towards its vectors each step."""


class EmbedDistill(_Part):
    """Learn from the vectors of a finished run, which stay as they are."""

    teacher: str | None = None
    """Run folder of an embedder. It sees the same pictures, at the same size."""
    cosine: Weight = 1.0
    """Weight of 1 - cosine between the vectors; both must be of one length. 0: off."""
    distances: Weight = 0.0
    """Weight of RKD's distances between pairs (arXiv 1904.05068); of any length."""
    angles: Weight = 0.0
    """Weight of RKD's angles between triples."""


class EmbedLoss(_Part):
    """What is minimised: a weighted sum."""

    classify: Weight = 1.0
    """Weight of the cross entropy of the head's logits."""
    smoothing: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    metric: tuple[MetricLoss, ...] = ()
    """Losses on pairs and triplets."""
    memory: MemoryOptions = MemoryOptions()
    center: EmbedCenter = EmbedCenter()
    distill: EmbedDistill = EmbedDistill()


class SamplerOptions(_Part):
    """Which pictures meet in a batch; see :mod:`saccade_train.samplers`."""

    kind: Literal["shuffle", "pk", "identity", "repeated"] = "shuffle"
    """``pk``: some classes at random, ``per_class`` pictures of each. ``identity``: likewise, but
    each picture about once. ``repeated``: each picture three times in a row."""
    per_class: Positive = 4
    """Pictures of a class in a batch (pk, identity)."""
    weigh: Literal["class", "picture"] = "picture"
    """What is equally likely to be drawn (pk): each class, or each picture."""


class EmbedRecipe(Recipe):
    """Everything that one training of an embedder depends on, data aside."""

    task: Literal["embed"] = "embed"
    model: EmbedModel = EmbedModel()
    data: EmbedData = EmbedData()
    augment: AugmentOptions = AugmentOptions()
    loss: EmbedLoss = EmbedLoss()
    sampler: SamplerOptions = SamplerOptions()

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.augment.mixup or self.augment.cutmix:
            raise ValueError("augment.mixup and cutmix blend classes, and a margin needs one class")
        if self.data.eval_at_train_size:
            raise ValueError("eval_at_train_size belongs to classifiers")
        loss = self.loss
        if not (loss.classify or loss.metric or loss.distill.teacher):
            raise ValueError("loss: nothing to learn from; set classify, metric or distill.teacher")
        if self.sampler.kind in ("pk", "identity"):
            piece = self.batch_size // self.accumulate
            if piece % self.sampler.per_class:
                raise ValueError(
                    f"a batch of {piece} cannot be made of classes with "
                    f"sampler.per_class={self.sampler.per_class} pictures each"
                )
        return self
