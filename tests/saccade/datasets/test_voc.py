"""Pascal VOC files, good and bad."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from box_sets import lay_out, png, reasons, voc, voc_object
from saccade.datasets.detection import detection_splits, open_detection
from saccade.datasets.voc import parse_xml
from saccade.errors import DatasetError, ImageError

GOOD: dict[str, Any] = {
    "Annotations/a.xml": voc(
        voc_object("dog", (1, 1, 20, 10)),
        voc_object("Bär", (2.5, 3, 4, 6), "<difficult>1</difficult><truncated>1</truncated>"),
        filename="a.png",
    ),
    "Annotations/b.xml": voc(),
    "Annotations/c.xml": voc(voc_object("ant")),
    "JPEGImages/a.png": png(),
    "JPEGImages/b.png": png(),
    "JPEGImages/c.png": png(),
    "ImageSets/Main/train.txt": "a\nb\n",
    "ImageSets/Main/val.txt": "c 1\r\n\n",
    "ImageSets/Main/dog_train.txt": "a 1\nb -1\n",
    "ImageSets/Main/trainval.txt": "a\nb\nc\n",
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("prefix", ["", "VOCdevkit/VOC2007/"])
def test_a_small_set(tmp_path: Path, packed: bool, prefix: str) -> None:
    files = {prefix + name: content for name, content in GOOD.items()}
    place = lay_out(tmp_path, files, packed)
    place = place if packed or not prefix else place / "VOCdevkit"
    assert detection_splits(place) == ("train", "val")
    whole = open_detection(place)
    assert whole.classes == ("Bär", "ant", "dog") and whole.category_ids == (1, 2, 3)
    first, second = whole.samples
    # Pixels count from 1, and the last one belongs to the box.
    assert first.boxes.tolist() == [[0, 0, 20, 10], [1.5, 2, 4, 6]]
    assert first.labels.tolist() == [2, 0]
    assert first.crowd.tolist() == first.difficult.tolist() == [False, True]
    assert first.areas.tolist() == [200, 10]
    assert (second.image_id, second.boxes.shape) == (2, (0, 4))
    assert whole.read(0).shape == (10, 20, 3)
    assert open_detection(place, "val").samples[0].labels.tolist() == [1]
    assert len(open_detection(place, "trainval")) == 3
    details = open_detection(place, details=True).samples[0].details
    assert details == ({}, {"truncated": 1})


def test_a_list_of_classes_fixes_their_order(tmp_path: Path) -> None:
    files = {**GOOD, "label_list.txt": "zebra\ndog\nant\n"}
    whole = open_detection(lay_out(tmp_path, files))
    assert whole.classes == ("zebra", "dog", "ant")
    assert "1 box has a class that the list of classes lacks and was left out: 'Bär'" in reasons(
        whole
    )


@pytest.mark.parametrize("packed", [False, True])
def test_other_layouts(tmp_path: Path, packed: bool) -> None:
    flat = {"a.xml": voc(voc_object()), "a.png": png()}
    raccoon = {"annotations/a.xml": voc(voc_object()), "images/a.png": png()}
    roboflow = {
        f"{split}/{name}": content for split in ("train", "valid") for name, content in flat.items()
    }
    for number, files in enumerate((flat, raccoon, roboflow)):
        place = lay_out(tmp_path / str(number), files, packed)
        assert open_detection(place).samples[0].boxes.tolist() == [[1, 2, 4, 6]]
    assert detection_splits(place) == ("train", "val")


BAD_OBJECTS = {
    voc_object(box=(3, 3, 2, 6)): "1 box without width or height was left out: a.png",
    voc_object(box=(30, 3, 40, 6)): "1 box lies wholly outside its picture",
    voc_object(box=(3, 3, "x", 6)): "1 object has no name or no box of four finite numbers",
    voc_object(box=(3, 3, "nan", 6)): "1 object has no name or no box",
    voc_object(box=(3, 3, "1_0", 6)): "1 object has no name or no box",
    voc_object(box=(3, 3)): "1 object has no name or no box",
    voc_object(name=" "): "1 object has no name or no box",
    "<object><name>cat</name></object>": "1 object has no name or no box",
}


@pytest.mark.parametrize("bad", BAD_OBJECTS)
def test_a_bad_object_is_left_out_and_told(tmp_path: Path, bad: str) -> None:
    files = {"Annotations/a.xml": voc(bad, voc_object()), "JPEGImages/a.png": png()}
    whole = open_detection(lay_out(tmp_path, files))
    assert whole.samples[0].boxes.tolist() == [[1, 2, 4, 6]]
    (problem,) = whole.problems
    assert BAD_OBJECTS[bad] in problem.reason


def test_boxes_over_the_border(tmp_path: Path) -> None:
    objects = voc_object(box=(0, 0, 4, 6)), voc_object(box=(-5, 2, 25, 6))
    files = {"Annotations/a.xml": voc(*objects), "JPEGImages/a.png": png()}
    whole = open_detection(lay_out(tmp_path, files))
    assert whole.samples[0].boxes.tolist() == [[0, 0, 4, 6], [0, 1, 20, 6]]
    assert "1 box begins at pixel 0" in reasons(whole)
    assert "1 box reaches outside its picture and was clipped" in reasons(whole)


BROKEN: list[tuple[str | bytes, str]] = [
    ("", "broken XML"),
    ("<annotation>", "broken XML"),
    ("<a/>", "its root is <a>"),
    ("no xml", "broken XML"),
    (b"\xff\xfe\x00", "broken XML"),
    ('<!DOCTYPE annotation SYSTEM "x"><annotation/>', "DTD"),
    ('<!DOCTYPE a [<!ENTITY x "y">]><annotation>&x;</annotation>', "DTD"),
    ('<?xml version="1.0" encoding="wat-7"?><annotation/>', "encoding"),
    ('<?xml version="1.0"?><!DOCTYPE a []><annotation/>'.encode("utf-16"), "DTD"),
]


@pytest.mark.parametrize(("text", "reason"), BROKEN)
def test_a_broken_file_is_left_out_and_told(tmp_path: Path, text: str | bytes, reason: str) -> None:
    files = {**GOOD, "Annotations/b.xml": text}
    whole = open_detection(lay_out(tmp_path, files))
    assert len(whole) == 1
    assert "1 file is broken and was left out: b.xml" in reasons(whole)
    assert reason in reasons(whole)


def test_an_annotation_of_many_megabytes_is_refused() -> None:
    with pytest.raises(ValueError, match="too many"):
        parse_xml(b"<annotation>" + b" " * 2**24 + b"</annotation>")


def test_deep_nesting_is_read_or_refused() -> None:
    parse_xml(b"<a>" * 50_000 + b"</a>" * 50_000)


def test_pictures_and_annotations_that_are_missing(tmp_path: Path) -> None:
    files = {**GOOD, "ImageSets/Main/train.txt": "a\nb\nb\nnone\n"}
    del files["JPEGImages/b.png"]
    whole = open_detection(lay_out(tmp_path, files))
    assert len(whole) == 1
    told = reasons(whole)
    assert "1 picture is missing and was left out: the one of b.xml" in told
    assert "1 picture of the split has no annotation file and was left out: none" in told
    assert "1 picture is listed twice in the split" in told
    del files["JPEGImages/a.png"]
    with pytest.raises(DatasetError, match="no usable annotation with its picture"):
        open_detection(lay_out(tmp_path / "again", files))


def test_sizes_that_are_missing_or_wrong(tmp_path: Path) -> None:
    files = {
        "Annotations/a.xml": voc(voc_object(), size=(0, 0)),
        "Annotations/b.xml": voc(voc_object(), size=(10, 20)),
        "Annotations/c.xml": voc(voc_object(), size=(0, 0)),
        "JPEGImages/a.png": png(),
        "JPEGImages/b.png": png(),
        "JPEGImages/c.png": b"",
    }
    whole = open_detection(lay_out(tmp_path, files))
    assert (whole.samples[0].width, whole.samples[0].height) == (20, 10)
    assert "1 picture has no size in its file and can't be read" in reasons(whole)
    with pytest.raises(ImageError, match=r"20 x 10 pixels, but its annotation says 10 x 20"):
        whole.read(1)


def test_no_object_anywhere(tmp_path: Path) -> None:
    files = {"Annotations/a.xml": voc(), "JPEGImages/a.png": png()}
    with pytest.raises(DatasetError, match=r"no object in any file.*classes\.txt"):
        open_detection(lay_out(tmp_path, files))
    whole = open_detection(lay_out(tmp_path, {**files, "classes.txt": "cat\n"}))
    assert whole.box_count == 0 and "no picture has a box that counts" in reasons(whole)


def test_parts_of_a_person_are_no_objects(tmp_path: Path) -> None:
    part = voc_object("person", (1, 1, 9, 9)).replace(
        "</object>", "<part><name>head</name><bndbox><xmin>1</xmin></bndbox></part></object>"
    )
    files = {"Annotations/a.xml": voc(part), "JPEGImages/a.png": png()}
    whole = open_detection(lay_out(tmp_path, files))
    assert whole.classes == ("person",) and whole.samples[0].boxes.tolist() == [[0, 0, 9, 9]]


@given(st.binary(max_size=60))
def test_any_bytes_are_parsed_or_refused(data: bytes) -> None:
    for text in (data, b"<annotation>" + data + b"</annotation>"):
        with suppress(ValueError):
            parse_xml(text)


def test_names_in_lists_may_have_blanks_endings_and_folders(tmp_path: Path) -> None:
    files = {
        "Annotations/my photo 1.xml": voc(voc_object()),
        "Annotations/b.xml": voc(voc_object()),
        "JPEGImages/my photo 1.png": png(),
        "JPEGImages/b.png": png(),
        "ImageSets/Main/train.txt": "my photo 1\nsome/where/b.jpg\n",
    }
    whole = open_detection(lay_out(tmp_path, files))
    assert [Path(s.path).stem for s in whole.samples] == ["my photo 1", "b"]
    assert whole.problems == () and np.array_equal(whole.samples[1].labels, [0])
