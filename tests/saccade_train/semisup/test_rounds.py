"""Rounds of pseudo-label mining: what they keep, report and leave; stopping and going on."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from saccade.errors import OptionError, TrainingError
from saccade_train.export.run import export_run
from saccade_train.recipes import ClassifyRecipe, MiningRecipe, load_recipe, parse_recipe
from saccade_train.semisup import rounds as rounds_module
from saccade_train.semisup.rounds import mine, read_rounds
from saccade_train.semisup.weights_average import average_runs, average_weights, main
from saccade_train.training.loop import train
from saccade_train.training.report import Report
from saccade_train.training.run import load_trained

from .conftest import SMALL, Scene

QUIET: dict[str, Any] = {"quiet": True, "tensorboard": False}


def recipe_of(epochs: int = 8, **mining: Any) -> MiningRecipe:
    options = {"rounds": 2, "thresholds": [0.6, 0.5], "teachers": 2, **mining}
    values = {**SMALL, "task": "mining", "mining": options, "epochs": epochs, "eval_every": epochs}
    found = parse_recipe(values)
    assert isinstance(found, MiningRecipe)
    return found


@pytest.fixture(scope="module")
def mined(tmp_path_factory: pytest.TempPathFactory, scene: Scene) -> Path:
    out = tmp_path_factory.mktemp("mined") / "run"
    torch.set_num_threads(1)
    mine(recipe_of(), scene.data, out, unlabelled=scene.pool, **QUIET)
    return out


def test_shipped_recipe() -> None:
    recipe = load_recipe("mining_small")
    assert isinstance(recipe, MiningRecipe)
    assert [recipe.mining.threshold(number) for number in (1, 2, 4)] == [0.4] * 3
    assert type(recipe.of_round(1)) is ClassifyRecipe
    assert [recipe.of_round(number).epochs for number in (0, 1, 2, 4)] == [120, 20, 60, 60]


def test_later_rounds_may_learn_under_more_noise() -> None:
    recipe = load_recipe("mining_small", ["mining.augment={cutmix: 1.0, policy: randaugment}"])
    assert recipe.of_round(0).augment == load_recipe("mining_small").augment
    assert recipe.of_round(2).augment.cutmix == 1.0
    assert recipe.of_round(2).augment.policy == "randaugment"
    with pytest.raises(OptionError, match="cutmux"):
        load_recipe("mining_small", ["mining.augment={cutmux: 1.0}"])


def test_rounds_and_their_report(mined: Path) -> None:
    first, *later = read_rounds(mined)
    assert (first.threshold, first.kept, first.empty_classes) == (None, 0, ())
    assert [one.threshold for one in later] == [0.6, 0.5]
    for one in later:
        # Neither the broken picture nor the leak nor the labelled one is in the pool.
        assert one.pool == 24
        assert one.kept == sum(one.counts.values()) == 24 - one.unsure - one.capped
        assert one.kept_share == one.kept / 24
        assert one.trained
        assert set(one.recall) == {"blue", "green", "red"}
        assert np.mean(list(one.recall.values())) == pytest.approx(one.scores["top1"])
    assert later[-1].scores["top1"] == 1.0
    lines = (mined / "round-2" / "pseudo.tsv").read_text().splitlines()
    assert len(lines) == later[-1].kept
    named = [(Path(path).name.split("-")[0], name) for path, name, _ in map(str.split, lines)]
    assert np.mean([true == name for true, name in named]) > 0.9


def test_the_run_folder_is_an_ordinary_one(mined: Path, tmp_path: Path) -> None:
    trained = load_trained(mined)
    assert isinstance(trained.recipe, MiningRecipe)
    assert trained.scores["top1"] == 1.0
    summary = json.loads((mined / "summary.json").read_text())
    assert summary["steps"] == sum(one.steps for one in read_rounds(mined))
    best = max(read_rounds(mined), key=lambda one: one.scores["top1"])
    theirs = load_file(mined / f"round-{best.round}" / "best" / "model.safetensors")
    ours = load_file(mined / "best" / "model.safetensors")
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    export_run(mined, tmp_path / "model.onnx")


def test_every_round_starts_from_the_same_weights(
    tmp_path: Path, scene: Scene, mined: Path
) -> None:
    """Round 0 is the ordinary training of its recipe."""
    train(recipe_of().of_round(0), scene.data, tmp_path / "plain", **QUIET)
    ours = load_file(mined / "round-0" / "last" / "model.safetensors")
    theirs = load_file(tmp_path / "plain" / "last" / "model.safetensors")
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_stopped_in_a_round_it_goes_on_to_the_same_numbers(
    tmp_path: Path, scene: Scene, mined: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"

    def stop(report: Report, step: int) -> None:
        if "round-1" in str(report._path) and step == 5:
            signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(Report, "tick", stop)
        summary = mine(recipe_of(), scene.data, out, unlabelled=scene.pool, **QUIET)
    assert (summary.stopped_by, summary.out) == (signal.SIGTERM, out)
    assert not (out / "summary.json").exists()
    assert [one.round for one in read_rounds(out)] == [0]
    # The pseudo labels are read, not made again.
    with monkeypatch.context() as patch:
        patch.setattr(rounds_module.pseudo, "choose", None)
        with pytest.raises(TypeError):
            mine(recipe_of(), scene.data, out, unlabelled=scene.pool, **QUIET)
    assert [one.round for one in read_rounds(out)] == [0, 1]
    mine(recipe_of(), scene.data, out, unlabelled=scene.pool, **QUIET)
    for place in ("best", "round-1/last", "round-2/last"):
        ours = load_file(out / place / "model.safetensors")
        theirs = load_file(mined / place / "model.safetensors")
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs), place


def test_damaged_pseudo_labels_are_made_anew(tmp_path: Path, scene: Scene) -> None:
    out = tmp_path / "run"
    mine(recipe_of(1, rounds=1, thresholds=[0]), scene.data, out, unlabelled=scene.pool, **QUIET)
    before = (out / "round-1" / "pseudo.tsv").read_text()
    (out / "round-1" / "pseudo.npz").write_bytes(b"PK\x03\x04 half")
    (out / "round-1" / "pseudo.tsv").unlink()
    mine(recipe_of(1, rounds=1, thresholds=[0]), scene.data, out, unlabelled=scene.pool, **QUIET)
    assert (out / "round-1" / "pseudo.tsv").read_text() == before


def test_soft_targets(tmp_path: Path, scene: Scene) -> None:
    recipe = recipe_of(2, rounds=1, thresholds=[0.34], targets="soft")
    out = tmp_path / "run"
    mine(recipe, scene.data, out, unlabelled=scene.pool, **QUIET)
    hard = recipe_of(2, rounds=1, thresholds=[0.34])
    mine(hard, scene.data, tmp_path / "hard", unlabelled=scene.pool, **QUIET)
    soft, plain = (
        load_file(place / "round-1" / "last" / "model.safetensors")["head.fc.weight"]
        for place in (out, tmp_path / "hard")
    )
    assert not torch.equal(soft, plain)
    # The pictures are the same ones, the targets are not: the one cannot go on with the other.
    with pytest.raises(TrainingError, match="other pictures"):
        mine(hard, scene.data, out, unlabelled=scene.pool, **QUIET)


def test_nothing_kept_is_said_and_survived(
    tmp_path: Path, scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = recipe_of(1, rounds=1, thresholds=[1.0])
    out = tmp_path / "run"
    mine(recipe, scene.data, out, unlabelled=scene.pool, tensorboard=False)
    last = read_rounds(out)[-1]
    assert (last.kept, last.trained, last.unsure) == (0, False, 24)
    assert last.empty_classes == ("blue", "green", "red")
    assert "no unlabelled picture reaches 1" in capsys.readouterr().err
    assert load_trained(out).classes == ("blue", "green", "red")


def test_a_class_without_names_is_told(
    tmp_path: Path, scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = recipe_of(8, rounds=1, outside=["*/red-*", "*/odd/*"])
    mine(recipe, scene.data, tmp_path / "run", unlabelled=scene.pool, tensorboard=False)
    last = read_rounds(tmp_path / "run")[-1]
    assert last.pool == 16
    assert last.empty_classes == ("red",)
    assert "1 classes receive none: red" in capsys.readouterr().err


@pytest.mark.parametrize("reject", ["max_prob", "energy"])
def test_the_filter_and_the_cap(tmp_path: Path, scene: Scene, reject: str) -> None:
    recipe = recipe_of(1, rounds=1, thresholds=[0], reject=reject, reject_keep=0.5, cap=1.5)
    mine(recipe, scene.data, tmp_path / "run", unlabelled=scene.pool, **QUIET)
    last = read_rounds(tmp_path / "run")[-1]
    assert last.unsure == 0
    assert last.kept + last.outside + last.capped == 24
    assert max(last.counts.values()) <= 2


def test_stop_early(tmp_path: Path, scene: Scene) -> None:
    recipe = recipe_of(8, rounds=5, thresholds=[0.0], stop_early=True)
    mine(recipe, scene.data, tmp_path / "run", unlabelled=scene.pool, **QUIET)
    found = read_rounds(tmp_path / "run")
    assert len(found) == 3
    assert found[1].kept == found[2].kept == 24


def test_bad_input(tmp_path: Path, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "run"
    with pytest.raises(OptionError, match="--unlabelled"):
        mine(recipe_of(), scene.data, out, **QUIET)
    with pytest.raises(OptionError, match="several trainings"):
        train(recipe_of(), scene.data, out, quiet=True)
    with pytest.raises(OptionError, match="thresholds"):
        recipe_of(thresholds=[])
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(OptionError, match="one process"):
        mine(recipe_of(), scene.data, out, unlabelled=scene.pool, **QUIET)


def test_restart_clears_the_rounds(tmp_path: Path, scene: Scene) -> None:
    out = tmp_path / "run"
    for name in ("round-7", "round-mine"):
        (out / name).mkdir(parents=True)
    (out / "rounds.json").write_text("[]")
    recipe = recipe_of(1, rounds=1, thresholds=[1.0])
    mine(recipe, scene.data, out, unlabelled=scene.pool, restart=True, **QUIET)
    assert not (out / "round-7").exists()
    assert (out / "round-mine").exists()
    assert len(read_rounds(out)) == 2


def test_mean_of_weights() -> None:
    first = {"w": torch.tensor([1.0, 2]), "n": torch.tensor(5)}
    second = {"w": torch.tensor([3.0, 6]), "n": torch.tensor(9)}
    assert average_weights([first, second])["w"].tolist() == [2, 4]
    assert average_weights([first, second], [3, 1])["w"].tolist() == [1.5, 3]
    assert average_weights([first, second])["n"] == 5
    with pytest.raises(OptionError, match="model 2 is not like the first"):
        average_weights([first, {"w": torch.zeros(3), "n": torch.tensor(0)}])
    with pytest.raises(OptionError, match="one a model"):
        average_weights([first], [1, 2])


def test_mean_of_runs(tmp_path: Path, mined: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [mined / "round-1", mined / "round-2"]
    out = average_runs(runs, tmp_path / "mean")
    tensors = [load_file(run / "best" / "model.safetensors") for run in (*runs, out)]
    name = "head.fc.weight"
    assert torch.allclose(tensors[2][name], (tensors[0][name] + tensors[1][name]) / 2)
    assert load_trained(out).classes == ("blue", "green", "red")
    with pytest.raises(TrainingError, match="holds a run already"):
        average_runs(runs, out)
    assert main([str(run) for run in runs] + ["-o", str(out)]) == 1
    assert "holds a run already" in capsys.readouterr().err
    assert main([str(run) for run in runs] + ["-o", str(tmp_path / "other")]) == 0
