"""The cache: it may be missing, stale or damaged, and the answers stay right."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from pathlib import Path

import numpy as np
import pytest

from saccade.gallery import Gallery, NewItem
from saccade.gallery import searching as module
from saccade.gallery.cache import Stamp, load_cache, save_cache
from saccade.gallery.codec import Codec
from saccade.gallery.index import VectorIndex

DIM = 8
CODEC = Codec(DIM, "float")
MODEL = "a" * 64
EPOCH = "0" * 32


def unit(seed: int, count: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, DIM)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def add(place: Path, vectors: np.ndarray, label: str = "x") -> None:
    with Gallery.open(place) as shelf:
        shelf.add(
            (NewItem(label, v, content=v.tobytes().hex()) for v in vectors), fingerprint=MODEL
        )


def first_ids(place: Path, queries: np.ndarray) -> list[int]:
    with Gallery.open(place) as shelf:
        found = shelf.search(queries, k=1)
    np.testing.assert_allclose(found.scores, 1, atol=1e-5)
    return found.ids[:, 0].tolist()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    place = tmp_path / "g"
    Gallery.create(place, model="toy", fingerprint=MODEL, dim=DIM).close()
    add(place, unit(0, 50))
    return place


def test_a_search_writes_the_cache_and_the_next_one_uses_it(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert first_ids(place, unit(0, 50)) == list(range(1, 51))
    cache = place / "index.faiss"
    assert cache.exists()
    written = cache.stat().st_mtime_ns
    monkeypatch.setattr(
        module.Store, "vectors_after", lambda *_, **__: pytest.fail("the cache was not used")
    )
    assert first_ids(place, unit(0, 50)) == list(range(1, 51))
    assert cache.stat().st_mtime_ns == written


def test_a_stale_cache_is_extended_and_rewritten_when_it_pays(place: Path) -> None:
    first_ids(place, unit(0, 50))
    cache = place / "index.faiss"
    before = cache.read_bytes()
    add(place, unit(1, 2))
    assert first_ids(place, unit(1, 2)) == [51, 52]
    assert cache.read_bytes() == before  # two of 52 are not worth a write
    add(place, unit(2, 20))
    assert first_ids(place, np.concatenate([unit(2, 20), unit(0, 50)])) == [
        *range(53, 73),
        *range(1, 51),
    ]
    index, stamp = load_cache(cache, CODEC) or pytest.fail("no cache")
    assert (len(index), stamp.last_id) == (72, 72)


@pytest.mark.parametrize(
    "harm", ["missing", "empty", "cut", "flipped", "footer", "random", "folder"]
)
def test_a_damaged_cache_is_rebuilt(place: Path, harm: str) -> None:
    first_ids(place, unit(0, 50))
    cache = place / "index.faiss"
    data = bytearray(cache.read_bytes())
    match harm:
        case "missing" | "folder":
            cache.unlink()
        case "empty":
            data.clear()
        case "cut":
            data = data[: len(data) // 2]
        case "flipped":
            data[len(data) // 2] ^= 1
        case "footer":
            data[-1] ^= 1
        case "random":
            data[:] = os.urandom(len(data))
    if harm == "folder":
        cache.mkdir()
    elif harm != "missing":
        cache.write_bytes(data)
    assert load_cache(cache, CODEC) is None
    assert first_ids(place, unit(0, 50)) == list(range(1, 51))
    if harm != "folder":
        assert load_cache(cache, CODEC) is not None  # mended
    assert not (place / "index.faiss.tmp").exists()


def test_deleting_or_changing_a_row_behind_our_back_is_noticed(place: Path) -> None:
    vectors = unit(0, 50)
    with Gallery.open(place) as shelf:
        shelf.search(vectors[:1])
        other = sqlite3.connect(place / "gallery.sqlite", isolation_level=None)
        other.execute("DELETE FROM items WHERE id = 7")
        other.execute("UPDATE vectors SET vector = ? WHERE id = 9", (unit(9, 1).tobytes(),))
        other.close()
        assert 7 not in shelf.search(vectors, k=50).ids
        assert shelf.search(unit(9, 1), k=1).ids.tolist() == [[9]]
    assert first_ids(place, unit(9, 1)) == [9]


def test_a_restored_older_truth_that_grew_again_is_noticed(place: Path, tmp_path: Path) -> None:
    """The cache knows ids up to 60 of one history; the truth has other items under the same ids."""
    shutil.copy(place / "gallery.sqlite", tmp_path / "backup.sqlite")
    add(place, unit(1, 10))
    first_ids(place, unit(1, 10))
    shutil.copy(tmp_path / "backup.sqlite", place / "gallery.sqlite")
    assert first_ids(place, unit(0, 50)) == list(range(1, 51))  # the cache is ahead of the truth
    add(place, unit(1, 10))
    first_ids(place, unit(1, 10))
    shutil.copy(tmp_path / "backup.sqlite", place / "gallery.sqlite")
    add(place, unit(2, 12))
    assert first_ids(place, unit(2, 12)) == list(range(51, 63))


def test_another_process_s_half_written_cache_is_left_alone_until_it_is_old(place: Path) -> None:
    temporary = place / "index.faiss.tmp"
    temporary.write_bytes(b"somebody is at it")
    assert first_ids(place, unit(0, 1)) == [1]
    assert temporary.read_bytes() == b"somebody is at it"
    assert not (place / "index.faiss").exists()
    long_ago = time.time() - 3600
    os.utime(temporary, (long_ago, long_ago))
    assert first_ids(place, unit(0, 1)) == [1]
    assert not temporary.exists()
    assert (place / "index.faiss").exists()


def test_an_interrupted_extension_is_not_kept(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Gallery.open(place) as shelf:
        shelf.search(unit(0, 1))
        add(place, unit(1, 5))
        add_vectors = VectorIndex.add

        def interrupted(self: VectorIndex, ids: np.ndarray, vectors: np.ndarray) -> None:
            add_vectors(self, ids, vectors)
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(VectorIndex, "add", interrupted)
            with pytest.raises(KeyboardInterrupt):
                shelf.search(unit(0, 1))
        ids = shelf.search(unit(0, 1), k=60).ids[0]
        assert sorted(ids.tolist()) == [-1] * 5 + list(range(1, 56))


def test_save_and_load_round_trip(tmp_path: Path) -> None:
    index = VectorIndex(CODEC)
    vectors = unit(4, 30)
    index.add(np.arange(10, 40), vectors)
    stamp = Stamp(epoch=EPOCH, last_id=39, mark=bytes(range(16)))
    assert save_cache(tmp_path / "c", index, stamp)
    loaded = load_cache(tmp_path / "c", CODEC)
    assert loaded is not None
    assert loaded[1] == stamp
    for one, other in zip(
        index.search(vectors, 5, threads=1), loaded[0].search(vectors, 5, threads=1), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    assert load_cache(tmp_path / "c", Codec(DIM + 1, "float")) is None
    assert save_cache(tmp_path / "missing" / "c", index, stamp) is False


@pytest.mark.parametrize("storage", ["float", "bits"])
def test_a_flat_index_keeps_what_is_new_in_a_tail_while_that_is_short(storage: str) -> None:
    codec = Codec(DIM, storage)
    vectors = unit(5, 320)
    index, whole = VectorIndex(codec), VectorIndex(codec)
    index.add(np.arange(1, 301), codec.rows(vectors[:300]))
    assert len(index.main) == 300
    for number in range(300, 310):
        index.add(np.array([number + 1]), codec.rows(vectors[number : number + 1]))
        # A tail of 2 % is short; the seventh row of 300 makes it longer.
        assert len(index.main) == (300 if number < 306 else 307)
    whole.add(np.arange(1, 311), codec.rows(vectors[:310]))
    gone = np.array([3, 200, 309])
    for one in (index, whole):
        one.remove(gone)
    assert len(index) == len(whole) == 307
    found, expected = (one.search(vectors, 20, threads=1) for one in (index, whole))
    np.testing.assert_allclose(found[1], expected[1], atol=1e-6)
    assert not np.isin(gone, found[0]).any()
    index.merge()
    assert (len(index.main), len(index.tail)) == (307, 0)
    assert index.main.settle().tolist() == whole.main.settle().tolist()
    np.testing.assert_array_equal(index.main.rows(), whole.main.rows())


def test_a_tail_is_found_when_the_main_part_is_gone() -> None:
    index = VectorIndex(CODEC)
    index.add(np.arange(1, 101), unit(1, 100))
    index.add(np.array([101]), unit(2, 1))
    index.remove(np.arange(1, 101))
    assert index.search(unit(2, 1), 3, threads=1)[0].tolist() == [[101, -1, -1]]
