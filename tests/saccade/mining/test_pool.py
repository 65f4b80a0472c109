from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from box_sets import png
from saccade.datasets.classification import open_classification
from saccade.errors import DatasetError, ImageError
from saccade.mining.pool import Picture, Stray, read_picture_file, split_of, walk


def lay_out(root: Path, names: list[str]) -> Path:
    for name in names:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(png())
    return root


def pack(folder: Path, file: Path) -> Path:
    with zipfile.ZipFile(file, "w") as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
    return file


def pictures(place: object, role: str = "pool") -> list[str]:
    found = list(walk(place, role))  # type: ignore[arg-type]
    return [one.where for one in found if isinstance(one, Picture)]


def strays(place: object) -> list[Stray]:
    return [one for one in walk(place) if isinstance(one, Stray)]  # type: ignore[arg-type]


def test_a_folder_with_all_below_it(tmp_path: Path) -> None:
    lay_out(tmp_path, ["b.png", "a/x.JPG", "a/deep/y.png", "a/notes.txt", ".hidden/z.png"])
    assert pictures(tmp_path) == [
        str(tmp_path / name) for name in ("b.png", "a/x.JPG", "a/deep/y.png")
    ]
    (stray,) = strays(tmp_path)
    assert stray.where == str(tmp_path / "a/notes.txt") and "no picture" in stray.reason
    assert split_of(tmp_path, "pool") == split_of(tmp_path, "val") == ""


def test_the_order_is_the_same_everywhere(tmp_path: Path) -> None:
    names = ["b/2.png", "b/1.png", "a/9.png"]
    lay_out(tmp_path / "in", names)
    archive = pack(tmp_path / "in", tmp_path / "pack.zip")
    assert pictures(archive) == [f"{archive}:{name}" for name in sorted(names)]
    assert pictures(tmp_path / "in") == [str(tmp_path / "in" / name) for name in sorted(names)]


@pytest.mark.parametrize("packed", [False, True])
def test_splits(tmp_path: Path, packed: bool) -> None:
    root = lay_out(tmp_path / "in", ["train/a/1.png", "val/a/2.png", "test/a/3.png"])
    place: Path = pack(root, tmp_path / "p.zip") if packed else root
    mark = f"{place}:" if packed else f"{place}/"
    assert pictures(place) == [mark + "train/a/1.png"]
    assert pictures(place, "val") == [mark + "val/a/2.png"]
    assert (split_of(place, "pool"), split_of(place, "val")) == ("train", "val")
    (root / "train.txt").write_text("test/a/3.png\t0\n")
    place = pack(root, tmp_path / "p.zip") if packed else root
    assert pictures(place) == [mark + "test/a/3.png"]


def test_parts_of_a_pack(tmp_path: Path) -> None:
    root = lay_out(tmp_path / "in", ["train/a/1.png", "val/a/2.png"])
    (root / "some.txt").write_text("val/a/2.png\n")
    place = pack(root, tmp_path / "p.zip")
    assert pictures(f"{place}:val") == pictures(f"{place}:some.txt") == [f"{place}:val/a/2.png"]
    assert pictures(f"{place}:train/") == [f"{place}:train/a/1.png"]
    assert split_of(f"{place}:val", "pool") == ""
    with pytest.raises(DatasetError, match="holds no 'tset'; expected one of its folders"):
        pictures(f"{place}:tset")


def test_lists(tmp_path: Path) -> None:
    root = lay_out(tmp_path, ["in/a b.png", "in/c.png", "in/d.png", "more/e.png"])
    place = pack(root / "more", tmp_path / "p.zip")
    outside = root / "in/d.png"
    lines = ["a b.png", "c.png 7", f"{outside}\t3\tx", "", "gone.png\t1", "../p.zip:e.png\t2"]
    lines += ["../p.zip:f.png\t2", "x" * 5000]
    (root / "in/list.txt").write_text("\ufeff" + "\r\n".join(lines), newline="")
    inside = [str(root / "in" / name) for name in ("a b.png", "c.png", "d.png")]
    assert pictures(root / "in/list.txt") == [*inside, f"{place}:e.png"]
    assert [one.where.rpartition("list.txt ")[2] for one in strays(root / "in/list.txt")] == [
        "line 5",
        "line 7",
        "line 8",
    ]


def test_lists_may_name_what_is_in_a_pack_for_every_reader(tmp_path: Path) -> None:
    root = lay_out(tmp_path / "in", ["a/1.png", "b/2.png"])
    place = pack(root, tmp_path / "p.zip")
    text = f"{place}:a/1.png\tcat\np.zip:b/2.png\tdog\np.zip:b/3.png\tdog\n"
    (tmp_path / "list.txt").write_text(text)
    found = open_classification(tmp_path / "list.txt")
    assert [sample.where for sample in found.samples] == [f"{place}:a/1.png", f"{place}:b/2.png"]
    assert found.read(1).shape == found.read(0).shape
    (problem,) = found.problems
    assert "line 3" in problem.where


def test_bad_places(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no such file or folder"):
        pictures(tmp_path / "none")
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0\x80\x81")
    with pytest.raises(DatasetError, match="is not UTF-8 text; expected a folder"):
        pictures(tmp_path / "photo.jpg")
    (tmp_path / "bad.zip").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(DatasetError, match=r"is not a readable \.zip"):
        pictures(tmp_path / "bad.zip")


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "lost.png").symlink_to(tmp_path / "nowhere")
    found = [one for one in walk(tmp_path) if isinstance(one, Picture)]
    assert len(found) == 2
    for picture in found:
        with pytest.raises(ImageError, match=r"plain file|No such file"):
            read_picture_file(picture)


def test_a_file_that_is_written_anew_has_another_stamp(tmp_path: Path) -> None:
    lay_out(tmp_path, ["a.png"])
    (before,) = walk(tmp_path)
    os.utime(tmp_path / "a.png", ns=(1, 1))
    (after,) = walk(tmp_path)
    assert isinstance(before, Picture) and isinstance(after, Picture)
    assert before.where == after.where and before.stamp != after.stamp
