"""Optimiser groups, moving averages, checkpoints, logs, holdouts: the parts of the loop."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from saccade.errors import DatasetError, TrainingError
from saccade_train.recipes.schema import OptimiserOptions
from saccade_train.training.checkpoint import (
    find_folder,
    load_state,
    load_tensors,
    optimiser_tensors,
    restore_optimiser,
    write_folder,
)
from saccade_train.training.data import fingerprint, open_training_data
from saccade_train.training.optimisers import build_optimiser, decay_groups
from saccade_train.training.pictures import load_pictures
from saccade_train.training.report import duration, trim_log


def small_net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2)
    )


@pytest.mark.parametrize(
    ("norm", "bias", "spared"),
    [
        (False, True, {"1.weight", "1.bias"}),
        (True, True, set()),
        (False, False, {"1.weight", "1.bias", "0.bias", "4.bias"}),
        (None, True, {"1.weight", "1.bias"}),
    ],
)
def test_which_weights_decay(norm: bool | None, bias: bool, spared: set[str]) -> None:
    net = small_net()
    names = {id(parameter): name for name, parameter in net.named_parameters()}
    options = OptimiserOptions(weight_decay=0.1, decay_norm=norm, decay_bias=bias)
    groups = decay_groups(net, options)
    free = {names[id(p)] for g in groups if g["weight_decay"] == 0 for p in g["params"]}
    assert free == spared
    assert sum(len(g["params"]) for g in groups) == len(names)


def test_the_model_decides_when_the_recipe_does_not() -> None:
    net = small_net()
    net.decay_norm = True  # type: ignore[assignment]
    assert len(decay_groups(net, OptimiserOptions(decay_norm=None))) == 1


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_optimiser_state_goes_through_a_file(name: str, tmp_path: Path) -> None:
    def step(net: nn.Module, optimiser: torch.optim.Optimizer) -> None:
        torch.manual_seed(5)
        loss = net(torch.randn(4, 3, 4, 4)).pow(2).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    options = OptimiserOptions(name=name, lr=0.01, weight_decay=0.01)  # type: ignore[arg-type]
    net = small_net().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = build_optimiser(net, options)
    step(net, optimiser)
    write_folder(
        tmp_path / "last",
        {"model": net.state_dict(), "optimiser": optimiser_tensors(optimiser)},
        {},
    )
    other = small_net().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    other.load_state_dict(load_tensors(tmp_path / "last" / "model.safetensors"))
    again = build_optimiser(other, options)
    restore_optimiser(again, load_tensors(tmp_path / "last" / "optimiser.safetensors"))
    for _ in range(2):
        step(net, optimiser)
        step(other, again)
    for ours, theirs in zip(net.parameters(), other.parameters(), strict=True):
        assert torch.equal(ours, theirs)
        assert ours.stride() == theirs.stride()


def test_checkpoint_survives_a_kill_at_any_point(tmp_path: Path) -> None:
    place = tmp_path / "last"
    assert find_folder(place) is None
    write_folder(place, {"model": {"w": torch.zeros(2)}}, {"step": 1})
    write_folder(place, {"model": {"w": torch.ones(2)}}, {"step": 2})
    assert find_folder(place) == place
    assert sorted(p.name for p in tmp_path.iterdir()) == ["last"]
    # Killed while the next one was being written: a folder without state.json.
    (tmp_path / "last.new").mkdir()
    (tmp_path / "last.new" / "model.safetensors").write_bytes(b"half")
    assert load_state(find_folder(place) or place) == {"step": 2}
    # Killed between the two renames: only the old one has its name.
    place.rename(tmp_path / "last.old")
    found = find_folder(place)
    assert found == tmp_path / "last.old"
    assert load_state(found) == {"step": 2}
    write_folder(place, {"model": {"w": torch.ones(2)}}, {"step": 3})
    assert load_state(find_folder(place) or place) == {"step": 3}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["last"]


def test_checkpoint_can_be_read_by_whom_the_umask_lets(tmp_path: Path) -> None:
    write_folder(tmp_path / "last", {"model": {"w": torch.zeros(2)}}, {"step": 1})
    (tmp_path / "plain").touch()
    usual = (tmp_path / "plain").stat().st_mode
    assert (tmp_path / "last" / "model.safetensors").stat().st_mode == usual


def test_damaged_checkpoint_is_said(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text("{")
    with pytest.raises(TrainingError, match="damaged"):
        load_state(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"no")
    with pytest.raises(TrainingError, match=r"model\.safetensors: cannot be read"):
        load_tensors(tmp_path / "model.safetensors")
    with pytest.raises(TrainingError, match="cannot be read"):
        load_tensors(tmp_path / "none.safetensors")


def test_log_is_cut_back_to_the_checkpoint(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text("".join(json.dumps({"step": s}) + "\n" for s in (1, 2, 3)) + '{"st')
    trim_log(log, 2)
    assert log.read_text() == '{"step": 1}\n{"step": 2}\n'
    trim_log(tmp_path / "none.jsonl", 2)


def test_duration() -> None:
    assert [duration(s) for s in (5, 65.9, 3723)] == ["0:05", "1:05", "1:02:03"]


def picture(path: Path, shade: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 6), (shade, shade, shade)).save(path)


def test_holdout_is_stratified_and_said(tmp_path: Path) -> None:
    for name, count in (("a", 20), ("b", 10)):
        for number in range(count):
            picture(tmp_path / name / f"{number}.png", number)
    found = open_training_data(tmp_path, holdout=0.2, seed=1)
    assert np.bincount(found.val.labels).tolist() == [4, 2]
    assert np.bincount(found.train.labels).tolist() == [16, 8]
    assert "6 of its 30 pictures are held out" in found.notes[0]
    held = {sample.path for sample in found.val.samples}
    assert held.isdisjoint(sample.path for sample in found.train.samples)
    again = open_training_data(tmp_path, holdout=0.2, seed=1)
    assert fingerprint(again.train, again.val) == fingerprint(found.train, found.val)
    other = open_training_data(tmp_path, holdout=0.2, seed=2)
    assert fingerprint(other.train, other.val) != fingerprint(found.train, found.val)


def test_places_are_joined_by_class_name(tmp_path: Path) -> None:
    for place, names in (("one", "ab"), ("two", "bc")):
        for split in ("train", "val"):
            for name in names:
                picture(tmp_path / place / split / name / "x.png", 9)
    found = open_training_data([tmp_path / "one", tmp_path / "two"])
    assert found.train.classes == found.val.classes == ("a", "b", "c")
    assert sorted(found.train.labels) == [0, 1, 1, 2]
    assert not found.notes
    with pytest.raises(DatasetError, match="'c'"):
        open_training_data(tmp_path / "one", tmp_path / "two")
    # One place for both is allowed, and said.
    same = open_training_data(tmp_path / "one", tmp_path / "one" / "train")
    assert "warning: 2 pictures are in train and in val" in same.notes[0]


def test_one_class_is_not_enough(tmp_path: Path) -> None:
    for number in range(4):
        picture(tmp_path / "train" / "only" / f"{number}.png", number)
    with pytest.raises(DatasetError) as caught:
        open_training_data([tmp_path])
    assert str(caught.value).startswith(f"{tmp_path}: one class only ('only')")


def test_pictures_stay_within_the_limit(tmp_path: Path) -> None:
    for number in range(10):
        picture(tmp_path / "train" / "ab"[number % 2] / f"{number}.png", number)
        picture(tmp_path / "val" / "ab"[number % 2] / f"{number}.png", number)
    items = open_training_data(tmp_path).train
    each = 8 * 6 * 3
    kept, problems = load_pictures(items, lambda image: image, limit_bytes=3 * each, workers=2)
    assert kept.nbytes == 3 * each
    assert not problems
    everything, _ = load_pictures(items, lambda image: image, limit_bytes=10**6)
    assert everything.nbytes == 10 * each
    for number in range(10):
        assert np.array_equal(kept[number], everything[number])


def test_all_pictures_broken(tmp_path: Path) -> None:
    for name in "ab":
        for number in range(2):
            picture(tmp_path / name / f"{number}.png", 1)
            (tmp_path / name / f"{number}.png").write_bytes(b"x")
    items = open_training_data(tmp_path).train
    with pytest.raises(DatasetError, match="none of the 2 pictures can be read"):
        load_pictures(items, lambda image: image, limit_bytes=0)
