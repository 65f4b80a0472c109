"""The verb detect, and the verbs models, verify and bench with a detector, as a user calls them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from commands import Answer, Command, run
from saccade import zoo
from saccade.cli.app import main
from saccade.imaging.video import Video, VideoWriter
from toydetector import LABELS, scene, write_detector
from toymodel import write_toy_classifier

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
RED = ("red", 8, 16, 24, 40)
BLUE = ("blue", 40, 4, 60, 60)


def film(path: Path, frames: int = 8) -> None:
    writer = VideoWriter(path, 10)
    for number in range(frames):
        writer.write(scene(96, 128, ("red", 10 + 8 * number, 20, 40 + 8 * number, 60)))
    writer.close()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template")
    write_detector(folder / "toy.onnx")
    write_detector(folder / "nms.onnx", nms=True, score=0.7)
    write_detector(folder / "broken.onnx", broken=True)
    write_toy_classifier(folder / "classifier.onnx")
    (folder / "photos").mkdir()
    Image.fromarray(scene(64, 64, RED, BLUE)).save(folder / "photos" / "a[two].png")
    Image.fromarray(scene(64, 64)).save(folder / "photos" / "b.png")
    Image.fromarray(scene(8, 8, ("green", 0, 0, 8, 8))).save(folder / "tiny.png")
    Image.fromarray(scene(200, 10_000, ("red", 0, 0, 5000, 200))).save(folder / "strip.png")
    (folder / "empty.jpg").touch()
    (folder / "text.jpg").write_text("this is no picture")
    film(folder / "clip.avi")
    film(folder / "cut.avi", 60)
    whole = (folder / "cut.avi").read_bytes()
    (folder / "cut.avi").write_bytes(whole[: len(whole) // 3])
    (folder / "text.mp4").write_text("this is no video")
    return folder


@pytest.fixture
def place(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: models, good pictures and bad ones, a video."""
    folder = tmp_path / "place"
    shutil.copytree(template, folder)
    monkeypatch.chdir(folder)
    monkeypatch.delenv("SACCADE_DEBUG", raising=False)
    return folder


@pytest.fixture
def saccade(capfd: pytest.CaptureFixture[str]) -> Command:
    """The command, called in this process; what engines print would show."""

    def call(*arguments: object) -> Answer:
        capfd.readouterr()
        status = main([str(argument) for argument in arguments])
        return Answer(status, *capfd.readouterr())

    return call


