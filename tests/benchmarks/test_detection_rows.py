"""What the benchmarks of detection plan and remember."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import detection
import fusion
import ledger
from saccade_train.recipes import load_recipe


def test_rows_of_a_part_change_one_key_of_the_recipe() -> None:
    for name, rows in detection.TABLES.items():
        for row in rows:
            load_recipe(detection.RECIPE, row.arguments)
            assert name in ("scratch", "augmentation") or len(row.changes) <= 1


def test_a_row_that_goes_on_has_a_digest_of_its_own_and_knows_its_first_part() -> None:
    rows = detection.TABLES["scratch"]
    (more,) = [row for row in rows if row.after]
    job = detection.Job(more, 1)
    assert job.first is not None
    assert job.first.first is None
    (whole,) = [row for row in rows if row.arguments == more.after]
    assert job.first.digest == detection.Job(whole, 1).digest
    alone = detection.Job(replace(more, after=()), 1)
    assert job.digest != alone.digest


def test_a_training_that_several_tables_show_is_run_once() -> None:
    jobs = detection.jobs_of(["assigner", "box"], range(2))
    assert len(jobs) == 2 * (4 + 3 - 1)
    assert len({job.folder for job in jobs}) == len(jobs)


def test_a_ledger_gives_back_what_was_added_last(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "ledger.jsonl"
    assert ledger.finished(file) == {}
    ledger.add(file, "a", {"map": 0.1})
    ledger.add(file, "a", {"map": 0.2})
    assert ledger.finished(file) == {"a": {"digest": "a", "map": 0.2}}


def test_boxes_of_models_are_kept_as_they_were(tmp_path: Path) -> None:
    empty = (np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))
    one = (np.ones((1, 4), np.float32), np.full(1, 0.5, np.float32), np.full(1, 2))
    fusion.save(tmp_path / "seen.npz", [empty, one, empty])
    found = fusion.load(tmp_path / "seen.npz")
    assert [len(scores) for _, scores, _ in found] == [0, 1, 0]
    assert found[1][2].tolist() == [2]


@pytest.mark.parametrize("name", fusion.METHODS)
def test_three_models_that_agree_are_as_good_as_one(name: str) -> None:
    class Truth:
        image_id, height, width = 1, 100, 100
        boxes = np.array([[10.0, 10, 50, 50]])
        labels, crowd, areas = np.zeros(1, np.int64), np.zeros(1, bool), np.full(1, 1600.0)

    seen = [[(Truth.boxes, np.array([0.9]), Truth.labels)]] * 3
    split = fusion.Split([Truth()], seen)  # type: ignore[list-item]
    entry = fusion.tuned(fusion.Row(name, (0, 1, 2), fusion.METHODS[name]), split, split)
    assert entry["map"] == pytest.approx(1.0)
    assert name not in fusion.table([]) and name in fusion.table([entry])
