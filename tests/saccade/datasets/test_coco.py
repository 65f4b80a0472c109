"""COCO files, good and bad."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from box_sets import coco, coco_place, lay_out, png, reasons
from saccade.datasets.coco import write_coco
from saccade.datasets.detection import DetectionSample, DetectionSet, open_detection
from saccade.errors import DatasetError, ImageError


@pytest.mark.parametrize("packed", [False, True])
def test_a_small_set(tmp_path: Path, packed: bool) -> None:
    boxes = [
        {"bbox": [1, 2, 3, 4], "area": 5.5},
        {"bbox": [0, 0, 20, 10], "category_id": 2, "iscrowd": 1},
        {"bbox": [4.5, 1.25, 2, 3], "image_id": 3},
    ]
    whole = open_detection(coco_place(tmp_path, coco(boxes, images=3), packed))
    assert reasons(whole) == "1 class has no box that counts: 'dog'"
    assert whole.classes == ("cat", "dog")
    assert whole.category_ids == (1, 2) and len(whole) == 3 and whole.box_count == 3
    first, second, third = whole.samples
    assert first.boxes.tolist() == [[1, 2, 4, 6], [0, 0, 20, 10]]
    assert first.boxes.dtype == np.float32 and first.labels.dtype == np.int64
    assert first.areas.tolist() == [5.5, 200] and first.areas.dtype == np.float32
    assert first.labels.tolist() == [0, 1] and first.crowd.tolist() == [False, True]
    assert (first.width, first.height, first.image_id) == (20, 10, 1)
    assert second.boxes.shape == (0, 4) and second.crowd.shape == (0,)
    assert third.boxes.tolist() == [[4.5, 1.25, 6.5, 4.25]] and third.details == ()
    assert whole.read(2).shape == (10, 20, 3)
    assert whole.counts().tolist() == [2, 0]  # the crowd does not count


def test_categories_out_of_order_with_gaps_and_unicode(tmp_path: Path) -> None:
    categories = [{"id": 90, "name": "Bär"}, {"id": 3, "name": "猫"}, {"id": 7, "name": "x\ty "}]
    boxes = [{"category_id": 90}, {"category_id": 3}, {"category_id": 7}]
    whole = open_detection(coco_place(tmp_path, coco(boxes, categories=categories)))
    assert whole.classes == ("猫", "x y", "Bär") and whole.category_ids == (3, 7, 90)
    assert whole.samples[0].labels.tolist() == [2, 0, 1]
    assert whole.problems == ()


def test_names_that_are_missing_or_repeated(tmp_path: Path) -> None:
    categories = [{"id": 1, "name": "cat"}, {"id": 2, "name": "cat"}, {"id": 5}, {"id": 1}]
    boxes = [{"category_id": n} for n in (1, 2, 5)]
    whole = open_detection(coco_place(tmp_path, coco(boxes, categories=categories)))
    assert whole.classes == ("cat", "cat (category 2)", "category 5")
    assert "2 classes had no names of their own" in reasons(whole)
    assert "1 entry of 'categories' is malformed or repeats an id" in reasons(whole)


BAD_BOXES: list[tuple[dict[str, Any], str]] = [
    ({"bbox": [1, 2, 0, 4]}, "1 box without width or height was left out: 1.png"),
    ({"bbox": [1, 2, 3, -4]}, "1 box without width or height was left out"),
    ({"bbox": [25, 2, 3, 4]}, "1 box lies wholly outside its picture and was left out"),
    ({"bbox": [1, 2, 3]}, "1 box is malformed"),
    ({"bbox": [1, 2, float("nan"), 4]}, "1 box is malformed"),
    ({"bbox": [1, 2, 10**400, 4]}, "1 box is malformed"),
    ({"bbox": ["1", 2, 3, 4]}, "1 box is malformed"),
    ({"bbox": None}, "1 box is malformed"),
    ({"category_id": 77}, "1 box has a category id that the file does not define and was left out"),
    ({"category_id": [1]}, "1 box has a category id that the file does not define"),
    ({"image_id": 77}, "1 box belongs to no picture of the file and was left out"),
    ({"image_id": {}}, "1 box belongs to no picture of the file"),
    ({"id": 1}, "1 annotation is there twice, id and all"),
]


@pytest.mark.parametrize(("bad", "reason"), BAD_BOXES)
def test_a_bad_box_is_left_out_and_told(tmp_path: Path, bad: dict[str, Any], reason: str) -> None:
    categories = [{"id": 1, "name": "cat"}]
    whole = open_detection(coco_place(tmp_path, coco([{}, bad], categories=categories)))
    assert whole.samples[0].boxes.tolist() == [[1, 2, 4, 6]]
    (problem,) = whole.problems
    assert reason in problem.reason and problem.where.endswith("instances_train.json")


def test_boxes_over_the_border_are_clipped_and_counted(tmp_path: Path) -> None:
    boxes = [
        {"bbox": [-3, 2, 8, 4], "area": 32},
        {"bbox": [18, 8, 100, 100], "area": 1},
        {"bbox": [10, 5, 10.01, 5]},  # rounding, no mistake
    ]
    whole = open_detection(coco_place(tmp_path, coco(boxes)))
    sample = whole.samples[0]
    assert sample.boxes.tolist() == [[0, 2, 5, 6], [18, 8, 20, 10], [10, 5, 20, 10]]
    assert sample.areas.tolist() == [20, 1, 50]
    assert "2 boxes reach outside their pictures and were clipped" in reasons(whole)


def test_ids_that_repeat(tmp_path: Path) -> None:
    content = coco([{"id": 4}, {"id": 4, "bbox": [0, 0, 1, 1]}], images=2)
    content["images"].append({"id": 2, "file_name": "3.png", "width": 20, "height": 10})
    whole = open_detection(coco_place(tmp_path, content))
    assert len(whole) == 2 and whole.box_count == 2
    assert "1 annotation has the id of another; both are kept" in reasons(whole)
    assert "1 picture has the id of another and was left out: '3.png'" in reasons(whole)


def test_ids_that_are_text(tmp_path: Path) -> None:
    content = coco([{"image_id": "2", "category_id": "1"}], images=2)
    for image in content["images"]:
        image["id"] = str(image["id"])
    whole = open_detection(coco_place(tmp_path, content))
    assert [s.image_id for s in whole.samples] == [1, 2]
    assert len(whole.samples[1].boxes) == 1
    for image in content["images"]:
        image["id"] = "p" + image["id"]
    content["annotations"][0]["image_id"] = "p2"
    whole = open_detection(coco_place(tmp_path, content))
    assert [s.image_id for s in whole.samples] == [1, 2] and len(whole.samples[1].boxes) == 1
    assert "no whole number" in reasons(whole)


def test_missing_pictures(tmp_path: Path) -> None:
    content = coco([{}, {"image_id": 2}], images=2)
    content["images"][1]["file_name"] = "../../etc/passwd"
    content["images"] += [{"id": 9, "file_name": "x" * 500}, {"id": 10, "file_name": "\0"}, 3, {}]
    whole = open_detection(coco_place(tmp_path, content))
    assert len(whole) == 1 and whole.box_count == 1
    assert "3 pictures are missing and were left out" in reasons(whole)
    assert "2 entries of 'images' are malformed" in reasons(whole)
    content["images"] = content["images"][1:]
    with pytest.raises(DatasetError, match=r"none of its 5 pictures was found.*passwd"):
        open_detection(coco_place(tmp_path, content))


@pytest.mark.parametrize("content", [[], None])
def test_no_annotations_at_all(tmp_path: Path, content: Any) -> None:
    whole = open_detection(coco_place(tmp_path, {**coco(), "annotations": content}))
    assert len(whole) == 1 and whole.box_count == 0
    assert "no picture has a box that counts" in reasons(whole)


def test_an_empty_class_is_told(tmp_path: Path) -> None:
    whole = open_detection(coco_place(tmp_path, coco([{}])))
    assert [p.reason for p in whole.problems] == ["1 class has no box that counts: 'dog'"]


def test_a_size_that_is_missing_or_wrong(tmp_path: Path) -> None:
    content = coco([{}, {"image_id": 2}], images=3)
    del content["images"][0]["width"]
    content["images"][1]["width"] = 21
    content["images"][2] |= {"width": 10, "height": 20}
    whole = open_detection(coco_place(tmp_path, content))
    assert (whole.samples[0].width, whole.samples[0].height) == (20, 10)
    assert whole.read(0).shape == (10, 20, 3)
    with pytest.raises(ImageError, match=r"2\.png is 20 x 10 pixels.*says 21 x 10; the boxes"):
        whole.read(1)
    with pytest.raises(ImageError, match="EXIF rotation"):
        whole.read(2)
    del content["images"][1]["width"]
    place = coco_place(tmp_path, content)
    (tmp_path / "images/2.png").write_bytes(b"GIF89a")
    assert "1 picture has no size in the file and can't be read" in reasons(open_detection(place))


def test_outlines_stand_in_for_boxes_and_stay_with_details(tmp_path: Path) -> None:
    outline = [[2, 1, 6, 1, 6, 5]]
    content = coco([{"segmentation": outline, "area": 8, "note": "é"}])
    del content["annotations"][0]["bbox"]
    content["images"][0]["license"] = 3
    content["info"] = {"year": 2020}
    content["categories"][0]["supercategory"] = "animal"
    place = coco_place(tmp_path, content)
    assert open_detection(place).samples[0].boxes.tolist() == [[2, 1, 6, 5]]
    whole = open_detection(place, details=True)
    assert whole.samples[0].details == ({"id": 1, "segmentation": outline, "note": "é"},)
    assert whole.samples[0].info == {"license": 3}
    assert whole.details == {
        "info": {"year": 2020},
        "categories": [{"supercategory": "animal"}, {}],
    }


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "broken JSON"),
        ("", "broken JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("[]", "looks like detections"),
        ("3", "no COCO file"),
        ('{"images": []}', "no list 'categories'"),
        ('{"images": {}, "categories": []}', "no list 'images'"),
        ('{"images": [], "categories": []}', "defines no category"),
        ('{"images": [], "categories": [{"id": 1, "name": "a"}]}', "none of its 0 pictures"),
        (b"\xff\xfe{", "broken JSON"),
        (b"\xc3(", "broken JSON"),
    ],
)
def test_what_is_no_coco_file(tmp_path: Path, text: str | bytes, reason: str) -> None:
    with pytest.raises(DatasetError, match=reason) as caught:
        open_detection(coco_place(tmp_path, text))
    assert "instances_train.json" in str(caught.value)


def test_layouts_of_files_and_pictures(tmp_path: Path) -> None:
    text = coco([{}])
    layouts: list[dict[str, Any]] = [
        {"annotations/instances_train2017.json": text, "train2017/1.png": png()},
        {"annotations/instances_train2017.json": text, "images/train2017/1.png": png()},
        {"annotations/train.json": text, "images/1.png": png()},
        {"train.json": text, "1.png": png()},
        {"train/_annotations.coco.json": text, "train/1.png": png(), "valid/x": ""},
    ]
    for number, files in enumerate(layouts):
        for packed in (False, True):
            place = lay_out(tmp_path / f"{number}{packed}", files, packed)
            assert open_detection(place).read(0).shape == (10, 20, 3)


def test_one_file_by_itself(tmp_path: Path) -> None:
    lay_out(tmp_path, {"here/any.json": coco([{}]), "here/1.png": png()})
    assert len(open_detection(tmp_path / "here/any.json", "whatever")) == 1
    place = coco_place(tmp_path / "other", coco([{}]))
    assert len(open_detection(place / "annotations/instances_train.json")) == 1
    with pytest.raises(DatasetError, match="no such file"):
        open_detection(tmp_path / "none.json")


def test_windows_paths_and_pictures_that_moved(tmp_path: Path) -> None:
    content = coco([], images=3)
    content["images"][0]["file_name"] = "C:\\data\\1.png"
    content["images"][1]["file_name"] = "/home/someone/2.png"
    content["images"][2]["file_name"] = "deep/3.png"
    whole = open_detection(coco_place(tmp_path, content))
    assert [Path(s.path).name for s in whole.samples] == ["1.png", "2.png", "3.png"]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    boxes = np.array([[69.21, 104.76, 159.37, 218.41], [0, 0, 1 / 3, 300]], np.float32)
    sample = DetectionSample(
        "x.png",
        7,
        240,
        320,
        boxes,
        np.array([1, 0]),
        np.array([False, True]),
        np.array([10246.68, 2], np.float32),
        difficult=np.array([False, True]),
    )
    write_coco(tmp_path, "val", DetectionSet((sample,), ("a", "é"), (4, 2)), ["x.png"])
    content = json.loads((tmp_path / "annotations/instances_val.json").read_text("utf-8"))
    assert content["annotations"][0]["bbox"] == [69.21, 104.76, 90.16, 113.65]
    assert content["annotations"][0]["area"] == 10246.68
    assert [a["id"] for a in content["annotations"]] == [1, 2]
    assert content["categories"] == [{"id": 4, "name": "a"}, {"id": 2, "name": "é"}]
    lay_out(tmp_path, {"images/x.png": png(240, 320)})
    back = open_detection(tmp_path, "val").samples[0]
    assert back.boxes.tobytes() == boxes.tobytes() and back.image_id == 7
    assert back.difficult.tolist() == back.crowd.tolist() == [False, True]


KEYS = ["id", "image_id", "category_id", "bbox", "segmentation", "area", "iscrowd", "difficult"]
KEYS += ["file_name", "width", "height", "name"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(KEYS),
            inner,
            max_size=6,
        )
    ),
    max_leaves=12,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(st.lists(JSON, max_size=3), JSON, st.lists(JSON, max_size=2))
def test_any_json_is_read_or_refused(
    tmp_path: Path, images: list[Any], annotations: Any, categories: list[Any]
) -> None:
    good = coco([{}])
    content = {
        "images": good["images"] + images,
        "annotations": [*good["annotations"], annotations, *(annotations or [])]
        if isinstance(annotations, list)
        else annotations,
        "categories": good["categories"] + categories,
    }
    whole = open_detection(coco_place(tmp_path, content), details=True)
    for sample in whole.samples:
        assert (sample.boxes[:, 2:] > sample.boxes[:, :2]).all()
        assert len(sample.labels) == len(sample.crowd) == len(sample.areas) == len(sample.boxes)
