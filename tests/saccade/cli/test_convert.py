"""The verb convert, as a user calls it."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from box_sets import coco, coco_place, lay_out, png
from commands import run
from saccade.datasets.detection import open_detection

convert = partial(run, "convert")


def test_there_and_back(tmp_path: Path) -> None:
    boxes = [{}, {"bbox": [15, 5, 10, 2]}, {"category_id": 2, "iscrowd": 1}, {"category_id": 2}]
    source = coco_place(tmp_path / "in", coco(boxes, images=2))
    done = convert(source, "--to", "yolo", "-o", tmp_path / "yolo")
    assert done.returncode == 0
    assert done.stdout == f"{tmp_path / 'yolo'}: train 2 pictures / 3 boxes, 2 classes\n"
    lines = done.stderr.splitlines()
    assert len(lines) == 2 and all(line.startswith("saccade: ") for line in lines)
    assert "1 box reaches outside its picture and was clipped: 1.png" in lines[0]
    assert "in yolo: 1 crowd or difficult box was left out" in lines[1]
    place = tmp_path / "back.zip"
    done = convert(tmp_path / "yolo", "--to", "coco", "-o", place, "--split", "train", "--json")
    assert done.returncode == 0 and done.stderr == ""
    answer = json.loads(done.stdout)
    assert answer["pictures"] == {"train": 2} and answer["boxes"] == {"train": 3}
    assert answer["classes"] == ["cat", "dog"] and answer["form"] == "coco"
    assert open_detection(place).samples[0].boxes.tolist() == [
        [1, 2, 4, 6],
        [15, 5, 20, 7],
        [1, 2, 4, 6],
    ]


def test_links(tmp_path: Path) -> None:
    source = coco_place(tmp_path / "in", coco([{}]))
    assert convert(source, "--to", "voc", "--out", tmp_path / "voc", "--link").returncode == 0
    assert (tmp_path / "voc/JPEGImages/1.png").samefile(source / "images/1.png")


def test_bad_calls_cost_one_line(tmp_path: Path) -> None:
    source = coco_place(tmp_path / "in", coco([{}]))
    nothing = lay_out(tmp_path / "nothing", {"a.png": png()})
    calls = {
        (tmp_path / "none", "--to", "voc", "-o", tmp_path / "x"): (1, "no such file or folder"),
        (nothing, "--to", "voc", "-o", tmp_path / "x"): (1, "is no dataset of boxes"),
        (source, "--to", "cooc", "-o", tmp_path / "x"): (1, "did you mean 'coco'?"),
        (source, "--to", "voc", "-o", source): (1, "is there already"),
        (source, "--to", "voc", "-o", tmp_path / "x", "--split", "v"): (1, "no split 'v'"),
        (source, "-o", tmp_path / "x"): (2, "--to"),
    }
    for arguments, (status, message) in calls.items():
        done = convert(*arguments)
        assert (done.returncode, done.stdout) == (status, ""), arguments
        (line,) = done.stderr.splitlines()
        assert message in line
    assert {path.name for path in tmp_path.iterdir()} == {"in", "nothing"}
