"""The loss of PP-PicoDet (arXiv 2111.00902), of its first and of its second generation.

``PaddleDetection/ppdet/modeling/heads/pico_head.py`` and ``gfl_head.py``: varifocal loss of the
scores, GIoU loss of the boxes and distribution focal loss of their sides, over the points that an
assigner chose. Boxes are measured in strides. Of all points of a batch:

========================  ==========================  ==========================================
what                      generation 1                generation 2
========================  ==========================  ==========================================
class scores              logits                      probabilities
weight w of a box         its greatest score          the score that it was assigned
VFL is divided by         the number of positives     the sum of w
box and DFL divided by    the sum of w                the sum of w
weights of the terms      1, 2, 0.25                  1, 2.5, 0.5
assigner                  SimOTA                      ATSS for 100 epochs, then TAL
========================  ==========================  ==========================================

Every divisor is at least 1; the reference forgets that on one device in generation 2, and divides
by zero where a batch has no box. With several processes the divisors are their means, so that
averaged gradients are those of the whole batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from saccade.errors import OptionError, TrainingError
from saccade_train.assigners import Assigned, BoxTargets, atss, simota, tal
from saccade_train.heads.picodet import PicoOutput, decode_boxes
from saccade_train.layers.check import check_whole

from .dfl import dfl_loss, side_distances
from .iou import ciou_loss, diou_loss, giou_loss, iou_loss
from .varifocal import (
    binary_cross_entropy,
    focal_weight,
    quality_weight,
    varifocal_weight,
)

__all__ = [
    "BoxTargets",
    "PicoLoss",
    "PicoLossOptions",
    "mean_over_processes",
    "picodet_loss",
]

_BOX_LOSSES = {"iou": iou_loss, "giou": giou_loss, "diou": diou_loss, "ciou": ciou_loss}


def _one_of(option: str, value: object, allowed: tuple[object, ...]) -> None:
    if value not in allowed:
        shown = ", ".join(repr(one) for one in allowed)
        raise OptionError(f"{option} {value!r}: expected one of {shown}")


@dataclass(frozen=True)
class PicoLossOptions:
    """Form and weights of the terms. None: as released for the generation.

    Attributes:
        generation: 1 or 2; see the table above.
        assigner: "switch" is ATSS before ``switch_epoch``, TAL from it on.
        switch_epoch: epochs from 0.
        classification: loss of the class scores. Focal loss learns 0 and 1 in place of the
            assigner's scores; it and quality focal loss are divided by the number of positives, as
            in their papers.
        box: loss of the boxes.
        classification_weight: of the first term.
        box_weight: of the second; None is 2 or 2.5.
        dfl_weight: of the third; None is 0.25 or 0.5, and 0 leaves it out.
    """

    generation: Literal[1, 2] = 2
    assigner: Literal["simota", "tal", "atss", "switch"] | None = None
    switch_epoch: int = 100
    classification: Literal["vfl", "qfl", "focal"] = "vfl"
    box: Literal["iou", "giou", "diou", "ciou"] = "giou"
    classification_weight: float = 1.0
    box_weight: float | None = None
    dfl_weight: float | None = None

    def __post_init__(self) -> None:
        _one_of("generation", self.generation, (1, 2))
        _one_of("assigner", self.assigner, (None, "simota", "tal", "atss", "switch"))
        _one_of("classification", self.classification, ("vfl", "qfl", "focal"))
        _one_of("box", self.box, tuple(_BOX_LOSSES))
        check_whole("switch_epoch", self.switch_epoch, at_least=0)
        for name in ("classification_weight", "box_weight", "dfl_weight"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < float("inf"):
                raise OptionError(f"{name} {value!r}: expected a number from 0, or None")

    def assigner_at(self, epoch: int) -> Literal["simota", "tal", "atss"]:
        """The assigner of an epoch, which counts from 0."""
        named = self.assigner or ("simota" if self.generation == 1 else "switch")
        if named == "switch":
            return "atss" if epoch < self.switch_epoch else "tal"
        return named

    def weights(self) -> tuple[float, float, float]:
        """Of the three terms."""
        box, dfl = (2.0, 0.25) if self.generation == 1 else (2.5, 0.5)
        return (
            self.classification_weight,
            box if self.box_weight is None else self.box_weight,
            dfl if self.dfl_weight is None else self.dfl_weight,
        )


class PicoLoss(NamedTuple):
    """Scalars, already weighted; ``total`` is the sum of the others.

    ``vfl`` and ``giou`` are the terms of scores and of boxes, whichever loss was chosen for them.
    """

    total: Tensor
    vfl: Tensor
    giou: Tensor
    dfl: Tensor


_DEFAULT = PicoLossOptions()


def mean_over_processes(value: Tensor) -> Tensor:
    """Mean of a tensor over the processes of a distributed training; itself where there is one."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return value
    total = value.clone()
    torch.distributed.all_reduce(total)
    return total / torch.distributed.get_world_size()


