"""Every kind of index: what it finds, and that adding and removing is followed without a build."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from saccade.errors import GalleryError, OptionError
from saccade.gallery import Gallery, NewItem, check, searching
from saccade.gallery.cache import read_stamp
from saccade.gallery.codec import Codec
from saccade.gallery.kinds import KINDS, chosen

DIM = 64
MODEL = "e" * 64


def clusters(seed: int, count: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(20, DIM))
    vectors = centres[rng.integers(0, 20, count)] + 0.6 * rng.normal(size=(count, DIM))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def fill(shelf: Gallery, vectors: np.ndarray, name: str) -> None:
    items = (NewItem(name, v, f"{name}{i}") for i, v in enumerate(vectors))
    shelf.add(items, fingerprint=MODEL, batch=2048)


def make(place: Path, kind: str) -> Gallery:
    return Gallery.create(place, model="toy", fingerprint=MODEL, dim=DIM, index=kind)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_finds_what_an_exact_search_finds(tmp_path: Path, kind: str) -> None:
    vectors = clusters(0, 1500)
    with make(tmp_path / "g", kind) as shelf:
        fill(shelf, vectors, "a")
        exact = shelf.search(vectors[:100], k=10)  # nothing is built yet, so it is exact
        flat = kind in ("flat", "binary-flat")
        assert shelf.build_index(force=False) == (None if flat else kind)
        assert shelf.build_index(force=False) is None
        found = shelf.search(vectors[:100], k=10)
        same = [
            len(set(a) & set(b))
            for a, b in zip(exact.ids.tolist(), found.ids.tolist(), strict=True)
        ]
        assert np.mean(same) > 8.5
        np.testing.assert_allclose(found.scores[:, 0], 1, atol=1e-5)  # itself, exactly scored
        assert (np.diff(found.scores, axis=1) <= 0).all()

        shelf.remove(range(1, 51))
        fill(shelf, -vectors[:30], "b")
        with Gallery.open(shelf.place) as reader:
            for one in (shelf, reader):
                assert one.search(vectors[:100], k=10).ids.min() > 50
                after = one.search(-vectors[:30], k=1)
                assert after.labels == (("b",),) * 30
                many = one.search(vectors[:3], k=2000).ids
                for row in many:  # everything, and nothing that was removed
                    assert sorted(row[row > 0].tolist()) == list(range(51, 1531))
        stamp = read_stamp(tmp_path / "g" / "index.faiss")
        assert stamp is not None
        assert stamp[0] == kind  # the readers have not replaced what took time to build
        assert check(shelf).ok
        assert shelf.build_index() == kind
        assert check(shelf).ok
        assert shelf.search(-vectors[:30], k=1).labels == (("b",),) * 30


def test_bits_are_scored_by_hamming_distance(tmp_path: Path) -> None:
    vectors, queries = clusters(0, 50), clusters(1, 6)
    for kind in ("binary-flat", "binary-hnsw"):
        with make(tmp_path / kind, kind) as shelf:
            fill(shelf, vectors, "a")
            shelf.build_index()
            found = shelf.search(queries, k=50)
            where = shelf.search(queries, k=50, where={"no": 1})
            _, _, kept = shelf.vectors()
        assert (where.ids == -1).all()
        np.testing.assert_allclose(np.linalg.norm(kept, axis=1), 1, atol=1e-6)
        for query, ids, scores in zip(queries, found.ids, found.scores, strict=True):
            for item, score in zip(ids, scores, strict=True):
                distance = sum(
                    int((a > 0) != (b > 0)) for a, b in zip(query, vectors[item - 1], strict=True)
                )
                assert score == pytest.approx(1 - 2 * distance / DIM, abs=1e-6)


def test_the_rule_of_auto() -> None:
    sizes = (0, 100_000, 100_001, 2_000_000, 2_000_001)
    assert [chosen("auto", "float", n) for n in sizes] == ["flat", "flat", "hnsw", "hnsw", "ivf-pq"]
    bits = [chosen("auto", "bits", n) for n in sizes]
    assert bits == ["binary-flat"] * 4 + ["binary-hnsw"]
    assert chosen("ivf", "float", 1000) == "flat"  # too few to train on
    assert chosen("hnsw", "float", 1) == "hnsw"


def test_kinds_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"no kind of index 'hnws': did you mean 'hnsw'"):
        make(tmp_path / "g", "hnws")
    with pytest.raises(OptionError, match="multiple of 8"):
        Gallery.create(tmp_path / "g", model="m", fingerprint="f", dim=12, index="binary-flat")
    with make(tmp_path / "g", "auto") as shelf:
        with pytest.raises(GalleryError, match="does not fit a gallery that keeps float"):
            shelf.set_index("binary-flat")
        shelf.set_index("hnsw")
        assert shelf.index == "hnsw"
    with make(tmp_path / "b", "binary-flat") as shelf:
        assert shelf.storage == "bits"
        with pytest.raises(GalleryError, match="does not fit a gallery that keeps bits"):
            shelf.set_index("hnsw")


def test_a_long_tail_is_taken_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "_TAIL_LEAST", 20)
    with make(tmp_path / "g", "hnsw") as shelf:
        fill(shelf, clusters(0, 200), "a")
        shelf.build_index()
        fill(shelf, clusters(1, 15), "b")
        assert shelf.build_index(force=False) is None
        fill(shelf, clusters(2, 15), "c")
        assert shelf.build_index(force=False) == "hnsw"
        stamp = read_stamp(tmp_path / "g" / "index.faiss")
        assert stamp is not None
        assert stamp[1] == 230


@pytest.mark.parametrize("storage", ["float", "bits"])
def test_codec_round_trip(storage: str) -> None:
    codec = Codec(DIM, storage)
    vectors = clusters(0, 9)
    rows = codec.rows(vectors)
    again = codec.join([row.tobytes() for row in rows])
    np.testing.assert_array_equal(again, rows)
    assert rows[0].nbytes == codec.size
    expected = vectors if storage == "float" else np.where(vectors > 0, 1, -1) / np.sqrt(DIM)
    np.testing.assert_allclose(codec.vectors(again), expected, atol=1e-6)
