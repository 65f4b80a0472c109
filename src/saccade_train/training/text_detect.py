"""Teaching a DB detector to find text, alone or by collaborative mutual learning (CML).

PP-OCRv2 (arXiv 2109.03144, section 2.1): two students learn from the labels, from each other, and
from a finished teacher whose map is dilated.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from saccade.datasets.text import TextPageSet, open_text_pages
from saccade.errors import DatasetError, Problem
from saccade.imaging.resize import resize
from saccade.metrics.text import RegionCounts, detection_counts, detection_metrics
from saccade.text.db_decode import DBOptions, decode_quads
from saccade.text.sizes import detector_size
from saccade_train._types import Image
from saccade_train.augment.text_pages import PageAugment
from saccade_train.distill import dilated_teacher_loss, mutual_map_kl
from saccade_train.heads.db import DBMaps
from saccade_train.losses.db import DBLossOptions, DBTargets, db_loss
from saccade_train.models.text_detector import TextDetector, build_text_detector
from saccade_train.recipes import TextDetectRecipe, load_recipe
from saccade_train.synth import PageSource
from saccade_train.text.pages import PageBatch, PageMaker, PageSamples

from .ahead import Ahead
from .checkpoint import load_tensors
from .data import Places, place_list
from .feed import Plan
from .initial import weights_file
from .pair import Pair
from .report import Report
from .text_data import (
    alphabet_of,
    digest,
    lexicon_of,
    normalised,
    recipe_fonts,
    synth_options,
)

__all__ = ["TextDetectTask", "find_text"]


class TextDetectTask:
    """A recipe of a detector with its pages; see :class:`.task.Task`."""

    decisive = "score"

    def __init__(
        self, recipe: TextDetectRecipe, data: Places, val: Places, *, report: Report
    ) -> None:
        self.recipe = recipe
        options = recipe.data
        if options.real > 0 and not place_list(data):
            raise DatasetError(
                f"data.real={options.real:g} asks for labelled pages; name them with --data, or "
                "set data.real=0"
            )
        real = [open_text_pages(place, "train") for place in place_list(data)]
        for pages in real:
            report.say(f"{pages.place}: {len(pages)} pages, {len(pages.problems)} left out")
        source = None
        alphabet = alphabet_of(options.alphabet)
        if options.real < 1:
            fonts = recipe_fonts(options.fonts, alphabet, report=report)
            drawn = synth_options(options.synth, alphabet)
            lexicon = lexicon_of(options.text, alphabet)
            source = PageSource(drawn, recipe.seed, fonts=fonts, lexicon=lexicon)
        self._samples = PageSamples(source, tuple(real), options.real, recipe.seed)
        self.classes: tuple[str, ...] = ()
        problems = [problem for pages in real for problem in pages.problems]
        self.problems: tuple[Problem, ...] = tuple(problems)
        self.train_size = options.epoch
        self._val = _val_sets(recipe, data, val, report)
        self.val_size = sum(len(pages) for pages in self._val.values())
        self.fingerprint = digest(
            source.fonts.fingerprint if source else "",
            [sample.path for pages in real for sample in pages.samples],
        )
        self._ahead: Ahead[int, PageBatch] | None = None
        self._teacher: TextDetector | None = None

    def build(self) -> nn.Module:
        """The detector, or two students; the teacher stays outside: it does not learn."""
        model, loss = self.recipe.model, self.recipe.loss

        def one() -> TextDetector:
            return build_text_detector(model.arch, **model.options)

        if loss.teacher is not None:
            self._teacher = _load_teacher(loss.teacher)
        return Pair(one(), one()) if loss.mutual > 0 else one()

    def deployed(self, model: nn.Module) -> nn.Module:
        """The first student of a pair."""
        return model.student if isinstance(model, Pair) else model

    def batches(self, plan: Plan, *, epoch: int, start: int, process: int) -> Iterator[PageBatch]:
        """Batches of pages, made ahead in other processes."""
        if self._ahead is None:
            steps = self.recipe.augment.model_dump(exclude={"copy_paste"})
            augment = PageAugment(size=self.recipe.data.size, **steps)
            pasting = self.recipe.augment.copy_paste
            between = self.recipe.loss.between
            maker = PageMaker(self._samples, augment, pasting, plan.piece_size, between)
            self._ahead = Ahead(maker, self.recipe.data.workers)
        per_epoch = plan.steps * plan.pieces
        numbers = range(epoch * per_epoch + start * plan.pieces, (epoch + 1) * per_epoch)
        yield from self._ahead.map(number * plan.processes + process for number in numbers)

    def loss(self, module: Any, batch: PageBatch, device: torch.device, seed: int) -> Tensor:
        """DB loss; with a pair, mutual learning; with a teacher, what it says."""
        images = normalised(self.recipe, batch.images, device)
        masks = (batch.shrink, batch.shrink_mask, batch.threshold, batch.threshold_mask)
        targets = DBTargets(*(torch.from_numpy(one).to(device).float() for one in masks))
        found = module(images)
        students: tuple[DBMaps, ...] = (found,) if isinstance(found, DBMaps) else found
        options = self.recipe.loss
        form = DBLossOptions(
            main=options.main, shrink_weight=options.alpha, threshold_weight=options.beta
        )
        total = torch.stack([db_loss(maps, targets, form).total for maps in students]).sum()
        if len(students) == 2:
            mutual = mutual_map_kl(students[0].shrink, students[1].shrink)
            total = total + options.mutual * mutual
        if self._teacher is not None:
            self._teacher.to(device)
            with torch.no_grad():
                says = self._teacher.probability(images)
            for maps in students:
                dilated = dilated_teacher_loss(maps, says, targets.shrink_mask, main=options.main)
                total = total + options.dilated * dilated.total
        return total

    def evaluate(self, fabric: Fabric, model: nn.Module) -> dict[str, float]:
        """Precision, recall and hmean of each place; ``score`` is the mean hmean."""
        assert isinstance(model, TextDetector)
        was_training = model.training
        model.eval()
        data = self.recipe.data
        decode = DBOptions(
            threshold=data.threshold, unclip_ratio=data.unclip, box_threshold=data.box_threshold
        )
        scores: dict[str, float] = {}
        for name, pages in self._val.items():
            counts: list[RegionCounts] = []
            for number, sample in enumerate(pages.samples):
                quads = find_text(
                    model,
                    pages.read(number),
                    lambda image: normalised(self.recipe, image, fabric.device),
                    limit=data.limit,
                    options=decode,
                )
                truths = [region.points for region in sample.regions]
                ignored = [region.ignored for region in sample.regions]
                counts.append(detection_counts(truths, ignored, list(quads)))
            found = detection_metrics(counts)
            scores |= {f"{key}_{name}": found[key] for key in ("hmean", "precision", "recall")}
        model.train(was_training)
        hmeans = [value for key, value in scores.items() if key.startswith("hmean")]
        return {"score": float(np.mean(hmeans)), **scores}

    def names(self, batches: Sequence[PageBatch]) -> list[str]:
        """The pages of some batches."""
        return [name for batch in batches for name in batch.names]


@torch.inference_mode()
def find_text(
    model: TextDetector, image: Image, normalise: Any, *, limit: int, options: DBOptions
) -> np.ndarray:
    """Find text with a torch network, as the reader does with an exported one.

    Args:
        model: In evaluation mode.
        image: uint8 (H, W, 3).
        normalise: From uint8 (N, H, W, 3) to what the network takes.
        limit: Longest side, pixels.
        options: For the map.

    Returns:
        float32 (K, 4, 2), pixels of the picture.
    """
    height, width = image.shape[:2]
    small = resize(image, detector_size(height, width, limit))
    chances = model.probability(normalise(small[None]))[0, 0].float().cpu().numpy()
    return decode_quads(chances, (height, width), options).quads


def _val_sets(
    recipe: TextDetectRecipe, data: Places, val: Places, report: Report
) -> dict[str, TextPageSet]:
    """Pages for evaluation by the name of their place."""
    options = recipe.data
    sets: dict[str, TextPageSet] = {}
    for place in place_list(val or data):
        pages = open_text_pages(place, "val")
        picks = np.linspace(0, len(pages) - 1, min(options.val_limit, len(pages))).round()
        chosen = tuple(pages.samples[int(pick)] for pick in picks)
        sets[place.stem] = TextPageSet(chosen, (), pages.place)
        report.say(f"{pages.place}: {len(chosen)} pages for evaluation")
    if not sets:
        raise DatasetError(
            "no labelled page to evaluate with; name a place with --val (saccade synth pages "
            "makes one)"
        )
    return sets


def _load_teacher(run: str) -> TextDetector:
    """A finished detector; the reference leaves its BatchNorm in training mode, we don't."""
    recipe = load_recipe(f"{run}/recipe.yaml")
    teacher = build_text_detector(recipe.model.arch, **recipe.model.options)
    teacher.load_state_dict(load_tensors(weights_file(run)))
    return teacher.eval().requires_grad_(False)
