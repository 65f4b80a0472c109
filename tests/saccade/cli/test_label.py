"""The verb label, as a user calls it."""

from __future__ import annotations

import json
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from commands import run
from near_copies import scene
from saccade.cli.app import main
from saccade.datasets.classification import open_classification
from toymodel import toy_graph, write_toy_classifier

label = partial(run, "label")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_toy_classifier(tmp_path / "toy.onnx")
    (tmp_path / "pool").mkdir()
    (tmp_path / "val").mkdir()
    for number in range(6):
        image = scene(number, (50, 60)).astype(int)
        image[:, :, number % 2] += 20 + 10 * number
        picture = Image.fromarray(image.clip(0, 255).astype(np.uint8))
        picture.save(tmp_path / f"pool/{number}.png")
        if number == 5:
            picture.resize((90, 75)).save(tmp_path / "val/known.png")
    (tmp_path / "pool/cut.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    (tmp_path / "pool/read.me").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_pool_becomes_a_list(place: Path) -> None:
    call = ("-t", "toy.onnx", "--pool", "pool", "--val", "val", "-k", 2, "-o", "mined")
    done = label(*call)
    assert done.returncode == 0
    assert done.stdout == (
        "mined/train.txt: 4 pictures of 2 classes, out of 8 files (5 scored now); not taken: "
        "1 beyond the best, 0 of low score, 0 copies, 1 validation pictures, 1 broken, "
        "1 no pictures\n"
    )
    lines = done.stderr.splitlines()
    assert all(line.startswith("saccade: ") for line in lines) and len(lines) == 6
    assert any("pool/read.me: is no picture by its name" in line for line in lines)
    assert any("cut.jpg" in line for line in lines)
    assert any("1 files that are no pictures and 1 that can't be read" in line for line in lines)
    assert any(
        f"{place}/pool/5.png is a copy of the validation picture {place}/val/known.png" in line
        for line in lines
    )
    assert lines[-1] == "saccade: no picture for 1 of 3 classes: blue"
    assert len(open_classification("mined")) == 4
    done = label(*call, "--json")
    (answer,) = map(json.loads, done.stdout.splitlines())
    assert answer["scored"] == 0 and answer["classes"] == {"red": 2, "green": 2, "blue": 0}
    assert answer["leaks"][0]["picture"] == f"{place}/pool/5.png"


def test_a_pack_as_pool_and_as_validation_set(place: Path) -> None:
    with zipfile.ZipFile("data.zip", "w") as pack:
        for number in range(4):
            pack.write(f"pool/{number}.png", f"train/a/{number}.png")
        pack.write("pool/3.png", "val/a/x.png")
    done = label("-t", "toy.onnx", "-p", "data.zip", "--val", "data.zip", "-k", 9, "-o", "in/l.txt")
    assert done.returncode == 0, done.stderr
    assert "data.zip has splits; as --pool only 'train' is taken" in done.stderr
    assert "data.zip has splits; as --val only 'val' is taken" in done.stderr
    found = open_classification("in/l.txt")
    assert len(found) == 3
    assert {sample.archive for sample in found.samples} == {str(place / "data.zip")}
    assert found.read(0).shape == (50, 60, 3)
    # A list that was mined can be mined again.
    done = label("-t", "toy.onnx", "-p", "in/l.txt", "-k", 1, "-o", "again.txt")
    assert done.returncode == 0 and len(open_classification("again.txt")) == 2


def test_bad_calls_cost_one_line(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "bare.onnx").write_bytes(toy_graph().SerializeToString())
    write_toy_classifier(place / "other.onnx", seed=3)
    assert main(["label", "-t", "toy.onnx", "-p", "pool", "-k", "1", "-o", "out"]) == 0
    capsys.readouterr()
    (place / "mine.txt").write_text("mine\n")
    good = {"-t": "toy.onnx", "-p": "pool", "-k": 1, "-o": "new"}
    calls: list[tuple[dict[str, object], int, str]] = [
        ({"-t": "none.onnx"}, 1, "no model 'none.onnx'"),
        ({"-t": "bare.onnx"}, 1, "bare.onnx"),
        ({"-t": "picodet"}, 1, "no model 'picodet'"),
        ({"-t": "mainbody_picodet_s_320"}, 1, "to classify, a model with the output"),
        ({"-p": "none"}, 1, "no such file or folder"),
        ({"--val": "none"}, 1, "no such file or folder"),
        ({"--val": "pool/read.me"}, 1, "no picture to compare with"),
        ({"-k": 0}, 1, "per_class is 0"),
        ({"-k": "many"}, 2, "Invalid value"),
        ({"--least-score": 2}, 1, "least_score is 2.0; expected a number from 0 to 1"),
        ({"--near-duplicates": "quick"}, 1, "near_duplicates is 'quick'; known: fast, off, sift"),
        ({"-o": "mine.txt"}, 1, "was not written by saccade label; choose another --out"),
        ({"-o": "toy.onnx/x"}, 1, "choose another --out"),
        ({"-t": "other.onnx", "-o": "out"}, 1, "holds scores of the teacher toy"),
        ({"--least-score": 1}, 1, "no picture was selected"),
    ]
    for changes, status, message in calls:
        arguments = ["label", *(str(part) for pair in (good | changes).items() for part in pair)]
        assert main(arguments) == status, changes
        out, err = capsys.readouterr()
        (line,) = err.splitlines()
        assert not out and line.startswith("saccade: ") and message in line, line
    # Once more in a process of its own, where nothing is hidden.
    done = label("-t", "bare.onnx", "-p", "pool", "-k", 1, "-o", "new")
    assert (done.returncode, done.stdout) == (1, "")
    assert "bare.onnx: an ONNX model without a Saccade card" in done.stderr
    assert label("-p", "pool", "-k", 1, "-o", "new").returncode == 2
