"""The gallery from a thousand to a million vectors, beside bare FAISS in the same run.

    python benchmarks/gallery_scale.py                      # 1k, 100k, 1M: hours on two cores
    python benchmarks/gallery_scale.py --sizes 1000 10000   # a look in a minute
    python benchmarks/gallery_scale.py --kinds flat binary-flat --threads 2

Vectors are synthetic: clusters around random centres (about 20 vectors each), of unit length; bits
are the signs of as many numbers, of clusters too. Queries are other members of the same clusters.
``exact`` is a full scan in NumPy, of the floats or of the bits. A ratio is our time over bare
FAISS's, the same index object, so that it is what the store, the labels and the checks cost; the
two take turns, and the median of the rounds counts. Memory is the growth of the process's resident
set while the gallery is opened and first searched, in a process of its own.

``add`` is: 1,000 items more and a search right after, in a gallery that is open.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from saccade.gallery import Gallery, NewItem
from saccade.gallery.kinds import faiss

MODEL = "benchmark"
K = 10
ROUNDS = 5
CHUNK = 10_000
DEFAULT_KINDS = ["flat", "hnsw", "ivf", "ivf-pq", "binary-flat", "binary-hnsw"]

# In a process of its own: seconds from opening to the first answer, and the memory it took.
COLD = """
import json, resource, sys, time
import numpy as np
from saccade.gallery import Gallery
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
query = np.load(sys.argv[2])
before, start = resident(), time.perf_counter()
shelf = Gallery.open(sys.argv[1])
shelf.search(query, k=10)
print(json.dumps([time.perf_counter() - start, (resident() - before) / 2**20]))
"""


def chunks(count: int, dim: int, seed: int, *, near: float = 0.7) -> Iterator[np.ndarray]:
    """Vectors (<= 10,000, dim) float32 of unit length; the same for a seed."""
    centres = np.random.default_rng(7).normal(size=(max(1, count // 20), dim)).astype(np.float32)
    rng = np.random.default_rng(seed)
    for start in range(0, count, CHUNK):
        size = min(CHUNK, count - start)
        vectors = centres[rng.integers(0, len(centres), size)]
        vectors += near * rng.standard_normal((size, dim), dtype=np.float32)
        yield vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def fill(shelf: Gallery, vectors: np.ndarray, start: int) -> None:
    """Add vectors under labels of 20 items each."""
    items = (NewItem(f"label {i // 20}", v, f"c{i}") for i, v in enumerate(vectors, start))
    shelf.add(items, fingerprint=MODEL, batch=4096)


def exact(place: Path, queries: np.ndarray) -> np.ndarray:
    """Ids (Q, K) by a full scan."""
    with Gallery.open(place) as shelf:
        return shelf.searcher._scanned(queries, K)[0]


def recall(found: np.ndarray, truth: np.ndarray) -> float:
    """Share of the true K that was found."""
    pairs = zip(found.tolist(), truth.tolist(), strict=True)
    return float(np.mean([len(set(a) & set(b)) / K for a, b in pairs]))


def by_turns(ours: Callable[[], Any], theirs: Callable[[], Any]) -> tuple[float, float]:
    """Median seconds of the two."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS + 1):
        for work, column in ((ours, times[0]), (theirs, times[1])):
            start = time.perf_counter()
            work()
            column.append(time.perf_counter() - start)
    return statistics.median(times[0][1:]), statistics.median(times[1][1:])


def measure(
    kind: str, count: int, dim: int, bits: int, threads: int, home: Path, asked: int = 200
) -> dict[str, Any]:
    """Everything about one kind at one size."""
    size = bits if kind.startswith("binary") else dim
    place = home / f"{kind}-{count}"
    queries = next(chunks(count, size, seed=2))[:asked]
    start = time.perf_counter()
    with Gallery.create(place, model="m", fingerprint=MODEL, dim=size, index=kind) as shelf:
        for number, vectors in enumerate(chunks(count, size, seed=1)):
            fill(shelf, vectors, number * CHUNK)
        added = time.perf_counter()
        shelf.searcher._threads = threads
        built_kind = shelf.build_index()
        built = time.perf_counter()
    np.save(home / "query.npy", queries[:1])
    command = [sys.executable, "-c", COLD, str(place), str(home / "query.npy")]
    cold = subprocess.run(command, capture_output=True, text=True, check=True)
    cold_seconds, memory = json.loads(cold.stdout)
    with Gallery.open(place) as shelf:
        shelf.searcher._threads = threads
        found = shelf.search(queries, k=K)
        index = shelf.searcher._index
        assert index is not None
        rows = index.codec.rows(queries)
        inner = index.main.inner
        faiss.omp_set_num_threads(threads)
        one = by_turns(
            lambda: [shelf.search(queries[i : i + 1], k=K) for i in range(20)],
            lambda: [inner.search(rows[i : i + 1], K) for i in range(20)],
        )
        many = by_turns(lambda: shelf.search(queries, k=K), lambda: inner.search(rows, K))
        truth = exact(place, queries)
        more = np.concatenate(list(chunks(1000, size, seed=3)))
        start_add = time.perf_counter()
        fill(shelf, more, count)
        shelf.search(queries[:1], k=K)
        add = time.perf_counter() - start_add
    files = {path.name: path.stat().st_size / 2**20 for path in place.iterdir()}
    return {
        "kind": built_kind,
        "vectors": count,
        "numbers": size,
        "insert_s": round(added - start, 2),
        "build_s": round(built - added, 2),
        "cold_s": round(cold_seconds, 3),
        "memory_mib": round(memory, 1),
        "store_mib": round(files.get("gallery.sqlite", 0), 1),
        "index_mib": round(files.get("index.faiss", 0), 1),
        "one_per_s": round(20 / one[0], 1),
        "one_ratio": round(one[0] / one[1], 3),
        "many_per_s": round(asked / many[0], 1),
        "many_ratio": round(many[0] / many[1], 3),
        "recall_at_10": round(recall(found.ids, truth), 4),
        "add_1000_and_search_s": round(add, 3),
    }


def main() -> None:
    """Measure and print a table, and JSON lines with --json."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 100_000, 1_000_000])
    parser.add_argument("--kinds", nargs="+", default=DEFAULT_KINDS)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--bits", type=int, default=256)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--home", type=Path, help="where the galleries go (some 8 GB for 1M)")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    header: list[str] = []
    for count in options.sizes:
        for kind in options.kinds:
            with tempfile.TemporaryDirectory(dir=options.home) as folder:
                shape = (count, options.dim, options.bits, options.threads)
                row = measure(kind, *shape, Path(folder), options.queries)
            if options.json:
                print(json.dumps(row), flush=True)
                continue
            if not header:
                header = list(row)
                print("| " + " | ".join(header) + " |")
                print("|" + "---|" * len(header))
            print("| " + " | ".join(str(value) for value in row.values()) + " |", flush=True)


if __name__ == "__main__":
    main()
