"""Sets of boxes as such: what they answer, merging, and the real packs."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from box_sets import coco, coco_place, lay_out, png, reasons
from saccade.datasets.detection import (
    DetectionSample,
    DetectionSet,
    class_agnostic,
    detection_splits,
    merge,
    open_detection,
)
from saccade.datasets.detection_set import (
    RawBox,
    Tally,
    build_sample,
    clean_name,
    share_classes,
)
from saccade.errors import DatasetError


def make(classes: tuple[str, ...], labels: list[list[int]], ids: tuple[int, ...] = ()):
    samples = tuple(
        DetectionSample(
            f"{number}.png",
            number,
            20,
            10,
            np.tile(np.array([0, 0, 2, 2], np.float32), (len(row), 1)),
            np.array(row, np.int64),
            np.zeros(len(row), bool),
            np.full(len(row), 4, np.float32),
        )
        for number, row in enumerate(labels, start=1)
    )
    return DetectionSet(samples, classes, ids or tuple(range(1, len(classes) + 1)), (), classes[0])


def test_a_set_answers(tmp_path: Path) -> None:
    whole = open_detection(coco_place(tmp_path, coco([{}, {"category_id": 2}], images=2), True))
    copy = pickle.loads(pickle.dumps(whole))
    assert copy.read(1).shape == (10, 20, 3)
    assert copy.samples[0].boxes.tolist() == whole.samples[0].boxes.tolist()
    assert copy.counts().tolist() == [1, 1] and copy.box_count == 2
    part = whole.subset([1])
    assert len(part) == 1 and part.samples[0].image_id == 2 and part.classes == whole.classes
    assert whole.samples[0].where.endswith("pack.zip:images/1.png")


def test_class_agnostic() -> None:
    whole = make(("cat", "dog"), [[0, 1], []], (3, 9))
    one = class_agnostic(whole)
    assert one.classes == ("object",) and one.category_ids == (1,)
    assert one.samples[0].labels.tolist() == [0, 0] and one.samples[0].labels.dtype == np.int64
    assert whole.samples[0].labels.tolist() == [0, 1]


def test_merging_goes_by_name_and_numbers_pictures_anew() -> None:
    first = make(("cat", "dog"), [[0, 1]])
    second = make(("bird", "cat"), [[0, 1, 1], [1]])
    both = merge([first, second])
    assert both.classes == ("cat", "dog", "bird") and both.category_ids == (1, 2, 3)
    assert [s.labels.tolist() for s in both.samples] == [[0, 1], [2, 0, 0], [0]]
    assert [s.image_id for s in both.samples] == [1, 2, 3]
    assert both.place == "cat + bird"
    assert merge([first]) is first
    with pytest.raises(DatasetError, match="no dataset to merge"):
        merge([])


def test_ids_are_kept_where_they_agree() -> None:
    first, second = make(("a", "b"), [[0]], (5, 9)), make(("b", "c"), [[0]], (9, 2))
    assert [s.category_ids for s in share_classes([first, second])] == [(5, 9, 2)] * 2
    third = make(("c",), [[0]], (5,))
    assert share_classes([first, third])[1].category_ids == (1, 2, 3)


def test_main_bodies_of_several_packs() -> None:
    packs = [make(("cat",), [[0], [0, 0]]), make(("dog", "cat"), [[1, 0]])]
    whole = merge([class_agnostic(pack) for pack in packs])
    assert whole.classes == ("object",) and whole.counts().tolist() == [5]


@given(
    st.lists(st.tuples(*[st.floats(-40, 60, width=32)] * 4), max_size=6),
    st.integers(1, 50),
    st.integers(1, 50),
)
def test_clipping_against_a_slow_loop(
    corners: list[tuple[float, float, float, float]], width: int, height: int
) -> None:
    tally = Tally("x")
    sample = build_sample(
        [RawBox(box, number) for number, box in enumerate(corners)],
        tally,
        path="x.png",
        archive="",
        image_id=1,
        size=(height, width),
    )
    wanted = []
    for number, (x1, y1, x2, y2) in enumerate(corners):
        left, right = max(0.0, min(x1, width)), max(0.0, min(x2, width))
        top, bottom = max(0.0, min(y1, height)), max(0.0, min(y2, height))
        if left < right and top < bottom:
            wanted.append([number, left, top, right, bottom])
    found = np.column_stack([sample.labels, sample.boxes]).tolist() if len(sample.labels) else []
    assert found == wanted
    told = " ".join(problem.reason for problem in tally.problems())
    left_out = sum(int(n) for n in re.findall(r"(\d+) box\w* (?:lies?|without)", told))
    assert left_out == len(corners) - len(wanted)


def test_a_tally_counts_and_gives_examples(tmp_path: Path) -> None:
    boxes = [{"bbox": [1, 1, 0, 0], "image_id": n % 5 + 1} for n in range(1200)]
    whole = open_detection(coco_place(tmp_path, coco([*boxes, {}], images=5), images=5))
    assert whole.problems[0].reason == (
        "1,200 boxes without width or height were left out, for example 1.png, 2.png, 3.png"
    )


@given(st.text())
def test_clean_names_fit_xml_and_lines(name: str) -> None:
    clean = clean_name(name)
    assert clean == clean_name(clean) and clean.strip() == clean
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff￾￿]", clean)


def test_what_is_no_dataset(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="is no dataset of boxes; expected annotations"):
        open_detection(lay_out(tmp_path, {"notes.txt": "x", "photos/a.png": png()}))
    with pytest.raises(DatasetError, match="no such file or folder"):
        open_detection(tmp_path / "none")
    (tmp_path / "bad.zip").write_bytes(b"no zip")
    with pytest.raises(DatasetError, match=r"not a readable \.zip"):
        open_detection(tmp_path / "bad.zip")
    place = coco_place(tmp_path / "c", coco([{}]))
    with pytest.raises(DatasetError, match=r"has no split 'val'; it has: train"):
        open_detection(place, "val")


def test_splits_have_their_usual_names(tmp_path: Path) -> None:
    text = coco([{}])
    files = {
        "annotations/instances_valid.json": text,
        "annotations/instances_train2017.json": text,
        "annotations/instances_test2014.json": text,
        "annotations/instances_test2017.json": text,
        "annotations/captions_train2017.json": "",
        "images/1.png": png(),
    }
    place = lay_out(tmp_path, files)
    assert detection_splits(place) == ("train", "val", "test2014", "test2017")
    for split in ("train", "train2017", "val", "valid", "validation", "test2017"):
        assert len(open_detection(place, split)) == 1
    with pytest.raises(DatasetError, match="no split 'test'"):
        open_detection(place, "test")


PACKS = {
    # From the README of the packs: pictures and boxes of train and val, classes.
    "det_groceries25": ((1500, 3651), (296, 673), 25),
    "det_coco80_mini": ((178, 1398), (88, 659), 80),
    "det_bccd": ((233, 3104), (40, 571), 3),
    "det_cards": ((259, 460), (37, 67), 6),
    "det_fruit": ((200, 388), (40, 77), 3),
    "det_raccoon": ((140, 148), (20, 27), 1),
    "det_openobj": ((81, 116), (17, 26), 9),
    "det_home3": ((310, 366), (56, 68), 3),
}


@pytest.mark.parametrize("name", PACKS)
def test_the_packs(shared_data: Path, name: str) -> None:
    train, val, classes = PACKS[name]
    place = shared_data / f"{name}.zip"
    assert detection_splits(place) == ("train", "val")
    for split, wanted in (("train", train), ("val", val)):
        whole = open_detection(place, split)
        assert (len(whole), whole.box_count) == wanted and len(whole.classes) == classes
        assert "left out" not in reasons(whole) and "clipped" not in reasons(whole)
        assert whole.read(len(whole) - 1).shape[2] == 3
