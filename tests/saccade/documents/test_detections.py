from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from saccade.documents.detections import YoloFolder, to_coco, write_coco
from saccade.errors import ImageError
from saccade.results import Detections

CLASSES = ("dog", "traffic\nlight")


def found(image: str = "a.jpg", **changes: Any) -> Detections:
    return Detections(
        image, 100, 50, [[10, 10, 30, 20], [0, 0, 50, 50]], [0.9, 0.5], CLASSES, [0, 1], **changes
    )


def nothing(image: str = "b.jpg") -> Detections:
    return Detections(image, 100, 50, [], [], (), [])  # type: ignore[arg-type]


def test_coco_counts_pictures_and_annotations_from_one() -> None:
    document = to_coco([nothing(), found(), found("clip.mp4", frame=3)], CLASSES)
    assert [image["id"] for image in document["images"]] == [1, 2, 3]
    assert [image.get("frame") for image in document["images"]] == [None, None, 3]
    assert [item["id"] for item in document["annotations"]] == [1, 2, 3, 4]
    assert [item["image_id"] for item in document["annotations"]] == [2, 2, 3, 3]
    assert [item["area"] for item in document["annotations"][:2]] == [200, 2500]
    # Annotations are entries of a result file too.
    for item, entry in zip(document["annotations"], found().to_coco(2), strict=False):
        assert entry.items() <= item.items()


def test_coco_of_nothing() -> None:
    assert to_coco([], CLASSES) == {
        "images": [],
        "annotations": [],
        "categories": [{"id": 1, "name": "dog"}, {"id": 2, "name": "traffic\nlight"}],
    }


def test_a_coco_file_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    write_coco(tmp_path / "found.json", [found()], CLASSES)
    assert json.loads((tmp_path / "found.json").read_text()) == to_coco([found()], CLASSES)
    assert len(list(tmp_path.iterdir())) == 1
    with pytest.raises(ImageError, match="cannot write"):
        write_coco(tmp_path / "no" / "found.json", [found()], CLASSES)


def test_yolo_files_are_named_after_their_pictures(tmp_path: Path) -> None:
    folder = YoloFolder(tmp_path / "deep" / "labels", CLASSES)
    names = [
        folder.write(item).name
        for item in (
            *(found("x/a.jpg"), found("y/a.jpg"), found("y/a.png"), nothing()),
            *(found("clip.mp4", frame=7), found("camera:0", frame=7), found("classes.jpg")),
        )
    ]
    assert names == [
        *("a.txt", "a-2.txt", "a-3.txt", "b.txt"),
        *("clip-000007.txt", "camera-0-000007.txt", "classes-2.txt"),
    ]
    # A class is a line, whatever its name.
    classes = (tmp_path / "deep" / "labels" / "classes.txt").read_text()
    assert classes.splitlines() == ["dog", "traffic light"]
    plain = folder.write(found("c.jpg")).read_text()
    assert plain == found().to_yolo()
    assert folder.write(found("c.jpg"), scores=True).read_text().splitlines()[0].endswith(" 0.9")


def test_yolo_in_a_place_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ImageError, match="cannot be made a folder"):
        YoloFolder(tmp_path / "file", CLASSES)
