"""PP-PicoDet from scratch on small packs, and its parts one at a time: docs/results.md.

    python benchmarks/detection.py --packs FOLDER [--jobs 2] [--seeds 2] [--only TABLE]

- ``scratch``: the recipe ``picodet_small`` on three packs, as a user would run it (half an hour a
  training, an hour for groceries);
- all others: a smaller training on ``det_bccd`` (see :data:`SHORT`), each row with one key of the
  recipe changed: which points learn which object (``assigner``), the loss of the class scores
  (``scores``), the distribution focal loss (``dfl``), the average of the weights (``ema``), the
  width of neck and head (``neck``), the loss of the boxes (``box``), what is done to the pictures
  (``augmentation``), the generation (``network``); and what the recipe itself chose (``recipe``).

One thread a training, ``--jobs`` trainings side by side. Printed: COCO's AP and AP at IoU 0.5 on
``val`` after the last epoch, without choosing, as mean and half the spread between the seeds, and
seconds. A finished training is one line of ``benchmarks/results/detection.jsonl``, with a digest of
its pack and recipe, and is not repeated; an interrupted one goes on. ``--table`` trains nothing.
"""

from __future__ import annotations

import argparse
import json
import statistics
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from ledger import add, digest_of, finished, mean_and_spread, run_single, said_by
from saccade_train.recipes import load_recipe

