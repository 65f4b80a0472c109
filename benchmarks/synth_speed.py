"""How many synthetic lines and pages one core makes in a second.

    python benchmarks/synth_speed.py
    python benchmarks/synth_speed.py --lines 2000 --pages 10 --fonts /usr/share/fonts/truetype

Lines are 32 pixels high and 20 to 30 characters long in every row, so that the presets can be
compared; ``plain`` is the document preset with a slight lean and nothing else done to print, ground
or picture. Time is processor time of one thread, which other work on the machine disturbs less than
the clock; the glyph caches are warm, as they are after the first minutes of a training. The first
line tells what the fonts cost before. The row ``Pillow`` is the yardstick: the texts of the plain
row drawn by Pillow with the same fonts, black on white, without labels, noise or anything else.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw

from saccade_train.synth import LATIN, LineSource, PageSource, SynthOptions, find_fonts, preset
from saccade_train.synth.fonts import load_font

PLAIN = {
    "mono": 0.2, "typewriter": 0.0, "press": 0.0, "speckle": 0.0, "scratch": 0.0, "bold": 0.0,
    "thin": 0.0, "bend": 0.0, "arc": 0.0, "low_resolution": 0.0, "blur": 0.1, "motion_blur": 0.0,
    "shadow": 0.0, "glow": 0.0, "exposure": 0.0, "sharpen": 0.0, "noise": 0.1, "salt": 0.0,
    "jpeg": 0.1,
}  # fmt: skip
ROUNDS = 5


def rates(source: LineSource | PageSource, warm_up: int, count: int) -> tuple[float, float, float]:
    """Samples a second of processor time: median, slowest and fastest of the rounds."""
    for index in range(warm_up):
        source[index]
    found = []
    edges = np.linspace(warm_up, warm_up + count, ROUNDS + 1).astype(int)
    for first, last in pairwise(edges):
        start = time.process_time()
        for index in range(first, last):
            source[index]
        found.append((last - first) / (time.process_time() - start))
    return float(np.median(found)), min(found), max(found)


def by_pillow(source: LineSource, count: int) -> float:
    """Lines a second if Pillow draws the text afresh each time; faces stay open, as is fair."""
    lines = [source[index] for index in range(count)]
    paths = {font.name: (font.path, font.index) for font in source.fonts.fonts}
    faces = {name: load_font(path, index, 26) for name, (path, index) in paths.items()}
    start = time.process_time()
    for line in lines:
        face = faces[line.font]
        canvas = Image.new("RGB", (int(face.getlength(line.text)) + 8, 32), "white")
        ImageDraw.Draw(canvas).text((4, 25), line.text, fill="black", font=face, anchor="ls")
        np.asarray(canvas)
    return count / (time.process_time() - start)


def main() -> None:
    """Print one row for each preset."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, default=3000, help="lines measured in each row")
    parser.add_argument("--pages", type=int, default=20, help="pages measured in each row")
    parser.add_argument("--fonts", type=Path, action="append", help="font or folder of fonts")
    asked = parser.parse_args()
    cv2.setNumThreads(1)

    start = time.process_time()
    fonts = find_fonts(LATIN, asked.fonts)
    print(f"{len(fonts)} fonts found in {time.process_time() - start:.1f} s")
    missing = fonts.missing(LATIN)
    alphabet = "".join(character for character in LATIN if character not in missing)

    rows: dict[str, tuple[SynthOptions, ...]] = {"plain": preset("document", **PLAIN)}
    rows |= {name: preset(name) for name in ("document", "receipt", "scene", "mixed")}
    print(f"\n{'lines':>9} {'characters':>10} {'lines/s':>8}   slowest-fastest round")
    for name, options in rows.items():
        parts = [replace(part, length=(20, 30), alphabet=alphabet) for part in options]
        source = LineSource(parts, seed=0, fonts=fonts)
        middle, low, high = rates(source, asked.lines, asked.lines)
        characters = np.mean([len(source[index].text) for index in range(100)])
        print(f"{name:>9} {characters:>10.1f} {middle:>8.0f}   {low:.0f}-{high:.0f}")
        if name == "plain":
            drawn = by_pillow(source, asked.lines // 2)
            print(f"{'Pillow':>9} {characters:>10.1f} {drawn:>8.0f}")

    print(f"\n{'pages':>9} {'lines each':>10} {'pages/s':>8}   slowest-fastest round")
    for name in ("document", "receipt", "scene"):
        pages = PageSource(preset(name, alphabet=alphabet), seed=0, fonts=fonts)
        middle, low, high = rates(pages, asked.pages, asked.pages)
        each = np.mean([len(pages[index].lines) for index in range(10)])
        print(f"{name:>9} {each:>10.1f} {middle:>8.1f}   {low:.1f}-{high:.1f}")


if __name__ == "__main__":
    main()
