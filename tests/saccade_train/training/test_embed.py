"""Embedders: they learn, stop and go on, are measured, and leave as model files."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from saccade.cli.app import main
from saccade.datasets.classification import open_classification
from saccade.errors import OptionError
from saccade.imaging.read import read_image
from saccade.modelfile import read_card
from saccade.runtime import open_session
from saccade.tasks.embed import Embedder as EmbedderOfFiles
from saccade_train.evaluation import evaluate_retrieval, open_model
from saccade_train.export.run import export_run
from saccade_train.models.embedder import Embedder
from saccade_train.recipes import EmbedRecipe, parse_recipe
from saccade_train.training.embed import batch_order, check_embed
from saccade_train.training.feed import Plan
from saccade_train.training.loop import train
from saccade_train.training.report import Report
from saccade_train.training.run import load_trained

TINY: dict[str, Any] = {
    "task": "embed",
    "model": {
        "arch": "lcnet_x0_25",
        "options": {"dropout": 0.0, "strides": [1, 1, 2, 2, 2]},
        "embedding_dim": 32,
        "head_options": {"margin": 0.2, "scale": 16},
    },
    "data": {"train_size": 32, "eval": {"height": 32, "width": 32, "mode": "stretch"}},
    "augment": {"crop": {"kind": "pad"}},
    "loss": {
        "metric": [{"loss": "triplet", "options": {"margin": 0.3}}],
        "memory": {"size": 30, "start_step": 2},
        "center": {"weight": 0.01},
    },
    "sampler": {"kind": "pk", "per_class": 4},
    "optimiser": {"lr": 0.02},
    "epochs": 3,
    "batch_size": 12,
    "save_steps": 2,
    "save_seconds": 3600,
    "ema": {"decay": 0.9},
    "seed": 7,
}


def tiny(**changes: Any) -> EmbedRecipe:
    recipe: EmbedRecipe = parse_recipe({**TINY, **changes})
    return recipe


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> Path:
    """A finished run of the tiny recipe."""
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("embed") / "run"
    train(tiny(), pictures, out, quiet=True, tensorboard=False)
    return out


def same_tensors(first: Path, second: Path) -> None:
    ours, theirs = load_file(first), load_file(second)
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert torch.equal(ours[name], theirs[name]), name


def test_it_learns_a_handful_of_pictures(tmp_path: Path, pictures: Path) -> None:
    optimiser = {"name": "adamw", "lr": 0.003}
    recipe = tiny(epochs=25, eval_every=25, ema={}, loss={"smoothing": 0.1}, optimiser=optimiser)
    summary = train(recipe, pictures, tmp_path / "run", quiet=True, tensorboard=False)
    assert summary.scores["recall_at_1"] == 1.0
    assert summary.scores["map"] > 0.9
    assert summary.val_pictures == 9
    queries = open_classification(pictures, "val")
    gallery = open_classification(pictures, "train")
    found = evaluate_retrieval(open_model(tmp_path / "run"), queries, gallery)
    assert found.metrics["map"] == pytest.approx(summary.scores["map"], abs=1e-3)


def test_the_run_folder_holds_the_network_alone_as_the_best(run: Path) -> None:
    trained = load_trained(run)
    assert isinstance(trained.model, Embedder)
    assert trained.classes == ("blue", "green", "red")
    assert {"recall_at_1", "recall_at_5", "map"} <= set(trained.scores)
    best = load_file(run / "best" / "model.safetensors")
    assert not any(name.startswith(("student.", "memory.")) for name in best)
    last = load_file(run / "last" / "model.safetensors")
    assert last["memory.seen"] == 36 * 3
    assert last["centers"].shape == (3, 32)


def test_stopped_and_gone_on_with_gives_the_same_numbers(
    run: Path, tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tick(self: Report, step: int) -> None:
        if step == 4:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(Report, "tick", tick)
        stopped = train(tiny(), pictures, tmp_path / "run", quiet=True, tensorboard=False)
    assert not stopped.finished
    train(tiny(), pictures, tmp_path / "run", quiet=True, tensorboard=False)
    for name in ("model", "ema", "optimiser"):
        file = Path("last", f"{name}.safetensors")
        same_tensors(tmp_path / "run" / file, run / file)


@pytest.mark.parametrize("neck", ["fc", "bn", "hash"])
def test_exported_files_say_what_torch_says(neck: str, tmp_path: Path, pictures: Path) -> None:
    model = {**TINY["model"], "neck": neck, "head": "fc", "head_options": {}}
    loss: dict[str, Any] = {"metric": [{"loss": "dch"}]} if neck == "hash" else {}
    recipe = tiny(model=model, loss=loss, epochs=1)
    train(recipe, pictures, tmp_path / "run", quiet=True, tensorboard=False)
    report = export_run(tmp_path / "run", tmp_path / "out.onnx")
    output = "bits" if neck == "hash" else "embedding"
    assert set(report.parity[0].outputs) == {output}
    assert report.parity[0].worst < 1e-4
    card = read_card(tmp_path / "out.onnx")
    assert (card.task, card.outputs, card.labels) == ("embed", (output,), ())
    assert card.embedding_dim == 32
    image = read_image(next((pictures / "val" / "red").iterdir()))
    answer = open_session(tmp_path / "out.onnx").run(card.prepare(image)[None])[output]
    assert answer.shape == (1, 32)
    if neck == "hash":
        assert np.abs(answer).max() <= 1
    else:
        np.testing.assert_allclose(np.linalg.norm(answer, axis=1), 1, atol=1e-5)
        vector = EmbedderOfFiles(tmp_path / "out.onnx")(image)
        np.testing.assert_allclose(vector, answer[0], atol=1e-5)
    queries = open_classification(pictures, "val")
    gallery = open_classification(pictures, "train")
    by_file = evaluate_retrieval(open_model(tmp_path / "out.onnx"), queries, gallery)
    by_torch = evaluate_retrieval(open_model(tmp_path / "run"), queries, gallery)
    assert by_file.metrics["n"] == 9
    assert by_torch.metrics["n"] == 9
    ready = np.stack([card.prepare(queries.read(number)) for number in range(len(queries))])
    ours = open_model(tmp_path / "run").run(ready)[output]
    np.testing.assert_allclose(
        ours, open_session(tmp_path / "out.onnx").run(ready)[output], atol=1e-5
    )


def test_the_command_line_measures_and_exports(
    run: Path, tmp_path: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(tmp_path / "out.onnx")
    assert main(["export", str(run), "-o", file]) == 0
    capsys.readouterr()
    words = ["eval", file, "--data", str(pictures), "--gallery-split", "train", "--json"]
    assert main(words) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["gallery"] == 36
    assert said["n"] == 9
    assert 0 <= said["recall_at_1"] <= 1


def test_it_begins_with_a_classifiers_weights(tmp_path: Path, pictures: Path, run: Path) -> None:
    classifier = parse_recipe(
        {
            "model": {"arch": "lcnet_x0_25", "options": TINY["model"]["options"]},
            "data": {"train_size": 32, "eval": {"height": 32, "width": 32, "short": 32}},
            "epochs": 1,
            "batch_size": 12,
        }
    )
    train(classifier, pictures, tmp_path / "classes", quiet=True, tensorboard=False)
    given = load_file(tmp_path / "classes" / "last" / "model.safetensors")
    for start in (tmp_path / "classes", run):
        recipe = tiny(init=str(start), epochs=1, optimiser={"lr": 1e-12}, ema={})
        out = tmp_path / f"from-{start.name}"
        train(recipe, pictures, out, quiet=True, tensorboard=False)
        found = load_file(out / "last" / "model.safetensors")
        if start == run:
            given = load_file(run / "best" / "model.safetensors")
            wanted = given["neck.fc.weight"]
            assert torch.allclose(found["student.neck.fc.weight"], wanted, atol=1e-6)
            wanted = given["pooled.last_conv.weight"]
        else:
            wanted = given["head.last_conv.weight"]
        assert torch.allclose(found["student.pooled.last_conv.weight"], wanted, atol=1e-6)


def test_it_begins_with_an_exported_file(tmp_path: Path, pictures: Path, run: Path) -> None:
    file = tmp_path / "goods.onnx"
    assert main(["export", str(run), "-o", str(file)]) == 0
    recipe = tiny(init=str(file), epochs=1, optimiser={"lr": 1e-12}, ema={})
    summary = train(recipe, pictures, tmp_path / "again", quiet=True, tensorboard=False)
    found = load_file(tmp_path / "again" / "last" / "model.safetensors")
    given = load_file(run / "best" / "model.safetensors")
    wanted = given["pooled.last_conv.weight"]
    assert torch.allclose(found["student.pooled.last_conv.weight"], wanted, atol=1e-6)
    # The look at a batch that precedes the first step has left no trace.
    counts = {int(n) for name, n in found.items() if name.endswith("num_batches_tracked")}
    assert counts == {summary.steps}


def test_it_learns_from_a_teacher(tmp_path: Path, pictures: Path, run: Path) -> None:
    distill = {"teacher": str(run), "cosine": 1.0, "distances": 1.0, "angles": 1.0}
    recipe = tiny(loss={"classify": 0.0, "distill": distill}, epochs=2)
    summary = train(recipe, pictures, tmp_path / "run", quiet=True, tensorboard=False)
    assert summary.finished
    other = tiny(loss={"distill": distill}, model={**TINY["model"], "embedding_dim": 16})
    with pytest.raises(OptionError, match="16 numbers, the teacher's 32"):
        train(other, pictures, tmp_path / "other", quiet=True, tensorboard=False)


def test_val_may_have_classes_of_its_own(tmp_path: Path, pictures: Path) -> None:
    val = tmp_path / "val"
    for name, source in (("crimson", "red"), ("sky", "blue")):
        (val / name).mkdir(parents=True)
        for file in (pictures / "val" / source).iterdir():
            (val / name / file.name).write_bytes(file.read_bytes())
    recipe = tiny(data={**TINY["data"], "gallery": "val"}, epochs=1)
    summary = train(recipe, pictures / "train", tmp_path / "run", val=val, quiet=True)
    assert summary.val_pictures == 6
    assert 0 <= summary.scores["recall_at_1"] <= 1


@pytest.mark.parametrize("kind", ["pk", "identity", "repeated"])
def test_orders_are_the_samplers(kind: str) -> None:
    labels = np.repeat(np.arange(5), 8)
    recipe = tiny(sampler={"kind": kind, "per_class": 4}, loss={})
    order = batch_order(recipe, labels, Plan(40, 12), 0)
    assert order is not None
    assert order.shape == (36,)
    assert not np.array_equal(order, batch_order(recipe, labels, Plan(40, 12), 1))
    assert batch_order(tiny(sampler={}), labels, Plan(40, 12), 0) is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"loss": {"metric": [{"loss": "triplett"}]}}, "did you mean 'triplet'"),
        ({"loss": {"metric": [{"loss": "triplet", "options": {"mrgin": 1}}]}}, "'margin'"),
        ({"loss": {"memory": {"size": 9}}}, "no metric loss"),
        ({"model": {"head": "arc", "head_options": {"scal": 3}}}, "did you mean 'scale'"),
        ({"model": {"neck": "hash", "embedding_dim": 12}}, "multiple of 8"),
        ({"model": {"arch": "lcnet_x9"}}, "unknown architecture"),
    ],
)
def test_wrong_words_are_said_at_once(changes: dict[str, Any], said: str) -> None:
    with torch.device("meta"), pytest.raises(OptionError, match=said):
        check_embed(tiny(**changes))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"augment": {"mixup": 0.2}}, "needs one class"),
        ({"batch_size": 10}, "sampler.per_class=4"),
        ({"loss": {"classify": 0}}, "nothing to learn from"),
        ({"sampler": {"kind": "p"}}, "sampler.kind"),
    ],
)
def test_wrong_recipes_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        tiny(**changes)
