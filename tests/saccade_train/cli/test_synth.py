"""``saccade synth`` as a user meets it."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageFont

from saccade.cli.app import main
from saccade.datasets.detection import open_detection
from saccade.imaging.read import read_image


@pytest.fixture(scope="module")
def font_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    face = ImageFont.load_default(12)
    assert isinstance(face, ImageFont.FreeTypeFont)
    assert isinstance(face.path, io.BytesIO)
    path = tmp_path_factory.mktemp("fonts") / "Aileron.otf"
    path.write_bytes(face.path.getvalue())
    return path


def saccade(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "saccade.cli.app", "synth", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_lines_do_not_depend_on_the_number_of_workers(tmp_path: Path, font_file: Path) -> None:
    words = ("--count", 6, "--preset", "mixed", "--seed", 3, "--fonts", font_file)
    first = saccade("lines", tmp_path / "one", *words)
    assert first.returncode == 0, first.stderr
    assert first.stdout == ""
    # The font inside Pillow lacks accents: said once, and gone on without.
    told, summary = first.stderr.splitlines()
    assert "left out" in told
    assert summary.endswith("6 lines, 1 fonts")
    second = saccade("lines", tmp_path / "two", *words, "--workers", 2)
    assert second.returncode == 0, second.stderr
    assert (tmp_path / "one/rec.txt").read_bytes() == (tmp_path / "two/rec.txt").read_bytes()
    for path in sorted((tmp_path / "one/images").iterdir()):
        assert path.read_bytes() == (tmp_path / "two/images" / path.name).read_bytes()
        assert read_image(path).shape[0] == 32


def test_pages(tmp_path: Path, font_file: Path) -> None:
    out = tmp_path / "pages"
    words = [
        *("pages", str(out), "--count", "2", "--preset", "receipt", "--side", "400", "450"),
        *("--fonts", str(font_file), "--crops", "--format", "png"),
    ]
    assert main(["synth", *words]) == 0
    for row in (out / "det.txt").read_text(encoding="utf-8").splitlines():
        path, boxes = row.split("\t")
        assert max(read_image(out / path).shape) < 800
        assert all(len(box["points"]) == 4 and box["transcription"] for box in json.loads(boxes))
    assert (out / "rec.txt").read_text(encoding="utf-8").count("\n") >= 10


def test_a_text_and_an_alphabet_of_ones_own(tmp_path: Path, font_file: Path) -> None:
    (tmp_path / "text.txt").write_text("quokka\n")
    (tmp_path / "alphabet.txt").write_text("q\nu\no\nk\na\n")
    words = [
        *("lines", str(tmp_path / "out"), "--count", "30", "--length", "2", "9"),
        *("--text", str(tmp_path / "text.txt"), "--alphabet", str(tmp_path / "alphabet.txt")),
        *("--fonts", str(font_file), "--height", "0"),
    ]
    assert main(["synth", *words]) == 0
    texts = [
        row.split("\t")[1] for row in (tmp_path / "out/rec.txt").read_text("utf-8").splitlines()
    ]
    assert len(texts) == 30
    assert all(2 <= len(text) <= 9 and set(text) <= set("quoka") for text in texts)
    assert any("quokka" in text for text in texts)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--fonts", "missing"], "fonts missing: no such file or folder"),
        (["--fonts", "{tmp}"], "covers half of the alphabet"),
        (["--fonts", "{font}", "--alphabet", "{tmp}/cyrillic.txt"], "covers half of the alphabet"),
        (["--fonts", "{font}", "--alphabet", "{tmp}/mixed.txt"], "no font has these 1 characters"),
        (["--fonts", "{font}", "--alphabet", "{tmp}/bad.txt"], "is not one character"),
        (["--fonts", "{font}", "--alphabet", "{tmp}/hebrew.txt"], "run from the right"),
        (["--fonts", "{font}", "--text", "{tmp}/none.txt"], "cannot be read"),
        (["--fonts", "{font}", "--preset", "recipe"], "did you mean 'receipt'"),
        (["--fonts", "{font}", "--height", "3"], "height 3: expected 8 to 512"),
        (["--fonts", "{font}", "--length", "9", "2"], "length"),
        (["--fonts", "{font}", "--split", "held-out", "--held-out", "0"], "the set is empty"),
        (["--fonts", "{font}", "--held-out", "2", "--split", "train"], "share from 0 to 1"),
    ],
)
def test_bad_input_costs_one_line(
    tmp_path: Path,
    font_file: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    message: str,
) -> None:
    for name, text in (("cyrillic", "ж\nы\n"), ("mixed", "a\nb\nж\n"), ("bad", "ab\n"),
                       ("hebrew", "א\nב\n")):  # fmt: skip
        (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8")
    out = tmp_path / "out"
    filled = [word.format(tmp=tmp_path, font=font_file) for word in words]
    assert main(["synth", "lines", str(out), "--count", "2", *filled]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if message in line], lines
    assert len([line for line in lines if "left out" not in line]) == 1
    assert not out.exists()


def test_bad_input_in_a_process_of_its_own(tmp_path: Path, font_file: Path) -> None:
    (tmp_path / "file").write_text("")
    done = saccade("lines", tmp_path / "file", "--fonts", font_file, "--count", 1)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("is a file; give a folder")
    assert "Traceback" not in done.stderr


def test_help_shows_examples(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["synth", "--help"], ["synth", "lines", "--help"], ["synth", "pages", "--help"]):
        assert main(words) == 0
        assert "saccade synth pages" in capsys.readouterr().out or words[1] == "lines"
    assert main(["synth", "line"]) == 2


@pytest.fixture
def studio(tmp_path: Path) -> Path:
    """Two things on white, one in a folder of its own, and a picture without a plain ground."""
    folder = tmp_path / "studio"
    (folder / "jar").mkdir(parents=True)
    for path, box in ((folder / "box.png", (8, 20)), (folder / "jar/1.png", (20, 8))):
        image = Image.new("RGB", (64, 64), "white")
        image.paste((30, 60, 200), (box[0], box[1], 64 - box[0], 64 - box[1]))
        image.save(path)
    Image.linear_gradient("L").save(folder / "gradient.png")
    return folder


def test_things_are_pasted_as_coco_and_can_be_trained_on(tmp_path: Path, studio: Path) -> None:
    out = tmp_path / "pasted.zip"
    done = saccade(
        "objects", studio, out, "--count", 12, "--side", 96, "--most", 3, "--packages", 0.5
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    *told, summary = done.stderr.splitlines()
    assert len([line for line in told if "gradient.png" in line and "not plain" in line]) == 1
    assert summary.endswith("12 pictures of 2 cut-outs, 1 left out")
    pictures = open_detection(out, "train")
    assert pictures.classes == ("box", "jar", "package")
    assert len(pictures) == 12
    assert not pictures.problems
    assert pictures.box_count >= 12
    assert pictures.read(3).shape == (96, 96, 3)


def test_a_pack_that_is_there_is_not_overwritten(tmp_path: Path, studio: Path) -> None:
    (tmp_path / "pasted.zip").write_text("mine")
    done = saccade("objects", studio, tmp_path / "pasted.zip", "--count", 1)
    assert done.returncode != 0
    assert done.stderr.count("\n") == 1 or "gradient" in done.stderr
    assert "is there already" in done.stderr
    assert (tmp_path / "pasted.zip").read_text() == "mine"


@pytest.mark.parametrize("missing", ["nowhere", "gradient"])
def test_nothing_to_cut_out_is_one_line(tmp_path: Path, studio: Path, missing: str) -> None:
    place = tmp_path / "nowhere" if missing == "nowhere" else studio / "gradient.png"
    done = saccade("objects", place, tmp_path / "out", "--count", 1)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()
