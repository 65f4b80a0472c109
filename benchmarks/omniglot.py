"""Unpack the Omniglot pack into a folder that trainings and evaluations read.

    python benchmarks/omniglot.py PACKS/ret_omniglot_alphabets.npz FOLDER [--drawers 10]

FOLDER/train/ALPHABET_CHARACTER/*.png holds Balinese, Korean and Latin, FOLDER/test/... Early
Aramaic and Greek, which are never trained on: 105 x 105 pixels, 20 drawings of each character, or
in train those of the first drawers only.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

__all__ = ["UNSEEN", "unpack"]

UNSEEN = ("Early_Aramaic", "Greek")
"""The alphabets that are set aside."""


def unpack(pack: Path, folder: Path, most: int = 20) -> None:
    """Write each drawing as a PNG, black ink on white; in train of ``most`` drawers."""
    with np.load(pack) as content:
        ink = np.unpackbits(content["images_packed"], axis=2)[:, :, :105]
        names = [str(content["class_names"][label]) for label in content["labels"]]
        drawers = content["drawer"]
    for drawing, name, drawer in zip(ink, names, drawers, strict=True):
        alphabet, character = name.split("/")
        split = "test" if alphabet in UNSEEN else "train"
        if split == "train" and drawer > most:
            continue
        place = folder / split / f"{alphabet}_{character}"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(255 * (1 - drawing)).save(place / f"{drawer:02}.png")


def main() -> None:
    """Unpack."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pack", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--drawers", type=int, default=20)
    arguments = parser.parse_args()
    unpack(arguments.pack, arguments.folder, arguments.drawers)


if __name__ == "__main__":
    main()
