"""The pass over a pool: each file is compared and scored once, batch by batch, into the journal."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Executor
from dataclasses import replace

from saccade.mining.duplicates import KnownPictures, Look, Mode
from saccade.mining.journal import Entry, Journal
from saccade.mining.output import listable
from saccade.mining.pool import Picture, Stray
from saccade.mining.reading import Seen, see
from saccade.mining.scores import best_classes, score, top_scores
from saccade.tasks.classify import Classifier

__all__ = ["mine"]


def mine(
    group: Iterable[Picture | Stray],
    journal: Journal,
    teacher: Classifier,
    known: KnownPictures,
    mode: Mode,
    readers: Executor,
) -> int:
    """Bring the journal up to date for some files of a pool.

    What the journal knows is not done again: an unchanged picture is scored once, and compared once
    with each set of validation pictures. Copies of those are not scored.

    Args:
        group: the files; they go through the teacher together.
        journal: what is known so far; one transaction is written.
        teacher: scores.
        known: the validation pictures.
        mode: how to compare with them.
        readers: reads pictures, several at once.

    Returns:
        How many pictures were scored.
    """
    files = {one.where: one for one in group}
    before = journal.look_up(list(files))
    kept: list[str] = []
    changed: list[Entry] = []
    to_read: list[tuple[Picture, Entry]] = []
    for where, one in files.items():
        entry = before.get(where)
        if isinstance(one, Stray):
            changed.append(Entry(where, one.source, "", one.reason))
        elif not listable(where):
            reason = "its name can't stand in a list (not UTF-8, or with a tab or line break)"
            changed.append(Entry(where, one.source, one.stamp, reason))
        elif entry is None or entry.stamp != one.stamp:
            to_read.append((one, Entry(where, one.source, one.stamp)))
        elif entry.problem or entry.checked == known.digest:
            kept.append(where)
        elif mode == "sift":
            to_read.append((one, entry))
        else:
            entry = _compare(entry, Look(entry.sha256, entry.hashed), known)
            if entry.copy_of or entry.label >= 0:
                changed.append(entry)
            else:  # was a copy of a validation picture that is no more, and never scored
                to_read.append((one, entry))
    sift = mode == "sift" and len(known) > 0
    prepare = teacher.card.prepare
    answers = readers.map(
        lambda job: see(job[0], sift=sift, prepare=prepare if job[1].label < 0 else None), to_read
    )
    to_score: list[tuple[Entry, Seen]] = []
    for (_, entry), seen in zip(to_read, answers, strict=True):
        if isinstance(seen, str):
            changed.append(replace(entry, problem=seen))
            continue
        entry = replace(entry, sha256=seen.look.sha256, hash=seen.look.hashed.tobytes())
        entry = _compare(entry, seen.look, known)
        if entry.copy_of or seen.pixels is None:
            changed.append(entry)
        else:
            to_score.append((entry, seen))
    changed += _score(to_score, teacher)
    journal.write(changed, kept)
    return len(to_score)


def _compare(entry: Entry, look: Look, known: KnownPictures) -> Entry:
    copy = known.find(look)
    return replace(
        entry,
        copy_of="" if copy is None else copy.of,
        how="" if copy is None else copy.how,
        checked=known.digest,
    )


def _score(jobs: list[tuple[Entry, Seen]], teacher: Classifier) -> list[Entry]:
    if not jobs:
        return []
    scores = score(teacher, [seen.pixels for _, seen in jobs if seen.pixels is not None])
    labels, best = best_classes(scores)
    return [
        replace(
            entry,
            label=int(labels[row]),
            # Nine digits hold a float32; what the side file shows is what is compared.
            score=float(f"{best[row]:.9g}"),
            top=top_scores(scores[row]),
        )
        for row, (entry, _) in enumerate(jobs)
    ]
