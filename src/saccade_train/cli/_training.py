"""What the verbs that train have in common: options, threads, and the words at the end."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from saccade_train.recipes import Recipe

__all__ = [
    "ChangesArgument",
    "DeviceOption",
    "OutOption",
    "QuietOption",
    "RestartOption",
    "ThreadsOption",
    "ValOption",
    "run_training",
]

OutOption = Annotated[
    Path,
    typer.Option("--out", "-o", help="Run folder. A training stopped there is gone on with."),
]
ChangesArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="KEY=VALUE", help="Changes to the recipe, such as optimiser.lr=0.05."),
]
ValOption = Annotated[
    list[Path] | None,
    typer.Option(
        help="Pictures to evaluate with. Without it: the val split of the data, or a tenth of "
        "every class, held out."
    ),
]
RestartOption = Annotated[
    bool, typer.Option("--restart", help="Throw away the run in --out and begin again.")
]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
ThreadsOption = Annotated[
    int | None,
    typer.Option(min=1, help="CPU threads. Without it: all that this process may use."),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]


def run_training(
    recipe: Recipe,
    out: Path,
    *,
    data: Sequence[Path],
    val: Sequence[Path],
    unlabelled: Sequence[Path],
    restart: bool,
    device: str,
    threads: int | None,
    quiet: bool,
) -> None:
    """Train, and say how it went and what comes next.

    Raises:
        typer.Exit: It was stopped by a signal, or this is not the first of several processes.
        SaccadeError: See :func:`saccade_train.training.loop.train`.
    """
    # Kernels are compiled for each shape of a batch, and reading sees a dozen shapes; the thousand
    # that oneDNN keeps by default are too few for them.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "16384")
    import torch

    from saccade.runtime.threads import available_threads
    from saccade_train.semisup.rounds import mine
    from saccade_train.training.loop import train
    from saccade_train.training.report import duration

    # torchrun sets this variable, so that processes on one machine share its cores.
    if threads is not None or "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(available_threads(threads))
    # Rounds of trainings are a loop around the loop.
    start: Any = mine if recipe.task == "mining" else train
    summary = start(
        recipe,
        data,
        out,
        val=val,
        unlabelled=unlabelled,
        restart=restart,
        quiet=quiet,
        device=device,
    )
    if os.environ.get("RANK", "0") != "0":
        raise typer.Exit(0 if summary.stopped_by is None else 128 + summary.stopped_by)
    if summary.stopped_by is not None:
        again = shlex.join(word for word in sys.argv[1:] if word != "--restart")
        typer.echo(
            f"stopped and saved at step {summary.steps}; to go on: saccade {again}", err=True
        )
        raise typer.Exit(128 + summary.stopped_by)
    scores = "  ".join(f"{name} {value:.4f}" for name, value in summary.scores.items())
    left_out = f", {summary.skipped} left out" if summary.skipped else ""
    typer.echo(
        f"best: {scores} (epoch {summary.best_epoch:.0f}); "
        f"{summary.train_pictures} pictures{left_out}; "
        f"{duration(summary.seconds)}, {summary.images_per_second:.0f} images/s",
        err=True,
    )
    typer.echo(f"next: saccade export {shlex.quote(str(out))} -o model.onnx", err=True)
