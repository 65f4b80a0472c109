"""What a similarity means in a gallery, and from which one on a name may be given.

Nobody has to bring pictures for it: the gallery is asked about itself. Each item is searched among
the others. Its best similarity to its own label is *genuine*. Its best similarity to all other
labels is what it would have reached if its whole label were missing: an *impostor*.

**The threshold** is a conformal quantile of the impostors. Labels, not pictures, are what a new
unknown thing resembles, so each of C labels has the same weight ``1 / (C + 1)``, shared by its
pictures, and the unknown itself has the last ``1 / (C + 1)``, at infinity (hierarchical conformal
prediction, Lee, Barber and Willett, arXiv 2306.06342; the one-picture case is the usual
order-statistic ``ceil((C + 1)(1 - rate))``). An impostor of the leave-one-out meets C - 1 labels, a
real unknown C; since each further label adds less chance than the one before, the rate is lowered
by ``(C - 1) / C`` to make up for it (our own correction).

**The promise**: of things that are not in the gallery but are *like those in it* (drawn as its
labels were, photographed as its pictures were), on average over galleries at most ``rate`` are
given a name. One gallery may lie above it, the more so the fewer labels it has; and things that
resemble the gallery's own more than those resemble each other are outside the promise.

**The probability** is Platt's logistic curve with his smoothed targets (1999), fitted to genuine
and impostor similarities, all labels with equal weight, for known and unknown things equally
frequent.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from saccade.errors import GalleryError, OptionError
from saccade.gallery._vectors import blocks, check_whole, vector_array

__all__ = ["Calibration", "calibrate", "least_false_accept_rate", "leave_one_out"]

METHOD = "hierarchical-conformal-1"
# Above it two pictures of a label are one picture, which says nothing about another picture.
_SAME = 1 - 1e-5
# Similarities are shown with six digits; a tie with the quantile must stay below the threshold.
_STEP = 1e-6
_MOST_PROBES = 4096


@dataclass(frozen=True)
class Calibration:
    """A threshold with its promise, and the probability of a similarity.

    Attributes:
        threshold: Similarity from which on a name is given, -1..1.
        false_accept_rate: Share of unknown things that are given a name at most, see the module.
        genuine_accept_rate: Share of the gallery's own pictures that keep a name when they are
            searched among the others, labels weighing alike; None where no label has two pictures.
        classes: Labels that were compared.
        items: Pictures that were searched.
        slope: Of the logistic curve, at least 0; None where no label has two pictures.
        offset: Of the logistic curve; None likewise.
        method: How it was made.
    """

    threshold: float
    false_accept_rate: float
    genuine_accept_rate: float | None
    classes: int
    items: int
    slope: float | None = None
    offset: float | None = None
    method: str = METHOD

    def probability(self, similarity: float) -> float:
        """How likely a best neighbour of this similarity has the right name, 0..1.

        Known and unknown things count as equally frequent. It never falls with the similarity.

        Raises:
            GalleryError: No label had two different pictures to learn it from.
        """
        if self.slope is None or self.offset is None:
            raise GalleryError(
                "the calibration has no probabilities: no label had two different pictures; add"
                " pictures and calibrate again"
            )
        logit = self.slope * similarity + self.offset
        # Of the two forms, the one that cannot overflow.
        if logit >= 0:
            return 1 / (1 + math.exp(-logit))
        return math.exp(logit) / (1 + math.exp(logit))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, one for each attribute."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Calibration:
        """Read what :meth:`to_dict` wrote; keys that a later version added are left out.

        Raises:
            GalleryError: A key is missing or of the wrong type.
        """
        try:
            return cls(
                threshold=float(plain["threshold"]),
                false_accept_rate=float(plain["false_accept_rate"]),
                genuine_accept_rate=_float_or_none(plain["genuine_accept_rate"]),
                classes=int(plain["classes"]),
                items=int(plain["items"]),
                slope=_float_or_none(plain["slope"]),
                offset=_float_or_none(plain["offset"]),
                method=str(plain["method"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise GalleryError(
                f"the calibration is damaged ({type(error).__name__}: {error}); calibrate again"
            ) from error


def calibrate(
    vectors: ArrayLike,
    labels: Sequence[str],
    *,
    false_accept_rate: float = 0.05,
    max_probes: int = _MOST_PROBES,
    seed: int = 0,
) -> Calibration:
    """Calibrate a gallery on itself.

    Args:
        vectors: (N, D) of unit length; rows of zeros are left out.
        labels: N.
        false_accept_rate: Above 0, below 1: the share of unknown things that may be given a name.
        max_probes: Pictures that are searched at most; drawn so that all labels have their share.
            Each is compared with the whole gallery.
        seed: Of that draw.

    Raises:
        GalleryError: Fewer labels than the rate needs; or labels that share so many pictures that
            no threshold keeps the promise.
        OptionError: counts that do not fit, or an option outside its range.
    """
    if not 0 < false_accept_rate < 1:
        raise OptionError(
            f"false_accept_rate is {false_accept_rate!r}; expected a number between 0 and 1"
        )
    check_whole(max_probes, "max_probes", 2)
    array, numbers = _usable(vectors, labels)
    count = int(numbers.max(initial=-1)) + 1
    if count < 2:
        raise GalleryError(
            f"a gallery of {count} label{'' if count == 1 else 's'} cannot tell what an unknown"
            " thing looks like; add pictures of others, or choose a threshold yourself"
        )
    probes = _probes(numbers, max_probes, seed)
    classes = len(np.unique(numbers[probes]))
    least = least_false_accept_rate(classes)
    if false_accept_rate < least:
        raise GalleryError(
            f"{classes} labels are too few to promise a false-accept rate of {false_accept_rate:g}:"
            f" that takes {_labels_needed(false_accept_rate)}; with these, ask"
            f" for {math.ceil(least * 1000) / 1000:g} or more"
        )
    genuine, impostor = leave_one_out(array, numbers, probes)
    weights = _equal_by_class(numbers[probes])
    quantile = _conformal_quantile(
        impostor, weights, classes, false_accept_rate * (classes - 1) / classes
    )
    threshold = (math.floor(quantile / _STEP) + 2) * _STEP
    if threshold > 1:
        raise GalleryError(
            f"more than {false_accept_rate:.0%} of the labels have pictures that look the same as"
            " those of another label; merge such labels (saccade gallery rename), then calibrate"
        )
    has = np.isfinite(genuine)
    accepted, slope, offset = None, None, None
    if has.any():
        own = _equal_by_class(numbers[probes][has])
        accepted = round(float(own[genuine[has] >= threshold].sum() / own.sum()), 6)
        slope, offset = _platt(genuine[has], own, impostor, weights)
    return Calibration(
        threshold=round(max(threshold, -1.0), 6),
        false_accept_rate=float(false_accept_rate),
        genuine_accept_rate=accepted,
        classes=classes,
        items=len(probes),
        slope=slope,
        offset=offset,
    )


def least_false_accept_rate(classes: int) -> float:
    """The smallest rate that can be promised with so many labels (at least 2)."""
    return classes / ((classes - 1) * (classes + 1))


def leave_one_out(
    vectors: ArrayLike, labels: ArrayLike, probes: ArrayLike | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Search items of a gallery among the others.

    Args:
        vectors: (N, D) of unit length.
        labels: (N,), anything that NumPy compares.
        probes: (P,) indices of the items that are searched; None for all.

    Returns:
        float64 (P,) best similarity to another picture of the same label, -inf where there is
        none; (P,) best similarity to a picture of another label, -inf likewise. Of one label,
        pictures that are the same (similarity above 0.99999) do not count for each other.
    """
    array, names = vector_array(vectors, "vectors"), np.asarray(labels)
    chosen = np.arange(len(array)) if probes is None else np.asarray(probes, np.int64)
    genuine = np.full(len(chosen), -np.inf)
    impostor = np.full(len(chosen), -np.inf)
    for block in blocks(len(chosen), len(array)):
        rows = chosen[block]
        similarities = array[rows] @ array.T
        same = names[rows][:, None] == names[None, :]
        impostor[block] = similarities.max(axis=1, where=~same, initial=-np.inf)
        same[np.arange(len(rows)), rows] = False
        same &= similarities <= _SAME
        genuine[block] = similarities.max(axis=1, where=same, initial=-np.inf)
    return genuine, impostor


