"""Networks that turn a picture into a vector: backbone, pooling, neck; a head to learn with.

PP-ShiTu's feature extractor (arXiv 2111.00775): V1 is ``lcnet_x2_5`` up to its 1280 pooled numbers,
a linear neck to 512 and an ArcFace head; its binary variant has tanh behind the neck and a plain
linear head. The embedding is what the neck gives; the head serves training only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import Tensor, nn

from saccade_train.backbones.base import Backbone
from saccade_train.heads.margin import build_head
from saccade_train.heads.pooled import PooledHead
from saccade_train.models.classifier import build_classifier
from saccade_train.necks.embedding import HashNeck, build_neck

__all__ = ["EmbedSteps", "Embedder", "build_embedder"]


class EmbedSteps(NamedTuple):
    """What the losses look at.

    Attributes:
        pooled: (N, P), what goes into the neck.
        embedding: (N, D), not of unit length; of a hashing network in -1..1.
        logits: (N, C).
    """

    pooled: Tensor
    embedding: Tensor
    logits: Tensor


class Embedder(nn.Module):
    """Backbone -> pooled vector -> neck -> embedding; and a head that classifies it.

    Attributes:
        architecture: name of the backbone's architecture.
        backbone: the trunk.
        pooled: pooling and the wide layer behind it, as in a classifier.
        neck: see :mod:`saccade_train.necks.embedding`.
        head: see :mod:`saccade_train.heads.margin`.
    """

    def __init__(
        self, architecture: str, backbone: Backbone, pooled: PooledHead, neck: Any, head: Any
    ) -> None:
        super().__init__()
        self.architecture = architecture
        self.backbone = backbone
        self.pooled = pooled
        self.neck = neck
        self.head = head

    @property
    def embedding_dim(self) -> int:
        """Length of the embedding."""
        return int(self.neck.features)

    @property
    def num_classes(self) -> int:
        """How many classes the head tells apart."""
        return int(self.head.num_classes)

    @property
    def hashes(self) -> bool:
        """Whether the embedding is meant as bits, by its signs."""
        return isinstance(self.neck, HashNeck)

    @property
    def decay_norm(self) -> bool:
        """Whether the reference applies weight decay to BatchNorm's gamma and beta."""
        return self.backbone.decay_norm

    def steps(self, x: Tensor, labels: Tensor | None = None) -> EmbedSteps:
        """Map normalised pictures (N, 3, H, W) to all that a loss may want.

        Args:
            x: the pictures.
            labels: int64 (N,); in training a margin head needs them.
        """
        pooled = self.pooled.embed(self.backbone(x))
        embedding = self.neck(pooled)
        return EmbedSteps(pooled, embedding, self.head(embedding, labels))

    def forward(self, x: Tensor) -> Tensor:
        """Map normalised pictures (N, 3, H, W) to embeddings (N, D), not of unit length."""
        embedding: Tensor = self.neck(self.pooled.embed(self.backbone(x)))
        return embedding


def build_embedder(
    architecture: str,
    num_classes: int,
    *,
    neck: str = "fc",
    embedding_dim: int = 512,
    head: str = "arc",
    head_options: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Embedder:
    """Build an embedder with freshly drawn weights.

    Args:
        architecture: a name of :data:`saccade_train.models.classifier.ARCHITECTURES`.
        num_classes: how many classes the head tells apart.
        neck: see :func:`saccade_train.necks.embedding.build_neck`.
        embedding_dim: length of the embedding; the neck ``"none"`` keeps the pooled vector's.
        head: see :func:`saccade_train.heads.margin.build_head`.
        head_options: its keyword arguments.
        options: of the architecture, e.g. ``{"strides": [2, 2, 2, 2, 1]}``.

    Raises:
        OptionError: an unknown name or option, or a value out of range.

    Examples:
        >>> model = build_embedder("lcnet_x0_25", 10, embedding_dim=64)
        >>> model.embedding_dim, model.num_classes
        (64, 10)
    """
    # A classifier's parts but for its linear layer, so its weights can be taken over by name.
    trunk = build_classifier(architecture, 1, **(options or {}))
    pooled = trunk.head
    pooled.fc = nn.Identity()  # type: ignore[assignment]
    built = build_neck(neck, pooled.embedding_dim, embedding_dim)
    top = build_head(head, built.features, num_classes, **(head_options or {}))
    return Embedder(architecture, trunk.backbone, pooled, built, top)
