"""YOLO datasets, good and bad, and the part of YAML they use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from box_sets import lay_out, png, reasons
from saccade.datasets.detection import detection_splits, open_detection
from saccade.datasets.detection_set import clean_name
from saccade.datasets.yolo_yaml import class_names, format_names, parse_data_yaml
from saccade.errors import DatasetError

GOOD: dict[str, Any] = {
    "data.yaml": "train: images/train\nval: images/val\nnc: 2\nnames: ['cat', 'Bär']\n",
    "images/train/a.png": png(),
    "images/train/b.png": png(),
    "images/val/c.png": png(),
    "labels/train/a.txt": "0 0.5 0.5 1 1\r\n1 .25 .5 .1 .2\n\n",
    "labels/train/b.txt": "",
    "labels/val/c.txt": "1 0.5 0.5 0.5 0.5",
}


@pytest.mark.parametrize("packed", [False, True])
def test_a_small_set(tmp_path: Path, packed: bool) -> None:
    place = lay_out(tmp_path, GOOD, packed)
    assert detection_splits(place) == ("train", "val")
    whole = open_detection(place)
    assert whole.problems == () and whole.classes == ("cat", "Bär")
    first, second = whole.samples
    assert first.boxes.tolist() == [[0, 0, 20, 10], [4, 4, 6, 6]]
    assert first.labels.tolist() == [0, 1] and not first.crowd.any()
    assert (first.width, first.height, first.image_id) == (20, 10, 1)
    assert second.boxes.shape == (0, 4)
    assert whole.read(0).shape == (10, 20, 3)
    assert open_detection(place, "valid").samples[0].boxes.tolist() == [[5, 2.5, 15, 7.5]]


def test_without_yaml_and_with_other_layouts(tmp_path: Path) -> None:
    a, label = png(), "0 0.5 0.5 1 1\n"
    roboflow = "train: ../train/images\nval: ../valid/images\nnames:\n- cat\n- dog\n"
    layouts: list[dict[str, Any]] = [
        {"classes.txt": "cat\n", "images/train/a.png": a, "labels/train/a.txt": label},
        {"classes.txt": "cat\n", "images/a.png": a, "labels/a.txt": label},
        {"labels/classes.txt": "cat\n", "images/a.png": a, "labels/a.txt": label},
        {"data.yaml": roboflow, "train/images/a.png": a, "train/labels/a.txt": label},
        {
            "data.yaml": "path: ../datasets/x\ntrain: images/train2017\nnames: {0: cat}\n",
            "images/train2017/a.png": a,
            "labels/train2017/a.txt": label,
        },
        {
            "data.yaml": "path: .\ntrain: [images/one, images/two]\nnames: [cat]",
            "images/one/a.png": a,
            "labels/one/a.txt": label,
            "images/two/in/b.png": a,
            "labels/two/in/b.txt": label,
        },
        {
            "data.yaml": "train: train.txt\nnames: [cat]",
            "train.txt": "./images/any/a.png\n/home/me/set/images/any/b.png\nimages/any/a.png\n\n",
            "images/any/a.png": a,
            "labels/any/a.txt": label,
            "images/any/b.png": a,
            "labels/any/b.txt": label,
        },
    ]
    for number, files in enumerate(layouts):
        for packed in (False, True):
            place = lay_out(tmp_path / f"{number}{packed}", files, packed)
            whole = open_detection(place)
            assert whole.classes[0] == "cat"
            assert len(whole) == sum("labels/" in n and "classes" not in n for n in files)
            assert all(s.boxes.tolist() == [[0, 0, 20, 10]] for s in whole.samples)
    assert "1 picture is listed twice" in reasons(whole)


def test_the_yaml_itself_is_a_place(tmp_path: Path) -> None:
    place = lay_out(tmp_path, {**GOOD, "my.yaml": GOOD["data.yaml"]})
    assert len(open_detection(place / "my.yaml", "val")) == 1
    (place / "empty.yaml").write_text("names: [a]\n")
    (place / "images").rename(place / "elsewhere")
    with pytest.raises(DatasetError, match="names no split"):
        open_detection(place / "empty.yaml")
    with pytest.raises(DatasetError, match="none of these is a folder or list inside"):
        open_detection(place)


BAD_LINES = {
    "0 0.5 0.5 1": "1 line is broken (expected CLASS CX CY W H) and was left out",
    "cat 0.5 0.5 1 1": "1 line is broken",
    "0 0.5 0.5 1 nan": "1 line is broken",
    "0 0.5 0.5 1 1_0": "1 line is broken",
    "0 .1 .1 .2 .2 .3 .3 .4": "1 line is broken",
    "2 0.5 0.5 1 1": "1 line has a class number that has no name and was left out: 2",
    "-1 0.5 0.5 1 1": "1 line has a class number that has no name",
    "0.5 0.5 0.5 1 1": "1 line has a class number that has no name",
    "0 230 120 50 60": "1 line has numbers that are no shares of the picture",
    "0 0.5 0.5 0 1": "1 box without width or height was left out",
    "0 0.5 0.5 -0.1 0.1": "1 box without width or height was left out",
    "0 1.5 0.5 0.1 0.1": "1 box lies wholly outside its picture",
}


@pytest.mark.parametrize("bad", BAD_LINES)
def test_a_bad_line_is_left_out_and_told(tmp_path: Path, bad: str) -> None:
    files = {**GOOD, "labels/train/a.txt": f"1 0.5 0.5 1 1\n{bad}\n0 0.5 0.5 1 1\n"}
    whole = open_detection(lay_out(tmp_path, files))
    assert whole.samples[0].labels.tolist() == [1, 0]
    (problem,) = whole.problems
    assert BAD_LINES[bad] in problem.reason
    assert "line 2" in problem.reason or "a.png" in problem.reason


def test_outlines_scores_and_borders(tmp_path: Path) -> None:
    lines = "0 .1 .2 .5 .2 .5 .8\n1 .5 .5 .5 .5 .99\n0 .9 .5 .4 .2\n0 .5 .5 1.000001 1\n"
    place = lay_out(tmp_path, {**GOOD, "labels/train/a.txt": lines})
    whole = open_detection(place, details=True)
    sample = whole.samples[0]
    expected = [[2, 2, 10, 8], [5, 2.5, 15, 7.5], [14, 4, 20, 6], [0, 0, 20, 10]]
    assert sample.boxes == pytest.approx(np.array(expected, np.float32))
    assert sample.details[0]["segmentation"] == [pytest.approx([2, 2, 10, 2, 10, 8])]
    assert sample.details[1] == {}
    told = reasons(whole)
    assert "1 line is an outline; the box around it is used" in told
    assert "1 line has a sixth number" in told
    assert "1 box reaches outside its picture and was clipped" in told
    assert open_detection(place).samples[0].details == ()


def test_files_that_are_missing_or_broken(tmp_path: Path) -> None:
    files = {
        **GOOD,
        "images/train/d.png": png(),
        "images/train/e.jpg": b"no picture",
        "images/train/f.png": png(),
        "labels/train/f.txt": b"\xff\xfe",
        "labels/train/g.txt": "0 0.5 0.5 1 1",
    }
    whole = open_detection(lay_out(tmp_path, files))
    assert [Path(s.path).name for s in whole.samples] == ["a.png", "b.png", "d.png"]
    told = reasons(whole)
    assert "1 picture has no label file and counts as one without boxes: images/train/d.png" in told
    assert "1 picture can't be read and was left out: images/train/e.jpg" in told
    assert "1 label file can't be read; its picture was left out: labels/train/f.txt" in told
    assert "1 label file belongs to no picture and was left out: labels/train/g.txt" in told


def test_no_names_of_classes(tmp_path: Path) -> None:
    files = {name: content for name, content in GOOD.items() if name != "data.yaml"}
    with pytest.raises(DatasetError, match=r"no names of classes; write a classes\.txt"):
        open_detection(lay_out(tmp_path / "a", files))
    files["data.yaml"] = "train: images/train\nnames:\n  a:\n    - deep\n"
    with pytest.raises(DatasetError, match="no list 'names' that can be read"):
        open_detection(lay_out(tmp_path / "b", files))
    files["classes.txt"] = "cat\ndog\n"
    assert open_detection(lay_out(tmp_path / "c", files)).classes == ("cat", "dog")


def test_names_with_gaps_and_a_wrong_count(tmp_path: Path) -> None:
    files = {**GOOD, "data.yaml": "train: images/train\nnc: 9\nnames:\n  0: cat\n  2: dog\n"}
    whole = open_detection(lay_out(tmp_path, files))
    assert whole.classes == ("cat", "class 1", "dog")
    assert "the count 'nc'" in reasons(whole)


YAML = """\
# a dataset
path: ../datasets/coco8  # root: here
train: images/train
'val': "images/val # not a comment"
test: # nothing
nc: 3
names:
  0: person   # a comment
  1: 'it''s: a cat'
  2: "say \\"hi\\" #1"
