"""Classifiers that tell near-identical classes apart: WS-DAN's, and what DCL learns beside one.

WS-DAN (arXiv 1901.09891) is a classifier like the others with another head, so whatever takes one
takes it. DCL (CVPR 2019) leaves the classifier as it is; its other heads are for training alone.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from saccade.errors import OptionError
from saccade_train.heads.attention import AttentionHead
from saccade_train.layers.check import check_whole
from saccade_train.layers.conv import conv2d
from saccade_train.models.classifier import Classifier, build_classifier
from saccade_train.semisup.wsdan import attention_crop, mean_attention

__all__ = [
    "AttentionView",
    "ClosePair",
    "DclHeads",
    "build_wsdan",
    "look",
]


class AttentionView(NamedTuple):
    """What a WS-DAN classifier sees in pictures."""

    logits: Tensor
    """(N, C)."""
    parts: Tensor
    """Part vectors of unit length, float32 (N, D)."""
    maps: Tensor
    """Attention, (N, M, h, w), not negative."""


def build_wsdan(architecture: str, num_classes: int, /, maps: int, **options: Any) -> Classifier:
    """Build a classifier that ends in bilinear attention pooling.

    Args:
        architecture: as for :func:`build_classifier`.
        num_classes: how many logits.
        maps: attention maps.
        **options: of the backbone; those of the usual head are of no effect.

    Raises:
        OptionError: as there.
    """
    plain = build_classifier(architecture, num_classes, **options)
    head = AttentionHead(plain.backbone.out_channels, num_classes, maps)
    return Classifier(f"{architecture}_wsdan", plain.backbone, head)


def look(model: Classifier, images: Tensor) -> AttentionView:
    """Let a WS-DAN classifier look at normalised pictures, (N, 3, H, W).

    Raises:
        OptionError: it is an ordinary classifier.
    """
    head = model.head
    if not isinstance(head, AttentionHead):
        raise OptionError(
            f"{model.architecture} has no attention maps; train with parts.method=wsdan"
        )
    parts, maps = head.look(model.backbone(images))
    return AttentionView(head.classify(parts), parts, maps)


class ClosePair(nn.Module):
    """A WS-DAN classifier that looks twice: at whole pictures, and where its mean attention is.

    The answer is the mean of both logits, as ``GuYuc/WS-DAN.PyTorch`` takes it.

    Args:
        model: of :func:`build_wsdan`; it stays in its mode.
        threshold: of the greatest mean attention; the paper's is .1.
    """

    def __init__(self, model: Classifier, threshold: float) -> None:
        super().__init__()
        self.model = model
        self.threshold = threshold
        self.train(model.training)

    def forward(self, images: Tensor) -> Tensor:
        """Map normalised pictures (N, 3, H, W) to logits (N, C)."""
        whole = look(self.model, images)
        attention = mean_attention(whole.maps).float()
        closer = self.model(attention_crop(images, attention, self.threshold))
        return torch.lerp(whole.logits, closer, 0.5)


class DclHeads(nn.Module):
    """DCL's heads beside the class head: is a picture whole, and where was each patch?

    Facts follow ``JDAI-CV/DCL``, whose map of 14x14 is averaged over 2x2 to 7x7 patches. Here maps
    of other sizes are averaged to the patches too.

    Args:
        model: whose features they look at.
        patches: N.
        by_class: tell whole from shuffled pictures of each class.
    """

    def __init__(self, model: Classifier, patches: int, *, by_class: bool = False) -> None:
        super().__init__()
        check_whole("patches", patches, at_least=2)
        self.patches = patches
        self.by_class = by_class
        kinds = 2 * model.num_classes if by_class else 2
        self.whole = nn.Linear(model.embedding_dim, kinds, bias=False)
        self.align = conv2d(model.backbone.out_channels, 1, 1, bias=True)

    def forward(self, features: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Answer both questions.

        Args:
            features: last maps, (N, C, H, W).
            vectors: before the classifier, (N, D).

        Returns:
            Logits (N, 2), or (N, 2 C) by class: whole pictures' classes, then shuffled ones'; and
            positions (N, patches ** 2) from -1 to 1.
        """
        places = F.adaptive_avg_pool2d(self.align(features), self.patches)
        return self.whole(vectors), places.tanh().flatten(1)
