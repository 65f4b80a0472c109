"""Teaching a recogniser to read lines: CTC and the tricks of PP-OCRv2 around it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from safetensors.torch import load_file
from torch import Tensor, nn

from saccade.errors import TrainingError
from saccade.metrics.text import TextRule, line_metrics
from saccade.text.ctc_decode import decode_greedy
from saccade.text.sizes import reading_width
from saccade_train._types import Image
from saccade_train.distill import feature_distance, symmetric_kl
from saccade_train.losses.ace import ace_loss
from saccade_train.losses.aligned import aligned_loss
from saccade_train.losses.center import center_loss
from saccade_train.losses.ctc import case_pairs, ctc_loss, focal, without_case
from saccade_train.models.text_recogniser import (
    LINE_HEIGHT,
    TextRecogniser,
    TextSteps,
    build_text_recogniser,
)
from saccade_train.recipes import TextRecogniseRecipe
from saccade_train.text.lines import PARTS, LineBatch, LineMaker, line_size, pad_lines

from .ahead import Ahead
from .data import Places
from .feed import Plan
from .pair import Pair
from .report import Report
from .text_data import (
    alphabet_of,
    digest,
    held_out_source,
    is_case_free,
    normalised,
    open_lines,
    training_lines,
)

__all__ = ["TextRecogniseTask", "read_lines"]

_CASE_FREE = TextRule(ignore_case=True, ignore_spaces=True)
_EXACT = TextRule()


class TextRecogniseTask:
    """A recipe of a recogniser with its lines; see :class:`.task.Task`."""

    decisive = "score"

    def __init__(
        self, recipe: TextRecogniseRecipe, data: Places, val: Places, *, report: Report
    ) -> None:
        self.recipe = recipe
        options = recipe.data
        alphabet = alphabet_of(options.alphabet)
        lines, problems = training_lines(recipe, data, alphabet, height=LINE_HEIGHT, report=report)
        self.classes = tuple(alphabet)
        self.problems = tuple(problems)
        self.train_size = options.epoch
        self._lines = lines
        self._val = _val_sets(recipe, data, val, alphabet, report)
        self.val_size = sum(len(texts) for _, texts, _ in self._val.values())
        fonts = lines.source.fonts.fingerprint if lines.source else ""
        names = [sample.path for part in lines.real for sample in part.lines.samples]
        self.fingerprint = digest(alphabet, fonts, names)
        self._pairs = case_pairs(alphabet)
        self._ahead: Ahead[int, list[LineBatch]] | None = None
        self._centers = _load_centers(recipe)

    def build(self) -> nn.Module:
        """The recogniser, or two that learn from each other."""
        model = self.recipe.model

        def one() -> TextRecogniser:
            return build_text_recogniser(model.arch, len(self.classes) + 1, **model.options)

        return Pair(one(), one()) if self.recipe.loss.mutual > 0 else one()

    def deployed(self, model: nn.Module) -> nn.Module:
        """The first of a pair."""
        return model.student if isinstance(model, Pair) else model

    def batches(self, plan: Plan, *, epoch: int, start: int, process: int) -> Iterator[LineBatch]:
        """Batches of lines, made ahead in other processes."""
        if self._ahead is None:
            data = self.recipe.data
            share = data.columns // (plan.pieces * plan.processes)
            alphabet = "".join(self.classes)
            maker = LineMaker(
                self._lines, alphabet, plan.piece_size, share, data.widest, data.narrow
            )
            self._ahead = Ahead(maker, self.recipe.data.workers)
        per_epoch = -(-plan.steps * plan.pieces // PARTS)
        first = start * plan.pieces
        jobs = (
            (epoch * per_epoch + number) * plan.processes + process
            for number in range(first // PARTS, per_epoch)
        )
        skip = first % PARTS
        for batches in self._ahead.map(jobs):
            yield from batches[skip:]
            skip = 0

    def loss(self, module: Any, batch: LineBatch, device: torch.device, seed: int) -> Tensor:
        """The recipe's sum of losses, the mean over the lines."""
        options = self.recipe.loss
        found = module(normalised(self.recipe, batch.images, device))
        if isinstance(found, TextSteps):
            return self._label_loss(found, batch, device)
        one, two = found
        total = self._label_loss(one, batch, device) + self._label_loss(two, batch, device)
        total = total + options.mutual * symmetric_kl(one.logits, two.logits)
        return total + options.features * feature_distance(one.columns, two.columns)

    def evaluate(self, fabric: Fabric, model: nn.Module) -> dict[str, float]:
        """Line accuracy and CER of each place, and ``score``: 1 - CER, the mean over the places."""
        assert isinstance(model, TextRecogniser)
        was_training = model.training
        model.eval()
        scores: dict[str, float] = {}
        goodness = []
        for name, (images, texts, rule) in self._val.items():
            read = read_lines(
                model,
                images,
                self.classes,
                lambda batch: normalised(self.recipe, batch, fabric.device),
                widest=self.recipe.data.widest,
                narrow=self.recipe.data.narrow,
            )
            found = line_metrics(texts, read, rule=rule)
            scores[f"cer_{name}"] = found["cer"]
            scores[f"line_accuracy_{name}"] = found["line_accuracy"]
            goodness.append(1 - min(1.0, found["cer"]))
        model.train(was_training)
        return {"score": float(np.mean(goodness)), **scores}

    def names(self, batches: Sequence[LineBatch]) -> list[str]:
        """The lines of some batches."""
        return [name for batch in batches for name in batch.names]

    def _label_loss(self, found: TextSteps, batch: LineBatch, device: torch.device) -> Tensor:
        """What the labels say: CTC, with centre loss and ACE as the recipe wants them."""
        options = self.recipe.loss
        labels = torch.from_numpy(batch.labels).to(device)
        lengths = torch.from_numpy(batch.lengths).to(device)
        logits = found.logits.float()
        free = torch.from_numpy(batch.case_free).to(device)
        if bool(free.any()):
            merged, capitals = without_case(logits, labels, self._pairs)
            chances = torch.where(free[:, None, None], merged, logits.log_softmax(2))
            losses = ctc_loss(chances, torch.where(free[:, None], capitals, labels), lengths)
        else:
            losses = ctc_loss(logits, labels, lengths)
        total = (focal(losses) if options.focal else losses).mean()
        if options.aligned > 0:
            columns = torch.from_numpy(batch.columns).to(device)
            total = total + options.aligned * aligned_loss(logits, columns)
        if options.ace > 0:
            total = total + options.ace * ace_loss(logits, labels, lengths).mean()
        if self._centers is not None:
            self._centers = self._centers.to(device)
            total = total + options.center * center_loss(found.features, logits, self._centers)
        return total


