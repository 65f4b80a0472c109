"""What a backbone that was taught brings to other tasks: docs/how-to/distill.md.

    python benchmarks/transfer.py --packs FOLDER [--seeds 2] [--only TABLE]

A PP-LCNet x0.75 learns 91 classes of groceries and garments on small pictures, the same number of
steps in two ways: from their labels, and from the shipped classifier (PP-LCNet x1.0) with pictures
of anything beside them (SSLD). Then other trainings start from it with one key, ``init=RUN``, or
from nothing:

- ``detect``: PicoDet-S on ``det_cards``: no picture of its pack was seen before. AP and AP at IoU
  0.5 on ``val``, in percent;
- ``embed``: an embedder of groceries. Its training pictures are among those of the classifiers, so
  the start from labels is the one to compare with. Recall@1 and mAP of ``val`` against ``train``,
  in percent.

Printed: scores after the last epoch, mean and half the spread between the seeds; each seed has its
own classifiers. A finished training is one line of ``benchmarks/results/transfer.jsonl`` and is not
repeated; an interrupted one goes on. ``--table`` trains nothing; ``--toy`` makes a few steps of
everything, into a ledger of its own.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from ledger import digest_of, finished, is_due, run_and_add, score_table

LEDGER = Path(__file__).parent / "results" / "transfer.jsonl"
TEACHER = "lcnet_x1_0_shop91"
ARCH = "model.arch=lcnet_x0_75"
LABELLED = ("ret_grocerystore81", "cls_clothing10")
POOL = ("cls_caltech101", "cls_flowers102", "det_home3", "det_openobj", "det_fruit", "det_raccoon")
SMALL = (ARCH, "data.train_size=64", 'data.eval={"height": 80, "width": 80, "short": 90}')
TAUGHT = ("label_smoothing=0", 'terms=[{"loss": "kl"}]')


@dataclass(frozen=True)
class Job:
    """One training.

    Attributes:
        name: What it is called in tables and in the ledger.
        recipe: What it changes.
        packs: What it learns.
        changes: ``key=value`` of the recipe.
        scores: Which ones count.
        taught: Whether :data:`TEACHER` teaches, on the pictures of :data:`POOL` too.
        init: Name of the classifier that it starts from.
    """

    name: str
    recipe: str
    packs: tuple[str, ...]
    changes: tuple[str, ...]
    scores: tuple[str, ...]
    taught: bool = False
    init: str | None = None


CLASSIFIERS = (
    # 2,240 and 2,178 steps of 64 pictures.
    Job("labels", "shop91_small", LABELLED, (*SMALL, "epochs=40"), ("top1",)),
    Job("taught", "shop91_small", LABELLED, (*SMALL, *TAUGHT, "epochs=18"), ("top1",), taught=True),
)
CARDS = (
    "model.arch=picodet_s",
    "augment.mosaic=0.5",
    "augment.turn=0.5",
    "epochs=48",
    "augment.mosaic_epochs=40",
    "loss.switch_epoch=10",
    "data.height=256",
    "data.width=256",
    "data.sizes=[192,224,256,288]",
)
GOODS = (
    ARCH,
    "data.train_size=96",
    'data.eval={"height": 112, "width": 112, "mode": "stretch"}',
    "data.cache_short=128",
    "epochs=20",
)


def _starts(name: str, recipe: str, pack: str, changes: tuple[str, ...], *scores: str) -> list[Job]:
    """A training from nothing and from each classifier."""
    starts = {"from nothing": None, "from labels": "labels", "from a distilled one": "taught"}
    return [
        Job(f"{name} {words}", recipe, (pack,), changes, scores, init=init)
        for words, init in starts.items()
    ]


TABLES: dict[str, list[Job]] = {
    "classifiers": list(CLASSIFIERS),
    "detect": _starts("cards", "picodet_small", "det_cards", CARDS, "map", "map_50"),
    "embed": _starts("groceries", "embed_small", "ret_grocerystore81", GOODS, "recall_at_1", "map"),
}


def folder(job: Job, seed: int) -> str:
    """Where its run lies."""
    return f"{job.name.replace(' ', '_')}-seed{seed}"


def digest(job: Job, seed: int, *, toy: bool = False) -> str:
    """Of what decides about its result."""
    makers = [repr(one) for one in CLASSIFIERS if one.name == job.init]
    return digest_of([repr(job), seed, toy, makers, [TEACHER, *POOL] if job.taught else []])


def train(job: Job, seed: int, packs: Path, runs: Path, ledger: Path, *, toy: bool = False) -> None:
    """Run one training on one thread, unless it is finished, and write it down."""
    out, known = runs / folder(job, seed), digest(job, seed, toy=toy)
    if not is_due(ledger, known, out, others_start_from_it=job in CLASSIFIERS):
        return
    command = ["saccade", "train", job.recipe]
    if job.taught:
        command = ["saccade", "distill", "--student", job.recipe, "--teacher", TEACHER]
        command += [part for name in POOL for part in ("--unlabelled", str(packs / f"{name}.zip"))]
    command += [part for name in job.packs for part in ("--data", str(packs / f"{name}.zip"))]
    command += [*job.changes, "eval_every=100000", f"seed={seed}"]
    command += ["epochs=1"] if toy else []
    if job.init is not None:
        start = next(one for one in CLASSIFIERS if one.name == job.init)
        command.append(f"init={runs / folder(start, seed)}")
    run_and_add(ledger, known, command, out, job.scores, name=job.name, seed=seed)


def table(jobs: list[Job], seeds: range, ledger: Path, *, toy: bool = False) -> str:
    """The Markdown table of what is finished."""
    done = finished(ledger)
    keys = {job.name: [digest(job, seed, toy=toy) for seed in seeds] for job in jobs}
    rows = {name: [done[key] for key in each if key in done] for name, each in keys.items()}
    return score_table(rows, jobs[0].scores)


def main() -> None:
    """Train what is missing, print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--packs", type=Path, required=True)
    parser.add_argument("--runs", type=Path, default=Path("runs/transfer"))
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--only", choices=TABLES, action="append", help="this table (repeatable)")
    parser.add_argument("--table", action="store_true", help="train nothing, print what is there")
    parser.add_argument("--toy", action="store_true")
    given = parser.parse_args()
    seeds, names = range(given.seeds), given.only or list(TABLES)
    runs = (given.runs / "toy" if given.toy else given.runs).resolve()
    ledger = runs / "toy.jsonl" if given.toy else LEDGER
    if not given.table:
        runs.mkdir(parents=True, exist_ok=True)
        for seed in seeds:
            for name in dict.fromkeys(["classifiers", *names]):
                for job in TABLES[name]:
                    train(job, seed, given.packs, runs, ledger, toy=given.toy)
    for name in names:
        print(f"\n{name}\n\n{table(TABLES[name], seeds, ledger, toy=given.toy)}")


if __name__ == "__main__":
    main()
