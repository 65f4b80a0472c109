"""Classifiers that ask for a margin, by which embeddings of one class draw together.

The logits of a row are s * f(cos theta_c), where theta_c is the angle between the embedding and the
weight of class c, and f makes the true class harder to reach. Each formula is a function of the
cosines, (N, C); each head is a module around one. In evaluation mode every head gives the plain
cosines. After ``PaddleClas/ppcls/arch/gears/``; the weights are (C, D) here, (D, C) there.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from saccade.errors import OptionError, nearest
from saccade_train.layers.check import check_number, check_options, check_whole

__all__ = [
    "HEADS",
    "AdaMargin",
    "ArcMargin",
    "CircleMargin",
    "CosMargin",
    "FCHead",
    "HeadName",
    "ada_margin",
    "arc_margin",
    "build_head",
    "circle_margin",
    "cos_margin",
]

HeadName = Literal["arc", "cos", "circle", "ada", "fc"]
HEADS: tuple[str, ...] = get_args(HeadName)


def arc_margin(
    cosines: Tensor, labels: Tensor, margin: float = 0.5, scale: float = 80.0, *, easy: bool = False
) -> Tensor:
    """ArcFace (arXiv 1801.07698): the margin is added to the angle of the true class.

    Where theta + m would pass pi the cosine would rise again; from there on the value is
    ``c - m sin m``.

    Args:
        cosines: (N, C).
        labels: int64 (N,).
        margin: m, radians.
        scale: s.
        easy: ask for the margin only where the angle is below a right one.

    Returns:
        Logits (N, C).
    """
    target = cosines.gather(1, labels[:, None])
    sine = (1.0 - target.square() + 1e-6).clamp_min(1e-6).sqrt()
    phi = target * math.cos(margin) - sine * math.sin(margin)
    if easy:
        phi = torch.where(target > 0, phi, target)
    else:
        phi = torch.where(target > -math.cos(margin), phi, target - margin * math.sin(margin))
    return scale * cosines.scatter(1, labels[:, None], phi)


def cos_margin(
    cosines: Tensor, labels: Tensor, margin: float = 0.35, scale: float = 64.0
) -> Tensor:
    """CosFace (arXiv 1801.09414): the margin is taken from the cosine of the true class.

    Args and result as of :func:`arc_margin`.
    """
    target = cosines.gather(1, labels[:, None]) - margin
    return scale * cosines.scatter(1, labels[:, None], target)


def circle_margin(
    cosines: Tensor, labels: Tensor, margin: float = 0.35, scale: float = 64.0
) -> Tensor:
    """Circle loss (arXiv 2002.10857), its form for classes; the weights get no gradient.

    True class: ``relu(1 + m - c) (c - (1 - m))``; others: ``relu(c + m) (c - m)``. Args and result
    as of :func:`arc_margin`.
    """
    target = cosines.gather(1, labels[:, None])
    toward = (1 + margin - target.detach()).clamp_min(0) * (target - (1 - margin))
    away = (cosines.detach() + margin).clamp_min(0) * (cosines - margin)
    return scale * away.scatter(1, labels[:, None], toward)


def ada_margin(
    cosines: Tensor,
    labels: Tensor,
    norms: Tensor,
    mean: Tensor,
    deviation: Tensor,
    margin: float = 0.4,
    spread: float = 0.333,
    scale: float = 64.0,
) -> Tensor:
    """AdaFace (arXiv 2204.00964): the length of the raw embedding, its quality, sets the margin.

    With ``z = clip((norm - mean) / (deviation + 1e-3) * h, -1, 1)`` the true class gets
    ``cos(clip(theta - m z, 1e-3, pi - 1e-3)) - (m + m z)``.

    Args:
        cosines: (N, C).
        labels: int64 (N,).
        norms: (N,), lengths of the embeddings; they get no gradient.
        mean: scalar, of the norms.
        deviation: scalar, likewise.
        margin: m.
        spread: h.
        scale: s.

    Returns:
        Logits (N, C).
    """
    cosines = cosines.clamp(-1 + 1e-3, 1 - 1e-3)
    z = ((norms.detach() - mean) / (deviation + 1e-3) * spread).clamp(-1, 1)[:, None]
    theta = cosines.gather(1, labels[:, None]).acos()
    turned = (theta - margin * z).clamp(1e-3, math.pi - 1e-3).cos()
    return scale * cosines.scatter(1, labels[:, None], turned - (margin + margin * z))


class _CosineHead(nn.Module):
    """Cosines between embeddings and one weight of each class.

    Attributes:
        weight: (C, D), drawn by Xavier's normal rule.
    """

    def __init__(self, features: int, num_classes: int, margin: float, scale: float) -> None:
        super().__init__()
        check_whole("number of classes", num_classes, at_least=1)
        check_number("scale", scale, above=0, up_to=1024)
        if isinstance(margin, bool) or not isinstance(margin, int | float) or not 0 <= margin < 2:
            raise OptionError(f"margin {margin!r}: expected a number from 0 up to below 2")
        self.features, self.num_classes = features, num_classes
        self.margin, self.scale = float(margin), float(scale)
        self.weight = nn.Parameter(torch.empty(num_classes, features))
        nn.init.xavier_normal_(self.weight)

    def cosines(self, x: Tensor) -> Tensor:
        """Map (N, D) to (N, C), float32 whatever the precision: small angles need it."""
        with torch.autocast(x.device.type, enabled=False):
            return F.linear(F.normalize(x.float()), F.normalize(self.weight.float()))

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map (N, D) to logits (N, C); without labels or in evaluation mode to plain cosines."""
        cosines = self.cosines(x)
        if labels is None or not self.training:
            return cosines
        return self.with_margin(cosines, labels, x)

    def with_margin(self, cosines: Tensor, labels: Tensor, x: Tensor) -> Tensor:
        """The head's formula."""
        raise NotImplementedError


