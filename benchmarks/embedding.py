"""What makes an embedder of groceries good, one thing at a time: docs/results.md.

    python benchmarks/embedding.py --packs FOLDER [--start RUN] [--seeds 2] [--only TABLE] [--table]

All trainings go on from one classifier of groceries (``checkpoints/shop91``, PP-LCNet x1.0) with
``embed_small`` on ``ret_grocerystore81`` at 80 pixels, some 490 steps:

- ``loss``: the classifier's margin (softmax, ArcFace, CosFace, Circle, AdaCos), and losses on pairs
  and triplets in place of it, or beside it;
- ``size``: 64 to 512 numbers;
- ``bits``: 64 to 512 bits (tanh and cross entropy; DSHSD; LCDSH), searched by Hamming distance;
- ``distillation``: by the vectors of a finished run of the table ``loss``.

Printed: Recall@1 and mAP of ``val`` against ``train`` after the last epoch, in percent; mean and
half the spread between the seeds. A finished training is one line of
``benchmarks/results/embedding.jsonl`` and is not repeated. ``--table`` trains nothing; ``--toy``
makes a few steps of everything, into a ledger of its own.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from ledger import (
    digest_of,
    is_due,
    places_of,
    run_and_add,
    run_folder,
    score_table,
    trainings_parser,
)

LEDGER = Path(__file__).parent / "results" / "embedding.jsonl"
START = Path(__file__).resolve().parents[1] / "checkpoints" / "shop91"
RECIPE, PACK = "embed_small", "ret_grocerystore81.zip"
SCORES = ("recall_at_1", "map")
BASE = (
    "model.neck=bn",
    "model.embedding_dim=256",
    'model.head_options={"margin": 0.2, "scale": 24}',
    "data.train_size=80",
    'data.eval={"height": 96, "width": 96, "mode": "stretch"}',
    "data.cache_short=112",
    "loss.metric=[]",
    "sampler.kind=shuffle",
    "optimiser.lr=0.03",
    "schedule.warmup_epochs=1",
    "epochs=12",
    "eval_every=12",
)
PAIRS = ("sampler.kind=pk", "sampler.per_class=4")


@dataclass(frozen=True)
class Job:
    """One training.

    Attributes:
        name: What it is called in the table.
        changes: ``key=value`` of the recipe, after those of all.
        taught: Learns from the finished run of `ARC`.
    """

    name: str
    changes: tuple[str, ...] = ()
    taught: bool = False


def _head(head: str, **options: float) -> tuple[str, ...]:
    shown = ", ".join(f'"{name}": {value}' for name, value in options.items())
    return (f"model.head={head}", f"model.head_options={{{shown}}}")


def _pairs(loss: str, weight: float = 1.0) -> tuple[str, ...]:
    return (f'loss.metric=[{{"loss": "{loss}", "weight": {weight}}}]', *PAIRS)


def _bits(bits: int) -> tuple[str, ...]:
    return ("model.neck=hash", f"model.embedding_dim={bits}", *_head("fc"))


ARC = Job("ArcFace, 256 numbers")
TABLES: dict[str, tuple[Job, ...]] = {
    "loss": (
        ARC,
        Job("softmax", _head("fc")),
        Job("CosFace", _head("cos", margin=0.2, scale=24)),
        Job("Circle", _head("circle", margin=0.25, scale=64)),
        Job("AdaCos", _head("ada")),
        Job("ArcFace and triplets (batch-hard)", _pairs("trihard")),
        Job("ArcFace and SupCon", _pairs("sup_con")),
        Job("triplets alone", (*_pairs("trihard"), "loss.classify=0")),
        Job("SupCon alone", (*_pairs("sup_con"), "loss.classify=0")),
        Job("MSML alone", (*_pairs("msml"), "loss.classify=0")),
    ),
    "size": tuple(
        Job(f"ArcFace, {size} numbers", (f"model.embedding_dim={size}",)) for size in (64, 128, 512)
    ),
    "bits": (
        *(Job(f"{bits} bits, tanh and cross entropy", _bits(bits)) for bits in (64, 128, 256, 512)),
        Job("256 bits, and DSHSD", (*_bits(256), *_pairs("dshsd", 0.1))),
        Job("256 bits, and LCDSH", (*_bits(256), *_pairs("lcdsh", 0.1))),
    ),
    "distillation": (
        Job("taught by a finished one, and ArcFace", taught=True),
        Job("taught by a finished one alone", ("loss.classify=0",), taught=True),
    ),
}


def digest(job: Job, seed: int, start: str, *, toy: bool = False) -> str:
    """Of what decides about its result; ``start`` is the fingerprint of where it begins."""
    return digest_of([RECIPE, PACK, BASE, job.changes, job.taught, seed, start, toy])


def fingerprint(run: Path) -> str:
    """Of the weights of a run."""
    return hashlib.sha256((run / "best" / "model.safetensors").read_bytes()).hexdigest()[:16]


def changes(job: Job, seed: int, start: Path, runs: Path, *, toy: bool = False) -> list[str]:
    """All ``key=value`` of a training."""
    found = [*BASE, *job.changes, f"seed={seed}", f"init={start}"]
    if job.taught:
        found.append(f"loss.distill.teacher={runs / run_folder(ARC.name, seed)}")
    return found + (["epochs=1"] if toy else [])


def main() -> None:
    """Train what is missing, print the tables."""
    parser = trainings_parser(__doc__, runs="runs/embedding", seeds=2, only=TABLES)
    parser.add_argument("--start", type=Path, default=START, help="run folder of the classifier")
    given = parser.parse_args()
    seeds, names = range(given.seeds), given.only or list(TABLES)
    runs, ledger = places_of(given, LEDGER)
    start = fingerprint(given.start)
    jobs = dict.fromkeys([ARC, *(job for name in names for job in TABLES[name])])
    for seed, job in product(() if given.table else seeds, jobs):
        known, out = digest(job, seed, start, toy=given.toy), runs / run_folder(job.name, seed)
        if is_due(ledger, known, out, others_start_from_it=job is ARC):
            command = ["saccade", "train", RECIPE, "--data", str(given.packs / PACK)]
            command += changes(job, seed, given.start, runs, toy=given.toy)
            run_and_add(ledger, known, command, out, SCORES, name=job.name, seed=seed)
    for name in names:
        rows = {
            job.name: [digest(job, seed, start, toy=given.toy) for seed in seeds]
            for job in dict.fromkeys([ARC, *TABLES[name]])
        }
        print(f"\n{name}\n\n{score_table(ledger, rows, SCORES)}")


if __name__ == "__main__":
    main()
