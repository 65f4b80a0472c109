"""What benchmarks remember: one line of JSON a result, known by a digest of what made it."""

from __future__ import annotations

import hashlib
import json
import os
import statistics
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from saccade_train.recipes import Recipe

__all__ = ["add", "digest_of", "finished", "mean_and_spread", "run_single", "said_by"]

KEY = "digest"


def digest_of(values: Any) -> str:
    """Of plain values, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def said_by(recipe: Recipe) -> dict[str, Any]:
    """What a recipe says beyond defaults and words, as plain values."""
    return recipe.model_dump(mode="json", exclude_defaults=True, exclude={"about"})


def finished(ledger: Path) -> dict[str, dict[str, Any]]:
    """The lines of a ledger by their digests; of several with one digest the last."""
    if not ledger.exists():
        return {}
    return {line[KEY]: line for line in map(json.loads, ledger.read_text().splitlines())}


def add(ledger: Path, digest: str, entry: dict[str, Any]) -> None:
    """Write one line at once, so that several trainings may share the file."""
    ledger.parent.mkdir(parents=True, exist_ok=True)
    with ledger.open("a") as file:
        file.write(json.dumps({KEY: digest, **entry}) + "\n")


def run_single(command: Sequence[str], log: Path) -> bool:
    """Run a command on one thread, its words in a file; whether it went well."""
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {"SACCADE_THREADS": "1", "OMP_NUM_THREADS": "1"}
    with log.open("w") as file:
        return subprocess.run(command, stdout=file, stderr=file, env=environment).returncode == 0


def mean_and_spread(values: Sequence[float], digits: int = 1) -> str:
    """The mean, and half of the distance between the least and the greatest.

    >>> mean_and_spread([41.0, 43.0])
    '42.0 ± 1.0'
    """
    mean = f"{statistics.mean(values):.{digits}f}"
    half = (max(values) - min(values)) / 2
    return mean if len(values) == 1 else f"{mean} ± {half:.{digits}f}"
