"""The run folder: what it remembers, whether it can be resumed, and its finished model.

::

    RUN/recipe.yaml    the recipe in full
    RUN/classes.txt    one class a line; of a recogniser, one character a line
    RUN/skipped.txt    pictures left out, and why
    RUN/log.jsonl      what happened; tb/ has the same for TensorBoard
    RUN/last/          the newest checkpoint
    RUN/soft_labels/   a teacher's answers, when a distillation caches them
    RUN/best/          the weights with the best score at evaluation
    RUN/summary.json   scores, time and size, at the end
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from saccade.errors import TrainingError
from saccade_train.models.detector import build_detector
from saccade_train.models.text_detector import build_text_detector
from saccade_train.models.text_direction import build_text_direction
from saccade_train.models.text_recogniser import build_text_recogniser
from saccade_train.recipes import (
    DetectRecipe,
    EmbedRecipe,
    Recipe,
    TextDetectRecipe,
    TextDirectionRecipe,
    TextRecogniseRecipe,
    load_recipe,
)

from .checkpoint import find_folder, load_state, load_tensors, network_alone
from .embed_learner import build_from
from .initial import weights_file
from .parts_learner import build_student

__all__ = ["Progress", "TrainedModel", "clear_run", "load_trained", "only_writer", "resumable"]

_FREE_KEYS = ("about", "eval_every", "log_every", "save_seconds", "save_steps")
"""Keys of a recipe that may change between stop and resume: they don't move a single weight."""
_FREE_DATA_KEYS = ("verify", "cache_mb", "workers", "val_limit")


@dataclass
class Progress:
    """How far a training has come: its state beside tensors and the recipe."""

    step: int = 0
    """Optimiser steps done."""
    seconds: float = 0.0
    """Time spent, over all sittings."""
    images_seconds: float = 0.0
    """Time spent in training steps alone."""
    loss_sum: float = 0.0
    """Sum of the losses since the last line of the log."""
    loss_count: int = 0
    log_seconds: float = 0.0
    """Time spent in the steps since then."""
    best: dict[str, float] = field(default_factory=dict)
    """Scores of the best weights."""
    best_step: int = 0
    latest: dict[str, float] = field(default_factory=dict)
    """Scores of the newest evaluation."""


@dataclass(frozen=True)
class TrainedModel:
    """A model out of a run folder, in evaluation mode."""

    model: Any
    """A network of :mod:`saccade_train.models`."""
    recipe: Any
    """Its class says the task."""
    classes: tuple[str, ...]
    """What the outputs mean: labels, or the characters of an alphabet; empty for a detector."""
    scores: Mapping[str, float]


def resumable(out: Path, recipe: Recipe, data: str) -> tuple[Path, Progress] | None:
    """The checkpoint to go on from, or None when the folder holds none.

    Args:
        out: The run folder.
        recipe: The recipe that was asked for.
        data: The fingerprint of the pictures.

    Raises:
        TrainingError: The folder holds a run of another recipe or of other pictures.
    """
    folder = find_folder(out / "last")
    if folder is None:
        return None
    state = load_state(folder)
    try:
        before = dict(_flat(_binding(_completed(state["recipe"], type(recipe)))))
        now = dict(_flat(_binding(recipe.model_dump(mode="json"))))
        progress = Progress(**state["progress"])
        same_data = state["data"] == data
    except (KeyError, TypeError) as error:
        raise TrainingError(
            f"{folder}: the checkpoint is damaged ({error}); use --restart"
        ) from None
    differing = [key for key in {**before, **now} if before.get(key) != now.get(key)]
    if differing:
        shown = ", ".join(
            f"{key} was {before.get(key)!r}, now {now.get(key)!r}" for key in differing[:3]
        )
        more = f" and {len(differing) - 3} more" if len(differing) > 3 else ""
        raise TrainingError(
            f"{out} holds a run of another recipe ({shown}{more}); "
            "give another --out, or --restart to throw that run away"
        )
    if not same_data:
        raise TrainingError(
            f"{out} holds a run on other pictures or classes; "
            "give another --out, or --restart to throw that run away"
        )
    return folder, progress


@contextmanager
def only_writer(out: Path) -> Iterator[None]:
    """Make a run folder and hold it, so that two trainings cannot write into it at once.

    The lock is the operating system's: it goes when the process goes, however that happens.

    Raises:
        TrainingError: The folder cannot be written, or another process holds it.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = (out / ".lock").open("w")
    except OSError as error:
        raise TrainingError(
            f"{out}: cannot be made a run folder ({error.strerror or error}); give another --out"
        ) from None
    with lock as file:
        try:
            import fcntl
        except ImportError:  # Windows
            yield
            return
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TrainingError(
                f"{out}: another training is writing into this folder; wait for it, "
                "or give another --out"
            ) from None
        except OSError:
            pass  # a file system without locks
        yield


def clear_run(out: Path) -> None:
    """Remove what a training wrote into a run folder; other files stay."""
    for name in ("last", "best"):
        for suffix in ("", ".new", ".old"):
            shutil.rmtree(out / f"{name}{suffix}", ignore_errors=True)
    for name in ("tb", "soft_labels"):
        shutil.rmtree(out / name, ignore_errors=True)
    for name in (
        "recipe.yaml",
        "classes.txt",
        "log.jsonl",
        "skipped.txt",
        "summary.json",
        "nan_batch.txt",
    ):
        (out / name).unlink(missing_ok=True)


def load_trained(run: str | Path) -> TrainedModel:
    """Load the best model of a run folder.

    Raises:
        TrainingError: The folder is missing, or nothing has been trained in it.
    """
    run = Path(run)
    weights = weights_file(run)
    recipe = load_recipe(run / "recipe.yaml")
    # Not splitlines(): some of the characters that it splits at may be in an alphabet.
    classes = tuple((run / "classes.txt").read_text("utf-8").split("\n")[:-1])
    model = _build(recipe, classes)
    tensors = load_tensors(weights)
    model.load_state_dict(network_alone(tensors))
    scores = load_state(weights.parent).get("scores", {})
    return TrainedModel(model.eval(), recipe, classes, scores)


def _build(recipe: Recipe, classes: tuple[str, ...]) -> Any:
    match recipe:
        case TextRecogniseRecipe():
            model = recipe.model
            return build_text_recogniser(model.arch, len(classes) + 1, **model.options)
        case TextDetectRecipe():
            return build_text_detector(recipe.model.arch, **recipe.model.options)
        case TextDirectionRecipe():
            return build_text_direction(len(classes), recipe.model.arch)
        case DetectRecipe():
            return build_detector(recipe.model.arch, len(classes), **recipe.model.options)
        case EmbedRecipe():
            return build_from(recipe, len(classes))
    classify: Any = recipe
    return build_student(classify, len(classes))


def _binding(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a recipe that decide what the weights become."""
    kept = {key: value for key, value in recipe.items() if key not in _FREE_KEYS}
    kept["data"] = {k: v for k, v in recipe["data"].items() if k not in _FREE_DATA_KEYS}
    return kept


def _completed(earlier: dict[str, Any], kind: type[Recipe]) -> dict[str, Any]:
    """A checkpoint's recipe with the defaults of keys that came later: they change nothing."""
    try:
        return kind.model_validate(earlier).model_dump(mode="json")
    except ValidationError:
        return earlier  # of another task, or with keys that are gone: the difference is told


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value
