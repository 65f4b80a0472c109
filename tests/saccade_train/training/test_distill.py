"""Distillation as a whole: it learns, resumes to the same numbers, and says what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from classifier_runs import COLOURS, write_classifier_run, write_colours
from saccade.errors import OptionError, TrainingError
from saccade.modelfile import read_card
from saccade_train.distill import symmetric_kl
from saccade_train.export.run import export_run
from saccade_train.models.classifier import Classifier
from saccade_train.recipes import parse_recipe
from saccade_train.training.checkpoint import load_tensors
from saccade_train.training.distill import DistillTask
from saccade_train.training.distill_learner import truth_loss
from saccade_train.training.loop import Summary, train
from saccade_train.training.run import load_trained
from toymodel import write_toy_classifier

TINY: dict[str, Any] = {
    "task": "distill",
    "model": {"arch": "lcnet_x0_25"},
    "data": {"train_size": 32, "eval": {"height": 32, "width": 32, "short": 36}, "workers": 0},
    "augment": {"crop": {"area": [0.3, 1.0]}},
    "optimiser": {"lr": 0.05},
    "epochs": 1,
    "batch_size": 8,
    "log_every": 1,
    "save_seconds": 3600,
    "seed": 7,
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``data``, ``teacher`` and ``teacher.onnx``, and ``other``, of two classes."""
    folder = tmp_path_factory.mktemp("distill")
    torch.set_num_threads(1)
    write_colours(folder / "data")
    write_classifier_run(folder / "teacher", export=folder / "teacher.onnx")
    write_classifier_run(folder / "other", classes=("blue", "red"))
    return folder


def go(place: Path, out: Path, unlabelled: Any = (), **changes: Any) -> Summary:
    values = {**TINY, "teachers": [{"source": str(place / "teacher")}], **changes}
    return train(
        parse_recipe(values),
        place / "data",
        out,
        unlabelled=unlabelled,
        quiet=True,
        tensorboard=False,
    )


def losses(out: Path) -> list[float]:
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if line["kind"] == "train"]


def same_weights(first: Path, second: Path) -> None:
    ours, theirs = load_file(first), load_file(second)
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert torch.equal(ours[name], theirs[name]), name


