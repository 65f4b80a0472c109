"""``saccade export``: a run folder in, one model file out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from saccade.cli.common import complain, print_json

__all__ = ["export"]


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="What 'saccade train --out' wrote.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The model file to write, .onnx.")],
    pictures: Annotated[
        Path | None,
        typer.Option(
            help="Compare on these pictures, a file or a folder. Without it: on rendered ones and "
            "noise."
        ),
    ] = None,
    count: Annotated[
        int, typer.Option(min=1, max=1024, help="How many of these pictures to take.")
    ] = 16,
    check: Annotated[
        list[str] | None,
        typer.Option(
            help="Compare on this runtime too: openvino, openvino-bf16. ONNX Runtime always is."
        ),
    ] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(
            help="Largest relative difference of an output from PyTorch; 1e-4, of detectors and "
            "WS-DAN 1e-3."
        ),
    ] = None,
    threshold: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=NUMBER",
            help="Of detectors and models of text: a limit for the card, such as score=0.3 or "
            "box_threshold=0.5.",
        ),
    ] = None,
    nms: Annotated[
        bool,
        typer.Option("--nms", help="Of detectors: end the graph in non-maximum suppression."),
    ] = False,
    size: Annotated[
        str | None,
        typer.Option(
            metavar="SIDE|HEIGHTxWIDTH",
            help="Of detectors: another input size than trained for; multiples of 32.",
        ),
    ] = None,
    licence: Annotated[str, typer.Option(help="Licence of the weights, for the card.")] = "",
    data_note: Annotated[
        str, typer.Option(help="What it was trained on and under which licence, for the card.")
    ] = "",
    notes: Annotated[str, typer.Option(help="What users should know, for the card.")] = "",
    json: Annotated[
        bool, typer.Option("--json", help="Print the report as one JSON object.")
    ] = False,
) -> None:
    """Make one model file of the best weights of a training.

    The file holds all: the network from pixels to probabilities (and a classifier's embedding, a
    detector's boxes, an embedder's vectors), the classes or the alphabet, the preparation, the
    recipe, the scores, and a self-test for 'saccade verify'. It appears only when ONNX Runtime
    computes what PyTorch does; otherwise the first layer that differs is named.

    \b
    Examples:
      saccade export runs/flowers -o flowers.onnx
      saccade export runs/flowers -o flowers.onnx --pictures flowers/val --check openvino
      saccade export runs/goods -o goods.onnx --pictures shelf/
      saccade export runs/cards -o cards.onnx --nms --threshold score=0.3 --size 416
      saccade export runs/flowers -o flowers.onnx --licence CC-BY-4.0 --data-note "Flowers 102"
    """  # noqa: D301
    from saccade_train.export.run import export_run
    from saccade_train.export.write import ExportOptions

    runtimes = ("onnxruntime", *[name for name in check or [] if name != "onnxruntime"])
    options = ExportOptions(
        licence=licence,
        training_data=data_note,
        notes=notes,
        pictures=None if pictures is None else _read(pictures, count),
        runtimes=runtimes,
    )
    if tolerance is not None:
        options["tolerance"] = tolerance
    report = export_run(
        run,
        out,
        thresholds=_thresholds(threshold or []),
        with_nms=nms,
        size=None if size is None else _size(size),
        **options,
    )
    if json:
        print_json(report.to_dict())
        return
    for parity in report.parity:
        typer.echo(
            f"{parity.runtime}: differs from PyTorch by {parity.worst:.1e} at most, same answer "
            f"for {parity.same_answer} of {parity.pictures} pictures",
            err=True,
        )
    card = report.card
    known = "characters" if card.task == "text_recognise" else "classes"
    labels = f", {len(card.labels)} {known}" if card.labels else ""
    typer.echo(f"{report.path}: {card.architecture}{labels}, {report.bytes / 1e6:.1f} MB", err=True)


def _size(given: str) -> tuple[int, int]:
    from saccade.errors import OptionError

    height, _, width = given.lower().partition("x")
    try:
        return int(height), int(width or height)
    except ValueError:
        raise OptionError(f"--size {given!r}: expected one side or HEIGHTxWIDTH") from None


def _thresholds(given: list[str]) -> dict[str, float]:
    from saccade.errors import OptionError

    found = {}
    for item in given:
        name, _, value = item.partition("=")
        try:
            found[name.strip()] = float(value)
        except ValueError:
            raise OptionError(
                f"--threshold {item!r}: expected NAME=NUMBER, such as box_threshold=0.5"
            ) from None
    return found


def _read(place: Path, count: int) -> list:  # type: ignore[type-arg]
    """Read up to ``count`` pictures, evenly spread over a folder; bad ones are complained about."""
    import numpy as np

    from saccade.errors import ImageError
    from saccade.imaging.read import list_images, read_image

    found = list_images([place])
    images = []
    for number in np.unique(
        np.linspace(0, len(found) - 1, min(count, len(found))).round().astype(int)
    ):
        try:
            images.append(read_image(found[number]))
        except ImageError as error:
            complain(error)
    if not images:
        raise ImageError(f"{place}: no picture of it could be read; give another --pictures")
    return images
