"""Check and stats: what is wrong is said, the cache is repaired, the truth never touched."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from saccade.gallery import Gallery, NewItem, check, stats
from saccade.gallery.cache import Stamp, load_cache, save_cache
from saccade.gallery.codec import Codec
from saccade.gallery.index import VectorIndex

DIM = 8
MODEL = "c" * 64
CODEC = Codec(DIM, "float")


def unit(seed: int, count: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, DIM)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Gallery]:
    with Gallery.create(tmp_path / "g", model="toy", fingerprint=MODEL, dim=DIM) as gallery:
        items = [NewItem(f"l{i % 3}", v, f"c{i}") for i, v in enumerate(unit(0, 30))]
        gallery.add(items, fingerprint=MODEL)
        yield gallery


def execute(shelf: Gallery, *statements: str) -> None:
    connection = sqlite3.connect(shelf.place / "gallery.sqlite", isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


def falsify(shelf: Gallery, what: str) -> None:
    """A cache with a right checksum and wrong content."""
    file = shelf.place / "index.faiss"
    loaded = load_cache(file, CODEC)
    assert loaded is not None
    _, stamp = loaded
    index = VectorIndex(CODEC)
    ids, _, vectors = shelf.vectors()
    if what == "vector":
        vectors[4] = unit(9, 1)[0]
    elif what == "id":
        ids[4] = 999
    elif what == "missing":
        ids, vectors = ids[:-1], vectors[:-1]
    else:
        stamp = Stamp("0" * 32, stamp.last_id, stamp.mark)
    index.add(ids, vectors)
    assert save_cache(file, index, stamp)


def test_a_whole_gallery_is_whole_with_and_without_a_cache(shelf: Gallery) -> None:
    assert check(shelf).ok
    shelf.search(unit(0, 1))
    assert check(shelf) == check(shelf, repair=True)
    shelf.add([NewItem("late", unit(3, 1)[0], "late")], fingerprint=MODEL)
    shelf.remove([2])
    assert check(shelf).ok  # behind, which is no fault


@pytest.mark.parametrize("what", ["vector", "id", "missing"])
def test_a_cache_that_lies_is_found_and_repaired(shelf: Gallery, what: str) -> None:
    shelf.search(unit(0, 1))
    falsify(shelf, what)
    found = check(shelf)
    assert not found.ok
    assert found.damage == ()
    assert "index.faiss" in found.stale[0]
    mended = check(shelf, repair=True)
    assert mended.ok
    assert mended.repaired
    assert check(shelf).stale == ()
    assert shelf.search(unit(0, 30), k=1).ids.ravel().tolist() == list(range(1, 31))


def test_a_cache_of_another_state_is_not_used_and_no_fault(shelf: Gallery) -> None:
    shelf.search(unit(0, 1))
    falsify(shelf, "epoch")
    assert check(shelf).ok
    with Gallery.open(shelf.place) as again:
        found = again.search(unit(0, 30), k=1)
        assert found.ids.ravel().tolist() == list(range(1, 31))


def test_a_damaged_cache_is_repaired(shelf: Gallery) -> None:
    (shelf.place / "index.faiss").write_bytes(b"nonsense")
    assert check(shelf).stale == ("index.faiss is damaged or of another shape",)
    assert check(shelf, repair=True).ok


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("DELETE FROM vectors WHERE id = 3", "1 items without a vector"),
        ("INSERT INTO vectors VALUES (77, zeroblob(32))", "1 vectors without an item"),
        ("UPDATE vectors SET vector = zeroblob(32) WHERE id = 5", "item 5 is not of unit length"),
    ],
)
def test_damage_of_the_truth_is_told_and_left_alone(
    shelf: Gallery, statement: str, message: str
) -> None:
    execute(shelf, statement)
    found = check(shelf, repair=True)
    assert message in " ".join(found.damage)
    assert not found.ok
    assert len(shelf) == 30


def test_stats(shelf: Gallery) -> None:
    shelf.search(unit(0, 1))
    found = stats(shelf)
    assert (found["items"], found["labels"], found["dim"]) == (30, 3, DIM)
    assert (found["index"], found["index_wanted"], found["index_cached"]) == (
        "auto",
        "flat",
        "flat",
    )
    assert found["index_vectors"] == 30
    assert found["calibration"] is None
    assert found["bytes"] > 30 * 4 * DIM
