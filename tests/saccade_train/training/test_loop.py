"""The loop as a whole: it learns, stops, goes on, and says what is wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from saccade.errors import OptionError, TrainingError
from saccade_train.models.classifier import Classifier
from saccade_train.recipes import ClassifyRecipe, dump_recipe
from saccade_train.training import classify
from saccade_train.training.loop import train
from saccade_train.training.report import Report
from saccade_train.training.run import load_trained, only_writer


def changed(recipe: ClassifyRecipe, **values: object) -> ClassifyRecipe:
    return ClassifyRecipe.model_validate({**recipe.model_dump(mode="json"), **values})


def log_of(out: Path) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    timings = ("seconds", "images_per_second")
    return [{k: v for k, v in line.items() if k not in timings} for line in lines]


def same_tensors(first: Path, second: Path) -> None:
    ours, theirs = load_file(first), load_file(second)
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert torch.equal(ours[name], theirs[name]), name


@pytest.fixture(scope="module")
def whole(
    tmp_path_factory: pytest.TempPathFactory, pictures: Path, tiny: ClassifyRecipe
) -> tuple[ClassifyRecipe, Path]:
    """An uninterrupted run of the tiny recipe."""
    recipe = tiny
    out = tmp_path_factory.mktemp("whole") / "run"
    torch.set_num_threads(1)
    train(recipe, pictures, out, quiet=True)
    return recipe, out


def test_run_folder(whole: tuple[ClassifyRecipe, Path]) -> None:
    recipe, out = whole
    summary = json.loads((out / "summary.json").read_text())
    assert summary["finished"] is True
    assert summary["steps"] == 12
    assert summary["train_pictures"] == 36
    assert summary["val_pictures"] == 9
    assert summary["parameters"] > 100_000
    assert (out / "classes.txt").read_text().split() == ["blue", "green", "red"]
    assert any((out / "tb").iterdir())
    log = log_of(out)
    assert [line["step"] for line in log if line["kind"] == "train"] == [2, 4, 6, 8, 10, 12]
    assert [line["epoch"] for line in log if line["kind"] == "eval"] == [1, 2, 3, 4]
    trained = load_trained(out)
    assert trained.recipe == recipe
    assert trained.classes == ("blue", "green", "red")
    assert not trained.model.training


def test_it_learns(tmp_path: Path, pictures: Path, tiny: ClassifyRecipe) -> None:
    model = {"arch": "lcnet_x0_25", "options": {"dropout": 0.0, "strides": [1, 1, 2, 2, 2]}}
    recipe = changed(
        tiny,
        model=model,
        optimiser={"lr": 0.02},
        augment={"crop": {"kind": "pad"}},
        epochs=15,
        eval_every=15,
        ema={},
    )
    summary = train(recipe, pictures, tmp_path / "run", quiet=True, tensorboard=False)
    assert summary.scores["top1"] == 1.0
    losses = [line["loss"] for line in log_of(tmp_path / "run") if line["kind"] == "train"]
    # The smoothed targets have entropy 0.29, so less is impossible.
    assert np.mean(losses[-5:]) < 0.7


_CHILD = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from saccade_train.recipes import load_recipe
from saccade_train.training import classify, loop
recipe, data, out = sys.argv[1:]
if __name__ == "__main__":
    loop.train(load_recipe(recipe), Path(data), Path(out), quiet=True)
"""


