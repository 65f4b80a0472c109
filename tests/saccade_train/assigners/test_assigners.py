"""The assigners: worked numbers, slow double loops, and what may be missing or degenerate."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from saccade_train.assigners import Assigned, BoxTargets, atss, simota, tal
from saccade_train.assigners.common import lowest, pairwise_iou, settle

Box = Sequence[float]


def grid(levels: Sequence[tuple[int, int]]) -> tuple[Tensor, Tensor]:
    """Points and strides of square levels (stride, cells)."""
    points, strides = [], []
    for stride, cells in levels:
        for y in range(cells):
            for x in range(cells):
                points.append([(x + 0.5) * stride, (y + 0.5) * stride])
                strides.append(float(stride))
    return torch.tensor(points), torch.tensor(strides)


def positives(found: Assigned, classes: int = 2) -> dict[int, int]:
    return {i: label for i, label in enumerate(found.labels.tolist()) if label < classes}


def setup_a() -> tuple[Tensor, Tensor, Tensor, Tensor, BoxTargets]:
    points, strides = grid([(8, 4)])
    boxes = torch.cat([points - 8, points + 8], dim=1)
    scores = torch.tensor([0.3, 0.1]).repeat(16, 1)
    scores[5, 0], scores[10, 0], scores[10, 1] = 0.6, 0.2, 0.7
    truths = torch.tensor([[2.0, 2, 20, 20], [12, 10, 30, 31]])
    return scores, boxes, points, strides, BoxTargets(truths, torch.tensor([0, 1]))


def test_simota_worked_numbers() -> None:
    scores, boxes, points, strides, targets = setup_a()
    found = simota(scores, boxes, points, strides, targets)
    assert positives(found) == {1: 0, 5: 0, 10: 1, 14: 1}
    assert found.truth[found.truth >= 0].tolist() == [0, 0, 1, 1]
    # The sheet rounds these two to five digits.
    assert float(found.scores[5, 0]) == pytest.approx(0.790120, abs=5e-6)
    assert float(found.scores[10, 1]) == pytest.approx(0.677250, abs=5e-6)
    assert int((found.scores > 0).sum()) == 4


def test_tal_worked_numbers() -> None:
    scores, boxes, points, _, targets = setup_a()
    found = tal(scores, boxes, points, targets, top=3)
    assert positives(found) == {1: 0, 4: 0, 5: 0, 6: 1, 10: 1, 14: 1}
    given_scores = found.scores.amax(1)
    wanted = {1: 0.004963, 4: 0.004963, 5: 0.790123, 6: 0.001483, 10: 0.677249, 14: 0.003229}
    for point, value in wanted.items():
        assert float(given_scores[point]) == pytest.approx(value, abs=1e-6)
    assert float(found.scores.sum()) == pytest.approx(sum(wanted.values()), abs=5e-6)


def test_atss_worked_numbers() -> None:
    points, strides = grid([(8, 10), (16, 5)])
    half = 2.5 * strides[:, None]
    boxes = torch.cat([points - half, points + half], dim=1)
    truths = torch.tensor([[10.0, 12, 52, 50], [30, 30, 75, 78]])
    found = atss(boxes, points, strides, BoxTargets(truths, torch.tensor([0, 1])), 2)
    wanted = {
        33: (0, 0.748359),
        34: (0, 0.682105),
        43: (0, 0.678571),
        44: (0, 0.620690),
        66: (1, 0.740741),
        67: (1, 0.593220),
        76: (1, 0.678571),
    }
    assert positives(found) == {point: label for point, (label, _) in wanted.items()}
    for point, (label, score) in wanted.items():
        assert float(found.scores[point, label]) == pytest.approx(score, abs=1e-6)


# ---------------------------------------------------------------------- slow double loops


def slow_iou(a: Box, b: Box, eps: float = 1e-9) -> float:
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - width * height
    return width * height / (union + eps)


def slow_giou(a: Box, b: Box, eps: float = 1e-10) -> float:
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - width * height + eps
    around = (max(a[2], b[2]) - min(a[0], b[0])) * (max(a[3], b[3]) - min(a[1], b[1])) + eps
    return width * height / union - (around - union) / around


def slow_inside(point: Box, box: Box, margin: float = 0.0) -> bool:
    x, y = point
    return min(x - box[0], y - box[1], box[2] - x, box[3] - y) > margin


def slow_settle(takers: list[list[int]], preference: list[list[float]]) -> list[int]:
    """The true box of each point, from who took it; -1 for nobody."""
    result = []
    for point, who in enumerate(takers):
        if len(who) > 1:
            column = [row[point] for row in preference]
            result.append(column.index(max(column)))
        else:
            result.append(who[0] if who else -1)
    return result


def order(values: Sequence[float]) -> list[int]:
    """Numbers by rising value, equal ones in their order."""
    return sorted(range(len(values)), key=lambda i: values[i])


def slow_atss(
    boxes: list[Box],
    points: list[Box],
    strides: list[float],
    truths: list[Box],
    top: int,
) -> tuple[list[int], list[float]]:
    levels = [[i for i, s in enumerate(strides) if s == level] for level in dict.fromkeys(strides)]
    priors = [
        (x - 2.5 * s, y - 2.5 * s, x + 2.5 * s, y + 2.5 * s)
        for (x, y), s in zip(points, strides, strict=True)
    ]
    overlap = [[slow_iou(truth, prior) for prior in priors] for truth in truths]
    takers: list[list[int]] = [[] for _ in points]
    for g, truth in enumerate(truths):
        x, y = (truth[0] + truth[2]) / 2, (truth[1] + truth[3]) / 2
        near: list[int] = []
        for level in levels:
            far = [(points[i][0] - x) ** 2 + (points[i][1] - y) ** 2 for i in level]
            near += [level[i] for i in order(far)[:top]]
        values = [overlap[g][i] for i in near]
        limit = statistics.fmean(values)
        if len(values) > 1:
            limit += statistics.stdev(values)
        for i in near:
            if overlap[g][i] > limit and slow_inside(points[i], truth, 1e-9):
                takers[i].append(g)
    truth_of = slow_settle(takers, overlap)
    return truth_of, [
        slow_iou(truths[g], boxes[i]) if g >= 0 else 0 for i, g in enumerate(truth_of)
    ]


def slow_tal(
    scores: list[list[float]],
    boxes: list[Box],
    points: list[Box],
    truths: list[Box],
    labels: list[int],
    top: int,
) -> tuple[list[int], list[float]]:
    overlap = [[slow_iou(truth, box) for box in boxes] for truth in truths]
    aligned = [
        [scores[i][labels[g]] * overlap[g][i] ** 6 for i in range(len(points))]
        for g in range(len(truths))
    ]
    takers: list[list[int]] = [[] for _ in points]
    for g, truth in enumerate(truths):
        within = [slow_inside(point, truth, 1e-9) for point in points]
        masked = [-m if ok else 0.0 for m, ok in zip(aligned[g], within, strict=True)]
        for i in order(masked)[:top]:
            if within[i]:
                takers[i].append(g)
    truth_of = slow_settle(takers, overlap)
    targets = [0.0] * len(points)
    for g in range(len(truths)):
        mine = [i for i, who in enumerate(truth_of) if who == g]
        for i in mine:
            greatest = max(aligned[g][j] for j in mine)
            best = max(overlap[g][j] for j in mine)
            targets[i] = aligned[g][i] / (greatest + 1e-9) * best
    return truth_of, targets


def slow_simota(
    scores: list[list[float]],
    boxes: list[Box],
    points: list[Box],
    strides: list[float],
    truths: list[Box],
    labels: list[int],
    top: int,
) -> tuple[list[int], list[float]]:
    def varifocal(p: float, q: float) -> float:
        weight = q if q > 0 else 0.75 * p * p
        return -weight * (q * math.log(p) + (1 - q) * math.log(1 - p))

    def near(i: int, truth: Box) -> bool:
        x, y = (truth[0] + truth[2]) / 2, (truth[1] + truth[3]) / 2
        r = 2.5 * strides[i]
        return slow_inside(points[i], (x - r, y - r, x + r, y + r))

    candidates = [
        i
        for i, point in enumerate(points)
        if any(slow_inside(point, truth) or near(i, truth) for truth in truths)
    ]
    cost = [[0.0] * len(points) for _ in truths]
    takers: list[list[int]] = [[] for _ in points]
    for g, truth in enumerate(truths):
        for i in candidates:
            for c, p in enumerate(scores[i]):
                cost[g][i] += varifocal(p, slow_iou(truth, boxes[i]) if c == labels[g] else 0.0)
            cost[g][i] += 6 * (1 - slow_giou(truth, boxes[i]))
            if not (slow_inside(points[i], truth) and near(i, truth)):
                cost[g][i] += 1e8
        best = sorted((slow_iou(truth, boxes[i]) for i in candidates), reverse=True)[:top]
        wanted = max(1, int(sum(best)))
        for i in order([cost[g][i] for i in candidates])[:wanted]:
            takers[candidates[i]].append(g)
    truth_of = slow_settle(takers, [[-value for value in row] for row in cost])
    return truth_of, [
        slow_iou(truths[g], boxes[i]) if g >= 0 else 0 for i, g in enumerate(truth_of)
    ]


def scene(seed: int, boxes: int, size: int, classes: int) -> tuple[Tensor, ...]:
    """Predictions around their points, and true boxes of all sizes, some of them without area."""
    draw = torch.Generator().manual_seed(seed)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=draw, dtype=torch.float64)

    levels = [(stride, max(1, -(-size // stride))) for stride in (8, 16, 32, 64)]
    points, strides = grid(levels)
    points, strides = points.double(), strides.double()
    reach = strides[:, None] * (0.05 + 6.9 * uniform(len(points), 4))
    found = torch.cat([points - reach[:, :2], points + reach[:, 2:]], dim=1)
    scores = 0.01 + 0.98 * uniform(len(points), classes)
    corner = (uniform(boxes, 2) * 1.2 - 0.1) * size
    truths = torch.cat([corner, corner + uniform(boxes, 2) ** 2 * size], dim=1)
    if boxes > 2:
        truths[1, 2] = truths[1, 0]
        truths[2] = truths[0]
    # Half of the predictions are near a true box, as in a trained network.
    if boxes:
        pick = torch.randint(boxes, (len(points),), generator=draw)
        close = truths[pick] + (uniform(len(points), 4) - 0.5) * 8
        ordered = torch.cat([torch.minimum(close[:, :2], close[:, 2:]), close[:, 2:]], dim=1)
        found = torch.where(uniform(len(points), 1) < 0.5, ordered, found)
    labels = torch.randint(classes, (boxes,), generator=draw)
    return scores, found, points, strides, truths, labels


SCENES = given(
    seed=st.integers(0, 2**31),
    boxes=st.integers(0, 7),
    size=st.sampled_from([8, 32, 64, 96, 160]),
    classes=st.integers(1, 4),
)


def check(found: Assigned, slow: tuple[list[int], list[float]], labels: Tensor, c: int) -> None:
    truth_of, targets = slow
    assert found.truth.tolist() == truth_of
    wanted = torch.zeros(len(truth_of), c, dtype=torch.float64)
    for i, g in enumerate(truth_of):
        assert int(found.labels[i]) == (int(labels[g]) if g >= 0 else c)
        if g >= 0:
            wanted[i, labels[g]] = targets[i]
    torch.testing.assert_close(found.scores, wanted, rtol=1e-9, atol=1e-12)


@SCENES
def test_atss_against_loops(seed: int, boxes: int, size: int, classes: int) -> None:
    _, found, points, strides, truths, labels = scene(seed, boxes, size, classes)
    result = atss(found, points, strides, BoxTargets(truths, labels), classes)
    slow = slow_atss(found.tolist(), points.tolist(), strides.tolist(), truths.tolist(), 9)
    check(result, slow, labels, classes)


@SCENES
def test_tal_against_loops(seed: int, boxes: int, size: int, classes: int) -> None:
    scores, found, points, _, truths, labels = scene(seed, boxes, size, classes)
    result = tal(scores, found, points, BoxTargets(truths, labels))
    slow = slow_tal(
        scores.tolist(), found.tolist(), points.tolist(), truths.tolist(), labels.tolist(), 13
    )
    check(result, slow, labels, classes)


@SCENES
def test_simota_against_loops(seed: int, boxes: int, size: int, classes: int) -> None:
    scores, found, points, strides, truths, labels = scene(seed, boxes, size, classes)
    result = simota(scores, found, points, strides, BoxTargets(truths, labels))
    slow = slow_simota(
        scores.tolist(),
        found.tolist(),
        points.tolist(),
        strides.tolist(),
        truths.tolist(),
        labels.tolist(),
        10,
    )
    check(result, slow, labels, classes)


@given(
    rows=st.lists(
        st.lists(st.sampled_from([0.0, 1.0, 2.0]), min_size=6, max_size=6), min_size=1, max_size=4
    ),
    count=st.integers(1, 6),
)
def test_lowest_takes_the_first_of_equals(rows: list[list[float]], count: int) -> None:
    counts = [1 + (count + i) % 6 for i in range(len(rows))]
    found = lowest(torch.tensor(rows), torch.tensor(counts))
    for row, mask, k in zip(rows, found.tolist(), counts, strict=True):
        assert [i for i, taken in enumerate(mask) if taken] == sorted(order(row)[:k])


def test_a_contested_point_may_go_to_a_third() -> None:
    chosen = torch.tensor([[True, True], [True, False], [False, False]])
    preference = torch.tensor([[0.1, 0.1], [0.2, 0.9], [0.3, 0.5]])
    # The first point goes to the box that likes it most, although it did not choose it.
    assert settle(chosen, preference).tolist() == [[False, True], [False, False], [True, False]]


# ---------------------------------------------------------------------- what may be missing


def run_all(
    scores: Tensor, boxes: Tensor, points: Tensor, strides: Tensor, targets: BoxTargets
) -> dict[str, Assigned]:
    runs: dict[str, Callable[[], Assigned]] = {
        "atss": lambda: atss(boxes, points, strides, targets, scores.shape[1]),
        "tal": lambda: tal(scores, boxes, points, targets),
        "simota": lambda: simota(scores, boxes, points, strides, targets),
    }
    return {name: run() for name, run in runs.items()}


@pytest.mark.parametrize(
    "truths",
    [
        [],
        [[900.0, 900, 950, 950]],  # far outside of all points
        [[20.0, 20, 20, 20]],  # no area
        [[20.0, 20, 20, 40], [20, 20, 19, 19]],
    ],
)
def test_boxes_that_nobody_can_find(truths: list[Box]) -> None:
    scores, boxes, points, strides, _ = setup_a()
    wanted = BoxTargets(
        torch.tensor(truths).reshape(-1, 4), torch.zeros(len(truths), dtype=torch.int64)
    )
    for name, found in run_all(scores, boxes, points, strides, wanted).items():
        assert found.scores.isfinite().all()
        assert found.scores.shape == (16, 2)
        assert found.truth.dtype == found.labels.dtype == torch.int64
        # SimOTA gives points near the centre even to a box without area; they learn score 0.
        if name != "simota" or not truths or truths[0][0] > 100:
            assert found.truth.eq(-1).all()
            assert found.labels.eq(2).all()
        assert float(found.scores.sum()) == 0


def test_a_single_point() -> None:
    points, strides = grid([(64, 1)])
    boxes = torch.tensor([[8.0, 8, 56, 56]])
    wanted = BoxTargets(torch.tensor([[0.0, 0, 64, 64]]), torch.tensor([1]))
    found = run_all(torch.tensor([[0.5, 0.5]]), boxes, points, strides, wanted)
    assert positives(found["tal"]) == positives(found["simota"]) == {0: 1}
    # Its prior cannot be better than the mean of itself.
    assert positives(found["atss"]) == {}


def test_pairwise_iou_of_boxes_without_area() -> None:
    none = torch.tensor([[3.0, 3, 3, 3]])
    assert pairwise_iou(none, none).tolist() == [[0.0]]
    assert pairwise_iou(none, torch.zeros(0, 4)).shape == (1, 0)


def test_penalty_does_not_swallow_the_cost() -> None:
    # No point is inside of this small box: all pay the penalty, and the best boxes must win still.
    points, strides = grid([(8, 4)])
    overlaps = 0.30 + 0.01 * torch.arange(16.0)
    overlaps[10] = 1.0
    half = 1.5 / overlaps.sqrt()[:, None]
    boxes = torch.cat([16 - half, 16 - half, 16 + half, 16 + half], dim=1)
    wanted = BoxTargets(torch.tensor([[14.5, 14.5, 17.5, 17.5]]), torch.tensor([0]))
    found = simota(torch.full((16, 1), 0.5), boxes, points, strides, wanted)
    # The ten greatest IoUs add up to 4.69.
    assert positives(found, 1) == {10: 0, 13: 0, 14: 0, 15: 0}
