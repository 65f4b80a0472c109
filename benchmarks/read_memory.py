"""Does memory stay flat when pictures of all sizes are read?

    python benchmarks/read_memory.py [--pictures 2000] [--threads 2]

Pictures of random sizes (100 to 1,600 pixels a side) with a random number of drawn words go through
one reader. Printed: resident memory after every tenth part, and the slope over the second half in
kilobytes a picture. CPython and the allocators round; a leak of one picture would be megabytes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from saccade import TextReader

WORDS = ("Total", "12.50", "CASH", "Thank you", "2026-11-24", "Invoice No. 4711", "x", "apples")


def resident() -> float:
    """Megabytes of this process that lie in memory (Linux)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("this system does not say how much memory a process has")


def picture(rng: np.random.Generator) -> np.ndarray:
    """A light page with words in random places."""
    height, width = rng.integers(100, 1600, 2).tolist()
    image = np.full((height, width, 3), int(rng.integers(180, 256)), np.uint8)
    for _ in range(int(rng.integers(0, 30))):
        place = (int(rng.integers(0, width)), int(rng.integers(20, height)))
        text = WORDS[int(rng.integers(len(WORDS)))]
        size = float(rng.uniform(0.4, 2.0))
        cv2.putText(image, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, (20, 20, 20), 2)
    return image


def main() -> None:
    """Read, and watch."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    reader = TextReader(threads=arguments.threads)
    rng = np.random.default_rng(0)
    memory = []
    for number in range(1, arguments.pictures + 1):
        reader(picture(rng))
        memory.append(resident())
        if number % max(1, arguments.pictures // 10) == 0:
            print(f"{number:6} pictures  {memory[-1]:7.1f} MB", flush=True)
    half = np.array(memory[len(memory) // 2 :])
    slope = np.polyfit(np.arange(len(half)), half, 1)[0] * 1024
    print(f"slope over the second half: {slope:.2f} kB a picture")


if __name__ == "__main__":
    main()