def test_the_student_alone_is_kept(place: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    pool = tmp_path / "pool"
    write_colours(pool, train=3, val=1)
    summary = go(place, out, [pool / "train"])
    assert (summary.train_pictures, summary.val_pictures, summary.steps) == (24 + 9, 6, 4)
    trained = load_trained(out)
    assert isinstance(trained.model, Classifier)
    assert trained.classes == ("blue", "green", "red")
    whole = load_tensors(out / "last" / "model.safetensors")
    assert all(name.startswith("student.") for name in whole)
    assert not (out / "soft_labels").exists()
    export_run(out, tmp_path / "student.onnx")
    card = read_card(tmp_path / "student.onnx")
    assert (card.task, card.labels) == ("classify", ("blue", "green", "red"))
    assert "symmetric_kl" in card.recipe
    assert "source: teacher\n" in card.recipe  # not where it lay


def test_it_comes_to_agree_with_its_teacher(place: Path, tmp_path: Path) -> None:
    # A teacher that names the strongest colour, with classes in another order.
    teacher = write_toy_classifier(tmp_path / "toy.onnx")
    go(
        place,
        tmp_path / "run",
        teachers=[{"source": str(teacher)}],
        model={"arch": "lcnet_x0_25", "options": {"strides": [1, 1, 2, 2, 2]}},
        augment={"crop": {"area": [0.5, 1.0]}},
        epochs=10,
        eval_every=10,
        optimiser={"name": "adamw", "lr": 0.003},
        schedule={"kind": "constant"},
        seed=0,
    )
    values = losses(tmp_path / "run")
    assert len(values) == 30
    assert sum(values[-5:]) < 0.2 * sum(values[:5])


@pytest.mark.parametrize("cached", [False, True], ids=["train", "cached"])
def test_a_stopped_run_goes_on_to_the_same_numbers(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cached: bool
) -> None:
    teachers = [{"source": str(place / "teacher"), "cached": cached}]
    pool = place / "data" / "train" / "red"
    recipe: dict[str, Any] = {
        "teachers": teachers,
        "epochs": 2,
        "save_steps": 1,
        "augment": {"mixup": 0.2},
        "ema": {"decay": 0.9},
        "model": {"arch": "lcnet_x0_25", "options": {"dropout": 0.5}},
    }
    go(place, tmp_path / "whole", pool, **recipe)
    steps = 0
    inner = DistillTask.loss

    def stop(self: DistillTask, *words: Any) -> Any:
        nonlocal steps
        steps += 1
        if steps == 6:
            raise KeyboardInterrupt
        return inner(self, *words)

    with monkeypatch.context() as patch:
        patch.setattr(DistillTask, "loss", stop)
        with pytest.raises(KeyboardInterrupt):
            go(place, tmp_path / "stopped", pool, **recipe)
    go(place, tmp_path / "stopped", pool, **recipe)
    for name in ("model", "ema"):
        file = f"last/{name}.safetensors"
        same_weights(tmp_path / "whole" / file, tmp_path / "stopped" / file)
    assert losses(tmp_path / "whole") == losses(tmp_path / "stopped")
    with pytest.raises(TrainingError, match="other pictures"):
        go(place, tmp_path / "stopped", **recipe)


def test_an_onnx_teacher_and_a_cache_for_several_runs(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def of(source: str, **more: Any) -> dict[str, Any]:
        return {"teachers": [{"source": str(place / source), **more}]}

    go(place, tmp_path / "torch", **of("teacher", bn="eval"))
    go(place, tmp_path / "onnx", **of("teacher.onnx"))
    assert losses(tmp_path / "onnx") == pytest.approx(losses(tmp_path / "torch"), rel=1e-2)
    shared = {"cached": True, "cache": str(tmp_path / "cache")}
    go(place, tmp_path / "first", **of("teacher.onnx", **shared))
    from saccade_train.distill.onnx_teacher import OnnxTeacher

    def refuse(*words: Any) -> Any:
        raise AssertionError("asked again")

    with monkeypatch.context() as patch:
        patch.setattr(OnnxTeacher, "look", refuse)
        go(place, tmp_path / "second", **of("teacher.onnx", **shared))
    same_weights(
        tmp_path / "first/last/model.safetensors", tmp_path / "second/last/model.safetensors"
    )
    with pytest.raises(TrainingError, match="holds soft labels of another teacher"):
        go(place, tmp_path / "third", **of("teacher", **shared))


def test_teachers_of_other_classes(place: Path, tmp_path: Path) -> None:
    teachers = [{"source": str(place / "other")}]
    with pytest.raises(OptionError, match="has 2 classes, the data has 3"):
        go(place, tmp_path / "run", teachers=teachers)
    assert not (tmp_path / "run").exists()
    with pytest.raises(OptionError, match="has nobody to learn from"):
        go(place, tmp_path / "run", teachers=[])


def test_classes_in_another_order_give_the_same_loss(place: Path, tmp_path: Path) -> None:
    go(place, tmp_path / "plain")
    turned = tmp_path / "turned"
    write_classifier_run(turned)
    state = load_file(turned / "best" / "model.safetensors")
    order = [2, 0, 1]
    from safetensors.torch import save_file

    state |= {n: state[n][order].contiguous() for n in ("head.fc.weight", "head.fc.bias")}
    save_file(state, turned / "best" / "model.safetensors")
    names = list(COLOURS)
    (turned / "classes.txt").write_text("".join(f"{names[n]}\n" for n in order))
    go(place, tmp_path / "run", teachers=[{"source": str(turned)}])
    assert losses(tmp_path / "run") == pytest.approx(losses(tmp_path / "plain"), rel=1e-6)


def test_every_term_trains(place: Path, tmp_path: Path) -> None:
    vectors = {"layers": ["head.act"]}
    terms = [
        {"loss": "afd", "layers": ["backbone.blocks5", "backbone.blocks6"], "options": {"dim": 8}},
        {"loss": "mgd", "layers": ["backbone.blocks5"]},
        {"loss": "pefd", **vectors},
        {"loss": "cosine", **vectors},
        {"loss": "rkd_distances", **vectors},
        {"loss": "rkd_angles"},
        {"loss": "feature_distance", "layers": ["backbone.blocks3"], "options": {"kind": "l1"}},
        {"loss": "dkd", "labels": "truth"},
        {"loss": "wsl"},
        {"loss": "skd"},
        {"loss": "dist"},
        {"loss": "kl", "options": {"temperature": 2}},
        {"loss": "cross_entropy"},
        {"loss": "jensen_shannon"},
    ]
    pool = place / "data" / "train" / "blue"
    go(place, tmp_path / "run", pool, terms=terms, truth=0.1)
    whole = load_tensors(tmp_path / "run" / "last" / "model.safetensors")
    parts = {name.split(".")[1] for name in whole if name.startswith("learned.")}
    assert parts == {"0_teacher", "1_teacher", "2_teacher"}
    assert isinstance(load_trained(tmp_path / "run").model, Classifier)


def test_mutual_learning_moves_both(place: Path, tmp_path: Path) -> None:
    terms = [
        {"loss": "symmetric_kl", "teacher": "peer"},
        {"loss": "feature_distance", "teacher": "peer", "layers": ["backbone.blocks5"]},
    ]
    model = {"arch": "lcnet_x0_25"}
    go(place, tmp_path / "run", teachers=[], peer=model, truth=1.0, terms=terms)
    whole = load_tensors(tmp_path / "run" / "last" / "model.safetensors")
    name = "backbone.conv1.conv.weight"
    assert not torch.equal(whole[f"student.{name}"], whole[f"other.{name}"])
    assert isinstance(load_trained(tmp_path / "run").model, Classifier)
    apart = symmetric_kl(torch.zeros(1, 2), torch.tensor([[0.0, 1.0]]))
    assert float(apart) > 0


def test_stages(place: Path, tmp_path: Path) -> None:
    go(place, tmp_path / "one")
    go(place, tmp_path / "two", init=str(tmp_path / "one"), optimiser={"lr": 0.001})
    data = {**TINY["data"], "eval": {"height": 40, "width": 48, "mode": "stretch"}}
    go(place, tmp_path / "fix", init=str(tmp_path / "two"), stage="last_layer", data=data)
    before = load_file(tmp_path / "two" / "best" / "model.safetensors")
    after = load_file(tmp_path / "fix" / "best" / "model.safetensors")
    moved = {name for name in after if not torch.equal(before[name], after[name])}
    assert moved == {"head.fc.weight", "head.fc.bias"}
    prepare = load_trained(tmp_path / "fix").recipe.data.eval
    assert (prepare.height, prepare.width) == (40, 48)


def test_truth_counts_labelled_pictures_only() -> None:
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    targets = torch.tensor([[1.0, 0, 0], [0, 0, 0], [0, 0, 1], [0, 0, 0]])
    wanted = torch.nn.functional.cross_entropy(logits[[0, 2]], torch.tensor([0, 2]))
    assert float(truth_loss(logits, targets)) == pytest.approx(float(wanted))
    nothing = truth_loss(logits.requires_grad_(), torch.zeros(4, 3))
    nothing.backward()
    assert nothing.item() == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"terms": [{"loss": "kld"}]}, "unknown loss 'kld'; did you mean 'kl'"),
        ({"terms": [{"loss": "kl", "options": {"T": 4}}]}, "has no option 'T'"),
        ({"terms": [{"loss": "kl", "layers": ["head"]}]}, "kl compares logits"),
        ({"terms": [{"loss": "mgd"}]}, "mgd compares features; name layers"),
        (
            {"terms": [{"loss": "mgd", "layers": ["backbone.block6"]}]},
            "the student has no layer 'backbone.block6'; did you mean 'backbone.blocks6'",
        ),
        ({"terms": [{"loss": "kl", "teacher": "peer"}]}, "no teacher 'peer'; there is teacher"),
        ({"terms": []}, "nothing to learn from"),
        ({"stage": "last_layer", "augment": {"cutmix": 1.0}}, "without mixing"),
        (
            {"teachers": [{"source": "x", "cached": True, "bn": "train"}]},
            "which cannot be cached",
        ),
        ({"teachers": [{"source": "x"}, {"source": "y", "name": "teacher"}]}, "'teacher' is taken"),
        ({"teachers": [{"source": "x", "bm": "eval"}]}, "unknown key"),
        (
            {
                "augment": {"mixup": 0.2},
                "terms": [{"loss": "dkd", "labels": "truth"}],
            },
            "mixing blends two",
        ),
    ],
)
def test_recipes_that_make_no_sense(
    place: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(OptionError) as caught:
        go(place, tmp_path / "run", **changes)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()
