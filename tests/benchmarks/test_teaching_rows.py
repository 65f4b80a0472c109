"""The comparisons of distillation and of its transfer: their recipes, digests and order."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

import embedding
import ledger
import ssld
import transfer
from saccade_train.recipes import load_recipe
from saccade_train.training.opening import check_network


def test_transfer_jobs_have_recipes_and_digests() -> None:
    jobs = [job for table in transfer.TABLES.values() for job in table]
    for job in jobs:
        check_network(load_recipe(job.recipe, job.changes))
    digests = {transfer.digest(job, seed) for job in jobs for seed in (0, 1)}
    assert len(digests) == 2 * len(jobs)


def test_ssld_jobs_have_digests() -> None:
    jobs = {job.name: job for table in ssld.TABLES.values() for job in table}
    assert len({ssld.digest(job, 0) for job in jobs.values()}) == len(jobs)
    for job in jobs.values():
        assert {job.teacher, job.init} - {None} <= jobs.keys()


def test_what_others_start_from_is_repeated_when_its_run_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, last = ssld.TABLES["main"][:2]  # the teacher, and a student that has none
    ran = []

    def run(command: Sequence[str], log: Path) -> bool:
        out = Path(command[command.index("--out") + 1])
        out.mkdir(parents=True, exist_ok=True)
        told = {"last_scores": {"top1": 0.5}, "steps": 1, "seconds": 2.0, "parameters": 3}
        (out / "summary.json").write_text(json.dumps(told))
        ran.append(out.name)
        return True

    monkeypatch.setattr(ledger, "run_single", run)
    monkeypatch.setattr(ssld, "split", lambda *_, **__: (tmp_path / "l", tmp_path / "p"))
    results = tmp_path / "ledger.jsonl"

    def train() -> None:
        for job in (first, last):
            ssld.train(job, 0, tmp_path, tmp_path, results)

    train()
    train()
    assert ran == [ledger.run_folder(first.name, 0), ledger.run_folder(last.name, 0)]
    for job in (first, last):
        (tmp_path / ledger.run_folder(job.name, 0) / "summary.json").unlink()
    train()
    assert ran[2:] == [ledger.run_folder(first.name, 0)]


def test_embedders_have_recipes_and_digests(tmp_path: Path) -> None:
    jobs = {job for table in embedding.TABLES.values() for job in table}
    for job in jobs:
        made = embedding.changes(job, 0, tmp_path / "start", tmp_path)
        check_network(load_recipe(embedding.RECIPE, made))
    assert len({embedding.digest(job, seed, "") for job in jobs for seed in (0, 1)}) == 2 * len(
        jobs
    )
    assert len({ledger.run_folder(job.name, 0) for job in jobs}) == len(jobs)
    assert embedding.digest(embedding.ARC, 0, "one") != embedding.digest(embedding.ARC, 0, "other")
