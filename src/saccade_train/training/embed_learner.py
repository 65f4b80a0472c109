"""What learns in a training of an embedder: the network, and what its losses remember."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from saccade_train.losses.memory import CrossBatchMemory
from saccade_train.models.embedder import Embedder, EmbedSteps, build_embedder
from saccade_train.recipes import EmbedRecipe

__all__ = ["EmbedLearner", "build_from"]


def build_from(recipe: EmbedRecipe, num_classes: int) -> Embedder:
    """The embedder of a recipe, freshly drawn."""
    model = recipe.model
    return build_embedder(
        model.arch,
        num_classes,
        neck=model.neck,
        embedding_dim=model.embedding_dim,
        head=model.head,
        head_options=model.head_options,
        options=model.options,
    )


class EmbedLearner(nn.Module):
    """An embedder with the state of its losses, so that checkpoints hold all of it.

    Args:
        student: the embedder.
        memory: vectors of earlier batches to remember; 0: none.
        centers: whether the classes have centres.

    Attributes:
        memory: the memory, or None.
        centers: float32 (C, D), a buffer, or None; drawn from N(0, 1).
    """

    centers: Tensor | None

    def __init__(self, student: Embedder, *, memory: int = 0, centers: bool = False) -> None:
        super().__init__()
        self.student = student
        self.memory = CrossBatchMemory(memory, student.embedding_dim) if memory else None
        drawn = torch.randn(student.num_classes, student.embedding_dim) if centers else None
        self.register_buffer("centers", drawn)

    @property
    def decay_norm(self) -> bool:
        """Whether the reference applies weight decay to BatchNorm's gamma and beta."""
        return self.student.decay_norm

    def forward(self, x: Tensor, labels: Tensor) -> EmbedSteps:
        """Map normalised pictures (N, 3, H, W) and their classes (N,) to what losses look at."""
        return self.student.steps(x, labels)
