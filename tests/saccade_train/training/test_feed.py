"""The order of pictures: every picture once, every shard its own, every resume the same."""

from __future__ import annotations

import numpy as np
import pytest

from saccade_train.training.feed import Batch, Plan, epoch_order, feed, step_seed

IMAGES = np.random.default_rng(0).integers(0, 256, (23, 4, 4, 3), np.uint8)
LABELS = np.arange(23, dtype=np.int64) % 5


def noisy(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return image ^ rng.integers(0, 256, image.shape, np.uint8)


def run(plan: Plan, **options: int) -> list[Batch]:
    arguments = {"seed": 3, "epoch": 0, "size": 4} | options
    return list(feed(IMAGES.__getitem__, LABELS, noisy, plan=plan, **arguments))  # type: ignore[arg-type]


def test_order_is_a_permutation_that_changes() -> None:
    plan = Plan(20, 5)
    first, second = epoch_order(plan, 0, 0), epoch_order(plan, 0, 1)
    assert sorted(first) == sorted(second) == list(range(20))
    assert list(first) != list(second)
    assert list(first) == list(epoch_order(plan, 0, 0))
    assert list(first) != list(epoch_order(plan, 1, 0))


def test_small_data_fill_one_batch() -> None:
    plan = Plan(3, 8)
    assert plan.steps == 1
    order = epoch_order(plan, 0, 0)
    assert len(order) == 8
    assert set(order) == {0, 1, 2}


@pytest.mark.parametrize(("processes", "pieces"), [(1, 1), (2, 1), (1, 3), (2, 3)])
def test_union_of_the_shards_is_the_epoch(processes: int, pieces: int) -> None:
    plan = Plan(23, 6, pieces, processes)
    order = epoch_order(plan, 3, 0)
    assert plan.steps == 3
    shards = [run(plan, process=process) for process in range(processes)]
    assert all(len(shard) == 3 * pieces for shard in shards)
    seen = [number for shard in shards for batch in shard for number in batch.numbers]
    assert sorted(seen) == sorted(order)
    assert len(set(seen)) == 18
    # Step by step too: each step's pictures do not depend on how they are shared out.
    for step in range(plan.steps):
        pieces_of_step = slice(step * pieces, (step + 1) * pieces)
        mine = [n for shard in shards for batch in shard[pieces_of_step] for n in batch.numbers]
        assert sorted(mine) == sorted(order[step * 6 : (step + 1) * 6])


def test_pixels_do_not_depend_on_sharing_or_threads() -> None:
    alone = run(Plan(23, 6), workers=0)
    pixels = {
        int(n): image
        for batch in alone
        for n, image in zip(batch.numbers, batch.images, strict=True)
    }
    for workers in (0, 1, 3):
        for process in (0, 1):
            for batch in run(Plan(23, 6, 3, 2), process=process, workers=workers):
                assert list(batch.labels) == list(LABELS[batch.numbers])
                for number, image in zip(batch.numbers, batch.images, strict=True):
                    assert np.array_equal(image, pixels[number])


def test_start_in_the_middle_gives_the_rest() -> None:
    plan = Plan(23, 4, 2)
    whole, rest = run(plan), run(plan, start=3)
    assert len(rest) == 2 * (plan.steps - 3)
    for first, second in zip(whole[6:], rest, strict=True):
        assert np.array_equal(first.images, second.images)


def test_augmentation_changes_with_the_epoch() -> None:
    first, second = run(Plan(23, 23)), run(Plan(23, 23), epoch=1)
    one = dict(zip(first[0].numbers, first[0].images, strict=True))
    other = dict(zip(second[0].numbers, second[0].images, strict=True))
    assert all(not np.array_equal(one[number], other[number]) for number in range(23))


def test_errors_reach_the_loop() -> None:
    def broken(number: int) -> np.ndarray:
        raise ValueError(f"picture {number}")

    with pytest.raises(ValueError, match="picture"):
        list(feed(broken, LABELS, noisy, plan=Plan(23, 4), size=4, seed=0, epoch=0, workers=2))


def test_step_seeds_differ() -> None:
    seeds = {
        step_seed(seed, step, piece, process)
        for seed in range(2)
        for step in range(5)
        for piece in range(2)
        for process in range(2)
    }
    assert len(seeds) == 40
    assert all(0 <= seed < 2**63 for seed in seeds)
