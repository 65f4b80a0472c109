"""The claims of PP-LCNet and HS-ResNet at a size that a laptop can train: docs/results.md.

    python benchmarks/reproduction.py --packs FOLDER --runs runs/reproduction [--jobs 2]

trains every row of :data:`ROWS` on three packs with several seeds, one thread a training and
``--jobs`` trainings side by side, and prints a Markdown table: top-1 on ``val`` after the last
epoch as mean and half the spread between the seeds, parameters, and the arguments of each row. A
finished training is not repeated (its ``summary.json`` is read), an interrupted one goes on.
Latency is of the exported graph, batch 1, one thread, all rows interleaved.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

PACKS = {
    "cifar10": ("cls_cifar10_subset.zip", "small_cifar10"),
    "flowers102": ("cls_flowers102.zip", "small_flowers102"),
    "caltech101": ("cls_caltech101.zip", "small_caltech101"),
}


@dataclass(frozen=True)
class Row:
    """One network of the table."""

    claim: str
    name: str
    arch: str
    options: tuple[str, ...] = ()

    def overrides(self) -> list[str]:
        """The key=value arguments of ``saccade train``."""
        changed = [f"model.options.{option}" for option in self.options]
        return [f"model.arch={self.arch}", *changed]


ROWS = (
    Row("LCNet, whole", "lcnet_x0_5", "lcnet_x0_5"),
    Row("H-Swish off (ReLU)", "lcnet_x0_5-relu", "lcnet_x0_5", ("act=relu",)),
    Row("SE off", "lcnet_x0_5-no_se", "lcnet_x0_5", ("se=false",)),
    Row("5x5 off", "lcnet_x0_5-no_5x5", "lcnet_x0_5", ("large_kernel=false",)),
    Row("1280 layer off", "lcnet_x0_5-no_1280", "lcnet_x0_5", ("last_conv=false",)),
    Row("MobileNetV3 of that latency", "mobilenet_v3_small_x0_35", "mobilenet_v3_small_x0_35"),
    Row("LCNet, wider", "lcnet_x0_75", "lcnet_x0_75"),
    Row("MobileNetV3 of that latency", "mobilenet_v3_small_x0_5", "mobilenet_v3_small_x0_5"),
    Row("ResNet-vd", "resnet26_vd-0.25", "resnet26_vd", ("width=0.25",)),
    Row(
        "HS-ResNet of that size",
        "hs_resnet26-0.25",
        "hs_resnet26",
        ("width=0.25", "hs_splits=6", "hs_width=3"),
    ),
)


def command(row: Row, pack: str, seed: int, packs: Path, runs: Path) -> list[str]:
    """The command line of one training."""
    archive, recipe = PACKS[pack]
    return [
        "saccade",
        "train",
        recipe,
        "--data",
        str(packs / archive),
        "--out",
        str(runs / pack / f"{row.name}-seed{seed}"),
        *row.overrides(),
        f"seed={seed}",
    ]


def train(row: Row, pack: str, seed: int, packs: Path, runs: Path) -> None:
    """Run one training on one thread, unless it is finished."""
    out = runs / pack / f"{row.name}-seed{seed}"
    if (out / "summary.json").exists():
        return
    log = runs / "logs" / f"{pack}-{row.name}-seed{seed}.txt"
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {"SACCADE_THREADS": "1", "OMP_NUM_THREADS": "1"}
    with log.open("w") as stream:
        line = command(row, pack, seed, packs, runs)
        code = subprocess.run(line, stdout=stream, stderr=stream, env=environment).returncode
    outcome = "done" if code == 0 else f"FAILED, see {log}"
    print(f"{pack} {row.name} seed {seed}: {outcome}", flush=True)


def latencies(pack: str, runs: Path, rounds: int = 200) -> dict[str, float]:
    """Median milliseconds of each row's exported graph at batch 1 on one thread, interleaved."""
    from time import perf_counter

    from saccade.modelfile import read_card
    from saccade.runtime import open_session
    from saccade_train.export.onnx import export_run

    with tempfile.TemporaryDirectory() as place:
        sessions, pictures = {}, {}
        for row in ROWS:
            run = runs / pack / f"{row.name}-seed0"
            if not (run / "summary.json").exists():
                continue
            file = Path(place) / f"{row.name}.onnx"
            export_run(run, file)
            prepare = read_card(file).prepare
            sessions[row.name] = open_session(file, threads=1)
            shape = (1, prepare.height, prepare.width, 3)
            pictures[row.name] = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        times: dict[str, list[float]] = {name: [] for name in sessions}
        for _ in range(rounds):
            for name, session in sessions.items():
                start = perf_counter()
                session.run(pictures[name])
                times[name].append(perf_counter() - start)
    return {name: statistics.median(values) * 1e3 for name, values in times.items()}


def score(run: Path) -> dict[str, float] | None:
    """What a finished training wrote; None when it is not finished."""
    summary = run / "summary.json"
    return json.loads(summary.read_text()) if summary.exists() else None


def table(packs: Path, runs: Path, seeds: range, with_latency: bool) -> str:
    """The Markdown table of everything that is finished."""
    lines = []
    for pack, (archive, recipe) in PACKS.items():
        measured = latencies(pack, runs) if with_latency else {}
        lines += [
            f"\n`saccade train {recipe} --data {archive} --out RUN` plus the arguments of the row; "
            f"seeds {', '.join(map(str, seeds))}:\n",
            "| what | top-1 % | spread | seeds | parameters | ms | arguments |",
            "|---|---|---|---|---|---|---|",
        ]
        for row in ROWS:
            found = [score(runs / pack / f"{row.name}-seed{seed}") for seed in seeds]
            done = [summary for summary in found if summary is not None]
            if not done:
                continue
            top1 = [100 * summary["last_scores"]["top1"] for summary in done]
            lines.append(
                f"| {row.claim} | {statistics.mean(top1):.1f} "
                f"| ± {(max(top1) - min(top1)) / 2:.1f} "
                f"| {len(done)} | {done[0]['parameters']:,.0f} "
                f"| {measured.get(row.name, float('nan')):.2f} | `{' '.join(row.overrides())}` |"
            )
    return "\n".join(lines)


def main() -> None:
    """Train what is missing, then print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--packs", type=Path, required=True, help="folder of the .zip packs")
    parser.add_argument("--runs", type=Path, default=Path("runs/reproduction"))
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=2, help="trainings at a time")
    parser.add_argument("--only", choices=PACKS, action="append", help="this pack (repeatable)")
    parser.add_argument("--table", action="store_true", help="train nothing, print what is there")
    parser.add_argument("--latency", action="store_true", help="measure latency for the table")
    arguments = parser.parse_args()
    seeds = range(arguments.seeds)
    if not arguments.table:
        work = [
            (row, pack, seed, arguments.packs, arguments.runs)
            for seed in seeds
            for pack in arguments.only or PACKS
            for row in ROWS
        ]
        with ThreadPoolExecutor(arguments.jobs) as pool:
            list(pool.map(lambda job: train(*job), work))
    print(table(arguments.packs, arguments.runs, seeds, arguments.latency))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