class ArcMargin(_CosineHead):
    """See :func:`arc_margin`; PP-ShiTu's is m 0.2, s 30."""

    def __init__(
        self,
        features: int,
        num_classes: int,
        *,
        margin: float = 0.5,
        scale: float = 80.0,
        easy: bool = False,
    ) -> None:
        super().__init__(features, num_classes, margin, scale)
        self.easy = easy

    def with_margin(self, cosines: Tensor, labels: Tensor, x: Tensor) -> Tensor:
        """See :func:`arc_margin`."""
        return arc_margin(cosines, labels, self.margin, self.scale, easy=self.easy)


class CosMargin(_CosineHead):
    """See :func:`cos_margin`."""

    def __init__(
        self, features: int, num_classes: int, *, margin: float = 0.35, scale: float = 64.0
    ) -> None:
        super().__init__(features, num_classes, margin, scale)

    def with_margin(self, cosines: Tensor, labels: Tensor, x: Tensor) -> Tensor:
        """See :func:`cos_margin`."""
        return cos_margin(cosines, labels, self.margin, self.scale)


class CircleMargin(_CosineHead):
    """See :func:`circle_margin`."""

    def __init__(
        self, features: int, num_classes: int, *, margin: float = 0.35, scale: float = 64.0
    ) -> None:
        super().__init__(features, num_classes, margin, scale)

    def with_margin(self, cosines: Tensor, labels: Tensor, x: Tensor) -> Tensor:
        """See :func:`circle_margin`."""
        return circle_margin(cosines, labels, self.margin, self.scale)


class AdaMargin(_CosineHead):
    """See :func:`ada_margin`.

    Args:
        features: D.
        num_classes: C.
        margin: m.
        spread: h.
        scale: s.
        rate: how fast mean and deviation of the norms follow the batches, in 0..1 (``t_alpha``).

    Attributes:
        mean: of the norms, a buffer; starts at 20.
        deviation: likewise; starts at 100.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        features: int,
        num_classes: int,
        *,
        margin: float = 0.4,
        spread: float = 0.333,
        scale: float = 64.0,
        rate: float = 0.01,
    ) -> None:
        super().__init__(features, num_classes, margin, scale)
        check_number("spread", spread, above=0, up_to=10)
        check_number("rate", rate, above=0, up_to=1)
        self.spread, self.rate = spread, rate
        self.register_buffer("mean", torch.tensor(20.0))
        self.register_buffer("deviation", torch.tensor(100.0))

    def with_margin(self, cosines: Tensor, labels: Tensor, x: Tensor) -> Tensor:
        """See :func:`ada_margin`; mean and deviation follow this batch first."""
        norms = torch.linalg.vector_norm(x.detach().float(), dim=1).clamp(1e-3, 100)
        if len(norms) > 1:
            self.mean.lerp_(norms.mean(), self.rate)
            self.deviation.lerp_(norms.std(), self.rate)
        return ada_margin(
            cosines,
            labels,
            norms,
            self.mean,
            self.deviation,
            self.margin,
            self.spread,
            self.scale,
        )


class FCHead(nn.Module):
    """A linear layer without margin; the head of PP-ShiTu V2 and of its binary V1.

    Args:
        features: D.
        num_classes: C.
        bias: whether there is one; V2's has none.
        deviation: of the normal distribution that the weight is drawn from.
    """

    def __init__(
        self, features: int, num_classes: int, *, bias: bool = True, deviation: float = 1e-3
    ) -> None:
        super().__init__()
        check_whole("number of classes", num_classes, at_least=1)
        check_number("deviation", deviation, above=0, up_to=1)
        self.features, self.num_classes = features, num_classes
        self.fc = nn.Linear(features, num_classes, bias=bias)
        nn.init.normal_(self.fc.weight, std=deviation)
        if bias:
            nn.init.zeros_(self.fc.bias)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map (N, D) to logits (N, C); labels change nothing."""
        logits: Tensor = self.fc(x)
        return logits


Head = ArcMargin | CosMargin | CircleMargin | AdaMargin | FCHead

_KINDS: dict[str, type[Head]] = {
    "arc": ArcMargin,
    "cos": CosMargin,
    "circle": CircleMargin,
    "ada": AdaMargin,
    "fc": FCHead,
}


def build_head(name: str, features: int, num_classes: int, **options: object) -> Head:
    """Build a head with freshly drawn weights.

    Args:
        name: ``"arc"``, ``"cos"``, ``"circle"``, ``"ada"`` or ``"fc"``.
        features: length of the embedding.
        num_classes: how many classes.
        **options: keyword arguments of that head.

    Raises:
        OptionError: an unknown name or option, or a value out of range.
    """
    kind = _KINDS.get(name)
    if kind is None:
        raise OptionError(f"unknown head {name!r}; {nearest(name, HEADS)}")
    check_options(kind, options, f"the head {name!r}")
    head: Head = kind(features, num_classes, **options)  # type: ignore[arg-type]
    return head
