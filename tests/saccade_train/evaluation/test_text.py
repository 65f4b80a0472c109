"""Scores of text: functions for any model, and toy models through the command line."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from saccade.cli.app import main
from saccade.datasets.text import (
    TextRegion,
    format_line,
    format_page,
    open_text_lines,
    open_text_pages,
)
from saccade.errors import DatasetError, OptionError, Problem
from saccade.metrics.text import TextRule
from saccade_train.evaluation import (
    evaluate_text,
    score_directions,
    score_lines,
    score_pages,
    score_readings,
)
from toymodel import write_toy_classifier
from toytext import draw_text, write_detector, write_direction, write_page, write_recogniser

TEXTS = ("rgb", "gg b", "brrg")


def corners(box: tuple[int, int, int, int]) -> np.ndarray:
    left, top, right, bottom = box
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pages, their lines cut out, label files with a bad line each, and toy models."""
    folder = tmp_path_factory.mktemp("text")
    pages, lines = [], []
    for number in range(2):
        canvas = write_page({}, (320, 480))
        regions = []
        for row, text in enumerate(TEXTS):
            box = draw_text(canvas, 40 + 30 * number, 40 + 80 * row, text)
            regions.append(TextRegion(corners(box), text))
            line = canvas[box[1] : box[3], box[0] : box[2]]
            name = f"line{number}{row}.png"
            Image.fromarray(line).save(folder / name)
            lines.append(format_line(name, text.upper() if row == 0 else text))
        unreadable = TextRegion(corners((300, 250, 400, 280)), "###")
        Image.fromarray(canvas).save(folder / f"page{number}.png")
        pages.append(format_page(f"page{number}.png", [*regions, unreadable]))
    pages += ['page0.png\t[{"transcription": ', "gone.png\t[]"]
    (folder / "bad.png").write_bytes(b"no picture")
    lines += ["bad.png\tr", "line00.png"]
    (folder / "det_val.txt").write_text("\n".join(pages) + "\n")
    (folder / "rec_val.txt").write_text("\n".join(lines) + "\n")
    write_detector(folder / "det.onnx")
    write_recogniser(folder / "rec.onnx")
    write_recogniser(folder / "foreign.onnx", foreign=True)
    write_direction(folder / "cls.onnx")
    write_toy_classifier(folder / "classify.onnx")
    return folder


