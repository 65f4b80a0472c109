"""From pictures with boxes to a trained, measured and exported detector, as a user types it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from saccade.cli.app import main
from saccade.modelfile import read_card
from saccade_train.evaluation.coco_peer import coco_peer
from saccade_train.evaluation.detect import evaluate_detector, open_boxes, open_detector
from shapes import draw_shapes, write_shapes

QUICK = (
    "schedule.warmup_steps=1",
    "model.arch=picodet_xs", "model.options.neck_channels=32", "data.height=64", "data.width=96",
    "data.sizes=[64,[64,96]]", "data.workers=1", "epochs=2", "batch_size=3", "eval_every=1",
    "data.suppress.keep=50",
)  # fmt: skip
TWELVE = {
    "map", "map_50", "map_75", "map_small", "map_medium", "map_large",
    "mar_1", "mar_10", "mar_100", "mar_small", "mar_medium", "mar_large",
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def run_cli(*arguments: object, without: str = "") -> subprocess.CompletedProcess[str]:
    """Run saccade in another process, in which the packages named in ``without`` do not exist."""
    code = (
        "import sys; sys.modules.update(dict.fromkeys(sys.argv.pop(1).split())); "
        "from saccade.cli.app import main\n"
        "if __name__ == '__main__': sys.exit(main())"
    )
    environment = {**os.environ, "SACCADE_THREADS": "1", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-c", code, without, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        env=environment,
        check=False,
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures, a run that was trained on them, and its exported file."""
    folder = tmp_path_factory.mktemp("detect")
    data = write_shapes(folder / "data")
    out = run_cli("train", "picodet_small", "--data", data, "--out", folder / "run", *QUICK)
    assert out.returncode == 0, out.stderr
    said = " ".join(out.stderr.split())
    assert "6 training pictures with 12 boxes and 6 evaluation pictures with 12" in said
    assert "map_50" in said
    assert json.loads((folder / "run/summary.json").read_text())["steps"] == 4
    assert main(["export", str(folder / "run"), "-o", str(folder / "m.onnx")]) == 0
    return folder


def test_the_exported_file(place: Path) -> None:
    card = read_card(place / "m.onnx")
    assert (card.task, card.labels) == ("detect", ("blue", "red"))
    assert (card.prepare.height, card.prepare.width, card.prepare.mode) == (64, 96, "stretch")
    assert card.thresholds == {"score": 0.4, "iou": 0.6, "keep": 50.0}
    assert "map_50" in card.scores
    assert "picodet_xs" in card.recipe


