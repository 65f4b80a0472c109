"""Teaching a classifier on labelled and unlabelled pictures at once: FixMatch and its kin.

Each step sees a labelled batch, and ``mu`` times as many unlabelled pictures in a weak and a strong
view. The weak views go through the network by themselves and without gradient, which spares a
third of the work (USB has that as its mode without concatenation): their batch-norm statistics are
their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from saccade_train._types import Image
from saccade_train.augment.pipeline import Augment, build_augment
from saccade_train.losses import smooth_one_hot, soft_cross_entropy
from saccade_train.models.classifier import build_classifier
from saccade_train.recipes.schema_semi import SemiRecipe
from saccade_train.semisup.thresholds import pseudo_label_loss

from .classify import ClassifyTask
from .data import fingerprint
from .feed import Plan, made_ahead
from .pictures import Pictures
from .semi_learner import SemiLearner
from .setup import LoadedData

__all__ = ["SemiBatch", "SemiTask", "rounds_order"]


@dataclass(frozen=True)
class SemiBatch:
    """The pictures of one forward pass of one process."""

    images: Image
    """Labelled pictures, uint8 (N, S, S, 3)."""
    labels: NDArray[np.int64]
    """(N,)."""
    numbers: NDArray[np.int64]
    """(N,) which of the labelled pictures these are."""
    weak: Image
    """uint8 (mu N, S, S, 3)."""
    strong: Image
    """Other views of the same, uint8 (mu N, S, S, 3)."""
    unlabelled: NDArray[np.int64]
    """(mu N,) which of the pool."""


def rounds_order(pictures: int, wanted: int, seed: Sequence[int]) -> NDArray[np.int64]:
    """``wanted`` numbers below ``pictures``: random permutations, one behind the other.

    So all pictures are seen equally often, up to once.
    """
    rng = np.random.default_rng(seed)
    times = -(-wanted // pictures)
    return np.concatenate([rng.permutation(pictures) for _ in range(times)])[:wanted]


class SemiTask(ClassifyTask):
    """A recipe with labelled pictures and a pool; see :class:`.task.Task`."""

    recipe: SemiRecipe

    def __init__(self, recipe: SemiRecipe, data: LoadedData, pool: Pictures) -> None:
        super().__init__(recipe, data)
        self.pool = pool
        self.problems = (*data.problems, *pool.items.problems)
        self.fingerprint = f"{data.fingerprint}+{fingerprint(pool.items)}"
        self.train_size = max(len(data.train), -(-len(pool) // recipe.semi.mu))
        self._strong = build_augment(recipe.strong, recipe.data.train_size)
        self._learner: SemiLearner | None = None

    def build(self) -> nn.Module:
        """The classifier, and what the thresholds remember."""
        model = self.recipe.model
        student = build_classifier(model.arch, len(self.classes), **model.options)
        self._learner = SemiLearner(student, self.recipe.semi, len(self.pool))
        return self._learner

    def deployed(self, model: nn.Module) -> nn.Module:
        """The classifier."""
        assert isinstance(model, SemiLearner)
        return model.student

    def batches(  # type: ignore[override]
        self, plan: Plan, *, epoch: int, start: int, process: int
    ) -> Iterator[SemiBatch]:
        """Labelled pictures, and two views of unlabelled ones, made ahead."""
        recipe = self.recipe
        seed, size, mu = recipe.seed, recipe.data.train_size, recipe.semi.mu
        total = plan.steps * plan.batch_size
        labels = self.data.train.items.labels
        ours = rounds_order(len(self.data.train), total, [seed, epoch, 0xE0])
        theirs = rounds_order(len(self.pool), total * mu, [seed, epoch, 0xE1])

        def views(
            read: Callable[[int], Image],
            order: NDArray[np.int64],
            part: slice,
            augment: Augment,
            kind: int,
        ) -> Image:
            images = np.empty((part.stop - part.start, size, size, 3), np.uint8)
            for row, position in enumerate(range(part.start, part.stop)):
                rng = np.random.default_rng([seed, epoch, position, kind])
                images[row] = augment(read(int(order[position])), rng)
            return images

        def make(step: int, piece: int) -> SemiBatch:
            part = plan.positions(step, piece, process)
            wide = slice(part.start * mu, part.stop * mu)
            pool, numbers = self.pool.__getitem__, ours[part]
            return SemiBatch(
                images=views(self.data.train.__getitem__, ours, part, self._augment, 0),
                labels=labels[numbers],
                numbers=numbers,
                weak=views(pool, theirs, wide, self._augment, 1),
                strong=views(pool, theirs, wide, self._strong, 2),
                unlabelled=theirs[wide],
            )

        jobs = ((step, piece) for step in range(start, plan.steps) for piece in range(plan.pieces))
        yield from made_ahead(make, jobs, recipe.data.workers)

    def loss(self, module: Any, batch: Any, device: torch.device, seed: int) -> Tensor:
        """Cross entropy of the labelled pictures, and of the strong views by pseudo labels."""
        assert self._learner is not None
        options = self.recipe.semi
        normalise = self._normalise(device)
        ours, weak, strong = (
            normalise(torch.from_numpy(images).to(device, non_blocking=True))
            for images in (batch.images, batch.weak, batch.strong)
        )
        labels = torch.from_numpy(batch.labels).to(device, non_blocking=True)
        numbers = torch.from_numpy(batch.unlabelled).to(device, non_blocking=True)
        with torch.no_grad():
            named, weights = self._learner.judge(module(weak).float(), numbers)
        logits = module(torch.cat([ours, strong])).float()
        of_ours, of_strong = logits[: len(ours)], logits[len(ours) :]
        targets = smooth_one_hot(labels, len(self.classes), self.recipe.label_smoothing)
        total = soft_cross_entropy(of_ours, targets)
        total = total + options.lambda_u * pseudo_label_loss(of_strong, named, weights)
        if options.method == "freematch" and options.fairness:
            total = total + options.fairness * self._learner.fairness(of_strong, weights)
        return total

    def names(self, batches: Sequence[Any]) -> list[str]:
        """Where the pictures lie."""
        ours, theirs = self.data.train.items.samples, self.pool.items.samples
        return [
            samples[int(number)].where
            for batch in batches
            for samples, numbers in ((ours, batch.numbers), (theirs, batch.unlabelled))
            for number in numbers
        ]
