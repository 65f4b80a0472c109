"""The pseudo labels of one round: made by teachers, kept as files, joined to labelled pictures.

::

    RUN/round-1/pseudo.tsv    PICTURE<TAB>CLASS<TAB>CONFIDENCE, for people
    RUN/round-1/pseudo.npz    the same by number, for a resume
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from saccade.errors import Problem
from saccade_train.losses import smooth_one_hot
from saccade_train.recipes import MiningRecipe
from saccade_train.training.checkpoint import write_text
from saccade_train.training.data import fingerprint
from saccade_train.training.initial import weights_file
from saccade_train.training.pictures import Pictures
from saccade_train.training.setup import LoadedData

from .select import Selection, inlier_limit, select_pseudo_labels
from .teachers import Opinion

__all__ = ["PseudoLabels", "choose", "join", "load", "origin", "save"]


@dataclass(frozen=True)
class PseudoLabels:
    """Chosen pictures of the pool with their names."""

    selection: Selection
    probabilities: NDArray[np.float32]
    """Of the teachers, for the chosen pictures, (K, C)."""


def choose(
    recipe: MiningRecipe,
    round_: int,
    pool: Opinion,
    val: Opinion | None,
    labelled_counts: NDArray[np.int64],
) -> PseudoLabels:
    """Select as the recipe says.

    Args:
        recipe: Its ``mining``.
        round_: From 1 on.
        pool: On the unlabelled pictures.
        val: On the evaluation pictures, for the limit of ``mining.reject``.
        labelled_counts: Labelled pictures of each class, (C,).
    """
    options = recipe.mining
    inside = None
    if options.reject != "none" and val is not None:
        if options.reject == "energy":
            of_val, of_pool = -val.energies, -pool.energies
        else:
            of_val = val.probabilities.max(1).astype(np.float64)
            of_pool = pool.probabilities.max(1).astype(np.float64)
        inside = of_pool >= inlier_limit(of_val, options.reject_keep)
    selection = select_pseudo_labels(
        pool.probabilities,
        options.threshold(round_),
        labelled_counts=labelled_counts,
        cap=options.cap,
        balance=options.balance,
        in_class=inside,
    )
    return PseudoLabels(selection, pool.probabilities[selection.numbers])


def join(
    recipe: MiningRecipe, labelled: LoadedData, pool: Pictures, names: PseudoLabels
) -> LoadedData:
    """Labelled and pseudo labelled pictures as one training set; labelled ones come first."""
    selection = names.selection
    chosen = pool.only(selection.numbers).named(selection.labels, labelled.classes)
    train = labelled.train.joined(chosen)
    problems: tuple[Problem, ...] = tuple(dict.fromkeys((*labelled.problems, *pool.items.problems)))
    mark = fingerprint(train.items, labelled.val[""].items)
    targets = None
    if recipe.mining.targets == "soft":
        known = torch.from_numpy(np.array(labelled.train.items.labels))
        hard = smooth_one_hot(known, len(labelled.classes), recipe.label_smoothing)
        targets = np.concatenate([hard.numpy(), names.probabilities])
        mark += f"+{hashlib.sha256(targets.tobytes()).hexdigest()}"
    return replace(labelled, train=train, problems=problems, fingerprint=mark, targets=targets)


def origin(
    recipe: MiningRecipe, round_: int, runs: Sequence[Path], labelled: LoadedData, pool: Pictures
) -> str:
    """A digest of all that the pseudo labels of a round follow from."""
    digest = hashlib.sha256()
    settings = recipe.mining.model_dump_json(exclude={"rounds", "round_epochs", "stop_early"})
    for part in (settings, str(round_), labelled.fingerprint, fingerprint(pool.items)):
        digest.update(f"{part}\0".encode())
    for run in runs:
        digest.update(hashlib.sha256(weights_file(run).read_bytes()).digest())
    return digest.hexdigest()


def save(
    folder: Path, names: PseudoLabels, mark: str, pool: Pictures, labelled: LoadedData
) -> None:
    """Write both files into a round's folder, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    selection = names.selection
    lines = [
        f"{pool.items.samples[number].where}\t{labelled.classes[label]}\t{confidence:.4f}\n"
        for number, label, confidence in zip(
            selection.numbers, selection.labels, selection.confidence, strict=True
        )
    ]
    write_text(folder / "pseudo.tsv", "".join(lines))
    values = {field.name: getattr(selection, field.name) for field in fields(Selection)}
    beside = folder / "pseudo.npz.new"
    with beside.open("wb") as file:
        np.savez(file, mark=np.array(mark), probabilities=names.probabilities, **values)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(folder / "pseudo.npz")


def load(folder: Path, mark: str) -> PseudoLabels | None:
    """Read what :func:`save` wrote; None if it is missing, damaged or of another origin."""
    try:
        # Opened here: of a damaged file np.load forgets to close what it opened itself.
        with (folder / "pseudo.npz").open("rb") as opened, np.load(opened) as file:
            if str(file["mark"]) != mark:
                return None
            selection = Selection(
                numbers=file["numbers"],
                labels=file["labels"],
                confidence=file["confidence"],
                counts=file["counts"],
                outside=int(file["outside"]),
                unsure=int(file["unsure"]),
                capped=int(file["capped"]),
            )
            return PseudoLabels(selection, np.asarray(file["probabilities"], np.float32))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
