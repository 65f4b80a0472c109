"""What the main-body detector learns besides photographs: studio pictures pasted on varied grounds.

    python benchmarks/mainbody_data.py --packs FOLDER --out pasted.zip [--count 2000] [--seed 0]
        [--most 3] [--packages 0.5] [--least-size 0.3]

The things are the 81 studio pictures of ``ret_grocerystore81``, and as many packages that are drawn
from nothing; the grounds are drawn, or are cut from where the photographs of the other open packs
show no object. All have an open licence.
"""

from __future__ import annotations

import argparse
import tempfile
import zipfile
from pathlib import Path

import numpy as np

from saccade.datasets.detection import open_detection
from saccade_train.synth import ObjectSource, read_cutouts, write_objects
from ship_detect import OWN

LEAST = 72
"""Shortest side of a ground, in pixels."""


def empty_window(boxes: np.ndarray, width: int, height: int) -> tuple[int, int, int, int]:
    """The largest of the windows beside, above and below all boxes, xyxy."""
    if not len(boxes):
        return 0, 0, width, height
    left, top = np.floor(boxes[:, :2].min(axis=0)).astype(int)
    right, bottom = np.ceil(boxes[:, 2:].max(axis=0)).astype(int)
    windows = [
        (0, 0, int(left), height),
        (int(right), 0, width, height),
        (0, 0, width, int(top)),
        (0, int(bottom), width, height),
    ]
    return max(windows, key=lambda w: min(w[2] - w[0], w[3] - w[1]))


def grounds_of(packs: Path) -> list[np.ndarray]:
    """Cut grounds from the training pictures of the packs."""
    grounds = []
    for pack in OWN:
        pictures = open_detection(packs / f"{pack}.zip", "train")
        for number, sample in enumerate(pictures.samples):
            x1, y1, x2, y2 = empty_window(sample.boxes, sample.width, sample.height)
            if min(x2 - x1, y2 - y1) >= LEAST:
                grounds.append(pictures.read(number)[y1:y2, x1:x2])
    return grounds


def main() -> None:
    """Cut, paste, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--packs", type=Path, required=True, help="folder of the .zip packs")
    parser.add_argument("--out", type=Path, default=Path("pasted.zip"))
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--most", type=int, default=3, help="things in a picture")
    parser.add_argument("--packages", type=float, default=0.5, help="share that is drawn")
    parser.add_argument("--least-size", type=float, default=0.3, help="of the picture's side")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        with zipfile.ZipFile(arguments.packs / "ret_grocerystore81.zip") as pack:
            studio = [name for name in pack.namelist() if name.startswith("gallery_iconic/")]
            pack.extractall(place, studio)
        cutouts, problems = read_cutouts([Path(place)])
    for problem in problems:
        print(problem)
    grounds = grounds_of(arguments.packs)
    print(f"{len(cutouts)} things, {len(grounds)} grounds")
    source = ObjectSource(
        cutouts,
        grounds,
        most=arguments.most,
        packages=arguments.packages,
        least_size=arguments.least_size,
        seed=arguments.seed,
    )
    for _ in write_objects(source, arguments.out, arguments.count):
        pass


if __name__ == "__main__":
    main()
