"""What SSLD's ingredients give at a size that a laptop can train: docs/how-to/distill.md.

    python benchmarks/ssld.py --packs FOLDER [--seeds 3] [--only TABLE]

takes the 10,000 training pictures of ``cls_cifar10_subset.zip`` and keeps the labels of 25 % of
each class, drawn by the seed. A teacher (ResNet18-vd of a quarter of the width) learns from those;
the student is PP-LCNet x0.5. All students make the same number of steps, unless the row says
otherwise. Tables:

- ``main``: the student alone, taught by the teacher on the labelled pictures, and on these and the
  7,500 others;
- ``ingredients``: one thing changed at a time, as the authors' table has it (arXiv 2103.05959):
  the loss, the teacher, how long, batch-norm of the teacher, stage 2, the fix stage;
- ``cost``: of one and two epochs with labels, with a teacher that is asked each step, and with one
  that is asked once. The difference is the second epoch; the rest the first, and starting;
- ``backbones``: the wider students from which ``transfer.py`` begins.

Seconds are those of the whole command.

Printed: top-1 on ``val`` after the last epoch, mean and half the spread between the seeds. No
training looks at ``val`` before that. A finished training is one line of
``benchmarks/results/ssld.jsonl`` and is not repeated; an interrupted one goes on. ``--table``
trains nothing; ``--toy`` does everything with 200 pictures, into a ledger of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledger import (
    digest_of,
    is_due,
    places_of,
    run_and_add,
    run_folder,
    score_table,
    trainings_parser,
)
from semi import PACK, split

LEDGER = Path(__file__).parent / "results" / "ssld.jsonl"
RECIPE = "small_cifar10"
SHARE = 25  # percent that keep their labels
STRIDES = "model.options.strides=[2, 1, 2, 2, 2]"
COMMON = (
    "label_smoothing=0",
    'augment.crop={"kind": "pad", "pad": 4, "fill": "reflect"}',
    "augment.policy=randaugment",
    "augment.randaugment_magnitude=5",
    "schedule.warmup_epochs=1",
    "ema.decay=0.99",
    "eval_every=100000",
)
STUDENT = (*COMMON, "model.arch=lcnet_x0_5", STRIDES)
LABELLED_EPOCHS, ALL_EPOCHS = 40, 10  # 1,560 steps of 64 pictures each


@dataclass(frozen=True)
class Job:
    """One training.

    Attributes:
        name: What it is called in tables and in the ledger.
        changes: ``key=value`` of the recipe :data:`RECIPE`.
        teacher: Name of the job whose network teaches; None: a training with labels.
        pool: Whether it sees the unlabelled pictures.
        options: Of ``saccade distill``.
        init: Name of the job whose weights it starts from.
    """

    name: str
    changes: tuple[str, ...]
    teacher: str | None = None
    pool: bool = False
    options: tuple[str, ...] = ()
    init: str | None = None


def _student(name: str, *changes: str, pool: bool = True, **others: Any) -> Job:
    """A distilled student; its table's row says what is changed."""
    epochs = f"epochs={ALL_EPOCHS if pool else LABELLED_EPOCHS}"
    return Job(name, (*STUDENT, epochs, *changes), pool=pool, **{"teacher": "teacher", **others})