def run_cli(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run saccade in another process, in which torch does not exist."""
    code = (
        "import sys; sys.modules.update(dict.fromkeys('torch onnx onnxscript yaml'.split())); "
        "from saccade.cli.app import main; sys.exit(main())"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "SACCADE_THREADS": "1", "OMP_NUM_THREADS": "1"},
        check=False,
    )


def test_lines_are_scored_in_batches(place: Path) -> None:
    lines = open_text_lines(place, "val")
    assert len(lines) == 7
    sizes, told = [], []
    skipped: list[Problem] = []

    def read(crops: list[np.ndarray]) -> list[str]:
        sizes.append(len(crops))
        return ["rgb"] * len(crops)

    found = score_lines(
        read, lines, TextRule(ignore_case=True), batch=4, skipped=skipped, progress=told.append
    )
    assert (sizes, told) == ([4, 2], [4, 3])
    assert found["n"] == 6
    assert found["line_accuracy"] == pytest.approx(2 / 6)
    assert found["cer"] == pytest.approx((0 + 2 + 3) / 11)  # of rgb, gg b, brrg
    assert [Path(problem.where).name for problem in skipped] == ["bad.png"]
    assert score_lines(read, lines)["line_accuracy"] == 0.0  # RGB is written in capitals
    with pytest.raises(OptionError, match="readings"):
        score_lines(lambda _: ["r"], lines)
    with pytest.raises(OptionError, match="batch is 0"):
        score_lines(read, lines, batch=0)


def test_pages_are_scored(place: Path) -> None:
    pages = open_text_pages(place, "val")
    truths = iter([[region.points for region in sample.regions] for sample in pages.samples])

    def find(_: np.ndarray) -> list[np.ndarray]:
        # The unreadable one does not count, and neither of the others is missed.
        return next(truths)

    found = score_pages(find, pages)
    assert found == {"precision": 1.0, "recall": 1.0, "hmean": 1.0, "n": 2}
    nothing = score_pages(lambda _: np.empty((0, 4, 2), np.float32), pages)
    assert nothing == {"precision": 0.0, "recall": 0.0, "hmean": 0.0, "n": 2}


def test_pages_are_read(place: Path) -> None:
    pages = open_text_pages(place, "val")
    samples = iter(pages.samples)

    def read(_: np.ndarray) -> tuple[list[np.ndarray], list[str]]:
        points = [region.points for region in next(samples).regions]
        return points[:3], ["rgb", "GG B", "brr"]

    found = score_readings(read, pages, TextRule(ignore_case=True, ignore_spaces=True))
    assert found["hmean"] == 1.0
    assert found["end_to_end_precision"] == found["end_to_end_hmean"] == pytest.approx(2 / 3)
    assert found["cer"] == pytest.approx(1 / 10)


def test_directions_of_upright_lines_are_tried_both_ways(place: Path) -> None:
    lines = open_text_lines(place, "val")

    def turned(crops: list[np.ndarray]) -> np.ndarray:
        # A toy line is black in its upper half.
        return np.array([crop[: len(crop) // 2].any() for crop in crops], np.float32)

    found = score_directions(turned, lines)
    assert found == {"accuracy": 1.0, "accuracy_0": 1.0, "accuracy_180": 1.0, "n": 12}
    found = score_directions(lambda crops: np.zeros(len(crops)), lines)
    assert (found["accuracy"], found["accuracy_180"]) == (0.5, 0.0)


def test_directions_by_label(place: Path) -> None:
    labels = place / "cls_list.txt"
    labels.write_text("line00.png\t0\nline01.png\t180\nline02.png\t0\n")
    found = score_directions(lambda crops: np.zeros(len(crops)), open_text_lines(labels))
    assert (found["accuracy"], found["n"]) == (pytest.approx(2 / 3), 3)
    labels.write_text("line00.png\t0\n")
    found = score_directions(lambda crops: np.zeros(len(crops)), open_text_lines(labels))
    assert found["accuracy"] == 1.0
    assert math.isnan(found["accuracy_180"])


def test_nothing_that_can_be_read(place: Path) -> None:
    labels = place / "only_bad.txt"
    labels.write_text("bad.png\tr\n")
    with pytest.raises(DatasetError, match=r"no picture could be read.*bad\.png"):
        score_lines(lambda crops: [""] * len(crops), open_text_lines(labels))


def test_a_detector_through_the_command_line(place: Path) -> None:
    result = run_cli("eval", place / "det.onnx", "--data", place, "--json")
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["hmean"] == found["precision"] == found["recall"] == 1.0
    assert (found["n"], found["skipped"]) == (2, 2)
    assert "ignore_case" not in found
    assert "det_val.txt line 3" in result.stderr  # the broken JSON
    assert "gone.png" in result.stderr
    assert result.stderr.count("\n") == 2


def evaluated(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    assert main(["eval", *map(str, arguments), "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_a_recogniser(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [place / "rec.onnx", "--data", place]
    found = evaluated(capsys, *words)
    assert (found["n"], found["skipped"], found["ignore_case"]) == (6, 2, False)
    assert found["line_accuracy"] == pytest.approx(4 / 6)
    assert found["one_minus_ned"] == pytest.approx(4 / 6)
    assert found["cer"] == pytest.approx(6 / 22)
    found = evaluated(capsys, *words, "--ignore-case", "--letters-and-digits-only")
    assert (found["line_accuracy"], found["cer"]) == (1.0, 0.0)
    assert (found["ignore_case"], found["ignore_spaces"]) == (True, False)
    assert found["letters_and_digits_only"] is True
    assert main(["eval", *map(str, words), "--ignore-case"]) == 0
    assert "texts compared       ignore case" in capsys.readouterr().out


def test_a_recogniser_of_others(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [place / "foreign.onnx", "--data", place]
    assert main(["eval", *map(str, words)]) == 1
    assert "say what it does with --task" in capsys.readouterr().err
    found = evaluated(capsys, *words, "--task", "text_recognise", "--ignore-case")
    assert found["line_accuracy"] == 1.0


def test_a_direction_classifier(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = evaluated(capsys, place / "cls.onnx", "--data", place / "rec_val.txt")
    assert (found["accuracy"], found["n"]) == (1.0, 12)
    labels = place / "upright.txt"
    labels.write_text("line00.png\t0\n")
    found = evaluated(capsys, place / "cls.onnx", "--data", labels)
    assert (found["accuracy"], found["accuracy_180"]) == (1.0, None)


def test_end_to_end(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [place / "det.onnx", "--rec", place / "rec.onnx", "--data", place / "det_val.txt"]
    for extra in ([], ["--orient", place / "cls.onnx"]):
        found = evaluated(capsys, *words, *extra)
        assert found["hmean"] == found["end_to_end_hmean"] == 1.0
        assert (found["cer"], found["n"], found["skipped"]) == (0.0, 2, 2)
        assert found["rec"] == str(place / "rec.onnx")
    assert found["orient"] == str(place / "cls.onnx")


def test_several_places_are_joined(place: Path) -> None:
    twice = [str(place / "det_val.txt"), str(place)]
    scores = evaluate_text(str(place / "det.onnx"), "text_detect", twice)
    assert scores.metrics["n"] == 4
    assert len(scores.skipped) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rec.onnx", "--data", "empty.txt"], "empty.txt has no usable line"),
        (["rec.onnx", "--data", "nowhere"], "nowhere"),
        (["det.onnx", "--data", "rec_val.txt"], "has no usable line"),
        (["rec.onnx", "--data", ".", "--task", "text_detect"], "expected one to text_detect"),
        (["rec.onnx", "--data", ".", "--rec", "rec.onnx"], "expected one to text_detect"),
        (["classify.onnx", "--data", ".", "--rec", "rec.onnx"], "a model to classify"),
        (["classify.onnx", "--data", ".", "--ignore-case"], "--ignore-case belongs to models"),
        (["rec.onnx", "--data", ".", "--per-class"], "--per-class belongs to classifiers"),
        (["cls.onnx", "--data", ".", "--ignore-spaces"], "which reads nothing"),
        (["det.onnx", "--data", ".", "--rec", "cls.onnx"], "expected one to text_recognise"),
        (["det.onnx", "--data", ".", "--orient", "cls.onnx"], "joins a detector with a recogniser"),
        (["rec.onnx", "--data", ".", "--orient", "cls.onnx"], "joins a text detector only"),
        (["rec.onn", "--data", "."], "rec.onn"),
        ([".", "--data", ".", "--task", "text_detect"], "export the run first"),
        (["det.onnx", "--data", ".", "--rec", "."], "export the run first"),
    ],
)
def test_bad_input_is_one_line(
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(place)
    (place / "empty.txt").write_text("\n\n")
    assert main(["eval", *arguments]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert message in shown.err
    assert shown.err.count("\n") == 1
