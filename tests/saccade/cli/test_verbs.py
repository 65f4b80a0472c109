"""The verbs classify, models, verify and bench, as a user calls them."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
import zlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from commands import Answer, Command, run
from saccade import zoo
from saccade.cli.app import main
from saccade.modelfile import read_card, write_card
from toymodel import toy_card, toy_graph, write_toy_classifier


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template")
    write_toy_classifier(folder / "toy.onnx")
    (folder / "photos").mkdir()
    for name, colour in (("a[red]", (220, 10, 10)), ("b", (10, 10, 220))):
        Image.new("RGB", (60, 50), colour).save(folder / "photos" / f"{name}.png")
    Image.new("RGB", (1, 1), (10, 220, 10)).save(folder / "dot.png")
    (folder / "empty.jpg").touch()
    (folder / "text.jpg").write_text("this is no picture")
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "cut.jpg")
    (folder / "cut.jpg").write_bytes((folder / "cut.jpg").read_bytes()[:3000])
    # A PNG that says it is 30000 x 30000: that is all a reader may look at.
    dot = bytearray((folder / "dot.png").read_bytes())
    dot[16:24] = struct.pack(">II", 30_000, 30_000)
    dot[29:33] = struct.pack(">I", zlib.crc32(dot[12:29]))
    (folder / "giant.png").write_bytes(dot)
    return folder


@pytest.fixture
def place(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: a model, good pictures and bad ones."""
    folder = tmp_path / "place"
    shutil.copytree(template, folder)
    monkeypatch.chdir(folder)
    monkeypatch.delenv("SACCADE_DEBUG", raising=False)
    return folder


@pytest.fixture
def saccade(capsys: pytest.CaptureFixture[str]) -> Command:
    """The command, called in this process."""

    def call(*arguments: object) -> Answer:
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        return Answer(status, *capsys.readouterr())

    return call


def test_classify_prints_a_table(place: Path, saccade: Command) -> None:
    done = saccade("classify", "photos", "--model", "toy.onnx", "--top", 2)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["image", "class", "score"]
    assert lines[1].split()[:2] == ["photos/a[red].png", "red"]
    assert lines[3].split()[:2] == ["photos/b.png", "blue"]
    assert len(lines) == 5


def test_classify_answers_the_good_and_names_the_bad(place: Path, saccade: Command) -> None:
    bad = ["none.jpg", "empty.jpg", "text.jpg", "cut.jpg", "giant.png"]
    sources = [*bad[:2], "photos", *bad[2:], "dot.png"]
    done = saccade("classify", *sources, "-m", "toy.onnx", "--json", "--batch", 2)
    assert done.returncode == 1
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(a["image"], a["classes"][0]["label"]) for a in answers] == [
        ("photos/a[red].png", "red"),
        ("photos/b.png", "blue"),
        ("dot.png", "green"),
    ]
    assert list(answers[0]) == ["image", "classes", "timings_ms"]
    complaints = done.stderr.splitlines()
    assert all(line.startswith("saccade: ") for line in complaints)
    assert len(complaints) == len(bad)
    for name in bad:
        assert sum(name in line for line in complaints) == 1


def test_classify_draws(place: Path, saccade: Command) -> None:
    done = saccade("classify", "dot.png", "photos", "-m", "toy.onnx", "--draw", "out")
    assert done.returncode == 0
    assert sorted(p.name for p in (place / "out").iterdir()) == ["a[red].png", "b.png", "dot.png"]
    done = saccade("classify", "photos/b.png", "-m", "toy.onnx", "--draw", "b.jpg")
    assert done.returncode == 0
    with Image.open(place / "b.jpg") as drawn:
        assert drawn.size == (60, 50)


def test_drawing_never_overwrites_the_picture(place: Path, saccade: Command) -> None:
    before = (place / "photos/b.png").read_bytes()
    done = saccade("classify", "photos", "-m", "toy.onnx", "--draw", "photos")
    assert done.returncode == 1
    assert "would overwrite" in done.stderr
    # The answers do not suffer for it.
    assert "photos/a[red].png" in done.stdout
    assert "photos/b.png" in done.stdout
    assert len(done.stderr.splitlines()) == 2
    assert (place / "photos/b.png").read_bytes() == before


