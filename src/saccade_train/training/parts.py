"""Teaching classes that differ in details: classification with WS-DAN or DCL.

What is evaluated as ``top1``, kept and exported is one look at the whole picture. WS-DAN is scored
a second time, as ``top1_attention_crop``, with the mean of that and of a look at what its attention
is on; DCL costs nothing after training.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn

from saccade_train._types import Image
from saccade_train.models.classifier import Classifier
from saccade_train.models.fine_grained import ClosePair
from saccade_train.recipes import ClassifyRecipe
from saccade_train.semisup.dcl import confuse_regions, local_shuffle, position_targets

from .classify import ClassifyTask
from .evaluate import evaluate
from .feed import Batch, Plan, made_ahead
from .parts_learner import DclLearner, WsdanLearner, build_student
from .setup import LoadedData

__all__ = ["ATTENTION_CROP", "DclBatch", "DclTask", "WsdanTask", "open_classify"]

ATTENTION_CROP = "_attention_crop"
"""Ending of the scores of two looks, which an exported graph does not take."""


def open_classify(recipe: ClassifyRecipe, data: LoadedData) -> ClassifyTask:
    """The task of a classification, by its ``parts.method``."""
    match recipe.parts.method:
        case "wsdan":
            return WsdanTask(recipe, data)
        case "dcl":
            return DclTask(recipe, data)
        case "none":
            return ClassifyTask(recipe, data)


class WsdanTask(ClassifyTask):
    """Attention that crops and drops; see :class:`.task.Task`."""

    def build(self) -> nn.Module:
        """The classifier and the centres."""
        student = build_student(self.recipe, len(self.classes))
        return WsdanLearner(student, self.recipe.parts)

    def deployed(self, model: nn.Module) -> nn.Module:
        """The classifier."""
        assert isinstance(model, WsdanLearner)
        return model.student

    def loss(self, module: Any, batch: Batch, device: torch.device, seed: int) -> Tensor:
        """Cross entropy of pictures, crops and drops, and the distance to the centres."""
        images = torch.from_numpy(batch.images).to(device, non_blocking=True)
        labels = torch.from_numpy(batch.labels).to(device, non_blocking=True)
        targets = self._soft_targets(batch, device)
        loss: Tensor = module(self._normalise(device)(images), targets, labels)
        return loss

    def evaluate(self, fabric: Fabric, model: nn.Module) -> dict[str, float]:
        """The usual scores, and those of two looks."""
        scores = super().evaluate(fabric, model)
        assert isinstance(model, Classifier)
        pair = ClosePair(model, self.recipe.parts.test_crop)
        for suffix, pictures in self.data.val.items():
            normalise = self._normalise(fabric.device)
            labels = pictures.items.labels
            found = evaluate(fabric, pair, pictures.__getitem__, labels, normalise)
            scores |= {name + ATTENTION_CROP + suffix: value for name, value in found.items()}
        return scores


@dataclass(frozen=True)
class DclBatch(Batch):
    """Pictures as they are, and with their patches shuffled."""

    shuffled: Image
    """uint8 (N, S, S, 3)."""
    positions: NDArray[np.float32]
    """Where the patches of the shuffled pictures were, (N, patches ** 2)."""


class DclTask(ClassifyTask):
    """Whole and shuffled pictures; see :class:`.task.Task`."""

    def build(self) -> nn.Module:
        """The classifier and the heads for training."""
        return DclLearner(build_student(self.recipe, len(self.classes)), self.recipe.parts)

    def deployed(self, model: nn.Module) -> nn.Module:
        """The classifier."""
        assert isinstance(model, DclLearner)
        return model.student

    def batches(self, plan: Plan, *, epoch: int, start: int, process: int) -> Iterator[DclBatch]:
        """Augmented pictures, whole and shuffled, made ahead."""
        whole = super().batches(plan, epoch=epoch, start=start, process=process)
        jobs = (
            (batch, [self.recipe.seed, epoch, number, process, 0xDC])
            for number, batch in enumerate(whole, start * plan.pieces)
        )
        return made_ahead(self._shuffle, jobs, self.recipe.data.workers)

    def loss(self, module: Any, batch: Batch, device: torch.device, seed: int) -> Tensor:
        """Classes, whole or shuffled, and positions."""
        assert isinstance(batch, DclBatch)
        count, patches = len(batch.labels), self.recipe.parts.patches
        images = torch.from_numpy(np.concatenate([batch.images, batch.shuffled])).to(device)
        labels = torch.from_numpy(batch.labels).to(device).repeat(2)
        targets = self._soft_targets(batch, device).repeat(2, 1)
        shuffled = torch.arange(2, device=device).repeat_interleave(count)
        in_place = position_targets(np.arange(patches**2).reshape(patches, patches))
        places = np.concatenate([np.tile(in_place, (count, 1)), batch.positions])
        positions = torch.from_numpy(places).to(device)
        loss: Tensor = module(self._normalise(device)(images), targets, labels, shuffled, positions)
        return loss

    def _shuffle(self, batch: Batch, seed: Sequence[int]) -> DclBatch:
        """A batch with its pictures shuffled beside it."""
        parts, rng = self.recipe.parts, np.random.default_rng(seed)
        arrangements = [local_shuffle(parts.patches, rng) for _ in batch.images]
        shuffled = [
            confuse_regions(image, arrangement, border=parts.border)
            for image, arrangement in zip(batch.images, arrangements, strict=True)
        ]
        positions = [position_targets(arrangement) for arrangement in arrangements]
        return DclBatch(
            batch.images, batch.labels, batch.numbers, np.stack(shuffled), np.stack(positions)
        )
