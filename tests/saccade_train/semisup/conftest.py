"""A few labelled pictures and a pool, for trainings of seconds."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from classifier_runs import COLOURS

SMALL: dict[str, Any] = {
    "model": {"arch": "resnet10_vd", "options": {"width": 0.125}},
    "data": {
        "train_size": 16,
        "eval": {"height": 16, "width": 16, "mode": "stretch"},
        "cache_short": 16,
        "workers": 1,
    },
    "augment": {"crop": {"kind": "pad", "pad": 2, "fill": "reflect"}},
    "optimiser": {"name": "adamw", "lr": 0.005},
    "batch_size": 6,
    "log_every": 2,
    "save_seconds": 3600,
    "seed": 3,
}


@dataclass(frozen=True)
class Scene:
    """Where the pictures are."""

    data: Path
    pool: Path


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Four labelled, three evaluation and eight pool pictures of three colours; and what a pool
    may hold by accident: a broken picture, a text, a labelled and an evaluation picture."""
    root = tmp_path_factory.mktemp("colours")
    rng = np.random.default_rng(0)
    for part, count in (("data/train", 4), ("data/val", 3), ("pool", 8)):
        for name, colour in COLOURS.items():
            folder = root / part / ("some" if part == "pool" else name)
            folder.mkdir(parents=True, exist_ok=True)
            for number in range(count):
                noise = rng.integers(-30, 30, (20, 22, 3))
                image = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
                Image.fromarray(image).save(folder / f"{name}-{number:02}.png")
    odd = root / "pool" / "odd"
    odd.mkdir()
    (odd / "broken.png").write_bytes(b"\x89PNG nothing more")
    (odd / "notes.txt").write_text("not a picture")
    shutil.copy(root / "data/val/red/red-00.png", odd / "leak.png")
    shutil.copy(root / "data/train/red/red-00.png", odd / "known.png")
    return Scene(root / "data", root / "pool")
