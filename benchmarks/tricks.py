"""PP-OCRv2's bag of tricks, one at a time, at a size that a laptop can train: docs/results.md.

    python benchmarks/tricks.py --packs FOLDER [--seeds 2] [--only recogniser|detector] [--table]

Each row is a training of its own from scratch, one thread, with one switch of the recipe turned:

- recognisers (``ocr_rec_short``, a smaller trunk, drawn lines): CTC with aligned steps, plus focal
  CTC, the centre loss, ACE, U-DML; and without the aligned steps;
- detectors (``ocr_det``, small windows): Dice or cross entropy, CopyPaste, two students that learn
  from each other, and these two with a finished teacher (CML; the teacher is
  ``checkpoints/ocr_det``, a network like the students, not the ResNet-18 of the paper).

Printed: score after the last epoch, mean and half the spread between the seeds, and seconds. A
finished training is one line of ``benchmarks/results/tricks.jsonl`` and is not repeated.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from ledger import add, digest_of, finished, mean_and_spread, run_single, said_by
from saccade_train.recipes import load_recipe

REPOSITORY = Path(__file__).resolve().parents[1]
LEDGER = Path(__file__).parent / "results" / "tricks.jsonl"

RECOGNISER = (
    "model.arch=crnn_resnet10_vd_x0_25",
    "data.epoch=9600",
    "data.val_limit=400",
    "epochs=3",
    "eval_every=3",
)
DETECTOR = (
    "data.size=256",
    "data.epoch=800",
    "augment.copy_paste=0",
    "optimiser.lr=2e-3",
    "ema.decay=0.98",
    "epochs=4",
    "eval_every=4",
)
CENTRES = "loss.centers="
SWITCHES: dict[str, dict[str, tuple[str, ...]]] = {
    "recogniser": {
        "CTC with aligned steps": (),
        "CTC alone": ("loss.aligned=0",),
        "focal CTC": ("loss.focal=true",),
        "centre loss": ("loss.center=0.05", CENTRES),
        "ACE": ("loss.ace=0.1",),
        "U-DML": ("loss.mutual=1",),
    },
    "detector": {
        "cross entropy with hard negatives": (),
        "Dice": ("loss.main=dice", "data.threshold=0.3", "data.box_threshold=0.6"),
        "CopyPaste": ("augment.copy_paste=0.2",),
        "mutual learning": ("loss.mutual=1",),
        "mutual learning and a teacher (CML)": (
            "loss.mutual=1",
            f"loss.teacher={REPOSITORY / 'checkpoints' / 'ocr_det'}",
        ),
    },
}
METRICS = {
    "recogniser": ("cer_drawn", "line_accuracy_drawn"),
    "detector": ("hmean_ocr_sroie_receipts", "hmean_ocr_print_pages"),
}


@dataclass(frozen=True)
class Job:
    """One training."""

    part: str
    trick: str
    seed: int

    @property
    def recipe(self) -> str:
        """Its name."""
        return "ocr_rec_short" if self.part == "recogniser" else "ocr_det"

    @property
    def shown(self) -> tuple[str, ...]:
        """The arguments that make the row what it is; centres by the option alone."""
        return SWITCHES[self.part][self.trick]

    def changes(self, runs: Path) -> list[str]:
        """All key=value arguments."""
        base = RECOGNISER if self.part == "recogniser" else DETECTOR
        switches = [f"{s}{runs / self.centres}" if s == CENTRES else s for s in self.shown]
        return [*base, *switches, f"seed={self.seed}"]

    @property
    def centres(self) -> str:
        """The file of class centres that belongs to its seed."""
        return f"centres-seed{self.seed}.safetensors"

    @property
    def folder(self) -> str:
        """Where its run lies."""
        return f"{self.part}-{self.trick.replace(' ', '_')}-seed{self.seed}"

    @property
    def digest(self) -> str:
        """Of what the recipe says beyond defaults: a result counts as long as this stays."""
        changes = self.changes(Path("RUNS"))
        said = json.dumps(said_by(load_recipe(self.recipe, changes)))
        return digest_of(json.loads(said.replace(str(REPOSITORY), "")))


def train(job: Job, packs: Path, runs: Path) -> None:
    """Run one training on one thread, unless it is finished, and write it down."""
    if job.digest in finished(LEDGER):
        return
    if CENTRES in job.shown and not (runs / job.centres).exists():
        base = Job("recogniser", "CTC with aligned steps", job.seed)
        lines = packs / "rec_sroie_lines.zip"
        command = [sys.executable, "-m", "saccade_train.training.centers", str(runs / base.folder)]
        call([*command, "--data", str(lines), "-o", str(runs / job.centres)], runs / "centres.log")
    out = runs / job.folder
    data = [] if job.part == "recogniser" else ["ocr_sroie_receipts.zip", "ocr_print_pages.zip"]
    places = [word for name in data for word in ("--data", str(packs / name))]
    command = ["saccade", "train", job.recipe, *places, "--out", str(out)]
    if not call([*command, *job.changes(runs)], Path(f"{out}.log")):
        return
    summary = json.loads((out / "summary.json").read_text())
    scores = {name: summary["last_scores"][name] for name in METRICS[job.part]}
    entry = {
        "part": job.part,
        "trick": job.trick,
        "seed": job.seed,
        **scores,
        "seconds": summary["seconds"],
    }
    add(LEDGER, job.digest, entry)
    print(f"{job.folder}: {scores}", flush=True)


def call(command: list[str], log: Path) -> bool:
    """Run a command on one thread; tell where its log is if it fails."""
    went_well = run_single(command, log)
    if not went_well:
        print(f"FAILED, see {log}", flush=True)
    return went_well


def table(part: str, seeds: range) -> str:
    """The Markdown table of what is finished."""
    done = finished(LEDGER)
    names = METRICS[part]
    lines = [
        f"| {part} | {' | '.join(names)} | seeds | s | arguments |",
        "|---" * (len(names) + 4) + "|",
    ]
    for trick, switches in SWITCHES[part].items():
        found = [done.get(Job(part, trick, seed).digest) for seed in seeds]
        entries = [entry for entry in found if entry is not None]
        if not entries:
            continue
        cells = [mean_and_spread([entry[name] for entry in entries], digits=3) for name in names]
        seconds = statistics.mean(entry["seconds"] for entry in entries)
        shown = " ".join(switches).replace(f"{REPOSITORY}/", "") or "-"
        lines.append(
            f"| {trick} | {' | '.join(cells)} | {len(entries)} | {seconds:.0f} | `{shown}` |"
        )
    return "\n".join(lines)


def main() -> None:
    """Train what is missing, print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--packs", type=Path, required=True)
    parser.add_argument("--runs", type=Path, default=Path("runs/tricks"))
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--only", choices=SWITCHES)
    parser.add_argument("--table", action="store_true")
    arguments = parser.parse_args()
    parts = [arguments.only] if arguments.only else list(SWITCHES)
    seeds = range(arguments.seeds)
    if not arguments.table:
        for part in parts:
            for trick, seed in product(SWITCHES[part], seeds):
                train(Job(part, trick, seed), arguments.packs, arguments.runs.resolve())
    for part in parts:
        print(f"\n{table(part, seeds)}")


if __name__ == "__main__":
    main()