def test_nms_and_thresholds(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "nms.onnx"
    words = ["export", str(place / "run"), "-o", str(out), "--nms", "--threshold", "keep=7"]
    assert main(words) == 0
    card = read_card(out)
    assert card.outputs == ("boxes", "scores", "labels")
    assert card.thresholds["keep"] == 7
    assert "NMS is the end of the graph: class-wise, IoU 0.6, 7 boxes" in card.notes
    assert main(["verify", str(out)]) == 0
    plain, ended = (open_detector(file)[0] for file in (place / "m.onnx", out))
    for image, _ in draw_shapes(3, seed=5):
        want, got = plain(image), ended(image)
        assert len(got) == min(7, len(want))
        np.testing.assert_allclose(got.scores, want.scores[:7], atol=1e-4)
    capsys.readouterr()


def test_another_size(place: Path, tmp_path: Path) -> None:
    out = tmp_path / "larger.onnx"
    assert main(["export", str(place / "run"), "-o", str(out), "--size", "96x128"]) == 0
    card = read_card(out)
    assert (card.prepare.height, card.prepare.width) == (96, 128)
    assert main(["verify", str(out)]) == 0
    left = _main(["export", place / "run", "-o", out, "--size", "100"])
    assert "100 x 100 pixels; both sides must be multiples of 32" in left.stderr
    left = _main(["export", place / "run", "-o", out, "--size", "large"])
    assert "--size 'large': expected one side or HEIGHTxWIDTH" in left.stderr


def test_eval_of_a_file_without_torch(place: Path) -> None:
    result = run_cli(
        "eval", place / "m.onnx", "--data", place / "data", "--json",
        without="torch onnx onnxscript yaml lightning_fabric safetensors",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    got = json.loads(result.stdout)
    assert got.keys() >= TWELVE
    assert (got["n"], got["skipped"], got["split"]) == (6, 0, "val")
    # The same numbers as after the training, but for the resize, which is the same too.
    scores = read_card(place / "m.onnx").scores
    for name, value in scores.items():
        assert got[name] == pytest.approx(value, abs=0.02), name
    if got["faster_coco_eval_difference"] is not None:
        assert got["faster_coco_eval_difference"] < 1e-6


def test_eval_says_who_else_counted(place: Path) -> None:
    words = ("eval", place / "m.onnx", "--data", place / "data", "--split", "train")
    alone = run_cli(*words, without="faster_coco_eval")
    assert alone.returncode == 0, alone.stderr
    assert "pip install 'saccade[eval]'" in alone.stderr
    assert {line.split()[0] for line in alone.stdout.splitlines()} >= TWELVE


def test_a_run_folder_scores_as_its_file_does(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = []
    for model in ("run", "m.onnx"):
        assert main(["eval", str(place / model), "--data", str(place / "data"), "--json"]) == 0
        scores.append(json.loads(capsys.readouterr().out))
    for name in TWELVE:
        wanted = scores[0][name]
        # After four steps all scores are alike, and rounding decides their order.
        assert scores[1][name] == (wanted if wanted is None else pytest.approx(wanted, abs=2e-2))


def test_class_agnostic(place: Path) -> None:
    """An object is an object, whatever it is called."""
    pictures = open_boxes([place / "data"], "val", ("blue", "red"), class_agnostic=True)
    assert pictures.classes == ("object",)
    find, _ = open_detector(place / "m.onnx")
    scores = evaluate_detector(find, pictures, class_agnostic=True)
    named = open_boxes([place / "data"], "val", ("red", "blue"))
    assert scores.metrics["n"] == 6
    found = [find(named.read(number)) for number in range(6)]
    assert coco_peer(named.samples, found) is None or scores.peer_difference < 1e-6


def test_bad_input_is_one_line(place: Path, tmp_path: Path) -> None:
    bare = write_shapes(tmp_path / "bare", 2, empty=2)
    other = write_shapes(tmp_path / "other", 2, names=("blue", "green"))
    broken = write_shapes(tmp_path / "broken", 3)
    (broken / "images/0_1.png").write_bytes(b"no picture")
    model = place / "m.onnx"
    for words, said in (
        (["eval", model, "--data", bare], "no annotations"),
        (["eval", model, "--data", other], "'green' of 2 boxes is unknown to the model"),
        (["eval", model, "--data", broken, "--per-class"], "--per-class belongs to classifiers"),
        (["eval", model, "--data", tmp_path / "none"], "none"),
        (["export", place / "run", "-o", tmp_path / "x.onnx", "--threshold", "iou=7"], "iou is 7"),
        (["train", "picodet_small", "--data", bare, "--out", tmp_path / "r"], "no annotations"),
    ):
        result = run_cli(*words) if words[0] == "train" else _main(words)
        assert result.returncode == 1, words
        assert said in result.stderr
        assert "Traceback" not in result.stderr
    assert not (tmp_path / "r").exists()
    left = _main(["eval", model, "--data", broken, "--json"])
    assert left.returncode == 0
    assert json.loads(left.stdout)["skipped"] == 1
    assert json.loads(left.stdout)["n"] == 2
    assert "0_1.png" in left.stderr


def _main(words: list[object]) -> subprocess.CompletedProcess[str]:
    """As :func:`run_cli`, in this process."""
    import contextlib
    import io

    out, error = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        code = main([str(word) for word in words])
    return subprocess.CompletedProcess(words, code, out.getvalue(), error.getvalue())
