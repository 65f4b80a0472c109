"""From form to form and back."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from box_sets import coco, coco_place, lay_out, png, same_boxes
from saccade.datasets.convert import FORMS, convert_detection
from saccade.datasets.detection import detection_splits, open_detection
from saccade.errors import DatasetError, OptionError

RICH: dict[str, Any] = {
    "info": {"year": 2020},
    "images": [
        {"id": 30, "file_name": "été one.png", "width": 20, "height": 10, "license": 4},
        {"id": 7, "file_name": "b.png", "width": 20, "height": 10},
    ],
    "annotations": [
        {
            "id": 11,
            "image_id": 30,
            "category_id": 9,
            "bbox": [1, 2, 3, 4],
            "area": 6,
            "iscrowd": 0,
            "segmentation": [[1, 2, 4, 2, 4, 6]],
        },
        {
            "id": 12,
            "image_id": 30,
            "category_id": 4,
            "bbox": [0, 0, 9, 9],
            "area": 81,
            "iscrowd": 1,
            "segmentation": {"counts": "abc", "size": [10, 20]},
        },
        {
            "id": 5,
            "image_id": 7,
            "category_id": 4,
            "bbox": [0.25, 0.5, 2, 2],
            "area": 4,
            "iscrowd": 0,
            "difficult": 1,
            "truncated": 1,
        },
    ],
    "categories": [
        {"id": 9, "name": "Bär", "supercategory": "animal"},
        {"id": 4, "name": "猫"},
        {"id": 12, "name": "no box"},
    ],
}


@pytest.fixture
def rich(tmp_path: Path) -> Path:
    files = {
        "annotations/instances_train.json": RICH,
        "images/été one.png": png(colour=(1, 2, 3)),
        "images/b.png": png(),
    }
    return lay_out(tmp_path / "rich", files)


def losses(done: Any) -> str:
    return "\n".join(loss.reason for loss in done.losses)


def test_coco_to_coco_loses_nothing(rich: Path, tmp_path: Path) -> None:
    done = convert_detection(rich, "coco", tmp_path / "out")
    assert losses(done).startswith("1 difficult box is marked iscrowd")
    found = json.loads((tmp_path / "out/annotations/instances_train.json").read_text("utf-8"))
    wanted = json.loads(json.dumps(RICH))
    wanted["annotations"][2]["iscrowd"] = 1
    for content in (found, wanted):
        for key in ("images", "annotations", "categories"):
            content[key] = sorted(content[key], key=lambda entry: entry["id"])
    assert found == wanted
    for name in ("été one.png", "b.png"):
        copy = tmp_path / "out/images" / name
        assert copy.read_bytes() == (rich / "images" / name).read_bytes()


def test_coco_to_voc_and_back(rich: Path, tmp_path: Path) -> None:
    done = convert_detection(rich, "voc", tmp_path / "voc")
    assert (done.pictures, done.boxes) == ({"train": 2}, {"train": 3})
    assert set(losses(done).split("\n")) == {
        "1 crowd is marked as difficult, the nearest that VOC knows",
        "1 box has fractions of pixels, at which some readers of VOC stumble",
        "1 area of an outline was dropped; only that of the box is left",
        "the ids of the categories were dropped; they become 1, 2, 3, ...",
        "'segmentation' of 2 boxes was dropped",
        "'license' of 1 picture was dropped",
        "'info' of 1 file was dropped",
        "'categories' of 1 file was dropped",
    }
    convert_detection(tmp_path / "voc", "coco", tmp_path / "coco")
    back = open_detection(tmp_path / "coco", details=True)
    assert same_boxes(back, open_detection(rich))
    assert back.classes == ("猫", "Bär", "no box")
    assert [s.crowd.tolist() for s in back.samples] == [[False, True], [True]]
    assert back.samples[1].details[0]["truncated"] == 1
    assert (tmp_path / "voc/ImageSets/Main/train.txt").read_text("utf-8") == "été one\nb\n"


def test_coco_to_yolo(rich: Path, tmp_path: Path) -> None:
    done = convert_detection(rich, "yolo", tmp_path / "yolo")
    assert done.boxes == {"train": 1}
    assert "2 crowd or difficult boxes were left out, which YOLO can't mark" in losses(done)
    assert "'truncated' of 1 box was dropped" in losses(done)
    labels = tmp_path / "yolo/labels/train"
    assert (labels / "été one.txt").read_text() == "1 0.125000 0.400000 0.150000 0.400000\n"
    assert (labels / "b.txt").read_text() == ""
    assert open_detection(tmp_path / "yolo").classes == ("猫", "Bär", "no box")


def test_outlines_of_yolo_reach_coco(tmp_path: Path) -> None:
    files = {
        "classes.txt": "cat\n",
        "images/train/a.png": png(),
        "labels/train/a.txt": "0 .1 .2 .5 .2 .5 .8\n",
    }
    convert_detection(lay_out(tmp_path / "in", files), "coco", tmp_path / "out")
    content = json.loads((tmp_path / "out/annotations/instances_train.json").read_text())
    assert content["annotations"][0]["segmentation"] == [pytest.approx([2, 2, 10, 2, 10, 8])]
    assert content["annotations"][0]["bbox"] == pytest.approx([2, 2, 8, 6])


NAMES = st.lists(
    st.text(min_size=1, max_size=6).map(lambda text: text + "x"), min_size=1, max_size=3
)
SHARE = st.just(0.0) | st.floats(1e-3, 1)


@settings(max_examples=40)
@given(st.data(), NAMES)
def test_round_trip_through_all_forms(data: st.DataObject, names: list[str]) -> None:
    """COCO to VOC to YOLO to COCO: the same float32 corners, labels, sizes and pictures."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        images, annotations, files = [], [], {}
        for number in range(1, data.draw(st.integers(1, 3)) + 1):
            width, height = data.draw(st.integers(1, 300)), data.draw(st.integers(1, 300))
            files[f"images/{number}.png"] = png(width, height, (number, 0, 0))
            images.append(
                {"id": number, "file_name": f"{number}.png", "width": width, "height": height}
            )
            for x, y, w, h in data.draw(st.lists(st.tuples(*[SHARE] * 4), max_size=4)):
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": number,
                        "category_id": data.draw(st.integers(1, len(names))),
                        "bbox": [
                            x * width,
                            y * height,
                            (1 - x) * w * width,
                            (1 - y) * h * height,
                        ],
                    }
                )
        categories = [{"id": n, "name": name} for n, name in enumerate(names, start=1)]
        files["annotations/instances_train.json"] = {
            "images": images,
            "annotations": annotations,
            "categories": categories,
        }
        place = lay_out(root / "start", files)
        start = open_detection(place)
        for form in ("voc", "yolo", "coco"):
            done = convert_detection(place, form, root / form)
            place = root / form
            there = open_detection(place)
            assert there.classes == start.classes == done.classes
            assert [len(s.boxes) for s in there.samples] == [len(s.boxes) for s in start.samples]
            for a, b in zip(there.samples, start.samples, strict=True):
                assert (a.width, a.height) == (b.width, b.height)
                assert a.labels.tolist() == b.labels.tolist()
                assert a.boxes.tolist() == b.boxes.tolist()
            assert there.read(0).tolist() == start.read(0).tolist()


