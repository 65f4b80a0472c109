"""Recipes: all shipped ones read and build; mistakes are said in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from saccade.errors import OptionError
from saccade_train.models.classifier import build_classifier
from saccade_train.recipes import dump_recipe, load_recipe, parse_recipe, recipe_names
from saccade_train.training.opening import check_network


@pytest.mark.parametrize("name", recipe_names())
def test_shipped_recipe_reads_and_builds(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.about
    check_network(recipe)
    if recipe.task != "classify":
        return
    with torch.device("meta"):
        model = build_classifier(recipe.model.arch, 7, **recipe.model.options)
    assert model.num_classes == 7
    prepare = recipe.data.eval.prepare()
    assert (prepare.height, prepare.width) == (recipe.data.eval.height, recipe.data.eval.width)


def test_lcnet_recipe_is_the_published_one() -> None:
    recipe = load_recipe("lcnet_x1_0_imagenet")
    assert (recipe.epochs, recipe.batch_size, recipe.label_smoothing) == (360, 2048, 0.1)
    assert (recipe.optimiser.lr, recipe.optimiser.momentum) == (0.8, 0.9)
    assert (recipe.optimiser.weight_decay, recipe.optimiser.decay_norm) == (3e-5, False)
    assert recipe.optimiser.decay_bias
    assert (recipe.schedule.kind, recipe.schedule.warmup_epochs) == ("cosine", 5)
    assert recipe.augment.policy == "none"
    assert load_recipe("lcnet_x2_5_imagenet").augment.policy == "autoaugment"
    assert load_recipe("lcnet_x2_5_imagenet").optimiser.weight_decay == 4e-5


@pytest.mark.parametrize("name", recipe_names())
def test_dump_reads_back(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(name, ["seed=3"])
    (tmp_path / "recipe.yaml").write_text(dump_recipe(recipe))
    assert load_recipe(tmp_path / "recipe.yaml") == recipe


def test_overrides_are_yaml_scalars() -> None:
    recipe = load_recipe(
        "classify_small",
        ["optimiser.lr=1e-2", "data.eval={height: 64, width: 64, short: 72}", "precision=bf16"],
    )
    assert recipe.optimiser.lr == 0.01
    assert recipe.data.eval.short == 72
    # Keys beside the changed one stay.
    assert recipe.optimiser.name == load_recipe("classify_small").optimiser.name
    assert recipe.precision == "bf16"
    assert load_recipe("classify_small", ["precision=32"]).precision == "32"
    assert load_recipe("classify_small", ["init="]).init is None
    assert parse_recipe({}, ["model.options.se=false"]).model.options == {"se": False}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("optimiser.lrr=1", r"unknown key 'optimiser\.lrr'; did you mean 'optimiser\.lr'\?"),
        ("optimizer.lr=1", r"unknown key 'optimizer'; did you mean 'optimiser'\?"),
        ("lr=1", r"unknown key 'lr'; did you mean 'optimiser\.lr'\?"),
        (
            "data.eval.hight=1",
            r"unknown key 'data\.eval\.hight'; did you mean 'data\.eval\.height'",
        ),
        ("optimiser.velocity=1", r"unknown key 'optimiser\.velocity'; known: betas, decay_bias"),
        ("epochs=0", r"epochs: .*greater than or equal to 1 \(got 0\)"),
        ("epochs=many", r"epochs: .*\(got 'many'\)"),
        ("optimiser.name=adam", r"optimiser\.name: .*'sgd' or 'adamw'.*\(got 'adam'\)"),
        ("optimiser.lr=.inf", r"optimiser\.lr: .*finite"),
        ("accumulate=7", r"batch_size=\d+ cannot be split into accumulate=7"),
        ("data.eval.short=10", r"data\.eval: short=10 is less than the crop"),
        ("schedule.kind=piecewise", r"schedule: boundaries belong to"),
        ("epochs", r"'epochs': changes to a recipe are written key=value"),
        ("epochs=[", r"'epochs=\[': the value is not valid YAML"),
        ("epochs.x=1", r"'epochs' is a single value"),
        ("augment.crop.area=[0.5, 0.1]", r"augment\.crop: area=\(0\.5, 0\.1\) must be"),
    ],
)
def test_mistakes_are_one_line(change: str, said: str) -> None:
    with pytest.raises(OptionError, match=said) as caught:
        load_recipe("classify_small", [change])
    assert "\n" not in str(caught.value)


def test_unknown_names_and_files(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="did you mean 'classify_small'"):
        load_recipe("clasify_small")
    with pytest.raises(OptionError, match=r"none\.yaml: no such recipe file"):
        load_recipe(tmp_path / "none.yaml")
    for text, said in (
        ("a: [1", "not valid YAML"),
        ("- 1", "not a list"),
        ("task: detekt", "unknown task 'detekt'; did you mean 'detect'"),
    ):
        (tmp_path / "bad.yaml").write_text(text)
        with pytest.raises(OptionError, match=said) as caught:
            load_recipe(tmp_path / "bad.yaml")
        assert "\n" not in str(caught.value)
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(OptionError, match="cannot be read as text"):
        load_recipe(tmp_path / "binary.yaml")


def test_recipes_are_frozen() -> None:
    recipe = parse_recipe({})
    with pytest.raises(ValidationError):
        recipe.epochs = 3  # type: ignore[misc]
