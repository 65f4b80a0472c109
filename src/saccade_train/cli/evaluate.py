"""``saccade eval``: the scores of a model on labelled pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from saccade.cli.common import JsonOption, RuntimeOption, ThreadsOption, complain, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

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
            help="Labelled pictures: a folder (val/CLASS/*.jpg), a list file, or a .zip of either. "
            "Several are joined."
        ),
    ],
    split: Annotated[str, typer.Option(help="Which part of the data.")] = "val",
    task: Annotated[
        Literal["classify", "retrieval"],
        typer.Option(help="Name the class, or find another picture of the same class."),
    ] = "classify",
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
    batch: Annotated[int, typer.Option(min=1, help="Pictures that are looked at together.")] = 16,
    json: JsonOption = False,
    runtime: RuntimeOption = "onnxruntime",
    threads: ThreadsOption = None,
) -> None:
    """Measure a model on labelled pictures.

    Pictures that cannot be read are listed, counted and left out. A class that the model does not
    know is an error. A run folder is measured in PyTorch, all else on a runtime, without PyTorch.

    \b
    Examples:
      saccade eval flowers.onnx --data flowers.zip --split val
      saccade eval flowers.onnx --data flowers/ --split test --per-class --json
      saccade eval runs/flowers --data flowers/
      saccade eval flowers.onnx --data shop/ --task retrieval --gallery-split train --split test
    """  # noqa: D301
    from saccade.datasets.classification import open_classification
    from saccade.errors import OptionError
    from saccade_train import evaluation

    if gallery_split is not None and task != "retrieval":
        raise OptionError("--gallery-split belongs to --task retrieval")
    opened = evaluation.open_model(model, runtime, threads)
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


class _Bar:
    """A progress bar on stderr where a person watches."""

    def __init__(self, total: int) -> None:
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
