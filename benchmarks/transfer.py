"""What a backbone that was taught brings to other tasks: docs/how-to/distill.md.

    python benchmarks/transfer.py --packs FOLDER [--seeds 2] [--only TABLE]

Two PP-LCNet x0.75 have made as many steps on CIFAR-10's subset (``ssld.py``, table ``backbones``):
one learnt from the 2,500 labels alone, the other was taught, on the 7,500 other pictures too. Other
trainings start from them with one key, ``init=RUN``, or from nothing:

- ``detect``: PicoDet-S of the second generation on ``det_bccd``, 580 steps at 192 pixels. AP and AP
  at IoU 0.5 on ``val``, in percent;
- ``embed``: an embedder of groceries (``ret_grocerystore81``), 615 steps. Recall@1 and mAP of
  ``val`` against ``train``, in percent.

Printed: scores after the last epoch, mean and half the spread between the seeds; each seed has its
own backbones. A finished training is one line of ``benchmarks/results/transfer.jsonl`` and is not
repeated; an interrupted one goes on. ``--table`` trains nothing; ``--toy`` makes a few steps of
everything, into ledgers of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import detection
import ssld
from ledger import (
    digest_of,
    is_due,
    places_of,
    run_and_add,
    run_folder,
    score_table,
    trainings_parser,
)

LEDGER = Path(__file__).parent / "results" / "transfer.jsonl"
ALONE, TAUGHT = ssld.BACKBONES


@dataclass(frozen=True)
class Job:
    """One training.

    Attributes:
        name: What it is called in tables and in the ledger.
        recipe: What it changes.
        pack: What it learns.
        changes: ``key=value`` of the recipe.
        scores: Which ones count.
        init: The classifier that it starts from.
    """

    name: str
    recipe: str
    pack: str
    changes: tuple[str, ...]
    scores: tuple[str, ...]
    init: ssld.Job | None


CELLS = ("model.arch=picodet_s", *detection.SHORT)
GOODS = (
    "model.arch=lcnet_x0_75",
    "data.train_size=80",
    'data.eval={"height": 96, "width": 96, "mode": "stretch"}',
    "data.cache_short=112",
    "epochs=15",
    "eval_every=15",
)


def _starts(recipe: str, pack: str, changes: tuple[str, ...], *scores: str) -> list[Job]:
    """A training from nothing and from each classifier."""
    starts = {"from nothing": None, "from labels": ALONE, "from a distilled backbone": TAUGHT}
    return [Job(name, recipe, pack, changes, scores, init) for name, init in starts.items()]


TABLES: dict[str, list[Job]] = {
    "detect": _starts("picodet_small", "det_bccd", CELLS, "map", "map_50"),
    "embed": _starts("embed_small", "ret_grocerystore81", GOODS, "recall_at_1", "map"),
}


def digest(job: Job, seed: int, *, toy: bool = False) -> str:
    """Of what decides about its result."""
    start = ssld.digest(job.init, seed, toy=toy) if job.init else None
    return digest_of([job.recipe, job.pack, job.changes, seed, toy, start])


def train(job: Job, seed: int, packs: Path, runs: Path, ledger: Path, *, toy: bool = False) -> None:
    """Run one training on one thread, unless it is finished, and write it down."""
    known = digest(job, seed, toy=toy)
    out = runs / f"{job.pack}_{job.name.replace(' ', '_')}-seed{seed}"
    if not is_due(ledger, known, out):
        return
    command = ["saccade", "train", job.recipe, "--data", str(packs / f"{job.pack}.zip")]
    command += [*job.changes, f"seed={seed}"]
    command += ["epochs=1"] if toy else []
    if job.init is not None:
        command.append(f"init={runs / run_folder(job.init.name, seed)}")
    run_and_add(ledger, known, command, out, job.scores, name=job.name, seed=seed)


def table(jobs: list[Job], seeds: range, ledger: Path, *, toy: bool = False) -> str:
    """The Markdown table of what is finished."""
    rows = {job.name: [digest(job, seed, toy=toy) for seed in seeds] for job in jobs}
    return score_table(ledger, rows, jobs[0].scores)


def main() -> None:
    """Train what is missing, print the tables."""
    given = trainings_parser(__doc__, runs="runs/ssld", seeds=2, only=TABLES).parse_args()
    seeds, names = range(given.seeds), given.only or list(TABLES)
    runs, ledger = places_of(given, LEDGER)
    if not given.table:
        runs.mkdir(parents=True, exist_ok=True)
        classifiers = runs / "toy-ssld.jsonl" if given.toy else ssld.LEDGER
        for seed in seeds:
            for backbone in (ssld.TEACHERS[0], *ssld.BACKBONES):
                ssld.train(backbone, seed, given.packs, runs, classifiers, toy=given.toy)
            for name in names:
                for job in TABLES[name]:
                    train(job, seed, given.packs, runs, ledger, toy=given.toy)
    for name in names:
        print(f"\n{name}\n\n{table(TABLES[name], seeds, ledger, toy=given.toy)}")


if __name__ == "__main__":
    main()
