"""The whole loss of a detector: against slow sums, and in every awkward case."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from saccade.errors import OptionError, TrainingError
from saccade_train.assigners import BoxTargets, atss, simota, tal
from saccade_train.heads.picodet import PicoOutput, decode_boxes, grid_points
from saccade_train.losses.iou import giou_loss
from saccade_train.losses.picodet import PicoLossOptions, mean_over_processes, picodet_loss
from saccade_train.losses.varifocal import varifocal_loss, varifocal_loss_with_logits

GEN1, GEN2 = PicoLossOptions(generation=1), PicoLossOptions()


def value(term: Tensor) -> float:
    return float(term.detach())


def output_of(
    size: int = 96, pictures: int = 3, classes: int = 3, generation: int = 2, seed: int = 0
) -> tuple[PicoOutput, list[Tensor]]:
    """What a network might say, and the leaves whose gradients count."""
    draw = torch.Generator().manual_seed(seed)
    sizes = [(-(-size // s),) * 2 for s in (8, 16, 32, 64)]
    points, strides = grid_points(sizes)
    logits = torch.randn(pictures, len(points), classes, generator=draw, requires_grad=True)
    regression = torch.randn(pictures, len(points), 32, generator=draw, requires_grad=True)
    align = torch.randn(pictures, len(points), 1, generator=draw, requires_grad=True)
    if generation == 1:
        output = PicoOutput(logits.sigmoid(), logits, regression, points, strides)
        return output, [logits, regression]
    scores = (logits.sigmoid() * align.sigmoid() + 1e-9).sqrt()
    return PicoOutput(scores, logits, regression, points, strides), [logits, regression, align]


def targets_of(size: int = 96) -> list[BoxTargets]:
    """Two boxes, none, one."""
    k = size / 96
    return [
        BoxTargets(torch.tensor([[8.0, 10, 60, 70], [40, 30, 90, 95]]) * k, torch.tensor([0, 2])),
        BoxTargets(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64)),
        BoxTargets(torch.tensor([[5.0, 50, 50, 90]]) * k, torch.tensor([1])),
    ]


def slow_loss(
    output: PicoOutput, targets: list[BoxTargets], generation: int, assigner: str
) -> list[float]:
    """Picture by picture, point by point."""
    boxes = decode_boxes(output)
    points, strides = output.points, output.strides
    sums = [0.0, 0.0, 0.0]
    count = mass = 0.0
    for n, truth in enumerate(targets):
        scores = output.scores[n]
        match assigner:
            case "simota":
                assigned = simota(scores, boxes[n], points, strides, truth)
            case "tal":
                assigned = tal(scores, boxes[n], points, truth)
            case _:
                assigned = atss(boxes[n], points, strides, truth, scores.shape[1])
        for i, g in enumerate(assigned.truth.tolist()):
            if generation == 1:
                terms = varifocal_loss_with_logits(output.logits[n, i], assigned.scores[i])
            else:
                terms = varifocal_loss(scores[i], assigned.scores[i])
            sums[0] += float(terms.sum())
            if g < 0:
                continue
            weight = float((scores if generation == 1 else assigned.scores)[i].max())
            count, mass = count + 1, mass + weight
            s = float(strides[i])
            sums[1] += weight * float(giou_loss(boxes[n, i] / s, truth.boxes[g] / s))
            x, y = (points[i] / s).tolist()
            left, top, right, bottom = (truth.boxes[g] / s).tolist()
            for side, t in enumerate((x - left, y - top, right - x, bottom - y)):
                t = min(max(t, 0.0), 6.9)
                log = F.log_softmax(output.regression[n, i, 8 * side : 8 * side + 8], 0).tolist()
                j = math.floor(t)
                sums[2] -= weight / 4 * (log[j] * (j + 1 - t) + log[j + 1] * (t - j))
    count, mass = max(count, 1.0), max(mass, 1.0)
    if generation == 1:
        return [sums[0] / count, 2.0 * sums[1] / mass, 0.25 * sums[2] / mass]
    return [sums[0] / mass, 2.5 * sums[1] / mass, 0.5 * sums[2] / mass]


@pytest.mark.parametrize("generation", [1, 2])
@pytest.mark.parametrize("assigner", ["simota", "tal", "atss"])
def test_against_slow_sums(generation: int, assigner: str) -> None:
    output, _ = output_of(generation=generation)
    options = PicoLossOptions(generation=generation, assigner=assigner)  # type: ignore[arg-type]
    loss = picodet_loss(output, targets_of(), options)
    with torch.no_grad():
        expected = slow_loss(output, targets_of(), generation, assigner)
    found = [value(term) for term in loss[1:]]
    assert found == pytest.approx(expected, rel=1e-4)
    assert value(loss.total) == pytest.approx(sum(expected), rel=1e-4)
    assert all(value > 0 for value in found)


def test_switch_and_what_was_released() -> None:
    assert GEN1.assigner_at(0) == GEN1.assigner_at(500) == "simota"
    assert (GEN2.assigner_at(99), GEN2.assigner_at(100)) == ("atss", "tal")
    assert PicoLossOptions(switch_epoch=0).assigner_at(0) == "tal"
    assert PicoLossOptions(assigner="tal").assigner_at(0) == "tal"
    assert GEN1.weights() == (1.0, 2.0, 0.25)
    assert GEN2.weights() == (1.0, 2.5, 0.5)
    output, _ = output_of()
    early, late = (picodet_loss(output, targets_of(), GEN2, epoch) for epoch in (99, 100))
    before = picodet_loss(output, targets_of(), replace(GEN2, assigner="atss"))
    after = picodet_loss(output, targets_of(), replace(GEN2, assigner="tal"))
    assert torch.equal(early.total, before.total)
    assert torch.equal(late.total, after.total)
    assert not torch.equal(early.total, late.total)


def check_gradients(output: PicoOutput, leaves: list[Tensor], options: PicoLossOptions) -> None:
    loss = picodet_loss(output, targets_of(), options)
    slopes = torch.autograd.grad(loss.total, leaves)
    assert loss.total.isfinite()
    for slope in slopes:
        assert slope.isfinite().all()
        assert slope.abs().max() > 0


@pytest.mark.parametrize("generation", [1, 2])
@pytest.mark.parametrize("classification", ["vfl", "qfl", "focal"])
def test_every_classification_has_gradients(generation: int, classification: str) -> None:
    output, leaves = output_of(generation=generation)
    check_gradients(
        output,
        leaves,
        PicoLossOptions(generation=generation, classification=classification),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("box", ["iou", "giou", "diou", "ciou"])
def test_every_box_loss_has_gradients(box: str) -> None:
    output, leaves = output_of()
    check_gradients(output, leaves, PicoLossOptions(box=box))  # type: ignore[arg-type]


@pytest.mark.parametrize("generation", [1, 2])
def test_focal_and_quality_are_divided_by_the_positives(generation: int) -> None:
    output, _ = output_of(generation=generation)
    options = PicoLossOptions(
        generation=generation,  # type: ignore[arg-type]
        assigner="atss",
        classification="focal",
    )
    boxes = decode_boxes(output).detach()
    positive, hard, soft = 0, 0.0, 0.0
    for n, truth in enumerate(targets_of()):
        assigned = atss(boxes[n], output.points, output.strides, truth, 3)
        y = F.one_hot(assigned.labels, 4)[:, :3].float()
        p = output.scores[n]
        entropy = -(y * p.log() + (1 - y) * (1 - p).log())
        weight = torch.where(y > 0, 0.25 * (1 - p) ** 2, 0.75 * p**2)
        hard += value((weight * entropy).sum())
        q = assigned.scores
        soft += value(((p - q) ** 2 * -(q * p.log() + (1 - q) * (1 - p).log())).sum())
        positive += int((assigned.truth >= 0).sum())
    found = picodet_loss(output, targets_of(), options).vfl
    assert value(found) == pytest.approx(hard / positive, rel=1e-4)
    found = picodet_loss(output, targets_of(), replace(options, classification="qfl")).vfl
    assert value(found) == pytest.approx(soft / positive, rel=1e-4)


@pytest.mark.parametrize("generation", [1, 2])
@pytest.mark.parametrize("assigner", ["simota", "tal", "atss"])
@pytest.mark.parametrize("size", [8, 32, 64, 160])
def test_small_inputs(generation: int, assigner: str, size: int) -> None:
    output, leaves = output_of(size=size, generation=generation)
    options = PicoLossOptions(generation=generation, assigner=assigner)  # type: ignore[arg-type]
    loss = picodet_loss(output, targets_of(size), options)
    slopes = torch.autograd.grad(loss.total, leaves)
    assert all(term.isfinite() for term in loss)
    assert all(slope.isfinite().all() for slope in slopes)


@pytest.mark.parametrize("options", [GEN1, GEN2, replace(GEN2, assigner="tal")])
def test_a_batch_without_any_box(options: PicoLossOptions) -> None:
    output, leaves = output_of(generation=options.generation)
    none = BoxTargets(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
    loss = picodet_loss(output, [none] * 3, options)
    slopes = torch.autograd.grad(loss.total, leaves)
    assert value(loss.giou) == value(loss.dfl) == 0
    # The divisor is held at 1, so this is the plain sum over the background.
    p = output.scores
    expected = value((0.75 * p**2 * -(1 - p).log()).sum())
    assert value(loss.vfl) == pytest.approx(expected, rel=1e-4)
    assert all(slope.isfinite().all() for slope in slopes)


@pytest.mark.parametrize("options", [GEN1, GEN2, replace(GEN2, assigner="tal")])
def test_boxes_without_area_count_for_nothing(options: PicoLossOptions) -> None:
    output, _ = output_of(generation=options.generation)
    bad = torch.tensor(
        [[20.0, 20, 20, 40], [50, 50, 40, 60], [math.nan, 0, 9, 9], [0, 0, math.inf, 9]]
    )
    spoilt = [
        BoxTargets(
            torch.cat([bad, one.boxes]), torch.cat([torch.tensor([0, 1, 99, 2]), one.labels])
        )
        for one in targets_of()
    ]
    loss = picodet_loss(output, spoilt, options)
    assert torch.equal(loss.total, picodet_loss(output, targets_of(), options).total)


@pytest.mark.parametrize("options", [GEN1, GEN2, replace(GEN2, assigner="tal")])
@pytest.mark.parametrize("part", ["scores", "logits", "regression"])
@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_output_that_is_not_a_number_is_told(
    options: PicoLossOptions, part: str, wrong: float
) -> None:
    output, _ = output_of(generation=options.generation)
    spoilt = getattr(output, part).detach().clone()
    # In the picture without boxes, at a point that learns no box.
    spoilt[1, -1, 0] = wrong
    loss = picodet_loss(output._replace(**{part: spoilt}), targets_of(), options)
    assert all(term.isnan() for term in loss)


def test_pictures_far_from_training_are_finite() -> None:
    # Saturated scores and distances, as after a step that was too long.
    for generation, options in ((1, GEN1), (2, GEN2), (2, replace(GEN2, assigner="tal"))):
        output, leaves = output_of(generation=generation)
        logits = (leaves[0].detach() * 1e4).requires_grad_()
        regression = (leaves[1].detach() * 1e4).requires_grad_()
        scores = logits.sigmoid() if generation == 1 else (logits.sigmoid() + 1e-9).sqrt()
        wild = output._replace(scores=scores, logits=logits, regression=regression)
        loss = picodet_loss(wild, targets_of(), options)
        slopes = torch.autograd.grad(loss.total, [logits, regression])
        assert loss.total.isfinite()
        assert all(slope.isfinite().all() for slope in slopes)


@pytest.mark.parametrize("options", [GEN1, GEN2])
def test_divisors_are_shared(options: PicoLossOptions) -> None:
    seen: list[Tensor] = []

    def triple(own: Tensor) -> Tensor:
        seen.append(own)
        return own * 3

    output, _ = output_of(generation=options.generation)
    alone = picodet_loss(output, targets_of(), options)
    assert float(mean_over_processes(torch.tensor(2.0))) == 2.0
    shared = picodet_loss(output, targets_of(), options, share=triple)
    count, mass = seen[0].tolist()
    assert count == int(count) >= 3
    assert mass > 1
    assert not seen[0].requires_grad
    for before, after in zip(alone, shared, strict=True):
        torch.testing.assert_close(before / 3, after)


def test_a_process_with_nan_takes_part_in_the_exchange() -> None:
    seen: list[Tensor] = []
    output, _ = output_of()
    wrong = output._replace(regression=output.regression * math.nan)
    picodet_loss(wrong, targets_of(), share=lambda own: seen.append(own) or own)  # type: ignore[func-returns-value]
    assert len(seen) == 1
    assert seen[0].isfinite().all()


def test_half_precision_is_computed_in_float32() -> None:
    output, _ = output_of()
    half = PicoOutput(*(part.detach().bfloat16() for part in output[:3]), *output[3:])
    loss = picodet_loss(half, targets_of())
    assert loss.total.dtype == torch.float32
    assert value(loss.total) == pytest.approx(
        value(picodet_loss(output, targets_of()).total), rel=0.1
    )


def test_what_does_not_fit() -> None:
    output, _ = output_of()
    with pytest.raises(TrainingError, match="2 targets for 3 pictures"):
        picodet_loss(output, targets_of()[:2])
    wrong = [*targets_of()[:2], BoxTargets(torch.tensor([[0.0, 0, 9, 9]]), torch.tensor([3]))]
    with pytest.raises(TrainingError, match=r"labels \[3\]: expected 0 to 2"):
        picodet_loss(output, wrong)
    for wrong_option in (
        {"generation": 3},
        {"assigner": "sim"},
        {"classification": "bce"},
        {"box": "l1"},
        {"switch_epoch": -1},
        {"dfl_weight": -0.5},
        {"classification_weight": math.nan},
    ):
        with pytest.raises(OptionError, match=next(iter(wrong_option))):
            PicoLossOptions(**wrong_option)  # type: ignore[arg-type]


def test_a_detector_learns_three_boxes() -> None:
    # Free outputs in place of a network: the loss must lead them to the boxes by itself.
    for generation, options in ((1, GEN1), (2, replace(GEN2, switch_epoch=60))):
        output, leaves = output_of(generation=generation, seed=3)
        for leaf in leaves:
            leaf.data.mul_(0.1)
        leaves[0].data.sub_(2.0)
        adam = torch.optim.Adam(leaves, lr=0.1)
        for epoch in range(150):
            scores = leaves[0].sigmoid()
            if generation == 2:
                scores = (scores * leaves[2].sigmoid() + 1e-9).sqrt()
            said = output._replace(scores=scores, logits=leaves[0], regression=leaves[1])
            loss = picodet_loss(said, targets_of(), options, epoch).total
            adam.zero_grad()
            loss.backward()
            adam.step()
        boxes = decode_boxes(said).detach()
        for n, truth in enumerate(targets_of()):
            for box, label in zip(truth.boxes, truth.labels, strict=True):
                best = int(said.scores[n, :, label].argmax())
                assert value(said.scores[n, best, label]) > 0.8
                assert float(giou_loss(boxes[n, best], box)) < 0.1
        assert value(said.scores[1].max()) < 0.2
