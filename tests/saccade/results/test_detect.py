from __future__ import annotations

import json
import sys
import types
from typing import Any

import numpy as np
import pytest

import saccade
from saccade.errors import MissingExtra, OptionError, Problem
from saccade.results import DetectedObject, Detections


def street(**changes: Any) -> Detections:
    values: dict[str, Any] = {
        "image": "street.jpg",
        "width": 200,
        "height": 100,
        "boxes": np.array([[10, 20, 60, 80], [0.1, 0, 200, 100]]),
        "scores": np.array([0.25, 0.75]),
        "labels": ("dog", "猫"),
        "class_ids": np.array([1, 0]),
        "timings_ms": {"read": 1.5},
    }
    return Detections(**{**values, **changes})


def nothing() -> Detections:
    return Detections("a.jpg", 5, 4, np.zeros((0, 4)), np.zeros(0), (), np.zeros(0))


def test_the_surest_comes_first_and_equal_ones_keep_their_order() -> None:
    found = street()
    assert found.labels == ("猫", "dog")
    assert found.scores.tolist() == [0.75, 0.25]
    assert found.class_ids.tolist() == [0, 1]
    assert found.boxes[1].tolist() == [10, 20, 60, 80]
    same = street(scores=[0.5, 0.5])
    assert same.labels == ("dog", "猫")


def test_types_and_shapes_are_those_of_the_contract() -> None:
    for found in (street(), nothing()):
        assert (found.boxes.dtype, found.boxes.shape) == (np.float32, (len(found), 4))
        assert (found.scores.dtype, found.scores.shape) == (np.float32, (len(found),))
        assert (found.class_ids.dtype, found.class_ids.shape) == (np.int64, (len(found),))
        with pytest.raises(ValueError, match="read-only"):
            found.boxes[:] = 0


def test_they_read_like_a_list() -> None:
    found = street()
    assert len(found) == 2
    assert found[0] == DetectedObject("猫", 0.75, (0.1, 0.0, 200.0, 100.0), 0)
    assert found[-1].label == "dog"
    assert [item.label for item in found] == ["猫", "dog"]
    with pytest.raises(IndexError):
        found[2]
    assert repr(found) == "street.jpg: 猫 0.75, dog 0.25"
    assert repr(nothing()) == "a.jpg: nothing"
    assert repr(street(frame=12)) == "street.jpg frame 12: 猫 0.75, dog 0.25"
    assert not nothing()


def test_round_trip_through_json_with_the_documented_keys() -> None:
    found = street()
    plain = json.loads(json.dumps(found.to_dict()))
    assert plain == {
        "image": "street.jpg",
        "width": 200,
        "height": 100,
        "objects": [
            {"label": "猫", "score": 0.75, "box": [0.1, 0.0, 200.0, 100.0], "class_id": 0},
            {"label": "dog", "score": 0.25, "box": [10.0, 20.0, 60.0, 80.0], "class_id": 1},
        ],
        "timings_ms": {"read": 1.5},
    }
    again = Detections.from_dict(plain)
    assert again == found
    assert again.timings_ms == found.timings_ms
    assert Detections.from_dict(nothing().to_dict()) == nothing()


def test_round_trip_is_exact_for_any_float32() -> None:
    rng = np.random.default_rng(0)
    found = street(
        boxes=rng.uniform(0, 9000, (50, 4)),
        scores=rng.uniform(0, 1, 50),
        labels=("x",) * 50,
        class_ids=[0] * 50,
        frame=7,
        problems=(Problem("street.jpg", "street.jpg: 3 of 9 boxes were left out"),),
    )
    again = Detections.from_dict(json.loads(json.dumps(found.to_dict())))
    assert again == found
    assert (again.frame, again.problems) == (7, found.problems)


def test_the_keys_of_the_design_are_enough_to_read() -> None:
    plain = street().to_dict()
    for item in plain["objects"]:
        del item["class_id"]
    assert Detections.from_dict(plain).class_ids.tolist() == [-1, -1]


def test_equality_looks_at_everything_but_times() -> None:
    assert street() == street(timings_ms={})
    for change in (
        {"image": "b"},
        {"width": 1},
        {"labels": ("dog", "cat")},
        {"scores": [0.3, 0.75]},
        {"class_ids": [2, 0]},
        {"frame": 0},
        {"boxes": np.zeros((2, 4))},
    ):
        assert street() != street(**change)
    assert street() != "street.jpg"


