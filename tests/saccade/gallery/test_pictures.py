"""Finding labelled pictures, and adding them: bad ones are listed, known ones recognised."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from saccade.errors import GalleryError, OptionError
from saccade.gallery import (
    Gallery,
    Picture,
    add_pictures,
    create_gallery,
    labelled_folder,
    labelled_list,
    with_label,
)


class ColourEmbedder:
    """The mean colour; enough to tell red from green."""

    name = "colour"
    path = Path("/models/colour.onnx")
    fingerprint = "c" * 64
    dim = 3

    def __init__(self) -> None:
        self.seen = 0

    def batch(self, images: Sequence[np.ndarray]) -> np.ndarray:
        self.seen += len(images)
        means = np.stack([image.reshape(-1, 3).mean(axis=0) for image in images])
        lengths = np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-6)
        return (means / lengths).astype(np.float32)


def paint(path: Path, colour: tuple[int, int, int], size: int = 8) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (size, size), colour).save(path)
    return path


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    root = tmp_path / "shop"
    for label, colour in (("red thing", (200, 20, 20)), ("grün 🍏", (10, 220, 10))):
        for i in range(3):
            paint(root / label / f"{i}.png", colour, size=8 + i)
    paint(root / "red thing" / "deeper" / "x.png", (250, 0, 0))
    return root


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Gallery]:
    with create_gallery(tmp_path / "g", ColourEmbedder()) as gallery:
        yield gallery


def test_the_model_is_remembered(shelf: Gallery, tmp_path: Path) -> None:
    assert (shelf.model, shelf.dim) == ("/models/colour.onnx", 3)
    from saccade import zoo

    embedder = ColourEmbedder()
    embedder.path = zoo.MODELS / "colour.onnx"
    with create_gallery(tmp_path / "shipped", embedder) as other:
        assert other.model == "colour"  # by its name: it moves with the installation


def test_subfolders_are_labels(shop: Path) -> None:
    found = labelled_folder(shop)
    assert found.problems == ()
    labels = [picture.label for picture in found.found]
    assert sorted(set(labels)) == ["grün 🍏", "red thing"]
    assert labels.count("red thing") == 4  # one lies deeper


def test_labels_are_composed_whatever_the_folder_s_encoding(tmp_path: Path) -> None:
    paint(tmp_path / "cafe\u0301" / "1.png", (1, 2, 3))
    assert labelled_folder(tmp_path).found[0].label == "caf\u00e9"


def test_strays_and_empty_folders_are_problems(shop: Path) -> None:
    paint(shop / "stray.png", (1, 2, 3))
    (shop / "empty").mkdir()
    (shop / ".hidden").mkdir()
    found = labelled_folder(shop)
    assert len(found.found) == 7
    assert [Path(problem.where).name for problem in found.problems] == ["empty", "stray.png"]


def test_what_has_no_labels_is_refused(tmp_path: Path) -> None:
    file = paint(tmp_path / "flat" / "1.png", (1, 2, 3))
    with pytest.raises(OptionError, match=r"has no subfolders .* --label"):
        labelled_folder(file.parent)
    with pytest.raises(OptionError, match=r"is a file.*--label"):
        labelled_folder(file)
    with pytest.raises(OptionError, match="does not exist"):
        labelled_folder(tmp_path / "nowhere")


def test_one_label_for_files_and_folders(shop: Path) -> None:
    found = with_label([shop / "red thing", shop / "grün 🍏" / "0.png", shop / "missing.png"], "x")
    assert len(found.found) == 5
    assert {picture.label for picture in found.found} == {"x"}
    assert [problem.where for problem in found.problems] == [str(shop / "missing.png")]


def test_a_list_file(shop: Path) -> None:
    lines = [
        "\ufeff# comment",
        "red thing/0.png\tred",
        "",
        "grün 🍏/1.png\t green thing ",
        "no label",
    ]
    file = shop / "list.tsv"
    file.write_text("\n".join([*lines, "\tonly label", str(shop / "a.png") + "\tabs"]), "utf-8")
    found = labelled_list(file)
    assert found.found == (
        Picture(shop / "red thing/0.png", "red"),
        Picture(shop / "grün 🍏/1.png", "green thing"),
        Picture(shop / "a.png", "abs"),
    )
    assert [problem.where for problem in found.problems] == [f"{file}:5", f"{file}:6"]
    file.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(OptionError, match="not UTF-8"):
        labelled_list(file)
    with pytest.raises(OptionError, match="No such file"):
        labelled_list(shop / "nothing.tsv")


def test_adding_and_adding_again(shelf: Gallery, shop: Path) -> None:
    embedder = ColourEmbedder()
    steps: list[int] = []
    found = labelled_folder(shop).found
    report = add_pictures(shelf, embedder, found, batch=3, on_progress=steps.append)
    assert (report.added, report.duplicates, report.problems) == (7, 0, [])
    assert steps == [3, 3, 1]
    assert shelf.labels() == {"grün 🍏": 3, "red thing": 4}
    assert {item.source for item in shelf.items()} == {str(picture.path) for picture in found}
    again = add_pictures(shelf, embedder, found, batch=3)
    assert (again.added, again.duplicates) == (0, 7)
    assert embedder.seen == 7  # what is known is not embedded again
    nearest = shelf.search(np.array([[0, 1, 0]], np.float32), k=1)
    assert nearest.labels == (("grün 🍏",),)


def test_bad_pictures_are_listed_and_the_others_added(shelf: Gallery, shop: Path) -> None:
    (shop / "red thing" / "empty.png").write_bytes(b"")
    (shop / "red thing" / "text.png").write_text("not a picture")
    whole = (shop / "red thing" / "2.png").read_bytes()
    (shop / "red thing" / "cut.png").write_bytes(whole[: len(whole) - 30])
    paint(shop / "red thing" / "black.png", (0, 0, 0))
    found = (*labelled_folder(shop).found, Picture(shop / "gone.png", "x"), Picture(shop, "folder"))
    report = add_pictures(shelf, ColourEmbedder(), found, batch=4)
    assert report.added == 7
    assert sorted(Path(problem.where).name for problem in report.problems) == sorted(
        ["empty.png", "text.png", "cut.png", "black.png", "gone.png", "shop"]
    )
    assert all("\n" not in str(problem) for problem in report.problems)


def test_blank_labels_and_names_that_are_no_text_are_problems(shelf: Gallery, shop: Path) -> None:
    strange = Path(os.fsdecode(os.fsencode(shop / "red thing") + b"/\xff.png"))
    try:
        strange.write_bytes((shop / "red thing" / "0.png").read_bytes())
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    pictures = [Picture(strange, "x"), Picture(shop / "red thing/0.png", " ")]
    report = add_pictures(shelf, ColourEmbedder(), pictures)
    assert report.added == 0
    assert [
        "not valid UTF-8" in report.problems[0].reason,
        "blank" in report.problems[1].reason,
    ] == [True] * 2


def test_another_model_is_refused_before_any_work(shelf: Gallery, shop: Path) -> None:
    other = ColourEmbedder()
    other.fingerprint = "d" * 64
    with pytest.raises(GalleryError, match="cannot be compared"):
        add_pictures(shelf, other, labelled_folder(shop).found)
    assert other.seen == 0
