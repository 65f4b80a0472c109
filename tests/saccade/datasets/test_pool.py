"""What is found in places of unlabelled pictures; more is tested with `saccade.mining.pool`."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from box_sets import png
from saccade.datasets.classification import Sample
from saccade.datasets.pool import Other, Stray, find


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.png").write_bytes(png())
    (folder / "notes.md").write_text("about these pictures")
    (folder / "list.txt").write_text("./a.png\t3\ngone.png\n")
    return folder


def test_paths_are_as_the_place_is_written(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place.parent)
    assert list(find("in")) == [
        Sample("in/a.png", 0),
        Other(Sample("in/list.txt", 0)),
        Other(Sample("in/notes.md", 0)),
    ]
    assert list(find("in/list.txt")) == [
        Sample("in/a.png", 0),
        Stray("in/list.txt line 2", "in/list.txt", "no such picture: gone.png"),
    ]


def test_lists_in_a_pack_may_begin_with_a_dot(place: Path, tmp_path: Path) -> None:
    pack = tmp_path / "pack.zip"
    with zipfile.ZipFile(pack, "w") as file:
        for path in sorted(place.iterdir()):
            file.write(path, path.name)
    found, stray = find(f"{pack}:list.txt")
    assert found == Sample("a.png", 0, str(pack))
    assert isinstance(stray, Stray) and stray.where == f"{pack}:list.txt line 2"


def test_faiss_is_not_loaded_beside_torch() -> None:
    code = "import sys, saccade.datasets.pool; sys.exit('faiss' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
