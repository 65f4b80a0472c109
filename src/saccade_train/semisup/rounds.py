"""Iterative pseudo-label mining, as the FGVC7 entry enlarges its training set (arXiv 2006.10702).

Round 0 learns from the labelled pictures. In each later round the models of the rounds before name
the pictures of the pool that they are sure of, and a training from the same initial weights learns
from those and the labelled ones. The names are made anew every round: a wrong one has no heirs
unless it convinces again. Thresholds and the number of rounds of the entry are not published
(*unverified* in the specification); the defaults are the project's.

::

    RUN/round-0, round-1, ...    ordinary run folders; round-1/pseudo.tsv: who got which name
    RUN/rounds.json              what each round kept, and its scores
    RUN/best, recipe.yaml, ...   the best round's weights: RUN exports like any other run
"""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from saccade.errors import OptionError
from saccade.metrics.classify import confusion_matrix, per_class_accuracy
from saccade_train.recipes import MiningRecipe, dump_recipe
from saccade_train.training.checkpoint import (
    find_folder,
    load_state,
    load_tensors,
    write_folder,
    write_text,
)
from saccade_train.training.data import Places
from saccade_train.training.loop import Summary, train
from saccade_train.training.opening import check_network
from saccade_train.training.pool import load_pool
from saccade_train.training.report import Report
from saccade_train.training.run import clear_run, only_writer
from saccade_train.training.setup import load_data, make_fabric

from . import pseudo
from .teachers import Opinion, ask_teachers

__all__ = ["Round", "mine", "read_rounds"]


@dataclass(frozen=True)
class Round:
    """What a round was."""

    round: int
    threshold: float | None
    """None: round 0, which has no pseudo labels."""
    pool: int
    """Unlabelled pictures."""
    kept: int
    """Those that got a name."""
    kept_share: float
    unsure: int
    """Those below the threshold."""
    outside: int
    """Those that the filter took for none of the classes."""
    capped: int
    """Those that were one too many of their class."""
    counts: dict[str, int]
    """Names given, by class."""
    empty_classes: tuple[str, ...]
    """Classes that received none."""
    trained: bool
    """False if nothing was kept: then there was nothing new to learn."""
    scores: dict[str, float]
    """Of the best weights of the round, on the evaluation pictures."""
    recall: dict[str, float]
    """Share of the evaluation pictures of each class that are recognised."""
    steps: int
    seconds: float


def read_rounds(run: Path | str) -> list[Round]:
    """The rounds that a run folder tells of, in order; empty if there is no ``rounds.json``."""
    try:
        told = json.loads((Path(run) / "rounds.json").read_text("utf-8"))
    except (OSError, ValueError):
        return []
    return [Round(**{**one, "empty_classes": tuple(one["empty_classes"])}) for one in told]


def mine(
    recipe: MiningRecipe,
    data: Places,
    out: Path | str,
    *,
    val: Places = (),
    unlabelled: Places = (),
    restart: bool = False,
    quiet: bool = False,
    device: str = "auto",
    tensorboard: bool = True,
) -> Summary:
    """Train round after round, or go on where it was stopped.

    Args:
        recipe: What to do.
        data: Labelled pictures; see :func:`saccade_train.training.loop.train`.
        out: The run folder.
        val: Pictures to evaluate with, as there.
        unlabelled: The pool. Copies of evaluation pictures and of labelled ones are left out.
        restart: Throw away what the run folder holds.
        quiet: Say nothing on the terminal.
        device: "auto", "cpu" or "cuda".
        tensorboard: Write ``tb/`` too, in each round.

    Returns:
        Of the best round, with the steps and seconds of all; ``last_scores`` are the last round's.

    Raises:
        OptionError: No pool, or several processes.
        TrainingError: The folder belongs to another training.
        DatasetError: The pictures don't fit together.
    """
    out = Path(out)
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise OptionError("mining runs in one process; start it without torchrun")
    check_network(recipe)
    speaker = Report(out, total=0, active=True, quiet=quiet, files=False)
    with only_writer(out):
        if restart:
            _clear(out)
        mining = _Mining(recipe, data, val, unlabelled, out, speaker, device)
        return mining.run(quiet=quiet, tensorboard=tensorboard)