@pytest.mark.parametrize(
    "plain",
    [
        {},
        {"image": "a", "width": 1, "height": 1, "objects": 3, "timings_ms": {}},
        {"image": "a", "width": 1, "height": 1, "objects": [{"label": "x"}], "timings_ms": {}},
        {
            "image": "a",
            "width": 1,
            "height": 1,
            "timings_ms": {},
            "objects": [{"label": "x", "score": 1, "box": [1, 2, 3]}],
        },
        {"image": "a", "width": 1, "height": 1, "objects": [], "timings_ms": None},
    ],
)
def test_what_is_no_result_is_refused(plain: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="no Detections result"):
        Detections.from_dict(plain)


def test_rows_are_as_many_and_numbers() -> None:
    with pytest.raises(OptionError, match="2 boxes, 2 scores, 1 labels and 2 class ids"):
        street(labels=("dog",))
    for bad in (np.nan, np.inf):
        with pytest.raises(OptionError, match="not finite"):
            street(scores=[bad, 0.5])


def test_drawing_gives_a_new_picture() -> None:
    image = np.full((100, 200, 3), 255, np.uint8)
    drawn = street().draw(image)
    assert drawn.shape == image.shape
    assert (image == 255).all()
    assert (drawn != image).any()
    assert (nothing().draw(image) == image).all()


def test_coco_entries() -> None:
    entries = street().to_coco(7)
    assert entries == [
        {"image_id": 7, "category_id": 1, "bbox": [0.1, 0.0, 199.9, 100.0], "score": 0.75},
        {"image_id": 7, "category_id": 2, "bbox": [10.0, 20.0, 50.0, 60.0], "score": 0.25},
    ]
    assert [entry["category_id"] for entry in street().to_coco(0, [18, 90])] == [18, 90]
    json.dumps(entries)
    with pytest.raises(OptionError, match="class 1 has none of the 1 category ids"):
        street().to_coco(0, [18])
    with pytest.raises(OptionError, match="no class id"):
        street(class_ids=[-1, 0]).to_coco()


def test_yolo_lines_are_read_back_as_the_same_boxes() -> None:
    text = street().to_yolo()
    rows = [[float(word) for word in line.split()] for line in text.splitlines()]
    assert [int(row[0]) for row in rows] == [0, 1]
    centre, size = np.array(rows)[:, 1:3], np.array(rows)[:, 3:5]
    pixels = np.concatenate([centre - size / 2, centre + size / 2], 1) * [200, 100, 200, 100]
    assert pixels == pytest.approx(street().boxes, abs=1e-3)
    assert text.splitlines()[1] == "1 0.175000 0.500000 0.250000 0.600000"
    scored = street().to_yolo(scores=True)
    assert scored.splitlines()[1] == "1 0.175000 0.500000 0.250000 0.600000 0.25"
    assert nothing().to_yolo() == ""
    with pytest.raises(OptionError, match="no class id"):
        street(class_ids=[-1, 0]).to_yolo()


def test_yolo_boxes_stay_inside_the_picture() -> None:
    text = street(boxes=[[-50, -50, 100, 50], [0, 0, 1, 1]], scores=[0.9, 0.1]).to_yolo()
    assert text.splitlines()[0] == "1 0.250000 0.250000 0.500000 0.500000"


def test_supervision_gets_arrays_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("supervision")
    module.Detections = lambda **fields: fields  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "supervision", module)
    fields = street().to_supervision()
    assert sorted(fields) == ["class_id", "confidence", "data", "xyxy"]
    assert fields["xyxy"].shape == (2, 4)
    assert fields["confidence"].tolist() == [0.75, 0.25]
    assert fields["class_id"].tolist() == [0, 1]
    assert fields["data"]["class_name"].tolist() == ["猫", "dog"]
    fields["xyxy"][:] = 0  # ours are read-only, a copy is not


def test_supervision_is_missed_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(MissingExtra, match=r"needs the package 'supervision'.*pip install superv"):
        street().to_supervision()


def test_it_is_a_public_name() -> None:
    assert saccade.Detections is Detections