@torch.inference_mode()
def read_lines(
    model: TextRecogniser,
    images: Sequence[Image],
    alphabet: Sequence[str],
    normalise: Any,
    *,
    widest: int,
    narrow: float = 0.0,
    columns: int = 16_384,
) -> list[str]:
    """Read lines with a torch network, as the reader does with an exported one.

    Args:
        model: In evaluation mode.
        images: uint8 (H, W, 3), of any sizes.
        alphabet: Characters of classes 1 and up.
        normalise: From uint8 (N, 32, W, 3) to what the network takes.
        widest: Pixels at a height of 32; wider lines are squeezed.
        narrow: Likewise; narrower ones are drawn out.
        columns: Pixels of width of one batch, about.
    """
    ready = []
    for image in images:
        width = reading_width(image.shape[:2], LINE_HEIGHT, narrow)
        ready.append(line_size(image, (min(max(width, 8), widest), LINE_HEIGHT)))
    order = np.argsort([image.shape[1] for image in ready], kind="stable")[::-1]
    texts = [""] * len(images)
    at = 0
    while at < len(order):
        count = max(1, columns // ready[order[at]].shape[1])
        numbers = order[at : at + count]
        batch = pad_lines([ready[number] for number in numbers])
        chances = model.probabilities(normalise(batch)).cpu().numpy()
        for number, line in zip(numbers, decode_greedy(chances, alphabet), strict=True):
            texts[number] = line.text
        at += count
    return texts


def _val_sets(
    recipe: TextRecogniseRecipe, data: Places, val: Places, alphabet: str, report: Report
) -> dict[str, tuple[list[Image], list[str], TextRule]]:
    """Lines for evaluation by the name of their place: pictures, texts, and how they are scored."""
    options = recipe.data
    sets: dict[str, tuple[list[Image], list[str], TextRule]] = {}
    opened, _ = open_lines(val or data, "val", alphabet, report=report)
    for place, lines in opened:
        picks = np.linspace(0, len(lines) - 1, min(options.val_limit, len(lines))).round()
        chosen = [int(pick) for pick in picks]
        rule = _CASE_FREE if is_case_free(place, options.case_free) else _EXACT
        sets[place.stem] = (
            [lines.read(number) for number in chosen],
            [lines.samples[number].text for number in chosen],
            rule,
        )
    if options.real < 1:
        source = held_out_source(options.synth, alphabet, height=LINE_HEIGHT, report=report)
        drawn = [source[number] for number in range(options.val_limit)]
        sets["drawn"] = ([line.image for line in drawn], [line.text for line in drawn], _EXACT)
    return sets


def _load_centers(recipe: TextRecogniseRecipe) -> Tensor | None:
    if recipe.loss.centers is None:
        return None
    try:
        return load_file(recipe.loss.centers)["centers"]
    except (OSError, KeyError, ValueError) as error:
        raise TrainingError(
            f"{recipe.loss.centers}: no centres can be read from it ({error}); make it with "
            "'python -m saccade_train.training.centers RUN --data PLACE -o FILE'"
        ) from error
