"""``saccade verify``: prove that model files are what they say."""

from __future__ import annotations

from typing import Annotated

import typer

from saccade.cli.common import JsonOption, RuntimeOption, ThreadsOption, complain, print_json
from saccade.errors import ModelError

__all__ = ["verify"]


def verify(
    models: Annotated[
        list[str], typer.Argument(metavar="FILE", help="Model files, or names of shipped ones.")
    ],
    json: JsonOption = False,
    runtime: RuntimeOption = "onnxruntime",
    threads: ThreadsOption = None,
) -> None:
    """Check that model files are unchanged, and compute here what they computed at their export.

    The fingerprint over the graph is compared with the one in the card, and the self-test of the
    card is replayed. The exit status is 1 if any file fails.

    \b
    Examples:
      saccade verify my.onnx
      saccade verify my.onnx --runtime openvino --json
    """  # noqa: D301
    from saccade import zoo
    from saccade.modelfile import verify as check

    passed = True
    for model in models:
        try:
            report = check(zoo.find(model), runtime=runtime, threads=threads)
        except ModelError as error:
            complain(error)
            passed = False
            continue
        if json:
            print_json(report.to_dict())
        elif report.passed:
            worst = max(report.errors.values(), default=0.0)
            typer.echo(f"{report.path}: verified on {runtime} (largest difference {worst:.1e})")
        for problem in report.problems:
            complain(f"{report.path}: {problem}")
            passed = False
    if not passed:
        raise typer.Exit(1)
