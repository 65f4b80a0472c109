"""Orders of an epoch: what meets in a batch, and that it follows from seed and epoch alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saccade.errors import OptionError
from saccade_train.samplers import (
    identity_order,
    mix_order,
    multi_scale_batches,
    pk_order,
    pk_probabilities,
    repeated_order,
)


def test_chances_of_classes() -> None:
    counts = np.array([10, 4, 2, 1])
    wanted = [0.588235, 0.235294, 0.117647, 0.058824]
    assert pk_probabilities(counts).tolist() == pytest.approx(wanted, abs=1e-6)
    boosted = pk_probabilities(counts, "class", [(1, 2, 4)])
    assert boosted.tolist() == pytest.approx([0.1, 0.4, 0.4, 0.1])
    assert pk_probabilities(np.array([3, 0]), "class").tolist() == [1, 0]
    with pytest.raises(OptionError, match="classes from 0 to 3"):
        pk_probabilities(counts, "class", [(1, 4, 4)])
    with pytest.raises(OptionError, match="no class can be drawn"):
        pk_probabilities(counts, "class", [(0, 3, 0)])


@given(
    counts=st.lists(st.integers(1, 9), min_size=2, max_size=9),
    classes=st.integers(1, 5),
    per_class=st.integers(1, 4),
    seed=st.integers(0, 99),
)
@pytest.mark.parametrize("sampler", [pk_order, identity_order])
def test_batches_of_classes(
    sampler: object, counts: list[int], classes: int, per_class: int, seed: int
) -> None:
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    wanted = {"steps": 4, "batch_size": classes * per_class, "per_class": per_class, "seed": seed}
    order = sampler(labels, epoch=1, **wanted)  # type: ignore[operator]
    assert order.dtype == np.int64
    assert order.shape == (4 * classes * per_class,)
    batches = labels[order].reshape(4, classes, per_class)
    assert (batches == batches[:, :, :1]).all()  # the pictures of a class stand together
    for batch, numbers in zip(batches, order.reshape(4, classes, per_class), strict=True):
        distinct = len(set(batch[:, 0].tolist()))
        assert distinct == min(classes, len(counts))
        for label, pictures in zip(batch[:, 0], numbers, strict=True):
            if counts[label] >= per_class:
                assert len(set(pictures.tolist())) == per_class
    np.testing.assert_array_equal(order, sampler(labels, epoch=1, **wanted))  # type: ignore[operator]


def test_identity_order_shows_each_picture_once_before_it_begins_anew() -> None:
    labels = np.repeat(np.arange(6), 8)
    order = identity_order(labels, steps=4, batch_size=12, per_class=4, seed=0, epoch=0)
    assert len(set(order.tolist())) >= 40  # 48 of 48 unless chance leaves one class over
    # With as many classes as a batch takes nothing is left over.
    whole = identity_order(labels, steps=2, batch_size=24, per_class=4, seed=0, epoch=0)
    assert sorted(whole.tolist()) == list(range(48))
    with pytest.raises(OptionError, match="a batch of 10"):
        identity_order(labels, steps=1, batch_size=10, per_class=4, seed=0, epoch=0)


def test_pk_draws_by_chances() -> None:
    labels = np.repeat([0, 1], [90, 10])
    wanted = {"steps": 400, "batch_size": 2, "per_class": 2, "seed": 3, "epoch": 0}
    by_picture = labels[pk_order(labels, **wanted)]
    assert 0.05 < by_picture.mean() < 0.15
    by_class = labels[pk_order(labels, weigh="class", **wanted)]
    assert 0.42 < by_class.mean() < 0.58
    never = labels[pk_order(labels, ranges=[(0, 0, 0)], **wanted)]
    assert never.all()


def test_mixed_batches() -> None:
    groups = [np.arange(10), np.arange(10, 13), np.arange(20, 60)]
    order = mix_order(groups, [0.5, 0.2, 0.3], steps=5, batch_size=11, seed=0, epoch=0)
    for batch in order.reshape(5, 11):
        counts = [int(np.isin(batch, group).sum()) for group in groups]
        assert counts == [5, 2, 4]  # the last takes what remains
    assert set(order.tolist()) >= set(range(13))
    for shares, said in (([1.0], "1 above|one above"), ([0.5, 0.2, 0.2], "add up to 0.9")):
        with pytest.raises(OptionError, match=said):
            mix_order(groups, shares, steps=1, batch_size=8, seed=0, epoch=0)
    with pytest.raises(OptionError, match="each needs one or more"):
        mix_order(groups, [0.9, 0.05, 0.05], steps=1, batch_size=8, seed=0, epoch=0)


def test_repeated_pictures() -> None:
    order = repeated_order(10, steps=3, batch_size=6, seed=0, epoch=0)
    runs = order.reshape(6, 3)
    assert (runs == runs[:, :1]).all()
    assert len(set(runs[:, 0].tolist())) == 6


def test_sizes_and_batches_of_equal_work() -> None:
    sizes = [(70, 70), (128, 100), (224, 224)]
    batches = multi_scale_batches(200, sizes, base=(128, 128), batch_size=8, seed=1, epoch=0)
    seen = np.concatenate([batch.numbers for batch in batches])
    assert sorted(seen.tolist()) == list(range(200))
    full = {(64, 64): 32, (128, 96): 10, (224, 224): 2}
    for batch in batches[:-1]:
        assert len(batch.numbers) == full[batch.height, batch.width]
    assert len({(batch.height, batch.width) for batch in batches}) == 3
    with pytest.raises(OptionError, match="at least 32"):
        multi_scale_batches(9, [(31, 64)], base=(64, 64), batch_size=8, seed=1, epoch=0)
