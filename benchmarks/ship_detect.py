"""From runs of `picodet_small` to the detectors inside the package.

    python benchmarks/ship_detect.py --packs FOLDER [--mainbody RUN] [--cells RUN] [--cards RUN]

exports each run that is named, measures the file on the `val` parts of the packs it was trained
on, which no training step has seen but which chose the checkpoint, writes the scores into the card,
and puts the file into the zoo. The main-body detector knows one class and comes in two sizes;
besides its own packs it is scored on groceries and COCO pictures of which it has seen none.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from saccade_train.evaluation.detect import evaluate_detector, open_boxes, open_detector
from saccade_train.export.run import export_run
from shipping import put_into_zoo

LICENCE = "Apache-2.0"
OWN = ("det_fruit", "det_raccoon", "det_cards", "det_openobj", "det_home3")
"""What the main-body detector is trained on: packs with an open licence."""
NEVER_SEEN = ("det_groceries25", "det_coco80_mini")
"""Of other places; for scores only."""


def ship(
    run: Path, name: str, size: int, packs: Path, places: tuple[str, ...], words: dict[str, str]
) -> None:
    """Export, score and write one file.

    Args:
        run: the run folder.
        name: of the model.
        size: side of its input.
        packs: where the packs lie.
        places: packs to score it on.
        words: of the card, see :class:`saccade_train.export.write.ExportOptions`.
    """
    agnostic = name.startswith("mainbody")
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / f"{name}.onnx"
        export_run(run, file, size=(size, size), licence=LICENCE, **words)  # type: ignore[arg-type]
        find, labels = open_detector(file)
        scores: dict[str, float] = {}
        for pack in places:
            pictures = open_boxes([packs / f"{pack}.zip"], "val", labels, class_agnostic=agnostic)
            found = evaluate_detector(find, pictures, class_agnostic=agnostic).metrics
            scores |= {f"val_{pack}_{key}": found[key] for key in ("map", "map_50")}
        put_into_zoo(file, scores)


def main() -> None:
    """Export, measure, write the cards."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--packs", type=Path, required=True, help="folder of the .zip packs")
    parser.add_argument("--mainbody", type=Path, metavar="RUN")
    parser.add_argument("--cells", type=Path, metavar="RUN")
    parser.add_argument("--cards", type=Path, metavar="RUN")
    arguments = parser.parse_args()
    if arguments.mainbody:
        words = {
            "training_data": "990 photographs of fruit, raccoons, playing cards, household things "
            "and packages: det_fruit (MIT), det_raccoon (MIT), det_cards (Apache-2.0), det_openobj "
            "(CC BY 4.0, public domain, MIT), det_home3 (MIT); and 1,200 pictures on which the 81 "
            "studio pictures of GroceryStoreDataset (MIT) were pasted on drawn grounds and on "
            "empty parts of those photographs. No pretrained weights of others.",
            "notes": "Finds main bodies of whatever kind, best those near and few. People, streets "
            "and crowded shelves are beyond it. The val pictures of its own packs chose the "
            "checkpoint; groceries and coco80 chose nothing.",
        }
        for size in (320, 416):
            name = f"mainbody_picodet_s_{size}"
            ship(arguments.mainbody, name, size, arguments.packs, OWN + NEVER_SEEN, words)
    if arguments.cells:
        words = {
            "training_data": "233 pictures of blood smears, Shenggan/BCCD_Dataset (MIT). No "
            "pretrained weights.",
            "notes": "Red and white blood cells and platelets in microscope pictures like those of "
            "BCCD: a demonstration, not for diagnosis. The val pictures chose the checkpoint.",
        }
        ship(arguments.cells, "bloodcells_picodet_s", 320, arguments.packs, ("det_bccd",), words)
    if arguments.cards:
        words = {
            "training_data": "259 pictures of playing cards, nine to ace, of EdjeElectronics' "
            "tutorial (Apache-2.0). No pretrained weights.",
            "notes": "Playing cards from nine to ace, whatever their suit, few at a time and "
            "mostly seen from above. The val pictures chose the checkpoint.",
        }
        ship(arguments.cards, "cards_picodet_s", 320, arguments.packs, ("det_cards",), words)


if __name__ == "__main__":
    main()
