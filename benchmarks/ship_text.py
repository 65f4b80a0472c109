"""From the runs of `ocr_det`, `ocr_cls` and `ocr_rec` to the models inside the package.

    python benchmarks/ship_text.py --packs FOLDER [--det RUN] [--cls RUN] [--rec RUN]
                                    [--threshold X --box X --unclip X --limit N --least N --gap X]

exports each run that is named, measures the file on pictures that no training step has seen, writes
the scores into the card, and puts the file into the zoo. The `val` parts of the receipts and of the
printed pages also chose the checkpoint (the weights of the best epoch), which the card says; the
words of ICDAR 2015 and IIIT5K chose nothing and were never trained on.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from saccade.datasets.text import open_text_lines, open_text_pages
from saccade.metrics.text import TextRule
from saccade_train.evaluation.text import evaluate_text
from saccade_train.export.run import export_run
from shipping import put_into_zoo

LICENCE = "Apache-2.0"
DRAWN = "Text drawn by saccade_train.synth in free fonts, a fifth of the families held out"
RECEIPTS = "ICDAR 2019 SROIE receipts as packed by zzzDavid/ICDAR-2019-SROIE (MIT file; CC BY 4.0)"
PRINT = (
    "printed and typed pages of EHRI, FoNDUE-HTR and PSL-Chartes-HTR-Students (transcriptions "
    "CC BY 4.0)"
)
LOOSE = TextRule(ignore_case=True, ignore_spaces=True)
WORDS = TextRule(ignore_case=True, letters_and_digits_only=True)
EXACT = TextRule()
SURE = 0.9
"""Below this score lines are looked at again; chosen on training words of ICDAR 2015 and IIIT5K."""


def ship_detector(run: Path, packs: Path, thresholds: dict[str, float]) -> None:
    """The detector, by hmean at IoU 0.5."""
    data = f"{DRAWN}; 160 pages of {RECEIPTS}; 32 {PRINT}. No pretrained weights."
    notes = "Finds lines of Latin text on receipts and print. The val pages chose the checkpoint."
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "db_r10_latin.onnx"
        pages = open_text_pages(packs / "ocr_sroie_receipts.zip", "train")
        export_run(
            run,
            file,
            thresholds=thresholds,
            licence=LICENCE,
            training_data=data,
            notes=notes,
            pictures=[pages.read(number) for number in range(4)],
        )
        scores: dict[str, float] = {}
        for name in ("ocr_sroie_receipts", "ocr_print_pages"):
            found = evaluate_text(str(file), "text_detect", [str(packs / f"{name}.zip")]).metrics
            scores |= {f"val_{name}_{key}": found[key] for key in ("hmean", "precision", "recall")}
        put_into_zoo(file, scores)


def ship_direction(run: Path, packs: Path) -> None:
    """The direction classifier, by the share of lines whose direction is named right."""
    data = f"{DRAWN}; lines of {RECEIPTS} and of {PRINT}. No pretrained weights."
    notes = "Says whether a line stands on its head. The val lines chose the checkpoint."
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "direction_latin.onnx"
        export_run(run, file, licence=LICENCE, training_data=data, notes=notes)
        scores: dict[str, float] = {}
        for name in ("rec_sroie_lines", "rec_print_lines", "rec_icdar15_words"):
            found = evaluate_text(str(file), "text_direction", [str(packs / f"{name}.zip")]).metrics
            scores[f"val_{name}_accuracy"] = found["accuracy"]
        put_into_zoo(file, scores)


def ship_recogniser(run: Path, packs: Path) -> None:
    """The recogniser, by line accuracy and character error rate."""
    data = (
        f"{DRAWN}; 4,327 lines of {RECEIPTS} and 8,477 cut from their pages; 1,498 of "
        f"{PRINT} and 1,376 cut from pages. No pretrained weights."
    )
    notes = (
        "Latin script: printable ASCII, Western accents, euro, pound, degree, quotes and dashes. "
        "Trained for about ten hours on a busy core. The transcriptions of the receipts "
        "are all in capitals and taught letters without case. val_* of receipts and print chose "
        "the checkpoint; ICDAR 2015 and IIIT5K chose nothing. Receipts: case and spaces ignored; "
        "words: letters and digits only, case ignored; print: everything counts."
    )
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "crnn_latin.onnx"
        lines = open_text_lines(packs / "rec_sroie_lines.zip", "train")
        export_run(
            run,
            file,
            licence=LICENCE,
            training_data=data,
            notes=notes,
            thresholds={"sure": SURE},
            pictures=[lines.read(number) for number in range(0, 400, 50)],
        )
        scores: dict[str, float] = {}
        for name, rule in (
            ("rec_sroie_lines", LOOSE),
            ("ocr_sroie_receipts", LOOSE),
            ("rec_print_lines", EXACT),
            ("rec_icdar15_words", WORDS),
            ("rec_iiit5k_words", WORDS),
        ):
            place_of = [str(packs / f"{name}.zip")]
            found = evaluate_text(str(file), "text_recognise", place_of, rule=rule).metrics
            scores |= {f"val_{name}_{key}": found[key] for key in ("line_accuracy", "cer")}
        put_into_zoo(file, scores)


def main() -> None:
    """Export, measure, write the cards."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--packs", type=Path, required=True, help="folder of the .zip packs")
    parser.add_argument("--det", type=Path, metavar="RUN")
    parser.add_argument("--cls", type=Path, metavar="RUN")
    parser.add_argument("--rec", type=Path, metavar="RUN")
    parser.add_argument(
        "--threshold",
        type=float,
        help="of the detector, like the next five; "
        "by default those of its recipe (see tune_detector.py)",
    )
    parser.add_argument("--box", type=float)
    parser.add_argument("--unclip", type=float)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--least", type=int)
    parser.add_argument("--gap", type=float)
    arguments = parser.parse_args()
    if arguments.det:
        given = {
            "threshold": arguments.threshold,
            "box_threshold": arguments.box,
            "unclip_ratio": arguments.unclip,
            "limit": arguments.limit,
            "least": arguments.least,
            "gap": arguments.gap,
        }
        thresholds = {name: value for name, value in given.items() if value is not None}
        ship_detector(arguments.det, arguments.packs, thresholds)
    if arguments.cls:
        ship_direction(arguments.cls, arguments.packs)
    if arguments.rec:
        ship_recogniser(arguments.rec, arguments.packs)


if __name__ == "__main__":
    main()
