"""Trainings of detectors: they learn, go on after a stop, and take data as it comes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from commands import TRAINING_CHILD
from saccade.datasets.detection import open_detection
from saccade.errors import DatasetError, ImageError, OptionError, TrainingError
from saccade_train.augment.detection import DetectionAugment
from saccade_train.models.classifier import build_classifier
from saccade_train.models.detector import build_detector
from saccade_train.recipes import DetectRecipe, dump_recipe, load_recipe, parse_recipe
from saccade_train.recipes.schema import ScheduleOptions
from saccade_train.recipes.schema_detect import BoxData
from saccade_train.training.detect_batches import BoxBatchMaker, Reader
from saccade_train.training.detect_data import fingerprint, open_detect_data
from saccade_train.training.feed import Plan
from saccade_train.training.initial import load_initial
from saccade_train.training.loop import train
from saccade_train.training.run import load_trained
from saccade_train.training.schedules import learning_rate
from shapes import write_shapes

TINY: dict[str, Any] = {
    "task": "detect",
    "model": {"arch": "picodet_xs", "options": {"neck_channels": 32}},
    "data": {"height": 96, "width": 96, "workers": 0},
    "augment": {"crop": 0.0, "distort": 0.0, "interpolations": ["linear"]},
    "loss": {"assigner": "tal"},
    "optimiser": {"name": "adamw", "lr": 4e-3, "weight_decay": 0.0},
    "schedule": {"kind": "cosine", "warmup_steps": 10},
    "clip_grad": 10.0,
    "epochs": 2,
    "batch_size": 3,
    "log_every": 1,
    "save_seconds": 3600,
    "seed": 0,
}


def tiny(**changes: Any) -> DetectRecipe:
    """The recipe with some parts changed."""
    values = dict(TINY)
    for key, value in changes.items():
        values[key] = {**TINY.get(key, {}), **value} if isinstance(value, dict) else value
    recipe = parse_recipe(values)
    assert isinstance(recipe, DetectRecipe)
    return recipe


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six pictures, to learn and to evaluate with."""
    return write_shapes(tmp_path_factory.mktemp("shapes") / "place")


def test_a_detector_learns_a_handful_of_pictures_by_heart(tmp_path: Path, shapes: Path) -> None:
    recipe = tiny(
        loss={"assigner": "switch", "switch_epoch": 30},
        epochs=150,
        batch_size=6,
        eval_every=150,
        log_every=10,
    )
    summary = train(recipe, shapes, tmp_path / "run", quiet=True, tensorboard=False)
    assert summary.scores["map_50"] > 0.9
    assert summary.scores["map"] > 0.4
    assert {"map_75", "map_medium", "mar_1", "mar_100"} <= summary.scores.keys()
    assert all(np.isfinite(value) for value in summary.scores.values())
    trained = load_trained(tmp_path / "run")
    assert trained.classes == ("blue", "red")
    assert not trained.model.training


@pytest.mark.parametrize(
    ("model", "loss"),
    [
        ({"arch": "picodet_v1_s", "options": {"neck_channels": 32}}, {"generation": 1}),
        ({}, {"assigner": "switch", "switch_epoch": 1, "box": "ciou"}),
        ({}, {"classification": "focal", "dfl_weight": 0.0}),
    ],
    ids=["generation-1", "atss-then-tal", "focal"],
)
def test_each_form_of_the_loss_is_a_switch(
    tmp_path: Path, shapes: Path, model: dict[str, Any], loss: dict[str, Any]
) -> None:
    given = {"generation": 2, "assigner": None, **loss}
    recipe = tiny(model=model, loss=given, eval_every=9)
    summary = train(recipe, shapes, tmp_path / "run", quiet=True, tensorboard=False)
    assert summary.steps == 4


