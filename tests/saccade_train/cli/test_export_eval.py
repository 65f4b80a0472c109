from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import saccade_train.export.onnx as exporting
from saccade.cli.app import main
from saccade.datasets.classification import open_classification
from saccade.errors import DatasetError, OptionError
from saccade.imaging.prepare import Prepare
from saccade.imaging.read import read_image
from saccade.modelfile import read_card
from saccade.runtime import open_session
from saccade_train.evaluation import evaluate_classification, evaluate_retrieval, open_model
from saccade_train.export.eager import open_eager
from saccade_train.export.onnx import export_model
from saccade_train.models.classifier import build_classifier
from saccade_train.recipes import dump_recipe, parse_recipe
from saccade_train.training.checkpoint import write_folder

CLASSES = ("blue", "green", "red")
PREPARE = Prepare(32, 32, short=36)
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder, its exported file, and pictures in coloured noise."""
    folder = tmp_path_factory.mktemp("eval")
    random = np.random.default_rng(0)
    for split, count in (("train", 3), ("val", 5)):
        for label, name in enumerate(CLASSES):
            home = folder / "data" / split / name
            home.mkdir(parents=True)
            for number in range(count + label):
                pixels = random.integers(0, 120, (40, 50, 3), dtype=np.uint8)
                pixels[..., 2 - label] += 100
                Image.fromarray(pixels).save(home / f"{number}.png")
    recipe = parse_recipe(
        {
            "model": {"arch": "lcnet_x0_25"},
            "data": {"train_size": 32, "eval": PREPARE.to_dict(), "mean": MEAN, "std": STD},
        }
    )
    torch.manual_seed(1)
    model = build_classifier("lcnet_x0_25", 3).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):  # else all pictures look alike to it
            nn.init.uniform_(module.weight, 1.0, 3.0)
            nn.init.normal_(module.bias)
    write_folder(folder / "run" / "best", {"model": model.state_dict()}, {"scores": {"top1": 0.3}})
    (folder / "run" / "recipe.yaml").write_text(dump_recipe(recipe), "utf-8")
    (folder / "run" / "classes.txt").write_text("\n".join(CLASSES) + "\n", "utf-8")
    export_model(model, folder / "m.onnx", labels=CLASSES, prepare=PREPARE, mean=MEAN, std=STD)
    return folder


def run_cli(*arguments: object, without: str = "") -> subprocess.CompletedProcess[str]:
    """Run saccade in another process, in which the packages named in ``without`` do not exist."""
    code = (
        "import sys; sys.modules.update(dict.fromkeys(sys.argv.pop(1).split())); "
        "from saccade.cli.app import main; sys.exit(main())"
    )
    environment = {**os.environ, "SACCADE_THREADS": "1", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-c", code, without, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        env=environment,
        check=False,
    )


def brute_force(file: Path, data: Path) -> dict[str, Any]:
    """Count picture by picture."""
    session, card = open_session(file), read_card(file)
    top1, total = 0, 0
    hits = dict.fromkeys(card.labels, 0)
    counts = dict.fromkeys(card.labels, 0)
    for picture in sorted(data.rglob("*.png")):
        scores = session.run(card.prepare(read_image(picture))[None])["probabilities"][0]
        right = card.labels[int(scores.argmax())] == picture.parent.name
        top1 += right
        total += 1
        hits[picture.parent.name] += right
        counts[picture.parent.name] += 1
    shares = {name: hits[name] / counts[name] for name in card.labels}
    return {"top1": top1 / total, "n": total, "per_class": shares}


def test_eval_of_a_file_without_torch(place: Path) -> None:
    result = run_cli(
        "eval", place / "m.onnx", "--data", place / "data", "--per-class", "--json",
        without="torch onnx onnxscript yaml lightning_fabric safetensors",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    got = json.loads(result.stdout)
    want = brute_force(place / "m.onnx", place / "data" / "val")
    assert got["top1"] == pytest.approx(want["top1"])
    assert got["n"] == want["n"] == 18
    assert got["per_class"] == pytest.approx(want["per_class"])
    assert got["mean_class_accuracy"] == pytest.approx(np.mean(list(want["per_class"].values())))
    assert got["top5"] == 1.0
    assert got["skipped"] == 0
    wrong = round((1 - want["top1"]) * 18)
    assert sum(one["count"] for one in got["confusions"]) == wrong


def test_a_run_folder_scores_as_its_file_does(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--data", str(place / "data"), "--split", "train", "--json"]
    assert main(["eval", str(place / "run"), *arguments]) == 0
    eager = json.loads(capsys.readouterr().out)
    assert main(["eval", str(place / "m.onnx"), *arguments]) == 0
    exported = json.loads(capsys.readouterr().out)
    assert eager.pop("model") != exported.pop("model")
    assert eager == exported


def test_eager_torch_of_a_run_folder(place: Path) -> None:
    batch = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    eager = open_eager(place / "run", threads=1)(batch)
    exported = open_session(place / "m.onnx").run(batch)["probabilities"]
    np.testing.assert_allclose(exported, eager, rtol=1e-4, atol=1e-7)


def test_the_table_for_people(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = str(place / "data")
    assert main(["eval", str(place / "m.onnx"), "--data", data, "--per-class"]) == 0
    shown = capsys.readouterr().out
    for word in ("top1", "mean_class_accuracy", "lowest first", "green", "taken for"):
        assert word in shown


def test_pictures_that_cannot_be_read_are_listed_and_counted(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pack = tmp_path / "pack.zip"
    with zipfile.ZipFile(pack, "w") as archive:
        for picture in (place / "data" / "val").rglob("*.png"):
            archive.write(picture, f"val/{picture.parent.name}/{picture.name}")
        archive.writestr("val/red/broken.png", b"\x89PNG and no more")
        archive.writestr("val/red/empty.png", b"")
    assert main(["eval", str(place / "m.onnx"), "--data", str(pack), "--json"]) == 0
    shown = capsys.readouterr()
    got = json.loads(shown.out)
    assert (got["n"], got["skipped"]) == (18, 2)
    assert "broken.png" in shown.err
    assert "empty.png" in shown.err


def test_retrieval(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = str(place / "data")
    base = ["eval", str(place / "m.onnx"), "--data", data, "--task", "retrieval", "--json"]
    assert main([*base, "--gallery-split", "train"]) == 0
    got = json.loads(capsys.readouterr().out)

    model = open_model(place / "m.onnx")
    vectors, names = {}, {}
    for split in ("train", "val"):
        pictures = open_classification(data, split)
        images = model.prepare.batch(pictures.read(i) for i in range(len(pictures)))
        vectors[split] = model.run(images)["embedding"]
        names[split] = pictures.labels
    recalls = {1: 0, 5: 0}
    precisions = []
    for vector, label in zip(vectors["val"], names["val"], strict=True):
        order = sorted(
            range(len(names["train"])), key=lambda i: -float(vectors["train"][i] @ vector)
        )
        found = [names["train"][i] == label for i in order]
        for k in recalls:
            recalls[k] += any(found[:k])
        precisions.append(
            np.mean([sum(found[: r + 1]) / (r + 1) for r, hit in enumerate(found) if hit])
        )
    assert got["recall_at_1"] == pytest.approx(recalls[1] / 18)
    assert got["recall_at_5"] == pytest.approx(recalls[5] / 18)
    assert got["map"] == pytest.approx(np.mean(precisions), abs=1e-6)
    assert (got["n"], got["gallery"]) == (18, 12)

    assert main(base) == 0  # each among the others: never itself
    alone = json.loads(capsys.readouterr().out)
    assert (alone["n"], alone["gallery"]) == (18, 18)
    assert alone["recall_at_1"] < 1.0


def test_retrieval_in_blocks_is_the_same(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = open_model(place / "m.onnx")
    pictures = open_classification(place / "data", "val")
    whole = evaluate_retrieval(model, pictures)
    monkeypatch.setattr("saccade_train.evaluation.rank._QUERIES", 4)
    parts = evaluate_retrieval(model, pictures, batch=5)
    assert parts.metrics == pytest.approx(whole.metrics)


def test_a_retrieval_without_anything_to_find(place: Path) -> None:
    model = open_model(place / "m.onnx")
    pictures = open_classification(place / "data", "val")
    firsts = pictures.subset([int(np.argmax(pictures.labels == label)) for label in range(3)])
    with pytest.raises(DatasetError, match="another of its class"):
        evaluate_retrieval(model, firsts)


def test_progress_counts_every_picture(place: Path) -> None:
    model = open_model(place / "m.onnx")
    pictures = open_classification(place / "data", "val", classes=model.labels)
    told: list[int] = []
    evaluate_classification(model, pictures, batch=4, progress=told.append)
    assert sum(told) == 18
    with pytest.raises(OptionError, match="batch is 0"):
        evaluate_classification(model, pictures, batch=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing.onnx", "--data", "DATA"], "nothing.onnx"),
        (["MODEL", "--data", "missing"], "missing"),
        (["MODEL", "--data", "DATA", "--split", "holdout"], "no split 'holdout'"),
        (["MODEL", "--data", "DATA", "--gallery-split", "train"], "--task retrieval"),
        (["MODEL", "--data", "OTHER"], "is not a class of the training set"),
        (["MODEL", "--data", "DATA", "--runtime", "tensorrt"], "tensorrt"),
        (["RUN", "--data", "DATA", "--runtime", "openvino"], "export it first"),
        (["BROKEN", "--data", "DATA"], "BROKEN"),
        (["MODEL", "--data", "DATA", "--attention-crop"], "a model file looks once"),
        (["RUN", "--data", "DATA", "--attention-crop"], "no attention maps"),
        (["mainbody_picodet_s_320", "--data", "DATA", "--attention-crop"], "belongs to classifier"),
    ],
)
def test_eval_tells_in_one_line_what_is_wrong(
    place: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    other = tmp_path / "other" / "val" / "purple"
    other.mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(other / "a.png")
    broken = tmp_path / "BROKEN"
    broken.write_bytes((place / "m.onnx").read_bytes()[:5000])
    names = {
        "DATA": str(place / "data"),
        "MODEL": str(place / "m.onnx"),
        "RUN": str(place / "run"),
        "OTHER": str(tmp_path / "other"),
        "BROKEN": str(broken),
    }
    assert main(["eval", *(names.get(word, word) for word in arguments)]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("\n") == 1
    assert message in shown.err


def test_export_by_command(place: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.onnx"
    result = run_cli(
        "export", place / "run", "-o", out, "--pictures", place / "data" / "val", "--count", 4,
        "--licence", "CC0-1.0", "--data-note", "coloured noise", "--check", "onnxruntime", "--json",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    report = json.loads(result.stdout)
    assert report["parity"][0]["pictures"] == 6
    assert report["parity"][0]["outputs"]["probabilities"]["relative"] < 1e-4
    card = read_card(out)
    assert card.fingerprint == report["fingerprint"]
    assert (card.licence, card.training_data) == ("CC0-1.0", "coloured noise")
    assert (card.labels, card.prepare, card.mean, card.std) == (CLASSES, PREPARE, MEAN, STD)
    assert card.scores == {"top1": 0.3}
    assert "arch: lcnet_x0_25" in card.recipe
    # The same weights as the file that the fixture exported from memory.
    assert card.fingerprint == read_card(place / "m.onnx").fingerprint


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing", "-o", "OUT"], "no such run folder"),
        (["DAMAGED", "-o", "OUT"], "damaged"),
        (["RUN", "-o", "NOWHERE"], "does not exist"),
        (["RUN", "-o", "OUT", "--tolerance", "-1"], "tolerance is -1.0"),
        (["RUN", "-o", "OUT", "--check", "tensorrt"], "tensorrt"),
        (["RUN", "-o", "OUT", "--pictures", "missing"], "missing"),
    ],
)
def test_export_tells_in_one_line_what_is_wrong(
    place: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    damaged = tmp_path / "damaged"
    (damaged / "best").mkdir(parents=True)
    for name in ("recipe.yaml", "classes.txt", "best/state.json"):
        (damaged / name).write_bytes((place / "run" / name).read_bytes())
    (damaged / "best" / "model.safetensors").write_bytes(b"\x10\x00")
    names = {
        "OUT": str(tmp_path / "out" / "m.onnx"),
        "NOWHERE": str(tmp_path / "none" / "m.onnx"),
        "RUN": str(place / "run"),
        "DAMAGED": str(damaged),
    }
    (tmp_path / "out").mkdir()
    assert main(["export", *(names.get(word, word) for word in arguments)]) == 1
    shown = capsys.readouterr()
    assert shown.err.count("\n") == 1
    assert message in shown.err
    assert list((tmp_path / "out").iterdir()) == []


def test_export_reports_to_people(
    place: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    import onnx

    graph = onnx.load(str(place / "m.onnx"))
    del graph.metadata_props[:]
    monkeypatch.setattr(exporting, "export_graph", lambda *_, **__: graph)
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (pictures / "bad.png").write_bytes(b"no picture")
    Image.new("RGB", (60, 40), "teal").save(pictures / "good.png")
    arguments = ["export", str(place / "run"), "-o", str(tmp_path / "n.onnx")]
    assert main([*arguments, "--pictures", str(pictures)]) == 0
    shown = capsys.readouterr().err
    assert "bad.png" in shown
    assert "differs from PyTorch by" in shown
    assert "3 of 3 pictures" in shown


@pytest.mark.parametrize("verb", ["eval", "export"])
def test_help_has_examples(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"]) == 0
    shown = capsys.readouterr().out
    assert f"saccade {verb} " in shown
    assert "Examples:" in shown
