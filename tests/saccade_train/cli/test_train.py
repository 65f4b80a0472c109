"""`saccade train`: what a user sees."""

from __future__ import annotations

import json
import re
import shlex
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from PIL import Image
from typer.testing import CliRunner

from saccade.errors import DatasetError, OptionError, SaccadeError, TrainingError
from saccade_train.cli.train import train
from saccade_train.training.report import Report

QUICK = [
    "model.arch=lcnet_x0_25",
    "data={train_size: 32, eval: {height: 32, width: 32, short: 36}}",
    "epochs=1",
    "batch_size=4",
    "schedule.warmup_epochs=0",
]


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    root = tmp_path / "flowers"
    for name, shade in (("dark", 30), ("light", 220)):
        (root / name).mkdir(parents=True)
        for number in range(6):
            image = np.full((40, 36, 3), shade + number, np.uint8)
            Image.fromarray(image).save(root / name / f"{number}.jpg")
    return root


def run(*words: str | Path) -> tuple[int, str, SaccadeError | None]:
    app = typer.Typer()
    app.command()(train)
    result = CliRunner().invoke(app, [str(word) for word in words])
    error = result.exception
    if error is not None and not isinstance(error, SystemExit):
        assert isinstance(error, SaccadeError), repr(error)
        assert "\n" not in str(error)
        return result.exit_code, result.output, error
    return result.exit_code, result.output, None


def test_help_has_examples() -> None:
    code, output, _ = run("--help")
    assert code == 0
    lines = [line.strip() for line in output.splitlines()]
    assert "saccade train classify_small --data flowers/ --out runs/flowers" in lines
    assert "torchrun" in output


def test_train_from_a_folder_without_val(tmp_path: Path, data: Path) -> None:
    out = tmp_path / "run"
    code, output, error = run("classify_small", "--data", data, "--out", out, *QUICK)
    assert error is None
    assert code == 0
    assert "has no val split: 2 of its 12 pictures are held out" in output
    assert "10 training and 2 evaluation pictures of 2 classes" in output
    assert "best: top1" in output
    assert f"next: saccade export {out}" in output
    summary = json.loads((out / "summary.json").read_text())
    assert summary["finished"]
    # Again: nothing to do.
    code, output, error = run("classify_small", "--data", data, "--out", out, *QUICK, "-q")
    assert (code, error) == (0, None)


@pytest.mark.parametrize(
    ("words", "kind", "said"),
    [
        (["clasify_small"], OptionError, "did you mean 'classify_small'"),
        (["classify_small", "optimiser.lrr=1"], OptionError, r"did you mean 'optimiser\.lr'"),
        (["classify_small", "model.arch=lcnet_x0.25"], OptionError, "did you mean 'lcnet_x0_25'"),
        (["classify_small", "--data", "nowhere"], DatasetError, "no such file or folder.*nowhere"),
        (["classify_small", "--device", "tpu"], OptionError, "expected auto, cpu or cuda"),
        (["classify_small", "batch_size=9", "accumulate=2"], OptionError, "equal pieces"),
    ],
)
def test_one_line_errors_leave_nothing_behind(
    tmp_path: Path, data: Path, words: list[str], kind: type[SaccadeError], said: str
) -> None:
    out = tmp_path / "run"
    place = [] if "--data" in words else ["--data", str(data)]
    _, _, error = run(*words, *place, "--out", out)
    assert isinstance(error, kind)
    assert not out.exists()
    assert re.search(said, str(error)), str(error)


def test_ctrl_c_says_how_to_go_on(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def press(self: Report, step: int) -> None:
        if step == 1:
            signal.raise_signal(signal.SIGINT)

    words = ["classify_small", "--data", str(data), "--out", str(tmp_path / "run"), *QUICK, "-q"]
    with monkeypatch.context() as patch:
        patch.setattr(Report, "tick", press)
        patch.setattr(sys, "argv", ["saccade", "train", *words, "--restart"])
        code, output, error = run(*words, "epochs=3", "--restart")
    assert error is None
    assert code == 130
    again = output.partition("stopped and saved at step 2; to go on: saccade train ")[2].split()
    assert again == shlex.join(words).split()
    code, _, error = run(*words, "epochs=3")
    assert (code, error) == (0, None)
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["steps"] == 6


def test_class_in_val_that_train_lacks(tmp_path: Path, data: Path) -> None:
    other = tmp_path / "other"
    for name in ("dark", "blue"):
        (other / name).mkdir(parents=True)
        Image.new("RGB", (40, 40)).save(other / name / "0.png")
    _, _, error = run(
        "classify_small", "--data", data, "--val", other, "--out", tmp_path / "run", *QUICK
    )
    assert isinstance(error, DatasetError)
    assert "'blue'" in str(error)


def test_empty_class_is_listed(tmp_path: Path, data: Path) -> None:
    (data / "empty").mkdir()
    out = tmp_path / "run"
    _, output, error = run("classify_small", "--data", data, "--out", out, *QUICK)
    assert error is None
    assert "left out" in output
    assert "empty" in output
    assert "empty" in (out / "skipped.txt").read_text()


def test_one_class_is_refused(tmp_path: Path, data: Path) -> None:
    (tmp_path / "list.txt").write_text("flowers/dark/0.jpg\tdark\nflowers/dark/1.jpg\tdark\n")
    _, _, error = run("classify_small", "--data", tmp_path / "list.txt", "--out", tmp_path / "run")
    assert isinstance(error, DatasetError)


def test_a_run_folder_that_cannot_be_made(tmp_path: Path, data: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    _, _, error = run("classify_small", "--data", data, "--out", tmp_path / "taken", *QUICK)
    assert isinstance(error, TrainingError)
    assert "taken: cannot be made a run folder" in str(error)
    assert (tmp_path / "taken").read_text() == "a file"
