"""Removing, renaming, filters by metadata, and what another open gallery sees of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from saccade.cli.app import main
from saccade.errors import GalleryError, OptionError
from saccade.gallery import Gallery, NewItem, Renamed, check, stats

DIM = 16
MODEL = "f" * 64
ODD = ["a b", "🍋", "it's", 'say "hi"', "two\nlines", "'; DROP TABLE items; --"]


def unit(seed: int, count: int, dim: int = DIM) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Gallery]:
    with Gallery.create(tmp_path / "g", model="toy", fingerprint=MODEL, dim=DIM) as gallery:
        yield gallery


def fill(shelf: Gallery, vectors: np.ndarray, label: str = "x") -> tuple[int, ...]:
    items = [
        NewItem(label, v, f"c{i}", f"{label}/{i}.jpg", {"n": i}) for i, v in enumerate(vectors)
    ]
    return shelf.add(items, fingerprint=shelf.fingerprint).ids


def test_what_is_removed_is_not_found_by_anyone(shelf: Gallery) -> None:
    vectors = unit(0, 40)
    fill(shelf, vectors[:20], "left")
    fill(shelf, vectors[20:], "right")
    with Gallery.open(shelf.place) as reader:
        assert reader.search(vectors, k=1).ids.ravel().tolist() == list(range(1, 41))
        assert shelf.remove([3, 3, 5]) == 2
        assert shelf.remove(label="right") == 20
        assert shelf.remove(source="left/9.jpg") == 1
        left = [i for i in range(1, 21) if i not in (3, 5, 10)]
        for one in (reader, shelf):
            found = one.search(vectors, k=40)
            assert sorted(found.ids[0][found.ids[0] >= 0].tolist()) == left
        assert len(reader) == 17
    with Gallery.open(shelf.place) as again:  # from the cache
        assert again.search(vectors[:1], k=40).ids.max() == 20
    assert fill(shelf, vectors[20:], "right")[0] == 41  # ids are not given again
    assert check(shelf).ok


def test_removing_everything_and_beginning_again(shelf: Gallery) -> None:
    fill(shelf, unit(0, 5))
    shelf.search(unit(0, 1))
    shelf.remove(label="x")
    assert shelf.search(unit(0, 1), k=2).ids.tolist() == [[-1, -1]]
    fill(shelf, unit(1, 5))
    assert shelf.search(unit(1, 5), k=1).ids.ravel().tolist() == [6, 7, 8, 9, 10]
    with Gallery.open(shelf.place) as again:
        assert again.search(unit(1, 5), k=1).ids.ravel().tolist() == [6, 7, 8, 9, 10]


def test_a_long_list_of_removals_is_given_up(shelf: Gallery) -> None:
    vectors = unit(0, 1600)
    fill(shelf, vectors)
    with Gallery.open(shelf.place) as reader:
        reader.search(vectors[:1])
        shelf.remove(range(1, 1201))
        assert shelf.store.state().removals == 0 or shelf.store.removed_after(0) == []
        fill(shelf, unit(1, 3), "new")
        found = reader.search(np.concatenate([vectors[1200:], unit(1, 3)]), k=1)
        assert found.ids.ravel().tolist() == list(range(1201, 1604))


@pytest.mark.parametrize(
    "what", [{"ids": [1, 99]}, {"label": "nobody"}, {"source": "nowhere"}], ids=str
)
def test_removing_what_is_not_there_removes_nothing(
    shelf: Gallery, what: dict[str, object]
) -> None:
    fill(shelf, unit(0, 3))
    with pytest.raises(GalleryError, match="has no item of"):
        shelf.remove(**what)  # type: ignore[arg-type]
    assert len(shelf) == 3


@pytest.mark.parametrize("new", ODD)
def test_a_renamed_label_is_seen_by_an_open_reader(shelf: Gallery, new: str) -> None:
    vectors = unit(0, 4)
    fill(shelf, vectors, "old")
    with Gallery.open(shelf.place) as reader:
        assert reader.search(vectors, k=1).labels[0] == ("old",)
        assert shelf.rename("old", new) == Renamed(4, 0)
        for one in (reader, shelf):
            assert one.search(vectors, k=1).labels == ((new,),) * 4
        assert shelf.relabel(2, "one") == Renamed(1, 0)
        assert [row[0] for row in reader.search(vectors, k=1).labels] == [new, "one", new, new]
        assert shelf.remove(label=new) == 3


def test_renaming_onto_a_label_merges(shelf: Gallery) -> None:
    vectors = unit(0, 6)
    fill(shelf, vectors[:4], "a")  # contents c0..c3
    fill(shelf, vectors[:2], "b")  # contents c0, c1
    assert shelf.rename("a", "b") == Renamed(2, 2)
    assert shelf.labels() == {"b": 4}
    fill(shelf, vectors[:1], "c")
    assert shelf.relabel(7, "b") == Renamed(0, 1)
    assert shelf.labels() == {"b": 4}
    assert shelf.rename("b", "b") == Renamed(0, 0)
    assert check(shelf).ok


def test_bad_renames(shelf: Gallery) -> None:
    fill(shelf, unit(0, 1))
    with pytest.raises(GalleryError, match="no picture labelled 'y'; see"):
        shelf.rename("y", "z")
    with pytest.raises(GalleryError, match="no item of id 9"):
        shelf.relabel(9, "z")
    for label in (" ", "bad \udcff"):
        with pytest.raises(GalleryError, match=r"blank|not UTF-8"):
            shelf.rename("x", label)


METADATA: list[dict[str, object]] = [
    {"shelf": "3", "tags": ["red", "ripe"]},
    {"shelf": 3, "price": 1.5, 'odd "key" $.x': "yes"},
    {"shelf": 4, "fresh": True, "tags": []},
    {"shelf": None, "fresh": False, "deep": {"shelf": 3}},
    {},
]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"shelf": "3"}, [1, 2]),
        ({"shelf": 3}, [1, 2]),
        ({"price": "1.50"}, [2]),
        ({"fresh": "true"}, [3]),
        ({"fresh": False}, [4]),
        ({"shelf": None}, [4]),
        ({"tags": "red"}, [1]),
        ({"tags": "red", "shelf": "4"}, []),
        ({'odd "key" $.x': "yes"}, [2]),
        ({"deep": "3"}, []),
        ({"nothing": ""}, []),
    ],
    ids=str,
)
def test_filters(shelf: Gallery, where: dict[str, object], expected: list[int]) -> None:
    vectors = unit(0, len(METADATA))
    shelf.add(
        (
            NewItem("x", v, f"{i}", metadata=m)
            for i, (v, m) in enumerate(zip(vectors, METADATA, strict=True))
        ),
        fingerprint=MODEL,
    )
    assert [item.id for item in shelf.items(where=where)] == expected
    found = shelf.search(vectors[:2], k=9, where=where)
    for row in found.ids:
        assert sorted(row[row >= 0].tolist()) == expected
    assert found.ids.shape == (2, 9)


def test_a_filtered_search_equals_brute_force(shelf: Gallery) -> None:
    vectors, queries = unit(0, 500), unit(1, 7)
    shelf.add(
        (NewItem("x", v, f"{i}", metadata={"m": i % 3}) for i, v in enumerate(vectors)),
        fingerprint=MODEL,
    )
    found = shelf.search(queries, k=5, where={"m": 1})
    some = np.arange(500)[np.arange(500) % 3 == 1]
    truth = queries @ vectors[some].T
    np.testing.assert_array_equal(found.ids, some[np.argsort(-truth, axis=1)[:, :5]] + 1)
    with pytest.raises(OptionError, match="expected a text"):
        shelf.search(queries, where={"m": [1]})


def test_vectors_are_one_snapshot(shelf: Gallery) -> None:
    ids, labels, vectors = shelf.vectors()
    assert (ids.shape, labels, vectors.shape) == ((0,), (), (0, DIM))
    fill(shelf, unit(0, 3), "a")
    fill(shelf, unit(1, 2), "b")
    shelf.remove([2])
    ids, labels, vectors = shelf.vectors()
    assert ids.tolist() == [1, 3, 4, 5]
    assert labels == ("a", "a", "b", "b")
    np.testing.assert_array_equal(vectors, np.concatenate([unit(0, 3)[[0, 2]], unit(1, 2)]))
    assert (ids.dtype, vectors.dtype) == (np.int64, np.float32)


def test_a_calibration_is_kept_and_told(shelf: Gallery, capsys: pytest.CaptureFixture[str]) -> None:
    centres, rng = unit(0, 80), np.random.default_rng(1)
    for number, centre in enumerate(centres):
        vectors = centre + 0.1 * rng.normal(size=(3, DIM))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        fill(shelf, vectors.astype(np.float32), f"label {number}")
    assert shelf.calibration is None
    place = str(shelf.place)
    assert main(["gallery", "calibrate", place, "--false-accept-rate", "0.1", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    kept = shelf.calibration
    assert kept is not None
    assert kept.to_dict() == told
    assert kept.false_accept_rate == 0.1
    shelf.remove(label="label 3")  # nothing but a re-embedding clears it
    fill(shelf, unit(9, 2), "new")
    with Gallery.open(place) as again:
        assert again.calibration == kept
    assert stats(shelf)["calibration"] == told
    assert main(["gallery", "calibrate", place, "--false-accept-rate", "7"]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
    shelf.set_calibration(None)
    assert shelf.calibration is None
