"""Tiny pictures and a tiny recipe, for trainings of a second."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from classifier_runs import write_colours
from saccade_train.recipes import ClassifyRecipe, parse_recipe


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """36 training and 9 evaluation pictures of three colours, split."""
    return write_colours(tmp_path_factory.mktemp("colours"), train=12, val=3)


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
