"""The claims of PP-LCNet and HS-ResNet at a size that a laptop can train: docs/results.md.

    python benchmarks/reproduction.py --packs FOLDER [--jobs 2] [--seeds 2] [--only flowers102]

trains every row of :data:`ROWS` on three packs with several seeds, one thread a training and
``--jobs`` trainings side by side, and prints a Markdown table: top-1 on ``val`` after the last
epoch as mean and half the spread between the seeds, parameters, latency of the exported graph
(batch 1, one thread, all rows in turns), and the arguments of each row.

A finished training is one line of ``benchmarks/results/reproduction.jsonl``, with a digest of
its recipe, and is not repeated; an interrupted one goes on. ``--table`` trains nothing.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np

from ledger import add, digest_of, finished, run_single, said_by
from saccade.runtime import open_session
from saccade_train.export.onnx import export_model
from saccade_train.models.classifier import build_classifier
from saccade_train.recipes import load_recipe

LEDGER = Path(__file__).parent / "results" / "reproduction.jsonl"

PACKS = {
    "flowers102": ("cls_flowers102.zip", "small_flowers102"),
    "caltech101": ("cls_caltech101.zip", "small_caltech101"),
    "cifar10": ("cls_cifar10_subset.zip", "small_cifar10"),
}


@dataclass(frozen=True)
class Row:
    """One network of the table."""

    claim: str
    arch: str
    options: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What its run folder is called."""
        return "-".join((self.arch, *(option.replace("=", "_") for option in self.options)))

    @property
    def overrides(self) -> list[str]:
        """The key=value arguments of ``saccade train``."""
        return [f"model.arch={self.arch}", *(f"model.options.{item}" for item in self.options)]


ROWS = (
    Row("LCNet, whole", "lcnet_x0_5"),
    Row("H-Swish off (ReLU)", "lcnet_x0_5", ("act=relu",)),
    Row("SE off", "lcnet_x0_5", ("se=false",)),
    Row("5x5 off", "lcnet_x0_5", ("large_kernel=false",)),
    Row("1280 layer off", "lcnet_x0_5", ("last_conv=false",)),
    Row("MobileNetV3 of that latency", "mobilenet_v3_small_x0_35"),
    Row("ResNet-vd", "resnet26_vd", ("width=0.25",)),
    Row("HS-ResNet of that size", "hs_resnet26", ("width=0.25", "hs_splits=6", "hs_width=3")),
)


@dataclass(frozen=True)
class Job:
    """One training."""

    row: Row
    pack: str
    seed: int

    @property
    def changes(self) -> list[str]:
        """What it changes in the recipe of its pack."""
        return [*self.row.overrides, f"seed={self.seed}"]

    @property
    def digest(self) -> str:
        """Of the pack and of what the recipe says: a result counts as long as this stays."""
        return digest_of([self.pack, said_by(load_recipe(PACKS[self.pack][1], self.changes))])


def train(job: Job, packs: Path, runs: Path) -> None:
    """Run one training on one thread, unless it is finished, and write it down."""
    if job.digest in finished(LEDGER):
        return
    archive, recipe = PACKS[job.pack]
    out = runs / job.pack / f"{job.row.name}-seed{job.seed}"
    line = ["saccade", "train", recipe, "--data", str(packs / archive), "--out", str(out)]
    if not run_single([*line, *job.changes], Path(f"{out}.log")):
        print(f"{job.pack} {job.row.name} seed {job.seed}: FAILED, see {out}.log", flush=True)
        return
    record(job, out)


def record(job: Job, out: Path) -> None:
    """Add one line to the ledger: the scores after the last epoch, without choosing."""
    summary = json.loads((out / "summary.json").read_text())
    entry = {
        "pack": job.pack,
        "row": job.row.name,
        "seed": job.seed,
        "top1": summary["last_scores"]["top1"],
        "top5": summary["last_scores"]["top5"],
        "parameters": summary["parameters"],
        "epochs": summary["epochs"],
        "seconds": summary["seconds"],
    }
    add(LEDGER, job.digest, entry)
    print(f"{job.pack} {job.row.name} seed {job.seed}: top-1 {entry['top1']:.3f}", flush=True)


def latencies(pack: str, rounds: int = 200) -> dict[str, float]:
    """Median milliseconds of each row's graph at batch 1 on one thread, in turns."""
    times: dict[str, list[float]] = {row.name: [] for row in ROWS}
    sessions = {}
    with tempfile.TemporaryDirectory() as place:
        for row in ROWS:
            recipe = load_recipe(PACKS[pack][1], row.overrides)
            model = build_classifier(recipe.model.arch, 100, **recipe.model.options).eval()
            data, file = recipe.data, Path(place) / f"{row.name}.onnx"
            labels = [str(number) for number in range(100)]
            prepare = data.eval.prepare()
            export_model(model, file, labels=labels, prepare=prepare, mean=data.mean, std=data.std)
            sessions[row.name] = open_session(file, threads=1)
        shape = (1, prepare.height, prepare.width, 3)
        picture = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        for _ in range(rounds):
            for name, session in sessions.items():
                start = perf_counter()
                session.run(picture)
                times[name].append(perf_counter() - start)
    return {name: statistics.median(values) * 1e3 for name, values in times.items()}


def table(seeds: range) -> str:
    """The Markdown table of everything that is finished."""
    done = finished(LEDGER)
    lines = []
    for pack, (archive, recipe) in PACKS.items():
        milliseconds = latencies(pack)
        lines += [
            f"\n`saccade train {recipe} --data {archive} --out RUN`, arguments of a row:\n",
            "| what | top-1 % | spread | seeds | parameters | ms | arguments |",
            "|---|---|---|---|---|---|---|",
        ]
        for row in ROWS:
            found = [done.get(Job(row, pack, seed).digest) for seed in seeds]
            entries = [entry for entry in found if entry is not None]
            if not entries:
                continue
            top1 = [100 * entry["top1"] for entry in entries]
            spread = f"± {(max(top1) - min(top1)) / 2:.1f}" if len(top1) > 1 else "-"
            lines.append(
                f"| {row.claim} | {statistics.mean(top1):.1f} | {spread} | {len(top1)} "
                f"| {entries[0]['parameters']:,} | {milliseconds[row.name]:.2f} "
                f"| `{' '.join(row.overrides)}` |"
            )
    return "\n".join(lines)


def main() -> None:
    """Train what is missing, then print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--packs", type=Path, default=Path(), help="folder of the .zip packs")
    parser.add_argument("--runs", type=Path, default=Path("runs/reproduction"))
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=2, help="trainings at a time")
    parser.add_argument("--only", choices=PACKS, action="append", help="this pack (repeatable)")
    parser.add_argument("--table", action="store_true", help="train nothing, print what is there")
    arguments = parser.parse_args()
    seeds = range(arguments.seeds)
    if not arguments.table:
        jobs = [
            Job(row, pack, seed)
            for pack in arguments.only or PACKS
            for seed in seeds
            for row in ROWS
        ]
        with ThreadPoolExecutor(arguments.jobs) as pool:
            list(pool.map(lambda job: train(job, arguments.packs, arguments.runs), jobs))
    print(table(seeds))


if __name__ == "__main__":
    main()
