"""The command ``saccade``, as tests call it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = ["TRAINING_CHILD", "Answer", "Command", "run"]


class Answer(NamedTuple):
    """What a call of the command gave."""

    returncode: int
    stdout: str
    stderr: str


Command = Callable[..., Answer]


def run(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, where nothing is hidden; no traceback, ever."""
    done = subprocess.run(
        [sys.executable, "-m", "saccade.cli.app", *map(str, arguments)],
        capture_output=True,
        text=True,
        **options,
    )
    assert "Traceback" not in done.stdout + done.stderr
    return done


TRAINING_CHILD = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from saccade_train.recipes import load_recipe
from saccade_train.training import loop
if __name__ == "__main__":
    recipe, data, out = sys.argv[1:]
    loop.train(load_recipe(recipe), Path(data), Path(out), quiet=True, tensorboard=False)
"""
"""A program that trains on one thread, to be killed: recipe file, data, run folder."""