RESNET = (*COMMON, "model.arch=resnet18_vd", "model.options.width=0.25", STRIDES)
TEACHERS = (
    Job("teacher", (*RESNET, "epochs=60")),
    Job("weaker teacher", (*RESNET, "epochs=8")),
)
# The width of PicoDet-S's backbone; a term that learns faster, see the ingredients.
WIDER = (*COMMON, "model.arch=lcnet_x0_75", STRIDES)
BACKBONES = (
    Job("x0.75 alone", (*WIDER, "epochs=60")),
    Job(
        "x0.75 taught",
        (*WIDER, 'terms=[{"loss": "kl"}]', "epochs=15"),
        teacher="teacher",
        pool=True,
    ),
)
SECOND = ("optimiser.lr=0.001", "schedule.warmup_epochs=0")
FIX = ('data.eval={"height": 40, "width": 40, "mode": "stretch"}', "data.cache_short=40")
TABLES: dict[str, tuple[Job, ...]] = {
    "main": (
        TEACHERS[0],
        Job("student alone", (*STUDENT, f"epochs={LABELLED_EPOCHS}")),
        _student("SSLD, labelled pictures only", pool=False),
        _student("SSLD, and unlabelled pictures"),
    ),
    "ingredients": (
        _student("cross entropy", 'terms=[{"loss": "cross_entropy"}]'),
        _student("KL", 'terms=[{"loss": "kl"}]'),
        _student("KL, twice the steps", 'terms=[{"loss": "kl"}]', f"epochs={ALL_EPOCHS * 2}"),
        TEACHERS[1],
        _student("weaker teacher's student", teacher="weaker teacher"),
        _student("teacher's batch-norm as learnt", options=("--bn", "eval")),
        _student("half the steps", f"epochs={ALL_EPOCHS // 2}"),
        _student("twice the steps", f"epochs={ALL_EPOCHS * 2}"),
        _student(
            "stage 2, 10 epochs of labelled pictures",
            *SECOND,
            "epochs=10",
            pool=False,
            init="SSLD, and unlabelled pictures",
        ),
        _student(
            "fix stage at 40 pixels, 5 epochs",
            *FIX,
            "stage=last_layer",
            "optimiser.lr=0.01",
            "schedule.warmup_epochs=0",
            "ema.decay=0",
            'augment={"flip": 0}',
            "epochs=5",
            init="SSLD, and unlabelled pictures",
        ),
    ),
    "cost": (
        Job("plain, 1 epoch", (*STUDENT, "epochs=1")),
        Job("plain, 2 epochs", (*STUDENT, "epochs=2")),
        _student("teacher asked each step, 1 epoch", "epochs=1", pool=False),
        _student("teacher asked each step, 2 epochs", "epochs=2", pool=False),
        _student("teacher cached, 1 epoch", "epochs=1", pool=False, options=("--cached",)),
        _student("teacher cached, 2 epochs", "epochs=2", pool=False, options=("--cached",)),
    ),
    "backbones": BACKBONES,
}


def digest(job: Job, seed: int, *, toy: bool = False) -> str:
    """Of what decides about its result."""
    makers = [one for one in _all() if one.name in (job.teacher, job.init)]
    return digest_of([PACK, SHARE, seed, toy, repr(job), [repr(maker) for maker in makers]])


def _all() -> list[Job]:
    return [job for jobs in TABLES.values() for job in jobs]


def train(job: Job, seed: int, packs: Path, runs: Path, ledger: Path, *, toy: bool = False) -> None:
    """Run one training on one thread, unless it is finished, and write it down."""
    out, known = runs / run_folder(job.name, seed), digest(job, seed, toy=toy)
    needed = job in BACKBONES or any(job.name in (one.teacher, one.init) for one in _all())
    if not is_due(ledger, known, out, others_start_from_it=needed):
        return
    labelled, pool = split(packs / PACK, SHARE, seed, runs / f"split-{seed}", toy=toy)
    command = ["saccade", "train", RECIPE]
    if job.teacher is not None:
        teacher = next(one for one in _all() if one.name == job.teacher)
        command = ["saccade", "distill", "--student", RECIPE, *job.options]
        command += ["--teacher", str(runs / run_folder(teacher.name, seed))]
    command += ["--data", str(labelled), *job.changes, f"seed={seed}"]
    command += ["--unlabelled", str(pool)] if job.pool else []
    command += ["epochs=2", "batch_size=16"] if toy else []
    if job.init is not None:
        start = next(one for one in _all() if one.name == job.init)
        command.append(f"init={runs / run_folder(start.name, seed)}")
    run_and_add(ledger, known, command, out, ["top1"], name=job.name, seed=seed)


def table(jobs: tuple[Job, ...], seeds: range, ledger: Path, *, toy: bool = False) -> str:
    """The Markdown table of what is finished."""
    rows = {job.name: [digest(job, seed, toy=toy) for seed in seeds] for job in jobs}
    return score_table(ledger, rows, ["top1"])


def main() -> None:
    """Train what is missing, print the tables."""
    given = trainings_parser(__doc__, runs="runs/ssld", seeds=3, only=TABLES).parse_args()
    seeds, names = range(given.seeds), given.only or list(TABLES)
    runs, ledger = places_of(given, LEDGER)
    if not given.table:
        runs.mkdir(parents=True, exist_ok=True)
        # What others start from comes first.
        for name in dict.fromkeys(["main", *names]):
            for seed in seeds:
                for job in TABLES[name]:
                    train(job, seed, given.packs, runs, ledger, toy=given.toy)
    for name in names:
        print(f"\n{name}\n\n{table(TABLES[name], seeds, ledger, toy=given.toy)}")


if __name__ == "__main__":
    main()
