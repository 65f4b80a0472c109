"""The recogniser's losses: worked numbers and slow loops."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from saccade_train.losses.ace import ace_loss
from saccade_train.losses.center import (
    CenterSums,
    add_to_centers,
    center_loss,
    centers_of,
    moved_centers,
)
from saccade_train.losses.ctc import case_pairs, ctc_loss, focal, without_case

torch.set_num_threads(1)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def slow_ctc(logits: Tensor, label: list[int]) -> float:
    chances = logits.double().softmax(1).tolist()
    total = 0.0
    for path in itertools.product(range(logits.shape[1]), repeat=len(chances)):
        if [k for k, _ in itertools.groupby(path) if k] == label:
            total += math.prod(chances[t][k] for t, k in enumerate(path))
    return -math.log(total)


def test_ctc_against_all_alignments() -> None:
    logits = random(3, 5, 4) * 2
    labels = torch.tensor([[1, 2, 0], [3, 3, 1], [2, 9, 9]])
    lengths = torch.tensor([2, 3, 1])
    found = ctc_loss(logits, labels, lengths)
    assert found.shape == (3,)
    expected = [
        slow_ctc(line, label[:count].tolist())
        for line, label, count in zip(logits, labels, lengths.tolist(), strict=True)
    ]
    assert found.tolist() == pytest.approx(expected, rel=1e-5)
    half = ctc_loss(logits.bfloat16(), labels, lengths)
    assert half.dtype == torch.float32


def test_a_label_without_room_costs_nothing() -> None:
    logits = random(2, 3, 4).requires_grad_()
    labels = torch.tensor([[1, 1, 1, 1], [1, 2, 0, 0]])
    losses = ctc_loss(logits, labels, torch.tensor([4, 2]))
    assert losses[0] == 0 and losses[1] > 0
    focal(losses).mean().backward()
    assert torch.isfinite(logits.grad).all()
    assert logits.grad[0].abs().max() == 0 < logits.grad[1].abs().max()


def test_focal_of_the_reference() -> None:
    losses = torch.tensor([0.1, 1.0, 5.0])
    assert focal(losses).tolist() == pytest.approx([0.0009056, 0.3995764, 4.9328475], abs=1e-6)
    assert focal(losses, gamma=0, alpha=2).tolist() == pytest.approx([0.2, 2, 10])


def test_ace_of_the_reference() -> None:
    logits = torch.tensor([[[2.0, 0, 0], [0, 3, 0], [1, 1, 1], [0, 0, 2]]])
    labels, lengths = torch.tensor([[1, 2, 0]]), torch.tensor([2])
    found = ace_loss(logits, labels, lengths, paddle_compat=True)
    assert found.tolist() == pytest.approx([1.1026746], abs=1e-6)
    mean = [0.318026, 0.363948, 0.318026]
    expected = -sum(n * math.log(p) for n, p in zip((0.5, 0.25, 0.25), mean, strict=True))
    assert ace_loss(logits, labels, lengths).tolist() == pytest.approx([expected], abs=1e-5)


@pytest.mark.parametrize("paddle_compat", [False, True])
def test_ace_against_the_loop(paddle_compat: bool) -> None:
    logits = random(2, 6, 5, seed=3)
    labels = torch.tensor([[1, 4, 4, 2], [3, 0, 0, 0]])
    lengths = torch.tensor([4, 1])
    found = ace_loss(logits, labels, lengths, paddle_compat=paddle_compat)
    for line in range(2):
        mean = logits[line].double().softmax(1).mean(0)
        logs = mean.log_softmax(0) if paddle_compat else mean.log()
        total = 0.0
        for step in range(6):
            k = int(labels[line, step]) if step < lengths[line] else 0
            total -= float(logs[k]) / 6
        assert float(found[line]) == pytest.approx(total, rel=1e-5)


def test_ace_is_least_where_the_counts_are_right() -> None:
    labels, lengths = torch.tensor([[1, 2]]), torch.tensor([2])
    right = torch.tensor([[[9.0, 0, 0], [0, 9, 0], [0, 0, 9], [9, 0, 0]]])
    wrong = torch.tensor([[[9.0, 0, 0], [0, 9, 0], [0, 9, 0], [9, 0, 0]]])
    assert ace_loss(right, labels, lengths) < ace_loss(wrong, labels, lengths)
    assert float(ace_loss(right, labels, lengths)) == pytest.approx(1.04, abs=0.01)  # the entropy


def one_hot(classes: list[int], count: int) -> Tensor:
    return torch.nn.functional.one_hot(torch.tensor([classes]), count).float()


def test_center_loss_of_the_reference() -> None:
    features = torch.tensor([[[1.0, 2], [0, 1], [3, 3]]])
    centers = torch.tensor([[0.0, 0], [1, 1], [2, 2]])
    found = center_loss(features, one_hot([1, 0, 2], 3), centers)
    assert float(found) == pytest.approx(1.3333333, abs=1e-7)
    assert found.dtype == torch.float64


def test_center_loss_against_the_loop_and_its_gradient() -> None:
    features, logits = random(2, 4, 3, seed=1).requires_grad_(), random(2, 4, 5, seed=2)
    logits.requires_grad_()
    centers = random(5, 3, seed=3)
    loss = center_loss(features, logits, centers)
    total, gradient = 0.0, torch.zeros(2, 4, 3)
    for n in range(2):
        for t in range(4):
            away = features[n, t].detach() - centers[int(logits[n, t].argmax())]
            total += float(away.square().sum())
            gradient[n, t] = 2 * away / 8
    assert loss.item() == pytest.approx(total / 8, rel=1e-6)
    loss.backward()
    torch.testing.assert_close(features.grad, gradient)
    assert logits.grad is None
    assert float(center_loss(torch.full((1, 1, 3), 1e9), logits[:1, :1], centers)) == 1e12


def test_centers_are_the_means_over_right_lines() -> None:
    seen = CenterSums.empty(4, 3)
    kept: dict[int, list[Tensor]] = {}
    for batch in range(3):
        features, logits = random(4, 5, 3, seed=batch), random(4, 5, 4, seed=9 + batch)
        logits[..., 3] = -99  # a class that never appears
        right = torch.tensor([True, False, True, batch == 1])
        before = seen
        seen = add_to_centers(seen, features, logits, right)
        assert before.counts.sum() < seen.counts.sum()
        for n in range(4):
            for t in range(5):
                if right[n]:
                    kept.setdefault(int(logits[n, t].argmax()), []).append(features[n, t].double())
    centers = centers_of(seen, torch.Generator().manual_seed(7))
    for k in range(3):
        torch.testing.assert_close(centers[k], torch.stack(kept[k]).mean(0))
        assert seen.counts[k] == len(kept[k])
    assert seen.counts[3] == 0
    assert centers[3].abs().sum() > 0
    torch.testing.assert_close(centers, centers_of(seen, torch.Generator().manual_seed(7)))


def test_no_line_right_changes_nothing() -> None:
    seen = add_to_centers(
        CenterSums.empty(4, 3), random(2, 5, 3), random(2, 5, 4), torch.tensor([False, False])
    )
    assert seen.counts.sum() == 0


def test_moved_centers() -> None:
    centers = torch.tensor([[0.0, 0], [1, 1]])
    features = torch.tensor([[[2.0, 0], [4, 0], [0, 3]]])
    moved = moved_centers(centers, features, one_hot([0, 0, 0], 2), rate=0.5)
    # three features whose sum is (6, 3): 0 + 0.5 * (6, 3) / 4
    torch.testing.assert_close(moved, torch.tensor([[0.75, 0.375], [1, 1]]))
    assert not moved.requires_grad


def test_without_case_adds_up_both_cases_of_a_letter() -> None:
    alphabet = "aAbB1ß"
    pairs = case_pairs(alphabet)
    assert pairs.tolist() == [0, 2, 2, 4, 4, 5, 6]
    logits = torch.randn(2, 5, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    labels = torch.tensor([[1, 3, 5], [2, 4, 6]])
    merged, capitals = without_case(logits, labels, pairs)
    assert capitals.tolist() == [[2, 4, 5], [2, 4, 6]]
    chances = logits.float().softmax(2)
    for step in range(5):
        for row in range(2):
            one = chances[row, step]
            wanted = [one[0], 0.0, one[1] + one[2], 0.0, one[3] + one[4], one[5], one[6]]
            torch.testing.assert_close(
                merged[row, step].exp(), torch.tensor([float(w) for w in wanted])
            )
    # The loss can't tell how the labels were written.
    lengths = torch.tensor([3, 3])
    big = ctc_loss(*without_case(logits, torch.tensor([[2, 4, 5]] * 2), pairs), lengths)
    small = ctc_loss(*without_case(logits, torch.tensor([[1, 3, 5]] * 2), pairs), lengths)
    torch.testing.assert_close(big, small)
    # All ways of writing it are in it, and paths besides that change case inside a letter.
    ways = torch.cartesian_prod(torch.tensor([1, 2]), torch.tensor([3, 4]))
    total = sum(
        torch.exp(-ctc_loss(logits[:1], torch.tensor([[*way.tolist(), 5]]), lengths[:1]))
        for way in ways
    )
    assert float(total) < float(torch.exp(-big[0])) < 1
