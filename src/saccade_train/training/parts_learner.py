"""What learns where parts count: WS-DAN with its centres, DCL with its heads."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from saccade.errors import OptionError
from saccade_train.losses import soft_cross_entropy
from saccade_train.models.classifier import Classifier, build_classifier
from saccade_train.models.fine_grained import DclHeads, build_wsdan, look
from saccade_train.recipes.schema import ClassifyRecipe, PartsOptions
from saccade_train.semisup.dcl import position_loss
from saccade_train.semisup.wsdan import (
    attention_crop,
    attention_drop,
    center_loss,
    moved_centers,
)

__all__ = ["DclLearner", "WsdanLearner", "build_student", "check_parts"]


def build_student(recipe: ClassifyRecipe, classes: int) -> Classifier:
    """The classifier of a recipe, freshly drawn: what is evaluated, kept and exported."""
    model, parts = recipe.model, recipe.parts
    if parts.method == "wsdan":
        return build_wsdan(model.arch, classes, maps=parts.maps, **model.options)
    return build_classifier(model.arch, classes, **model.options)


def check_parts(recipe: ClassifyRecipe) -> None:
    """Refuse networks and options that don't go together; for torch's meta device.

    Raises:
        OptionError: An unknown network or option, or more patches than the last map has points.
    """
    student = build_student(recipe, 2)
    if recipe.parts.method != "dcl":
        return
    size, patches = recipe.data.train_size, recipe.parts.patches
    maps = student.eval().backbone(torch.zeros(1, 3, size, size))
    height, width = maps.shape[2:]
    if min(height, width) < patches:
        raise OptionError(
            f"parts.patches={patches}: {recipe.model.arch} makes maps of {height}x{width} out of "
            f"data.train_size={size}, too coarse to tell where so many patches were; take at most "
            f"{min(height, width)}, larger pictures, or model.options.strides that end in 1"
        )
    inner = size - 2 * recipe.parts.border
    if inner < patches:
        raise OptionError(
            f"parts.border={recipe.parts.border} leaves {max(inner, 0)} of data.train_size={size} "
            f"pixels, too few for patches={patches}; take a smaller border"
        )


class WsdanLearner(nn.Module):
    """A WS-DAN classifier and the centres of its classes, which checkpoints hold.

    The reference makes three optimiser steps for a batch: whole pictures with the centre loss,
    crops, drops. Here it is one, of the sum of the three losses; crops and drops still go through
    the network by themselves, with their own batch-norm statistics.

    Args:
        student: Of :func:`~saccade_train.models.fine_grained.build_wsdan`.
        options: Of the recipe.
    """

    centers: Tensor

    def __init__(self, student: Classifier, options: PartsOptions) -> None:
        super().__init__()
        self.student = student
        self.options = options
        self.register_buffer("centers", torch.zeros(student.num_classes, student.embedding_dim))

    @property
    def decay_norm(self) -> bool:
        """Whether the reference applies weight decay to BatchNorm's gamma and beta."""
        return self.student.decay_norm

    def forward(self, images: Tensor, targets: Tensor, labels: Tensor) -> Tensor:
        """The loss of a batch; the centres move.

        Args:
            images: normalised, (N, 3, H, W).
            targets: float32 (N, C).
            labels: int64 (N,).
        """
        options = self.options
        seen = look(self.student, images)
        loss = soft_cross_entropy(seen.logits, targets)
        if options.center:
            loss = loss + options.center * center_loss(seen.parts, labels, self.centers)
            self._follow(seen.parts.detach(), labels)
        # One map a picture, for its crop and its drop; drawn on the CPU, whatever the device.
        count = len(images)
        chosen = torch.randint(seen.maps.shape[1], (count,)).to(images.device)
        attention = seen.maps.detach()[torch.arange(count, device=images.device), chosen].float()
        crops = attention_crop(images, attention, _drawn(options.crop, count))
        drops = attention_drop(images, attention, _drawn(options.drop, count))
        for closer in (crops, drops):
            loss = loss + soft_cross_entropy(self.student(closer), targets)
        return loss

    @torch.no_grad()
    def _follow(self, parts: Tensor, labels: Tensor) -> None:
        parts, labels = _gathered(parts), _gathered(labels)
        rate = self.options.center_rate
        self.centers.copy_(moved_centers(self.centers, parts, labels, rate))


class DclLearner(nn.Module):
    """A classifier and DCL's heads; whole and shuffled pictures go through it together.

    The reference's class head has no bias and its new layers learn ten times as fast; here the
    classifier is as everywhere, and there is one learning rate.

    Args:
        student: The classifier.
        options: Of the recipe.
    """

    def __init__(self, student: Classifier, options: PartsOptions) -> None:
        super().__init__()
        self.student = student
        self.options = options
        self.heads = DclHeads(student, options.patches, by_class=options.by_class)

    @property
    def decay_norm(self) -> bool:
        """Whether the reference applies weight decay to BatchNorm's gamma and beta."""
        return self.student.decay_norm

    def forward(
        self, images: Tensor, targets: Tensor, labels: Tensor, shuffled: Tensor, positions: Tensor
    ) -> Tensor:
        """The loss of a batch: class, whole or shuffled, positions.

        Args:
            images: normalised, (N, 3, H, W).
            targets: float32 (N, C).
            labels: int64 (N,).
            shuffled: int64 (N,): 0 whole, 1 shuffled.
            positions: float32 (N, patches ** 2).
        """
        features = self.student.backbone(images)
        vectors = self.student.head.embed(features)
        whole, places = self.heads(features, vectors)
        kinds = shuffled
        if self.options.by_class:
            kinds = labels + shuffled * self.student.num_classes
        loss = soft_cross_entropy(self.student.head.fc(vectors), targets)
        loss = loss + nn.functional.cross_entropy(whole.float(), kinds)
        return loss + self.options.position * position_loss(places.float(), positions)


def _drawn(bounds: tuple[float, float], count: int) -> Tensor:
    """Uniform numbers within bounds, float32 (count,)."""
    return torch.empty(count).uniform_(*bounds)


def _gathered(rows: Tensor) -> Tensor:
    """The rows of all processes, so that each moves its centres alike."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return rows
    parts = [torch.empty_like(rows) for _ in range(torch.distributed.get_world_size())]
    torch.distributed.all_gather(parts, rows.contiguous())
    return torch.cat(parts)
