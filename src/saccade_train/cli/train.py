"""``saccade train``: a recipe and pictures in, a run folder out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
    out: OutOption,
    data: Annotated[
        list[Path] | None,
        typer.Option(
            help="Pictures: a folder (CLASS/*.jpg or train/CLASS/*.jpg), a list file, or a .zip of "
            "either; for objects, boxes in COCO, VOC or YOLO files; for text, PP-OCR label files "
            "in a folder or .zip. Several are joined."
        ),
    ] = None,
    changes: ChangesArgument = None,
    val: ValOption = None,
    unlabelled: Annotated[
        list[Path] | None,
        typer.Option(
            help="Pictures without labels, for the tasks that learn from them (distill, semi, "
            "mining): a folder with all its sub-folders, a list file, or a .zip. Several are "
            "joined."
        ),
    ] = None,
    restart: RestartOption = False,
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
    quiet: QuietOption = False,
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
      saccade train ocr_rec --data rec_lines.zip --out runs/mine init=crnn_latin
      saccade train picodet_small --data cards.zip --out runs/cards
      saccade train embed_small --data goods.zip --out runs/goods
      saccade train ocr_rec_short --data rec_lines.zip --out runs/words
      torchrun --nproc_per_node 2 --no-python saccade train classify_small --data x/ --out runs/x

    \b
    Afterwards:
      saccade export runs/flowers -o flowers.onnx
    """  # noqa: D301
    from saccade_train.recipes import load_recipe

    run_training(
        load_recipe(recipe, changes or []),
        out,
        data=data or [],
        val=val or [],
        unlabelled=unlabelled or [],
        restart=restart,
        device=device,
        threads=threads,
        quiet=quiet,
    )
