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
from dataclasses import dataclass, field
from pathlib import Path

from saccade_train.evaluation.detect import evaluate_detector, open_boxes, open_detector
from saccade_train.export.run import export_run
from shipping import put_into_zoo

LICENCE = "Apache-2.0"
OWN = ("det_fruit", "det_raccoon", "det_cards", "det_openobj", "det_home3")
"""What the main-body detector is trained on: packs with an open licence."""
NEVER_SEEN = ("det_groceries25", "det_coco80_mini")
"""Of other places; for scores only."""


@dataclass(frozen=True)
class Shipped:
    """What becomes of one run.

    Attributes:
        files: Names of the models, each with the side of its input.
        packs: To score them on.
        training_data: Of the card.
        notes: Of the card.
        thresholds: Of the card, where they differ from the usual ones.
    """

    files: dict[str, int]
    packs: tuple[str, ...]
    training_data: str
    notes: str
    thresholds: dict[str, float] = field(default_factory=dict)


DETECTORS = {
    "mainbody": Shipped(
        {"mainbody_picodet_s_320": 320, "mainbody_picodet_s_416": 416},
        OWN + NEVER_SEEN,
        "990 photographs of fruit, raccoons, playing cards, household things and packages: "
        "det_fruit (MIT), det_raccoon (MIT), det_cards (Apache-2.0), det_openobj (CC BY 4.0, "
        "public domain, MIT), det_home3 (MIT); and 5,400 pictures on which the 81 studio pictures "
        "of GroceryStoreDataset (MIT), and packages that were drawn, were pasted on drawn grounds "
        "and on empty parts of those photographs. No pretrained weights of others.",
        "Finds main bodies of whatever kind, best those near and few. People, streets and crowded "
        "shelves are beyond it. The val pictures of its own packs chose the checkpoint; groceries "
        "and coco80 chose nothing.",
        {"body": 0.4},
    ),
    "cells": Shipped(
        {"bloodcells_picodet_s": 320},
        ("det_bccd",),
        "233 pictures of blood smears, Shenggan/BCCD_Dataset (MIT). No pretrained weights.",
        "Red and white blood cells and platelets in microscope pictures like those of BCCD: a "
        "demonstration, not for diagnosis. The val pictures chose the checkpoint.",
    ),
    "cards": Shipped(
        {"cards_picodet_s": 320},
        ("det_cards",),
        "259 pictures of playing cards, nine to ace, of EdjeElectronics' tutorial (Apache-2.0). "
        "No pretrained weights.",
        "Playing cards from nine to ace, whatever their suit, few at a time and mostly seen from "
        "above. The val pictures chose the checkpoint.",
    ),
}


def ship(run: Path, shipped: Shipped, packs: Path, *, agnostic: bool) -> None:
    """Export, score and write the files of one run.

    Args:
        run: the run folder.
        shipped: what becomes of it.
        packs: where the packs lie.
        agnostic: whether an object is an object, whatever it is called.
    """
    for name, size in shipped.files.items():
        with tempfile.TemporaryDirectory() as place:
            file = Path(place) / f"{name}.onnx"
            export_run(
                run,
                file,
                size=(size, size),
                licence=LICENCE,
                training_data=shipped.training_data,
                notes=shipped.notes,
                thresholds=shipped.thresholds,
            )
            find, labels = open_detector(file)
            scores: dict[str, float] = {}
            for pack in shipped.packs:
                place_of = packs / f"{pack}.zip"
                pictures = open_boxes([place_of], "val", labels, class_agnostic=agnostic)
                found = evaluate_detector(find, pictures, class_agnostic=agnostic).metrics
                scores |= {f"val_{pack}_{key}": found[key] for key in ("map", "map_50")}
            put_into_zoo(file, scores)


def main() -> None:
    """Export, measure, write the cards."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--packs", type=Path, required=True, help="folder of the .zip packs")
    for name in DETECTORS:
        parser.add_argument(f"--{name}", type=Path, metavar="RUN")
    given = vars(parser.parse_args())
    for name, shipped in DETECTORS.items():
        if given[name]:
            ship(given[name], shipped, given["packs"], agnostic=name == "mainbody")


if __name__ == "__main__":
    main()
