"""``saccade train``: a recipe and pictures in, a run folder out."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["train"]


def train(
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE",
            help="Name of a shipped recipe (classify_small is for own pictures on a laptop, "
            "picodet_small for own objects, embed_small for searching; ocr_det, ocr_cls and "
            "ocr_rec read text) or the path of a YAML file.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", help="Run folder. A training stopped there is gone on with."),
    ],
    data: Annotated[
        list[Path] | None,
        typer.Option(
            help="Pictures: a folder (CLASS/*.jpg or train/CLASS/*.jpg), a list file, or a .zip of "
            "either; for objects, boxes in COCO, VOC or YOLO files; for text, PP-OCR label files "
            "in a folder or .zip. Several are joined."
        ),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=VALUE", help="Changes to the recipe, such as optimiser.lr=0.05."
        ),
    ] = None,
    val: Annotated[
        list[Path] | None,
        typer.Option(
            help="Pictures to evaluate with. Without it: the val split of the data, or a tenth of "
            "every class, held out."
        ),
    ] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Throw away the run in --out and begin again.")
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    threads: Annotated[
        int | None,
        typer.Option(min=1, help="CPU threads. Without it: all that this process may use."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Train a network on your own pictures.

    The run folder holds the recipe in full, the log (log.jsonl and TensorBoard's), the newest
    checkpoint and the best weights. Stopping with Ctrl-C, or a power cut, costs nothing: the same
    command goes on.

    \b
    Examples:
      saccade train classify_small --data flowers/ --out runs/flowers
      saccade train classify_small --data a.zip --data b/ --out runs/ab epochs=20 optimiser.lr=0.05
      saccade train classify_small --data flowers/ --out runs/fine init=runs/ab
      saccade train picodet_small --data cards.zip --out runs/cards
      saccade train embed_small --data goods.zip --out runs/goods
      saccade train ocr_rec_short --data rec_lines.zip --out runs/words
      torchrun --nproc_per_node 2 --no-python saccade train classify_small --data x/ --out runs/x

    \b
    Afterwards:
      saccade export runs/flowers -o flowers.onnx
    """  # noqa: D301
    # Kernels are compiled for each shape of a batch, and reading sees a dozen shapes; the thousand
    # that oneDNN keeps by default are too few for them.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "16384")
    import torch

    from saccade.runtime.threads import available_threads
    from saccade_train.recipes import load_recipe
    from saccade_train.training.loop import train as run_training
    from saccade_train.training.report import duration

    checked = load_recipe(recipe, changes or [])
    # torchrun sets this variable, so that processes on one machine share its cores.
    if threads is not None or "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(available_threads(threads))
    summary = run_training(
        checked, data or [], out, val=val or [], restart=restart, quiet=quiet, device=device
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
