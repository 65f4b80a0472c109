"""The example pictures are whole, small, and really come out of the script beside them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from saccade.gallery import labelled_folder
from saccade.imaging.read import list_images, read_image

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def test_every_product_has_its_views_and_its_query() -> None:
    found = labelled_folder(EXAMPLES / "pantry")
    assert found.problems == ()
    labels = sorted({picture.label for picture in found.found})
    assert len(found.found) == 3 * len(labels)
    queries = [path.stem.replace("-", " ") for path in list_images([EXAMPLES / "queries"])]
    assert queries == labels


def test_the_pictures_are_small_and_readable() -> None:
    pictures = list_images([EXAMPLES / "pantry", EXAMPLES / "queries"])
    assert {read_image(path).shape for path in pictures} == {(320, 320, 3)}
    assert sum(path.stat().st_size for path in pictures) < 800_000


def test_the_script_draws_what_is_there(tmp_path: Path) -> None:
    script = EXAMPLES / "make_pictures.py"
    command = [sys.executable, script, "--only", "milk", "--size", "40", "--out", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    drawn = list_images([tmp_path])
    assert [path.relative_to(tmp_path) for path in drawn] == [
        *(Path("pantry/milk") / f"{i}.jpg" for i in (1, 2, 3)),
        Path("queries/milk.jpg"),
    ]
    for path in drawn:
        small = read_image(path).astype(float)
        whole = read_image(EXAMPLES / path.relative_to(tmp_path)).astype(float)
        shrunk = whole.reshape(40, 8, 40, 8, 3).mean(axis=(1, 3))
        assert np.abs(small - shrunk).mean() < 12  # another product is 30 away
