"""FixMatch and its kin on the loop: they learn, resume to the same numbers, and export."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from saccade.errors import OptionError
from saccade_train.recipes import SemiRecipe, load_recipe, parse_recipe
from saccade_train.training import semi
from saccade_train.training.loop import train
from saccade_train.training.opening import check_network
from saccade_train.training.report import Report
from saccade_train.training.run import load_trained
from saccade_train.training.semi import rounds_order

from .conftest import SMALL, Scene


def recipe_of(method: str, **changes: Any) -> SemiRecipe:
    strong = {"crop": {"kind": "pad", "pad": 2}, "policy": "randaugment"}
    options = {"method": method, "mu": 2, "threshold": 0.6, "momentum": 0.8}
    values = {**SMALL, "task": "semi", "semi": options, "strong": strong, **changes}
    found = parse_recipe(values)
    assert isinstance(found, SemiRecipe)
    return found


@pytest.mark.parametrize("name", ["fixmatch_small", "freematch_small"])
def test_shipped_recipes(name: str) -> None:
    recipe = load_recipe(name, ["model.arch=resnet10_vd", "model.options={width: 0.25}"])
    assert isinstance(recipe, SemiRecipe)
    assert name.startswith(recipe.semi.method)
    check_network(recipe)


@pytest.mark.parametrize("method", ["fixmatch", "flexmatch", "softmatch", "freematch"])
def test_every_method_learns(tmp_path: Path, scene: Scene, method: str) -> None:
    recipe = recipe_of(method, epochs=10, eval_every=10, ema={"decay": 0.8}, save_steps=5)
    out = tmp_path / "run"
    summary = train(recipe, scene.data, out, unlabelled=scene.pool, quiet=True, tensorboard=False)
    assert summary.scores["top1"] > 0.8
    # 25 unlabelled pictures, two for a labelled one: an epoch has 13, and two steps of six.
    assert (summary.train_pictures, summary.steps) == (13, 20)
    assert "leak.png" in (out / "skipped.txt").read_text()
    assert "broken.png" in (out / "skipped.txt").read_text()
    state = load_file(out / "last" / "model.safetensors")
    remembered = {name for name in state if not name.startswith("student.")}
    assert (
        remembered
        == {
            "fixmatch": set(),
            "flexmatch": {"latest"},
            "softmatch": {"mean", "variance", "marginal"},
            "freematch": {"tau", "marginal", "histogram"},
        }[method]
    )
    if method == "flexmatch":
        assert state["latest"].max() >= 0
    trained = load_trained(out)
    assert trained.recipe == recipe
    assert trained.classes == ("blue", "green", "red")


@pytest.mark.parametrize("method", ["flexmatch", "freematch"])
def test_a_stopped_training_goes_on_to_the_same_numbers(
    tmp_path: Path, scene: Scene, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recipe_of(method, epochs=3, ema={"decay": 0.8})
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    given: dict[str, Any] = {"unlabelled": scene.pool, "quiet": True, "tensorboard": False}
    train(recipe, scene.data, whole, **given)

    def stop(report: Report, step: int) -> None:
        if step == 4:
            signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(Report, "tick", stop)
        assert train(recipe, scene.data, parts, **given).stopped_by == signal.SIGTERM
    assert train(recipe, scene.data, parts, **given).finished
    for name in ("model", "ema", "optimiser"):
        ours = load_file(parts / "last" / f"{name}.safetensors")
        theirs = load_file(whole / "last" / f"{name}.safetensors")
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours), name


def test_the_pool_matters(tmp_path: Path, scene: Scene) -> None:
    """Other names for the pool, other weights; a weight of 0, and it does not count."""
    given: dict[str, Any] = {"unlabelled": scene.pool, "quiet": True, "tensorboard": False}
    weights = []
    for lambda_u, threshold in ((0, 0.0), (1, 0.0), (1, 1.0)):
        options = {"method": "fixmatch", "mu": 1, "lambda_u": lambda_u, "threshold": threshold}
        out = tmp_path / f"{lambda_u}-{threshold}"
        train(recipe_of("fixmatch", semi=options, epochs=1), scene.data, out, **given)
        weights.append(load_file(out / "best" / "model.safetensors")["head.fc.weight"])
    assert torch.equal(weights[0], weights[2])
    assert not torch.equal(weights[0], weights[1])


def test_bad_input(tmp_path: Path, scene: Scene) -> None:
    recipe = recipe_of("fixmatch")
    with pytest.raises(OptionError, match="--unlabelled"):
        train(recipe, scene.data, tmp_path / "run", quiet=True)
    with pytest.raises(OptionError, match="mixup"):
        recipe_of("fixmatch", augment={"mixup": 0.2})
    with pytest.raises(OptionError, match=r"did you mean 'semi\.threshold'"):
        parse_recipe({"task": "semi"}, ["semi.treshold=0.9"])
    outside = recipe_of("fixmatch", semi={"outside": ["*/pool/*"]})
    with pytest.raises(Exception, match="none of its pictures is left"):
        train(outside, scene.data, tmp_path / "run", unlabelled=scene.pool, quiet=True)


def test_known_outsiders_are_left_out(
    tmp_path: Path, scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = recipe_of("fixmatch", semi={"outside": ["*/red-*.png"], "mu": 1}, epochs=1)
    summary = train(recipe, scene.data, tmp_path / "run", unlabelled=scene.pool, tensorboard=False)
    assert "8 unlabelled pictures are out of class" in capsys.readouterr().err
    assert summary.train_pictures == 17


def test_order_of_the_smaller_set_goes_round() -> None:
    order = rounds_order(5, 12, [0, 1])
    assert sorted(order[:5]) == sorted(order[5:10]) == [0, 1, 2, 3, 4]
    assert np.array_equal(order, rounds_order(5, 12, [0, 1]))
    assert not np.array_equal(order, rounds_order(5, 12, [0, 2]))


def test_a_nan_names_the_pictures_of_both_kinds(
    tmp_path: Path, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(semi, "pseudo_label_loss", lambda *_: torch.tensor(torch.nan))
    with pytest.raises(Exception, match="the loss is nan"):
        train(
            recipe_of("fixmatch"), scene.data, tmp_path / "run", unlabelled=scene.pool, quiet=True
        )
    named = (tmp_path / "run" / "nan_batch.txt").read_text()
    assert "train" in named
    assert "pool" in named


def test_export_of_the_run(tmp_path: Path, scene: Scene) -> None:
    from saccade.modelfile import read_card
    from saccade_train.evaluation import task_of
    from saccade_train.export.run import export_run

    out = tmp_path / "run"
    train(
        recipe_of("fixmatch", epochs=1),
        scene.data,
        out,
        unlabelled=scene.pool,
        quiet=True,
        tensorboard=False,
    )
    assert task_of(out) == "classify"
    export_run(out, tmp_path / "model.onnx")
    card = read_card(tmp_path / "model.onnx")
    assert (card.task, card.labels) == ("classify", ("blue", "green", "red"))
    assert json.loads((out / "summary.json").read_text())["finished"]