def test_kill_in_the_middle_and_go_on_to_the_same_weights(tmp_path: Path, shapes: Path) -> None:
    """With a worker process, all augmentations, several sizes, and a picture that is broken."""
    recipe = tiny(
        data={"workers": 1, "sizes": [64, [96, 64]]},
        augment={"crop": 1.0, "distort": 0.5, "mosaic": 0.5, "mixup": 0.5, "expand": 0.2},
        loss={"assigner": "switch", "switch_epoch": 2},
        ema={"decay": 0.9},
        epochs=4,
        eval_every=2,
        save_steps=3,
    )
    place = write_shapes(tmp_path / "place")
    (place / "images/0_4.png").write_bytes(b"no picture")
    (tmp_path / "recipe.yaml").write_text(dump_recipe(recipe))
    (tmp_path / "child.py").write_text(TRAINING_CHILD)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    arguments = [sys.executable, "child.py", "recipe.yaml", str(place)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run([*arguments, str(whole)], cwd=tmp_path, env=environment, check=True)
    child = subprocess.Popen([*arguments, str(killed)], cwd=tmp_path, env=environment)
    while child.poll() is None and not (killed / "last/state.json").exists():
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    step = json.loads((killed / "last/state.json").read_text())["progress"]["step"]
    assert step < 8
    subprocess.run([*arguments, str(killed)], cwd=tmp_path, env=environment, check=True)
    for file in ("last/model.safetensors", "last/ema.safetensors", "best/model.safetensors"):
        ours, theirs = load_file(whole / file), load_file(killed / file)
        assert ours.keys() == theirs.keys()
        for name, tensor in ours.items():
            assert torch.equal(tensor, theirs[name]), name


def test_pictures_that_vanish_are_counted_and_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One is gone and one is broken after the training has begun."""
    place = write_shapes(tmp_path / "place")
    read = Reader.__getitem__
    calls: list[int] = []

    def spoil(self: Reader, number: int) -> Any:
        calls.append(number)
        if len(calls) == 4:
            (place / "images/0_1.png").unlink()
            (place / "images/0_2.png").write_bytes(b"\x89PNG\r\n")
        return read(self, number)

    monkeypatch.setattr(Reader, "__getitem__", spoil)
    recipe = tiny(data={"cache_mb": 0}, epochs=3)
    summary = train(recipe, place, tmp_path / "run", tensorboard=False)
    assert summary.finished
    assert summary.skipped == 2
    said = capsys.readouterr().err.replace("\n", "")
    for name in ("0_1.png", "0_2.png"):
        assert said.count(f"left out: {place}/images/{name}".replace("\n", "")) <= 1
        assert name in (tmp_path / "run/skipped.txt").read_text()


def test_all_pictures_broken(tmp_path: Path) -> None:
    place = write_shapes(tmp_path / "place", 2)
    for picture in (place / "images").iterdir():
        picture.write_bytes(b"no picture")
    with pytest.raises(ImageError, match="100 pictures in a row could not be read"):
        train(tiny(), place, tmp_path / "run", quiet=True, tensorboard=False)


def test_several_places_with_other_classes_are_joined(tmp_path: Path) -> None:
    first = write_shapes(tmp_path / "a", 4)
    second = write_shapes(tmp_path / "b", 3, seed=1, names=("green", "blue"))
    found = open_detect_data([first, second], (), BoxData())
    assert found.train.classes == ("blue", "red", "green")
    assert (len(found.train), len(found.val)) == (7, 7)
    labels = {label for sample in found.train.samples[4:] for label in sample.labels}
    assert labels == {0, 2}
    agnostic = open_detect_data([first, second], (), BoxData(class_agnostic=True))
    assert agnostic.train.classes == agnostic.val.classes == ("object",)
    assert all(not sample.labels.any() for sample in agnostic.train.samples)
    assert fingerprint(found.train) != fingerprint(agnostic.train)


def test_a_class_agnostic_training(tmp_path: Path, shapes: Path) -> None:
    recipe = tiny(data={"class_agnostic": True}, eval_every=9)
    train(recipe, shapes, tmp_path / "run", quiet=True, tensorboard=False)
    trained = load_trained(tmp_path / "run")
    assert trained.classes == ("object",)
    assert trained.model.num_classes == 1


def test_pictures_without_boxes_are_negatives_when_asked_for(tmp_path: Path) -> None:
    place = write_shapes(tmp_path / "place", 5, empty=2)
    without = open_detect_data(place, (), BoxData())
    assert (len(without.train), len(without.val)) == (3, 5)
    assert any("2 pictures without boxes are not trained on" in note for note in without.notes)
    with_them = open_detect_data(place, (), BoxData(negatives=True))
    assert len(with_them.train) == 5
    recipe = tiny(data={"negatives": True}, batch_size=1, epochs=1)
    summary = train(recipe, place, tmp_path / "run", quiet=True, tensorboard=False)
    assert summary.train_pictures == 5


def test_a_holdout_where_there_is_no_val_split(tmp_path: Path) -> None:
    place = write_shapes(tmp_path / "place", 10, splits=("train",))
    found = open_detect_data(place, (), BoxData(holdout=0.2), seed=3)
    assert (len(found.train), len(found.val)) == (8, 2)
    names = [{sample.path for sample in part.samples} for part in (found.train, found.val)]
    assert not names[0] & names[1]
    assert any("2 of its 10 pictures are held out" in note for note in found.notes)
    again = open_detect_data(place, (), BoxData(holdout=0.2), seed=3)
    assert fingerprint(again.train, again.val) == fingerprint(found.train, found.val)
    other = open_detect_data(place, (), BoxData(holdout=0.2), seed=4)
    assert fingerprint(other.val) != fingerprint(found.val)
    # --val brings its own, and files are places too.
    file = place / "annotations/instances_train.json"
    brought = open_detect_data(file, file, BoxData())
    assert (len(brought.train), len(brought.val)) == (10, 10)
    assert any("warning: 10 pictures are in train and in val" in note for note in brought.notes)


def test_bad_data_is_one_line(tmp_path: Path) -> None:
    bare = write_shapes(tmp_path / "bare", 3, empty=3)
    with pytest.raises(DatasetError, match="no annotations: not one box to learn from"):
        open_detect_data(bare, (), BoxData(negatives=True))
    good = write_shapes(tmp_path / "good", 3)
    with pytest.raises(DatasetError, match="not one box on the"):
        open_detect_data(good, bare, BoxData())
    other = write_shapes(tmp_path / "other", 2, names=("blue", "green"))
    with pytest.raises(DatasetError, match="the class 'green' of 2 boxes is unknown to the train"):
        open_detect_data(good, other, BoxData())
    with pytest.raises(DatasetError, match="name a place with --data"):
        open_detect_data((), (), BoxData())
    with pytest.raises(DatasetError):
        open_detect_data(tmp_path / "none", (), BoxData())


def test_crowds_are_not_learnt(tmp_path: Path) -> None:
    place = write_shapes(tmp_path / "place", 2)
    file = place / "annotations/instances_train.json"
    content = json.loads(file.read_text())
    for annotation in content["annotations"][:3]:
        annotation["iscrowd"] = 1
    file.write_text(json.dumps(content))
    found = open_detect_data(place, (), BoxData())
    assert [len(sample.boxes) for sample in found.train.samples] == [1]


def _maker(place: Path, plan: Plan, **options: Any) -> BoxBatchMaker:
    reader = Reader(open_detection(place, "train"), options.pop("longest", None), 2**20)
    sizes = options.pop("sizes", ((64, 64), (96, 64), (64, 128)))
    augment = options.pop("augment", DetectionAugment(mosaic=0.3))
    kinds = ("linear", "area")
    return BoxBatchMaker(reader, augment, sizes=sizes, interpolations=kinds, plan=plan, **options)


def test_a_batch_follows_from_its_number(shapes: Path) -> None:
    plan = Plan(6, 4, pieces=2, processes=1)
    first, second = (_maker(shapes, plan, seed=5) for _ in range(2))
    jobs = [(epoch, 0, piece, 0) for epoch in range(12) for piece in range(2)]
    made = [first(job) for job in jobs]
    again = [second(job) for job in reversed(jobs)][::-1]
    for one, same in zip(made, again, strict=True):
        np.testing.assert_array_equal(one.images, same.images)
        assert one.names == same.names
        for ours, theirs in zip(one.boxes, same.boxes, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    shapes_of = [batch.images.shape for batch in made]
    assert shapes_of[::2] == shapes_of[1::2]  # the pieces of a step share a size
    assert {shape[1:3] for shape in shapes_of} == {(64, 64), (96, 64), (64, 128)}
    assert {batch.epoch for batch in made} == set(range(12))
    # Every picture comes once an epoch, as far as they fill whole steps.
    assert len({name for batch in made[:2] for name in batch.names}) == 4
    other = _maker(shapes, plan, seed=6)
    assert any(
        not np.array_equal(other(job).images, batch.images)
        for job, batch in zip(jobs, made, strict=True)
    )


def test_large_pictures_are_shrunk_with_their_boxes(shapes: Path) -> None:
    whole = open_detection(shapes, "train")
    small = Reader(whole, 70, 10_000)
    for number in range(len(whole)):
        boxed = small[number]
        assert boxed.image.shape == (60, 70, 3)
        np.testing.assert_allclose(boxed.boxes, whole.samples[number].boxes / 2)
        np.testing.assert_array_equal(small[number].image, boxed.image)  # kept or read again


def test_mosaics_end(shapes: Path) -> None:
    plan = Plan(6, 6)
    augment = DetectionAugment(crop=0, flip=0, distort=0, mosaic=1.0)
    maker = _maker(shapes, plan, seed=0, augment=augment, mosaic_epochs=1, sizes=((64, 64),))
    assert max(len(boxes) for boxes in maker((0, 0, 0, 0)).boxes) > 2
    assert max(len(boxes) for boxes in maker((1, 0, 0, 0)).boxes) == 2


def test_weights_of_a_classifier_and_of_another_detector(tmp_path: Path) -> None:
    torch.manual_seed(0)
    classifier = build_classifier("lcnet_x0_35", 5)
    save_file(classifier.state_dict(), tmp_path / "classifier.safetensors")
    detector = build_detector("picodet_xs", 3, neck_channels=32)
    said = load_initial(detector, tmp_path / "classifier.safetensors")
    for name, tensor in classifier.backbone.state_dict().items():
        assert torch.equal(tensor, detector.backbone.state_dict()[name]), name
    assert "of the neck" in said
    assert "of the head" in said

    save_file(detector.state_dict(), tmp_path / "detector.safetensors")
    other = build_detector("picodet_xs", 7, neck_channels=32)
    load_initial(other, tmp_path / "detector.safetensors")
    for name, tensor in detector.state_dict().items():
        if other.state_dict()[name].shape == tensor.shape:
            assert torch.equal(other.state_dict()[name], tensor), name
    wider = build_detector("picodet_s", 3, neck_channels=32)
    for name in ("classifier", "detector"):
        with pytest.raises(TrainingError, match="does not fit this architecture"):
            load_initial(wider, tmp_path / f"{name}.safetensors")
    with pytest.raises(TrainingError, match="does not fit this architecture"):
        load_initial(
            build_detector("picodet_xs", 3, neck_channels=48), tmp_path / "detector.safetensors"
        )


def test_published_schedule_to_the_number() -> None:
    """PaddleDetection's optimizer.py: base 0.32 and 458 steps an epoch, for 300 epochs."""
    recipe = load_recipe("picodet_s")
    assert recipe.optimiser.lr == 0.32
    for step, rate in (
        (0, 0.032), (1, 0.03296), (150, 0.176), (299, 0.31904), (300, 0.32), (68700, 0.16054995),
        (300 * 458 - 1, 4.2e-11),
    ):  # fmt: skip
        found = learning_rate(
            step, peak=0.32, schedule=recipe.schedule, steps_per_epoch=458, epochs=recipe.epochs
        )
        assert found == pytest.approx(rate, rel=1e-7 if rate > 1e-9 else 0.02)
    # L stops after 200 epochs of the same curve.
    shorter = ScheduleOptions.model_validate(recipe.schedule.model_dump() | {"epochs": 300})
    for epochs in (200, 300):
        found = learning_rate(
            68700, peak=0.32, schedule=shorter, steps_per_epoch=458, epochs=epochs
        )
        assert found == pytest.approx(0.16054995)
    assert (load_recipe("picodet_l").epochs, load_recipe("picodet_l").schedule.epochs) == (200, 300)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("data.height=100", "data.height: .*multiple of 32"),
        ("data.sizes=[100]", "data.sizes"),
        ("augment.mixup=0.5", "mixup mixes mosaics"),
        ("augment.crop_scale=[0.5, 2]", "crop_scale=.* up to 1"),
        ("augment.interpolations=[]", "interpolations is empty"),
        ("loss.assigner=otas", "loss.assigner"),
        ("data.heigth=320", "unknown key 'data.heigth'; did you mean 'data.height'"),
        ("decisive=map_25", "decisive"),
    ],
)
def test_mistakes_in_a_recipe_are_one_line(change: str, said: str) -> None:
    with pytest.raises(OptionError, match=said) as caught:
        load_recipe("picodet_small", [change])
    assert "\n" not in str(caught.value)


def test_unknown_networks_are_said_before_data_is_read(tmp_path: Path) -> None:
    recipe = tiny(model={"arch": "picodet_z"})
    with pytest.raises(OptionError, match="picodet_"):
        train(recipe, tmp_path / "none", tmp_path / "run", quiet=True)
