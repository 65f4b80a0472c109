"""Few labels and many pictures, at a size that a laptop can train: docs/how-to/semi.md.

    python benchmarks/semi.py --packs FOLDER [--seeds 3] [--share 10 --share 25] [--only mining]

takes the 10,000 training pictures of ``cls_cifar10_subset.zip``, keeps the labels of 10 % (25 %) of
each class, drawn by the seed, and compares, one thread a training:

- supervised: the labelled pictures alone. That is round 0 of the mining;
- supervised, as long: the same for as many steps as the last round of the mining may make;
- mining, round 1, 2, ... (``mining_small``), with the share of the pool that each round kept and
  how many of its pseudo labels were right;
- FixMatch and FreeMatch (``fixmatch_small``, ``freematch_small``).

Printed: top-1 on ``val`` after the last epoch (of each round), mean and half the spread between the
seeds. No training looks at ``val`` before that. A finished training is one line of
``benchmarks/results/semi.jsonl`` and is not repeated; an interrupted one goes on. ``--table``
trains nothing; ``--toy`` does everything with 200 pictures in a minute, into a ledger of its own.
"""

from __future__ import annotations

import json
import statistics
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ledger import (
    add,
    digest_of,
    finished,
    mean_and_spread,
    places_of,
    run_single,
    said_by,
    trainings_parser,
)
from saccade_train.recipes import MiningRecipe, Recipe, dump_recipe, load_recipe

LEDGER = Path(__file__).parent / "results" / "semi.jsonl"
PACK = "cls_cifar10_subset.zip"
LABELLED = 10_000
METHODS = ("mining", "supervised, as long", "fixmatch", "freematch")
TOY = ("epochs=2", "batch_size=16")


@dataclass(frozen=True)
class Job:
    """One training."""

    method: str
    share: int
    seed: int
    toy: bool = False

    @property
    def recipe(self) -> Recipe:
        """What it does; its evaluation comes last, so that nothing is chosen by ``val``."""
        changes = [f"seed={self.seed}", "eval_every=100000", *(TOY if self.toy else ())]
        if self.method in ("fixmatch", "freematch"):
            return load_recipe(f"{self.method}_small", changes)
        if self.toy:
            changes += ["mining.rounds=2", "mining.round_epochs=[4, 2]", "mining.thresholds=[0.12]"]
        recipe = load_recipe("mining_small", changes)
        assert isinstance(recipe, MiningRecipe)
        if self.method == "mining":
            return recipe
        # As many steps as the last round has with the whole pool.
        last = recipe.of_round(recipe.mining.rounds).epochs
        return recipe.of_round(0).model_copy(update={"epochs": round(last * 100 / self.share)})

    @property
    def folder(self) -> str:
        """Where its run lies."""
        return f"{self.method.replace(', ', '-').replace(' ', '_')}-{self.share}-seed{self.seed}"

    @property
    def digest(self) -> str:
        """Of what decides about its result."""
        return digest_of([PACK, self.share, self.toy, said_by(self.recipe)])


def split(
    pack: Path, share: int, seed: int, place: Path, *, toy: bool = False
) -> tuple[Path, Path]:
    """Unpack a pack into labelled pictures (with ``val``) and a pool.

    Args:
        pack: With ``train/CLASS/*.jpg`` and ``val/CLASS/*.jpg``.
        share: Percent of each class that keep their label.
        seed: Which ones.
        place: Where to; what is there already is left as it is.
        toy: Take 20 pictures of each class only, 5 of val.

    Returns:
        The folder of the labelled pictures and that of the pool.
    """
    labelled, pool = place / "labelled", place / "pool"
    if (place / "whole").exists():
        return labelled, pool
    with zipfile.ZipFile(pack) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))
        classes = sorted({name.split("/")[1] for name in names})
        for number, label in enumerate(classes):
            rng = np.random.default_rng([seed, share, number])
            ours = [name for name in names if name.startswith(f"train/{label}/")]
            seen = [name for name in names if name.startswith(f"val/{label}/")]
            order = rng.permutation(len(ours))[: 20 if toy else None]
            count = round(len(order) * share / 100)
            moves = [(ours[one], labelled / "train" / label) for one in order[:count]]
            moves += [(ours[one], pool / label) for one in order[count:]]
            moves += [(name, labelled / "val" / label) for name in seen[: 5 if toy else None]]
            for name, folder in moves:
                folder.mkdir(parents=True, exist_ok=True)
                (folder / Path(name).name).write_bytes(archive.read(name))
    (place / "whole").touch()
    return labelled, pool


