"""From a pool of unlabelled pictures to a list of labelled ones: the data mining of SSLD.

SSLD (arXiv 2103.05959; `PaddlePaddle/PaddleClas:docs/en/advanced_tutorials/distillation/
distillation_en.md`, 2.2) drops the pictures of the pool that are in the validation set, scores the
rest with a strong classifier, gives each to its best class, and takes the k of highest score of
each class. The selected pictures then join the training set, whose labels are ignored.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from saccade.errors import DatasetError, OptionError, Problem, nearest
from saccade.mining.duplicates import MODES, Mode
from saccade.mining.journal import Entry, Journal
from saccade.mining.output import (
    FORMAT,
    Outputs,
    check_classes,
    describe,
    list_lines,
    status,
    write_lines,
)
from saccade.mining.pool import Place, walk
from saccade.mining.reading import groups, known_pictures, notes_on
from saccade.mining.report import STATUSES, LabelReport, Leak
from saccade.mining.scoring import mine
from saccade.mining.select import choose
from saccade.modelfile import fingerprint
from saccade.runtime.threads import available_threads
from saccade.tasks.classify import Classifier

__all__ = ["label_pool"]

_MOST_PROBLEMS = 100
_PAGE = 1024
_MOST_BATCH = 1024


def label_pool(
    teacher: Place,
    pool: Sequence[Place],
    out: Place,
    *,
    per_class: int,
    val: Sequence[Place] = (),
    least_score: float = 0.0,
    near_duplicates: Mode = "fast",
    batch: int = 32,
    runtime: str = "onnxruntime",
    threads: int | None = None,
    track: Callable[[Iterable[Any]], Iterable[Any]] = iter,
) -> LabelReport:
    """Select the pictures of a pool that a teacher is surest of, and write them to a list.

    The pool may be larger than memory. Whatever happens, the same call goes on where the last one
    stopped; another ``per_class``, ``least_score`` or ``val`` uses the scores that are there.

    Args:
        teacher: name of a shipped classifier, or an ``.onnx`` file with a card.
        pool: folders, list files and ``.zip`` packs, see :mod:`saccade.mining.pool`.
        out: the list to write, ending in ``.txt``, or a folder for it; see
            :mod:`saccade.mining.output`.
        per_class: pictures of each class at most.
        val: places with the pictures that must not be in the list.
        least_score: pictures of a lower score are not selected, 0 to 1.
        near_duplicates: how to tell copies, one of :data:`saccade.mining.duplicates.MODES`.
        batch: pictures that are scored, and written to the journal, together.
        runtime: see :func:`saccade.runtime.open_session`.
        threads: likewise; as many read pictures.
        track: is handed the batches and passes them on, to show progress.

    Returns:
        What was found and written.

    Raises:
        OptionError: an option outside its range.
        UnknownModel, ModelFileError: the teacher can't be used.
        DatasetError: a place holds nothing, no picture could be selected, a journal of another
            teacher, or the list can't be written.
    """
    _check(pool, per_class, least_score, near_duplicates, batch)
    classifier = Classifier(teacher, runtime=runtime, threads=threads)
    check_classes(classifier.labels, str(classifier.path))
    name, print_ = classifier.path.stem, fingerprint(classifier.path)
    notes = notes_on(pool, val)
    outputs = Outputs.at(out)
    outputs.claim(classifier.labels)
    count = available_threads(threads)
    with Journal(outputs.journal, name, _identity(classifier, print_)) as journal:
        known, problems = known_pictures(val, near_duplicates, count)
        if val and not len(known):
            raise DatasetError(
                f"{', '.join(map(str, val))}: no picture to compare with ({len(problems)} other "
                "files); check --val"
            )
        journal.start()
        scored = 0
        files = (one for place in pool for one in walk(place))
        with ThreadPoolExecutor(count, thread_name_prefix="saccade-mine") as readers:
            for group in track(groups(files, batch)):
                scored += mine(group, journal, classifier, known, near_duplicates, readers)
        for label in range(len(classifier.labels)):
            ranked = journal.ranked(label)
            chosen = choose(
                ranked, per_class, least_score=least_score, near_copies=near_duplicates != "off"
            )
            for decisions in groups(((one.where, reason) for one, reason in chosen), _PAGE):
                journal.decide(decisions)
        header = {
            "format": FORMAT,
            "teacher": name,
            "fingerprint": print_,
            "per_class": per_class,
            "least_score": least_score,
            "near_duplicates": near_duplicates,
            "pool": [os.fspath(place) for place in pool],
            "val": [os.fspath(place) for place in val],
            "val_pictures": len(known),
        }
        tally = _Tally(problems)
        _write(outputs, journal, classifier.labels, header, tally)
    return LabelReport(
        list=str(outputs.list),
        classes_file=str(outputs.classes),
        details=str(outputs.details),
        journal=str(outputs.journal),
        teacher=name,
        fingerprint=print_,
        scored=scored,
        files={one: tally.files[one] for one in STATUSES},
        classes={one: tally.classes[n] for n, one in enumerate(classifier.labels)},
        leaks=tuple(tally.leaks),
        problems=tuple(tally.problems[:_MOST_PROBLEMS]),
        notes=tuple(notes),
    )


@dataclass
class _Tally:
    """Counts what became of the files of a pool as they go by."""

    problems: list[Problem]
    leaks: list[Leak] = field(default_factory=list)
    files: Counter[str] = field(default_factory=Counter)
    classes: Counter[int] = field(default_factory=Counter)

    def watch(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        for entry in entries:
            told = status(entry)
            self.files[told] += 1
            if told == "selected":
                self.classes[entry.label] += 1
            elif told == "validation":
                self.leaks.append(Leak(entry.where, entry.copy_of, entry.how))
            elif entry.problem and len(self.problems) < _MOST_PROBLEMS:
                self.problems.append(Problem(entry.where, entry.problem))
            yield entry


def _write(
    outputs: Outputs,
    journal: Journal,
    classes: Sequence[str],
    header: dict[str, Any],
    tally: _Tally,
) -> None:
    def details() -> Iterator[str]:
        yield json.dumps(header, ensure_ascii=False)
        for entry in tally.watch(journal.everything()):
            yield json.dumps(describe(entry, classes), ensure_ascii=False)

    write_lines(outputs.details, details())
    if not tally.files["selected"]:
        counts = ", ".join(f"{count} {name}" for name, count in tally.files.items())
        raise DatasetError(
            f"no picture was selected ({counts or 'the pool is empty'}); see {outputs.details}"
        )
    lines = list_lines(journal.selected(), classes, tally.classes, outputs.list.parent)
    write_lines(outputs.classes, classes)
    write_lines(outputs.list, lines)


def _identity(classifier: Classifier, print_: str) -> str:
    """Tells teachers apart: the graph, what it is given, and what its classes are called."""
    said = json.dumps([classifier.card.prepare.to_dict(), list(classifier.labels)])
    return hashlib.sha256(f"{print_} {said}".encode()).hexdigest()


def _check(
    pool: Sequence[Place], per_class: int, least_score: float, near_duplicates: str, batch: int
) -> None:
    if isinstance(pool, str | os.PathLike):
        raise OptionError(f"pool is one place ({pool}); pass a list of places")
    if not pool:
        raise OptionError("no pool; name at least one place of pictures")
    if isinstance(per_class, bool) or not isinstance(per_class, int) or per_class < 1:
        raise OptionError(f"per_class is {per_class!r}; expected a whole number, at least 1")
    if not 0 <= least_score <= 1:
        raise OptionError(f"least_score is {least_score!r}; expected a number from 0 to 1")
    if near_duplicates not in MODES:
        raise OptionError(
            f"near_duplicates is {near_duplicates!r}; {nearest(str(near_duplicates), MODES)}"
        )
    if isinstance(batch, bool) or not isinstance(batch, int) or not 1 <= batch <= _MOST_BATCH:
        raise OptionError(f"batch is {batch!r}; expected a whole number from 1 to {_MOST_BATCH}")
