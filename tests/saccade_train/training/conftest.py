"""Tiny pictures and a tiny recipe, for trainings of a second."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from saccade_train.recipes import ClassifyRecipe, parse_recipe

COLOURS = {"blue": (40, 40, 220), "green": (40, 220, 40), "red": (220, 40, 40)}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """36 training and 9 evaluation pictures of three colours, split."""
    root = tmp_path_factory.mktemp("colours")
    rng = np.random.default_rng(0)
    for split, count in (("train", 12), ("val", 3)):
        for name, colour in COLOURS.items():
            folder = root / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                noise = rng.integers(-30, 30, (36, 40, 3))
                image = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
                Image.fromarray(image).save(folder / f"{number:02}.png")
    return root


TINY = {
    "model": {"arch": "lcnet_x0_25"},
    "data": {"train_size": 32, "eval": {"height": 32, "width": 32, "short": 36}, "workers": 1},
    "augment": {"crop": {"area": [0.3, 1.0]}, "mixup": 0.2},
    "label_smoothing": 0.1,
    "optimiser": {"lr": 0.05},
    "schedule": {"warmup_steps": 2},
    "ema": {"decay": 0.9},
    "clip_grad": 5.0,
    "epochs": 4,
    "batch_size": 12,
    "log_every": 2,
    "save_steps": 2,
    "save_seconds": 3600,
    "seed": 7,
}


@pytest.fixture(scope="session")
def tiny() -> ClassifyRecipe:
    """Four epochs of three steps."""
    return parse_recipe(TINY)
