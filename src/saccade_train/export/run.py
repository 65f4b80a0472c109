"""From a run folder to a model file, whatever was trained in it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from saccade.errors import OptionError
from saccade_train.export.detect import export_detector
from saccade_train.export.embed import export_embedder
from saccade_train.export.load import load_run
from saccade_train.export.onnx import export_model
from saccade_train.export.text import (
    export_text_detector,
    export_text_direction,
    export_text_recogniser,
)
from saccade_train.export.write import ExportOptions, ExportReport
from saccade_train.recipes import ClassifyRecipe, DistillRecipe, dump_recipe
from saccade_train.training.parts import ATTENTION_CROP

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["export_run"]

_WSDAN_TOLERANCE = 1e-3


def export_run(
    run: str | Path,
    out: str | Path,
    *,
    thresholds: Mapping[str, float] | None = None,
    with_nms: bool = False,
    size: tuple[int, int] | None = None,
    **options: Unpack[ExportOptions],
) -> ExportReport:
    """Export the best model of a run folder; recipe, classes and scores come from the folder.

    Args:
        run: what ``saccade train`` wrote.
        out: the file; its folder must exist.
        thresholds: score limits for the card, by name; for detectors and models of text. What isn't
            given is taken from the recipe, which was scored with it.
        with_nms: end the graph of a detector in NMS.
        size: (height, width) of a detector's input, multiples of 32, in place of the recipe's.
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
    if getattr(data, "text", None):  # likewise what was written
        shown = data.model_copy(update={"text": Path(data.text).name})
        recipe = recipe.model_copy(update={"data": shown})
    if isinstance(recipe, DistillRecipe):
        recipe = recipe.without_places()
    options["recipe"] = dump_recipe(recipe)
    # The graph looks once: scores of two looks are none of its own.
    options["scores"] = {
        name: value for name, value in trained.scores.items() if ATTENTION_CROP not in name
    }
    if isinstance(recipe, ClassifyRecipe) and recipe.parts.method == "wsdan":
        # The square roots of its pooling magnify what runtimes round off near 0.
        options.setdefault("tolerance", _WSDAN_TOLERANCE)
    model: Any = trained.model  # of the class that belongs to the task
    pixels = {"mean": data.mean, "std": data.std}
    if with_nms and recipe.task != "detect":
        raise OptionError(f"{run}: a model to {recipe.task} has no boxes for NMS (--nms)")
    if size is not None and recipe.task != "detect":
        raise OptionError(f"{run}: only a detector may be of another size than its recipe says")
    match recipe.task:
        case "detect":
            rules, prepare = data.suppress, data.prepare()
            if size is not None:
                prepare = dataclasses.replace(prepare, height=size[0], width=size[1])
            return export_detector(
                model,
                out,
                labels=trained.classes,
                prepare=prepare,
                thresholds={"iou": rules.iou, "keep": rules.keep} | dict(thresholds or {}),
                with_nms=with_nms,
                **pixels,
                **options,
            )
        case "text_detect":
            scored = {
                "limit": data.limit,
                "threshold": data.threshold,
                "unclip_ratio": data.unclip,
                "box_threshold": data.box_threshold,
            }
            thresholds = scored | dict(thresholds or {})
            return export_text_detector(model, out, thresholds=thresholds, **pixels, **options)
        case "text_direction":
            return export_text_direction(model, out, thresholds=thresholds, **pixels, **options)
        case "text_recognise":
            thresholds = {"narrow": data.narrow} | dict(thresholds or {})
            return export_text_recogniser(
                model, out, alphabet=trained.classes, thresholds=thresholds, **pixels, **options
            )
    if thresholds:
        raise OptionError(
            f"{run}: a model to {recipe.task} has no thresholds, got {', '.join(thresholds)}"
        )
    if recipe.task == "embed":
        return export_embedder(model, out, prepare=data.eval.prepare(), **pixels, **options)
    return export_model(
        model, out, labels=trained.classes, prepare=data.eval.prepare(), **pixels, **options
    )
