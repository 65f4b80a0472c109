"""What a training says: log.jsonl, TensorBoard, and a line on the terminal."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

__all__ = ["Report", "duration", "trim_log"]


class _Writer(Protocol):
    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> None: ...
    def close(self) -> None: ...


def duration(seconds: float) -> str:
    """Seconds for people: ``1:02:03``, ``2:03``."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def trim_log(path: Path, step: int) -> None:
    """Drop the lines of a log that are newer than a step, and a torn last one."""
    if not path.is_file():
        return
    kept: list[str] = []
    for line in path.read_text("utf-8", errors="replace").splitlines():
        try:
            known = json.loads(line)["step"] <= step
        except (ValueError, KeyError, TypeError):
            continue
        if known:
            kept.append(line + "\n")
    path.write_text("".join(kept), "utf-8")


class Report:
    """Writes the log and talks to the user; silent and writing nothing unless ``active``.

    Args:
        out: The run folder.
        total: Steps of the whole training.
        step: Steps that are done.
        active: Only the first process of several reports.
        quiet: Say nothing on the terminal.
        tensorboard: Write ``tb/`` too.
        files: Write anything at all.
    """

    def __init__(
        self,
        out: Path,
        *,
        total: int,
        step: int = 0,
        active: bool = True,
        quiet: bool = False,
        tensorboard: bool = True,
        files: bool = True,
    ) -> None:
        self._active = active
        self._quiet = quiet or not active
        self._path = out / "log.jsonl"
        self.total = total
        self._tensorboard: _Writer | None = None
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._live: Progress | None = None
        self._began = time.perf_counter()
        self._first = step
        if active and files:
            trim_log(self._path, step)
            if tensorboard:
                # Slow to import, and only needed here.
                from torch.utils.tensorboard import SummaryWriter

                self._tensorboard = SummaryWriter(str(out / "tb"), purge_step=step)

    def say(self, text: str) -> None:
        """One line for the user."""
        if self._quiet:
            return
        if self._live is not None:
            self._live.console.print(text, markup=False)
        else:
            self._console.print(text, markup=False)

    @contextmanager
    def running(self, step: int) -> Iterator[None]:
        """The block in which steps are made: shows the progress line on a terminal."""
        self._began = time.perf_counter()
        self._first = step
        if self._quiet or not sys.stderr.isatty():
            yield
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            TextColumn("eta"),
            TimeRemainingColumn(elapsed_when_finished=False),
        )
        with Progress(*columns, console=self._console) as self._live:
            self._live.add_task("train", total=self.total, completed=step, note="")
            try:
                yield
            finally:
                self._live = None

    def tick(self, step: int) -> None:
        """A step is done."""
        if self._live is not None:
            self._live.update(self._live.task_ids[0], completed=step)

    def log(self, kind: str, step: int, epoch: float, values: dict[str, float]) -> None:
        """Write one line of the log: ``kind`` is "train" or "eval"."""
        if not self._active:
            return
        line: dict[str, Any] = {"kind": kind, "step": step, "epoch": round(epoch, 4), **values}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        if self._tensorboard is not None:
            for name, value in values.items():
                self._tensorboard.add_scalar(f"{kind}/{name}", value, step)
        self._show(kind, step, epoch, values)

    def _show(self, kind: str, step: int, epoch: float, values: dict[str, float]) -> None:
        if kind == "train":
            note = f"loss {values['loss']:.4f}  {values['images_per_second']:.0f} img/s"
            if self._live is not None:
                self._live.update(self._live.task_ids[0], note=note)
                return
            rate = (time.perf_counter() - self._began) / max(1, step - self._first)
            left = duration(rate * (self.total - step))
            self.say(f"epoch {epoch:.2f}  step {step}/{self.total}  {note}  eta {left}")
        else:
            shown = "  ".join(f"{name} {value:.4f}" for name, value in values.items())
            self.say(f"epoch {epoch:.0f}  {shown}")

    @contextmanager
    def counting(self, what: str, total: int) -> Iterator[Callable[[int], None]]:
        """Progress of a long work other than training: gives a function to tell it how far."""
        if self._quiet or not sys.stderr.isatty():
            yield lambda count: None
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self._console, transient=True) as progress:
            task = progress.add_task(what, total=total)
            yield lambda count: progress.update(task, completed=count)

    def close(self) -> None:
        """Flush TensorBoard's file."""
        if self._tensorboard is not None:
            self._tensorboard.close()
