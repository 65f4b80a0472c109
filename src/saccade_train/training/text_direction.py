"""Teaching the direction classifier: is a line upside down?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional as F

from saccade_train.models.text_direction import DIRECTIONS, TextDirection, build_text_direction
from saccade_train.recipes import TextDirectionRecipe
from saccade_train.recipes.schema_text import LineAugmentOptions
from saccade_train.text.lines import DirectionBatch, DirectionMaker, LineSamples, RealLines

from .ahead import Ahead
from .data import Places
from .feed import Plan
from .report import Report
from .text_data import (
    alphabet_of,
    digest,
    held_out_source,
    line_augment,
    normalised,
    open_lines,
    training_lines,
)

__all__ = ["TextDirectionTask"]

_HEIGHT, _EVAL_BATCH = 48, 64


class TextDirectionTask:
    """A recipe of the direction classifier with its lines; see :class:`.task.Task`."""

    decisive = "accuracy"
    classes = DIRECTIONS

    def __init__(
        self, recipe: TextDirectionRecipe, data: Places, val: Places, *, report: Report
    ) -> None:
        self.recipe = recipe
        options = recipe.data
        alphabet = alphabet_of(options.alphabet)
        lines, problems = training_lines(recipe, data, alphabet, height=_HEIGHT, report=report)
        self._lines = lines
        self.problems = tuple(problems)
        self.train_size = options.epoch
        quiet = line_augment(recipe.augment.model_copy(update=_NOTHING))
        self._val: dict[str, DirectionBatch] = {}
        opened, _ = open_lines(val or data, "val", alphabet, report=report)
        for place, found in opened:
            samples = LineSamples(None, (RealLines(found),), 1.0, quiet, 0.0, 1)
            self._val[place.stem] = DirectionMaker(samples, min(options.val_limit, len(found)))(0)
        if options.real < 1:
            source = held_out_source(options.synth, alphabet, height=_HEIGHT, report=report)
            samples = LineSamples(source, (), 0.0, quiet, 0.0, 1)
            self._val["drawn"] = DirectionMaker(samples, options.val_limit)(0)
        self.val_size = sum(len(batch.labels) for batch in self._val.values())
        self.fingerprint = digest(
            lines.source.fonts.fingerprint if lines.source else "",
            [sample.path for part in lines.real for sample in part.lines.samples],
        )
        self._ahead: Ahead[int, DirectionBatch] | None = None

    def build(self) -> nn.Module:
        """The network."""
        return build_text_direction(architecture=self.recipe.model.arch)

    def deployed(self, model: nn.Module) -> nn.Module:
        """All of it."""
        return model

    def batches(
        self, plan: Plan, *, epoch: int, start: int, process: int
    ) -> Iterator[DirectionBatch]:
        """Batches of lines, made ahead in other processes."""
        if self._ahead is None:
            maker = DirectionMaker(self._lines, plan.piece_size)
            self._ahead = Ahead(maker, self.recipe.data.workers)
        per_epoch = plan.steps * plan.pieces
        numbers = range(epoch * per_epoch + start * plan.pieces, (epoch + 1) * per_epoch)
        yield from self._ahead.map(number * plan.processes + process for number in numbers)

    def loss(self, module: Any, batch: DirectionBatch, device: torch.device, seed: int) -> Tensor:
        """Cross entropy."""
        labels = torch.from_numpy(batch.labels).to(device)
        return F.cross_entropy(
            module(normalised(self.recipe, batch.images, device)).float(), labels
        )

    @torch.inference_mode()
    def evaluate(self, fabric: Fabric, model: nn.Module) -> dict[str, float]:
        """Share of lines whose direction is named right: the mean over places, and of each."""
        assert isinstance(model, TextDirection)
        was_training = model.training
        model.eval()
        scores = {}
        for name, batch in self._val.items():
            named = []
            for start in range(0, len(batch.labels), _EVAL_BATCH):
                images = batch.images[start : start + _EVAL_BATCH]
                named.append(
                    model(normalised(self.recipe, images, fabric.device)).argmax(1).cpu().numpy()
                )
            scores[f"accuracy_{name}"] = float(np.mean(np.concatenate(named) == batch.labels))
        model.train(was_training)
        return {"accuracy": float(np.mean(list(scores.values()))), **scores}

    def names(self, batches: Sequence[DirectionBatch]) -> list[str]:
        """The lines of some batches."""
        return [name for batch in batches for name in batch.names]


# For evaluation nothing is done to the lines.
_NOTHING = dict.fromkeys(LineAugmentOptions.model_fields, 0.0)
