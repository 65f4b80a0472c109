"""Run folders of classifiers that were never trained, and sets of coloured pictures, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

__all__ = ["COLOURS", "write_classifier_run", "write_colours"]

COLOURS = {"blue": (40, 40, 220), "green": (40, 220, 40), "red": (220, 40, 40)}


def write_colours(root: Path, *, train: int = 8, val: int = 2) -> Path:
    """``train/COLOUR/*.png`` and ``val/COLOUR/*.png``: that many noisy pictures of each."""
    rng = np.random.default_rng(0)
    for split, count in (("train", train), ("val", val)):
        for name, colour in COLOURS.items():
            folder = root / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                noise = rng.integers(-30, 30, (36, 40, 3))
                image = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
                Image.fromarray(image).save(folder / f"{number:02}.png")
    return root


def write_classifier_run(
    folder: Path,
    *,
    classes: Sequence[str] = tuple(COLOURS),
    seed: int = 1,
    export: Path | None = None,
    **recipe: Any,
) -> Path:
    """A finished run of a network with random weights, that tells pictures apart.

    Args:
        folder: the run.
        classes: their names.
        seed: of the weights.
        export: where its .onnx goes, if it is wanted.
        **recipe: keys besides those of a tiny network at 32 pixels.
    """
    import torch
    from torch import nn

    from saccade_train.export.run import export_run
    from saccade_train.recipes import dump_recipe, parse_recipe
    from saccade_train.training.checkpoint import write_folder
    from saccade_train.training.parts_learner import build_student

    checked = parse_recipe(
        {
            "model": {"arch": "lcnet_x0_25"},
            "data": {"train_size": 32, "eval": {"height": 32, "width": 32, "short": 36}},
            **recipe,
        }
    )
    torch.manual_seed(seed)
    model = build_student(checked, len(classes))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.5
    with torch.no_grad():  # statistics of some pictures, so that it tells others apart
        for _ in range(4):
            model(torch.randn(8, 3, 32, 32) + torch.randn(8, 3, 1, 1))
        model.head.fc.weight.mul_(5)
    write_folder(folder / "best", {"model": model.state_dict()}, {"scores": {"top1": 0.3}})
    (folder / "recipe.yaml").write_text(dump_recipe(checked), "utf-8")
    (folder / "classes.txt").write_text("".join(f"{name}\n" for name in classes), "utf-8")
    if export is not None:
        export_run(folder, export)
    return folder