def test_killed_and_resumed_gives_the_same_numbers(
    tmp_path: Path, pictures: Path, whole: tuple[ClassifyRecipe, Path]
) -> None:
    recipe, reference = whole
    (tmp_path / "child.py").write_text(_CHILD)
    (tmp_path / "recipe.yaml").write_text(dump_recipe(recipe))
    out = tmp_path / "run"
    child = subprocess.Popen(
        [sys.executable, "child.py", "recipe.yaml", str(pictures), str(out)],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    deadline = time.monotonic() + 90
    while not (out / "last" / "state.json").exists():
        assert child.poll() is None, "the training ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert not (out / "summary.json").exists()
    # A torn last line, as a kill may leave it.
    with (out / "log.jsonl").open("a") as file:
        file.write('{"kind": "tr')
    summary = train(recipe, pictures, out, quiet=True)
    assert summary.finished
    for name in ("model", "ema", "optimiser"):
        same_tensors(
            out / "last" / f"{name}.safetensors", reference / "last" / f"{name}.safetensors"
        )
    same_tensors(out / "best" / "model.safetensors", reference / "best" / "model.safetensors")
    assert log_of(out) == log_of(reference)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_saves_and_resumes_in_the_middle_of_an_epoch(
    number: signal.Signals,
    tmp_path: Path,
    pictures: Path,
    whole: tuple[ClassifyRecipe, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe, reference = whole

    def tick(self: Report, step: int) -> None:
        if step == 4:
            signal.raise_signal(number)

    before = signal.getsignal(number)
    with monkeypatch.context() as patch:
        patch.setattr(Report, "tick", tick)
        stopped = train(recipe, pictures, tmp_path / "run", quiet=True, tensorboard=False)
    assert not stopped.finished
    assert stopped.stopped_by == number
    # The signal came while step 4 ended, so step 5 was the last.
    assert stopped.steps == 5
    assert signal.getsignal(number) == before
    assert not (tmp_path / "run" / "summary.json").exists()
    train(recipe, pictures, tmp_path / "run", quiet=True, tensorboard=False)
    same_tensors(
        tmp_path / "run" / "last" / "model.safetensors", reference / "last" / "model.safetensors"
    )
    assert log_of(tmp_path / "run") == log_of(reference)


def test_finished_run_is_left_alone(pictures: Path, whole: tuple[ClassifyRecipe, Path]) -> None:
    recipe, out = whole
    before = (out / "last" / "model.safetensors").stat().st_mtime_ns
    summary = train(recipe, pictures, out, quiet=True)
    assert summary.finished
    assert summary.steps == 12
    assert (out / "last" / "model.safetensors").stat().st_mtime_ns == before


def test_another_recipe_is_refused_by_key(
    pictures: Path, whole: tuple[ClassifyRecipe, Path]
) -> None:
    recipe, out = whole
    other = changed(recipe, optimiser={"lr": 0.01})
    with pytest.raises(TrainingError, match=r"optimiser\.lr was 0\.05, now 0\.01.*--restart"):
        train(other, pictures, out, quiet=True)


def test_keys_that_move_no_weight_may_change(
    pictures: Path, whole: tuple[ClassifyRecipe, Path]
) -> None:
    recipe, out = whole
    data = {**recipe.data.model_dump(mode="json"), "workers": 0, "cache_mb": 0}
    assert train(changed(recipe, save_steps=5, data=data), pictures, out, quiet=True).finished


def test_other_pictures_are_refused(
    tmp_path: Path, pictures: Path, whole: tuple[ClassifyRecipe, Path]
) -> None:
    recipe, out = whole
    with pytest.raises(TrainingError, match="other pictures or classes"):
        train(recipe, pictures / "train", out, quiet=True)


def test_two_trainings_cannot_share_a_folder(
    tmp_path: Path, pictures: Path, tiny: ClassifyRecipe
) -> None:
    out = tmp_path / "run"
    out.mkdir()
    with only_writer(out), pytest.raises(TrainingError, match="another training is writing"):
        train(tiny, pictures, out, quiet=True, tensorboard=False)
    assert train(changed(tiny, epochs=1), pictures, out, quiet=True, tensorboard=False).finished


def test_moving_average_starts_anew_and_survives_a_stop(
    tmp_path: Path, pictures: Path, tiny: ClassifyRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Four epochs of three steps in cycles of two: stopped where the average starts anew, and later.
    recipe = changed(tiny, ema={"decay": 0.9, "cycle_epochs": 2})
    train(recipe, pictures, tmp_path / "whole", quiet=True, tensorboard=False)
    out = tmp_path / "run"

    def tick(self: Report, step: int) -> None:
        if step in (5, 7):
            signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(Report, "tick", tick)
        for stop in (6, 8):
            assert train(recipe, pictures, out, quiet=True, tensorboard=False).steps == stop
    assert train(recipe, pictures, out, quiet=True, tensorboard=False).finished
    for name in ("model", "ema"):
        same_tensors(
            out / "last" / f"{name}.safetensors",
            tmp_path / "whole" / "last" / f"{name}.safetensors",
        )
    # The average of the last cycle alone is not the average of all.
    train(tiny, pictures, tmp_path / "plain", quiet=True, tensorboard=False)
    plain = load_file(tmp_path / "plain" / "last" / "ema.safetensors")
    cycled = load_file(out / "last" / "ema.safetensors")
    assert any(not torch.equal(plain[name], cycled[name]) for name in plain)
    same_tensors(
        out / "last" / "model.safetensors", tmp_path / "plain" / "last" / "model.safetensors"
    )


def test_checkpoint_of_before_a_key_existed_goes_on(
    tmp_path: Path, pictures: Path, tiny: ClassifyRecipe
) -> None:
    out = tmp_path / "run"
    train(changed(tiny, epochs=1), pictures, out, quiet=True, tensorboard=False)
    file = out / "last" / "state.json"
    state = json.loads(file.read_text())
    del state["recipe"]["ema"]["cycle_epochs"]
    file.write_text(json.dumps(state))
    assert train(changed(tiny, epochs=1), pictures, out, quiet=True, tensorboard=False).finished
    with pytest.raises(TrainingError, match=r"ema\.cycle_epochs was 0, now 1"):
        train(
            changed(tiny, epochs=1, ema={"decay": 0.9, "cycle_epochs": 1}),
            pictures,
            out,
            quiet=True,
            tensorboard=False,
        )


def test_restart_begins_again(tmp_path: Path, pictures: Path, tiny: ClassifyRecipe) -> None:
    out = tmp_path / "run"
    train(changed(tiny, epochs=1), pictures, out, quiet=True, tensorboard=False)
    summary = train(tiny, pictures, out, quiet=True, tensorboard=False, restart=True)
    assert summary.steps == 12
    assert [line["epoch"] for line in log_of(out) if line["kind"] == "eval"] == [1, 2, 3, 4]


def test_loss_that_is_not_a_number_names_the_pictures(
    tmp_path: Path, pictures: Path, tiny: ClassifyRecipe
) -> None:
    recipe = changed(tiny, optimiser={"lr": 1e30}, clip_grad=0.0, schedule={})
    out = tmp_path / "run"
    with pytest.raises(TrainingError, match=r"the loss is (nan|inf) at step \d+ .*\.png") as caught:
        train(recipe, pictures, out, quiet=True, tensorboard=False)
    listed = (out / "nan_batch.txt").read_text().splitlines()
    assert len(listed) == recipe.batch_size
    assert all(Path(name).is_file() for name in listed)
    assert listed[0] in str(caught.value)
    assert "\n" not in str(caught.value)


def test_gradient_that_is_not_a_number_stops_before_the_weights_move(
    tmp_path: Path, pictures: Path, tiny: ClassifyRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def steep(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        # Finite itself, but its slope at zero is not.
        return torch.sqrt((logits - logits.detach()).pow(2).sum())

    monkeypatch.setattr(classify, "soft_cross_entropy", steep)
    with pytest.raises(TrainingError, match="gradient's norm is nan at step 1 "):
        train(tiny, pictures, tmp_path / "run", quiet=True, tensorboard=False)


def test_broken_pictures_are_left_out_and_listed(
    tmp_path: Path, tiny: ClassifyRecipe, pictures: Path
) -> None:
    import shutil

    data = tmp_path / "data"
    shutil.copytree(pictures, data)
    whole = (data / "train" / "red" / "03.png").read_bytes()
    (data / "train" / "red" / "03.png").write_bytes(whole[: len(whole) // 2])
    (data / "train" / "blue" / "00.png").write_bytes(b"")
    (data / "val" / "green" / "01.png").write_text("not a picture")
    summary = train(changed(tiny, epochs=1), data, tmp_path / "run", quiet=True, tensorboard=False)
    assert summary.skipped == 3
    assert summary.train_pictures == 34
    assert summary.val_pictures == 8
    listed = (tmp_path / "run" / "skipped.txt").read_text()
    for name in ("train/red/03.png", "train/blue/00.png", "val/green/01.png"):
        assert name in listed


def test_cache_changes_no_number(
    tmp_path: Path, pictures: Path, whole: tuple[ClassifyRecipe, Path]
) -> None:
    recipe, reference = whole
    data = {**recipe.data.model_dump(mode="json"), "cache_mb": 0, "workers": 0}
    out = tmp_path / "run"
    train(changed(recipe, data=data), pictures, out, quiet=True, tensorboard=False)
    same_tensors(out / "last" / "model.safetensors", reference / "last" / "model.safetensors")


def test_accumulation_gives_the_gradient_of_the_whole_batch(
    tmp_path: Path, pictures: Path, tiny: ClassifyRecipe
) -> None:
    # Evaluation-mode statistics, no dropout: then pieces and the whole differ by rounding alone.
    plain = {
        "model": {"arch": "lcnet_x0_25", "options": {"dropout": 0.0}},
        "augment": {"mixup": 0.0},
        "epochs": 1,
        "clip_grad": 0.0,
        "ema": {},
    }

    def freeze_statistics(model: torch.nn.Module, mode: bool = True) -> torch.nn.Module:
        return torch.nn.Module.train(model, False)

    weights = []
    for pieces in (1, 3):
        recipe = changed(tiny, **plain, accumulate=pieces)
        out = tmp_path / str(pieces)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Classifier, "train", freeze_statistics)
            train(recipe, pictures, out, quiet=True, tensorboard=False)
        weights.append(load_file(out / "last" / "model.safetensors"))
    for name in weights[0]:
        torch.testing.assert_close(weights[0][name], weights[1][name], rtol=1e-4, atol=1e-6)


def test_bf16_and_plain_layout_run(tmp_path: Path, pictures: Path, tiny: ClassifyRecipe) -> None:
    recipe = changed(tiny, epochs=1, precision="bf16", channels_last=False)
    summary = train(recipe, pictures, tmp_path / "run", quiet=True, tensorboard=False)
    assert np.isfinite(summary.scores["loss"])


def test_second_evaluation_at_the_training_size(
    tmp_path: Path, pictures: Path, tiny: ClassifyRecipe
) -> None:
    data = {"train_size": 24, "eval": {"height": 32, "width": 32, "short": 36}}
    recipe = changed(tiny, epochs=1, data={**data, "eval_at_train_size": True})
    summary = train(recipe, pictures, tmp_path / "run", quiet=True, tensorboard=False)
    assert {"top1", "loss", "top1_at_24", "loss_at_24"} <= summary.scores.keys()


def test_init_renews_the_head_when_classes_differ(
    tmp_path: Path, pictures: Path, tiny: ClassifyRecipe, whole: tuple[ClassifyRecipe, Path]
) -> None:
    import shutil

    data = tmp_path / "two"
    for split in ("train", "val"):
        for name in ("blue", "red"):
            shutil.copytree(pictures / split / name, data / split / name)
    recipe = changed(tiny, epochs=1, init=str(whole[1]))
    summary = train(recipe, data, tmp_path / "run", quiet=True, tensorboard=False)
    assert summary.finished
    with pytest.raises(TrainingError, match=r"does not fit this architecture.*model\.arch"):
        train(changed(recipe, model={"arch": "lcnet_x0_5"}), data, tmp_path / "x", quiet=True)


def test_wrong_architecture_is_said_first(tmp_path: Path, tiny: ClassifyRecipe) -> None:
    with pytest.raises(OptionError, match="lcnet_x0_25"):
        train(changed(tiny, model={"arch": "lcnet_x0_26"}), tmp_path / "none", tmp_path / "run")
    assert not (tmp_path / "run").exists()


_WORKER = """
import sys, json
from pathlib import Path
import torch
from saccade_train.recipes import load_recipe
from saccade_train.training.loop import train
recipe, data, out = sys.argv[1:]
summary = train(load_recipe(recipe), Path(data), Path(out), quiet=True, tensorboard=False)
print("SCORES", json.dumps(dict(summary.last_scores)), flush=True)
torch.distributed.destroy_process_group()
"""


def test_torchrun_with_two_processes(tmp_path: Path, pictures: Path, tiny: ClassifyRecipe) -> None:
    (tmp_path / "worker.py").write_text(_WORKER)
    recipe = changed(tiny, ema={}, epochs=2)
    (tmp_path / "recipe.yaml").write_text(dump_recipe(recipe))
    out = tmp_path / "run"
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
    done = subprocess.run(
        [*command, "--standalone", "worker.py", "recipe.yaml", str(pictures), str(out)],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told = [json.loads(line[7:]) for line in done.stdout.splitlines() if line.startswith("SCORES ")]
    assert len(told) == 2
    assert told[0] == told[1], "both processes must see the metrics of all pictures"
    # The scores are those of the saved weights over the whole val split.
    from lightning_fabric import Fabric

    from saccade.datasets.classification import open_classification
    from saccade_train.training.checkpoint import load_tensors
    from saccade_train.training.evaluate import evaluate, normaliser

    trained = load_trained(out)
    trained.model.load_state_dict(load_tensors(out / "last" / "model.safetensors"))
    val = open_classification(pictures, "val")
    prepare = recipe.data.eval.prepare()
    scores = evaluate(
        Fabric(accelerator="cpu"),
        trained.model,
        lambda i: prepare(val.read(i)),
        val.labels,
        normaliser(recipe.data.mean, recipe.data.std, torch.device("cpu"), channels_last=True),
    )
    assert scores["top1"] == told[0]["top1"]
    assert scores["loss"] == pytest.approx(told[0]["loss"], rel=1e-4)
    steps = [line["step"] for line in log_of(out) if line["kind"] == "train"]
    assert steps == [2, 4, 6]
