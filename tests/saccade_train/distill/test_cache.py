"""Soft labels on disk: asked for once, gone on with after a stop, and one teacher's only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from saccade.errors import TrainingError
from saccade.imaging.prepare import Prepare
from saccade_train.distill import cache
from saccade_train.distill.cache import soft_labels
from saccade_train.distill.teacher import Taught

PREPARE = Prepare(4, 4, "stretch")


class Counting:
    """A teacher that counts the pictures that it is asked about."""

    name = source = "counting"
    num_classes, classes = 3, None
    mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    prepare, notes = None, ()

    def __init__(self, seed: int = 0, stop_at: int = 10**9) -> None:
        self.fingerprint = f"{seed:064}"
        self.matrix = torch.randn(3, 3, generator=torch.Generator().manual_seed(seed))
        self.seen, self.stop_at = 0, stop_at

    def to(self, device: torch.device) -> None:
        pass

    def look(self, images: Tensor, layers: Any = ()) -> Taught:
        if self.seen >= self.stop_at:
            raise KeyboardInterrupt
        self.seen += len(images)
        return Taught(images.mean((2, 3)) @ self.matrix, {})


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "PART", 8)


PICTURES = np.random.default_rng(0).integers(0, 256, (21, 4, 4, 3), dtype=np.uint8)


def ask(folder: Path, teacher: Counting, count: int = 21, key: str = "a" * 64) -> Tensor:
    return soft_labels(
        folder,
        teacher,
        PREPARE,
        PICTURES.__getitem__,
        count,
        key,
        normalise=lambda images: images.float().permute(0, 3, 1, 2) / 255,
        device=torch.device("cpu"),
        batch_size=4,
    )


def test_a_second_pass_asks_nobody(tmp_path: Path) -> None:
    teacher = Counting()
    first = ask(tmp_path / "c", teacher)
    assert teacher.seen == 21
    wanted = torch.from_numpy(PICTURES / 255).float().mean((1, 2)) @ teacher.matrix
    torch.testing.assert_close(first, wanted)
    again = Counting()
    assert torch.equal(ask(tmp_path / "c", again), first)
    assert again.seen == 0
    # Other pictures are other answers of the same teacher.
    ask(tmp_path / "c", again, 5, "b" * 64)
    assert again.seen == 5


def test_a_stopped_pass_goes_on(tmp_path: Path) -> None:
    whole = ask(tmp_path / "whole", Counting())
    stopped = Counting(stop_at=12)
    with pytest.raises(KeyboardInterrupt):
        ask(tmp_path / "c", stopped)
    (tmp_path / "c" / ("a" * 16) / "00001.safetensors.new").write_bytes(b"half")
    teacher = Counting()
    assert torch.equal(ask(tmp_path / "c", teacher), whole)
    assert teacher.seen == 13  # the first file of eight was finished


def test_a_damaged_file_is_asked_for_again(tmp_path: Path) -> None:
    whole = ask(tmp_path, Counting())
    (tmp_path / ("a" * 16) / "00001.safetensors").write_bytes(b"\0" * 40)
    teacher = Counting()
    assert torch.equal(ask(tmp_path, teacher), whole)
    assert teacher.seen == 8


def test_a_cache_of_another_teacher_is_refused(tmp_path: Path) -> None:
    ask(tmp_path / "c", Counting(0))
    with pytest.raises(TrainingError) as caught:
        ask(tmp_path / "c", Counting(1))
    assert "holds soft labels of another teacher" in str(caught.value)
    assert "give another cache, or remove that folder" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_another_view_is_another_teacher(tmp_path: Path) -> None:
    teacher = Counting()
    first = cache.answer_key(teacher, PREPARE)
    assert first != cache.answer_key(teacher, Prepare(5, 4, "stretch"))
    teacher.mean = (0.5, 0.5, 0.5)
    assert first != cache.answer_key(teacher, PREPARE)


def test_a_folder_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"")
    with pytest.raises(TrainingError, match="is no cache of soft labels"):
        ask(tmp_path, Counting())
    damaged = tmp_path / "damaged"
    ask(damaged, Counting())
    (damaged / "teacher.json").write_text(json.dumps({"format": 1}))
    with pytest.raises(TrainingError, match=r"teacher\.json: is damaged"):
        ask(damaged, Counting())
    with pytest.raises(TrainingError, match="cannot hold soft labels"):
        ask(tmp_path / "holiday.jpg" / "c", Counting())
