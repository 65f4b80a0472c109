from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from near_copies import crop, saved, scene
from saccade.datasets.classification import open_classification
from saccade.errors import DatasetError, ModelFileError, OptionError
from saccade.mining import LabelReport, label_pool
from saccade.modelfile import read_card, write_card
from saccade.tasks.classify import Classifier
from toymodel import LABELS, write_toy_classifier


def tinted(seed: int, channel: int, strength: int = 60) -> np.ndarray:
    """A scene in which one colour is the strongest."""
    image = scene(seed, (60, 80)).astype(int)
    image[:, :, channel] += strength
    return image.clip(0, 255).astype(np.uint8)


def save(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A teacher of red, green and blue, and a pool: 4 red pictures, 2 green ones, and bad files."""
    write_toy_classifier(tmp_path / "toy.onnx")
    for number in range(4):
        save(tmp_path / f"pool/red{number}.png", tinted(5, 0, 30 + 20 * number)[: 60 - 8 * number])
    for number in range(2):
        save(tmp_path / f"pool/more/green{number}.png", tinted(10 + number, 1))
    (tmp_path / "pool/broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    (tmp_path / "pool/empty.png").touch()
    (tmp_path / "pool/notes.txt").write_text("no picture")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def label(place: Path, **options: Any) -> LabelReport:
    options = {"pool": ["pool"], "out": "out", "per_class": 3, "batch": 2, "threads": 1} | options
    return label_pool(options.pop("teacher", "toy.onnx"), **options)


def details(report: LabelReport) -> dict[str, dict[str, Any]]:
    header, *rest = [json.loads(line) for line in Path(report.details).read_text().splitlines()]
    assert header["format"] == "saccade label 1"
    assert header["fingerprint"] == read_card("toy.onnx").fingerprint
    assert header["teacher"] == "toy" and header["pool"] == ["pool"]
    return {Path(line["picture"]).name: line for line in rest}


def test_the_best_of_each_class(place: Path) -> None:
    report = label(place)
    assert report.classes == {"red": 3, "green": 2, "blue": 0}
    assert report.empty_classes == ("blue",)
    assert report.scored == 6
    assert report.files == {
        "selected": 5,
        "beyond": 1,
        "low_score": 0,
        "copy": 0,
        "validation": 0,
        "broken": 2,
        "not_a_picture": 1,
    }
    assert {Path(problem.where).name for problem in report.problems} == {
        "broken.jpg",
        "empty.png",
        "notes.txt",
    }
    # The list is one that training reads; its classes are the teacher's.
    found = open_classification("out")
    assert found.classes == LABELS
    names = [Path(sample.path).stem for sample in found.samples]
    assert names[:3] == ["red3", "red2", "red1"] and sorted(names[3:]) == ["green0", "green1"]
    assert open_classification("out/train.txt").samples == found.samples
    line = details(report)["red3.png"]
    (answer,) = Classifier("toy.onnx").many([place / "pool/red3.png"])
    assert line["class"] == "red" and line["status"] == "selected" and line["place"] == "pool"
    assert line["score"] == pytest.approx(answer.scores[0], rel=1e-4)  # type: ignore[union-attr]
    assert [name for name, _ in line["top"]] == list(answer.labels)  # type: ignore[union-attr]
    assert len(line["sha256"]) == len(line["hash"]) == 64
    assert details(report)["broken.jpg"]["status"] == "broken"
    assert details(report)["notes.txt"]["status"] == "not_a_picture"
    assert details(report)["red0.png"] == details(report)["red0.png"] | {
        "status": "beyond",
        "reason": "beyond the best of its class",
    }
    assert json.loads(json.dumps(report.to_dict()))["empty_classes"] == ["blue"]


def test_scores_are_kept_and_options_may_change(place: Path) -> None:
    first = label(place)
    again = label(place)
    assert (again.scored, again.files, again.classes) == (0, first.files, first.classes)
    fewer = label(place, per_class=1)
    assert fewer.scored == 0 and fewer.classes == {"red": 1, "green": 1, "blue": 0}
    scores = [line["score"] for line in details(fewer).values() if "score" in line]
    surest = label(place, least_score=sorted(scores)[-2])
    assert surest.scored == 0 and surest.files["selected"] == 2
    assert surest.files["low_score"] == 4
    save(place / "pool/red0.png", tinted(0, 2))
    (place / "pool/red1.png").unlink()
    changed = label(place)
    assert changed.scored == 1
    assert changed.classes == {"red": 2, "green": 2, "blue": 1}
    assert sum(changed.files.values()) == sum(first.files.values()) - 1


@pytest.mark.parametrize(("mode", "found"), [("off", 1), ("fast", 2), ("sift", 3)])
def test_validation_pictures_in_the_pool_are_found(place: Path, mode: Any, found: int) -> None:
    for number in range(3):
        save(place / f"val/{number}.png", scene(20 + number))
    save(place / "pool/leak0.png", scene(20))
    save(place / "pool/leak1.png", saved(scene(21)))
    save(place / "pool/leak2.png", crop(scene(22)))
    report = label(place, val=["val"], near_duplicates=mode)
    assert report.files["validation"] == found
    assert report.scored == 9 - found
    pairs = {(Path(leak.picture).stem, Path(leak.copy_of).stem) for leak in report.leaks}
    assert pairs == {(f"leak{number}", str(number)) for number in range(found)}
    assert "leak0" not in Path(report.list).read_text()
    line = details(report)["leak0.png"]
    assert line["status"] == "validation" and "the same file" in line["reason"]
    # Without validation pictures the same journal serves; only what was not scored yet is.
    free = label(place, near_duplicates=mode)
    assert free.files["validation"] == 0 and free.scored == found
    back = label(place, val=["val"], near_duplicates=mode)
    assert back.files == report.files and back.scored == 0


def test_copies_within_the_pool_are_left_out(place: Path) -> None:
    image = np.asarray(Image.open(place / "pool/red3.png"))
    (place / "pool/same.png").write_bytes((place / "pool/red3.png").read_bytes())
    Image.fromarray(image).resize((120, 90)).save(place / "pool/large.png")
    report = label(place, per_class=9)
    assert report.files["copy"] == 2 and report.classes["red"] == 4
    reasons = [line["reason"] for line in details(report).values() if line["status"] == "copy"]
    assert any("the same file" in reason for reason in reasons)
    assert any("bits differ" in reason for reason in reasons)
    assert label(place, per_class=9, near_duplicates="off").files["copy"] == 1


CHILD = """
import sys, time
from pathlib import Path
from saccade.mining import label_pool
from saccade.tasks.classify import Classifier
whole = Classifier.probabilities
def slow(self, batch):
    time.sleep(0.1)
    return whole(self, batch)
Classifier.probabilities = slow
label_pool("toy.onnx", ["pool"], "out", per_class=9, batch=2, threads=1)
"""


def test_what_was_scored_survives_kill_9(place: Path) -> None:
    for number in range(40):
        save(place / f"pool/x{number:02}.png", tinted(50 + number, 2))
    child = subprocess.Popen([sys.executable, "-c", CHILD])
    wal = place / "out/train.journal-wal"
    until = time.monotonic() + 60
    while time.monotonic() < until and not (wal.exists() and wal.stat().st_size > 60_000):
        time.sleep(0.01)
    with pytest.raises(DatasetError, match="another saccade label is at work there"):
        label(place, per_class=9)
    os.kill(child.pid, signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert not (place / "out/train.txt").exists()
    resumed = label(place, per_class=9)
    assert 0 < resumed.scored < 46
    whole = label(place, per_class=9, out="whole")
    assert whole.scored == 46
    assert (resumed.files, resumed.classes) == (whole.files, whole.classes)
    for name in ("train.txt", "classes.txt", "train.jsonl"):
        assert (place / "out" / name).read_bytes() == (place / "whole" / name).read_bytes()


def test_another_teacher_is_refused(place: Path) -> None:
    label(place)
    write_toy_classifier(place / "other.onnx", seed=1)
    with pytest.raises(DatasetError, match=r"scores of the teacher toy .*, not of other") as error:
        label(place, teacher="other.onnx")
    assert "choose another --out, or delete the journal" in str(error.value)
    card = read_card("toy.onnx")
    write_card("toy.onnx", "toy.onnx", type(card)(**{**vars_of(card), "labels": ("a", "b", "c")}))
    with pytest.raises(DatasetError, match="has other classes than the teacher"):
        label(place)
    (place / "out/train.journal").unlink()
    (place / "out/classes.txt").unlink()
    assert label(place).classes == {"a": 3, "b": 2, "c": 0}


def vars_of(card: Any) -> dict[str, Any]:
    return {name: getattr(card, name) for name in type(card).__dataclass_fields__}


def test_foreign_files_are_not_overwritten(place: Path) -> None:
    (place / "mine.txt").write_text("my list\n")
    with pytest.raises(DatasetError, match="was not written by saccade label"):
        label(place, out="mine.txt")
    (place / "new.journal").write_text("something else, longer than a header of SQLite " * 40)
    with pytest.raises(DatasetError, match=r"no journal of saccade label|is not a journal"):
        label(place, out="new.txt")
    with sqlite3.connect(place / "data.journal") as connection:
        connection.execute("CREATE TABLE a (b)")
    connection.close()
    with pytest.raises(DatasetError, match="is not a journal of saccade label"):
        label(place, out="data.txt")
    (place / "out").mkdir()
    (place / "out/classes.txt").write_text("x\n")
    with pytest.raises(DatasetError, match="has other classes than the teacher"):
        label(place)
    assert (place / "mine.txt").read_text() == "my list\n"


def test_a_list_beside_the_pictures_has_relative_paths(place: Path) -> None:
    report = label(place, out="pool/mined.txt", per_class=1)
    lines = Path(report.list).read_text().splitlines()
    assert lines[0] == "red3.png\tred" and lines[1].startswith("more/green")
    assert len(open_classification("pool/mined.txt")) == 2


def test_classes_called_by_numbers(place: Path) -> None:
    write_toy_classifier(place / "toy.onnx", labels=("2", "0", "1"))
    report = label(place)
    found = open_classification("out")
    assert found.classes == ("2", "0", "1")
    assert {Path(sample.path).stem[:3]: sample.label for sample in found.samples} == {
        "red": 0,
        "gre": 1,
    }
    assert report.classes == {"2": 3, "0": 2, "1": 0}


def test_a_teacher_of_one_picture_at_a_time(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = label(place)
    whole = Classifier.probabilities
    sizes = []

    def counted(self: Classifier, batch: Any) -> Any:
        sizes.append(len(batch))
        return whole(self, batch)

    monkeypatch.setattr(Classifier, "fixed_batch", 4)
    monkeypatch.setattr(Classifier, "probabilities", counted)
    report = label(place, out="other", batch=3)
    assert set(sizes) == {4}
    assert report.classes == expected.classes


def test_names_that_a_list_cannot_hold(place: Path) -> None:
    (place / "pool/tab\there.png").write_bytes((place / "pool/red0.png").read_bytes())
    report = label(place)
    assert report.files["broken"] == 3
    (bad,) = [one for one in report.problems if "tab" in one.where]
    assert "can't stand in a list" in bad.reason


def test_bad_options(place: Path) -> None:
    for options, message in (
        ({"per_class": 0}, "per_class is 0; expected a whole number"),
        ({"least_score": 1.5}, "least_score is 1.5; expected a number from 0 to 1"),
        ({"least_score": float("nan")}, "least_score is nan"),
        ({"near_duplicates": "shift"}, "did you mean 'sift'"),
        ({"batch": 0}, "batch is 0"),
        ({"pool": []}, "no pool"),
        ({"pool": "pool"}, "pass a list of places"),
    ):
        with pytest.raises(OptionError, match=message):
            label(place, **options)
    write_toy_classifier(place / "twice.onnx", labels=("a", "a", "b"))
    with pytest.raises(ModelFileError, match="two classes are called 'a'"):
        label(place, teacher="twice.onnx")
    write_toy_classifier(place / "tab.onnx", labels=("a\tb", "a", "b"))
    with pytest.raises(ModelFileError, match="a tab, a line break"):
        label(place, teacher="tab.onnx")
    (place / "none").mkdir()
    with pytest.raises(DatasetError, match=r"no picture was selected \(the pool is empty\)"):
        label(place, pool=["none"])
    with pytest.raises(DatasetError, match="no picture to compare with"):
        label(place, val=["none"], out="other")
    with pytest.raises(DatasetError, match=r"no picture was selected \(.*6 low_score"):
        label(place, least_score=1.0, out="third")
