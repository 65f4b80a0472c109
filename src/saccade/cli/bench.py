"""``saccade bench``: latency, throughput and memory of models, side by side."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from saccade.cli.common import JsonOption, console, print_json
from saccade.errors import OptionError

__all__ = ["bench"]


def bench(
    models: Annotated[
        list[str], typer.Argument(metavar="MODEL", help="Names of models, or model files.")
    ],
    against: Annotated[
        str | None,
        typer.Option(
            "--against",
            metavar="OTHER",
            help="What to compare with: another model, or eager:RUN for PyTorch with the weights "
            "of a training run. By default the first of all.",
            show_default=False,
        ),
    ] = None,
    threads: Annotated[
        str | None,
        typer.Option(
            "--threads",
            metavar="N[,N]",
            help="Numbers of threads; by default what the machine or container allows.",
            show_default=False,
        ),
    ] = None,
    batch: Annotated[str, typer.Option("--batch", metavar="N[,N]", help="Sizes of batches.")] = "1",
    runs: Annotated[
        int, typer.Option("--runs", metavar="N", help="Runs of each that are measured.")
    ] = 50,
    runtime: Annotated[
        str,
        typer.Option(
            "--runtime",
            metavar="NAME[,NAME]",
            help="onnxruntime, openvino (float32), openvino-bf16.",
        ),
    ] = "onnxruntime",
    json: JsonOption = False,
) -> None:
    """Measure how fast models are, and how much memory they take.

    All that is compared runs in turns in one process; 'times as fast' is the median over paired
    runs. Memory is the peak of a process of its own for each row: with interpreter and engine, and
    in brackets the part of the model.

    \b
    Examples:
      saccade bench my.onnx --threads 1,2 --batch 1,8
      saccade bench my.onnx --runtime onnxruntime,openvino,openvino-bf16
      saccade bench my.onnx --against eager:runs/flowers --json
    """  # noqa: D301
    from saccade.runtime import available_threads

    counts = [available_threads()] if threads is None else _numbers(threads, "--threads")
    rows: list[dict[str, Any]] = []
    for count in counts:
        for size in _numbers(batch, "--batch"):
            for row in _measure(models, runtime.split(","), against, count, size, runs):
                if json:
                    print_json(row)
                rows.append(row)
    if not json:
        _print_table(rows)


def _measure(
    models: list[str], runtimes: list[str], against: str | None, threads: int, batch: int, runs: int
) -> Iterator[dict[str, Any]]:
    """Measure all that is compared with each other: equal threads, equal batch."""
    from saccade import zoo
    from saccade.bench import (
        EAGER,
        Case,
        interleave,
        measure_memory,
        open_case,
        paired_ratio,
        timing,
    )
    from saccade.modelfile import read_card

    cases = {
        f"{model} ({runtime})": Case(model, runtime.strip(), threads, batch)
        for model in models
        for runtime in runtimes
    }
    reference = next(iter(cases))
    if against is not None and against.startswith(f"{EAGER}:"):
        prepare = read_card(zoo.find(models[0])).prepare
        reference = against
        run = against.removeprefix(f"{EAGER}:")
        cases[against] = Case(run, EAGER, threads, batch, (prepare.height, prepare.width))
    elif against is not None:
        reference = f"{against} ({runtimes[0]})"
        cases.setdefault(reference, Case(against, runtimes[0].strip(), threads, batch))

    subjects = {name: open_case(case) for name, case in cases.items()}
    if sys.stderr.isatty():
        typer.echo(f"measuring {', '.join(cases)}: threads {threads}, batch {batch}", err=True)
    seconds = interleave(subjects, runs)
    for name, case in cases.items():
        took = timing(seconds[name], batch)
        ratio = paired_ratio(seconds[name], seconds[reference])
        memory = measure_memory(case)
        yield {
            "model": case.model,
            "runtime": case.runtime,
            "threads": threads,
            "batch": batch,
            "runs": took.runs,
            "median_ms": round(took.median_ms, 3),
            "p90_ms": round(took.p90_ms, 3),
            "images_per_second": round(took.images_per_second, 2),
            "peak_memory_mib": None if memory is None else memory.peak_mib,
            "model_memory_mib": None if memory is None else memory.model_mib,
            "against": reference,
            "times_as_fast": round(ratio.median, 3),
            "times_as_fast_p10": round(ratio.p10, 3),
            "times_as_fast_p90": round(ratio.p90, 3),
        }


def _numbers(text: str, option: str) -> list[int]:
    """Read ``"1,2,4"``."""
    try:
        numbers = [int(word) for word in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 1:
        raise OptionError(f"{option} is {text!r}, expected numbers above 0, such as 1 or 1,2,4")
    return numbers


def _print_table(rows: list[dict[str, Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    table.add_column("model", overflow="fold")
    table.add_column("runtime")
    for heading in ("threads", "batch", "median ms", "p90 ms", "images/s", "peak MiB", "x as fast"):
        table.add_column(heading, justify="right")
    for row in rows:
        memory = "?"
        if row["peak_memory_mib"] is not None:
            memory = f"{row['peak_memory_mib']:.0f} ({row['model_memory_mib']:.0f})"
        table.add_row(
            Text(row["model"]),
            row["runtime"],
            str(row["threads"]),
            str(row["batch"]),
            f"{row['median_ms']:.2f}",
            f"{row['p90_ms']:.2f}",
            f"{row['images_per_second']:.1f}",
            memory,
            f"{row['times_as_fast']:.2f} [{row['times_as_fast_p10']:.2f}"
            f"..{row['times_as_fast_p90']:.2f}]",
        )
    screen = console()
    screen.print(table, markup=False)
    for reference in dict.fromkeys(row["against"] for row in rows):
        screen.print(f"compared with {reference}", markup=False)