@pytest.mark.parametrize("form", FORMS)
def test_boxes_at_the_end_of_what_decimals_hold(tmp_path: Path, form: str) -> None:
    """A corner closer to 0 than 1e-8 pixels: near, and never lost."""
    boxes = [{"bbox": box} for box in ([0, 0, 1e-20, 3], [1e-9, 1e-12, 1e-9, 1e-3], [0, 0, 20, 10])]
    place = coco_place(tmp_path / "in", coco(boxes))
    convert_detection(place, form, tmp_path / form)
    (start,), (there,) = open_detection(place).samples, open_detection(tmp_path / form).samples
    assert len(there.boxes) == 3
    assert np.allclose(there.boxes, start.boxes, rtol=0, atol=1e-14)


def test_several_splits_with_other_classes_and_the_same_names(tmp_path: Path) -> None:
    files = {
        "annotations/instances_train.json": coco([{}], categories=[{"id": 1, "name": "cat"}]),
        "annotations/instances_val.json": coco([{}], categories=[{"id": 1, "name": "dog"}]),
        "images/train/1.png": png(colour=(1, 1, 1)),
        "images/val/1.png": png(colour=(2, 2, 2)),
    }
    place = lay_out(tmp_path / "in", files)
    for form in FORMS:
        done = convert_detection(place, form, tmp_path / form)
        assert detection_splits(tmp_path / form) == ("train", "val")
        for split, name, colour in (("train", "cat", 1), ("val", "dog", 2)):
            whole = open_detection(tmp_path / form, split)
            assert whole.classes == ("cat", "dog")
            assert whole.classes[whole.samples[0].labels[0]] == name
            assert whole.read(0)[0, 0, 0] == colour
        renamed = "1 picture got another name: 1.png to 1-2.png" in losses(done)
        assert renamed == (form != "yolo")
    only = convert_detection(place, "voc", tmp_path / "only", splits=["val"])
    assert only.classes == ("dog",) and list(only.pictures) == ["val"]


def test_pictures_with_difficult_names(tmp_path: Path) -> None:
    names = ["a/x.png", "b/x.png", "X.PNG", "x.jpg", "raw", ".hidden.png", "a:b?.png", "x-2.png"]
    images = [
        {"id": n, "file_name": name, "width": 20, "height": 10} for n, name in enumerate(names)
    ]
    files: dict[str, Any] = {
        f"images/{name}": png(colour=(n, 0, 0)) for n, name in enumerate(names)
    }
    files["annotations/instances_train.json"] = {**coco(), "images": images}
    place = lay_out(tmp_path / "in", files)
    for form in FORMS:
        convert_detection(place, form, tmp_path / form)
        whole = open_detection(tmp_path / form)
        assert sorted(whole.read(n)[0, 0, 0] for n in range(len(whole))) == list(range(8))
        assert len({Path(s.path).name.casefold() for s in whole.samples}) == 8