class _Mining:
    """Rounds in progress."""

    def __init__(
        self,
        recipe: MiningRecipe,
        data: Places,
        val: Places,
        unlabelled: Places,
        out: Path,
        speaker: Report,
        device: str,
    ) -> None:
        self.recipe, self.out, self.speaker, self.device = recipe, out, speaker, device
        self.fabric = make_fabric(recipe, device)
        self.labelled = load_data(recipe, data, val, report=speaker)
        self.pool = load_pool(
            recipe,
            self.labelled,
            unlabelled,
            outside=recipe.mining.outside,
            without_labelled=True,
            report=speaker,
        )
        self.counts = self.labelled.train.items.counts()
        smoothing, classes = recipe.label_smoothing, len(self.labelled.classes)
        ceiling = 1 - smoothing + smoothing / classes
        if max(recipe.mining.thresholds) > ceiling:
            speaker.say(
                f"warning: label_smoothing={smoothing:g} teaches confidences of {ceiling:.3f} at "
                f"most, and a threshold is {max(recipe.mining.thresholds):g}; little will be kept"
            )
        self.rounds: list[Round] = []
        self.trained: list[tuple[Path, Summary]] = []

    def run(self, *, quiet: bool, tensorboard: bool) -> Summary:
        """All rounds, until the end or a signal."""
        options = self.recipe.mining
        for round_ in range(options.rounds + 1):
            folder = self.out / f"round-{round_}"
            loaded, names = self.labelled, None
            if round_:
                names = self._names(round_, folder)
                if not len(names.selection.numbers):
                    self._remember(round_, names, None)
                    continue
                loaded = pseudo.join(self.recipe, self.labelled, self.pool, names)
                self.speaker.say(self._told(round_, names))
            summary = train(
                self.recipe.of_round(round_),
                (),
                folder,
                quiet=quiet,
                device=self.device,
                tensorboard=tensorboard,
                loaded=loaded,
            )
            if summary.stopped_by is not None:
                return replace(summary, out=self.out)
            self.trained.append((folder, summary))
            self._remember(round_, names, summary)
            if options.stop_early and self._at_rest():
                self.speaker.say(f"round {round_}: neither pseudo labels nor top1 rose; that is it")
                break
        return self._finish()

    def _names(self, round_: int, folder: Path) -> pseudo.PseudoLabels:
        """The pseudo labels of a round: those that are on disk, or new ones."""
        runs = [run for run, _ in self.trained[-self.recipe.mining.teachers :]]
        mark = pseudo.origin(self.recipe, round_, runs, self.labelled, self.pool)
        found = pseudo.load(folder, mark)
        if found is not None:
            return found
        opinion = self._asked(runs, of_pool=True)
        rejects = self.recipe.mining.reject != "none"
        of_val = self._asked(runs, of_pool=False) if rejects else None
        names = pseudo.choose(self.recipe, round_, opinion, of_val, self.counts)
        pseudo.save(folder, names, mark, self.pool, self.labelled)
        return names

    def _asked(self, runs: list[Path], *, of_pool: bool, flips: bool | None = None) -> Opinion:
        """What models think of the pool, or of the evaluation pictures."""
        pictures = self.pool if of_pool else self.labelled.val[""]
        prepare = self.recipe.data.eval.prepare()
        return ask_teachers(
            runs,
            # The pool is held as training pictures are, the others as they are evaluated.
            (lambda number: prepare(pictures[number])) if of_pool else pictures.__getitem__,
            len(pictures),
            recipe=self.recipe,
            fabric=self.fabric,
            flips=self.recipe.mining.flips if flips is None else flips,
        )

    def _told(self, round_: int, names: pseudo.PseudoLabels) -> str:
        """One line on the pseudo labels of a round."""
        selection, classes = names.selection, self.labelled.classes
        kept, total = len(selection.numbers), len(self.pool)
        threshold = self.recipe.mining.threshold(round_)
        line = (
            f"round {round_}: {kept} of {total} unlabelled pictures ({kept / total:.1%}) get a name"
            f" at {threshold:g}; {selection.unsure} are unsure"
        )
        if selection.outside:
            line += f", {selection.outside} of no class"
        if selection.capped:
            line += f", {selection.capped} too many of their class"
        empty = [classes[label] for label in selection.empty_classes]
        if empty:
            more = f" and {len(empty) - 8} more" if len(empty) > 8 else ""
            line += f"; {len(empty)} classes receive none: {', '.join(empty[:8])}{more}"
        else:
            least, most = int(selection.counts.argmin()), int(selection.counts.argmax())
            line += (
                f"; from {selection.counts[least]} ({classes[least]}) to {selection.counts[most]} "
                f"({classes[most]}) a class"
            )
        return line

    def _remember(
        self, round_: int, names: pseudo.PseudoLabels | None, summary: Summary | None
    ) -> None:
        """Add a round to the report, and say how it went."""
        classes, total = self.labelled.classes, len(self.pool)
        selection = names.selection if names else None
        kept = len(selection.numbers) if selection else 0
        counts = selection.counts if selection else np.zeros(len(classes), np.int64)
        scores = dict(summary.scores) if summary else {}
        done = Round(
            round=round_,
            threshold=self.recipe.mining.threshold(round_) if selection else None,
            pool=total,
            kept=kept,
            kept_share=kept / total,
            unsure=selection.unsure if selection else 0,
            outside=selection.outside if selection else 0,
            capped=selection.capped if selection else 0,
            counts={name: int(count) for name, count in zip(classes, counts, strict=True)},
            empty_classes=tuple(classes[i] for i in selection.empty_classes) if selection else (),
            trained=summary is not None,
            scores=scores,
            recall=self._recall() if summary else {},
            steps=summary.steps if summary else 0,
            seconds=summary.seconds if summary else 0.0,
        )
        self.rounds.append(done)
        told = [asdict(one) for one in self.rounds]
        write_text(self.out / "rounds.json", json.dumps(told, indent=1) + "\n")
        if summary is None:
            self.speaker.say(
                f"round {round_}: no unlabelled picture reaches {done.threshold:g}, so there is "
                "nothing new to learn; lower mining.thresholds"
            )
            return
        line = f"round {round_}: top1 {scores['top1']:.4f}"
        if round_:
            line += f" ({scores['top1'] - self.rounds[0].scores['top1']:+.4f} against round 0)"
        self.speaker.say(line)

    def _recall(self) -> dict[str, float]:
        """Of the newest model, on the evaluation pictures."""
        opinion = self._asked([self.trained[-1][0]], of_pool=False, flips=False)
        labels, classes = self.labelled.val[""].items.labels, self.labelled.classes
        matrix = confusion_matrix(labels, opinion.probabilities.argmax(1), len(classes))
        shares = per_class_accuracy(matrix)
        return {
            name: float(share)
            for name, share in zip(classes, shares, strict=True)
            if not np.isnan(share)
        }

    def _at_rest(self) -> bool:
        """Whether the newest round brought neither more names nor a better score."""
        if len(self.rounds) < 2:
            return False
        *before, last = [one for one in self.rounds if one.trained]
        best = max(one.scores["top1"] for one in before)
        return last.kept <= before[-1].kept and last.scores["top1"] <= best

    def _finish(self) -> Summary:
        """Make the run folder that of the best round."""
        summaries = [summary for _, summary in self.trained]
        run, best = max(self.trained, key=lambda pair: pair[1].scores["top1"])
        folder = find_folder(run / "best")
        assert folder is not None
        tensors = load_tensors(folder / "model.safetensors")
        state = {**load_state(folder), "round": run.name}
        write_folder(self.out / "best", {"model": tensors}, state)
        write_text(self.out / "recipe.yaml", dump_recipe(self.recipe))
        for name in ("classes.txt", "skipped.txt"):
            write_text(self.out / name, (run / name).read_text("utf-8"))
        summary = replace(
            best,
            out=self.out,
            last_scores=summaries[-1].scores,
            steps=sum(one.steps for one in summaries),
            seconds=round(sum(one.seconds for one in summaries), 1),
        )
        write_text(self.out / "summary.json", json.dumps(summary.to_dict(), indent=1) + "\n")
        self.speaker.say(f"the best round is {run.name}; {self.out} holds its weights")
        return summary


def _clear(out: Path) -> None:
    """Remove what an earlier mining wrote; other files stay."""
    clear_run(out)
    (out / "rounds.json").unlink(missing_ok=True)
    for folder in out.glob("round-*"):
        if re.fullmatch(r"round-\d+", folder.name):
            shutil.rmtree(folder)
