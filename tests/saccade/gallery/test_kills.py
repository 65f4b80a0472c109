"""A process that is killed while it removes, renames, builds, imports or re-embeds."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from saccade.gallery import (
    Gallery,
    NewItem,
    check,
    content_hash,
    export_gallery,
    import_gallery,
    stats,
)

DIM = 8
MODEL = "b" * 64
COUNT = 240

HEAD = f"""
import sys, time
from pathlib import Path
import numpy as np
from saccade.gallery import *
place = Path(sys.argv[1])

class Embedder:
    name, path, dim = "new", Path("/models/new.onnx"), {DIM}
    fingerprint = sys.argv[2]
    def batch(self, images):
        print("batch", flush=True)
        time.sleep(0.002)
        rows = np.stack([np.resize(image[0, 0], {DIM}) + 1.0 for image in images])
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

shelf = Gallery.open(place)
print("ready", flush=True)
"""

WORK = {
    "remove": """
        for i in range(1, 201):
            shelf.remove([i])
            print("removed", i, flush=True)
            if i % 7 == 0:
                shelf.build_index()
        """,
    "rename": """
        for i in range(10**6):
            shelf.rename("even" if i % 2 == 0 else "other", "other" if i % 2 == 0 else "even")
            print("renamed", i, flush=True)
        """,
    "index": """
        for i in range(10**6):
            shelf.set_index(["hnsw", "flat"][i % 2])
            shelf.build_index()
            print("built", i, flush=True)
        """,
    "import": """
        for i in range(10**6):
            import_gallery(place.parent / "out", place.parent / f"copy{i}")
            print("imported", i, flush=True)
            shelf.remove(label="odd")
            import_gallery(place.parent / "out", place)
            print("again", i, flush=True)
        """,
    "re-embed": """
        reembed(shelf, Embedder(), batch=2)
        print("swapped", flush=True)
        """,
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    items = []
    for i in range(COUNT):
        picture = tmp_path / f"{i}.png"
        Image.new("RGB", (2, 2), tuple(rng.integers(0, 255, 3).tolist())).save(picture)
        vector = rng.normal(size=DIM).astype(np.float32)
        items.append(
            NewItem(
                "odd" if i % 2 else "even",
                vector / np.linalg.norm(vector),
                content_hash(picture.read_bytes()),
                str(picture),
            )
        )
    with Gallery.create(tmp_path / "g", model="toy", fingerprint=MODEL, dim=DIM) as shelf:
        assert len(shelf.add(items, fingerprint=MODEL).ids) == COUNT
        export_gallery(shelf, tmp_path / "out")
    return tmp_path / "g"


def killed(place: Path, work: str, after: float, model: str = "n" * 64) -> list[str]:
    """Run it, kill it that many seconds after it began, and give the lines it has acknowledged."""
    script = HEAD + textwrap.dedent(WORK[work])
    writer = subprocess.Popen(
        [sys.executable, "-c", script, str(place), model], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == "ready\n"
    time.sleep(after)
    writer.send_signal(signal.SIGKILL)
    out, _ = writer.communicate()
    return out[: out.rfind("\n") + 1].splitlines()


def whole(place: Path) -> Gallery:
    """The gallery, once it is clear that truth and cache agree and that search is right."""
    shelf = Gallery.open(place)
    found = check(shelf)
    assert found.damage == ()
    assert [line for line in found.stale if "re-embedding" not in line] == []
    ids, _, vectors = shelf.vectors()
    got = shelf.search(vectors[::10], k=1)
    np.testing.assert_allclose(got.scores, 1, atol=1e-5)
    assert set(got.ids.ravel().tolist()) <= set(ids.tolist())
    return shelf


MOMENTS = np.random.default_rng(1).uniform(0.0, 0.15, 4).tolist()


def test_acknowledged_removals_stay_removed(place: Path) -> None:
    for moment in MOMENTS:
        lines = killed(place, "remove", moment)
        with whole(place) as shelf:
            left = set(shelf.vectors()[0].tolist())
            assert not left & {int(line.split()[1]) for line in lines}
            # Begin again with the lowest that is left: put the removed ones back.
            import_gallery(place.parent / "out", place)
            lowest = min(shelf.vectors()[0].tolist())
        if lowest > 1:
            break


def test_a_rename_is_whole_or_not_at_all(place: Path) -> None:
    for moment in MOMENTS:
        killed(place, "rename", moment)
        with whole(place) as shelf:
            labels = shelf.labels()
            assert labels in ({"even": 120, "odd": 120}, {"odd": 120, "other": 120})
            if "other" in labels:
                shelf.rename("other", "even")


def test_a_build_that_is_killed_leaves_a_cache_or_none(place: Path) -> None:
    for moment in MOMENTS:
        killed(place, "index", moment)
        with whole(place) as shelf:
            assert len(shelf) == COUNT


def test_an_import_appears_whole_or_not_at_all(place: Path) -> None:
    for moment in MOMENTS:
        killed(place, "import", 2 * moment)
        for copy in place.parent.glob("copy*"):
            with whole(copy) as shelf:
                assert len(shelf) == COUNT
            for file in sorted(copy.iterdir()):
                file.unlink()
            copy.rmdir()
        with whole(place) as shelf:
            assert len(shelf) in (COUNT, COUNT // 2)
            import_gallery(place.parent / "out", place)
            assert len(shelf) == COUNT


def test_a_re_embedding_that_is_killed_goes_on_where_it_was(place: Path) -> None:
    model, before = "n" * 64, 0
    for attempt in range(30):
        lines = killed(place, "re-embed", 0.06 + 0.01 * attempt, model)
        with whole(place) as shelf:
            assert len(shelf) == COUNT
            if "swapped" in lines:
                assert shelf.fingerprint == model
            if shelf.fingerprint == model:
                assert check(shelf).ok
                return
            assert shelf.fingerprint == MODEL
            beside = 0
            if stats(shelf)["re_embedding"] is not None:
                beside = shelf.store.all("SELECT count(*) FROM rebuilt")[0][0]
            acknowledged = max(0, 2 * (lines.count("batch") - 1))
            assert beside >= before + acknowledged
            before = beside
    pytest.fail("it never came to its end")