def picodet_loss(
    output: PicoOutput,
    targets: Sequence[BoxTargets],
    options: PicoLossOptions = _DEFAULT,
    epoch: int = 0,
    *,
    share: Callable[[Tensor], Tensor] = mean_over_processes,
) -> PicoLoss:
    """Assign the true boxes to points and add up the three terms.

    Args:
        output: of N pictures.
        targets: the true boxes of each; none is fine. Boxes without area count for nothing.
        options: form and weights.
        epoch: from 0; only "switch" looks at it.
        share: turns the divisors of this process, float32 (2,), into their means over processes.

    Returns:
        The terms. All are NaN if anything in the output is not finite, so that the training loop
        stops and names the pictures, even where no assigned point would have told.

    Raises:
        TrainingError: Not as many targets as pictures, or a label that the network doesn't have.
    """
    output = PicoOutput(*(part.float() for part in output))
    pictures, _, classes = output.scores.shape
    truths = [_usable(one, output, classes) for one in targets]
    if len(truths) != pictures:
        raise TrainingError(f"{len(truths)} targets for {pictures} pictures; expected one for each")
    parts = (output.scores, output.logits, output.regression)
    # The divisors are exchanged all the same: other processes wait for them.
    finite = all(bool(part.isfinite().all()) for part in parts)
    boxes = decode_boxes(output)
    found = boxes.detach() if finite else torch.zeros_like(boxes)
    scores = output.scores.detach() if finite else torch.zeros_like(output.scores)
    name = options.assigner_at(epoch)
    assigned = [_assign(name, scores[i], found[i], output, truth) for i, truth in enumerate(truths)]
    wanted = torch.stack([one.scores for one in assigned])  # (N, P, C)
    labels = torch.stack([one.labels for one in assigned])  # (N, P)
    positive = labels < classes
    weights = (scores if options.generation == 1 else wanted)[positive].amax(1)  # (K,)
    own = torch.stack([positive.sum().float(), weights.sum()])
    count, mass = share(own).clamp_min(1).unbind()

    if options.classification == "focal":
        wanted = F.one_hot(labels, classes + 1)[..., :classes].float()
    by_mass = options.classification == "vfl" and options.generation == 2
    of_class = _class_loss(output, wanted, options).sum() / (mass if by_mass else count)
    target = torch.cat(
        [
            truth.boxes[one.truth[one.truth >= 0]]
            for truth, one in zip(truths, assigned, strict=True)
        ]
    )
    of_box, of_sides = _box_losses(output, boxes, target, positive, options)
    terms = (
        of_class,
        (weights * of_box).sum() / mass,
        (weights * of_sides).sum() / mass,
    )
    vfl, giou, dfl = (k * term for k, term in zip(options.weights(), terms, strict=True))
    if not finite:
        vfl, giou, dfl = (torch.full_like(term, float("nan")) for term in (vfl, giou, dfl))
    return PicoLoss(vfl + giou + dfl, vfl, giou, dfl)


def _assign(
    name: str, scores: Tensor, boxes: Tensor, output: PicoOutput, truth: BoxTargets
) -> Assigned:
    points, strides = output.points, output.strides
    match name:
        case "simota":
            return simota(scores, boxes, points, strides, truth)
        case "tal":
            return tal(scores, boxes, points, truth)
        case _:
            return atss(boxes, points, strides, truth, scores.shape[1])


def _class_loss(output: PicoOutput, wanted: Tensor, options: PicoLossOptions) -> Tensor:
    """(N, P, C)."""
    if options.generation == 1:
        p = output.logits.sigmoid()
        entropy = F.binary_cross_entropy_with_logits(output.logits, wanted, reduction="none")
    else:
        p = output.scores
        entropy = binary_cross_entropy(p, wanted)
    match options.classification:
        case "vfl":
            return varifocal_weight(p, wanted) * entropy
        case "qfl":
            return quality_weight(p, wanted) * entropy
        case "focal":
            return focal_weight(p, wanted) * entropy


def _box_losses(
    output: PicoOutput, boxes: Tensor, target: Tensor, positive: Tensor, options: PicoLossOptions
) -> tuple[Tensor, Tensor]:
    """Of each positive, (K,) twice: of the box, and of its sides."""
    point = positive.nonzero()[:, 1]
    stride = output.strides[point][:, None]
    of_box = _BOX_LOSSES[options.box](boxes[positive] / stride, target / stride)
    bins = output.regression.shape[2] // 4
    logits = output.regression[positive].reshape(-1, 4, bins)
    sides = side_distances(output.points[point] / stride, target / stride, bins - 1)
    return of_box, dfl_loss(logits, sides).mean(1)


def _usable(truth: BoxTargets, output: PicoOutput, classes: int) -> BoxTargets:
    """The true boxes that have an area."""
    boxes = truth.boxes.to(output.points).reshape(-1, 4)
    labels = truth.labels.to(boxes.device).long()
    good = boxes.isfinite().all(1) & (boxes[:, 2:] > boxes[:, :2]).all(1)
    boxes, labels = boxes[good], labels[good]
    if bool(((labels < 0) | (labels >= classes)).any()):
        raise TrainingError(
            f"labels {sorted(set(labels.tolist()))}: expected 0 to {classes - 1}; build the "
            "network with as many classes as the data has"
        )
    return BoxTargets(boxes, labels)
