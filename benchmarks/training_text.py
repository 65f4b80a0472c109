"""The words that the shipped recogniser is trained to read, as one text file.

    python benchmarks/training_text.py --packs FOLDER -o words.txt
    saccade train ocr_rec ... data.text=words.txt

What the toolkit draws by itself are some 1,300 everyday words and what looks like them; a network
that sees many lines learns these by heart. The file holds them, the word lists of the system in six
languages (Debian: wamerican-large, wbritish-large, wfrench, wngerman, wspanish, witalian; a share
of each, the same in every call), and the training transcriptions of the open text packs.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from saccade.datasets.text import open_text_lines
from saccade_train.synth.words import WORDS

LISTS = {
    "american-english-large": 45_000,
    "british-english-large": 5_000,
    "french": 6_000,
    "ngerman": 6_000,
    "spanish": 5_000,
    "italian": 5_000,
}
"""Words taken of each list."""
FOLDER = Path("/usr/share/dict")
PACKS = ("rec_sroie_lines", "rec_print_lines")
EVERYDAY = 8
"""How often the toolkit's own words come."""
LONGEST = 14
A_LINE = 10


def listed(name: str, count: int, rng: np.random.Generator) -> list[str]:
    """A share of a word list, without possessives and very long words."""
    words = [
        word
        for word in (FOLDER / name).read_text(encoding="utf-8").split()
        if 2 <= len(word) <= LONGEST and word.isalpha()
    ]
    return [words[place] for place in rng.permutation(len(words))[:count]]


def lines(packs: Path) -> Iterator[str]:
    """The lines of the file: words in random order, then transcriptions."""
    rng = np.random.default_rng(0)
    words = list(WORDS) * EVERYDAY
    for name, count in LISTS.items():
        words += listed(name, count, rng)
    shuffled = [words[place] for place in rng.permutation(len(words))]
    for start in range(0, len(shuffled), A_LINE):
        yield " ".join(shuffled[start : start + A_LINE])
    for pack in PACKS:
        for sample in open_text_lines(packs / f"{pack}.zip", "train").samples:
            yield sample.text


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packs", type=Path, required=True, help="folder of the .zip packs")
    parser.add_argument("-o", "--out", type=Path, required=True)
    given = parser.parse_args()
    text = "\n".join(lines(given.packs))
    given.out.write_text(text + "\n", encoding="utf-8")
    print(f"{given.out}: {len(text.split()):,} words, {len(set(text.split())):,} different")


if __name__ == "__main__":
    main()
