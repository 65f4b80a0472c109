"""``saccade gallery``, ``recognize`` and ``look`` as they are typed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from saccade.cli import _gallery_care as care
from saccade.cli import recognize as recognize_module
from saccade.cli.app import main
from saccade.tasks.recognize import DEFAULT_THRESHOLD
from toymodel import write_toy_classifier

COLOURS = {"red": (230, 20, 20), "leaf green": (20, 230, 20), "blue": (20, 20, 230)}


def saccade(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "saccade.cli.app", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def paint(path: Path, colour: tuple[int, int, int], seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    speckle = np.random.default_rng(seed).integers(-15, 15, (40, 48, 3))
    Image.fromarray(np.clip(speckle + colour, 0, 255).astype(np.uint8)).save(path)
    return path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with a model, a shop of labelled pictures, and pictures to ask about."""
    write_toy_classifier(tmp_path / "toy.onnx")
    for label, colour in COLOURS.items():
        for seed in range(2):
            paint(tmp_path / "shop" / label / f"{seed}.png", colour, seed)
        paint(tmp_path / "ask" / f"{label}.png", colour, seed=9)
    return tmp_path


@pytest.fixture
def shelf(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(home)
    assert main(["gallery", "create", "g", "shop", "--model", "toy.onnx"]) == 0
    return home / "g"


def test_from_pictures_to_names(home: Path) -> None:
    created = saccade("gallery", "create", "g", "shop", "-m", "toy.onnx", cwd=home)
    assert created.returncode == 0, created.stderr
    assert created.stdout == ""
    assert "6 added; g has 6 pictures of 3 labels" in created.stderr

    more = paint(home / "more" / "x.png", (240, 240, 20))
    added = saccade("gallery", "add", "g", more, "--label", "say “cheese” 🧀", cwd=home)
    assert added.returncode == 0, added.stderr
    again = saccade("gallery", "add", "g", "shop", cwd=home)
    assert "0 added, 6 there already; g has 7 pictures of 4 labels" in again.stderr

    listed = saccade("gallery", "list", "g", "--json", cwd=home)
    items = [json.loads(line) for line in listed.stdout.splitlines()]
    assert [item["id"] for item in items] == list(range(1, 8))
    assert items[-1]["label"] == "say “cheese” 🧀"
    assert items[-1]["source"] == str(more)

    named = saccade(
        *("recognize", "ask", more, "-g", "g", "--detector", "none"),
        *("--json", "--top", 2, "--draw", "out"),
        cwd=home,
    )
    assert named.returncode == 0, named.stderr
    assert named.stderr == ""
    answers = [json.loads(line) for line in named.stdout.splitlines()]
    assert [answer["objects"][0]["label"] for answer in answers] == [
        *("blue", "leaf green", "red", "say “cheese” 🧀")
    ]
    first = answers[0]
    assert list(first) == ["image", "width", "height", "objects", "timings_ms"]
    assert list(first["objects"][0]) == ["box", "label", "score", "neighbours"]
    assert first["objects"][0]["box"] == [0, 0, 48, 40]
    assert len(first["objects"][0]["neighbours"]) == 2
    assert sorted(path.name for path in (home / "out").iterdir()) == [
        *("blue.png", "leaf green.png", "red.png", "x.png")
    ]

    looked = saccade(
        "look", "ask/red.png", "--gallery", "g", "--draw", "one.png", "--json", cwd=home
    )
    assert looked.returncode == 0, looked.stderr
    answer = json.loads(looked.stdout)
    assert list(answer) == ["image", "width", "height", "objects", "lines", "timings_ms"]
    assert answer["lines"] == []
    assert answer["objects"][0]["label"] == "red"
    with Image.open(home / "one.png") as drawn, Image.open(home / "ask/red.png") as asked:
        assert drawn.size == asked.size
        assert drawn.tobytes() != asked.tobytes()


def test_tables_for_people(shelf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["gallery", "list", "g"]) == 0
    out = capsys.readouterr().out
    assert "leaf green" in out
    assert "6 pictures of 3 labels" in out
    assert main(["gallery", "list", "g", "--label", "blue", "--json"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert main(["recognize", "ask/blue.png", "-g", "g", "--threshold", "1"]) == 0
    out = capsys.readouterr().out
    assert "unknown" in out
    assert "blue 0.9" in out or "blue 1.0" in out
    assert main(["look", "ask/blue.png", "-m", "toy.onnx"]) == 0  # the classifier's word for it
    assert "blue" in capsys.readouterr().out


def test_bad_pictures_cost_a_line_each(shelf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    Path("ask/broken.png").write_bytes(b"\x89PNG broken")
    assert main(["recognize", "ask", "missing.png", "-g", "g", "--json"]) == 1
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 3
    assert [line.startswith("saccade: ") for line in err.splitlines()] == [True, True]
    assert "broken.png" in err
    assert "missing.png" in err
    Path("shop/red/broken.png").write_bytes(b"")
    paint(Path("shop/red/new.png"), COLOURS["red"], seed=5)
    assert main(["gallery", "add", "g", "shop"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "1 added, 6 there already, 1 left out; g has 7 pictures of 3 labels" in err
    assert len([line for line in err.splitlines() if "broken.png" in line]) == 1


def test_an_empty_gallery_knows_nobody(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    assert main(["gallery", "create", "g", "-m", "toy.onnx"]) == 0
    assert main(["recognize", "ask/red.png", "-g", "g", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["objects"][0]["label"] is None
    assert "g is empty; add pictures with: saccade gallery add g" in err
    assert main(["gallery", "list", "g"]) == 0
    assert "0 pictures of 0 labels" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["gallery", "create", "g", "shop", "-m", "toy.onnx"], 1, "g exists already"),
        (["gallery", "create", "new", "shop", "-m", "nothing"], 1, "no model 'nothing'"),
        (["gallery", "create", "new", "nowhere", "-m", "toy.onnx"], 1, "nowhere does not exist"),
        (["gallery", "add", "nowhere", "shop"], 1, "nowhere does not exist"),
        (["gallery", "add", "shop", "shop"], 1, "shop is not a gallery"),
        (["gallery", "add", "g"], 2, "nothing to add"),
        (["gallery", "add", "g", "shop", "--label", " "], 2, "the label is blank"),
        (["gallery", "add", "g", "--label", "x"], 2, "without PICTURES"),
        (["gallery", "add", "g", "ask"], 1, "no subfolders whose names could be labels"),
        (["gallery", "add", "g", "--list", "nowhere"], 1, "the list nowhere cannot be read"),
        (["gallery", "add", "g", "shop", "-m", "other.onnx"], 1, "was made with the model"),
        (["gallery", "list", "toy.onnx"], 1, "is a file, not a gallery"),
        (["gallery", "list", "g", "--label", "bleu"], 1, "no picture labelled 'bleu'; see"),
        (["gallery", "lisst", "g"], 2, "lisst"),
        (["recognize", "ask/red.png", "-g", "shop"], 1, "shop is not a gallery"),
        (["recognize", "ask/red.png"], 2, "--gallery"),
        (["recognize", "ask/red.png", "-g", "g", "--top", "0"], 1, "top is 0"),
        (["recognize", "ask/red.png", "-g", "g", "--threshold", "7"], 1, "threshold is 7"),
        (["recognize", "ask/red.png", "-g", "g", "-m", "other.onnx"], 1, "cannot be compared"),
        (["look", "ask/red.png", "-g", "nowhere"], 1, "nowhere does not exist"),
    ],
)
def test_mistakes_cost_one_line(
    shelf: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    status: int,
    message: str,
) -> None:
    write_toy_classifier(shelf.parent / "other.onnx", seed=1)
    capsys.readouterr()
    assert main(arguments) == status
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert len(err.splitlines()) == 1
    assert not Path("new").exists()
    assert not [path for path in Path().iterdir() if path.name.endswith(".tmp")]


@pytest.mark.parametrize(
    "verb",
    [
        ["gallery"],
        ["gallery", "create"],
        ["gallery", "add"],
        ["gallery", "list"],
        ["recognize"],
        ["look"],
    ],
)
def test_every_help_has_examples(verb: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*verb, "--help"]) == 0
    out = capsys.readouterr().out
    assert "saccade" in out
    if verb != ["gallery"]:
        assert f"saccade {' '.join(verb)} " in out.split("Examples:")[1]


def test_help_says_where_the_threshold_comes_from(capsys: pytest.CaptureFixture[str]) -> None:
    main(["recognize", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "calibrat" in text
    assert "0.5" in text
    assert recognize_module.DEFAULT_THRESHOLD == DEFAULT_THRESHOLD


def test_tables_are_not_folded_in_files(shelf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path("a folder with quite a long name/and another one below it/for all the pictures")
    folder.mkdir(parents=True)
    shutil.copy("ask/blue.png", folder)
    capsys.readouterr()
    assert main(["recognize", str(folder), "-g", "g"]) == 0
    assert str(folder / "blue.png") in capsys.readouterr().out
    assert main(["gallery", "add", "g", str(folder), "--label", "new"]) == 0
    assert main(["gallery", "list", "g"]) == 0
    assert str(folder / "blue.png") in capsys.readouterr().out


def test_a_gallery_of_nothing_is_not_created(
    shelf: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    Path("list.tsv").write_text("without a label\n")
    assert main(["gallery", "create", "new", "--list", "list.tsv", "-m", "toy.onnx"]) == 1
    err = capsys.readouterr().err
    assert "list.tsv:1: 'without a label' is not path<TAB>label" in err
    assert "new was not created: no picture to add was found" in err
    assert not Path("new").exists()


def said(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> tuple[str, str]:
    """What a call printed on stdout and on stderr."""
    capsys.readouterr()
    assert main(["gallery", *arguments]) == status
    out, err = capsys.readouterr()
    return out, err


def test_removing_and_renaming(shelf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = said(capsys, "remove", "g", "1", "2")
    assert (out, err) == ("", "2 removed; g has 4 pictures of 2 labels\n")
    _, err = said(capsys, "remove", "g", "--path", "shop/red/0.png")
    assert err == "1 removed; g has 3 pictures of 2 labels\n"
    _, err = said(capsys, "rename", "g", "red", "it's “red”\n🍒")
    assert err == "1 renamed; g has 3 pictures of 2 labels\n"
    _, err = said(capsys, "rename", "g", "--id", "3", "it's “red”\n🍒")
    _, err = said(capsys, "remove", "g", "--label", "it's “red”\n🍒")
    assert err.startswith("2 removed; g has 1 picture of 1 label")


def test_metadata_from_the_command_line_and_from_stdin(
    shelf: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [
        json.dumps({"path": "ask/red.png", "label": "a\nb", "metadata": {"shelf": 3}}),
        "ask/blue.png\tblue, too",
        "ask/leaf green.png",
        '{"path": 1}',
    ]
    command = ["gallery", "add", "g", "--list", "-", "--label", "other", "--meta", "shelf=4"]
    done = subprocess.run(
        [sys.executable, "-m", "saccade.cli.app", *command],
        input="\n".join(lines),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "stdin:4: " in done.stderr
    assert "3 added, 1 left out; g has 9 pictures of 6 labels" in done.stderr
    out, _ = said(capsys, "search", "g", "ask/red.png", "--where", "shelf=3", "--json")
    (found,) = json.loads(out)["neighbours"]
    assert (found["label"], found["metadata"]) == ("a\nb", {"shelf": 3})
    assert found["source"] == str(Path("ask/red.png").absolute())
    out, _ = said(capsys, "search", "g", "ask/red.png", "--where", "shelf=4", "--json")
    labels = [neighbour["label"] for neighbour in json.loads(out)["neighbours"]]
    assert sorted(labels) == ["blue, too", "other"]


def test_searching(shelf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("ask/broken.png").write_bytes(b"")
    out, err = said(capsys, "search", "g", "ask", "--top", "2", "--json", status=1)
    answers = [json.loads(line) for line in out.splitlines()]
    assert [answer["neighbours"][0]["label"] for answer in answers] == ["blue", "leaf green", "red"]
    assert [len(answer["neighbours"]) for answer in answers] == [2, 2, 2]
    assert err.count("\n") == 1
    out, _ = said(capsys, "search", "g", "ask/red.png", "--top", "99")
    assert len(out.splitlines()) == 7  # its name, and all there is
    for switches in (["--qe", "2"], ["--dba", "1", "--rerank"]):
        out, _ = said(capsys, "search", "g", "ask/red.png", "--json", "--top", "9", *switches)
        neighbours = json.loads(out)["neighbours"]
        assert neighbours[0]["label"] == "red"
        assert len(neighbours) == 6
    out, _ = said(capsys, "search", "g", "ask/red.png", "--json", "--qe", "1", "--where", "a=b")
    assert json.loads(out)["neighbours"] == []


def test_stats_check_index_export_and_import(
    shelf: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, _ = said(capsys, "index", "g", "hnsw")
    out, _ = said(capsys, "stats", "g", "--json")
    facts = json.loads(out)
    assert (facts["items"], facts["index"], facts["index_cached"]) == (6, "hnsw", "hnsw")
    assert "hnsw" in said(capsys, "stats", "g")[0]
    assert "g is whole" in said(capsys, "check", "g")[1]
    Path("g/index.faiss").write_bytes(b"x")
    assert "mend it with" in said(capsys, "check", "g", status=1)[1]
    assert "g is repaired" in said(capsys, "check", "g", "--repair")[1]
    assert said(capsys, "export", "g", "--out", "g.zip")[1] == "6 items written to g.zip\n"
    assert "6 added; h has 6 pictures" in said(capsys, "import", "h", "g.zip")[1]
    assert "0 added, 6 there already" in said(capsys, "import", "h", "g.zip")[1]
    assert "exists already" in said(capsys, "export", "g", "--out", "g.zip", status=1)[1]


def test_another_model(shelf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_toy_classifier(Path("other.onnx"), seed=1)
    kept = Path("shop/red/0.png").read_bytes()
    Path("shop/red/0.png").unlink()
    _, err = said(capsys, "re-embed", "g", "--model", "other.onnx", status=1)
    assert "red/0.png" in err
    assert "g keeps its model: 1 of 6 pictures could not be read" in err
    Path("shop/red/0.png").write_bytes(kept)
    _, err = said(capsys, "re-embed", "g", "--model", "other.onnx")
    assert err == "6 embedded with other\n"
    assert "cannot be compared" in said(capsys, "add", "g", "shop", "-m", "toy.onnx", status=1)[1]
    out, _ = said(capsys, "search", "g", "ask/red.png", "--top", "1", "--json")
    assert json.loads(out)["neighbours"][0]["label"] == "red"


def test_a_gallery_of_bits(shelf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "create", "b", "shop", "-m", "toy.onnx", "--index", "binary-flat")
    assert json.loads(said(capsys, "stats", "b", "--json")[0])["storage"] == "bits"
    out, _ = said(capsys, "search", "b", "ask/red.png", "--json", "--top", "1")
    score = json.loads(out)["neighbours"][0]["score"]
    assert score in [1 - h / 4 for h in range(9)]  # of 8 bits


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["remove", "g"], 2, "nothing to remove"),
        (["remove", "g", "99"], 1, "no item of id 99"),
        (["remove", "g", "--path", "nowhere"], 1, "no item of source"),
        (["rename", "g", "red"], 2, "give OLD and NEW"),
        (["rename", "g", "reed", "x"], 1, "no picture labelled 'reed'"),
        (["add", "g", "shop", "--meta", "x"], 2, "'x' is not KEY=VALUE"),
        (["search", "g", "ask/red.png", "--top", "0"], 1, "k is 0"),
        (["search", "shop", "ask/red.png"], 1, "shop is not a gallery"),
        (["index", "g", "hsnw"], 1, "did you mean 'hnsw'"),
        (["index", "g", "binary-flat"], 1, "does not fit a gallery that keeps float"),
        (["import", "new", "shop"], 1, "shop is not an exported gallery"),
        (["re-embed", "g", "-m", "toy.onnx"], 1, "has the vectors of this model already"),
        (["create", "new", "-m", "toy.onnx", "--index", "tree"], 1, "no kind of index 'tree'"),
    ],
)
def test_mistakes_of_the_other_verbs_cost_one_line(
    shelf: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    status: int,
    message: str,
) -> None:
    out, err = said(capsys, *arguments, status=status)
    assert out == ""
    assert message in err
    assert len(err.splitlines()) == 1
    assert not Path("new").exists()
    assert not [path for path in Path().iterdir() if path.name.endswith(".tmp")]


@pytest.mark.parametrize("verb", sorted(care.VERBS))
def test_the_other_verbs_have_examples(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = said(capsys, verb, "--help")
    assert f"saccade gallery {verb} " in out.split("Examples:")[1]
