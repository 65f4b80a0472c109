"""Which pseudo labels count while a network learns: FixMatch, FlexMatch, SoftMatch, FreeMatch.

All four (FixMatch arXiv 2001.07685, FlexMatch 2110.08263, SoftMatch 2301.10921, FreeMatch
2205.07246) name an unlabelled picture by the likeliest class of its weakly augmented view, and
teach that name to the strongly augmented view, as far as the network was sure. They differ in what
"sure" is. Details follow ``microsoft/Semi-supervised-learning`` (USB, ``semilearn/algorithms``).

Nothing here keeps a state: what the methods remember is a tuple of tensors that goes in and comes
out. Everything is without gradient except :func:`pseudo_label_loss` and :func:`fairness`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = [
    "FreeMatchState",
    "SoftMatchState",
    "align_distribution",
    "confident",
    "fairness",
    "flexmatch_latest",
    "flexmatch_status",
    "flexmatch_thresholds",
    "freematch_thresholds",
    "moved_average",
    "moved_freematch",
    "moved_softmatch",
    "pseudo_label_loss",
    "softmatch_weights",
]


def confident(confidence: Tensor, thresholds: Tensor | float) -> Tensor:
    """The mask of FixMatch, and of all methods with thresholds: 1 where they are reached.

    Args:
        confidence: The greatest probability of each picture, (N,).
        thresholds: One for all, or one for each picture, (N,).

    Returns:
        0 or 1, of the shape and dtype of ``confidence``.
    """
    return (confidence >= thresholds).to(confidence.dtype)


def pseudo_label_loss(strong: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Cross entropy of the strong views, weighted; the mean is over *all* pictures.

    Args:
        strong: Logits of the strong views, (N, C).
        labels: Pseudo labels, int64 (N,).
        weights: 0 to 1, (N,); pictures with weight 0 still count in the mean.

    Returns:
        Scalar.
    """
    entropies = F.cross_entropy(strong, labels, reduction="none")
    return (weights * entropies).mean()


def moved_average(average: Tensor, new: Tensor, momentum: float) -> Tensor:
    """An exponential moving average: ``momentum * average + (1 - momentum) * new``."""
    return average * momentum + new * (1.0 - momentum)


# ---------------------------------------------------------------------- FlexMatch


def flexmatch_latest(
    latest: Tensor, numbers: Tensor, labels: Tensor, confidence: Tensor, threshold: float
) -> Tensor:
    """Remember the confident labels of a batch.

    Args:
        latest: The latest confident label of every unlabelled picture, int64 (U,); -1: none yet.
        numbers: Which of them are in the batch, int64 (N,).
        labels: Their pseudo labels, int64 (N,).
        confidence: (N,).
        threshold: Labels at or above it are remembered; others leave what was there.

    Returns:
        The new table; the old one is left as it is.
    """
    sure = confidence >= threshold
    return latest.index_put((numbers[sure],), labels[sure])


def flexmatch_status(latest: Tensor, classes: int, *, warmup: bool = True) -> Tensor:
    """How far each class has been learnt: ``b_c = n_c / max n``, FlexMatch equation 7.

    Args:
        latest: See :func:`flexmatch_latest`, int64 (U,).
        classes: Number of classes C.
        warmup: The greatest count is also taken over the pictures that were never selected
            (equation 11), so that thresholds rise slowly at first.

    Returns:
        float32 (C,), 0 to 1; zeros while nothing was selected.
    """
    counts = torch.bincount(latest + 1, minlength=classes + 1)
    greatest = counts.max() if warmup else counts[1:].max()
    return counts[1:].float() / greatest.clamp_min(1)


def flexmatch_thresholds(status: Tensor, threshold: float) -> Tensor:
    """One threshold a class, ``threshold * b / (2 - b)``: the convex map of the authors' code.

    Args:
        status: b, (C,).
        threshold: That of a class that is learnt.
    """
    return threshold * status / (2.0 - status)


# ---------------------------------------------------------------------- SoftMatch


class SoftMatchState(NamedTuple):
    """What SoftMatch remembers of the confidences and of the classes."""

    mean: Tensor
    """Moving average of the mean confidence, scalar."""
    variance: Tensor
    """Moving average of its unbiased variance, scalar."""
    marginal: Tensor
    """Moving average of the mean prediction, (C,); zeros before the first batch."""

    @classmethod
    def start(cls, classes: int) -> SoftMatchState:
        """1 / C, 1, and nothing seen."""
        return cls(torch.tensor(1.0 / classes), torch.tensor(1.0), torch.zeros(classes))


