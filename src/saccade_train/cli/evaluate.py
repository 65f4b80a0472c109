"""``saccade eval``: the scores of a model on labelled pictures."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from saccade.cli.common import JsonOption, RuntimeOption, ThreadsOption, complain, print_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from saccade.errors import Problem
    from saccade_train.evaluation import ClassificationScores

__all__ = ["evaluate"]

_SHOWN_SKIPS = 10


def evaluate(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="An .onnx file, the name of a shipped model, or a run folder."
        ),
    ],
    data: Annotated[
        list[str],
        typer.Option(
            help="Labelled pictures: a folder (val/CLASS/*.jpg), a list file, or a .zip of either; "
            "for detectors boxes in COCO, VOC or YOLO files; for models of text a label file of "
            "PP-OCR, or what holds one. Several are joined."
        ),
    ],
    split: Annotated[str, typer.Option(help="Which part of the data.")] = "val",
    task: Annotated[
        Literal[
            "classify", "detect", "retrieval", "text_detect", "text_direction", "text_recognise"
        ]
        | None,
        typer.Option(
            help="What to measure; by default what the model's card says, of embedders retrieval: "
            "find another picture of the same class. PP-OCR networks of others have no card."
        ),
    ] = None,
    gallery_split: Annotated[
        str | None,
        typer.Option(
            help="Retrieval: search in this part. Without it: each picture among all others."
        ),
    ] = None,
    per_class: Annotated[
        bool, typer.Option("--per-class", help="Show the accuracy of every class.")
    ] = False,
    confusions: Annotated[
        int, typer.Option(min=0, help="How many of the most frequent confusions to show.")
    ] = 5,
    class_agnostic: Annotated[
        bool,
        typer.Option(
            "--class-agnostic", help="Detectors: whatever the class, an object is an object."
        ),
    ] = False,
    attention_crop: Annotated[
        bool,
        typer.Option(
            "--attention-crop",
            help="Run folders of WS-DAN: look twice, the second time at what the attention is on.",
        ),
    ] = False,
    rec: Annotated[
        str | None,
        typer.Option(help="Read what a text detector finds with this recogniser: end to end."),
    ] = None,
    orient: Annotated[
        str | None,
        typer.Option(help="End to end: a classifier that sees lines that stand on their heads."),
    ] = None,
    dictionary: Annotated[
        Path | None,
        typer.Option("--dict", help="Characters of a recogniser of others, one a line."),
    ] = None,
    ignore_case: Annotated[bool, typer.Option("--ignore-case", help="Text: a is A.")] = False,
    ignore_spaces: Annotated[
        bool, typer.Option("--ignore-spaces", help="Text: leave out white space.")
    ] = False,
    letters_and_digits_only: Annotated[
        bool, typer.Option("--letters-and-digits-only", help="Text: leave out all else.")
    ] = False,
    batch: Annotated[int, typer.Option(min=1, help="Pictures that are looked at together.")] = 16,
    json: JsonOption = False,
    runtime: RuntimeOption = "onnxruntime",
    threads: ThreadsOption = None,
) -> None:
    """Measure a model on labelled pictures.

    Pictures that cannot be read are listed, counted and left out. A class that the model does not
    know is an error. Run folders of classifiers and detectors are measured in PyTorch, all else on
    a runtime, without PyTorch. Detectors get the twelve numbers of COCO; where faster-coco-eval is
    installed, it counts them a second time.

    \b
    Examples:
      saccade eval flowers.onnx --data flowers.zip --split val
      saccade eval flowers.onnx --data flowers/ --split test --per-class --json
      saccade eval runs/flowers --data flowers/
      saccade eval runs/wsdan --data birds/ --attention-crop
      saccade eval flowers.onnx --data shop/ --task retrieval --gallery-split train --split test
      saccade eval cards.onnx --data cards.zip --json
      saccade eval det.onnx --data receipts/det_val.txt
      saccade eval rec.onnx --data receipts/ --ignore-case --json
      saccade eval det.onnx --rec rec.onnx --orient orient.onnx --data receipts/
    """  # noqa: D301
    from saccade.datasets.classification import open_classification
    from saccade.errors import OptionError
    from saccade_train import evaluation

    rule = {
        "ignore_case": ignore_case,
        "ignore_spaces": ignore_spaces,
        "letters_and_digits_only": letters_and_digits_only,
    }
    if task is None and rec is not None:
        task = "text_detect"
    kind = task or evaluation.task_of(model)
    if kind == "embed":
        kind = task = "retrieval"
    if class_agnostic and kind != "detect":
        raise OptionError(f"--class-agnostic belongs to detectors; {model} is a model to {kind}")
    if attention_crop and kind != "classify":
        raise OptionError(f"--attention-crop belongs to classifiers; {model} is a model to {kind}")
    if kind in evaluation.TEXT_TASKS:
        if gallery_split is not None or per_class:
            name = "--per-class" if per_class else "--gallery-split"
            raise OptionError(f"{name} belongs to classifiers; {model} is a model to {kind}")
        _evaluate_text(
            model, kind, data, split, rec, orient, dictionary, rule, batch, json, runtime, threads
        )
        return
    for name, given in (("--rec", rec), ("--orient", orient), ("--dict", dictionary)):
        if given is not None:
            raise OptionError(f"{name} belongs to models of text; {model} is a model to {kind}")
    if any(rule.values()):
        chosen = next(name for name, on in rule.items() if on).replace("_", "-")
        raise OptionError(f"--{chosen} belongs to models that read; {model} is a model to {kind}")
    if gallery_split is not None and task != "retrieval":
        raise OptionError("--gallery-split belongs to --task retrieval")
    if kind == "detect":
        if gallery_split is not None or per_class:
            name = "--per-class" if per_class else "--gallery-split"
            raise OptionError(f"{name} belongs to classifiers; {model} is a model to {kind}")
        _evaluate_detector(model, data, split, class_agnostic, json, runtime, threads)
        return
    opened = evaluation.open_model(model, runtime, threads, attention_crop=attention_crop)
    header: dict[str, Any] = {"model": model, "data": ", ".join(data), "split": split}
    if task == "retrieval":
        queries = open_classification(data, split)
        gallery = (
            None if gallery_split in (None, split) else open_classification(data, gallery_split)
        )
        total = len(queries) + (0 if gallery is None else len(gallery))
        with _Bar(total) as bar:
            found = evaluation.evaluate_retrieval(
                opened, queries, gallery, batch=batch, progress=bar.advance
            )
        _list_skipped(found.skipped)
        if json:
            print_json({**header, **found.metrics, "skipped": len(found.skipped)})
        else:
            _print_metrics(found.metrics, found.skipped)
        return
    pictures = open_classification(data, split, classes=opened.labels)
    with _Bar(len(pictures)) as bar:
        scores = evaluation.evaluate_classification(
            opened, pictures, batch=batch, progress=bar.advance
        )
    _list_skipped(scores.skipped)
    if json:
        print_json({**header, **_plain(scores, per_class, confusions)})
    else:
        _print_metrics(scores.metrics, scores.skipped)
        _print_details(scores, per_class, confusions)


def _evaluate_detector(
    model: str,
    data: list[str],
    split: str,
    class_agnostic: bool,
    json: bool,
    runtime: str,
    threads: int | None,
) -> None:
    from saccade_train.evaluation import detect

    find, labels = detect.open_detector(model, runtime, threads)
    # What has learnt without classes can be measured in no other way.
    class_agnostic |= labels == ("object",)
    pictures = detect.open_boxes(data, split, labels, class_agnostic=class_agnostic)
    with _Bar(len(pictures)) as bar:
        scores = detect.evaluate_detector(
            find, pictures, class_agnostic=class_agnostic, progress=bar.advance
        )
    _list_skipped(scores.skipped)
    for problem in pictures.problems:
        complain(f"note: {problem}")
    if json:
        metrics = {
            name: value if math.isfinite(value) else None for name, value in scores.metrics.items()
        }
        header: dict[str, Any] = {"model": model, "data": ", ".join(data), "split": split}
        header |= {"class_agnostic": True} if class_agnostic else {}
        peer = {"faster_coco_eval_difference": scores.peer_difference}
        print_json({**header, **metrics, **peer, "skipped": len(scores.skipped)})
        return
    _print_metrics(scores.metrics, scores.skipped)
    if class_agnostic:
        typer.echo(f"{'classes':20} counted as one")
    if scores.peer_difference is None:
        typer.echo("not compared with faster-coco-eval: pip install 'saccade[eval]'", err=True)
    else:
        typer.echo(f"faster-coco-eval differs by {scores.peer_difference:.1e} at most", err=True)


def _evaluate_text(
    model: str,
    kind: str,
    data: list[str],
    split: str,
    rec: str | None,
    orient: str | None,
    dictionary: Path | None,
    rule: dict[str, bool],
    batch: int,
    json: bool,
    runtime: str,
    threads: int | None,
) -> None:
    from saccade.errors import OptionError
    from saccade.metrics.text import TextRule
    from saccade_train import evaluation

    reads = kind == "text_recognise" or rec is not None
    if not reads and (dictionary is not None or any(rule.values())):
        raise OptionError(
            f"{model} is measured as a model to {kind}, which reads nothing; rules for texts and "
            "--dict belong to recognisers (or give one with --rec)"
        )
    with _Bar() as bar:
        found = evaluation.evaluate_text(
            model,
            kind,
            data,
            split,
            recogniser=rec,
            direction=orient,
            dictionary=None if dictionary is None else str(dictionary),
            rule=TextRule(**rule),
            runtime=runtime,
            threads=threads,
            batch=batch,
            progress=bar.begin,
        )
    _list_skipped(found.skipped)
    header: dict[str, Any] = {"model": model, "data": ", ".join(data), "split": split}
    header |= {"rec": rec} if rec else {}
    header |= {"orient": orient} if orient else {}
    header |= rule if reads else {}
    if json:
        metrics = {
            name: value if math.isfinite(value) else None for name, value in found.metrics.items()
        }
        print_json({**header, **metrics, "skipped": len(found.skipped)})
        return
    _print_metrics(found.metrics, found.skipped)
    if reads:
        chosen = [name.replace("_", " ") for name, on in rule.items() if on]
        typer.echo(f"{'texts compared':20} {', '.join(chosen) or 'exactly'}")


class _Bar:
    """A progress bar on stderr where a person watches."""

    def __init__(self, total: int | None = None) -> None:
        from rich.console import Console
        from rich.progress import Progress

        console = Console(stderr=True)
        self._progress = Progress(console=console, transient=True, disable=not console.is_terminal)
        self._task = self._progress.add_task("eval", total=total)

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def begin(self, total: int) -> Callable[[int], None]:
        """Say how many there are; gives what moves on."""
        self._progress.update(self._task, total=total)
        return self.advance

    def advance(self, count: int) -> None:
        """Move on by some pictures."""
        self._progress.advance(self._task, count)


def _plain(scores: ClassificationScores, per_class: bool, confusions: int) -> dict[str, Any]:
    plain: dict[str, Any] = {**scores.metrics, "skipped": len(scores.skipped)}
    if per_class:
        plain["per_class"] = scores.per_class
    if confusions:
        plain["confusions"] = [
            {"truth": one.truth, "predicted": one.predicted, "count": one.count}
            for one in scores.confusions[:confusions]
        ]
    return plain


def _list_skipped(skipped: Sequence[Problem]) -> None:
    for problem in skipped[:_SHOWN_SKIPS]:
        complain(f"left out: {problem}")
    if len(skipped) > _SHOWN_SKIPS:
        complain(f"left out: {len(skipped) - _SHOWN_SKIPS} more")


def _print_metrics(metrics: dict[str, float], skipped: Sequence[Problem]) -> None:
    for name, value in metrics.items():
        typer.echo(f"{name:20} {value:.4f}" if isinstance(value, float) else f"{name:20} {value}")
    if skipped:
        typer.echo(f"{'skipped':20} {len(skipped)}")


def _print_details(scores: ClassificationScores, per_class: bool, confusions: int) -> None:
    if per_class:
        typer.echo("\naccuracy of each class, the lowest first:")
        for name, share in sorted(scores.per_class.items(), key=lambda item: item[1]):
            typer.echo(f"  {share:.4f}  {name}")
    if confusions and scores.confusions:
        typer.echo("\nmost frequent confusions:")
        for one in scores.confusions[:confusions]:
            typer.echo(f"  {one.count:4}  {one.truth} taken for {one.predicted}")
