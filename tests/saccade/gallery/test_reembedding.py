"""Another model: built beside, swapped at once, refused when pictures are missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from saccade.errors import GalleryError
from saccade.gallery import (
    Gallery,
    NewItem,
    add_pictures,
    check,
    create_gallery,
    reembed,
    stats,
    with_label,
)

COUNT = 12


class Embedder:
    """The mean colour, and as many cells of a grey copy as there are dimensions left."""

    path = Path("/models/any.onnx")

    def __init__(self, name: str = "old", dim: int = 3) -> None:
        self.name, self.dim = name, dim
        self.fingerprint = name * 10
        self.seen = 0
        self.after = lambda: None

    def batch(self, images: Sequence[np.ndarray]) -> np.ndarray:
        self.seen += len(images)
        rows = [np.resize(image.reshape(-1, 3).mean(axis=0), self.dim) for image in images]
        means = np.stack(rows) + np.arange(self.dim)
        self.after()
        return (means / np.linalg.norm(means, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Gallery]:
    rng = np.random.default_rng(0)
    for i in range(COUNT):
        colour = tuple(rng.integers(20, 255, 3).tolist())
        Image.new("RGB", (8, 8), colour).save(tmp_path / f"{i:02}.png")
    with create_gallery(tmp_path / "g", Embedder()) as gallery:
        pictures = with_label([tmp_path / f"{i:02}.png" for i in range(COUNT)], "x").found
        assert add_pictures(gallery, Embedder(), pictures).added == COUNT
        yield gallery


def test_the_swap_is_seen_at_once_and_by_whoever_had_it_open(shelf: Gallery) -> None:
    new = Embedder("new", dim=8)
    old_query = np.eye(1, 3, dtype=np.float32)
    with Gallery.open(shelf.place) as reader:
        before = reader.search(old_query, k=3)
        new.after = lambda: np.testing.assert_array_equal(  # it goes on with the old meanwhile
            reader.search(old_query, k=3).ids, before.ids
        )
        steps: list[int] = []
        report = reembed(shelf, new, batch=5, on_progress=steps.append)
        assert (report.embedded, report.dropped, report.problems) == (COUNT, 0, [])
        assert steps == [5, 5, 2]
        new.after = lambda: None
        with pytest.raises(GalleryError, match=r"re-embedded with the model .*open it again"):
            reader.search(old_query, k=3)
        with pytest.raises(GalleryError, match="cannot be compared"):
            reader.add([NewItem("x", old_query[0], "c")], fingerprint=Embedder().fingerprint)
        query = np.eye(1, 8, dtype=np.float32)
        assert reader.search(query, k=COUNT, fingerprint=new.fingerprint).ids.min() == 1
    assert (shelf.dim, shelf.fingerprint) == (8, new.fingerprint)
    images = [np.asarray(Image.open(item.source)) for item in shelf.items()]
    found = shelf.search(new.batch(images), k=1)
    np.testing.assert_allclose(found.scores, 1, atol=1e-5)
    assert check(shelf).ok
    with pytest.raises(GalleryError, match="has the vectors of this model already"):
        reembed(shelf, new)


def test_missing_pictures_are_listed_and_the_swap_refused(shelf: Gallery, tmp_path: Path) -> None:
    (tmp_path / "01.png").unlink()
    (tmp_path / "02.png").write_bytes((tmp_path / "03.png").read_bytes())
    shelf.add([NewItem("y", np.eye(1, 3, dtype=np.float32)[0], "c")], fingerprint="old" * 10)
    new = Embedder("new")
    report = reembed(shelf, new)
    assert [Path(problem.where).name for problem in report.problems] == [
        *("01.png", "02.png", f"item {COUNT + 1}")
    ]
    assert (report.embedded, report.dropped) == (COUNT - 2, 0)
    assert shelf.fingerprint == "old" * 10
    assert shelf.search(np.eye(1, 3, dtype=np.float32), k=COUNT).ids.min() > 0
    assert stats(shelf)["re_embedding"] is not None
    assert "was begun and not ended" in check(shelf).stale[0]
    seen = new.seen
    report = reembed(shelf, new, drop_missing=True)
    assert new.seen == seen  # what was built is not built again
    assert (report.embedded, report.dropped, len(report.problems)) == (COUNT - 2, 3, 3)
    assert len(shelf) == COUNT - 2
    assert check(shelf).ok


def test_adds_and_removals_meanwhile_are_not_lost(shelf: Gallery, tmp_path: Path) -> None:
    new = Embedder("new")
    extra = tmp_path / "extra.png"
    Image.new("RGB", (8, 8), (1, 200, 3)).save(extra)

    def meanwhile() -> None:
        new.after = lambda: None
        with Gallery.open(shelf.place) as other:
            add_pictures(other, Embedder(), with_label([extra], "late").found)
            other.remove([1, COUNT])
            other.rename("x", "z")

    new.after = meanwhile
    report = reembed(shelf, new, batch=4)
    assert report.embedded == COUNT - 1
    assert shelf.labels() == {"late": 1, "z": COUNT - 2}
    assert check(shelf).ok


def test_another_re_embedding_takes_over_and_repair_forgets(shelf: Gallery) -> None:
    one, two = Embedder("one"), Embedder("two")

    def other() -> None:
        one.after = lambda: None
        with Gallery.open(shelf.place) as second:
            two.after = lambda: (_ for _ in ()).throw(KeyboardInterrupt)
            with pytest.raises(KeyboardInterrupt):
                reembed(second, two)

    one.after = other
    with pytest.raises(GalleryError, match="being re-embedded by another process"):
        reembed(shelf, one, batch=4)
    assert not check(shelf).ok
    assert check(shelf, repair=True).repaired
    assert check(shelf).stale == ()
    assert shelf.fingerprint == "old" * 10


def test_a_full_disk_leaves_the_old_model(shelf: Gallery) -> None:
    pages = shelf.store.all("PRAGMA page_count")[0][0]
    shelf.store.all(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(GalleryError, match="the disk is full"):
        reembed(shelf, Embedder("new", dim=4096))
    assert shelf.fingerprint == "old" * 10
    assert shelf.search(np.eye(1, 3, dtype=np.float32), k=2).ids.min() > 0
    shelf.store.all("PRAGMA max_page_count = 100000")
    assert reembed(shelf, Embedder("new", dim=4096)).embedded == COUNT
    assert check(shelf).ok


def test_bits_stay_bits(shelf: Gallery, tmp_path: Path) -> None:
    pictures = with_label([Path(item.source) for item in shelf.items()], "x").found
    hashing = Embedder("hash", dim=16)
    hashing.hashes = True  # type: ignore[attr-defined]
    with create_gallery(tmp_path / "bits", hashing) as bits:
        assert bits.storage == "bits"
        add_pictures(bits, hashing, pictures)
        assert reembed(bits, Embedder("other", dim=24)).embedded == COUNT
        assert (bits.storage, bits.dim) == ("bits", 24)
        assert check(bits).ok