def _usable(
    vectors: ArrayLike, labels: Sequence[str]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Vectors that are no zeros, and the numbers of their labels, 0..C-1."""
    array = vector_array(vectors, "vectors")
    if len(array) != len(labels):
        raise OptionError(f"{len(array)} vectors and {len(labels)} labels; expected as many")
    seen = np.linalg.norm(array, axis=1) > 0.5
    known: dict[str, int] = {}
    kept = [label for label, usable in zip(labels, seen.tolist(), strict=True) if usable]
    numbers = [known.setdefault(label, len(known)) for label in kept]
    return array[seen], np.array(numbers, np.int64)


def _probes(numbers: NDArray[np.int64], most: int, seed: int) -> NDArray[np.int64]:
    """Draw one picture of each label, then a second, and so on, until there are enough."""
    if len(numbers) <= most:
        return np.arange(len(numbers))
    rng = np.random.default_rng(seed)
    mixed = rng.permutation(len(numbers))
    by_label = mixed[np.argsort(numbers[mixed], kind="stable")]
    counts = np.bincount(numbers)
    turn = np.empty(len(numbers), np.int64)
    turn[by_label] = np.arange(len(numbers)) - np.repeat(np.cumsum(counts) - counts, counts)
    chosen: NDArray[np.int64] = np.sort(mixed[np.argsort(turn[mixed], kind="stable")][:most])
    return chosen


def _equal_by_class(numbers: NDArray[np.int64]) -> NDArray[np.float64]:
    """Weights of items so that each label has 1."""
    counts = np.bincount(numbers)
    weights: NDArray[np.float64] = 1 / counts[numbers]
    return weights


def _conformal_quantile(
    values: NDArray[np.float64], weights: NDArray[np.float64], classes: int, rate: float
) -> float:
    """The least value that, with all below it, has ``1 - rate`` of the weight, infinity's included.

    Where a tie or rounding leaves a choice, the larger.
    """
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order]) / (classes + 1)
    place = int(np.searchsorted(reached, 1 - rate - 1e-12))
    return float(values[order[min(place, len(values) - 1)]])


def _labels_needed(rate: float) -> int:
    """The least C with C / (C^2 - 1) <= rate, which is C >= (1 + sqrt(1 + 4 r^2)) / (2 r)."""
    return math.ceil((1 + math.sqrt(1 + 4 * rate * rate)) / (2 * rate) - 1e-9)


def _platt(
    genuine: NDArray[np.float64],
    genuine_weights: NDArray[np.float64],
    impostor: NDArray[np.float64],
    impostor_weights: NDArray[np.float64],
) -> tuple[float, float]:
    """Slope and offset of P(genuine | similarity), both kinds with the same total weight."""
    known, unknown = genuine_weights.sum(), impostor_weights.sum()
    x = np.concatenate([genuine, impostor])
    # Platt's targets: as if one more of the other kind had been seen; they keep the slope finite
    # where nothing overlaps.
    targets = np.concatenate(
        [
            np.full(len(genuine), (known + 1) / (known + 2)),
            np.full(len(impostor), 1 / (unknown + 2)),
        ]
    )
    weights = np.concatenate([genuine_weights / known, impostor_weights / unknown])
    centre = float(np.average(x, weights=weights))
    features = np.stack([x - centre, np.ones_like(x)])
    curve = np.zeros(2)
    loss = _log_loss(curve, features, targets, weights)
    for _ in range(100):  # Newton's method; the function is convex
        guess = 1 / (1 + np.exp(-np.clip(curve @ features, -500, 500)))
        gradient = features @ (weights * (guess - targets))
        hessian = (features * (weights * guess * (1 - guess))) @ features.T
        step = np.linalg.solve(hessian + 1e-10 * np.eye(2), gradient)
        size = 1.0
        while size > 1e-6:
            moved = curve - size * step
            new = _log_loss(moved, features, targets, weights)
            if new <= loss:
                break
            size /= 2
        if size <= 1e-6 or loss - new < 1e-12:
            break
        curve, loss = moved, new
    slope = max(float(curve[0]), 0.0)
    # A falling curve would be nonsense: then a similarity says nothing, and the odds are even.
    offset = float(curve[1]) - slope * centre if slope else 0.0
    return round(slope, 9), round(offset, 9)


def _log_loss(
    curve: NDArray[np.float64],
    features: NDArray[np.float64],
    targets: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> float:
    logits = curve @ features
    return float((weights * (np.logaddexp(0, logits) - targets * logits)).sum())


def _float_or_none(value: Any) -> float | None:
    return None if value is None else float(value)
