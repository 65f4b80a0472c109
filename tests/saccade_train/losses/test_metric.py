"""Metric losses: the numbers of the reference, double loops, and batches of any composition."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from saccade.errors import OptionError
from saccade_train.losses.class_center import class_center_loss, moved_class_centers
from saccade_train.losses.hashing import dch_loss, dshsd_loss, lcdsh_loss
from saccade_train.losses.memory import CrossBatchMemory
from saccade_train.losses.metric import METRIC_LOSSES, check_metric_loss, takes_memory
from saccade_train.losses.pairs import (
    circle_loss,
    contrastive_loss,
    n_pairs_loss,
    pairwise_cosface_loss,
    sup_con_loss,
)
from saccade_train.losses.triplets import (
    eml_loss,
    msml_loss,
    trihard_loss,
    triplet_angular_loss,
    triplet_loss,
)

F64 = torch.float64
ROWS = torch.tensor([[1, 0], [0.8, 0.6], [0, 1], [-0.6, 0.8]], dtype=F64)
LABELS = torch.tensor([0, 0, 1, 1])
V2 = {"absolute": 0.1, "positive": 0.8, "negative": 0.4}

BITS = torch.tensor(
    [[0.9, -0.8, 0.7, 0.2], [0.6, -0.9, 0.8, -0.1], [-0.7, 0.9, -0.6, 0.5], [-0.9, 0.4, 0.3, 0.8]],
    dtype=F64,
)


@pytest.mark.parametrize(
    ("loss", "options", "value"),
    [
        (triplet_loss, {"margin": 0.3}, 0.0190141705),
        (triplet_loss, {"margin": 0.5}, 0.1190141705),
        (trihard_loss, {}, 0.0),
        (msml_loss, {}, 0.0),
        (triplet_angular_loss, {}, 0.15),
        (triplet_angular_loss, V2, 0.16),
        (triplet_angular_loss, {**V2, "paddle_compat": True}, 0.21),
        (contrastive_loss, {}, 0.5),
        (eml_loss, {}, 0.8758070703),
        (n_pairs_loss, {}, 0.4142781397),
        (n_pairs_loss, {"decay": 0.0}, 0.4092781397),
        (pairwise_cosface_loss, {"margin": 0.35, "scale": 64}, 4.8000338632),
        (pairwise_cosface_loss, {"margin": 0.25, "scale": 8}, 0.4651162979),
        (circle_loss, {}, 8.9080664249),
        (sup_con_loss, {}, 0.0279325426),
        (sup_con_loss, {"temperature": 0.5}, 0.4301902771),
    ],
)
def test_numbers_of_the_reference(
    loss: Callable[..., Tensor], options: dict[str, Any], value: float
) -> None:
    assert float(loss(ROWS, LABELS, **options)) == pytest.approx(value, abs=1e-9)
    order = torch.tensor([2, 0, 3, 1])  # classes need not stand together
    if loss is not n_pairs_loss:  # whose anchors and partners follow the order
        found = float(loss(ROWS[order], LABELS[order], **options))
        assert found == pytest.approx(value, abs=1e-9)


def test_numbers_of_the_hash_losses() -> None:
    assert float(dshsd_loss(BITS, LABELS)) == pytest.approx(0.544375, abs=1e-9)
    logits = torch.tensor([[2, 0], [1, 0.5], [-1, 1], [0, 0.2]], dtype=F64)
    entropy = torch.nn.functional.cross_entropy(logits, LABELS)
    assert float(entropy) == pytest.approx(0.3315179689, abs=1e-9)
    total = float(entropy + 0.05 * dshsd_loss(BITS, LABELS))
    assert total == pytest.approx(0.3587367189, abs=1e-9)
    assert float(lcdsh_loss(BITS, LABELS, quantise=0)) == pytest.approx(0.3997892384, abs=1e-9)
    assert float(lcdsh_loss(BITS, LABELS)) == pytest.approx(0.4453967448, abs=1e-9)
    assert float(dch_loss(BITS, LABELS, quantise=0)) == pytest.approx(1.9701714350, abs=1e-9)
    assert float(dch_loss(BITS, LABELS)) == pytest.approx(1.9708919617, abs=1e-9)


def test_center_loss() -> None:
    centers = torch.tensor([[1, 1], [0, 0]], dtype=F64)
    assert float(class_center_loss(ROWS, LABELS, centers)) == pytest.approx(0.8, abs=1e-12)
    moved = moved_class_centers(centers, ROWS, LABELS, rate=0.5)
    for label in (0, 1):
        mine = ROWS[label == LABELS]
        step = sum((centers[label] - row for row in mine), torch.zeros(2, dtype=F64))
        wanted = centers[label] - 0.5 * step / (1 + len(mine))
        torch.testing.assert_close(moved[label], wanted)
    untouched = moved_class_centers(torch.ones(3, 2, dtype=F64), ROWS, LABELS)[2]
    torch.testing.assert_close(untouched, torch.ones(2, dtype=F64))


# ------------------------------------------------------------------ slow loops


def unit(row: Tensor) -> Tensor:
    return row / row.norm()


def cosine(a: Tensor, b: Tensor) -> float:
    return float(unit(a) @ unit(b))


def neighbours(rows: Tensor, labels: Tensor, of: int) -> tuple[list[int], list[int]]:
    others = [n for n in range(len(rows)) if n != of]
    same = [n for n in others if labels[n] == labels[of]]
    return same, [n for n in others if labels[n] != labels[of]]


def slow_triplet(rows: Tensor, labels: Tensor) -> float:
    found = []
    for a in range(len(rows)):
        same, other = neighbours(rows, labels, a)
        if same and other:
            far = max(float((unit(rows[a]) - unit(rows[n])).norm()) for n in same)
            near = min(float((unit(rows[a]) - unit(rows[n])).norm()) for n in other)
            found.append(max(0.0, far - near + 0.5))
    return sum(found) / len(found)


def slow_trihard(rows: Tensor, labels: Tensor) -> float:
    found = []
    for a in range(len(rows)):
        same, other = neighbours(rows, labels, a)
        if same and other:
            far = max(2 - 2 * cosine(rows[a], rows[n]) for n in same)
            near = min(2 - 2 * cosine(rows[a], rows[n]) for n in other)
            found.append(max(0.0, far - near + 0.1))
    return sum(found) / len(found)


def slow_msml(rows: Tensor, labels: Tensor) -> float:
    far, near = 0.0, math.inf
    for a, b in itertools.combinations(range(len(rows)), 2):
        distance = 2 - 2 * cosine(rows[a], rows[b])
        if labels[a] == labels[b]:
            far = max(far, distance)
        else:
            near = min(near, distance)
    return max(0.0, far + 0.1 - near)


def slow_angular(rows: Tensor, labels: Tensor) -> float:
    found = []
    for a in range(len(rows)):
        same, other = neighbours(rows, labels, a)
        if same and other:
            least = min(cosine(rows[a], rows[n]) for n in same)
            most = max(cosine(rows[a], rows[n]) for n in other)
            found.append(max(0.0, most - least + 0.5))
    return sum(found) / len(found)


def slow_contrastive(rows: Tensor, labels: Tensor) -> float:
    total = 0.0
    for a, b in itertools.permutations(range(len(rows)), 2):
        s = cosine(rows[a], rows[b])
        if labels[a] == labels[b]:
            total += 1 - s if s < 1 - 1e-5 else 0.0
        elif s > 0.5:
            total += s
    return total / len(rows)


def slow_sup_con(rows: Tensor, labels: Tensor) -> float:
    found = []
    for a in range(len(rows)):
        same, other = neighbours(rows, labels, a)
        whole = math.log(sum(math.exp(cosine(rows[a], rows[n]) / 0.07) for n in same + other))
        if same:
            terms = [cosine(rows[a], rows[n]) / 0.07 - whole for n in same]
            found.append(-sum(terms) / len(terms))
    return sum(found) / len(found)


def slow_softplus(
    rows: Tensor, labels: Tensor, toward: Callable[[float], float], away: Callable[[float], float]
) -> float:
    total = 0.0
    for a in range(len(rows)):
        same, other = neighbours(rows, labels, a)
        pull = sum(math.exp(toward(cosine(rows[a], rows[n]))) for n in same)
        push = sum(math.exp(away(cosine(rows[a], rows[n]))) for n in other)
        total += math.log1p(pull * push)
    return total / len(rows)


def slow_cosface(rows: Tensor, labels: Tensor) -> float:
    return slow_softplus(rows, labels, lambda s: -8 * s, lambda s: 8 * (s + 0.25))


def slow_circle(rows: Tensor, labels: Tensor) -> float:
    def toward(s: float) -> float:
        return -8 * max(0.0, 1.25 - s) * (s - 0.75)

    def away(s: float) -> float:
        return 8 * max(0.0, s + 0.25) * (s - 0.25)

    return slow_softplus(rows, labels, toward, away)


def slow_eml(rows: Tensor, labels: Tensor) -> float:
    found = []
    for a in range(len(rows)):
        same, other = neighbours(rows, labels, a)
        if not (same and other):
            continue
        pos = [float((rows[a] - rows[n]).square().sum()) for n in same]
        neg = [float((rows[a] - rows[n]).square().sum()) for n in other]
        b = max(pos) - min(neg)
        spread = sum(math.exp(p - max(pos)) for p in pos) / len(pos)
        spread *= sum(math.exp(min(neg) - n) for n in neg) / len(neg)
        if b > 20:
            found.append((math.log(spread) + b + math.log(1e5)) / math.log(1 + 1e5))
        else:
            found.append(math.log(1 + 1e5 * spread * math.exp(b)) / math.log(1 + 1e5))
    return sum(found) / len(found)


def slow_dch(rows: Tensor, labels: Tensor) -> float:
    n, bits = rows.shape
    pairs = [(a, b) for a in range(n) for b in range(n)]
    same = sum(bool(labels[a] == labels[b]) for a, b in pairs)
    total = 0.0
    for a, b in pairs:
        distance = (1 - min(cosine(rows[a], rows[b]), 0.99)) * bits / 2
        if labels[a] == labels[b]:
            total += n * n / same * (math.log(distance / 20) + math.log(1 + 20 / distance))
        else:
            total += n * n / (n * n - same) * math.log(1 + 20 / distance)
    ones = torch.ones(bits, dtype=F64)
    rounding = 0.0
    for row in rows:
        distance = (1 - min(cosine(row.abs(), ones), 0.99)) * bits / 2
        rounding += math.log(1 + distance / 20)
    return total / n**2 + 0.1 * rounding / n


def slow_dshsd(rows: Tensor, labels: Tensor) -> float:
    total = 0.0
    for a, b in itertools.product(range(len(rows)), repeat=2):
        distance = float((rows[a] - rows[b]).square().sum())
        alike = bool(labels[a] == labels[b])
        total += distance / 2 if alike else max(0.0, 2 * rows.shape[1] - distance) / 2
    return total / len(rows) ** 2


SOFT = {"margin": 0.25, "scale": 8.0}
CASES: list[tuple[Callable[..., Tensor], dict[str, Any], Callable[[Tensor, Tensor], float]]] = [
    (triplet_loss, {}, slow_triplet),
    (trihard_loss, {}, slow_trihard),
    (msml_loss, {}, slow_msml),
    (triplet_angular_loss, {}, slow_angular),
    (contrastive_loss, {}, slow_contrastive),
    (sup_con_loss, {}, slow_sup_con),
    (pairwise_cosface_loss, SOFT, slow_cosface),
    (circle_loss, SOFT, slow_circle),
    (eml_loss, {}, slow_eml),
    (dch_loss, {}, slow_dch),
    (dshsd_loss, {}, slow_dshsd),
]


@pytest.mark.parametrize(("loss", "options", "slow"), CASES)
@pytest.mark.parametrize("labels", [[0, 0, 0, 1, 1, 2], [3, 1, 3, 1, 1, 3], [5, 4, 5, 0, 1, 2]])
def test_double_loops(
    loss: Callable[..., Tensor],
    options: dict[str, Any],
    slow: Callable[[Tensor, Tensor], float],
    labels: list[int],
) -> None:
    generator = torch.Generator().manual_seed(sum(labels))
    rows = torch.randn(6, 5, generator=generator, dtype=F64)
    if loss is eml_loss:
        rows = rows * 2.5  # some anchors beyond the threshold of 20
    classes = torch.tensor(labels)
    assert float(loss(rows, classes, **options)) == pytest.approx(slow(rows, classes), abs=1e-9)


@pytest.mark.parametrize("name", METRIC_LOSSES)
@pytest.mark.parametrize("labels", [[0, 1, 2, 3], [0, 0, 0, 0], [0, 0, 1, 2], [0]])
def test_any_batch_has_a_finite_loss_and_gradient(name: str, labels: list[int]) -> None:
    rows = torch.randn(len(labels), 8, generator=torch.Generator().manual_seed(1))
    rows.requires_grad_()
    loss = METRIC_LOSSES[name](rows, torch.tensor(labels))
    assert loss.ndim == 0
    assert torch.isfinite(loss)
    loss.backward()  # type: ignore[no-untyped-call]
    assert rows.grad is not None
    assert torch.isfinite(rows.grad).all()


@pytest.mark.parametrize("name", [name for name in METRIC_LOSSES if takes_memory(name)])
def test_others_are_compared_with(name: str) -> None:
    generator = torch.Generator().manual_seed(2)
    rows = torch.randn(7, 6, generator=generator, dtype=F64)
    labels = torch.tensor([0, 0, 1, 1, 0, 1, 2])
    loss = METRIC_LOSSES[name]
    # An anchor alone against others is that anchor's term among them.
    options = {} if name == "contrastive" else {"margin": 0.4}
    terms = []
    for a in range(len(rows)):
        rest = [n for n in range(len(rows)) if n != a]
        pair = (rows[[a]], labels[[a]], rows[rest], labels[rest])
        terms.append(float(loss(*pair, **options)))
    if name in ("triplet", "triplet_angular"):
        terms = terms[:-1]  # the class with one picture has no positive
    wanted = sum(terms) / len(terms)
    assert float(loss(rows, labels, **options)) == pytest.approx(wanted, abs=1e-9)


def test_words_of_recipes() -> None:
    check_metric_loss("triplet", {"margin": 1})
    with pytest.raises(OptionError, match="did you mean 'triplet'"):
        check_metric_loss("triplete", {})
    with pytest.raises(OptionError, match="has no option 'scal'; did you mean 'scale'"):
        check_metric_loss("circle", {"scal": 1})
    assert takes_memory("contrastive")
    assert not takes_memory("eml")


def test_memory_is_a_ring() -> None:
    memory = CrossBatchMemory(5, 2)
    assert len(memory.content()[0]) == 0
    seen: list[int] = []
    number = 0
    for count in (2, 2, 3, 1, 7):
        labels = torch.arange(number, number + count)
        memory.put(labels[:, None].repeat(1, 2).float(), labels)
        seen += labels.tolist()
        number += count
        vectors, known = memory.content()
        assert sorted(known.tolist()) == seen[-5:]
        torch.testing.assert_close(vectors[:, 0], known.float())
    assert int(memory.batches) == 5
    other = CrossBatchMemory(5, 2)
    other.load_state_dict(memory.state_dict())
    assert sorted(other.content()[1].tolist()) == seen[-5:]
    big = CrossBatchMemory(55000, 128)
    assert big.vectors.nbytes == 28_160_000
