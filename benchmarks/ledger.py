"""What benchmarks remember: one line of JSON a result, known by a digest of what made it."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from saccade_train.recipes import Recipe

__all__ = [
    "add",
    "digest_of",
    "finished",
    "is_due",
    "mean_and_spread",
    "places_of",
    "run_and_add",
    "run_folder",
    "run_single",
    "said_by",
    "score_table",
    "trainings_parser",
]

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


def run_folder(name: str, seed: int) -> str:
    """The run folder of a row of a table.

    >>> run_folder("student, 2,500 labels", 1)
    'student__2_500_labels-seed1'
    """
    return f"{''.join(c if c.isalnum() else '_' for c in name)}-seed{seed}"


def is_due(ledger: Path, digest: str, out: Path, *, others_start_from_it: bool = False) -> bool:
    """Whether a training has to be run: its result is not known, or its run is needed and gone."""
    lost = others_start_from_it and not (out / "summary.json").exists()
    return lost or digest not in finished(ledger)


def run_and_add(
    ledger: Path,
    digest: str,
    command: Sequence[str],
    out: Path,
    scores: Sequence[str],
    **facts: Any,
) -> None:
    """Run a training on one thread and write its result down.

    Args:
        ledger: Where to.
        digest: Of what decides about the result.
        command: Without ``--out``.
        out: Its run folder; what it says goes beside it.
        scores: Which of its last scores count.
        **facts: What else the ledger shall say of it.
    """
    began = time.monotonic()
    if not run_single([*command, "--out", str(out)], Path(f"{out}.log")):
        print(f"{out.name}: FAILED, see {out}.log", flush=True)
        return
    summary = json.loads((out / "summary.json").read_text())
    entry = facts | {name: summary["last_scores"][name] for name in scores}
    entry |= {name: summary[name] for name in ("steps", "parameters")}
    entry |= {"seconds": round(time.monotonic() - began, 1)}
    add(ledger, digest, entry)
    print(json.dumps(entry), flush=True)


def score_table(ledger: Path, rows: Mapping[str, Iterable[str]], scores: Sequence[str]) -> str:
    """The Markdown table of the trainings that are finished.

    Args:
        ledger: Where they are written down.
        rows: The name of each row with its digests, one a seed; rows without results are left out.
        scores: Its columns, shown in percent.
    """
    done = finished(ledger)
    lines = [f"| what | {' | '.join(f'{name} %' for name in scores)} | seeds | steps | seconds |"]
    lines.append("|---" * (4 + len(scores)) + "|")
    for name, digests in rows.items():
        entries = [done[digest] for digest in digests if digest in done]
        if entries:
            cells = [mean_and_spread([100 * entry[score] for entry in entries]) for score in scores]
            seconds = statistics.mean(entry["seconds"] for entry in entries)
            cells += [str(len(entries)), str(entries[0]["steps"]), f"{seconds:.0f}"]
            lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def trainings_parser(
    words: str | None, *, runs: str, seeds: int, only: Iterable[str]
) -> argparse.ArgumentParser:
    """The options that comparisons of trainings have in common.

    Args:
        words: The module's docstring.
        runs: Folder of the run folders, unless another is given.
        seeds: How many, likewise.
        only: What ``--only`` may choose.
    """
    parser = argparse.ArgumentParser(
        description=words, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--packs", type=Path, required=True)
    parser.add_argument("--runs", type=Path, default=Path(runs))
    parser.add_argument("--seeds", type=int, default=seeds)
    parser.add_argument("--only", choices=list(only), action="append", help="repeatable")
    parser.add_argument("--table", action="store_true", help="train nothing, print what is there")
    parser.add_argument("--toy", action="store_true")
    return parser


def places_of(given: argparse.Namespace, ledger: Path) -> tuple[Path, Path]:
    """The folder of the run folders, and the ledger; toys have their own of both."""
    runs: Path = (given.runs / "toy" if given.toy else given.runs).resolve()
    return runs, runs / "toy.jsonl" if given.toy else ledger


def mean_and_spread(values: Sequence[float], digits: int = 1) -> str:
    """The mean, and half of the distance between the least and the greatest.

    >>> mean_and_spread([41.0, 43.0])
    '42.0 ± 1.0'
    """
    mean = f"{statistics.mean(values):.{digits}f}"
    half = (max(values) - min(values)) / 2
    return mean if len(values) == 1 else f"{mean} ± {half:.{digits}f}"
