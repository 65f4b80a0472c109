"""From the run of the recipe `shop91` to the model inside the package, with its scores.

    python benchmarks/ship_shop91.py RUN --packs FOLDER

exports the run, measures the file on pictures that no training step and no choice of a checkpoint
has seen (the test split of the groceries) and on the validation pictures (which chose the
checkpoint, and say so), writes the scores into the card, and puts the file into the zoo.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from saccade.datasets.classification import open_classification
from saccade_train.evaluation import evaluate_classification, evaluate_retrieval, open_model
from shipping import ship_groceries_run

NAME = "lcnet_x1_0_shop91"
TRAINING_DATA = (
    "GroceryStoreDataset (Klasson et al., WACV 2019; MIT licence), train split, 2,640 photographs "
    "of 81 groceries taken in Swedish shops; and clothing-dataset-small (A. Grigorev and "
    "volunteers; CC0), train split, 950 photographs of 10 garments. Shrunk to 168 and 128 pixels. "
    "Nothing else: no pretrained weights."
)
NOTES = (
    "Trained from scratch on 3,590 photographs, so take its answers as suggestions. It knows 81 "
    "groceries as a Swedish shop sells them and 10 kinds of garments, and answers one of these for "
    "every picture. test_* are on pictures that nothing was trained or chosen on; val_* chose the "
    "checkpoint. The embedding is what this classifier sees before its last layer: good enough to "
    "try galleries, not trained for them. recall_at_1: nearest of the 2,640 training pictures."
)


def measure(file: Path, packs: Path) -> dict[str, float]:
    """Scores of the exported file."""
    model = open_model(file)
    groceries, clothing = packs / "ret_grocerystore81.zip", packs / "cls_clothing10.zip"
    scores: dict[str, float] = {}
    for name, pack, split in (
        ("test_groceries", groceries, "test"),
        ("val_groceries", groceries, "val"),
        ("val_clothing", clothing, "val"),
    ):
        found = evaluate_classification(
            model, open_classification(pack, split, model.labels)
        ).metrics
        scores |= {f"{name}_{key}": round(found[key], 4) for key in ("top1", "top5")}
    search = evaluate_retrieval(
        model, open_classification(groceries, "test"), open_classification(groceries, "train")
    ).metrics
    return scores | {
        f"test_groceries_{key}": round(search[key], 4) for key in ("recall_at_1", "map")
    }


def main() -> None:
    """Export, measure, write the card."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--packs", type=Path, required=True, help="folder of the .zip packs")
    arguments = parser.parse_args()
    ship_groceries_run(
        arguments.run,
        arguments.packs,
        NAME,
        measure,
        training_data=TRAINING_DATA,
        notes=NOTES,
    )


if __name__ == "__main__":
    main()
