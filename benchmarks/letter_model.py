"""The letter model that settles doubtful readings: counts of five letters in a row in words.

    python benchmarks/letter_model.py --packs FOLDER [-o src/saccade/zoo/models/letters_latin.npz]

Counted are the English word lists of the system (Debian: wamerican-large and wbritish-large, made
from SCOWL, which allows that; its notice lies beside the file), the words that the toolkit draws,
and the words of the training transcriptions of the open text packs; the latter two twice.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from saccade import zoo
from saccade.datasets.text import open_text_lines
from saccade.text.letters import LetterModel, count_grams
from saccade_train.synth.words import WORDS
from training_text import FOLDER, PACKS

LISTS = ("american-english-large", "british-english-large")
TIMES = 2


def words_of(packs: Path) -> list[str]:
    """All words to count."""
    listed = {
        word
        for name in LISTS
        for word in (FOLDER / name).read_text(encoding="utf-8").split()
        if not word.endswith("'s")
    }
    said = [
        word
        for pack in PACKS
        for sample in open_text_lines(packs / f"{pack}.zip", "train").samples
        for word in sample.text.split()
    ]
    return [*sorted(listed), *[*WORDS, *said] * TIMES]


def main() -> None:
    """Count, write the file, and show what it says of a few words."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packs", type=Path, required=True, help="folder of the .zip packs")
    parser.add_argument("-o", "--out", type=Path, default=zoo.LETTERS)
    given = parser.parse_args()
    words = words_of(given.packs)
    codes, counts = count_grams(words)
    gaps = np.diff(codes, prepend=0).astype(np.uint32)
    np.savez_compressed(given.out, gaps=gaps, counts=counts.astype(np.uint32))
    size = given.out.stat().st_size
    print(f"{given.out}: {len(words):,} words, {len(codes):,} different grams, {size:,} bytes")
    model = LetterModel(codes, counts)
    for word in ("beauty", "bezuty", "restaurant", "restaurent", "ristorante", "xkqz"):
        print(f"{word}: {model.favour(word):.2f}")


if __name__ == "__main__":
    main()
