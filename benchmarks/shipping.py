"""What the scripts share that put models into the package."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable
from pathlib import Path

from saccade import modelfile, zoo
from saccade.datasets.classification import open_classification
from saccade_train.export.run import export_run

__all__ = ["put_into_zoo", "ship_groceries_run"]


def put_into_zoo(file: Path, scores: dict[str, float]) -> None:
    """Write scores into the card of an exported file, put it into the zoo, and print them."""
    scores = {name: round(value, 4) for name, value in scores.items()}
    card = dataclasses.replace(modelfile.read_card(file), scores=scores)
    modelfile.write_card(file, zoo.MODELS / file.name, card)
    print(file.name)
    for name, value in scores.items():
        print(f"  {name:44} {value:.4f}")


def ship_groceries_run(
    run: Path,
    packs: Path,
    name: str,
    measure: Callable[[Path, Path], dict[str, float]],
    *,
    training_data: str,
    notes: str,
) -> None:
    """Export a run that was taught on groceries, measure the file, and put it into the zoo."""
    pictures = open_classification(packs / "ret_grocerystore81.zip", "val")
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / f"{name}.onnx"
        report = export_run(
            run,
            file,
            licence="Apache-2.0",
            training_data=training_data,
            notes=notes,
            pictures=[pictures.read(number) for number in range(0, len(pictures), 20)],
        )
        put_into_zoo(file, measure(file, packs))
    print(report.parity[0])
