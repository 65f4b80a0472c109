"""``saccade read`` and ``saccade look`` as a user calls them, with toy models."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from saccade import zoo
from saccade.cli.app import main
from saccade.results import Page
from toymodel import write_toy_classifier
from toytext import write_detector, write_direction, write_page, write_recogniser

LINES = {(40, 30): "rgb rr", (40, 100): "bb"}


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_detector(folder / "det.onnx")
    write_direction(folder / "cls.onnx")
    write_recogniser(folder / "rec.onnx")
    write_recogniser(folder / "bare.onnx", foreign=True, metadata=False)
    return folder


@pytest.fixture
def place(tmp_path: Path, monkeypatch) -> Path:
    first, second = write_page(LINES), write_page({(40, 30): "gg"})
    Image.fromarray(first).save(tmp_path / "a.png")
    Image.fromarray(second).save(tmp_path / "b.png")
    frames = Image.fromarray(first), Image.fromarray(second)
    frames[0].save(tmp_path / "two.tif", save_all=True, append_images=frames[1:])
    (tmp_path / "empty.png").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def read(models: Path, place: Path, capsys):
    def call(*arguments: str, det: str = "det.onnx", rec: str = "rec.onnx") -> tuple[int, str, str]:
        options = ["--det", str(models / det), "--rec", str(models / rec), "--threads", "1"]
        code = main(["read", *options, "--orient", str(models / "cls.onnx"), *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_plain_text(read) -> None:
    code, out, err = read("a.png", "b.png")
    assert (code, err) == (0, "")
    first, second = out.split("\f")
    assert first.split() == ["rgb", "rr", "bb"] and second.split() == ["gg"]
    assert read("--text", "a.png")[1] == first


def test_json_of_several_and_bad_input(read) -> None:
    code, out, err = read("empty.png", "a.png", "nope.png", "two.tif", "--json")
    assert code == 1
    pages = [Page.from_dict(json.loads(line)) for line in out.splitlines()]
    assert [(page.image, page.number, page.text) for page in pages] == [
        ("a.png", 1, "rgb rr\nbb"),
        ("two.tif", 1, "rgb rr\nbb"),
        ("two.tif", 2, "gg"),
    ]
    lines = err.splitlines()
    assert len(lines) == 2
    assert any("empty.png is empty" in line for line in lines)
    assert any("no such file: nope.png" in line for line in lines)


def test_folders_hold_pictures_and_documents(read, place: Path) -> None:
    (place / "scans").mkdir()
    Image.open(place / "a.png").save(place / "scans" / "x.pdf", resolution=200)
    Image.open(place / "b.png").save(place / "scans" / "y.png")
    (place / "scans" / "notes.txt").touch()
    code, out, err = read("scans", "--json")
    found = [json.loads(line)["image"] for line in out.splitlines()]
    if "pip install 'saccade[pdf]'" in err:
        pytest.skip("the 'pdf' extra reads PDF")
    assert (code, found) == (0, ["scans/x.pdf", "scans/y.png"])


@pytest.mark.parametrize(
    ("form", "beginning"), [("--tsv", "level\t"), ("--hocr", "<?xml"), ("--alto", "<?xml")]
)
def test_forms_of_one_document(read, place: Path, form: str, beginning: str) -> None:
    code, out, err = read("a.png", "b.png", form)
    assert (code, err) == (0, "")
    assert out.startswith(beginning) and "rgb" in out and "gg" in out
    assert read("a.png", "b.png", form, "--out", "answer.txt")[:2] == (0, "")
    assert (place / "answer.txt").read_text(encoding="utf-8") == out


def test_out_takes_json_and_text(read, place: Path) -> None:
    assert read("a.png", "--json", "-o", "a.jsonl")[:2] == (0, "")
    assert json.loads((place / "a.jsonl").read_text())["lines"][0]["text"] == "rgb rr"
    assert read("a.png", "-o", "a.txt")[:2] == (0, "")
    assert (place / "a.txt").read_text().split() == ["rgb", "rr", "bb"]


def test_characters(read) -> None:
    page = json.loads(read("a.png", "--json", "--characters")[1])
    assert [c["text"] for c in page["lines"][0]["words"][0]["characters"]] == ["r", "g", "b"]
    page = json.loads(read("a.png", "--json")[1])
    assert page["lines"][0]["words"][0]["characters"] == []


def test_draw_and_pdf(read, place: Path) -> None:
    code, _, err = read("a.png", "two.tif", "--draw", "drawn", "--pdf", "all.pdf")
    assert (code, err) == (0, "")
    assert sorted(path.name for path in (place / "drawn").iterdir()) == [
        "a.png",
        "two-1.tif",
        "two-2.tif",
    ]
    assert (place / "all.pdf").read_bytes().startswith(b"%PDF")
    assert read("two.tif", "--draw", "page.png")[0] == 0
    assert (place / "page-1.png").exists() and (place / "page-2.png").exists()
    assert read("a.png", "--draw", "one.png")[0] == 0
    assert (place / "one.png").exists()


def test_no_pdf_without_pages(read, place: Path) -> None:
    code, _, err = read("empty.png", "--pdf", "all.pdf")
    assert code == 1 and "all.pdf: not written" in err
    assert not (place / "all.pdf").exists()


def test_places_are_checked_before_the_work(read, place: Path) -> None:
    for option in ("--out", "--pdf"):
        code, out, err = read("a.png", option, "gone/x.txt")
        assert (code, out) == (1, "")
        assert "gone/x.txt: lies in a folder that does not exist" in err
        (place / "folder").mkdir(exist_ok=True)
        assert "folder: is a folder" in read("a.png", option, "folder")[2]


def test_two_forms_are_one_too_many(read) -> None:
    code, _, err = read("a.png", "--json", "--tsv")
    assert code == 2 and "--json and --tsv: choose one form" in err


def test_scores_words_and_dictionaries(read, place: Path) -> None:
    assert read("a.png", "--min-score", "1")[1].strip() == ""
    code, _, err = read("a.png", "--min-score", "7")
    assert code == 1 and "min_score is 7.0" in err
    (place / "words.txt").write_text("rgb\nbb\nr\n")
    assert read("a.png", "--words", "words.txt")[1].split() == ["rgb", "r", "bb"]
    (place / "words.txt").write_text("")
    assert "holds no word" in read("a.png", "--words", "words.txt")[2]
    assert "names no characters; give its dictionary" in read("a.png", rec="bare.onnx")[2]
    (place / "dict.txt").write_text("x\ny\nz\n")
    code, _, err = read("a.png", "--dict", "dict.txt", rec="bare.onnx")
    assert (code, err) == (0, "")


def test_without_models_one_line_says_what_is_missing(place, monkeypatch, capsys) -> None:
    monkeypatch.setattr(zoo, "MODELS", place)
    assert main(["read", "a.png"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "db_r10_latin (text_detect) and crnn_latin (text_recognise)" in line
    assert "--det FILE --rec FILE" in line


def test_direction_may_be_left_out(models: Path, place: Path, capsys) -> None:
    options = ["--det", str(models / "det.onnx"), "--rec", str(models / "rec.onnx")]
    assert main(["read", "a.png", *options, "--orient", "none"]) == 0
    assert capsys.readouterr().out.split() == ["rgb", "rr", "bb"]
    assert main(["read", "a.png", *options, "--orient", "gone.onnx"]) == 1
    assert "no model 'gone.onnx'" in capsys.readouterr().err


def test_as_a_program(models: Path, place: Path) -> None:
    command = [sys.executable, "-m", "saccade", "read", "a.png", "--orient", "none"]
    models_ = ["--det", str(models / "det.onnx"), "--rec", str(models / "rec.onnx")]
    done = subprocess.run([*command, *models_], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == ["rgb", "rr", "bb"]


def test_look_reads_what_it_can(models: Path, place: Path, monkeypatch, capsys) -> None:
    shelf = place / "zoo"
    shelf.mkdir()
    write_toy_classifier(shelf / "toy.onnx")
    monkeypatch.setattr(zoo, "MODELS", shelf)
    monkeypatch.setattr(zoo, "DEFAULT", {**zoo.DEFAULT, "classify": "toy"})
    assert main(["look", "a.png", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["lines"] == []
    for task, name in (("text_detect", "det"), ("text_recognise", "rec")):
        (shelf / f"{zoo.DEFAULT[task]}.onnx").write_bytes((models / f"{name}.onnx").read_bytes())
    assert main(["look", "a.png", "empty.png", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert [line["text"] for line in found["lines"]] == ["rgb rr", "bb"]
    assert found["image"] == "a.png" and len(found["objects"]) == 1
    assert main(["look", "a.png"]) == 0
    assert "a.png reads:\n  rgb rr\n  bb\n" in capsys.readouterr().out
    assert main(["look", "a.png", "--json", "--no-text"]) == 0
    assert json.loads(capsys.readouterr().out)["lines"] == []