def test_into_a_pack_and_out_of_it(tmp_path: Path, rich: Path) -> None:
    for form in FORMS:
        pack = tmp_path / f"{form}.zip"
        convert_detection(rich, form, pack)
        assert len(open_detection(pack)) == 2
        convert_detection(pack, "coco", tmp_path / form)
        assert len(open_detection(tmp_path / form)) == 2
    assert {p.name for p in tmp_path.iterdir()} == {"rich", *FORMS, *(f"{f}.zip" for f in FORMS)}


def test_links(rich: Path, tmp_path: Path) -> None:
    convert_detection(rich, "yolo", tmp_path / "out", link=True)
    assert (tmp_path / "out/images/train/b.png").samefile(rich / "images/b.png")
    for bad in (tmp_path / "out.zip", coco_place(tmp_path / "p", coco([{}]), packed=True)):
        source, target = (rich, bad) if bad.stem == "out" else (bad, tmp_path / "other")
        with pytest.raises(OptionError, match="--link"):
            convert_detection(source, "voc", target, link=True)
        assert not target.exists()


def test_pictures_that_would_stop_a_training_are_left_out(tmp_path: Path) -> None:
    content = coco([{}, {"image_id": 2}, {"image_id": 3}], images=3)
    place = coco_place(tmp_path / "in", content)
    (place / "images/2.png").write_bytes(png(10, 20))
    (place / "images/3.png").write_bytes(b"")
    done = convert_detection(place, "yolo", tmp_path / "out")
    assert done.pictures == {"train": 1} and done.boxes == {"train": 1}
    told = str(done.problems[-1])
    assert "2 pictures can't be used and were left out" in told and "says 20 x 10" in told
    (place / "images/1.png").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"nothing of .* can be converted"):
        convert_detection(place, "yolo", tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_nothing_is_overwritten(rich: Path, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    lay_out(taken, {"x": "mine"})
    (tmp_path / "file").write_text("mine")
    (tmp_path / "a.zip").write_text("mine")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for place in (taken, tmp_path / "file", tmp_path / "a.zip", tmp_path / "dangling", rich):
        with pytest.raises(DatasetError, match="is there already"):
            convert_detection(rich, "voc", place)
    assert (taken / "x").read_text() == "mine"
    (tmp_path / "empty").mkdir()
    convert_detection(rich, "voc", tmp_path / "empty")
    convert_detection(rich, "voc", tmp_path / "new/deep")
    assert len(open_detection(tmp_path / "new/deep")) == 2


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError(28, "No space left on device")])
@pytest.mark.parametrize("name", ["out", "out.zip"])
def test_nothing_half_written_stays(rich: Path, tmp_path: Path, stop: Any, name: str) -> None:
    def track(items: Iterable[Any], total: int) -> Iterable[Any]:
        assert total == 2
        for number, item in enumerate(items):
            if number == 1:
                raise stop
            yield item

    wanted = DatasetError if isinstance(stop, OSError) else KeyboardInterrupt
    with pytest.raises(wanted):
        convert_detection(rich, "yolo", tmp_path / name, track=track)
    assert [p.name for p in tmp_path.iterdir()] == ["rich"]


def test_places_that_cannot_be_written(rich: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match="cannot be written"):
        convert_detection(rich, "voc", tmp_path / "file/below")
    if os.geteuid() != 0:
        (tmp_path / "locked").mkdir(mode=0o500)
        with pytest.raises(DatasetError, match="cannot be written"):
            convert_detection(rich, "voc", tmp_path / "locked/below")


def test_bad_options(rich: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="no form 'coc'; did you mean 'coco'"):
        convert_detection(rich, "coc", tmp_path / "out")
    with pytest.raises(DatasetError, match="no split 'vall'; it has: train"):
        convert_detection(rich, "voc", tmp_path / "out", splits=["vall"])
    one = rich / "annotations/instances_train.json"
    with pytest.raises(OptionError, match="is one split"):
        convert_detection(one, "voc", tmp_path / "out", splits=["a", "b"])
    with pytest.raises(OptionError, match="can't be the name of a split"):
        convert_detection(one, "voc", tmp_path / "out", splits=["../x"])
    done = convert_detection(one, "yolo", tmp_path / "out", splits=["extra"])
    assert detection_splits(tmp_path / "out") == ("extra",) and done.pictures == {"extra": 2}


def test_a_pack_through_all_forms(shared_data: Path, tmp_path: Path) -> None:
    place: Path = shared_data / "det_openobj.zip"
    start = {split: open_detection(place, split) for split in ("train", "val")}
    for form in ("voc", "yolo", "coco"):
        done = convert_detection(place, form, tmp_path / form)
        assert done.pictures == {"train": 81, "val": 17}
        assert done.boxes == {"train": 116, "val": 26}
        place = tmp_path / form
        for split, wanted in start.items():
            assert same_order(open_detection(place, split)) == same_order(wanted)
    shutil.rmtree(tmp_path)


def same_order(whole: Any) -> list[Any]:
    """Boxes by the name of their picture: readers of folders sort, COCO files have an order."""
    return sorted(
        (Path(s.path).name, s.boxes.tolist(), s.labels.tolist(), s.width, s.height)
        for s in whole.samples
    )
