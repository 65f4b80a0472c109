"""`saccade distill`, as a user calls it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from classifier_runs import write_classifier_run, write_colours
from commands import run
from saccade.errors import OptionError
from saccade_train.cli.distill import distill_recipe
from saccade_train.recipes import load_recipe

QUICK = [
    "data={train_size: 32, eval: {height: 32, width: 32, short: 36}}",
    "epochs=1",
    "batch_size=8",
    "schedule.warmup_epochs=0",
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("distill")
    torch.set_num_threads(1)
    write_colours(folder / "data")
    write_colours(folder / "more", train=3, val=0)
    (folder / "more" / "train" / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    write_classifier_run(folder / "teacher", export=folder / "teacher.onnx")
    write_classifier_run(folder / "two", classes=("blue", "red"))
    return folder


def test_from_a_teacher_to_scores(place: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [
        "distill", "--teacher", place / "teacher.onnx", "--student", "lcnet_x0_25",
        "--data", place / "data", "--unlabelled", place / "more", "--cached",
        "--out", tmp_path / "run", *QUICK,
    ]  # fmt: skip
    done = run(*command, env=environment)
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stderr.split())
    assert "9 unlabelled pictures" in said
    assert "broken.jpg" in said
    assert "33 pictures, 1 left out" in said
    assert (tmp_path / "run" / "soft_labels" / "teacher" / "teacher.json").is_file()
    assert "broken.jpg" in (tmp_path / "run" / "skipped.txt").read_text()
    again = run(*command, env=environment)
    assert again.returncode == 0, again.stderr
    assert "going on with" in again.stderr
    done = run("eval", tmp_path / "run", "--data", place / "data", "--json", env=environment)
    assert done.returncode == 0, done.stderr
    assert "top1" in done.stdout
    done = run(
        "distill", "--teacher", place / "two", "--data", place / "data",
        "--out", tmp_path / "no", *QUICK, env=environment,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.count("\n") < 8
    assert "has 2 classes, the data has 3" in done.stderr
    assert not (tmp_path / "no").exists()


def test_what_the_student_may_be(tmp_path: Path) -> None:
    assert distill_recipe("lcnet_x0_35", ["t"], {}, []).model.arch == "lcnet_x0_35"
    classify = distill_recipe("classify_small", ["t"], {}, ["epochs=3"])
    assert (classify.task, classify.epochs) == ("distill", 3)
    assert [term.loss for term in classify.terms] == ["symmetric_kl"]
    file = tmp_path / "own.yaml"
    file.write_text("task: distill\nteachers: [{source: a}, {source: b, name: big}]\n")
    own = distill_recipe(str(file), ["c"], {"bn": "eval"}, [])
    assert [(t.source, t.bn) for t in own.teachers] == [("c", "eval"), ("b", "eval")]
    assert own.teacher_names() == ["teacher", "big"]
    preset = distill_recipe("lcnet_x1_0_ssld", ["w.pdparams"], {}, [])
    assert (preset.teachers[0].source, preset.teachers[0].arch) == ("w.pdparams", "resnet50_vd")
    for student, text in (
        ("picodet_small", "only classifiers are distilled"),
        ("lcnet_x0_36", "did you mean 'lcnet_x0_35'"),
    ):
        with pytest.raises(OptionError, match=text):
            distill_recipe(student, ["t"], {}, [])
    with pytest.raises(OptionError, match="no teacher for bn"):
        distill_recipe("ssld_small", [], {"bn": "eval"}, [])


def test_presets_are_those_of_the_reference() -> None:
    one, five = load_recipe("lcnet_x1_0_ssld"), load_recipe("lcnet_x2_5_ssld")
    assert (one.epochs, one.optimiser.lr, one.batch_size) == (200, 0.4, 1024)
    assert (one.optimiser.weight_decay, five.optimiser.weight_decay) == (1e-5, 4e-5)
    assert (five.epochs, five.optimiser.lr) == (100, 0.2)
    for name in ("lcnet_x1_0_ssld", "lcnet_x2_5_ssld", "ssld_small", "ssld_fix"):
        recipe = load_recipe(name)
        assert (recipe.truth, recipe.label_smoothing, recipe.dropout) == (0, 0, False)
        assert [term.loss for term in recipe.terms] == ["symmetric_kl"]
        assert all(teacher.batch_statistics for teacher in recipe.teachers)
    dml, udml = load_recipe("lcnet_x2_5_dml"), load_recipe("lcnet_x2_5_udml")
    assert (dml.truth, dml.peer, dml.epochs) == (1.0, dml.model, 100)
    assert [term.loss for term in udml.terms] == ["symmetric_kl", "feature_distance"]
    assert load_recipe("ssld_fix").stage == "last_layer"
    first, second = load_recipe("ssld_small"), load_recipe("ssld_small_stage2")
    assert second.optimiser.lr == pytest.approx(first.optimiser.lr / 100)
