"""Milliseconds of `saccade look` by stage, all models loaded.

    python benchmarks/look_latency.py [PICTURE...] [--threads 2] [--runs 20]

Without pictures: the eight renderings and the receipt of ``examples/``, with the pantry as gallery.
Printed are the median over the runs of each stage, of the whole call, and the fastest whole call.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import saccade
from saccade.gallery import add_pictures, create_gallery, labelled_folder

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", nargs="*", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=20)
    arguments = parser.parse_args()
    pictures = arguments.pictures or [
        *sorted(EXAMPLES.glob("queries/*.jpg")),
        EXAMPLES / "receipt.jpg",
    ]
    with tempfile.TemporaryDirectory() as home:
        embedder = saccade.Embedder(threads=arguments.threads)
        shelf = create_gallery(Path(home) / "pantry", embedder)
        add_pictures(shelf, embedder, labelled_folder(EXAMPLES / "pantry").found)
        look = saccade.Looker(shelf, threads=arguments.threads)
        print("| picture | read | find | embed | search | text | whole | fastest | lines |")
        print("|---|---|---|---|---|---|---|---|---|")
        for picture in pictures:
            row(look, picture, arguments.runs)


def row(look: saccade.Looker, picture: Path, runs: int) -> None:
    """Measure one picture and print its line of the table."""
    stages: dict[str, list[float]] = defaultdict(list)
    for _ in range(runs + 2):
        start = time.perf_counter()
        seen = look(picture)
        stages["whole"].append(1000 * (time.perf_counter() - start))
        for stage, milliseconds in seen.timings_ms.items():
            stages[stage].append(milliseconds)
    kept = {stage: values[2:] for stage, values in stages.items()}  # two to warm up
    names = ("read", "detect", "embed", "search", "text", "whole")
    cells = [f"{statistics.median(kept[name]):.1f}" for name in names]
    title = f"{picture.name}, {seen.width} x {seen.height}"
    print(f"| {title} | {' | '.join(cells)} | {min(kept['whole']):.1f} | {len(seen.lines)} |")


if __name__ == "__main__":
    main()