def train(job: Job, packs: Path, runs: Path, ledger: Path) -> None:
    """Run one training on one thread, unless it is finished, and write it down."""
    if job.digest in finished(ledger):
        return
    place = runs / f"split-{job.share}-seed{job.seed}"
    labelled, pool = split(packs / PACK, job.share, job.seed, place, toy=job.toy)
    out = runs / job.folder
    recipe = runs / f"{job.folder}.yaml"
    recipe.write_text(dump_recipe(job.recipe))
    command = ["saccade", "train", str(recipe), "--data", str(labelled), "--out", str(out)]
    if job.method != "supervised, as long":
        command += ["--unlabelled", str(pool)]
    if not run_single(command, Path(f"{out}.log")):
        print(f"{job.folder}: FAILED, see {out}.log", flush=True)
        return
    summary = json.loads((out / "summary.json").read_text())
    entry: dict[str, Any] = {"method": job.method, "share": job.share, "seed": job.seed}
    entry |= {"top1": summary["last_scores"]["top1"], "steps": summary["steps"]}
    entry |= {"seconds": summary["seconds"]}
    if job.method == "mining":
        entry["rounds"] = rounds_of(out)
    add(ledger, job.digest, entry)
    print(f"{job.folder}: top-1 {entry['top1']:.3f}", flush=True)


def rounds_of(out: Path) -> list[dict[str, Any]]:
    """Top-1, share kept and share of right pseudo labels of each round."""
    found = []
    for one in json.loads((out / "rounds.json").read_text()):
        folder = out / f"round-{one['round']}"
        values = {"kept": one["kept_share"], "steps": one["steps"], "seconds": one["seconds"]}
        if one["trained"]:
            summary = json.loads((folder / "summary.json").read_text())
            values["top1"] = summary["last_scores"]["top1"]
        if one["kept"]:
            rows = [line.split("\t") for line in (folder / "pseudo.tsv").read_text().splitlines()]
            # The pool's folders are its true classes; nobody but this line looks at them.
            values["right"] = statistics.mean(Path(row[0]).parent.name == row[1] for row in rows)
        found.append(values)
    return found


def rows_of(entries: list[dict[str, Any]], method: str) -> list[list[str]]:
    """The rows of a table that a method fills: cells as text."""
    if method != "mining":
        top1 = mean_and_spread([100 * entry["top1"] for entry in entries])
        steps = statistics.mean(entry["steps"] for entry in entries)
        seconds = statistics.mean(entry["seconds"] for entry in entries)
        return [[method, top1, "-", "-", f"{steps:.0f}", f"{seconds:.0f}"]]
    rows = []
    for number in range(min(len(entry["rounds"]) for entry in entries)):
        each = [entry["rounds"][number] for entry in entries]
        if any("top1" not in one for one in each):
            rows.append([f"mining, round {number}", "nothing kept", "0", "-", "-", "-"])
            continue
        names = ("kept", "right") if number else ()
        shares = [mean_and_spread([100 * one[name] for one in each]) for name in names]
        rows.append(
            [
                f"mining, round {number}" if number else "supervised",
                mean_and_spread([100 * one["top1"] for one in each]),
                *(shares or ["-", "-"]),
                f"{statistics.mean(one['steps'] for one in each):.0f}",
                f"{statistics.mean(one['seconds'] for one in each):.0f}",
            ]
        )
    return rows


def table(share: int, seeds: range, ledger: Path, *, toy: bool = False) -> str:
    """The Markdown table of everything that is finished."""
    done = finished(ledger)
    lines = [
        f"{share} % of the labels:\n",
        "| what | top-1 % | pool kept % | of these right % | steps | seconds |",
        "|---|---|---|---|---|---|",
    ]
    for method in METHODS:
        found = [done.get(Job(method, share, seed, toy).digest) for seed in seeds]
        entries = [entry for entry in found if entry is not None]
        if entries:
            lines += [f"| {' | '.join(row)} |" for row in rows_of(entries, method)]
    return "\n".join(lines)


def main() -> None:
    """Train what is missing, print the tables."""
    parser = trainings_parser(__doc__, runs="runs/semi", seeds=3, only=METHODS)
    parser.add_argument("--share", type=int, action="append", help="percent; default 10 and 25")
    given = parser.parse_args()
    seeds, shares = range(given.seeds), given.share or [10, 25]
    runs, ledger = places_of(given, LEDGER)
    if not given.table:
        runs.mkdir(parents=True, exist_ok=True)
        for seed in seeds:
            for share in shares:
                for method in given.only or METHODS:
                    train(Job(method, share, seed, given.toy), given.packs, runs, ledger)
    for share in shares:
        print(f"\n{table(share, seeds, ledger, toy=given.toy)}")


if __name__ == "__main__":
    main()
