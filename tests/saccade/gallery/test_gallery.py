"""The gallery as its users see it: what goes in comes out, and what does not fit is told."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from saccade.errors import GalleryError, OptionError
from saccade.gallery import Gallery, NewItem

DIM = 12
MODEL = "f" * 64


def unit(rng: np.random.Generator, count: int, dim: int = DIM) -> np.ndarray:
    vectors = rng.normal(size=(count, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def new_items(vectors: np.ndarray, label: str = "thing", start: int = 0) -> Iterator[NewItem]:
    for number, vector in enumerate(vectors, start=start):
        yield NewItem(label, vector, content=f"{label}-{number}", source=f"{number}.jpg")


def make(place: Path, dim: int = DIM) -> Gallery:
    return Gallery.create(place, model="toy", fingerprint=MODEL, dim=dim)


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Gallery]:
    with make(tmp_path / "shelf.gallery") as gallery:
        yield gallery


# --- Round trips ---


def test_what_was_added_is_listed_and_found(shelf: Gallery) -> None:
    vectors = unit(np.random.default_rng(0), 3)
    items = [
        NewItem("apple", vectors[0], "a", "apples/1.jpg", {"price": 1.5, "tags": ["red", "ü"]}),
        NewItem("pear", vectors[1], "b"),
        NewItem("apple", vectors[2], "c"),
    ]
    added = shelf.add(items, fingerprint=MODEL)
    assert added.ids == (1, 2, 3)
    assert added.duplicates == 0
    assert len(shelf) == 3
    assert shelf.labels() == {"apple": 2, "pear": 1}
    first = next(shelf.items())
    assert (first.id, first.label, first.source, first.content) == (1, "apple", "apples/1.jpg", "a")
    assert first.metadata == {"price": 1.5, "tags": ["red", "ü"]}
    assert [item.id for item in shelf.items("apple")] == [1, 3]
    found = shelf.search(vectors, k=1)
    assert found.ids.ravel().tolist() == [1, 2, 3]
    assert found.labels == (("apple",), ("pear",), ("apple",))
    np.testing.assert_allclose(found.scores, 1.0, atol=1e-6)


def test_everything_is_there_after_reopening(shelf: Gallery) -> None:
    vectors = unit(np.random.default_rng(1), 20)
    shelf.add(new_items(vectors), fingerprint=MODEL)
    before = list(shelf.items())
    shelf.close()
    with Gallery.open(shelf.place) as again:
        assert (again.model, again.fingerprint, again.dim) == ("toy", MODEL, DIM)
        assert list(again.items()) == before
        assert again.search(vectors[4:5], k=1).ids.tolist() == [[5]]


@pytest.mark.parametrize(("count", "k"), [(1, 1), (7, 3), (300, 10), (300, 300)])
def test_search_equals_brute_force(tmp_path: Path, count: int, k: int) -> None:
    rng = np.random.default_rng(count)
    vectors, queries = unit(rng, count), unit(rng, 9)
    with make(tmp_path / "g") as shelf:
        shelf.add(new_items(vectors), fingerprint=MODEL)
        found = shelf.search(queries, k=k)
    truth = queries @ vectors.T
    order = np.argsort(-truth, axis=1)[:, :k]
    np.testing.assert_array_equal(found.ids, order + 1)
    np.testing.assert_allclose(found.scores, np.take_along_axis(truth, order, 1), atol=1e-5)
    assert found.scores.dtype == np.float32
    assert found.ids.dtype == np.int64


def test_more_neighbours_than_items_are_padded(shelf: Gallery) -> None:
    vectors = unit(np.random.default_rng(2), 2)
    shelf.add(new_items(vectors), fingerprint=MODEL)
    found = shelf.search(vectors[:1], k=5)
    assert found.ids.tolist()[0][2:] == [-1, -1, -1]
    assert np.isneginf(found.scores[0, 2:]).all()
    assert found.labels[0] == ("thing", "thing", None, None, None)


def test_an_empty_gallery_finds_nothing(shelf: Gallery) -> None:
    found = shelf.search(unit(np.random.default_rng(0), 4), k=3)
    assert found.ids.tolist() == [[-1, -1, -1]] * 4
    assert found.labels == ((None, None, None),) * 4
    assert len(shelf) == 0
    assert shelf.labels() == {}
    assert list(shelf.items()) == []


def test_no_queries_give_no_answers(shelf: Gallery) -> None:
    shelf.add(new_items(unit(np.random.default_rng(0), 3)), fingerprint=MODEL)
    found = shelf.search(np.zeros((0, DIM), np.float32), k=2)
    assert found.ids.shape == (0, 2)
    assert len(found) == 0


def test_scores_never_exceed_one(shelf: Gallery) -> None:
    vectors = unit(np.random.default_rng(5), 200)
    shelf.add(new_items(vectors), fingerprint=MODEL)
    assert shelf.search(vectors, k=1).scores.max() <= 1.0


def test_the_same_picture_under_the_same_label_is_one_item(shelf: Gallery) -> None:
    vectors = unit(np.random.default_rng(3), 4)
    shelf.add(new_items(vectors), fingerprint=MODEL)
    again = shelf.add(new_items(vectors), fingerprint=MODEL)
    assert (again.ids, again.duplicates) == ((), 4)
    other = shelf.add(new_items(vectors, label="other"), fingerprint=MODEL)
    assert (len(other.ids), other.duplicates) == (4, 0)
    twice = [NewItem("x", vectors[0], "same"), NewItem("x", vectors[0], "same")]
    added = shelf.add(twice, fingerprint=MODEL)  # within one batch too
    assert (len(added.ids), added.duplicates) == (1, 1)
    assert len(shelf) == 9


def test_ids_are_never_given_twice(shelf: Gallery) -> None:
    vectors = unit(np.random.default_rng(3), 3)
    shelf.add(new_items(vectors[:2]), fingerprint=MODEL)
    with sqlite3.connect(shelf.place / "gallery.sqlite") as connection:
        connection.execute("DELETE FROM items WHERE id = 2")
    connection.close()
    assert shelf.add(new_items(vectors[2:], start=2), fingerprint=MODEL).ids == (3,)
    found = shelf.search(vectors, k=2)  # the removal is noted, so the index followed
    assert sorted(found.ids[1].tolist()) == [1, 3]


ODD = [
    "a b",
    "🍋",
    "it's",
    'say "hi"',
    "two\nlines",
    "tab\there",
    "Ünïcödé",
    "'; DROP TABLE items; --",
    "\0x",
]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), max_size=6, unique=True)
)
def test_any_text_can_be_a_label(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    labels = [text for text in dict.fromkeys(texts + ODD) if text.strip()]
    vectors = unit(np.random.default_rng(0), len(labels))
    with make(tmp_path_factory.mktemp("odd") / "g") as shelf:
        shelf.add(
            (
                NewItem(label, v, "same", source=label)
                for label, v in zip(labels, vectors, strict=True)
            ),
            fingerprint=MODEL,
        )
        assert [item.label for item in shelf.items()] == labels
        assert [item.source for item in shelf.items()] == labels
        assert [row[0] for row in shelf.search(vectors, k=1).labels] == labels
        for label in labels:
            assert shelf.contains(label, "same")
            assert len(list(shelf.items(label))) == 1


# --- What does not fit ---


def test_vectors_of_another_model_are_refused_with_the_remedy(shelf: Gallery) -> None:
    vectors = unit(np.random.default_rng(0), 1)
    with pytest.raises(GalleryError, match=r"made with the model toy .*use --model toy, or create"):
        shelf.add(new_items(vectors), fingerprint="0" * 64)
    assert len(shelf) == 0


@pytest.mark.parametrize(
    ("vector", "message"),
    [
        (np.ones(DIM, np.float32), "length 3.464; expected 1"),
        (np.zeros(DIM, np.float32), "length 0; expected 1"),
        (np.full(DIM, np.nan, np.float32), "length nan; expected 1"),
        (np.eye(1, DIM + 1, dtype=np.float32)[0], r"expected \(N, 12\)"),
        (np.zeros((2, DIM), np.float32), r"expected \(N, 12\)"),
    ],
)
def test_bad_vectors_are_refused(shelf: Gallery, vector: np.ndarray, message: str) -> None:
    with pytest.raises(GalleryError, match=message):
        shelf.add([NewItem("x", vector, "c")], fingerprint=MODEL)
    with pytest.raises(GalleryError, match=message):
        shelf.search(vector[None], k=1)
    assert len(shelf) == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label": " \n"}, "blank"),
        ({"label": "bad \udcff"}, "must be UTF-8"),
        ({"source": "bad \udcff"}, "must be UTF-8"),
        ({"metadata": {"x": float("nan")}}, "metadata JSON"),
        ({"metadata": {"x": object()}}, "metadata JSON"),
    ],
)
def test_bad_items_are_refused(shelf: Gallery, changes: dict[str, object], message: str) -> None:
    fields = {
        "label": "x",
        "vector": unit(np.random.default_rng(0), 1)[0],
        "content": "c",
        **changes,
    }
    with pytest.raises(GalleryError, match=message):
        shelf.add([NewItem(**fields)], fingerprint=MODEL)  # type: ignore[arg-type]
    assert len(shelf) == 0


def test_a_bad_item_leaves_earlier_batches_and_nothing_of_its_own(shelf: Gallery) -> None:
    vectors = unit(np.random.default_rng(0), 6)
    vectors[5] = 0
    with pytest.raises(GalleryError, match="expected 1"):
        shelf.add(new_items(vectors), fingerprint=MODEL, batch=4)
    assert len(shelf) == 4


@pytest.mark.parametrize("k", [0, -1])
def test_k_below_one_is_refused(shelf: Gallery, k: int) -> None:
    with pytest.raises(OptionError, match="1 or more"):
        shelf.search(unit(np.random.default_rng(0), 1), k=k)


# --- Places that are no galleries ---


def test_create_refuses_whatever_exists(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("folder", "file", "link"):
        with pytest.raises(GalleryError, match="exists already"):
            make(tmp_path / name)
    assert (tmp_path / "file").read_text() == "mine"


def test_create_leaves_nothing_behind_when_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(GalleryError, match="cannot be created: No such file"):
        make(tmp_path / "missing" / "g")
    with monkeypatch.context() as patch:
        patch.setattr("saccade.gallery.gallery.create_file", _raise_full)
        with pytest.raises(GalleryError, match="No space left"):
            make(tmp_path / "g")
    assert list(tmp_path.iterdir()) == []


def _raise_full(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


def test_places_that_are_no_galleries(tmp_path: Path) -> None:
    with pytest.raises(GalleryError, match="does not exist; make one with"):
        Gallery.open(tmp_path / "nothing")
    (tmp_path / "file").write_text("x")
    with pytest.raises(GalleryError, match="is a file"):
        Gallery.open(tmp_path / "file")
    with pytest.raises(GalleryError, match="is not a gallery"):
        Gallery.open(tmp_path)
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]  # opening creates nothing


def foreign(place: Path, content: bytes | None) -> Path:
    place.mkdir()
    file = place / "gallery.sqlite"
    if content is None:
        with sqlite3.connect(file) as connection:
            connection.execute("CREATE TABLE items (id)")
        connection.close()
    else:
        file.write_bytes(content)
    return place


def test_a_foreign_database_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GalleryError, match="written by another program"):
        Gallery.open(foreign(tmp_path / "a", None))
    with pytest.raises(GalleryError, match="is not a gallery"):
        Gallery.open(foreign(tmp_path / "b", b""))
    with pytest.raises(GalleryError, match="is damaged"):
        Gallery.open(foreign(tmp_path / "c", os.urandom(5000)))


def test_a_newer_format_is_refused_with_the_remedy(shelf: Gallery) -> None:
    shelf.close()
    with sqlite3.connect(shelf.place / "gallery.sqlite") as connection:
        connection.execute("PRAGMA user_version = 3")
    connection.close()
    with pytest.raises(GalleryError, match=r"format 3, .* knows format 2; upgrade with: pip"):
        Gallery.open(shelf.place)


@pytest.mark.parametrize("harm", ["cut", "overwritten", "header"])
def test_a_damaged_database_is_one_line(shelf: Gallery, harm: str) -> None:
    shelf.add(new_items(unit(np.random.default_rng(0), 500)), fingerprint=MODEL)
    shelf.close()
    file = shelf.place / "gallery.sqlite"
    data = bytearray(file.read_bytes())
    if harm == "cut":
        data = data[: len(data) // 2]
    elif harm == "overwritten":
        data[4096:] = os.urandom(len(data) - 4096)
    else:
        data[:100] = bytes(100)
    file.write_bytes(data)
    with pytest.raises(GalleryError) as caught, Gallery.open(shelf.place) as broken:
        list(broken.items())
        broken.search(unit(np.random.default_rng(0), 1))
    assert "\n" not in str(caught.value)
    assert "damaged" in str(caught.value) or "not a gallery" in str(caught.value)


def test_a_closed_gallery_says_so(shelf: Gallery) -> None:
    shelf.close()
    shelf.close()
    with pytest.raises(GalleryError, match="is closed"):
        len(shelf)
    with pytest.raises(GalleryError, match="is closed"):
        shelf.search(unit(np.random.default_rng(0), 1))


def test_a_full_disk_adds_nothing_and_says_so(shelf: Gallery) -> None:
    shelf.add(new_items(unit(np.random.default_rng(0), 10)), fingerprint=MODEL)
    pages = shelf._store._connection.execute("PRAGMA page_count").fetchone()[0]
    shelf._store._connection.execute(f"PRAGMA max_page_count = {pages + 1}")
    with pytest.raises(
        GalleryError, match="the disk is full; nothing of this batch was added or changed"
    ):
        shelf.add(
            new_items(unit(np.random.default_rng(1), 900), "more"), fingerprint=MODEL, batch=900
        )
    shelf._store._connection.execute("PRAGMA max_page_count = 100000")
    assert len(shelf) == 10
    shelf.add(new_items(unit(np.random.default_rng(1), 90), "more"), fingerprint=MODEL)
    assert len(shelf) == 100


def test_a_read_only_place_can_be_searched(shelf: Gallery) -> None:
    """As somebody who may only read: no WAL files and no cache can be written there."""
    shelf.add(new_items(unit(np.random.default_rng(0), 5)), fingerprint=MODEL)
    shelf.close()
    script = f"""
    import os, sys
    import numpy as np
    from saccade.errors import GalleryError
    from saccade.gallery import Gallery, NewItem
    query = np.eye(1, {DIM}, dtype=np.float32)
    # Packages import parts of themselves late, from places that nobody else may enter.
    with Gallery.open(sys.argv[2]) as warm:
        warm.search(query, k=5)
    if os.geteuid() == 0:
        os.setgroups([]); os.setgid(65534); os.setuid(65534)
    with Gallery.open(sys.argv[1]) as shelf:
        assert (shelf.search(query, k=5).ids >= 1).all()
        try:
            shelf.add([NewItem("x", query[0], "c")], fingerprint="{MODEL}")
        except GalleryError as error:
            print(error)
    """
    with tempfile.TemporaryDirectory() as outside:  # pytest's own folders are closed to others
        Path(outside).chmod(0o755)
        place = Path(shutil.copytree(shelf.place, Path(outside) / "g"))
        (place / "gallery.sqlite").chmod(0o444)
        place.chmod(0o555)
        command = [sys.executable, "-c", textwrap.dedent(script), str(place), str(shelf.place)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        place.chmod(0o755)
        left = sorted(path.name for path in place.iterdir())
    assert done.returncode == 0, done.stderr
    assert "cannot be written; check the permissions" in done.stdout
    assert left == ["gallery.sqlite"]


def test_many_threads_read_while_one_writes(shelf: Gallery) -> None:
    vectors = unit(np.random.default_rng(0), 400)
    shelf.add(new_items(vectors[:100]), fingerprint=MODEL)
    failures: list[BaseException] = []

    def read(seed: int) -> None:
        rng = np.random.default_rng(seed)
        try:
            for _ in range(40):
                pick = int(rng.integers(100))
                assert shelf.search(vectors[pick : pick + 1], k=3).ids[0, 0] == pick + 1
                assert sum(shelf.labels().values()) >= 100
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for start in range(100, 400, 10):
        shelf.add(new_items(vectors[start : start + 10], start=start), fingerprint=MODEL)
    for thread in threads:
        thread.join()
    assert failures == []
    np.testing.assert_array_equal(shelf.search(vectors, k=1).ids[:, 0], np.arange(400) + 1)
