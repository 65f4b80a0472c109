"""Teaching classification: cross entropy on labelled pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from saccade_train._types import Image
from saccade_train.augment.mixing import mix_batch
from saccade_train.augment.pipeline import build_augment
from saccade_train.losses import smooth_one_hot, soft_cross_entropy
from saccade_train.models.classifier import build_classifier
from saccade_train.recipes import ClassifyRecipe

from .evaluate import evaluate, normaliser
from .feed import Batch, Plan, feed
from .setup import LoadedData

__all__ = ["ClassifyTask"]


class ClassifyTask:
    """A recipe of classification with its pictures; see :class:`.task.Task`."""

    decisive = "top1"

    def __init__(self, recipe: ClassifyRecipe, data: LoadedData) -> None:
        self.recipe, self.data = recipe, data
        self.classes, self.problems = data.classes, data.problems
        self.fingerprint = data.fingerprint
        self.train_size = len(data.train)
        self.val_size = len(next(iter(data.val.values())))
        self._augment = build_augment(recipe.augment, recipe.data.train_size)
        self._labels = data.train.items.labels

    def build(self) -> nn.Module:
        """The classifier."""
        model = self.recipe.model
        return build_classifier(model.arch, len(self.classes), **model.options)

    def deployed(self, model: nn.Module) -> nn.Module:
        """All of it."""
        return model

    def batches(self, plan: Plan, *, epoch: int, start: int, process: int) -> Iterator[Batch]:
        """Augmented pictures, made ahead."""
        recipe = self.recipe
        return feed(
            self._read,
            self._labels,
            self._augment,
            plan=plan,
            size=self._size,
            seed=recipe.seed,
            epoch=epoch,
            start=start,
            process=process,
            workers=recipe.data.workers,
        )

    def loss(self, module: Any, batch: Batch, device: torch.device, seed: int) -> Tensor:
        """Cross entropy with smoothed and mixed labels."""
        images = self._normalise(device)(
            torch.from_numpy(batch.images).to(device, non_blocking=True)
        )
        targets = self._soft_targets(batch, device)
        rng = np.random.default_rng(seed)
        images, targets = mix_batch(images, targets, self.recipe.augment, rng)
        return soft_cross_entropy(module(images), targets)

    def evaluate(self, fabric: Fabric, model: nn.Module) -> dict[str, float]:
        """top1, top5 and loss, at each evaluation size."""
        scores: dict[str, float] = {}
        for suffix, pictures in self.data.val.items():
            labels = pictures.items.labels
            normalise = self._normalise(fabric.device)
            found = evaluate(fabric, model, pictures.__getitem__, labels, normalise)
            scores |= {name + suffix: value for name, value in found.items()}
        return scores

    def names(self, batches: Sequence[Batch]) -> list[str]:
        """Where the pictures lie."""
        samples = self.data.train.items.samples
        return [samples[int(number)].where for batch in batches for number in batch.numbers]

    @property
    def _size(self) -> tuple[int, int]:
        """Height and width of a training picture."""
        return self.recipe.data.train_size, self.recipe.data.train_size

    def _read(self, number: int) -> Image:
        """A picture of the training, before it is augmented."""
        return self.data.train[number]

    def _soft_targets(self, batch: Batch, device: torch.device) -> Tensor:
        """What the pictures are to be taken for, float32 (N, C)."""
        if self.data.targets is not None:
            return torch.from_numpy(self.data.targets[batch.numbers]).to(device)
        labels = torch.from_numpy(batch.labels).to(device, non_blocking=True)
        return smooth_one_hot(labels, len(self.classes), self.recipe.label_smoothing)

    def _normalise(self, device: torch.device) -> Any:
        data = self.recipe.data
        return normaliser(data.mean, data.std, device, channels_last=self.recipe.channels_last)
