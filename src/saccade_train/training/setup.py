"""What must stand before the first step: devices, and pictures in memory."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray

from saccade.datasets.classification import ClassificationSet
from saccade.errors import OptionError, Problem
from saccade.imaging.prepare import Prepare
from saccade_train._types import Image
from saccade_train.augment.geometric import shrink_short
from saccade_train.recipes import ClassifyRecipe, EmbedRecipe, Recipe

from .data import Places, fingerprint, open_training_data
from .pictures import Pictures, Shape, load_pictures
from .report import Report

__all__ = ["LoadedData", "load_data", "make_fabric", "train_size_prepare"]


@dataclass(frozen=True)
class LoadedData:
    """Pictures that are ready for training."""

    classes: tuple[str, ...]
    train: Pictures
    """Shrunk as far as the recipe allows."""
    val: Mapping[str, Pictures]
    """Prepared for evaluation, by the suffix of the scores: ``""`` for the recipe's ``data.eval``,
    ``"_at_160"`` for a second evaluation at the training size."""
    problems: tuple[Problem, ...]
    """Pictures that were left out."""
    fingerprint: str
    """Of all names and labels: two trainings with the same one saw the same pictures."""
    targets: NDArray[np.float32] | None = None
    """Soft labels of the training pictures in place of their classes, (N, C); smoothed or not."""


def make_fabric(recipe: Recipe, device: str = "auto") -> Fabric:
    """Devices and precision; several processes when started by ``torchrun``.

    Args:
        recipe: Says the precision.
        device: "auto" (CUDA if there is one), "cpu" or "cuda".

    Raises:
        OptionError: "cuda" where there is none.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise OptionError(f"device {device!r}: expected auto, cpu or cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise OptionError("device 'cuda': this machine or this build of torch has no CUDA; use cpu")
    kind = "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    here = int(os.environ.get("LOCAL_WORLD_SIZE", str(processes)))
    fabric = Fabric(
        accelerator=kind,
        devices=here,
        num_nodes=max(1, processes // here),
        strategy="ddp" if processes > 1 else "auto",
        precision="bf16-mixed" if recipe.precision == "bf16" else "32-true",
    )
    fabric.launch()
    return fabric


def train_size_prepare(recipe: ClassifyRecipe) -> Prepare:
    """The recipe's evaluation at the training size: the same part of the picture, scaled."""
    options, size = recipe.data.eval, recipe.data.train_size
    short = max(size, round(options.short * size / min(options.height, options.width)))
    return options.model_copy(update={"height": size, "width": size, "short": short}).prepare()


def load_data(
    recipe: ClassifyRecipe | EmbedRecipe,
    data: Places,
    val: Places = (),
    *,
    report: Report,
    closed: bool = True,
    train_shape: Shape | None = None,
) -> LoadedData:
    """Open, decode, check and hold the pictures of a training.

    Broken pictures are left out, counted and listed; the user is told. ``closed`` as of
    :func:`.data.open_training_data`; ``train_shape`` is what is done to each training picture when
    it is read, by default shrinking as far as the recipe allows.

    Raises:
        DatasetError: No pictures, one class only, or sets that don't fit together.
    """
    options = recipe.data
    opened = open_training_data(data, val, holdout=options.holdout, seed=recipe.seed, closed=closed)
    for note in opened.notes:
        report.say(note)
    limit = options.cache_mb * 2**20
    workers = max(1, options.workers)
    problems = list(opened.problems)

    def load(items: ClassificationSet, what: str, shape: Shape, limit: int) -> Pictures:
        with report.counting(what, len(items)) as done:
            pictures, broken = load_pictures(
                items, shape, limit_bytes=limit, verify=options.verify, workers=workers, done=done
            )
        problems.extend(broken)
        return pictures

    def shrink(image: Image) -> Image:
        return shrink_short(image, options.read_short)

    prepare = options.eval.prepare()
    evaluated = {"": load(opened.val, "reading val", prepare, limit)}
    limit -= evaluated[""].nbytes
    if options.eval_at_train_size and isinstance(recipe, ClassifyRecipe):
        small = train_size_prepare(recipe)
        # Broken pictures are known by now.
        pictures, _ = load_pictures(
            evaluated[""].items, small, limit_bytes=max(0, limit), verify=False, workers=workers
        )
        evaluated[f"_at_{options.train_size}"] = pictures
        limit -= pictures.nbytes
    train = load(opened.train, "reading train", train_shape or shrink, max(0, limit))
    for problem in problems[:5]:
        report.say(f"left out: {problem}")
    if len(problems) > 5:
        report.say(f"left out: {len(problems) - 5} more, see skipped.txt")
    report.say(
        f"{len(train)} training and {len(evaluated[''])} evaluation pictures of "
        f"{len(train.items.classes)} classes"
    )
    return LoadedData(
        train.items.classes,
        train,
        evaluated,
        tuple(dict.fromkeys(problems)),
        fingerprint(train.items, evaluated[""].items),
    )
