"""From a run folder to a model file, whatever was trained in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from saccade.errors import OptionError
from saccade_train.export.load import load_run
from saccade_train.export.onnx import export_model
from saccade_train.export.text import (
    export_text_detector,
    export_text_direction,
    export_text_recogniser,
)
from saccade_train.export.write import ExportOptions, ExportReport
from saccade_train.recipes import dump_recipe

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["export_run"]


def export_run(
    run: str | Path,
    out: str | Path,
    *,
    thresholds: Mapping[str, float] | None = None,
    **options: Unpack[ExportOptions],
) -> ExportReport:
    """Export the best model of a run folder; recipe, classes and scores come from the folder.

    Args:
        run: what ``saccade train`` wrote.
        out: the file; its folder must exist.
        thresholds: score limits for the card, by name; for models of text.
        options: see :class:`ExportOptions`. ``recipe`` and ``scores`` are those of the folder.

    Raises:
        TrainingError: the folder is missing, unfinished or damaged.
        OptionError: an option, or a threshold, that does not fit the model.
        SaccadeError: see :func:`saccade_train.export.onnx.export_model`.
    """
    trained = load_run(run)
    recipe, data = trained.recipe, trained.recipe.data
    if recipe.init:
        # The card travels: it names the run it began with, not where that lay on this computer.
        recipe = recipe.model_copy(update={"init": Path(recipe.init).name})
    options["recipe"] = dump_recipe(recipe)
    options["scores"] = trained.scores
    model: Any = trained.model  # of the class that belongs to the task
    pixels = {"mean": data.mean, "std": data.std}
    match recipe.task:
        case "text_detect":
            return export_text_detector(model, out, thresholds=thresholds, **pixels, **options)
        case "text_direction":
            return export_text_direction(model, out, thresholds=thresholds, **pixels, **options)
        case "text_recognise":
            return export_text_recogniser(
                model, out, alphabet=trained.classes, thresholds=thresholds, **pixels, **options
            )
    if thresholds:
        raise OptionError(
            f"{run}: a model to {recipe.task} has no thresholds, got {', '.join(thresholds)}"
        )
    return export_model(
        model, out, labels=trained.classes, prepare=data.eval.prepare(), **pixels, **options
    )
