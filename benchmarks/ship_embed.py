"""From a run of the recipe `goods` to the embedder inside the package, with its scores.

    python benchmarks/ship_embed.py RUN --packs FOLDER          exports, measures, ships
    python benchmarks/ship_embed.py FILE.onnx --packs FOLDER    measures alone

Measured is the file, on pictures that neither a step of training nor the choice of a checkpoint has
seen: the test split of the groceries, searched among the training pictures and among one studio
picture of each product; alphabets that were never trained on, each drawing searched among all
others; and scenes, among other scenes and distractors.
"""

from __future__ import annotations

import argparse
import tempfile
import zipfile
from pathlib import Path

from omniglot import unpack
from saccade.datasets.classification import open_classification
from saccade.tasks.embed import Embedder
from saccade_train.evaluation import evaluate_retrieval, open_model
from search_quality import PACKS, embed
from search_quality import measure as measure_search
from shipping import ship_groceries_run

NAME = "goods_resnet18_vd_x0_5"
TRAINING_DATA = (
    "GroceryStoreDataset (Klasson et al., WACV 2019; MIT licence), train split, 2,640 photographs "
    "of 81 groceries taken in Swedish shops; clothing-dataset-small (A. Grigorev and volunteers; "
    "CC0), train split, 950 photographs of 10 garments; and Omniglot (B. Lake et al.; MIT), three "
    "alphabets, 90 characters of 20 drawings. Nothing else: no pretrained weights."
)
NOTES = (
    "For galleries: pictures of one kind come close together. Trained from scratch on 5,400 "
    "pictures of 181 classes, so expect it to be good at groceries, fair at other packaged and "
    "natural goods, and weak at faces, buildings or works of art. test_groceries_*: gallery = the "
    "training photographs; test_iconic_*: gallery = one studio picture of each product; "
    "unseen_alphabets_*: characters never trained on; scenes_*: buildings and places, none of "
    "which was trained on."
)


def measure(file: Path, packs: Path) -> dict[str, float]:
    """Scores of a file."""
    model = open_model(file)
    groceries = packs / "ret_grocerystore81.zip"
    asked = open_classification(groceries, "test")
    scores: dict[str, float] = {}

    def add(name: str, found: dict[str, float]) -> None:
        scores.update({f"{name}_{key}": found[key] for key in ("recall_at_1", "map")})

    for name, split in (("test_groceries", "train"), ("test_iconic", "gallery_iconic")):
        add(name, evaluate_retrieval(model, asked, open_classification(groceries, split)).metrics)
    with tempfile.TemporaryDirectory() as place:
        unpack(packs / "ret_omniglot_alphabets.npz", Path(place))
        add(
            "unseen_alphabets",
            evaluate_retrieval(model, open_classification(place, "test")).metrics,
        )
    pack, _, base, queries = PACKS["scenes"]
    with zipfile.ZipFile(packs / pack) as archive:
        sets = embed(Embedder(file), archive, (base, queries))
    add("scenes", measure_search(sets[queries], sets[base], sets[base], {}))
    return scores


def main() -> None:
    """Export, measure, write the card."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--packs", type=Path, required=True, help="folder of the packs")
    arguments = parser.parse_args()
    if arguments.run.is_file():
        for name, value in measure(arguments.run, arguments.packs).items():
            print(f"  {name:32} {value:.4f}")
        return
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