def answers(done: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_it_prints_a_table(place: Path, saccade: Command) -> None:
    done = saccade("detect", "photos", "--model", "toy.onnx")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["image", "object", "score", "box"]
    assert lines[1].split() == ["photos/a[two].png", "red", "0.9000", "8", "16", "24", "40"]
    assert lines[2].split() == ["blue", "0.9000", "40", "4", "60", "60"]
    assert lines[3].split() == ["photos/b.png", "nothing"]


def test_json_is_an_object_a_line(place: Path, saccade: Command) -> None:
    done = saccade("detect", "photos", "-m", "toy.onnx", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    first, second = answers(done)
    assert list(first) == ["image", "width", "height", "objects", "timings_ms"]
    assert list(first["objects"][0])[:3] == ["label", "score", "box"]
    assert first["objects"][0]["box"] == [8, 16, 24, 40]
    assert second["objects"] == []


def test_it_answers_the_good_and_names_the_bad(place: Path, saccade: Command) -> None:
    bad = ["none.jpg", "empty.jpg", "text.jpg", "none.mp4", "text.mp4", "camera:x"]
    sources = [*bad[:2], "photos", *bad[2:], "tiny.png", "strip.png"]
    done = saccade("detect", *sources, "-m", "toy.onnx", "--json")
    assert done.returncode == 1
    found = answers(done)
    assert [item["image"] for item in found] == [
        *("photos/a[two].png", "photos/b.png"),
        *("tiny.png", "strip.png"),
    ]
    assert found[2]["objects"][0]["box"] == [0, 0, 8, 8]
    assert found[3]["objects"][0]["box"] == pytest.approx([0, 0, 5000, 200], abs=160)
    complaints = done.stderr.splitlines()
    assert all(line.startswith("saccade: ") for line in complaints)
    assert len(complaints) == len(bad)
    for name in bad:
        assert sum(name in line for line in complaints) == 1


@pytest.mark.parametrize(
    ("options", "labels"),
    [
        (["--score", "0.95"], []),
        (["--score", "0.1", "--iou", "1"], ["blue", "red"] * 3),
        (["--keep", "1"], ["red"]),
        (["--class", "blue"], ["blue"]),
        (["--class", "blue", "-c", "green", "-c", "red"], ["red", "blue"]),
        (["--suppress", "none", "--score", "0.1"], ["red", "blue"] * 3),
        (["--suppress", "wbf"], ["red", "blue"]),
        (["--suppress", "soft", "--score", "0.6"], ["red", "blue"]),
        (["--agnostic"], ["red", "blue"]),
        (["--slice", "auto"], ["red", "blue"]),
        (["--slice", "40", "--overlap", "0.5", "--suppress", "wbf"], ["red", "blue"]),
        (["--threads", "1", "--runtime", "onnxruntime"], ["red", "blue"]),
        (["--every", "3"], ["red", "blue"]),
        (["-m", "nms.onnx"], ["red", "blue"]),
        (["-m", "nms.onnx", "--fuse", "wbf", "--score", "0.75"], ["red", "blue"]),
        (["-m", "nms.onnx", "--fuse", "voting", "--iou", "0.4"], ["red", "blue"]),
    ],
)
def test_options(place: Path, saccade: Command, options: list[str], labels: list[str]) -> None:
    done = saccade("detect", "photos/a[two].png", "-m", "toy.onnx", *options, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    (found,) = answers(done)
    assert sorted(item["label"] for item in found["objects"]) == sorted(labels)


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (["--score", "1.5"], 1, "score is 1.5"),
        (["--score", "nan"], 1, "score is nan"),
        (["--iou", "-1"], 1, "iou is -1"),
        (["--keep", "0"], 1, "keep is 0"),
        (["--class", "rde"], 1, "no class 'rde'; did you mean 'red'"),
        (["--suppress", "nmx"], 1, "suppression is 'nmx'"),
        (["--suppress", "wbf", "--agnostic"], 1, "suppression 'wbf' merges boxes"),
        (["--fuse", "wbf"], 2, "--fuse needs several models"),
        (["-m", "nms.onnx", "--suppress", "soft"], 2, "several take --fuse"),
        (["-m", "nms.onnx", "--agnostic"], 2, "several take --fuse"),
        (["-m", "nms.onnx", "--fuse", "votig"], 1, "did you mean 'voting'"),
        (["-m", "none.onnx"], 1, "no model 'none.onnx'"),
        (["--slice", "huge"], 1, "--slice is 'huge'"),
        (["--slice", "3"], 1, "size of a slice is 3"),
        (["--slice", "auto", "--overlap", "2"], 1, "overlap is 2"),
        (["--every", "0"], 1, "--every is 0"),
        (["--threads", "0"], 1, "threads is 0"),
        (["--runtime", "onyx"], 1, "runtime is 'onyx'"),
        (["--draw", "out.xyz"], 1, ".xyz"),
        (["--coco", "no/such/folder.json"], 1, "lies in a folder that does not exist"),
        (["--coco", "photos"], 1, "is a folder"),
        (["--yolo", "toy.onnx"], 1, "cannot be made a folder"),
    ],
)
def test_bad_options(
    place: Path, saccade: Command, options: list[str], status: int, message: str
) -> None:
    done = saccade("detect", "photos/a[two].png", "-m", "toy.onnx", *options)
    assert done.returncode == status
    assert message in done.stderr
    assert done.stderr.startswith("saccade: ")
    assert done.stderr.count("\n") == 1


def test_bad_models(place: Path, saccade: Command) -> None:
    whole = (place / "toy.onnx").read_bytes()
    (place / "cut.onnx").write_bytes(whole[: len(whole) // 2])
    bad = {
        "cut.onnx": "damaged",
        "classifier.onnx": "a model to classify",
        "photos": "is a folder",
        "no_such_model": "no model 'no_such_model'",
    }
    for model, message in bad.items():
        done = saccade("detect", "tiny.png", "--model", model)
        assert (done.returncode, done.stdout) == (1, "")
        assert message in done.stderr
        assert done.stderr.count("\n") == 1


def test_without_a_model_it_asks_for_one(
    place: Path, saccade: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zoo, "DEFAULT", {})
    done = saccade("detect", "tiny.png")
    assert (done.returncode, done.stdout) == (1, "")
    assert "ships no model to detect; name one (--model NAME or FILE" in done.stderr
    assert done.stderr.count("\n") == 1


def test_nan_is_answered_counted_and_told(place: Path, saccade: Command) -> None:
    done = saccade("detect", "photos/a[two].png", "tiny.png", "-m", "broken.onnx", "--json")
    assert done.returncode == 1
    first, second = answers(done)
    assert len(first["objects"]) == 2
    assert len(second["objects"]) == 1
    assert "3 of 9 boxes" in first["problems"][0]
    complaints = done.stderr.splitlines()
    assert len(complaints) == 2
    assert complaints[0].startswith("saccade: photos/a[two].png: 3 of 9 boxes of the network")
    assert complaints[1].startswith("saccade: tiny.png: 6 of 9 boxes")


def test_it_draws_pictures(place: Path, saccade: Command) -> None:
    done = saccade("detect", "photos", "tiny.png", "-m", "toy.onnx", "--draw", "out")
    assert (done.returncode, done.stderr) == (0, "")
    drawn = sorted((place / "out").iterdir())
    assert [path.name for path in drawn] == ["a[two].png", "b.png", "tiny.png"]
    before, after = (
        np.asarray(Image.open(path)) for path in (place / "photos/a[two].png", drawn[0])
    )
    assert before.shape == after.shape
    assert (before != after).any()
    done = saccade("detect", "photos/b.png", "-m", "toy.onnx", "--draw", "b.jpg")
    assert done.returncode == 0
    with Image.open(place / "b.jpg") as picture:
        assert picture.size == (64, 64)
    done = saccade("detect", "photos", "-m", "toy.onnx", "--draw", "photos")
    assert done.returncode == 1
    assert done.stderr.count("would overwrite") == 2
    assert "a[two].png" in done.stdout


def test_a_video_is_answered_frame_by_frame(place: Path, saccade: Command) -> None:
    done = saccade("detect", "clip.avi", "-m", "toy.onnx", "--every", 3, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = answers(done)
    assert [(item["image"], item["frame"]) for item in found] == [
        ("clip.avi", number) for number in (0, 3, 6)
    ]
    assert found[1]["objects"][0]["box"] == pytest.approx([34, 20, 64, 60], abs=4)
    done = saccade("detect", "clip.avi", "-m", "toy.onnx", "--every", 4)
    lines = done.stdout.splitlines()
    assert [line.split(":")[0] for line in lines] == ["clip.avi frame 0", "clip.avi frame 4"]
    assert lines[0].split(":")[1].split()[0] == "red"


def test_a_video_is_drawn_as_a_video(place: Path, saccade: Command) -> None:
    done = saccade("detect", "clip.avi", "-m", "toy.onnx", "--every", 2, "--draw", "drawn.mp4")
    assert (done.returncode, done.stderr) == (0, "")
    with Video(place / "drawn.mp4") as video:
        assert (video.length, video.fps) == (4, 5)
        frames = [frame.pixels for frame in video]
    with Video(place / "clip.avi", every=2) as video:
        plain = [frame.pixels for frame in video]
    for drawn, before in zip(frames, plain, strict=True):
        assert drawn.shape == before.shape
        assert np.abs(drawn.astype(int) - before).max() > 60
    # In a folder, beside pictures.
    done = saccade("detect", "clip.avi", "tiny.png", "-m", "toy.onnx", "--draw", "out")
    assert done.returncode == 0
    assert sorted(path.name for path in (place / "out").iterdir()) == ["clip.mp4", "tiny.png"]


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("clip.avi", "would overwrite the video"),
        ("drawn.gif", "ending .gif is not one of"),
        ("no/drawn.mp4", "folder does not exist"),
    ],
)
def test_bad_places_for_a_drawn_video(
    place: Path, saccade: Command, out: str, message: str
) -> None:
    before = (place / "clip.avi").read_bytes()
    done = saccade("detect", "clip.avi", "-m", "toy.onnx", "--draw", out)
    assert done.returncode == 1
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert (place / "clip.avi").read_bytes() == before


def test_a_video_that_breaks_off(place: Path, saccade: Command) -> None:
    done = saccade("detect", "cut.avi", "tiny.png", "-m", "toy.onnx", "--json", "--draw", "out")
    assert done.returncode == 1
    assert "cut.avi ends after" in done.stderr
    assert done.stderr.count("\n") == 1
    found = answers(done)
    assert found[0]["frame"] == 0
    assert found[-1]["image"] == "tiny.png"
    # What could be read was drawn.
    with Video(place / "out" / "cut.mp4") as video:
        assert video.length == len(found) - 1


def test_folders_hold_videos_too(place: Path, saccade: Command) -> None:
    shutil.copy("clip.avi", "photos/film.avi")
    done = saccade("detect", "photos", "-m", "toy.onnx", "--json", "--every", 100)
    assert [item["image"] for item in answers(done)] == [
        *("photos/a[two].png", "photos/b.png", "photos/film.avi"),
    ]


def test_coco(place: Path, saccade: Command) -> None:
    done = saccade(
        "detect", "photos", "clip.avi", "-m", "toy.onnx", "--coco", "found.json", "--json"
    )
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads((place / "found.json").read_text())
    assert document["categories"] == [
        {"id": number, "name": name} for number, name in enumerate(LABELS, 1)
    ]
    assert len(document["images"]) == 10
    name = "photos/a[two].png"
    assert document["images"][0] == {"id": 1, "file_name": name, "width": 64, "height": 64}
    assert document["images"][-1]["frame"] == 7
    assert len(document["annotations"]) == 10
    first = document["annotations"][0]
    assert first == {
        "id": 1,
        "image_id": 1,
        "category_id": 1,
        "bbox": [8.0, 16.0, 16.0, 24.0],
        "score": 0.9,
        "area": 384.0,
        "iscrowd": 0,
    }
    assert len({item["id"] for item in document["annotations"]}) == 10


def test_yolo(place: Path, saccade: Command) -> None:
    shutil.copytree("photos", "more")
    done = saccade(
        *("detect", "photos", "more", "clip.avi", "-m", "toy.onnx"),
        *("--every", 5, "--yolo", "labels"),
    )
    assert (done.returncode, done.stderr) == (0, "")
    written = {path.name: path.read_text() for path in (place / "labels").iterdir()}
    assert sorted(written) == [
        *("a[two]-2.txt", "a[two].txt", "b-2.txt", "b.txt"),
        *("classes.txt", "clip-000000.txt", "clip-000005.txt"),
    ]
    assert written["classes.txt"].split() == list(LABELS)
    assert written["b.txt"] == ""
    assert written["a[two].txt"].splitlines()[0] == "0 0.250000 0.437500 0.250000 0.375000"
    assert written["a[two]-2.txt"] == written["a[two].txt"]


def test_several_models_decide_together(place: Path, saccade: Command) -> None:
    picture = "photos/a[two].png"
    for fuse, score in (([], 0.8), (["--fuse", "wbf"], 0.8), (["--fuse", "nms"], 0.9)):
        done = saccade("detect", picture, "-m", "toy.onnx", "-m", "nms.onnx", *fuse, "--json")
        assert (done.returncode, done.stderr) == (0, "")
        (found,) = answers(done)
        assert [item["label"] for item in found["objects"]] == ["red", "blue"]
        if fuse:
            assert found["objects"][0]["score"] == pytest.approx(score)


def test_a_camera_is_stopped_by_the_user(
    place: Path, saccade: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was seen until then is written."""

    class Camera(Video):
        def __init__(self, source: str, *, every: int) -> None:
            super().__init__("clip.avi", every=every)
            self.name = source

        def _frames(self) -> Iterator[Any]:
            for frame in super()._frames():
                yield frame
                if frame.number == 4:
                    raise KeyboardInterrupt

    monkeypatch.setattr("saccade.imaging.video.Video", Camera)
    done = saccade(
        *("detect", "camera:0", "-m", "toy.onnx", "--coco", "found.json", "--draw", "out")
    )
    assert done.returncode == 130
    assert done.stderr == "saccade: interrupted\n"
    seen = len(done.stdout.splitlines())
    assert 3 <= seen <= 5
    assert len(json.loads((place / "found.json").read_text())["images"]) == seen
    monkeypatch.undo()
    with Video(place / "out" / "camera-0.mp4") as video:
        assert video.length in (seen, seen + 1)


def test_real_pictures_in_a_process_of_its_own(place: Path) -> None:
    pictures = sorted((EXAMPLES / "queries").iterdir())
    done = run(
        *("detect", EXAMPLES / "queries", EXAMPLES / "receipt.jpg", "none.jpg"),
        *("-m", place / "toy.onnx", "-m", place / "nms.onnx", "--fuse", "wbf"),
        *("--score", "0.01", "--slice", "400", "--json", "--draw", "out"),
        *("--coco", "found.json", "--yolo", "labels"),
        cwd=place,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    found = answers(done)
    assert len(found) == len(pictures) + 1
    assert sum(len(item["objects"]) for item in found) > 0
    for item in found:
        for thing in item["objects"]:
            x1, y1, x2, y2 = thing["box"]
            assert 0 <= x1 < x2 <= item["width"]
            assert 0 <= y1 < y2 <= item["height"]
    assert len(list((place / "out").iterdir())) == len(found)
    assert len(list((place / "labels").iterdir())) == len(found) + 1


def test_bad_input_in_a_process_of_its_own(place: Path) -> None:
    bad = ["none.jpg", "empty.jpg", "text.jpg", "text.mp4", "camera:41"]
    done = run("detect", *bad, "cut.avi", "tiny.png", "-m", "toy.onnx", "--json", cwd=place)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == len(bad) + 1
    assert all(line.startswith("saccade: ") for line in done.stderr.splitlines())
    assert json.loads(done.stdout.splitlines()[-1])["image"] == "tiny.png"


def test_the_other_verbs_take_a_detector(
    place: Path, saccade: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    for model in ("toy.onnx", "nms.onnx"):
        done = saccade("verify", model)
        assert (done.returncode, done.stderr) == (0, "")
        done = saccade("models", "show", model)
        assert done.returncode == 0
        for words in ("detect", "3: red, green, blue", "score 0.4, iou 0.6, keep 100"):
            assert words in done.stdout
        done = saccade("bench", model, "--runs", 2, "--threads", 1, "--json")
        assert (done.returncode, done.stderr) == (0, "")
        assert json.loads(done.stdout)["median_ms"] > 0
    monkeypatch.setattr(zoo, "MODELS", place)
    monkeypatch.setattr(zoo, "DEFAULT", {"detect": "toy"})
    done = saccade("models")
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("toy "))
    assert line.split()[:5] == ["toy", "*", "detect", "64x64", "3"]
    done = saccade("detect", "tiny.png", "--json")
    assert answers(done)[0]["objects"][0]["label"] == "green"


def test_openvino_gives_the_same(place: Path, saccade: Command) -> None:
    pytest.importorskip("openvino", reason="the extra 'openvino' is not installed")
    for model in ("toy.onnx", "nms.onnx"):
        found = []
        for runtime in ("onnxruntime", "openvino"):
            done = saccade(
                *("detect", "photos/a[two].png", "-m", model, "--runtime", runtime, "--json")
            )
            assert (done.returncode, done.stderr) == (0, "")
            found.append(answers(done)[0]["objects"])
        assert found[0] == found[1]
