"""Trainings of text networks: they learn, go on after a stop, and their tricks are switches."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from commands import TRAINING_CHILD
from saccade.errors import DatasetError, OptionError, TrainingError
from saccade_train.losses.aligned import aligned_loss
from saccade_train.recipes import dump_recipe, load_recipe, parse_recipe, recipe_names
from saccade_train.text.lines import (
    WIDTHS,
    LineMaker,
    LineSamples,
    RealLines,
    _as_found,
    column_labels,
    pad_lines,
)
from saccade_train.training import text_data
from saccade_train.training.centers import find_centers
from saccade_train.training.loop import train
from saccade_train.training.report import Report
from saccade_train.training.run import load_trained

WORDS = ("one", "two", "three", "Four", "FIVE", "6.00", "seven", "Eight")
QUICK = {
    "optimiser": {"name": "adamw", "lr": 5e-3, "weight_decay": 0.0},
    "schedule": {"kind": "constant", "warmup_steps": 5},
    "clip_grad": 5.0,
    "log_every": 5,
    "save_seconds": 3600,
    "seed": 3,
}
STILL = dict.fromkeys(
    ("distort", "stretch", "perspective", "crop", "blur", "hsv", "jitter", "noise", "invert"), 0.0
)
LINES = {
    **QUICK,
    "task": "text_recognise",
    "model": {"arch": "crnn_resnet10_vd_x0_25", "options": {"hidden": 32}},
    "data": {"real": 1.0, "epoch": 64, "columns": 1024, "workers": 0, "alphabet": "ascii"},
    "augment": STILL,
    "batch_size": 8,
    "epochs": 2,
}


def written(text: str) -> np.ndarray:
    image = np.full((32, 14 * len(text) + 12, 3), 235, np.uint8)
    cv2.putText(image, text, (5, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.65, (20, 20, 20), 2)
    return image


@pytest.fixture(scope="session")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight words, the same ones to learn and to evaluate with."""
    root = tmp_path_factory.mktemp("words")
    for number, word in enumerate(WORDS):
        cv2.imwrite(str(root / f"{number}.png"), written(word))
    label = "".join(f"{number}.png\t{word}\n" for number, word in enumerate(WORDS))
    for split in ("train", "val"):
        (root / f"rec_{split}.txt").write_text(label)
    return root


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pages with two words each, the same ones to learn and to evaluate with."""
    root = tmp_path_factory.mktemp("pages")
    label = ""
    for number in range(2):
        image = np.full((160, 160, 3), 245, np.uint8)
        boxes = []
        for row in range(2):
            word = written(WORDS[2 * number + row])
            y, x = 20 + 70 * row, 15 + 20 * number
            height, width = word.shape[:2]
            image[y : y + height, x : x + width] = word
            corners = [[x, y], [x + width, y], [x + width, y + height], [x, y + height]]
            boxes.append({"transcription": WORDS[2 * number + row], "points": corners})
        cv2.imwrite(str(root / f"{number}.png"), image)
        label += f"{number}.png\t{json.dumps(boxes)}\n"
    for split in ("train", "val"):
        (root / f"det_{split}.txt").write_text(label)
    return root


def test_a_recogniser_learns_a_handful_of_words_by_heart(tmp_path: Path, lines: Path) -> None:
    few = tmp_path / "few"
    few.mkdir()
    for number in range(4):
        (few / f"{number}.png").write_bytes((lines / f"{number}.png").read_bytes())
    for split in ("train", "val"):
        label = "".join(f"{number}.png\t{WORDS[number]}\n" for number in range(4))
        (few / f"rec_{split}.txt").write_text(label)
    recipe = parse_recipe(
        {
            **LINES,
            "data": {**LINES["data"], "columns": 512, "epoch": 1280},
            "batch_size": 4,
            "epochs": 1,
        }
    )
    summary = train(recipe, few, tmp_path / "run", quiet=True, tensorboard=False)
    assert summary.scores["cer_few"] < 0.35
    trained = load_trained(tmp_path / "run")
    assert "".join(trained.classes) == text_data.alphabet_of("ascii")
    try:
        centers, known = find_centers(tmp_path / "run", [few])
    except TrainingError as error:
        pytest.fail(f"no line of four was read right: {error}")
    assert centers.shape == (96, 96)
    assert 3 <= known < 96


def test_case_free_labels_do_not_teach_to_shout(tmp_path: Path, lines: Path) -> None:
    """The labels say capitals; the loss must not care which case the network writes."""
    loud = tmp_path / "loud"
    loud.mkdir()
    (loud / "a.png").write_bytes((lines / "0.png").read_bytes())
    for split in ("train", "val"):
        (loud / f"rec_{split}.txt").write_text("a.png\tONE\n")
    recipe = parse_recipe({**LINES, "data": {**LINES["data"], "case_free": ["loud"]}})
    summary = train(recipe, [loud], tmp_path / "run", quiet=True, tensorboard=False)
    assert summary.finished
    assert set(summary.scores) == {"score", "cer_loud", "line_accuracy_loud"}


@pytest.mark.parametrize(
    "loss",
    [{"focal": True}, {"ace": 0.1}, {"aligned": 1.0}, {"mutual": 1.0}],
    ids=["focal", "ace", "aligned", "u-dml"],
)
def test_each_trick_of_the_recogniser_is_a_switch(
    tmp_path: Path, lines: Path, loss: dict[str, object]
) -> None:
    recipe = parse_recipe({**LINES, "loss": loss, "epochs": 1})
    train(recipe, lines, tmp_path / "run", quiet=True, tensorboard=False)
    # Whatever learnt beside it, one recogniser is kept.
    names = load_file(tmp_path / "run/best/model.safetensors")
    assert not any(name.startswith(("student.", "other.")) for name in names)
    load_trained(tmp_path / "run")


def test_centre_loss_needs_its_centres(tmp_path: Path, lines: Path) -> None:
    with pytest.raises(OptionError, match="center and centers belong together"):
        parse_recipe({**LINES, "loss": {"center": 0.05}})
    loss = {"center": 0.05, "centers": str(tmp_path / "none.safetensors")}
    recipe = parse_recipe({**LINES, "loss": loss})
    with pytest.raises(TrainingError, match="no centres can be read from it"):
        train(recipe, lines, tmp_path / "run", quiet=True, tensorboard=False)


def test_a_detector_learns_two_pages_by_heart(tmp_path: Path, pages: Path) -> None:
    recipe = parse_recipe(
        {
            **QUICK,
            "task": "text_detect",
            "model": {"arch": "db_lcnet_x0_25", "options": {"neck_channels": 24}},
            "data": {"real": 1.0, "size": 160, "epoch": 240, "workers": 0, "limit": 160},
            "augment": {"flip": 0.0, "rotation": 0.0, "scale": [0.9, 1.1]},
            "batch_size": 2,
            "epochs": 1,
        }
    )
    summary = train(recipe, pages, tmp_path / "run", quiet=True, tensorboard=False)
    assert summary.scores["score"] > 0.7
    load_trained(tmp_path / "run")


def test_collaborative_mutual_learning(tmp_path: Path, pages: Path) -> None:
    small = {
        **QUICK,
        "task": "text_detect",
        "model": {"arch": "db_lcnet_x0_25", "options": {"neck_channels": 16}},
        "data": {"real": 1.0, "size": 96, "epoch": 4, "workers": 0},
        "augment": {"copy_paste": 0.5},
        "batch_size": 2,
        "epochs": 1,
    }
    train(parse_recipe(small), pages, tmp_path / "teacher", quiet=True, tensorboard=False)
    loss = {"mutual": 1.0, "teacher": str(tmp_path / "teacher"), "main": "bce"}
    summary = train(
        parse_recipe({**small, "loss": loss}),
        pages,
        tmp_path / "students",
        quiet=True,
        tensorboard=False,
    )
    assert summary.parameters == 2 * sum(
        p.numel() for p in load_trained(tmp_path / "students").model.parameters()
    )


def test_a_direction_classifier_learns(tmp_path: Path, lines: Path) -> None:
    recipe = parse_recipe(
        {
            **QUICK,
            "task": "text_direction",
            "data": {"real": 1.0, "epoch": 96, "workers": 0, "alphabet": "ascii"},
            "augment": STILL,
            "batch_size": 16,
            "epochs": 8,
        }
    )
    summary = train(recipe, lines, tmp_path / "run", quiet=True, tensorboard=False)
    assert summary.scores["accuracy"] >= 0.75
    assert load_trained(tmp_path / "run").classes == ("0", "180")


def test_kill_in_the_middle_and_go_on_to_the_same_weights(tmp_path: Path, lines: Path) -> None:
    """With a worker process, which must not outlive the training."""
    recipe = parse_recipe(
        {
            **LINES,
            "data": {**LINES["data"], "workers": 1, "columns": 512, "epoch": 64},
            "save_steps": 3,
        }
    )
    (tmp_path / "recipe.yaml").write_text(dump_recipe(recipe))
    (tmp_path / "child.py").write_text(TRAINING_CHILD)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    arguments = [sys.executable, "child.py", "recipe.yaml", str(lines)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run([*arguments, str(whole)], cwd=tmp_path, env=environment, check=True)
    child = subprocess.Popen([*arguments, str(killed)], cwd=tmp_path, env=environment)
    while child.poll() is None and not (killed / "last/state.json").exists():
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    step = json.loads((killed / "last/state.json").read_text())["progress"]["step"]
    assert step < 16
    subprocess.run([*arguments, str(killed)], cwd=tmp_path, env=environment, check=True)
    ours, theirs = (load_file(run / "last/model.safetensors") for run in (whole, killed))
    for name, tensor in ours.items():
        assert torch.equal(tensor, theirs[name]), name


def test_batches_have_few_shapes_and_lose_no_text(lines: Path) -> None:
    from saccade.datasets.text import open_text_lines
    from saccade_train.augment.text_lines import LineAugment

    samples = LineSamples(
        None, (RealLines(open_text_lines(lines)),), 1.0, LineAugment(**STILL), 0.0, 0
    )
    alphabet = text_data.alphabet_of("ascii")
    maker = LineMaker(samples, alphabet, piece=8, columns=1024, widest=256)
    batches = maker(5)
    assert len(batches) == 8
    again = maker(5)
    for batch, same in zip(batches, again, strict=True):
        assert batch.images.shape[2] in WIDTHS
        assert len(batch.images) * batch.images.shape[2] <= 1024
        np.testing.assert_array_equal(batch.images, same.images)
        for row, length in zip(batch.labels, batch.lengths, strict=True):
            text = "".join(alphabet[label - 1] for label in row[:length])
            assert text in WORDS
            assert not row[length:].any()


def test_the_ground_between_columns_counts_for_more(pages: Path, tmp_path: Path) -> None:
    from saccade.datasets.text import open_text_pages
    from saccade_train.augment.text_pages import PageAugment
    from saccade_train.text.pages import PageMaker, PageSamples

    image = np.full((160, 160, 3), 245, np.uint8)
    corners = [[[x, 60], [x + 50, 60], [x + 50, 80], [x, 80]] for x in (20, 80)]
    boxes = [{"transcription": "ab", "points": points} for points in corners]
    cv2.imwrite(str(tmp_path / "0.png"), image)
    (tmp_path / "det_train.txt").write_text(f"0.png\t{json.dumps(boxes)}\n")
    samples = PageSamples(None, (open_text_pages(tmp_path, "train"),), 1.0, 0)
    still = PageAugment(size=160, rotation=0.0, scale=(1.0, 1.0))
    plain, more = (PageMaker(samples, still, 0.0, 2, between)(0) for between in (1, 7))
    np.testing.assert_array_equal(plain.shrink, more.shrink)
    assert set(np.unique(plain.shrink_mask)) == {1}
    assert set(np.unique(more.shrink_mask)) == {1, 7}
    assert not more.shrink[more.shrink_mask == 7].any()


def test_narrow_lines_are_drawn_out(lines: Path) -> None:
    from saccade.datasets.text import open_text_lines
    from saccade_train.augment.text_lines import LineAugment

    real = (RealLines(open_text_lines(lines)),)
    samples = LineSamples(None, real, 1.0, LineAugment(**STILL), 0.0, 0)
    alphabet = text_data.alphabet_of("ascii")
    widths = []
    for narrow in (0.0, 400.0):
        maker = LineMaker(samples, alphabet, piece=8, columns=4096, widest=800, narrow=narrow)
        widths.append(min(batch.images.shape[2] for batch in maker(5)))
    assert widths[0] < 100 and widths[1] >= 192


def test_drawn_lines_say_what_the_text_has(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("quokka numbat wombat\n" * 3)
    recipe = parse_recipe(
        {
            **LINES,
            "data": {
                **LINES["data"],
                "real": 0.0,
                "text": str(tmp_path / "words.txt"),
                "synth": [{"preset": "scene"}],
            },
        }
    )
    drawn, _ = text_data.training_lines(
        recipe,
        None,
        text_data.alphabet_of("ascii"),
        height=32,
        report=Report(tmp_path, total=0, files=False, quiet=True),
    )
    texts = " ".join(drawn.source[number].text for number in range(60)).lower()
    assert sum(texts.count(word) for word in ("quokka", "numbat", "wombat")) > 20
    with pytest.raises(DatasetError, match="cannot be read"):
        text_data.lexicon_of(str(tmp_path / "none.txt"), "abc")


def test_found_places_lie_around_the_labelled_ones() -> None:
    quad = np.array([[10, 20], [110, 20], [110, 40], [10, 40]], np.float32)
    rng = np.random.default_rng(0)
    moves = np.stack([_as_found(quad, rng) - quad for _ in range(2000)]) / 20
    # A rectangle stays one, and the sides move by their shares of the height.
    assert np.allclose(moves[:, 0, 0], moves[:, 3, 0])
    assert np.allclose(moves[:, 1, 0], moves[:, 2, 0])
    for outwards, low, high in (
        (-moves[:, 0, 0], -0.2, 0.25),
        (moves[:, 1, 0], -0.2, 0.25),
        (-moves[:, 0, 1], -0.12, 0.22),
        (moves[:, 2, 1], -0.12, 0.22),
    ):
        assert low <= outwards.min() < low + 0.01
        assert high - 0.01 < outwards.max() <= high


def test_columns_say_where_each_character_stands() -> None:
    """Against a slow loop: a step shows the character whose inner half holds its middle."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        starts = np.cumsum(rng.uniform(2, 30, 6)).astype(np.float32)
        spans = np.stack([starts, starts + rng.uniform(1, 25, 6).astype(np.float32)], axis=1)
        classes = rng.integers(1, 90, 6)
        steps = int(spans.max() // 4) + 3
        found = column_labels(classes, spans, steps)
        for step in range(steps):
            middle = 4 * step + 2
            best, shown = np.inf, 0
            for label, (left, right) in zip(classes, spans, strict=True):
                centre, half = (left + right) / 2, (right - left) / 4
                near = abs(middle - centre) <= half or int(centre / 4) == step
                if near and abs(middle - centre) < best:
                    best, shown = abs(middle - centre), label
            assert found[step] == shown


def test_aligned_loss_counts_known_lines_only() -> None:
    logits = torch.randn(2, 3, 4, requires_grad=True)
    columns = torch.tensor([[0, 2, 0], [-1, -1, -1]])
    logs = logits.log_softmax(2)
    wanted = -(logs[0, 0, 0] + logs[0, 1, 2] + logs[0, 2, 0])
    torch.testing.assert_close(aligned_loss(logits, columns), wanted)
    assert float(aligned_loss(logits, torch.full_like(columns, -1)).detach()) == 0.0


def test_padding_is_grey() -> None:
    batch = pad_lines([np.zeros((32, 20, 3), np.uint8), np.zeros((32, 33, 3), np.uint8)])
    assert batch.shape == (2, 32, 48, 3)
    assert (batch[0, :, 20:] == 127).all()
    assert not batch[0, :, :20].any()


def test_lines_outside_the_alphabet_are_left_out_and_said(tmp_path: Path, lines: Path) -> None:
    (tmp_path / "a.png").write_bytes((lines / "0.png").read_bytes())
    for split in ("train", "val"):
        (tmp_path / f"rec_{split}.txt").write_text("a.png\tone\na.png\tодин\n")
    recipe = parse_recipe({**LINES, "epochs": 1, "data": {**LINES["data"], "epoch": 8}})
    summary = train(recipe, tmp_path, tmp_path / "run", quiet=True, tensorboard=False)
    assert summary.skipped == 1
    assert "не" not in (tmp_path / "run/skipped.txt").read_text()
    assert "is not in the alphabet" in (tmp_path / "run/skipped.txt").read_text()


def test_real_lines_that_are_asked_for_must_be_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="name them with --data"):
        train(parse_recipe(LINES), [], tmp_path / "run", quiet=True, tensorboard=False)


def test_every_shipped_recipe_of_reading_parses() -> None:
    named = [name for name in recipe_names() if name.startswith("ocr_")]
    assert {load_recipe(name).task for name in named} == {
        "text_detect",
        "text_direction",
        "text_recognise",
    }


def test_an_unknown_key_of_a_text_recipe_names_the_nearest() -> None:
    with pytest.raises(OptionError, match=r"unknown key 'data\.reel'; did you mean 'data\.real'"):
        load_recipe("ocr_rec", ["data.reel=1"])
    with pytest.raises(OptionError, match=r"unknown task 'text_recognize'.*text_recognise"):
        parse_recipe({"task": "text_recognize"})
