"""One network of several of the same architecture: the mean of their weights.

The mean of networks that were fine-tuned from the same weights often is as good as their ensemble,
at the cost of one (model soups, Wortsman et al., arXiv 2203.05482). Networks from different random
starts have no such mean: the result of those is noise. Batch-norm statistics are averaged like
weights.

::

    python -m saccade_train.semisup.weights_average runs/a runs/b -o runs/mean
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from saccade.errors import OptionError, SaccadeError, TrainingError
from saccade_train.training.checkpoint import load_tensors, network_alone, write_folder
from saccade_train.training.initial import weights_file

__all__ = ["average_runs", "average_weights"]


def average_weights(
    members: Sequence[Mapping[str, Tensor]], weights: Sequence[float] | None = None
) -> dict[str, Tensor]:
    """The weighted mean of state dicts, summed in float64.

    Args:
        members: With the same names and shapes. Integer tensors are the first one's.
        weights: Of the members; equal by default.

    Raises:
        OptionError: No members, weights that don't fit, or members that are not alike.
    """
    if not members:
        raise OptionError("no weights to average; give at least one model")
    given = [1.0] * len(members) if weights is None else list(weights)
    if len(given) != len(members) or min(given) < 0 or sum(given) <= 0:
        raise OptionError(
            f"weights {given} for {len(members)} models; expected one a model, none negative, not "
            "all 0"
        )
    first = members[0]
    for number, member in enumerate(members[1:], start=2):
        different = [
            name
            for name in {**first, **member}
            if name not in first or name not in member or first[name].shape != member[name].shape
        ]
        if different:
            raise OptionError(
                f"model {number} is not like the first: {len(different)} tensors differ in name or "
                f"shape, {different[0]!r} first; only models of one architecture have a mean"
            )
    mean: dict[str, Tensor] = {}
    for name, tensor in first.items():
        if not tensor.is_floating_point():
            mean[name] = tensor.clone()
            continue
        total = torch.zeros_like(tensor, dtype=torch.float64)
        for member, weight in zip(members, given, strict=True):
            total += member[name].double() * (weight / sum(given))
        mean[name] = total.to(tensor.dtype)
    return mean


def average_runs(
    runs: Sequence[Path | str], out: Path | str, weights: Sequence[float] | None = None
) -> Path:
    """Write a run folder with the mean of the best weights of others; it exports like any.

    Args:
        runs: Run folders of one architecture and one list of classes.
        out: The folder to write; it must hold no run yet.
        weights: Of the runs; equal by default.

    Returns:
        ``out``. It has no scores: ``saccade eval`` measures it.

    Raises:
        OptionError: The runs are not alike.
        TrainingError: A run is missing, or ``out`` holds one.
    """
    out = Path(out)
    if (out / "recipe.yaml").exists():
        raise TrainingError(f"{out}: holds a run already; give another folder")
    places = [Path(run) for run in runs]
    files = [weights_file(run) for run in places]
    classes = [_classes(run) for run in places]
    for run, names in zip(places, classes, strict=True):
        if names != classes[0]:
            raise OptionError(f"{run} has other classes than {places[0]}; they have no mean")
    mean = average_weights([network_alone(load_tensors(file)) for file in files], weights)
    out.mkdir(parents=True, exist_ok=True)
    for name in ("recipe.yaml", "classes.txt"):
        shutil.copyfile(places[0] / name, out / name)
    averaged = [str(run) for run in places]
    write_folder(out / "best", {"model": mean}, {"scores": {}, "step": 0, "averaged": averaged})
    return out


def _classes(run: Path) -> str:
    try:
        return (run / "classes.txt").read_text("utf-8")
    except OSError as error:
        raise TrainingError(f"{run}: is no run folder ({error.strerror})") from None


def main(words: Sequence[str] | None = None) -> int:
    """The command line of this module."""
    parser = argparse.ArgumentParser(
        prog="python -m saccade_train.semisup.weights_average",
        description="Write a run folder whose weights are the mean of those of others.",
    )
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--weights", type=float, nargs="+", help="one a run; equal by default")
    given = parser.parse_args(words)
    try:
        average_runs(given.runs, given.out, given.weights)
    except SaccadeError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
