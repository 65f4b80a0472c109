"""Pictures without labels: what is found, what is left out, and what a user is told."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from saccade.datasets.classification import open_classification
from saccade.errors import DatasetError, OptionError
from saccade_train.recipes import ClassifyRecipe
from saccade_train.recipes.schema import DataOptions
from saccade_train.training.loop import train
from saccade_train.training.report import Report
from saccade_train.training.unlabelled import load_unlabelled, open_unlabelled

OPTIONS = DataOptions(train_size=32)


def picture(path: Path, shade: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(shade).integers(0, 20, (60, 80, 3)) + shade
    Image.fromarray(noise.astype(np.uint8)).save(path)
    return path


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    """Three pictures on two levels, a broken one and a text."""
    root = tmp_path / "pool"
    picture(root / "a.png", 10)
    picture(root / "deep/b.png", 60)
    picture(root / "deep/deeper/c.jpg", 120)
    (root / "deep/broken.jpg").write_bytes(b"\xff\xd8\xff not a picture")
    (root / "notes.md").write_text("about these pictures")
    return root


@pytest.fixture
def report(tmp_path: Path) -> Report:
    return Report(tmp_path, total=0, files=False)


def names(place: Path) -> list[str]:
    items, _ = open_unlabelled(place)
    return [Path(sample.path).name for sample in items.samples]


def test_a_folder_with_broken_and_other_files(
    pool: Path, report: Report, capsys: pytest.CaptureFixture[str]
) -> None:
    found = load_unlabelled(OPTIONS, pool, report=report)
    assert len(found) == 3
    assert found.items.labels.tolist() == [-1, -1, -1]
    assert found.items.classes == ()
    assert {found[n].shape for n in range(3)} == {(48, 64, 3)}
    reasons = [str(problem) for problem in found.items.problems]
    assert len(reasons) == 2
    assert reasons[0] == f"{pool / 'notes.md'}: is not a picture"
    assert "broken.jpg" in reasons[1]
    said = " ".join(capsys.readouterr().err.split())
    assert "3 unlabelled pictures" in said
    assert "is not a picture" in said


def test_labels_of_a_list_do_not_count(pool: Path) -> None:
    file = pool / "list.txt"
    file.write_text("./a.png\tcat\textra\ndeep/b.png 7\n\ndeep/deeper/c.jpg\ngone.png\t1\n")
    items, _ = open_unlabelled(file)
    assert [Path(s.path).name for s in items.samples] == ["a.png", "b.png", "c.jpg"]
    assert items.labels.tolist() == [-1, -1, -1]
    assert str(items.problems[0]) == f"{file} line 5: no such picture: gone.png"


def test_an_archive(pool: Path, tmp_path: Path, report: Report) -> None:
    pack = tmp_path / "pool.zip"
    with zipfile.ZipFile(pack, "w") as file:
        for path in sorted(pool.rglob("*.*")):
            file.write(path, path.relative_to(pool))
    found = load_unlabelled(OPTIONS, pack, report=report)
    assert len(found) == 3
    assert found[0].shape == (48, 64, 3)
    both = load_unlabelled(OPTIONS, [pack, pool, pool], report=report)
    assert len(both) == 6  # another place is another picture; the same place is not


def test_only_the_train_split_of_a_dataset(tmp_path: Path) -> None:
    picture(tmp_path / "set/train/cat/1.png", 10)
    picture(tmp_path / "set/val/cat/2.png", 60)
    items, notes = open_unlabelled(tmp_path / "set")
    assert [Path(s.path).name for s in items.samples] == ["1.png"]
    assert "only its train split" in notes[0]
    # A class that happens to be called train is a folder like any other.
    picture(tmp_path / "ways/train/1.png", 10)
    picture(tmp_path / "ways/bus/2.png", 60)
    assert sorted(names(tmp_path / "ways")) == ["1.png", "2.png"]


def test_pictures_of_the_evaluation_set_are_left_out(
    pool: Path, tmp_path: Path, report: Report, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, shade in (("cat", 10), ("dog", 200)):
        picture(tmp_path / f"set/train/{name}/1.png", shade + 3)
        picture(tmp_path / f"set/val/{name}/2.png", shade)
    val = open_classification(tmp_path / "set", "val")
    found = load_unlabelled(OPTIONS, pool, report=report, val=val)
    assert len(found) == 2
    leak = next(p for p in found.items.problems if "evaluation set" in p.reason)
    assert leak.where == str(pool / "a.png")
    assert "cat/2.png" in leak.reason
    said = " ".join(capsys.readouterr().err.split())
    assert "1 unlabelled pictures are pictures of the evaluation set" in said


def test_nothing_there(tmp_path: Path, report: Report) -> None:
    with pytest.raises(DatasetError, match="no such file or folder"):
        open_unlabelled(tmp_path / "gone")
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "readme.txt").write_text("nothing")
    with pytest.raises(DatasetError, match=r"no picture there \(1 other files\)"):
        open_unlabelled(empty)
    (empty / "one.jpg").write_bytes(b"")
    with pytest.raises(DatasetError, match="none of the 1 pictures can be read"):
        load_unlabelled(OPTIONS, empty, report=report)


def test_a_task_that_cannot_use_them(
    tmp_path: Path, pool: Path, pictures: Path, tiny: ClassifyRecipe
) -> None:
    with pytest.raises(OptionError, match="task 'classify' cannot learn from unlabelled pictures"):
        train(tiny, pictures, tmp_path / "run", unlabelled=pool, quiet=True)
    assert not (tmp_path / "run").exists()
