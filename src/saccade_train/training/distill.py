"""Teaching a classifier by others: labelled and unlabelled pictures, teachers and terms.

With the recipe of SSLD (arXiv 2103.05959) the labels count for nothing: teacher and student see the
same pictures, and the student is held to the teacher's answers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional as F

from saccade.datasets.classification import ClassificationSet
from saccade.errors import OptionError
from saccade_train._types import Image
from saccade_train.augment.mixing import mix_batch
from saccade_train.distill.cache import soft_labels
from saccade_train.distill.teacher import Taught, Teacher
from saccade_train.distill.teachers import align_classes, open_teacher
from saccade_train.recipes import DistillRecipe
from saccade_train.recipes.schema_distill import TeacherOptions

from .classify import ClassifyTask
from .data import Places, fingerprint, place_list
from .distill_learner import DistillLearner, build_learner, teacher_layers
from .evaluate import normaliser
from .feed import Batch
from .pictures import Pictures
from .report import Report
from .setup import LoadedData, load_data
from .unlabelled import load_unlabelled

__all__ = ["DistillTask", "open_distill"]

_TINY = 1e-30


def open_distill(
    recipe: DistillRecipe,
    data: Places,
    val: Places,
    unlabelled: Places,
    *,
    out: Path,
    fabric: Fabric,
    report: Report,
    loaded: LoadedData | None = None,
) -> DistillTask:
    """Open teachers and pictures.

    Raises:
        SaccadeError: A teacher cannot be loaded or has other classes, or the pictures don't fit.
    """
    for term in recipe.terms:
        if not recipe.taught_by(term):
            raise OptionError(
                f"the term {term.loss} has nobody to learn from; name a teacher: --teacher of "
                "saccade distill, or teachers=[{source: RUN}]"
            )
    # What is wrong with a teacher must be said before the pictures are read.
    teachers = {
        name: open_teacher(options, name)
        for name, options in zip(recipe.teacher_names(), recipe.teachers, strict=True)
    }
    shape = recipe.data.eval.prepare() if recipe.stage == "last_layer" else None
    if loaded is None or shape is not None:
        loaded = load_data(recipe, data, val, report=report, train_shape=shape)
    pool = None
    if place_list(unlabelled):
        labelled = [loaded.train, *loaded.val.values()]
        pool = load_unlabelled(
            recipe.data,
            unlabelled,
            report=report,
            val=loaded.val[""].items,
            held_bytes=sum(pictures.nbytes for pictures in labelled),
            shape=shape,
        )
    return DistillTask(recipe, loaded, pool, teachers, out=out, fabric=fabric, report=report)


class DistillTask(ClassifyTask):
    """A recipe of distillation with its pictures and teachers; see :class:`.task.Task`."""

    recipe: DistillRecipe

    def __init__(
        self,
        recipe: DistillRecipe,
        data: LoadedData,
        pool: Pictures | None,
        teachers: dict[str, Teacher],
        *,
        out: Path,
        fabric: Fabric,
        report: Report,
    ) -> None:
        super().__init__(recipe, data)
        self._out, self._fabric, self._report = out, fabric, report
        self._pool = pool
        self._teachers = teachers
        self._columns: dict[str, Tensor | None] = {}
        for name, teacher in teachers.items():
            columns, note = align_classes(teacher, self.classes)
            self._columns[name] = None if columns is None else torch.tensor(columns)
            for line in (*teacher.notes, note):
                if line:
                    report.say(line)
        if recipe.stage == "last_layer":
            self._augment = _as_it_is
        if pool is not None:
            self._labels = np.concatenate([self._labels, pool.items.labels])
            self.problems = (*self.problems, *pool.items.problems)
        self.train_size = len(self._labels)
        self._sets = [data.train.items] + ([pool.items] if pool is not None else [])
        parts = [data.fingerprint, *(t.fingerprint for t in teachers.values())]
        if pool is not None:
            parts.append(fingerprint(pool.items))
        self.fingerprint = hashlib.sha256("\0".join(parts).encode()).hexdigest()
        self._cached: dict[str, Tensor] = {}

    @property
    def _size(self) -> tuple[int, int]:
        """Height and width of a training picture."""
        if self.recipe.stage == "last_layer":
            return self.recipe.data.eval.height, self.recipe.data.eval.width
        return super()._size

    def build(self) -> DistillLearner:
        """The student and what learns beside it; the teachers are brought along."""
        learner = build_learner(self.recipe, len(self.classes), self._teachers, self._size)
        names, options = self.recipe.teacher_names(), self.recipe.teachers
        for name, one in zip(names, options, strict=True):
            self._teachers[name].to(self._fabric.device)
            if one.cached:
                self._cached[name] = self._ask(self._teachers[name], one)
        return learner

    def deployed(self, model: nn.Module) -> nn.Module:
        """The student."""
        assert isinstance(model, DistillLearner)
        return model.student

    def loss(self, module: Any, batch: Batch, device: torch.device, seed: int) -> Tensor:
        """The weighted sum of the recipe's terms."""
        recipe = self.recipe
        raw = torch.from_numpy(batch.images).to(device, non_blocking=True)
        labels = torch.from_numpy(batch.labels).to(device, non_blocking=True)
        targets = self._targets(labels)
        kept = {
            name: logits[torch.from_numpy(batch.numbers)].to(device)
            for name, logits in self._cached.items()
        }
        # One table with the targets, so that answers are mixed as pictures are.
        table = torch.cat([targets, *(logits.softmax(1) for logits in kept.values())], 1)
        views: dict[Any, Tensor] = {}
        mixed = table

        def view(mean: tuple[float, float, float], std: tuple[float, float, float]) -> Tensor:
            """The batch, normalised in some way; mixing is the same in each."""
            nonlocal mixed
            if (mean, std) not in views:
                normalise = normaliser(mean, std, device, channels_last=recipe.channels_last)
                draws = np.random.default_rng(seed)
                images, mixed = mix_batch(normalise(raw), table, recipe.augment, draws)
                views[mean, std] = images
            return views[mean, std]

        images = view(recipe.data.mean, recipe.data.std)
        targets, *answers = mixed.chunk(1 + len(kept), 1)
        if mixed is not table:
            kept = {
                name: answer.clamp_min(_TINY).log()
                for name, answer in zip(kept, answers, strict=True)
            }
        taught = {name: Taught(logits, {}) for name, logits in kept.items()}
        with torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bf16"):
            for name, teacher in self._teachers.items():
                if name not in taught:
                    layers = teacher_layers(recipe, name)
                    answer = teacher.look(view(teacher.mean, teacher.std), layers)
                    taught[name] = self._in_order(name, answer)
        loss: Tensor = module(images, taught, targets, labels)
        return loss

    def names(self, batches: Sequence[Batch]) -> list[str]:
        """Where the pictures lie."""
        samples = [sample for items in self._sets for sample in items.samples]
        return [samples[int(number)].where for batch in batches for number in batch.numbers]

    def _read(self, number: int) -> Image:
        """A labelled picture, or behind those an unlabelled one."""
        labelled = len(self.data.train)
        if number < labelled:
            return super()._read(number)
        assert self._pool is not None
        return self._pool[number - labelled]

    def _targets(self, labels: Tensor) -> Tensor:
        """Smoothed targets (N, C); 0 for unlabelled pictures."""
        classes, smoothing = len(self.classes), self.recipe.label_smoothing
        known = labels >= 0
        one_hot = F.one_hot(labels.clamp_min(0), classes).float()
        return (one_hot * (1 - smoothing) + smoothing / classes) * known[:, None]

    def _in_order(self, name: str, answer: Taught) -> Taught:
        columns = self._columns[name]
        if columns is None:
            return answer
        return answer._replace(logits=answer.logits[:, columns.to(answer.logits.device)])

    def _ask(self, teacher: Teacher, options: TeacherOptions) -> Tensor:
        """Soft labels of all pictures, out of the cache where they are there."""
        prepare = teacher.prepare or self.recipe.data.eval.prepare()
        folder = Path(options.cache) if options.cache else self._out / "soft_labels" / teacher.name
        device = self._fabric.device
        normalise = normaliser(teacher.mean, teacher.std, device, channels_last=True)
        parts: list[Tensor] = []
        # The first process asks, the others read its answers.
        if not self._fabric.is_global_zero:
            self._fabric.barrier()
        for items in self._sets:
            prepared = Pictures(items, prepare)
            with self._report.counting(f"asking {teacher.name}", len(items)) as done:
                parts.append(
                    soft_labels(
                        folder,
                        teacher,
                        prepare,
                        prepared.__getitem__,
                        len(items),
                        _identity(items),
                        normalise=normalise,
                        device=device,
                        done=done,
                    )
                )
        if self._fabric.is_global_zero:
            self._fabric.barrier()
        return self._in_order(teacher.name, Taught(torch.cat(parts), {})).logits


def _as_it_is(image: Image, rng: np.random.Generator) -> Image:
    """Augmentation that does nothing: the pictures are prepared already."""
    return image


def _identity(items: ClassificationSet) -> str:
    """Of the pictures and their order; labels and classes don't count for a teacher."""
    samples = tuple(replace(sample, label=-1) for sample in items.samples)
    return fingerprint(ClassificationSet((), samples))
