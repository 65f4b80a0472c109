"""WS-DAN and DCL on the loop: they learn, resume to the same numbers, and export."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from typer.testing import CliRunner

from saccade.cli.app import app
from saccade.errors import OptionError, TrainingError
from saccade.modelfile import read_card
from saccade_train.evaluation import open_model
from saccade_train.export.run import export_run
from saccade_train.losses import soft_cross_entropy
from saccade_train.models.classifier import build_classifier
from saccade_train.models.fine_grained import build_wsdan
from saccade_train.recipes import ClassifyRecipe, MiningRecipe, load_recipe, parse_recipe
from saccade_train.recipes.schema import PartsOptions
from saccade_train.semisup import wsdan
from saccade_train.semisup.rounds import mine
from saccade_train.training import parts_learner
from saccade_train.training.feed import Plan
from saccade_train.training.loop import train
from saccade_train.training.opening import check_network
from saccade_train.training.parts import DclTask, WsdanTask, open_classify
from saccade_train.training.parts_learner import DclLearner, WsdanLearner
from saccade_train.training.report import Report
from saccade_train.training.run import load_trained
from saccade_train.training.setup import load_data

QUIET: dict[str, Any] = {"quiet": True, "tensorboard": False}
PARTS: dict[str, dict[str, Any]] = {
    "wsdan": {"method": "wsdan", "maps": 4},
    "dcl": {"method": "dcl", "patches": 2, "border": 2},
}


def recipe_of(method: str, **changes: Any) -> ClassifyRecipe:
    values = {
        "model": {"arch": "resnet10_vd", "options": {"width": 0.125, "strides": [2, 2, 2, 2, 1]}},
        "data": {"train_size": 32, "eval": {"height": 32, "width": 32, "mode": "stretch"}},
        "augment": {"crop": {"area": [0.6, 1.0]}},
        "optimiser": {"lr": 0.02},
        "clip_grad": 5.0,
        "epochs": 8,
        "batch_size": 12,
        "eval_every": 8,
        "save_seconds": 3600,
        "seed": 2,
        "parts": PARTS[method],
        **changes,
    }
    found = parse_recipe(values)
    assert isinstance(found, ClassifyRecipe)
    return found


@pytest.fixture(scope="module", params=["wsdan", "dcl"])
def method(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, pictures: Path, method: str) -> Path:
    """A training of 24 steps."""
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp(method) / "run"
    train(recipe_of(method), pictures, out, **QUIET)
    return out


@pytest.mark.parametrize("name", ["wsdan_small", "dcl_small"])
def test_shipped_recipes(name: str) -> None:
    recipe = load_recipe(name)
    assert isinstance(recipe, ClassifyRecipe)
    assert name.startswith(recipe.parts.method)
    check_network(recipe)


def test_a_handful_of_pictures_is_learnt(run: Path, method: str) -> None:
    scores = json.loads((run / "summary.json").read_text())["scores"]
    assert scores["top1"] == 1.0
    assert ("top1_attention_crop" in scores) == (method == "wsdan")
    trained = load_trained(run)
    assert trained.recipe == recipe_of(method)
    names = set(trained.model.state_dict())
    # What is for training alone stays behind.
    assert not [name for name in names if name.startswith(("heads.", "centers"))]
    last = set(load_file(run / "last" / "model.safetensors"))
    beside = {name for name in last if not name.startswith("student.")}
    assert (
        beside
        == {
            "wsdan": {"centers"},
            "dcl": {"heads.whole.weight", "heads.align.weight", "heads.align.bias"},
        }[method]
    )
    plain = build_classifier("resnet10_vd", 3, width=0.125, strides=(2, 2, 2, 2, 1))
    assert (names == set(plain.state_dict())) == (method == "dcl")


def test_centres_follow(run: Path, method: str) -> None:
    if method == "dcl":
        pytest.skip("DCL has no centres")
    centers = load_file(run / "last" / "model.safetensors")["centers"]
    assert (centers.norm(dim=1) > 0.1).all()


def test_evaluation_and_export(run: Path, method: str, pictures: Path, tmp_path: Path) -> None:
    def top1(model: Path, *more: str) -> float:
        given = ["eval", str(model), "--data", str(pictures), "--json", "--threads", "1", *more]
        result = CliRunner().invoke(app, given, catch_exceptions=False)
        return float(json.loads(result.stdout)["top1"])

    assert top1(run) == 1.0
    if method == "dcl":
        # What is left is a plain classifier, and those are exported elsewhere.
        with pytest.raises(OptionError, match="no attention maps"):
            open_model(run, attention_crop=True)
        return
    known = json.loads((run / "summary.json").read_text())["scores"]["top1_attention_crop"]
    assert top1(run, "--attention-crop") == pytest.approx(known)
    report = export_run(run, tmp_path / "model.onnx")
    assert top1(report.path) == 1.0
    with pytest.raises(OptionError, match="looks once"):
        open_model(report.path, attention_crop=True)
    card = read_card(report.path)
    assert card.architecture == "resnet10_vd_wsdan"
    # The graph looks once: what two looks score is not its own.
    assert set(card.scores) == {"top1", "loss"}
    # OpenVINO's answers are compared among the tests of export, in a process without trainings.


def test_the_second_look_counts(run: Path, method: str, tmp_path: Path) -> None:
    if method == "dcl":
        pytest.skip("DCL looks once")
    # At .1 all of a picture of noise is looked at.
    closer = tmp_path / "closer"
    shutil.copytree(run, closer)
    told = (run / "recipe.yaml").read_text().replace("test_crop: 0.1", "test_crop: 0.95")
    (closer / "recipe.yaml").write_text(told)
    batch = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    once, twice = (
        open_model(closer, attention_crop=crop).run(batch)["probabilities"]
        for crop in (False, True)
    )
    assert not np.array_equal(once, twice)
    assert np.allclose(twice.sum(1), 1, atol=1e-5)


def test_a_stopped_training_goes_on_to_the_same_numbers(
    tmp_path: Path, pictures: Path, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recipe_of(method, epochs=3, ema={"decay": 0.8}, accumulate=2)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(recipe, pictures, whole, **QUIET)

    def stop(report: Report, step: int) -> None:
        if step == 4:
            signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(Report, "tick", stop)
        assert train(recipe, pictures, parts, **QUIET).stopped_by == signal.SIGTERM
    assert train(recipe, pictures, parts, **QUIET).finished
    for name in ("model", "ema", "optimiser"):
        ours = load_file(parts / "last" / f"{name}.safetensors")
        theirs = load_file(whole / "last" / f"{name}.safetensors")
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours), name


def test_weights_of_an_ordinary_run_are_a_start(
    run: Path, method: str, pictures: Path, tmp_path: Path
) -> None:
    values = recipe_of(method, epochs=1).model_dump()
    plain = parse_recipe({**values, "parts": {"method": "none"}})
    train(plain, pictures, tmp_path / "plain", **QUIET)
    begun = recipe_of(method, epochs=1, init=str(tmp_path / "plain"))
    train(begun, pictures, tmp_path / "begun", **QUIET)
    # And the other way round.
    train(plain.model_copy(update={"init": str(run)}), pictures, tmp_path / "back", **QUIET)


def test_mining_rounds_learn_by_parts(tmp_path: Path, pictures: Path) -> None:
    pool = tmp_path / "pool"
    pool.mkdir()
    rng = np.random.default_rng(9)
    for number in range(4):
        image = rng.integers(0, 256, (36, 40, 3), dtype=np.uint8)
        Image.fromarray(image).save(pool / f"{number}.png")
    for targets in ("hard", "soft"):
        mining = {"rounds": 1, "thresholds": [0.0], "targets": targets}
        recipe = recipe_of("wsdan", task="mining", mining=mining, epochs=1)
        assert isinstance(recipe, MiningRecipe)
        mine(recipe, pictures, tmp_path / targets, unlabelled=pool, **QUIET)
        assert load_trained(tmp_path / targets).model.head.attention is not None


@torch.no_grad()
def test_the_losses_of_wsdan() -> None:
    """The sum of three cross entropies and the distance to the centres, which then move."""
    options = PartsOptions(method="wsdan", maps=2, center=0.5, crop=(0.5, 0.5), drop=(0.3, 0.3))
    torch.manual_seed(0)
    student = build_wsdan("lcnet_x0_25", 3, maps=2)
    learner = WsdanLearner(student, options).eval()
    learner.centers.normal_()
    centers = learner.centers.clone()
    images, labels = torch.randn(2, 3, 64, 64), torch.tensor([2, 0])
    targets = torch.eye(3)[labels]
    torch.manual_seed(5)
    found = learner(images, targets, labels)
    torch.manual_seed(5)
    chosen = torch.randint(2, (2,))
    features = student.backbone(images)
    parts, maps = student.head.look(features)
    attention = torch.stack([maps[row, chosen[row]] for row in range(2)])
    expected = 0.5 * wsdan.center_loss(parts, labels, centers)
    for view in (
        images,
        wsdan.attention_crop(images, attention, 0.5),
        wsdan.attention_drop(images, attention, 0.3),
    ):
        expected = expected + soft_cross_entropy(student(view), targets)
    assert float(found) == pytest.approx(float(expected), rel=1e-5)
    assert torch.allclose(learner.centers, wsdan.moved_centers(centers, parts, labels))
    assert torch.equal(learner.centers[1], centers[1])
    # A weight of 0 leaves the centres alone.
    still = WsdanLearner(student, options.model_copy(update={"center": 0.0})).eval()
    still(images, targets, labels)
    assert not still.centers.any()


@pytest.mark.parametrize("by_class", [False, True])
@torch.no_grad()
def test_the_losses_of_dcl(by_class: bool) -> None:
    options = PartsOptions(method="dcl", patches=2, by_class=by_class, position=0.25)
    torch.manual_seed(0)
    student = build_classifier("lcnet_x0_25", 3)
    learner = DclLearner(student, options).eval()
    images = torch.randn(4, 3, 64, 64)
    labels, shuffled = torch.tensor([2, 0, 2, 0]), torch.tensor([0, 0, 1, 1])
    targets, positions = torch.eye(3)[labels], torch.rand(4, 4)
    found = learner(images, targets, labels, shuffled, positions)
    features = student.backbone(images)
    whole, places = learner.heads(features, student.head.embed(features))
    kinds = [2, 0, 5, 3] if by_class else [0, 0, 1, 1]
    expected = float(soft_cross_entropy(student(images), targets))
    expected -= float(
        np.mean([whole.log_softmax(1)[row, kind].item() for row, kind in enumerate(kinds)])
    )
    expected += 0.25 * float((places - positions).abs().mean())
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_batches_of_dcl(pictures: Path, tmp_path: Path) -> None:
    recipe = recipe_of("dcl", parts={"method": "dcl", "patches": 4, "border": 0})
    report = Report(tmp_path, total=0, active=False, quiet=True, files=False)
    task = open_classify(recipe, load_data(recipe, pictures, report=report))
    assert isinstance(task, DclTask)
    plan = Plan(task.train_size, 6, pieces=2)
    made = list(task.batches(plan, epoch=1, start=0, process=0))
    # From the middle of an epoch on the same comes.
    first, again = made[4], next(iter(task.batches(plan, epoch=1, start=2, process=0)))
    assert np.array_equal(first.shuffled, again.shuffled)
    assert np.array_equal(first.positions, again.positions)
    assert not np.array_equal(made[4].positions, made[5].positions)
    assert not np.array_equal(first.shuffled, first.images)
    for row in range(3):
        # The same pixels elsewhere; the positions say from where.
        for pixels in (first.images[row], first.shuffled[row]):
            assert pixels.shape == (32, 32, 3)
        order = np.round(first.positions[row] * 16 + 8).astype(int)
        assert sorted(order) == list(range(16))
        for place, came_from in enumerate(order):
            down, right = divmod(place, 4)
            below, beside = divmod(int(came_from), 4)
            here = first.shuffled[row, 8 * down : 8 * down + 8, 8 * right : 8 * right + 8]
            there = first.images[row, 8 * below : 8 * below + 8, 8 * beside : 8 * beside + 8]
            assert np.array_equal(here, there)
    assert task.names([first])[0].endswith(".png")


def test_a_nan_names_the_pictures(
    tmp_path: Path, pictures: Path, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        parts_learner, "soft_cross_entropy", lambda logits, _: logits.sum() * torch.nan
    )
    with pytest.raises(TrainingError, match="the loss is nan"):
        train(recipe_of(method), pictures, tmp_path / "run", **QUIET)
    assert "train" in (tmp_path / "run" / "nan_batch.txt").read_text()


def test_the_method_chooses_the_task(pictures: Path, tmp_path: Path) -> None:
    report = Report(tmp_path, total=0, active=False, quiet=True, files=False)
    recipe = recipe_of("wsdan")
    data = load_data(recipe, pictures, report=report)
    assert type(open_classify(recipe, data)) is WsdanTask
    plain = recipe.model_copy(update={"parts": PartsOptions()})
    assert type(open_classify(plain, data)).__name__ == "ClassifyTask"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["parts.method=wsdam"], r"parts\.method: .*'none', 'wsdan' or 'dcl'.*\(got 'wsdam'\)"),
        (["parts.mapps=3"], r"unknown key 'parts\.mapps'; did you mean 'parts\.maps'"),
        (["parts.maps=0"], r"parts\.maps: .*greater than or equal to 1"),
        (["parts.crop=[0.6, 0.4]"], r"parts: crop=\(0\.6, 0\.4\) must be \(smallest, largest\)"),
        (["parts.drop=[0.6, 1.4]"], r"parts\.drop"),
        (["parts.patches=1"], r"parts\.patches: .*greater than or equal to 2"),
        (["parts.method=dcl", "augment.mixup=0.2"], r"parts\.method=dcl .*set them to 0"),
        (["parts.method=wsdan", "augment.cutmix=1"], r"parts\.method=wsdan .*set them to 0"),
        (["task=semi", "parts.method=dcl"], r"belongs to task classify or mining, not to semi"),
        (["task=distill", "parts.method=wsdan"], r"classify or mining, not to distill"),
        (["task=detect", "parts.method=wsdan"], r"unknown key"),
    ],
)
def test_mistakes_are_one_line(changes: list[str], said: str) -> None:
    with pytest.raises(OptionError, match=said) as caught:
        parse_recipe({}, changes)
    assert "\n" not in str(caught.value)


def test_pictures_too_small_for_the_patches() -> None:
    with pytest.raises(OptionError, match=r"maps of 4x4 .*take at most 4"):
        check_network(
            recipe_of("dcl", parts={"method": "dcl", "patches": 7}, data={"train_size": 64})
        )
    with pytest.raises(OptionError, match=r"parts\.border=40 leaves 0"):
        check_network(recipe_of("dcl", parts={"method": "dcl", "patches": 2, "border": 40}))
