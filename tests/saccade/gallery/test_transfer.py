"""Export and import: the same gallery comes back, and what is no export is told."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from saccade.errors import GalleryError
from saccade.gallery import Gallery, NewItem, check, export_gallery, import_gallery

DIM = 16
MODEL = "d" * 64


def unit(seed: int, count: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, DIM)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def make(place: Path, index: str = "auto", fingerprint: str = MODEL) -> Gallery:
    shelf = Gallery.create(place, model="toy", fingerprint=fingerprint, dim=DIM, index=index)
    labels = ["a b", "🍋\nü", "it's", 'say "hi"']
    shelf.add(
        (
            NewItem(labels[i % 4], v, f"c{i}", f"{i}.jpg", {"n": i, "t": ["ü"]})
            for i, v in enumerate(unit(0, 1100))
        ),
        fingerprint=fingerprint,
    )
    shelf.remove([2, 7])
    return shelf


@pytest.mark.parametrize("name", ["out", "out.zip"])
@pytest.mark.parametrize("index", ["hnsw", "binary-flat"])
def test_a_gallery_comes_back_as_it_was(tmp_path: Path, name: str, index: str) -> None:
    with make(tmp_path / "g", index) as shelf:
        assert export_gallery(shelf, tmp_path / name) == 1098
        added = import_gallery(tmp_path / name, tmp_path / "again")
        assert (len(added.ids), added.duplicates) == (1098, 0)
        with Gallery.open(tmp_path / "again") as other:
            assert list(other.items()) == list(shelf.items())
            for one, two in zip(shelf.vectors(), other.vectors(), strict=True):
                np.testing.assert_array_equal(one, two)
            facts = ("model", "fingerprint", "dim", "storage", "index")
            assert all(getattr(other, fact) == getattr(shelf, fact) for fact in facts)
            assert check(other).ok
        again = import_gallery(tmp_path / name, tmp_path / "g")
        assert (again.ids, again.duplicates) == ((), 1098)
        shelf.remove(label="it's")
        assert min(import_gallery(tmp_path / name, tmp_path / "g").ids) > 1100  # never given twice
        assert len(shelf) == 1098
    assert {path.name for path in tmp_path.iterdir()} == {"g", "again", name}


def test_the_files_are_plain(tmp_path: Path) -> None:
    with make(tmp_path / "g") as shelf:
        export_gallery(shelf, tmp_path / "out")
        export_gallery(shelf, tmp_path / "out.zip")
        ids, labels, vectors = shelf.vectors()
    np.testing.assert_array_equal(np.load(tmp_path / "out" / "vectors.npy"), vectors)
    lines = (tmp_path / "out" / "items.jsonl").read_text("utf-8").split("\n")[:-1]
    items = [json.loads(line) for line in lines]
    assert [item["id"] for item in items] == ids.tolist()
    assert tuple(item["label"] for item in items) == labels
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        for name in archive.namelist():
            assert archive.read(name) == (tmp_path / "out" / name).read_bytes()


def test_an_empty_gallery_too(tmp_path: Path) -> None:
    with Gallery.create(tmp_path / "g", model="m", fingerprint="f", dim=4) as shelf:
        assert export_gallery(shelf, tmp_path / "o.zip") == 0
    assert import_gallery(tmp_path / "o.zip", tmp_path / "h").ids == ()
    assert np.array_equal(Gallery.open(tmp_path / "h").vectors()[2], np.empty((0, 4)))


def test_what_exists_is_never_overwritten(tmp_path: Path) -> None:
    with make(tmp_path / "g") as shelf:
        for name in ("o", "o.zip"):
            (tmp_path / name).write_text("mine")
            with pytest.raises(GalleryError, match="exists already; give a new place"):
                export_gallery(shelf, tmp_path / name)
            assert (tmp_path / name).read_text() == "mine"
            with pytest.raises(GalleryError, match="cannot be"):
                export_gallery(shelf, tmp_path / "no" / name)


def test_another_model_is_refused(tmp_path: Path) -> None:
    make(tmp_path / "g").close()
    make(tmp_path / "other", fingerprint="0" * 64).close()
    make(tmp_path / "bits", "binary-flat").close()
    with Gallery.open(tmp_path / "g") as shelf:
        export_gallery(shelf, tmp_path / "out")
    with pytest.raises(GalleryError, match="cannot be compared"):
        import_gallery(tmp_path / "out", tmp_path / "other")
    with pytest.raises(GalleryError, match="import it into a new place"):
        import_gallery(tmp_path / "out", tmp_path / "bits")


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("gallery.json", lambda b: b"{", "gallery.json is damaged"),
        ("gallery.json", lambda b: b"[1]", "gallery.json is damaged"),
        ("gallery.json", lambda b: b.replace(b'"format": 1', b'"format": 9'), "format 9, and this"),
        ("gallery.json", lambda b: b.replace(b'"dim": 16', b'"dim": "x"'), "is damaged"),
        ("items.jsonl", lambda b: b[:-40], "items.jsonl:1098 is no item"),
        ("items.jsonl", lambda b: b.replace(b'"id": 5,', b'"id": 0,'), "items.jsonl:4 is no item"),
        ("items.jsonl", lambda b: b[: b.rfind(b"\n", 0, -1) + 1], "not as many lines"),
        ("items.jsonl", lambda b: b + b.split(b"\n")[0] + b"\n", "not as many lines"),
        ("vectors.npy", lambda b: b[:-8], "vectors.npy is cut short"),
        ("vectors.npy", lambda b: b"PK" + b, "is not a NumPy file"),
        ("vectors.npy", lambda b: b[:-4] + b"\xff\xff\xff\x7f", "length nan; expected 1"),
        ("vectors.npy", None, "is not an exported gallery"),
    ],
)
def test_a_damaged_export_makes_nothing(
    tmp_path: Path, file: str, change: object, message: str
) -> None:
    with make(tmp_path / "g") as shelf:
        export_gallery(shelf, tmp_path / "out")
    target = tmp_path / "out" / file
    if callable(change):
        target.write_bytes(change(target.read_bytes()))
    else:
        target.unlink()
    with pytest.raises(GalleryError, match=message) as caught:
        import_gallery(tmp_path / "out", tmp_path / "new")
    assert "\n" not in str(caught.value)
    assert {path.name for path in tmp_path.iterdir()} == {"g", "out"}


def test_what_is_no_export(tmp_path: Path) -> None:
    (tmp_path / "file.zip").write_bytes(b"no zip")
    for name in ("file.zip", "missing", "."):
        with pytest.raises(GalleryError, match="is not an exported gallery"):
            import_gallery(tmp_path / name, tmp_path / "new")