def bad_models(place: Path) -> dict[str, str]:
    """Names of bad model files, and what is said about each."""
    whole = (place / "toy.onnx").read_bytes()
    (place / "cut.onnx").write_bytes(whole[: len(whole) // 2])
    (place / "empty.onnx").touch()
    (place / "page.onnx").write_text("<html>not found</html>")
    (place / "foreign.onnx").write_bytes(toy_graph().SerializeToString())
    (place / "detector.onnx").write_bytes(whole)
    card = toy_card(task="detect", outputs=("boxes",))
    write_card(place / "detector.onnx", place / "detector.onnx", card)
    return {
        "cut.onnx": "damaged",
        "empty.onnx": "is empty",
        "page.onnx": "web page",
        "foreign.onnx": "without a Saccade card",
        "detector.onnx": "a model to detect",
        "photos": "is a folder",
        "no_such_model": "no model 'no_such_model'",
    }


def test_classify_with_bad_models(place: Path, saccade: Command) -> None:
    for model, message in bad_models(place).items():
        done = saccade("classify", "dot.png", "--model", model)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("saccade: ")
        assert message in done.stderr
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--runtime", "onyx"], "runtime is 'onyx'"),
        (["--threads", "0"], "threads is 0"),
        (["--top", "0"], "top is 0"),
        (["--batch", "-1"], "batch is -1"),
        (["--draw", "out.xyz"], ".xyz"),
    ],
)
def test_classify_with_bad_options(
    place: Path, saccade: Command, option: list[str], message: str
) -> None:
    done = saccade("classify", "dot.png", "-m", "toy.onnx", *option)
    assert done.returncode == 1
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_folder_without_pictures(place: Path, saccade: Command) -> None:
    (place / "void").mkdir()
    done = saccade("classify", "void", "dot.png", "-m", "toy.onnx", "--json")
    assert done.returncode == 1
    assert "void" in done.stderr
    assert len(done.stdout.splitlines()) == 1


def test_verify(place: Path, saccade: Command) -> None:
    done = saccade("verify", "toy.onnx")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("toy.onnx: verified on onnxruntime")
    done = saccade("verify", "toy.onnx", "--json")
    assert json.loads(done.stdout)["passed"] is True


def test_verify_goes_on_past_bad_files(place: Path, saccade: Command) -> None:
    bad = bad_models(place)
    # A model of another task verifies like any other; this one's card has no self-test.
    bad["detector.onnx"] = "no self-test"
    done = saccade("verify", *bad, "toy.onnx")
    assert done.returncode == 1
    assert done.stdout.startswith("toy.onnx: verified")
    for line, message in zip(done.stderr.splitlines(), bad.values(), strict=True):
        assert line.startswith("saccade: ")
        assert message in line


def test_verify_sees_a_changed_graph(place: Path, saccade: Command) -> None:
    path = place / "toy.onnx"
    changed = path.read_bytes().replace(b"toy", b"tot", 1)
    path.write_bytes(changed)
    done = saccade("verify", "toy.onnx")
    assert done.returncode == 1
    assert "the graph was changed after its card was written" in done.stderr


def test_models_show(place: Path, saccade: Command) -> None:
    done = saccade("models", "show", "toy.onnx")
    assert done.returncode == 0
    for words in ("classify", "3: red, green, blue", "Apache-2.0", "top1 1"):
        assert words in done.stdout
    done = saccade("models", "show", "toy.onnx", "--json")
    plain = json.loads(done.stdout)
    assert plain.pop("name") == "toy"
    assert plain == json.loads(read_card(place / "toy.onnx").to_json())


def test_models_show_of_bad_files(place: Path, saccade: Command) -> None:
    bad = bad_models(place)
    del bad["detector.onnx"]
    for model, message in bad.items():
        done = saccade("models", "show", model)
        assert (done.returncode, done.stdout) == (1, "")
        assert message in done.stderr
        assert done.stderr.count("\n") == 1


