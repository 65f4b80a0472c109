"""From a recipe and places to a task that the loop can run."""

from __future__ import annotations

import torch

from saccade.errors import OptionError
from saccade_train.models.classifier import build_classifier
from saccade_train.models.detector import build_detector
from saccade_train.models.text_detector import build_text_detector
from saccade_train.models.text_direction import build_text_direction
from saccade_train.models.text_recogniser import build_text_recogniser
from saccade_train.recipes import (
    ClassifyRecipe,
    DetectRecipe,
    EmbedRecipe,
    Recipe,
    TextDetectRecipe,
    TextDirectionRecipe,
    TextRecogniseRecipe,
)

from .classify import ClassifyTask
from .data import Places
from .detect import DetectTask
from .embed import EmbedTask, check_embed
from .report import Report
from .setup import LoadedData, load_data
from .task import Task
from .text_detect import TextDetectTask
from .text_direction import TextDirectionTask
from .text_recognise import TextRecogniseTask

__all__ = ["check_network", "open_task"]


def check_network(recipe: Recipe) -> None:
    """Build the network without memory, so that a wrong name or option is said at once.

    Raises:
        OptionError: An unknown architecture, or an option that it doesn't have.
    """
    with torch.device("meta"):
        match recipe:
            case ClassifyRecipe():
                build_classifier(recipe.model.arch, 2, **recipe.model.options)
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


def open_task(
    recipe: Recipe,
    data: Places,
    val: Places = (),
    *,
    report: Report,
    loaded: LoadedData | None = None,
) -> Task:
    """Bring a recipe and its data together.

    Args:
        recipe: Its class says which task.
        data: Places to learn from.
        val: Places to evaluate with.
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
        case TextDetectRecipe():
            return TextDetectTask(recipe, data, val, report=report)
        case DetectRecipe():
            return DetectTask(recipe, data, val, report=report)
        case ClassifyRecipe():
            return ClassifyTask(recipe, loaded or load_data(recipe, data, val, report=report))
        case EmbedRecipe():
            closed = recipe.data.gallery == "train"
            return EmbedTask(recipe, load_data(recipe, data, val, report=report, closed=closed))
        case _:
            raise OptionError(f"task {recipe.task!r}: there is no training for it")