colours: [red, 'a, b', "c"]
map: {0: a, 1: 'b, c'}
many: [
  one,
  two, # with a comment
]
flat:
- a
- "b: c"
deep:
  one:
    - two
download: |
  import os
  names: [evil]
"""


def test_yaml_is_read_as_pyyaml_reads_it() -> None:
    found = parse_data_yaml(YAML)
    wanted = yaml.safe_load(YAML)
    for key in ("path", "train", "val", "colours", "many", "flat"):
        assert found[key] == wanted[key]
    assert found["nc"] == "3" and found["deep"] is None and found["download"] is None
    assert class_names(found["names"], "x") == wanted["names"]
    assert class_names(found["map"], "x") == wanted["map"]


NAMES = st.lists(st.text(max_size=8).map(clean_name).filter(bool), min_size=1, max_size=5)


@given(NAMES)
def test_names_are_written_for_us_and_for_pyyaml(names: list[str]) -> None:
    text = format_names(names)
    assert class_names(parse_data_yaml(text)["names"], "x") == dict(enumerate(names))
    assert yaml.safe_load(text)["names"] == dict(enumerate(names))


@given(NAMES, st.sampled_from(["block", "inline"]))
def test_names_that_pyyaml_writes_are_read(names: list[str], style: str) -> None:
    text = yaml.safe_dump(
        {"train": "x", "names": names},
        allow_unicode=True,
        default_flow_style=None if style == "inline" else False,
        default_style="'",
        width=10**6,
    )
    assert class_names(parse_data_yaml(text)["names"], "x") == dict(enumerate(names))


@given(st.text(alphabet=st.sampled_from("ab:-[]{},'\"# \n\\0"), max_size=40))
def test_any_yaml_is_survived(text: str) -> None:
    parse_data_yaml("names: " + text)
    parse_data_yaml(text)