def align_distribution(probabilities: Tensor, marginal: Tensor) -> Tensor:
    """Distribution alignment to equal classes: ``p * (1/C + 1e-6) / (marginal + 1e-6)``, scaled.

    Args:
        probabilities: (N, C).
        marginal: What the network predicts on average, (C,).

    Returns:
        (N, C), rows sum to one.
    """
    uniform = 1.0 / probabilities.shape[1]
    aligned = probabilities * (uniform + 1e-6) / (marginal + 1e-6)
    return aligned / aligned.sum(1, keepdim=True)


def moved_softmatch(
    state: SoftMatchState, probabilities: Tensor, momentum: float = 0.999
) -> tuple[SoftMatchState, Tensor]:
    """Take a batch in.

    Args:
        state: Before.
        probabilities: Of the weak views, (N, C), N at least 2.
        momentum: Of the averages.

    Returns:
        The state with this batch, and its aligned confidences, (N,). Mean and variance are those of
        the aligned ones, as in USB; the marginal of the first batch is taken as it is.
    """
    batch = probabilities.mean(0)
    marginal = torch.where(
        state.marginal.sum() > 0, moved_average(state.marginal, batch, momentum), batch
    )
    confidence = align_distribution(probabilities, marginal).amax(1)
    mean = moved_average(state.mean, confidence.mean(), momentum)
    variance = moved_average(state.variance, confidence.var(), momentum)
    return SoftMatchState(mean, variance, marginal), confidence


def softmatch_weights(
    confidence: Tensor, mean: Tensor, variance: Tensor, sigmas: float = 2.0
) -> Tensor:
    """A truncated Gaussian: ``exp(-min(c - mean, 0)^2 / (2 variance / sigmas^2))``.

    Args:
        confidence: (N,).
        mean: Scalar; from here on the weight is 1.
        variance: Scalar.
        sigmas: The n of the paper; the greater, the narrower.

    Returns:
        0 to 1, (N,).
    """
    below = (confidence - mean).clamp_max(0.0)
    return torch.exp(-below.square() / (2.0 * variance / sigmas**2))


# ---------------------------------------------------------------------- FreeMatch


class FreeMatchState(NamedTuple):
    """What FreeMatch remembers; all three start at 1 / C."""

    tau: Tensor
    """Moving average of the mean confidence: the global threshold, scalar."""
    marginal: Tensor
    """Moving average of the mean prediction, (C,)."""
    histogram: Tensor
    """Moving average of the shares of the pseudo labels, (C,)."""

    @classmethod
    def start(cls, classes: int) -> FreeMatchState:
        """Every class as likely as any other."""
        even = torch.full((classes,), 1.0 / classes)
        return cls(torch.tensor(1.0 / classes), even, even.clone())


def moved_freematch(
    state: FreeMatchState, probabilities: Tensor, momentum: float = 0.999
) -> FreeMatchState:
    """Take a batch in.

    Args:
        state: Before.
        probabilities: Of the weak views, (N, C).
        momentum: Of the averages.
    """
    confidence, labels = probabilities.max(1)
    shares = torch.bincount(labels, minlength=probabilities.shape[1]) / len(labels)
    return FreeMatchState(
        moved_average(state.tau, confidence.mean(), momentum),
        moved_average(state.marginal, probabilities.mean(0), momentum),
        moved_average(state.histogram, shares.to(probabilities.dtype), momentum),
    )


def freematch_thresholds(tau: Tensor, marginal: Tensor) -> Tensor:
    """One threshold a class, ``tau * marginal / max marginal``: FreeMatch equation 8.

    Args:
        tau: Scalar.
        marginal: (C,).
    """
    return tau * marginal / marginal.max()


def fairness(strong: Tensor, mask: Tensor, state: FreeMatchState) -> Tensor:
    """FreeMatch's fairness term, to be minimised: equation 12 with the sign of USB.

    ``sum_c norm(marginal / histogram)_c * log norm(mean p / h)_c``, with p and h of the strong
    views that count. Classes that none of them is named after have 1/h = 0.

    Args:
        strong: Logits of the strong views, (N, C).
        mask: Which count, 0 or 1, (N,).
        state: With this batch.

    Returns:
        Scalar; 0 if no picture counts.
    """
    kept = strong[mask.bool()]
    if not len(kept):
        return strong.sum() * 0.0
    probabilities = kept.softmax(1)
    shares = torch.bincount(kept.argmax(1), minlength=kept.shape[1]).to(kept.dtype) / len(kept)
    seen = _normed(probabilities.mean(0) * _inverse(shares))
    expected = _normed(state.marginal * _inverse(state.histogram)).to(kept.dtype)
    return (expected * (seen + 1e-12).log()).sum()


def _inverse(values: Tensor) -> Tensor:
    """1 / x, and 0 for 0."""
    return torch.where(values > 0, 1.0 / values.clamp_min(1e-30), torch.zeros_like(values))


def _normed(values: Tensor) -> Tensor:
    return values / values.sum()
