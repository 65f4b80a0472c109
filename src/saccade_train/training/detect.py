"""Teaching a PicoDet to find objects (PP-PicoDet, arXiv 2111.00902)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from saccade.errors import DatasetError, ImageError, Problem
from saccade.geometry.boxes import clip
from saccade.geometry.suppression import nms
from saccade.metrics.detect import coco_metrics
from saccade.results import Detections
from saccade.tasks._candidates import read_candidates
from saccade_train._types import Image
from saccade_train.augment.detection import DetectionAugment
from saccade_train.heads.picodet import decode_boxes
from saccade_train.losses.picodet import BoxTargets, PicoLossOptions, picodet_loss
from saccade_train.models.detector import PicoDet, build_detector
from saccade_train.recipes import DetectRecipe
from saccade_train.recipes.schema_detect import BoxData

from .ahead import Ahead
from .data import Places
from .detect_batches import BoxBatch, BoxBatchMaker, Job, Reader
from .detect_data import fingerprint, open_detect_data
from .evaluate import normaliser
from .feed import Plan
from .report import Report

__all__ = ["DetectTask", "find_objects"]

_BATCH = 8
_NOT_DRAWN = {"mosaic_epochs", "interpolations"}
"""Keys of a recipe's ``augment`` that are not those of a picture."""


class DetectTask:
    """A recipe of a detector with its pictures; see :class:`.task.Task`."""

    def __init__(self, recipe: DetectRecipe, data: Places, val: Places, *, report: Report) -> None:
        self.recipe = recipe
        self.decisive: str = recipe.decisive
        found = open_detect_data(data, val, recipe.data, seed=recipe.seed)
        for note in found.notes:
            report.say(note)
        for problem in found.problems[:5]:
            report.say(f"note: {problem}")
        self._report = report
        self._train, self._val = found.train, found.val
        self.classes = found.train.classes
        self.problems = found.problems
        self.train_size, self.val_size = len(found.train), len(found.val)
        self.fingerprint = fingerprint(found.train, found.val)
        self._loss = PicoLossOptions(**recipe.loss.model_dump())
        self._prepare = recipe.data.prepare()
        self._prepared: dict[int, Image] = {}
        self._ahead: Ahead[Job, BoxBatch] | None = None

    def build(self) -> nn.Module:
        """The detector."""
        model = self.recipe.model
        return build_detector(model.arch, len(self.classes), **model.options)

    def deployed(self, model: nn.Module) -> nn.Module:
        """All of it."""
        return model

    def batches(self, plan: Plan, *, epoch: int, start: int, process: int) -> Iterator[BoxBatch]:
        """Augmented pictures, made ahead in other processes."""
        if self._ahead is None:
            self._ahead = Ahead(self._maker(plan), self.recipe.data.workers)
        steps, pieces = range(start, plan.steps), range(plan.pieces)
        jobs = ((epoch, step, piece, process) for step in steps for piece in pieces)
        batches = self._ahead.map(jobs)
        try:
            for batch in batches:
                self._note(batch.problems)
                yield batch
        finally:
            batches.close()  # type: ignore[attr-defined]

    def loss(self, module: Any, batch: BoxBatch, device: torch.device, seed: int) -> Tensor:
        """The sum of the three terms."""
        output = module(self._normaliser(device)(_tensor(batch.images, device)))
        targets = [
            BoxTargets(_tensor(boxes, device), _tensor(labels, device))
            for boxes, labels in zip(batch.boxes, batch.labels, strict=True)
        ]
        return picodet_loss(output, targets, self._loss, batch.epoch).total

    def evaluate(self, fabric: Fabric, model: nn.Module) -> dict[str, float]:
        """The twelve numbers of COCO, but for those of sizes that don't occur."""
        assert isinstance(model, PicoDet)
        was_training = model.training
        model.eval()
        truths, found = [], []
        try:
            for numbers, images in self._val_batches():
                samples = [self._val.samples[number] for number in numbers]
                sizes = [(sample.height, sample.width) for sample in samples]
                with fabric.autocast():
                    found += find_objects(
                        model,
                        images,
                        sizes,
                        self._normaliser(fabric.device),
                        self.recipe.data,
                        self.classes,
                    )
                truths += samples
        finally:
            model.train(was_training)
        if not truths:
            raise DatasetError(f"{self._val.place}: no picture could be read; check the data")
        scores = coco_metrics(truths, found)
        return {name: value for name, value in scores.items() if np.isfinite(value)}

    def names(self, batches: Sequence[BoxBatch]) -> list[str]:
        """Where the pictures lie."""
        return [name for batch in batches for name in batch.names]

    def _maker(self, plan: Plan) -> BoxBatchMaker:
        options, data = self.recipe.augment, self.recipe.data
        return BoxBatchMaker(
            Reader(self._train, data.read_long, data.cache_mb * 2**20),
            DetectionAugment(**options.model_dump(exclude=_NOT_DRAWN)),
            sizes=data.train_sizes,
            interpolations=options.interpolations,
            plan=plan,
            seed=self.recipe.seed,
            mosaic_epochs=options.mosaic_epochs,
        )

    def _normaliser(self, device: torch.device) -> Callable[[Tensor], Tensor]:
        data = self.recipe.data
        return normaliser(data.mean, data.std, device, channels_last=self.recipe.channels_last)

    def _val_batches(self) -> Iterator[tuple[list[int], Image]]:
        """Numbers and prepared pictures, uint8 (N, H, W, 3); broken ones are left out."""
        numbers: list[int] = []
        images: list[Image] = []
        for number in range(len(self._val)):
            try:
                images.append(self._val_picture(number))
            except ImageError as error:
                self._note([Problem(self._val.samples[number].where, str(error))])
                continue
            numbers.append(number)
            if len(numbers) == _BATCH:
                yield numbers, np.stack(images)
                numbers, images = [], []
        if numbers:
            yield numbers, np.stack(images)

    def _val_picture(self, number: int) -> Image:
        image = self._prepared.get(number)
        if image is None:
            image = self._prepare(self._val.read(number))
            if (len(self._prepared) + 1) * image.nbytes <= self.recipe.data.cache_mb * 2**20:
                self._prepared[number] = image
        return image

    def _note(self, problems: Sequence[Problem]) -> None:
        """Keep in mind, and say, which pictures could not be read; each once."""
        for problem in problems:
            if problem not in self.problems:
                self.problems = (*self.problems, problem)
                self._report.say(f"left out: {problem}")