def test_models_lists_the_zoo(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(zoo, "MODELS", place)
    monkeypatch.setattr(zoo, "DEFAULT", {"classify": "toy"})
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["model", "task", "input", "classes", "scores", "licence"]
    assert lines[1].split() == ["toy", "*", "classify", "32x32", "3", "top1", "1", "Apache-2.0"]
    assert main(["models", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "toy"
    assert main(["classify", "none.jpg", "--model", "toi"]) == 1
    assert "did you mean 'toy'?" in capsys.readouterr().err


def test_an_empty_zoo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(zoo, "MODELS", tmp_path)
    assert main(["models"]) == 0
    assert "no models are shipped" in capsys.readouterr().err
    assert main(["classify", "a.jpg"]) == 1
    assert "ships no model to classify" in capsys.readouterr().err


def test_bench(place: Path, saccade: Command) -> None:
    write_toy_classifier(place / "other.onnx", dim=64)
    done = saccade(
        *("bench", "toy.onnx", "--against", "other.onnx", "--batch", "1,4", "--threads", "1"),
        *("--runs", "4", "--json"),
    )
    assert (done.returncode, done.stderr) == (0, "")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(row["model"], row["batch"]) for row in rows] == [
        ("toy.onnx", 1),
        ("other.onnx", 1),
        ("toy.onnx", 4),
        ("other.onnx", 4),
    ]
    for row in rows:
        assert row["against"] == "other.onnx (onnxruntime)"
        assert row["runs"] == 4
        assert 0 < row["median_ms"] <= row["p90_ms"]
        assert row["times_as_fast_p10"] <= row["times_as_fast"] <= row["times_as_fast_p90"]
    assert rows[1]["times_as_fast"] == 1


def test_bench_prints_a_table(place: Path, saccade: Command) -> None:
    done = saccade("bench", "toy.onnx", "--runs", "3", "--threads", "1")
    assert done.returncode == 0
    assert "images/s" in done.stdout.splitlines()[0]
    assert done.stdout.splitlines()[-1] == "compared with toy.onnx (onnxruntime)"


@pytest.mark.skipif(find_spec("openvino") is None, reason="the extra 'openvino' is not installed")
def test_bench_compares_runtimes(place: Path, saccade: Command) -> None:
    arguments = ["--runtime", "onnxruntime, openvino", "--runs", "2", "--threads", "1", "--json"]
    done = saccade("bench", "toy.onnx", *arguments)
    assert [json.loads(line)["runtime"] for line in done.stdout.splitlines()] == [
        "onnxruntime",
        "openvino",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing.onnx"], "no model 'nothing.onnx'"),
        (["toy.onnx", "--batch", "1,x"], "--batch is '1,x'"),
        (["toy.onnx", "--threads", "0"], "--threads is '0'"),
        (["toy.onnx", "--runs", "0"], "runs is 0"),
        (["toy.onnx", "--runtime", "onnxruntime,x"], "runtime is 'x'"),
        (["toy.onnx", "--against", "eager:no_such_run"], "no_such_run"),
    ],
)
def test_bench_with_bad_arguments(
    place: Path, saccade: Command, arguments: list[str], message: str
) -> None:
    if any(argument.startswith("eager:") for argument in arguments):
        pytest.importorskip("torch")
    done = saccade("bench", *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_in_processes_of_their_own(place: Path) -> None:
    bad = ["none.jpg", "empty.jpg", "text.jpg", "cut.jpg", "giant.png"]
    done = run("classify", *bad, "dot.png", "-m", "toy.onnx", "--json")
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 1
    assert len(done.stderr.splitlines()) == len(bad)
    done = run("verify", *bad_models(place), "toy.onnx")
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 1
    assert len(done.stderr.splitlines()) == len(bad_models(place))


@pytest.mark.parametrize(
    "arguments",
    [
        ("classify", "dot.png", "-m", "cut.onnx"),
        ("models", "show", "page.onnx"),
        ("bench", "foreign.onnx"),
    ],
)
def test_bad_models_in_processes_of_their_own(place: Path, arguments: tuple[str, ...]) -> None:
    bad_models(place)
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1


def test_a_graph_damaged_inside_is_one_line(place: Path) -> None:
    whole = bytearray((place / "toy.onnx").read_bytes())
    at = whole.index(b"first_conv")
    whole[at - 60 : at] = b"\xff" * 60
    (place / "toy.onnx").write_bytes(whole)
    for runtime in ("onnxruntime", "openvino"):
        if find_spec(runtime) is not None:
            done = run("classify", "dot.png", "-m", "toy.onnx", "--runtime", runtime)
            assert (done.returncode, done.stdout) == (1, "")
            assert done.stderr.startswith("saccade: toy.onnx: ")
            assert done.stderr.count("\n") == 1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems forbid such names")
def test_a_name_that_is_no_text(place: Path) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    shutil.copy("dot.png", name)
    done = run("classify", "-m", "toy.onnx", "--json", name)
    assert done.returncode == 0
    assert json.loads(done.stdout)["classes"][0]["label"] == "green"


def test_an_address_is_named_as_it_was_given(place: Path, saccade: Command) -> None:
    done = saccade("classify", "https://example.org/a.jpg", "-m", "toy.onnx")
    assert done.returncode == 1
    assert "https://example.org/a.jpg is a web address; download" in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_full_disk_is_no_fault_of_ours(place: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "saccade.cli.app", "classify", "dot.png", "-m", "toy.onnx"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            cwd=place,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == "saccade: cannot write the output: the disk is full; free some space\n"


@pytest.mark.skipif(os.name != "posix", reason="closes streams as a POSIX shell does")
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&-"])
def test_closed_streams_are_no_fault(place: Path, closed: str) -> None:
    command = f'"{sys.executable}" -m saccade.cli.app classify dot.png -m toy.onnx {closed}'
    done = subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, cwd=place, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