LEDGER = Path(__file__).parent / "results" / "detection.jsonl"
RECIPE = "picodet_small"


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Attributes:
        claim: what it shows.
        changes: the keys that make it what it is.
        pack: what it learns.
        base: the keys that all rows of its table share.
        after: the keys of a training whose best weights it begins with, if any.
    """

    claim: str
    changes: tuple[str, ...] = ()
    pack: str = "det_bccd"
    base: tuple[str, ...] = ()
    after: tuple[str, ...] = ()

    @property
    def arguments(self) -> tuple[str, ...]:
        """All key=value arguments but the seed."""
        return self.base + self.changes


SHORT = (
    "data.height=192",
    "data.width=192",
    "data.sizes=[]",
    "epochs=20",
    "eval_every=20",
    "loss.switch_epoch=5",
)
"""Of rows that change one thing: 580 steps of 8 pictures, two or three minutes of one core."""

MANY = ("epochs=8", "eval_every=2", "loss.switch_epoch=2")
"""Of a pack with 1,500 pictures of 224 pixels."""

CARDS = (
    "augment.mosaic=0.5",
    "augment.turn=0.5",
    "epochs=120",
    "augment.mosaic_epochs=108",
    "loss.switch_epoch=25",
    "eval_every=10",
    "data.sizes=[256,288,320,352]",
)
"""Of a pack with two objects a picture, seen from above, that differ in small things."""

MORE_CARDS = (*CARDS, "epochs=200", "augment.mosaic_epochs=160", "loss.switch_epoch=1")
"""Once more from where :data:`CARDS` ended, with the whole schedule of rates anew."""


def _short(claim: str, *changes: str) -> Row:
    return Row(claim, changes, base=SHORT)


TABLES: dict[str, tuple[Row, ...]] = {
    "scratch": (
        Row("blood cells, 233 pictures"),
        Row("blood cells, PP-LCNet", ("model.arch=picodet_s",)),
        Row("playing cards, 259 pictures", CARDS, "det_cards"),
        Row("playing cards, 200 epochs more", MORE_CARDS, "det_cards", after=CARDS),
        Row("groceries, 1,500 pictures", MANY, "det_groceries25"),
    ),
    "assigner": (
        _short("ATSS, then TAL"),
        _short("ATSS", "loss.assigner=atss"),
        _short("TAL", "loss.assigner=tal"),
        _short("SimOTA", "loss.assigner=simota"),
    ),
    "scores": (
        _short("varifocal loss"),
        _short("quality focal loss", "loss.classification=qfl"),
        _short("focal loss", "loss.classification=focal"),
    ),
    "dfl": (_short("with DFL"), _short("without DFL", "loss.dfl_weight=0")),
    "ema": (
        _short("EMA"),
        _short("EMA, anew every 10 epochs", "ema.cycle_epochs=10"),
        _short("no EMA", "ema.decay=0"),
    ),
    "neck": (
        _short("neck of 64", "model.options.neck_channels=64"),
        _short("neck of 96"),
        _short("neck of 128", "model.options.neck_channels=128"),
    ),
    "box": (
        _short("GIoU"),
        _short("DIoU", "loss.box=diou"),
        _short("CIoU", "loss.box=ciou"),
    ),
    "augmentation": (
        _short("crop, flip, colours"),
        _short("and mosaic", "augment.mosaic=0.5", "augment.mosaic_epochs=16"),
        _short(
            "and mosaic, and mixup",
            "augment.mosaic=0.5",
            "augment.mixup=0.5",
            "augment.mosaic_epochs=16",
        ),
        _short("and quarter turns", "augment.turn=0.5"),
        _short("no crop", "augment.crop=0"),
        _short("no distortion of colours", "augment.distort=0"),
    ),
    "network": (
        _short("PicoDet-S of the paper: ESNet, CSP-PAN"),
        _short("PicoDet-S, second generation: PP-LCNet, LC-PAN", "model.arch=picodet_s"),
    ),
    "recipe": (
        _short("the recipe, short"),
        _short("twice the batch, half the steps", "batch_size=16"),
        _short("half the rate", "optimiser.lr=1e-3"),
        _short("twice the rate", "optimiser.lr=4e-3"),
        _short("ATSS for 2 epochs of 20", "loss.switch_epoch=2"),
        _short("warm-up of 25 steps, not 100", "schedule.warmup_steps=25"),
    ),
}


@dataclass(frozen=True)
class Job:
    """One training."""

    row: Row
    seed: int

    @property
    def changes(self) -> list[str]:
        """What it changes in the recipe."""
        return [*self.row.arguments, f"seed={self.seed}"]

    @property
    def digest(self) -> str:
        """Of the pack and of what the recipe says: a result counts as long as this stays."""
        before = [self.first.digest] if self.first else []
        return digest_of([self.row.pack, said_by(load_recipe(RECIPE, self.changes)), *before])

    @property
    def first(self) -> Job | None:
        """The training that it goes on from."""
        if not self.row.after:
            return None
        return Job(replace(self.row, changes=self.row.after, after=()), self.seed)

    @property
    def folder(self) -> str:
        """Where its run lies; a row whose recipe has changed gets a new one."""
        words = [self.row.pack, *(change.replace("=", "_") for change in self.row.changes)]
        return "-".join([*words, f"seed{self.seed}", self.digest[:6]])


def jobs_of(tables: list[str], seeds: range) -> list[Job]:
    """The trainings of some tables, each once, seed after seed."""
    jobs = {
        job.digest: job
        for seed in seeds
        for name in tables
        for job in (Job(row, seed) for row in TABLES[name])
    }
    return list(jobs.values())


def train(job: Job, packs: Path, runs: Path) -> None:
    """Run one training on one thread, unless it is finished, and write it down."""
    if job.digest in finished(LEDGER):
        return
    out = runs / job.folder
    pack = packs / f"{job.row.pack}.zip"
    command = ["saccade", "train", RECIPE, "--data", str(pack), "--out", str(out), *job.changes]
    if job.first:
        train(job.first, packs, runs)
        command.append(f"init={runs / job.first.folder}")
    if not run_single(command, Path(f"{out}.log")):
        print(f"{job.folder}: FAILED, see {out}.log", flush=True)
        return
    summary = json.loads((out / "summary.json").read_text())
    entry = {
        "pack": job.row.pack,
        "arguments": job.changes,
        "map": summary["last_scores"]["map"],
        "map_50": summary["last_scores"]["map_50"],
        **{name: summary[name] for name in ("parameters", "epochs", "steps", "seconds")},
    }
    add(LEDGER, job.digest, entry)
    print(f"{job.folder}: AP {100 * entry['map']:.1f} in {entry['seconds']:.0f} s", flush=True)


def table(rows: tuple[Row, ...], seeds: range) -> str:
    """The Markdown table of what is finished."""
    done = finished(LEDGER)
    lines = [
        "| what | AP % | AP50 % | seeds | steps | s | arguments |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        found = [done.get(Job(row, seed).digest) for seed in seeds]
        entries = [entry for entry in found if entry is not None]
        if not entries:
            continue
        scores = [
            mean_and_spread([100 * entry[name] for entry in entries]) for name in ("map", "map_50")
        ]
        seconds = statistics.mean(entry["seconds"] for entry in entries)
        shown = f"`{' '.join(row.changes)}`" if row.changes else "-"
        lines.append(
            f"| {row.claim} | {' | '.join(scores)} | {len(entries)} | {entries[0]['steps']} "
            f"| {seconds:.0f} | {shown} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Train what is missing, then print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--packs", type=Path, default=Path(), help="folder of the .zip packs")
    parser.add_argument("--runs", type=Path, default=Path("runs/detection"))
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=2, help="trainings at a time")
    parser.add_argument("--only", choices=TABLES, action="append", help="this table (repeatable)")
    parser.add_argument("--table", action="store_true", help="train nothing, print what is there")
    arguments = parser.parse_args()
    names, seeds = arguments.only or list(TABLES), range(arguments.seeds)
    if not arguments.table:
        with ThreadPoolExecutor(arguments.jobs) as pool:
            jobs = jobs_of(names, seeds)
            list(pool.map(lambda job: train(job, arguments.packs, arguments.runs), jobs))
    for name in names:
        base = TABLES[name][0].base
        shared = f", all rows with `{' '.join(base)}`" if base else ""
        print(f"\n{name}: `saccade train {RECIPE}`{shared}\n\n{table(TABLES[name], seeds)}")


if __name__ == "__main__":
    main()