@torch.inference_mode()
def find_objects(
    model: PicoDet,
    images: Image,
    sizes: Sequence[tuple[int, int]],
    normalise: Callable[[Tensor], Tensor],
    data: BoxData,
    classes: Sequence[str],
) -> list[Detections]:
    """Find objects with a torch network, as :class:`saccade.Detector` does with an exported one.

    Args:
        model: In evaluation mode.
        images: uint8 (N, H, W, 3), prepared.
        sizes: (height, width) of the pictures that they were.
        normalise: From uint8 (N, H, W, 3) to what the network takes, on its device.
        data: Says how boxes are suppressed.
        classes: Their names.

    Returns:
        What is in each picture, in its pixels.
    """
    device = next(model.parameters()).device
    output = model(normalise(_tensor(images, device)))
    outputs = {
        "boxes": decode_boxes(output).float().cpu().numpy(),
        "scores": output.scores.float().cpu().numpy(),
    }
    rules = data.suppress
    found = []
    for row, (height, width) in enumerate(sizes):
        seen = read_candidates(outputs, row, score=rules.score, classes=len(classes))
        kept = seen.pick(nms(seen.boxes, seen.scores, seen.classes, iou=rules.iou, keep=rules.keep))
        factors = np.array([width / images.shape[2], height / images.shape[1]] * 2, np.float32)
        found.append(
            Detections(
                image="",
                width=width,
                height=height,
                boxes=clip(kept.boxes * factors, (height, width)),
                scores=kept.scores,
                labels=tuple(classes[number] for number in kept.classes),
                class_ids=kept.classes,
            )
        )
    return found


def _tensor(array: np.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(array).to(device, non_blocking=True)
