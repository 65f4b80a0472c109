"""Teaching embeddings: a classifier with a margin, losses on pairs, and a teacher's vectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from saccade.errors import OptionError
from saccade_train.augment.pipeline import build_augment
from saccade_train.distill.relations import cosine_distance, rkd_angles, rkd_distances
from saccade_train.evaluation.rank import search_scores
from saccade_train.losses.class_center import class_center_loss, moved_class_centers
from saccade_train.losses.metric import METRIC_LOSSES, check_metric_loss, takes_memory
from saccade_train.models.embedder import Embedder, EmbedSteps
from saccade_train.recipes import EmbedRecipe
from saccade_train.samplers import identity_order, pk_order, repeated_order

from .embed_learner import EmbedLearner, build_from
from .evaluate import normaliser, predict
from .feed import Batch, Plan, feed
from .pictures import Pictures, load_pictures
from .run import load_trained
from .setup import LoadedData

__all__ = ["EmbedTask", "batch_order", "check_embed"]


def check_embed(recipe: EmbedRecipe) -> None:
    """Refuse unknown names and options before pictures are read; on torch's meta device.

    Raises:
        OptionError: a network, a head or a loss that there is not.
    """
    build_from(recipe, 2)
    loss = recipe.loss
    for part in loss.metric:
        check_metric_loss(part.loss, part.options)
    remembers = [part for part in loss.metric if part.on == "embedding" and takes_memory(part.loss)]
    if loss.memory.size and not remembers:
        able = ", ".join(name for name in METRIC_LOSSES if takes_memory(name))
        raise OptionError(
            f"loss.memory.size={loss.memory.size}, but no metric loss on the embedding uses a "
            f"memory; those that can: {able}"
        )


def batch_order(
    recipe: EmbedRecipe, labels: NDArray[np.int64], plan: Plan, epoch: int
) -> NDArray[np.int64] | None:
    """The order of an epoch's pictures, as the recipe's sampler makes it; None: a shuffle."""
    sampler = recipe.sampler
    if sampler.kind == "shuffle":
        return None
    common: dict[str, Any] = {
        "steps": plan.steps,
        "batch_size": plan.batch_size,
        "seed": recipe.seed,
        "epoch": epoch,
    }
    if sampler.kind == "repeated":
        return repeated_order(len(labels), **common)
    if plan.piece_size % sampler.per_class:
        raise OptionError(
            f"{plan.piece_size} pictures in each piece of a batch cannot be made of classes with "
            f"sampler.per_class={sampler.per_class} pictures each"
        )
    if sampler.kind == "identity":
        return identity_order(labels, per_class=sampler.per_class, **common)
    return pk_order(labels, per_class=sampler.per_class, weigh=sampler.weigh, **common)


class EmbedTask:
    """A recipe of an embedder with its pictures; see :class:`.task.Task`."""

    decisive = "recall_at_1"

    def __init__(self, recipe: EmbedRecipe, data: LoadedData) -> None:
        self.recipe, self.data = recipe, data
        self.classes, self.problems = data.classes, data.problems
        self.fingerprint = data.fingerprint
        self.train_size = len(data.train)
        self._queries = data.val[""]
        self.val_size = len(self._queries)
        self._augment = build_augment(recipe.augment, recipe.data.train_size)
        self._gallery = _gallery(recipe, data) if recipe.data.gallery == "train" else None
        self._learner: EmbedLearner | None = None
        self._teacher: Embedder | None = None
        if recipe.loss.distill.teacher is not None:
            self._teacher = _load_teacher(recipe.loss.distill.teacher)

    def build(self) -> nn.Module:
        """The embedder, and what its losses remember."""
        loss = self.recipe.loss
        student = build_from(self.recipe, len(self.classes))
        self._learner = EmbedLearner(
            student, memory=loss.memory.size, centers=loss.center.weight > 0
        )
        return self._learner

    def deployed(self, model: nn.Module) -> nn.Module:
        """The embedder."""
        assert isinstance(model, EmbedLearner)
        return model.student

    def batches(self, plan: Plan, *, epoch: int, start: int, process: int) -> Iterator[Batch]:
        """Augmented pictures in the sampler's order, made ahead."""
        recipe = self.recipe
        labels = self.data.train.items.labels
        return feed(
            self.data.train.__getitem__,
            labels,
            self._augment,
            plan=plan,
            size=recipe.data.train_size,
            seed=recipe.seed,
            epoch=epoch,
            start=start,
            process=process,
            workers=recipe.data.workers,
            order=batch_order(recipe, labels, plan, epoch),
        )

    def loss(self, module: Any, batch: Batch, device: torch.device, seed: int) -> Tensor:
        """The recipe's sum of losses."""
        options = self.recipe.loss
        pixels = torch.from_numpy(batch.images).to(device, non_blocking=True)
        images = self._normalise(device)(pixels)
        labels = torch.from_numpy(batch.labels).to(device, non_blocking=True)
        steps: EmbedSteps = module(images, labels)
        total = steps.embedding.new_zeros((), dtype=torch.float32)
        if options.classify:
            entropy = F.cross_entropy(
                steps.logits.float(), labels, label_smoothing=options.smoothing
            )
            total = total + options.classify * entropy
        total = total + self._metric_loss(steps, labels)
        if options.center.weight:
            total = total + options.center.weight * self._center_loss(steps, labels)
        if self._teacher is not None:
            total = total + self._distill_loss(steps, images)
        return total

    def evaluate(self, fabric: Fabric, model: nn.Module) -> dict[str, float]:
        """recall_at_1, recall_at_5 and map of the val pictures, searched in the gallery."""
        assert isinstance(model, Embedder)
        was_training = model.training
        model.eval()
        try:
            queries = self._vectors(fabric, model, self._queries)
            found = None
            if self._gallery is not None:
                found = self._vectors(fabric, model, self._gallery)
        finally:
            model.train(was_training)
        labels = self._queries.items.labels
        gallery_labels = labels if self._gallery is None else self._gallery.items.labels
        scores = search_scores(queries, labels, found, gallery_labels)
        return {name: value for name, value in scores.items() if name != "n"}

    def names(self, batches: Sequence[Batch]) -> list[str]:
        """Where the pictures lie."""
        samples = self.data.train.items.samples
        return [samples[int(number)].where for batch in batches for number in batch.numbers]

    def _metric_loss(self, steps: EmbedSteps, labels: Tensor) -> Tensor:
        """Losses on pairs of the batch, and of the batch with the memory."""
        options = self.recipe.loss
        total = steps.embedding.new_zeros((), dtype=torch.float32)
        remembered: tuple[Tensor, Tensor] | None = None
        memory = self._learner.memory if self._learner is not None else None
        if memory is not None:
            # As in the reference, the batch is remembered first and so met again.
            memory.put(F.normalize(steps.embedding.float()), labels)
            if int(memory.batches) > options.memory.start_step:
                remembered = memory.content()
        for part in options.metric:
            vectors = (steps.embedding if part.on == "embedding" else steps.pooled).float()
            loss = METRIC_LOSSES[part.loss]
            total = total + part.weight * loss(vectors, labels, **part.options)
            if remembered is not None and part.on == "embedding" and takes_memory(part.loss):
                against = loss(vectors, labels, *remembered, **part.options)
                total = total + part.weight * options.memory.weight * against
        return total

    def _center_loss(self, steps: EmbedSteps, labels: Tensor) -> Tensor:
        assert self._learner is not None
        assert self._learner.centers is not None
        centers, vectors = self._learner.centers, steps.embedding.float()
        loss = class_center_loss(vectors, labels, centers.clone())
        rate = self.recipe.loss.center.rate
        centers.copy_(moved_class_centers(centers, vectors.detach(), labels, rate))
        return loss

    def _distill_loss(self, steps: EmbedSteps, images: Tensor) -> Tensor:
        assert self._teacher is not None
        options = self.recipe.loss.distill
        with torch.no_grad():
            taught = F.normalize(self._teacher.to(images.device)(images).float())
        ours = F.normalize(steps.embedding.float())
        total = ours.new_zeros(())
        if options.cosine:
            total = total + options.cosine * cosine_distance(ours, taught)
        if options.distances:
            total = total + options.distances * rkd_distances(ours, taught)
        if options.angles:
            total = total + options.angles * rkd_angles(ours, taught)
        return total

    def _vectors(self, fabric: Fabric, model: Embedder, pictures: Pictures) -> NDArray[np.float32]:
        """Vectors of unit length; of a hashing network, its bits as -1 and 1."""
        change = self._normalise(fabric.device)
        rows = predict(fabric, model, pictures.__getitem__, len(pictures), change)
        if model.hashes:
            rows = np.where(rows > 0, 1, -1).astype(np.float32)
        lengths = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.float32(1e-12))
        unit: NDArray[np.float32] = rows / lengths
        return unit

    def _normalise(self, device: torch.device) -> Any:
        data = self.recipe.data
        return normaliser(data.mean, data.std, device, channels_last=self.recipe.channels_last)


def _gallery(recipe: EmbedRecipe, data: LoadedData) -> Pictures:
    """The training pictures, prepared as for evaluation."""
    options = recipe.data
    items = data.train.items
    if options.gallery_per_class is not None:
        seen = np.zeros(len(items.classes), np.int64)
        chosen = []
        for number, label in enumerate(items.labels):
            seen[label] += 1
            if seen[label] <= options.gallery_per_class:
                chosen.append(number)
        items = items.subset(chosen)
    held = data.train.nbytes + data.val[""].nbytes
    limit = max(0, options.cache_mb * 2**20 - held)
    # Broken pictures were left out when the training set was read.
    pictures, _ = load_pictures(
        items,
        options.eval.prepare(),
        limit_bytes=limit,
        verify=False,
        workers=max(1, options.workers),
    )
    return pictures


def _load_teacher(run: str) -> Embedder:
    model = load_trained(run).model
    if not isinstance(model, Embedder):
        raise OptionError(f"loss.distill.teacher={run}: is no embedder; give a run of task 'embed'")
    return model.requires_grad_(False)
