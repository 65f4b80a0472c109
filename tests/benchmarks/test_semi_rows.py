"""The comparison of semi-supervised methods: its recipes, its splits, its rows."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

import semi
from saccade_train.training.opening import check_network


@pytest.mark.parametrize("method", semi.METHODS)
@pytest.mark.parametrize("toy", [False, True])
def test_jobs_have_recipes_and_digests(method: str, toy: bool) -> None:
    job = semi.Job(method, 10, 0, toy)
    check_network(job.recipe)
    digests = {semi.Job(method, share, seed, toy).digest for share in (10, 25) for seed in (0, 1)}
    assert len(digests) == 4
    assert "," not in job.folder


def test_as_long_means_as_many_steps() -> None:
    job = semi.Job("supervised, as long", 10, 0)
    mining = semi.Job("mining", 10, 0).recipe
    last = mining.of_round(mining.mining.rounds)  # type: ignore[attr-defined]
    assert job.recipe.epochs * 1000 == pytest.approx(last.epochs * semi.LABELLED, rel=0.05)


def test_a_split_keeps_the_share_of_each_class(tmp_path: Path) -> None:
    pack = tmp_path / "pack.zip"
    with zipfile.ZipFile(pack, "w") as archive:
        for label in ("cat", "dog"):
            for number in range(20):
                archive.writestr(f"train/{label}/{number:02}.jpg", f"{label}{number}")
            archive.writestr(f"val/{label}/0.jpg", f"val {label}")
    labelled, pool = semi.split(pack, 25, 0, tmp_path / "first")
    for label in ("cat", "dog"):
        ours = {file.name for file in (labelled / "train" / label).iterdir()}
        theirs = {file.name for file in (pool / label).iterdir()}
        assert (len(ours), len(theirs)) == (5, 15)
        assert not ours & theirs
        assert (labelled / "val" / label / "0.jpg").read_text() == f"val {label}"
    again, _ = semi.split(pack, 25, 0, tmp_path / "again")
    other, _ = semi.split(pack, 25, 1, tmp_path / "other")
    chosen = [
        sorted(file.name for file in (place / "train" / "cat").iterdir())
        for place in (labelled, again, other)
    ]
    assert chosen[0] == chosen[1] != chosen[2]


def test_rows() -> None:
    first = {"kept": 0.0, "steps": 900, "seconds": 75.0, "top1": 0.4}
    later = {"kept": 0.5, "steps": 1200, "seconds": 90.0, "top1": 0.5, "right": 0.9}
    none = {"kept": 0.0, "steps": 0, "seconds": 0.0}
    entries = [{"rounds": [first, later, none]}, {"rounds": [first, {**later, "top1": 0.52}, none]}]
    rows = semi.rows_of(entries, "mining")
    assert rows[0] == ["supervised", "40.0 ± 0.0", "-", "-", "900", "75"]
    assert rows[1][:4] == ["mining, round 1", "51.0 ± 1.0", "50.0 ± 0.0", "90.0 ± 0.0"]
    assert rows[2][1] == "nothing kept"
    one = semi.rows_of([{"top1": 0.6, "steps": 1840, "seconds": 700.0}], "fixmatch")
    assert one == [["fixmatch", "60.0", "-", "-", "1840", "700"]]
