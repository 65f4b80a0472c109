"""What the recipes say that teach a small classifier by others: SSLD (arXiv 2103.05959) and kin."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from .schema import ClassifyRecipe, ModelOptions, _Part

__all__ = ["PEER", "DistillRecipe", "TeacherOptions", "TermOptions"]

PEER = "peer"
"""What terms call the network that learns beside the student."""

Weight = Annotated[float, Field(ge=0.0)]
Triple = tuple[float, float, float]


class TeacherOptions(_Part):
    """A finished classifier that the student learns from; none of its weights moves."""

    source: str
    """A run folder or a checkpoint in one; a shipped model or any .onnx classifier; a .pdparams of
    PaddleClas or a PP-LCNet of timm, with ``arch``."""
    name: str | None = None
    """What terms call it; by default ``teacher``, ``teacher2`` and so on."""
    arch: str | None = None
    """The network that foreign weights belong to, such as resnet50_vd."""
    bn: Literal["train", "eval"] | None = None
    """Batch-norm by the statistics of the batch, or by those that were learnt. The authors of SSLD
    found batch statistics the better teacher, 76.00 against 75.84. None: ``train``; ``eval`` for
    soft labels that are cached, and for an ONNX graph, which cannot do otherwise."""
    cached: bool = False
    """Ask the teacher once about each picture, as it is prepared for evaluation, and keep the
    answers on disk. Without it, the teacher sees the very batch that the student sees."""
    cache: str | None = None
    """Folder of those answers. None: ``soft_labels/NAME`` in the run folder. Several trainings may
    share one; that of another teacher is refused."""
    mean: Triple | None = None
    """Subtracted from RGB in [0, 1]. None: as the run or the card says; else those of ImageNet."""
    std: Triple | None = None
    """Divides afterwards."""
    output: Literal["auto", "logits", "probabilities"] = "auto"
    """What an ONNX graph without a card gives. ``auto``: probabilities where all rows are numbers
    from 0 that sum to 1."""

    @model_validator(mode="after")
    def _cached_is_still(self) -> Self:
        if self.cached and self.bn == "train":
            raise ValueError(
                "bn: train answers by the company that a picture is in, which cannot be cached; "
                "use bn: eval or cached: false"
            )
        if self.cache is not None and not self.cached:
            raise ValueError("cache belongs to cached: true")
        return self

    @property
    def batch_statistics(self) -> bool:
        """Whether batch-norm goes by the batch."""
        return not self.cached and self.bn != "eval"


class TermOptions(_Part):
    """One part of the loss: how the student is held against a teacher."""

    loss: str
    """A name in :mod:`saccade_train.distill.terms`."""
    weight: Weight = 1.0
    teacher: str | None = None
    """Name of a teacher, or ``peer``. None: all teachers, the mean; without teachers, the peer."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Options of that loss, for example ``{temperature: 4}``."""
    layers: tuple[str, ...] = ()
    """Modules of the student whose outputs are compared, such as ``backbone.blocks6``. Empty: the
    logits."""
    teacher_layers: tuple[str, ...] = ()
    """Those of the teacher. Empty: the same names."""
    labels: Literal["teacher", "truth"] = "teacher"
    """Where losses that look at a class (dkd, wsl, skd) have it from: the teacher's first choice,
    or the label, where there is one."""

    @model_validator(mode="after")
    def _layers_of_both(self) -> Self:
        if self.teacher_layers and not self.layers:
            raise ValueError("teacher_layers needs layers, those of the student")
        return self

    @property
    def taught_layers(self) -> tuple[str, ...]:
        """The teacher's modules."""
        return self.teacher_layers or self.layers


class DistillRecipe(ClassifyRecipe):
    """Everything that one distillation of a classifier depends on, data aside."""

    task: Literal["distill"] = "distill"  # type: ignore[assignment]
    teachers: tuple[TeacherOptions, ...] = ()
    peer: ModelOptions | None = None
    """A second network that learns together with the student (mutual learning); it starts from
    other random weights and is not exported."""
    terms: tuple[TermOptions, ...] = (TermOptions(loss="symmetric_kl"),)
    truth: Weight = 0.0
    """Weight of the cross entropy with the labels, for the student and for the peer. SSLD has
    none."""
    dropout: bool = False
    """Whether the student and the peer keep their dropout. SSLD switches it off."""
    stage: Literal["whole", "last_layer"] = "whole"
    """``last_layer``: the fix stage. All but the last linear layer stands still, batch-norm too,
    and pictures are prepared as for evaluation, at that size."""

    @model_validator(mode="after")
    def _terms_fit(self) -> Self:
        names = self.teacher_names()
        for name in names:
            if names.count(name) > 1 or name == PEER:
                raise ValueError(f"teachers: the name {name!r} is taken; give another name")
        if not self.terms and not self.truth:
            raise ValueError("nothing to learn from; give terms, or truth above 0")
        known = [*names, *([PEER] if self.peer else [])]
        for term in self.terms:
            if term.teacher is not None and term.teacher not in known:
                raise ValueError(
                    f"terms: no teacher {term.teacher!r}; there is {', '.join(known) or 'none'}"
                )
            if term.layers and any(self._is_cached(name) for name in self.taught_by(term)):
                raise ValueError(
                    f"terms: {term.loss} looks at layers, of which a cache of soft labels holds "
                    "none; use cached: false"
                )
            if term.labels == "truth" and (self.augment.mixup or self.augment.cutmix):
                raise ValueError("terms: labels: truth needs one class, and mixing blends two")
        return self

    @model_validator(mode="after")
    def _last_layer_alone(self) -> Self:
        if self.stage == "last_layer" and self.peer is not None:
            raise ValueError("stage: last_layer is for a student alone, not with a peer")
        if self.stage == "last_layer" and (self.augment.mixup or self.augment.cutmix):
            raise ValueError("stage: last_layer shows pictures as they are tested; without mixing")
        return self

    def teacher_names(self) -> list[str]:
        """How the teachers are called, in order."""
        return [
            teacher.name or ("teacher" if number == 1 else f"teacher{number}")
            for number, teacher in enumerate(self.teachers, start=1)
        ]

    def taught_by(self, term: TermOptions) -> list[str]:
        """The teachers that a term means."""
        if term.teacher is not None:
            return [term.teacher]
        return self.teacher_names() or ([PEER] if self.peer else [])

    def without_places(self) -> DistillRecipe:
        """The same with the names of its teachers, but not where they lie on this computer."""
        teachers = tuple(
            teacher.model_copy(update={"source": Path(teacher.source).name, "cache": None})
            for teacher in self.teachers
        )
        return self.model_copy(update={"teachers": teachers})

    def _is_cached(self, name: str) -> bool:
        return any(
            teacher.cached
            for known, teacher in zip(self.teacher_names(), self.teachers, strict=True)
            if known == name
        )
