"""The verb fuse, as a user calls it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from commands import run as saccade
from saccade.cli.app import main

A = [
    {"image_id": 7, "category_id": 1, "bbox": [0, 0, 10, 10], "score": 0.9},
    {"image_id": 7, "category_id": 1, "bbox": [20, 20, 10, 10], "score": 0.6},
    {"image_id": 3, "category_id": 2, "bbox": [5, 5, 0, 4], "score": 0.5, "segmentation": []},
]
B = [{"image_id": 7, "category_id": 1, "bbox": [1, 0, 10, 10], "score": 0.8}]
C = [
    {"image_id": 7, "category_id": 1, "bbox": [0, 2, 10, 10], "score": 0.7},
    {"image_id": 7, "category_id": 1, "bbox": [0, 0, 10, 9], "score": 0.3},
    {"image_id": 7, "category_id": 2, "bbox": [0, 0, 10, 10], "score": 0.3},
]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name, content in (("a", A), ("b", B), ("c", C)):
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    return tmp_path


def run(place: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return saccade("fuse", *arguments, cwd=place)


Answer = tuple[int, str, str]
Call = Callable[..., Answer]


@pytest.fixture
def call(place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """The verb, called in this process."""
    monkeypatch.chdir(place)
    monkeypatch.delenv("SACCADE_DEBUG", raising=False)

    def fuse(*arguments: str) -> Answer:
        capsys.readouterr()
        status = main(["fuse", *arguments])
        return status, *capsys.readouterr()

    return fuse


def test_the_worked_example_of_voting(place: Path) -> None:
    done = run(place, "a.json", "b.json", "c.json", "-o", "out.json")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "out.json: 7 boxes of 3 files in 2 pictures became 4 by voting\n"
    found = json.loads((place / "out.json").read_text())
    assert [(row["image_id"], row["category_id"]) for row in found] == [
        (7, 1), (7, 1), (7, 2), (3, 2),
    ]  # fmt: skip
    assert [row["score"] for row in found] == pytest.approx([0.8, 0.2, 0.1, 0.5 / 3])
    assert found[0]["bbox"] == pytest.approx([0.333333, 0.583333, 10, 10], abs=1e-6)
    assert found[3]["bbox"] == [5, 5, 0, 4]
    assert sorted(path.name for path in place.iterdir()) == [
        "a.json", "b.json", "c.json", "out.json",
    ]  # fmt: skip


def test_each_method_and_json(place: Path, call: Call) -> None:
    expected = {"voting": 4, "nms": 4, "soft": 7, "nmw": 4, "wbf": 4}
    for method, boxes in expected.items():
        status, out, err = call(
            "a.json", "b.json", "c.json", "--method", method, "--json", "-o", "o.json"
        )
        assert (status, err) == (0, "")
        answer = json.loads(out)
        assert (answer["method"], answer["boxes"], answer["pictures"]) == (method, boxes, 2)
        assert [one["boxes"] for one in answer["files"]] == [3, 1, 3]
        assert len(json.loads((place / "o.json").read_text())) == boxes


def test_options_reach_the_method(place: Path, call: Call) -> None:
    def best(*options: str) -> float:
        assert call("a.json", "b.json", "c.json", "-o", "o.json", *options)[0] == 0
        return json.loads((place / "o.json").read_text())[0]["score"]

    assert best("--k", "2") == pytest.approx(0.85)
    assert best("--iou", "0.7") == pytest.approx(2 / 3)
    assert best("--weights", "1,1,2") == pytest.approx((0.7 + 0.45 + 0.4) / 3)
    assert best("--method", "soft", "--keep", "1") == pytest.approx(0.9)
    assert len(json.loads((place / "o.json").read_text())) == 2


def test_coco_datasets_with_scores_and_text_ids(place: Path) -> None:
    def dataset(name: str, score: float) -> str:
        entry = {"id": 1, "image_id": "x", "category_id": 1, "bbox": [0, 0, 4, 4], "score": score}
        images = [{"id": "x", "file_name": name}]
        return json.dumps({"images": images, "annotations": [entry], "categories": []})

    (place / "d.json").write_text(dataset("1.png", 0.9))
    (place / "e.json").write_text(dataset("1.png", 0.5))
    (place / "f.json").write_text(dataset("2.png", 0.5))
    done = run(place, "d.json", "e.json", "--method", "wbf", "-o", "o.json")
    assert done.stdout == "o.json: 2 boxes of 2 files in 1 picture became 1 by wbf\n"
    (row,) = json.loads((place / "o.json").read_text())
    assert row == {
        "image_id": "x",
        "category_id": 1,
        "bbox": [0, 0, 4, 4],
        "score": pytest.approx(0.7),
    }
    done = run(place, "d.json", "f.json", "-o", "p.json")
    assert done.returncode == 1
    assert "number x of images is '1.png' in d.json and '2.png' in f.json" in done.stderr
    assert not (place / "p.json").exists()


def test_numbers_that_are_not_finite_are_counted(place: Path) -> None:
    rows = [*A, {**A[0], "score": float("nan")}, {**A[0], "bbox": [0, 0, float("inf"), 1]}]
    rows.append({**A[0], "bbox": [0, 0, 10**400, 1]})
    (place / "n.json").write_text(json.dumps(rows))
    done = run(place, "n.json", "--method", "nms", "-o", "o.json")
    assert done.returncode == 0
    assert done.stderr == (
        "saccade: n.json: 3 boxes with numbers that are not finite left out, for example entry 4\n"
    )
    assert len(json.loads((place / "o.json").read_text())) == 3


def test_nothing_found_at_all(place: Path) -> None:
    (place / "n.json").write_text("[]")
    done = run(place, "n.json", "n.json", "-o", "o.json")
    assert done.stdout == "o.json: 0 boxes of 2 files in 0 pictures became 0 by voting\n"
    assert json.loads((place / "o.json").read_text()) == []


def entry(**changed: object) -> str:
    row = {**A[0], **changed}
    return json.dumps([A[0], {key: value for key, value in row.items() if value != "gone"}])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "bad.json is no JSON"),
        ("[" * 100_000, "bad.json is no JSON"),
        ("{}", "bad.json holds no list of results"),
        ('{"annotations": 1}', "holds no list of results"),
        ("[1]", "entry 1 is 1; expected image_id"),
        (entry(score="gone"), "entry 2 has no score; expected image_id"),
        (entry(score=-0.5), "entry 2 has the score -0.5, which is not a number from 0 on"),
        (entry(score="0.5"), 'the score "0.5"'),
        (entry(image_id=None), "the image_id null"),
        (entry(image_id=1.5), "the image_id 1.5"),
        (entry(category_id="cat"), 'the category_id "cat"'),
        (entry(category_id=float("inf")), "the category_id Infinity"),
        (entry(category_id=2**63), "the category_id 9223372036854775808"),
        (entry(bbox=[1, 2, 3]), "the bbox [1, 2, 3]"),
        (entry(bbox=[1, 2, 3, None]), "the bbox [1, 2, 3, null]"),
        (entry(bbox=[1, 2, 3, True]), "the bbox [1, 2, 3, true]"),
    ],
)
def test_bad_files_cost_one_line(place: Path, call: Call, content: str, message: str) -> None:
    (place / "bad.json").write_text(content)
    status, out, err = call("a.json", "bad.json", "-o", "o.json")
    assert (status, out) == (1, "")
    assert len(err.splitlines()) == 1
    assert message in err
    assert not (place / "o.json").exists()


def test_bad_input_in_a_process_of_its_own(place: Path) -> None:
    (place / "bad.json").write_text("[{}]")
    for arguments, status, message in (
        (["bad.json", "-o", "o.json"], 1, "saccade: bad.json: entry 1 has no image_id; expected"),
        (["a.json"], 2, "saccade: Missing option '--out'"),
    ):
        done = run(place, *arguments)
        assert (done.returncode, done.stdout) == (status, "")
        assert done.stderr.startswith(message)
        assert len(done.stderr.splitlines()) == 1
    assert not (place / "o.json").exists()


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["none.json", "-o", "o.json"], 1, "none.json cannot be read (No such file"),
        ([".", "-o", "o.json"], 1, "cannot be read (Is a directory"),
        (["a.json"], 2, "--out"),
        (["-o", "o.json"], 2, "FILE"),
        (["a.json", "-o", "a.json"], 1, "a.json is one of the files to merge"),
        (["a.json", "-o", "none/o.json"], 1, "o.json cannot be written (No such file"),
        (["a.json", "-o", "."], 1, "is a folder"),
        (["a.json", "-o", "o.json", "--method", "wfb"], 1, "did you mean 'wbf'?"),
        (["a.json", "-o", "o.json", "--iou", "1.5"], 1, "iou 1.5; expected above 0, up to 1"),
        (["a.json", "-o", "o.json", "--iou", "nan"], 1, "iou nan"),
        (["a.json", "-o", "o.json", "--weights", "1,2"], 1, "2 weights for 1 models"),
        (["a.json", "-o", "o.json", "--weights", "much"], 2, "--weights 'much'; expected numbers"),
        (["a.json", "-o", "o.json", "--weights", "0"], 1, "expected numbers above 0"),
        (["a.json", "-o", "o.json", "--keep", "-1"], 1, "keep -1"),
        (["a.json", "-o", "o.json", "--method", "nms", "--k", "2"], 1, "k 2 with the method 'nms'"),
        (["a.json", "-o", "o.json", "--sigma", "1"], 1, "sigma 1.0 with the method 'voting'"),
    ],
)
def test_bad_calls_cost_one_line(
    place: Path, call: Call, arguments: list[str], status: int, message: str
) -> None:
    code, out, err = call(*arguments)
    assert (code, out) == (status, "")
    assert len(err.splitlines()) == 1
    assert message in err
    assert not (place / "o.json").exists()
    assert not list(place.glob(".*tmp"))
