"""``saccade distill``: a teacher, a student and pictures in, a run folder out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from saccade.errors import OptionError, nearest

from ._training import (
    ChangesArgument,
    DeviceOption,
    OutOption,
    QuietOption,
    RestartOption,
    ThreadsOption,
    ValOption,
    run_training,
)

if TYPE_CHECKING:
    from saccade_train.recipes import DistillRecipe

__all__ = ["distill", "distill_recipe"]

_FOR_ARCHITECTURES = "ssld_small"


def distill(
    out: OutOption,
    student: Annotated[
        str,
        typer.Option(
            help="A recipe (ssld_small for own pictures, or a YAML file; one that classifies is "
            "distilled by symmetric KL), or the name of a network such as lcnet_x0_5."
        ),
    ] = _FOR_ARCHITECTURES,
    teacher: Annotated[
        list[str] | None,
        typer.Option(
            help="A run folder, a shipped model, any .onnx classifier, or a .pdparams of "
            "PaddleClas with --teacher-arch. Several teach together. Without it: those of the "
            "recipe."
        ),
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option(
            help="Pictures: a folder (CLASS/*.jpg or train/CLASS/*.jpg), a list file, or a .zip of "
            "either. Several are joined."
        ),
    ] = None,
    changes: ChangesArgument = None,
    unlabelled: Annotated[
        list[Path] | None,
        typer.Option(
            help="More pictures, without labels: a folder with all its sub-folders, a list file, "
            "or a .zip. Several are joined."
        ),
    ] = None,
    val: ValOption = None,
    teacher_arch: Annotated[
        str | None,
        typer.Option(help="The network that the teacher's weights belong to, such as resnet50_vd."),
    ] = None,
    bn: Annotated[
        str | None,
        typer.Option(help="The teacher's batch-norm: train (as SSLD has it) or eval."),
    ] = None,
    cached: Annotated[
        bool,
        typer.Option(
            "--cached",
            help="Ask the teacher once about each picture and keep its answers on disk, instead of "
            "about each augmented batch.",
        ),
    ] = False,
    cache: Annotated[
        Path | None,
        typer.Option(help="Folder of those answers, for several trainings; implies --cached."),
    ] = None,
    restart: RestartOption = False,
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
    quiet: QuietOption = False,
) -> None:
    """Teach a small classifier by a larger one (SSLD), with unlabelled pictures too.

    Labels only say which classes there are and how good the student is; it learns from the teacher.
    The run folder is like that of saccade train: resumable, and to export or evaluate.

    \b
    Examples:
      saccade distill --teacher runs/big --data flowers/ --unlabelled more/ --out runs/small
      saccade distill --teacher runs/big --student lcnet_x0_25 --data flowers/ --out runs/tiny
      saccade distill --teacher net.onnx --cached --data flowers/ --out runs/small epochs=30
      saccade distill --teacher runs/big --student ssld_small_stage2 --data flowers/ \\
        --out runs/two init=runs/small
      saccade distill --teacher R50.pdparams --teacher-arch resnet50_vd --student lcnet_x1_0_ssld \\
        --data imagenet/ --out runs/imagenet

    \b
    Afterwards:
      saccade export runs/small -o small.onnx
    """  # noqa: D301
    options: dict[str, Any] = {
        "arch": teacher_arch,
        "bn": bn,
        "cached": True if cached or cache is not None else None,
        "cache": None if cache is None else str(cache),
    }
    run_training(
        distill_recipe(student, teacher or [], options, changes or []),
        out,
        data=data or [],
        val=val or [],
        unlabelled=unlabelled or [],
        restart=restart,
        device=device,
        threads=threads,
        quiet=quiet,
    )


def distill_recipe(
    student: str, teachers: Sequence[str], options: dict[str, Any], changes: Sequence[str]
) -> DistillRecipe:
    """The recipe that the options of the verb mean.

    Args:
        student: A recipe, or an architecture for the recipe ``ssld_small``.
        teachers: Sources; they take the place of the recipe's, one by one, or come behind them.
        options: Of every teacher, as :class:`TeacherOptions` has them; None: as in the recipe.
        changes: ``key=value``.

    Raises:
        OptionError: Neither recipe nor architecture, a recipe of another task, or a bad value.
    """
    from saccade_train.models.classifier import ARCHITECTURES
    from saccade_train.recipes import DistillRecipe, parse_recipe, recipe_names, recipe_values

    if student in ARCHITECTURES:
        values, where = recipe_values(_FOR_ARCHITECTURES)
        values["model"] = {"arch": student}
    elif student in recipe_names() or Path(student).suffix or len(Path(student).parts) > 1:
        values, where = recipe_values(student)
    else:
        hint = nearest(student, [*recipe_names(), *ARCHITECTURES])
        raise OptionError(f"no recipe and no architecture {student!r}; {hint}")
    task = values.get("task", "classify")
    if task == "classify":
        values["task"] = "distill"
    elif task != "distill":
        raise OptionError(f"{where}: is for the task {task!r}; only classifiers are distilled")
    given = {key: value for key, value in options.items() if value is not None}
    listed = [dict(one) for one in values.get("teachers", [])]
    for number, source in enumerate(teachers):
        if number == len(listed):
            listed.append({})
        listed[number]["source"] = source
    if given and not listed:
        raise OptionError(f"no teacher for {', '.join(sorted(given))}; name one with --teacher")
    values["teachers"] = [{**one, **given} for one in listed]
    recipe = parse_recipe(values, changes, where=where)
    if not isinstance(recipe, DistillRecipe):
        raise OptionError(f"task={recipe.task}: saccade distill is for the task distill")
    return recipe
