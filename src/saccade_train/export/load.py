"""A finished training, loaded for export or evaluation."""

from __future__ import annotations

from pathlib import Path

from saccade.errors import TrainingError
from saccade_train.training.run import TrainedModel, load_trained

__all__ = ["load_run"]


def load_run(run: str | Path) -> TrainedModel:
    """Load the best model of a run folder; whatever is wrong with the folder is one error.

    Raises:
        TrainingError: the folder is missing, unfinished or damaged.
        SaccadeError: its recipe cannot be read.
    """
    place = Path(run)
    if place.is_file():
        raise TrainingError(
            f"{place}: is a file; expected the folder that 'saccade train --out' wrote"
        )
    try:
        return load_trained(place)
    except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
        # RuntimeError: weights of another shape, which torch tells on several lines.
        reason = " ".join(str(error).split())
        short = reason if len(reason) <= 200 else f"{reason[:197]}..."
        raise TrainingError(
            f"{place}: the run folder is damaged ({short}); train it again with --restart"
        ) from error
