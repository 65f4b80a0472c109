"""Speed of a training step: precision, memory layout, and threads that augment ahead.

    python benchmarks/train_step.py --recipe classify_small --threads 2

Variants are interleaved, so that a busy machine slows all alike; the fastest of each counts.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable

import cv2
import numpy as np
import torch

from saccade_train.augment import build_augment
from saccade_train.losses import smooth_one_hot, soft_cross_entropy
from saccade_train.models.classifier import build_classifier
from saccade_train.recipes import ClassifyRecipe, load_recipe
from saccade_train.training.evaluate import normaliser
from saccade_train.training.feed import Plan, feed
from saccade_train.training.optimisers import build_optimiser

CLASSES = 10


def make_step(
    recipe: ClassifyRecipe, bf16: bool, channels_last: bool
) -> Callable[[np.ndarray], None]:
    """Forward, backward and update on a batch of uint8 pictures."""
    model = build_classifier(recipe.model.arch, CLASSES, **recipe.model.options).train()
    if channels_last:
        model.to(memory_format=torch.channels_last)
    optimiser = build_optimiser(model, recipe.optimiser)
    normalise = normaliser(
        recipe.data.mean, recipe.data.std, torch.device("cpu"), channels_last=channels_last
    )

    def step(images: np.ndarray) -> None:
        targets = smooth_one_hot(torch.arange(len(images)) % CLASSES, CLASSES, 0.1)
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            logits = model(normalise(torch.from_numpy(images)))
        soft_cross_entropy(logits, targets).backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)

    return step


def measure_steps(recipe: ClassifyRecipe, rounds: int) -> None:
    """Precision and layout."""
    size = recipe.data.train_size
    images = np.random.default_rng(0).integers(0, 256, (recipe.batch_size, size, size, 3), np.uint8)
    variants = list(itertools.product((False, True), (False, True)))
    steps = [make_step(recipe, *variant) for variant in variants]
    best = [float("inf")] * len(steps)
    for _ in range(rounds + 1):
        for number, step in enumerate(steps):
            began = time.perf_counter()
            step(images)
            best[number] = min(best[number], time.perf_counter() - began)
    for (bf16, channels_last), seconds in zip(variants, best, strict=True):
        name = f"{'bf16' if bf16 else 'fp32'} {'channels_last' if channels_last else 'contiguous'}"
        print(f"{name:24} {recipe.batch_size / seconds:8.1f} images/s")


def measure_feed(recipe: ClassifyRecipe, rounds: int) -> None:
    """Threads that augment ahead of the step."""
    size = recipe.data.train_size
    rng = np.random.default_rng(0)
    short = recipe.data.read_short
    images = [rng.integers(0, 256, (short, short + 30, 3), np.uint8) for _ in range(64)]
    labels = np.zeros(recipe.batch_size * 4, np.int64)
    augment = build_augment(recipe.augment, size)
    step = make_step(recipe, recipe.precision == "bf16", recipe.channels_last)
    counts = (0, 1, 2)
    best = dict.fromkeys(counts, float("inf"))
    for epoch in range(rounds):
        for workers in counts:
            began = time.perf_counter()
            for batch in feed(
                lambda number: images[number % 64],
                labels,
                augment,
                plan=Plan(len(labels), recipe.batch_size),
                size=size,
                seed=0,
                epoch=epoch,
                workers=workers,
            ):
                step(batch.images)
            best[workers] = min(best[workers], time.perf_counter() - began)
    for workers, seconds in best.items():
        print(f"workers {workers}                {len(labels) / seconds:8.1f} images/s")


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", default="classify_small")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("changes", nargs="*", help="key=value changes to the recipe")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(1)
    recipe = load_recipe(options.recipe, options.changes)
    measure_steps(recipe, options.rounds)
    measure_feed(recipe, options.rounds)


if __name__ == "__main__":
    main()
