"""From a recipe and places to a task that the loop can run."""

from __future__ import annotations

from pathlib import Path

import torch
from lightning_fabric import Fabric

from saccade.errors import OptionError
from saccade_train.models.detector import build_detector
from saccade_train.models.text_detector import build_text_detector
from saccade_train.models.text_direction import build_text_direction
from saccade_train.models.text_recogniser import build_text_recogniser
from saccade_train.recipes import (
    ClassifyRecipe,
    DetectRecipe,
    DistillRecipe,
    EmbedRecipe,
    MiningRecipe,
    Recipe,
    SemiRecipe,
    TextDetectRecipe,
    TextDirectionRecipe,
    TextRecogniseRecipe,
)

from .data import Places, place_list
from .detect import DetectTask
from .distill import open_distill
from .distill_learner import check_distill
from .embed import EmbedTask, check_embed
from .parts import open_classify
from .parts_learner import check_parts
from .pool import load_pool
from .report import Report
from .semi import SemiTask
from .setup import LoadedData, load_data
from .task import Task
from .text_detect import TextDetectTask
from .text_direction import TextDirectionTask
from .text_recognise import TextRecogniseTask

__all__ = ["check_network", "check_unlabelled", "open_task"]


def check_network(recipe: Recipe) -> None:
    """Build the network without memory, so that a wrong name or option is said at once.

    Raises:
        OptionError: An unknown architecture, or an option that it doesn't have.
    """
    with torch.device("meta"):
        match recipe:
            case DistillRecipe():
                check_distill(recipe)
            case ClassifyRecipe():
                check_parts(recipe)
            case TextRecogniseRecipe():
                build_text_recogniser(recipe.model.arch, 2, **recipe.model.options)
            case TextDetectRecipe():
                build_text_detector(recipe.model.arch, **recipe.model.options)
            case TextDirectionRecipe():
                build_text_direction(architecture=recipe.model.arch)
            case DetectRecipe():
                build_detector(recipe.model.arch, 2, **recipe.model.options)
            case EmbedRecipe():
                check_embed(recipe)


_UNLABELLED = ("distill", "semi")
"""Tasks that learn from unlabelled pictures too."""


def check_unlabelled(recipe: Recipe, unlabelled: Places) -> None:
    """See that a task can use unlabelled pictures, if there are any.

    Raises:
        OptionError: It cannot.
    """
    if place_list(unlabelled) and recipe.task not in _UNLABELLED:
        raise OptionError(
            f"task {recipe.task!r} cannot learn from unlabelled pictures; leave --unlabelled out, "
            f"or take a recipe of task {' or '.join(_UNLABELLED)}"
        )


def open_task(
    recipe: Recipe,
    data: Places,
    val: Places = (),
    *,
    unlabelled: Places = (),
    out: Path,
    fabric: Fabric,
    report: Report,
    loaded: LoadedData | None = None,
) -> Task:
    """Bring a recipe and its data together.

    Args:
        recipe: Its class says which task.
        data: Places to learn from.
        val: Places to evaluate with.
        unlabelled: Places of pictures without labels.
        out: The run folder, for what a task keeps beside its checkpoints.
        fabric: Devices and processes.
        report: To talk to the user.
        loaded: Pictures of a classification that were read before.

    Raises:
        DatasetError: The places don't fit the recipe.
    """
    match recipe:
        case TextRecogniseRecipe():
            return TextRecogniseTask(recipe, data, val, report=report)
        case TextDirectionRecipe():
            return TextDirectionTask(recipe, data, val, report=report)
        case DistillRecipe():
            return open_distill(
                recipe,
                data,
                val,
                unlabelled,
                out=out,
                fabric=fabric,
                report=report,
                loaded=loaded,
            )
        case TextDetectRecipe():
            return TextDetectTask(recipe, data, val, report=report)
        case DetectRecipe():
            return DetectTask(recipe, data, val, report=report)
        case SemiRecipe():
            labelled = load_data(recipe, data, val, report=report)
            outside = recipe.semi.outside
            pool = load_pool(recipe, labelled, unlabelled, outside=outside, report=report)
            return SemiTask(recipe, labelled, pool)
        case MiningRecipe():
            raise OptionError("task 'mining' is several trainings: call semisup.rounds.mine")
        case ClassifyRecipe():
            return open_classify(recipe, loaded or load_data(recipe, data, val, report=report))
        case EmbedRecipe():
            closed = recipe.data.gallery == "train"
            return EmbedTask(recipe, load_data(recipe, data, val, report=report, closed=closed))
        case _:
            raise OptionError(f"task {recipe.task!r}: there is no training for it")
