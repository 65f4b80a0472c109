"""Several processes at one gallery, and a writer that is killed."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from saccade.gallery import Gallery

DIM = 16
MODEL = "b" * 64

# Adds batches for as long as it may live, and says after each which contents are now safe.
WRITER = f"""
import sys
import numpy as np
from saccade.gallery import Gallery, NewItem

place, name, seed, batches = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
rng = np.random.default_rng(seed)
shelf = Gallery.open(place)
for batch in range(batches):
    vectors = rng.normal(size=(20, {DIM})).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    contents = [f"{{name}}-{{batch}}-{{i}}" for i in range(20)]
    items = [NewItem(name, v, content=c) for v, c in zip(vectors, contents)]
    shelf.add(items, fingerprint="{MODEL}")
    print(" ".join(contents), flush=True)
    if batch % 3 == 0:
        shelf.search(vectors[:1], k=1)
"""


def start(place: Path, name: str, seed: int, batches: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(place), name, str(seed), str(batches)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def check(place: Path) -> set[str]:
    """The gallery is whole, its search equals brute force; gives the contents."""
    connection = sqlite3.connect(place / "gallery.sqlite")
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    rows = connection.execute(
        "SELECT id, content, vector FROM items JOIN vectors USING (id) ORDER BY id"
    ).fetchall()
    connection.close()
    ids = np.array([row[0] for row in rows])
    vectors = np.frombuffer(b"".join(row[2] for row in rows), np.float32).reshape(len(rows), DIM)
    queries = vectors[:: max(1, len(rows) // 20)]
    with Gallery.open(place) as shelf:
        found = shelf.search(queries, k=5)
        assert len(shelf) == len(rows)
    order = np.argsort(-(queries @ vectors.T), axis=1)[:, :5]
    np.testing.assert_array_equal(found.ids, ids[order])
    return {row[1] for row in rows}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    place = tmp_path / "g"
    Gallery.create(place, model="toy", fingerprint=MODEL, dim=DIM).close()
    return place


def test_two_processes_write_while_a_third_reads(place: Path) -> None:
    writers = [start(place, name, seed, 25) for seed, name in enumerate(("left", "right"))]
    seen = 0
    with Gallery.open(place) as shelf:
        while any(writer.poll() is None for writer in writers):
            now = len(shelf)
            assert now >= seen
            assert now % 20 == 0  # only whole batches are seen
            found = shelf.search(np.eye(1, DIM, dtype=np.float32), k=3)
            assert (found.ids >= 1).sum() == min(3, now) or now == 0
            seen = now
            time.sleep(0.005)
    for writer in writers:
        assert writer.wait() == 0, writer.stderr.read() if writer.stderr else ""
        writer.communicate()
    contents = check(place)
    assert contents == {
        f"{n}-{b}-{i}" for n in ("left", "right") for b in range(25) for i in range(20)
    }


def test_no_acknowledged_add_is_lost_when_the_writer_is_killed(place: Path) -> None:
    """Killed at other moments: all that it had acknowledged is there, and only whole batches."""
    promised: set[str] = set()
    rng = np.random.default_rng(0)
    for attempt in range(6):
        writer = start(place, f"run{attempt}", attempt, 100_000)
        assert writer.stdout is not None
        promised.update(writer.stdout.readline().split())  # it is at work now
        time.sleep(float(rng.uniform(0.0, 0.12)))
        writer.send_signal(signal.SIGKILL)
        out, _ = writer.communicate()
        complete = out[: out.rfind("\n") + 1]  # the last line may be cut
        promised.update(complete.split())
        assert writer.returncode == -signal.SIGKILL
        contents = check(place)
        assert promised <= contents
        assert len(contents) % 20 == 0
        assert not [path.name for path in place.parent.iterdir() if path != place]
    assert len(promised) >= 6 * 20


def test_a_writer_waits_for_another_and_gives_up_with_a_line(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from saccade.errors import GalleryError
    from saccade.gallery import NewItem, schema

    monkeypatch.setattr(schema, "BUSY_SECONDS", 0.2)
    item = NewItem("x", np.eye(1, DIM, dtype=np.float32)[0], content="c")
    other = sqlite3.connect(place / "gallery.sqlite", isolation_level=None)
    with Gallery.open(place) as shelf:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(GalleryError, match="another process has been writing"):
            shelf.add([item], fingerprint=MODEL)
        assert shelf.search(item.vector[None], k=1).ids.tolist() == [[-1]]  # reading goes on
        other.execute("ROLLBACK")
        assert shelf.add([item], fingerprint=MODEL).ids == (1,)
    other.close()
