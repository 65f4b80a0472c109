"""The thresholds of a text detector, chosen on pages that it was trained on (never on val).

    python benchmarks/tune_detector.py DETECTOR.onnx --packs FOLDER [--pages 24]

Prints hmean at IoU 0.5 for each least side, threshold, box threshold and unclip ratio; the best
goes into the card (`python benchmarks/ship_text.py --least N --threshold X --box X --unclip X`).
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
from itertools import product
from pathlib import Path

import numpy as np

from saccade.datasets.text import TextPageSet, open_text_pages
from saccade.metrics.text import detection_counts, detection_metrics
from saccade.tasks._text_models import TextDetector

LEAST = (0, 640, 736)
THRESHOLDS = (0.3, 0.4, 0.5)
BOXES = (0.4, 0.5, 0.6)
UNCLIPS = (1.3, 1.5, 1.7)


class Remembering(TextDetector):
    """Computes each map once, however often it is decoded."""

    def __init__(self, model: str) -> None:
        super().__init__(model)
        self._maps: dict[bytes, np.ndarray] = {}

    def probability(self, image: np.ndarray) -> np.ndarray:
        """The map, from memory if it was made before."""
        key = hashlib.blake2b(image.tobytes(), digest_size=16).digest()
        if key not in self._maps:
            self._maps[key] = super().probability(image).astype(np.float16)
        return self._maps[key].astype(np.float32)

    def with_limits(self, least: int, threshold: float, box: float, unclip: float) -> None:
        """Decode in another way from now on."""
        self._least = float(least)
        self._options = dataclasses.replace(
            self._options, threshold=threshold, box_threshold=box, unclip_ratio=unclip
        )


def hmean(detector: TextDetector, pages: TextPageSet, chosen: list[int]) -> float:
    """On some of the pages."""
    counts = []
    for number in chosen:
        regions = pages.samples[number].regions
        found = detector.find(pages.read(number)).quads
        counts.append(
            detection_counts([r.points for r in regions], [r.ignored for r in regions], list(found))
        )
    return detection_metrics(counts)["hmean"]


def main() -> None:
    """Try all, print all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("detector")
    parser.add_argument("--packs", type=Path, required=True)
    parser.add_argument("--pages", type=int, default=24)
    arguments = parser.parse_args()
    detector = Remembering(arguments.detector)
    sets = [
        open_text_pages(arguments.packs / f"{name}.zip", "train")
        for name in ("ocr_sroie_receipts", "ocr_print_pages")
    ]
    picks = [
        np.linspace(0, len(pages) - 1, min(arguments.pages, len(pages))).astype(int).tolist()
        for pages in sets
    ]
    for least, threshold, box, unclip in product(LEAST, THRESHOLDS, BOXES, UNCLIPS):
        detector.with_limits(least, threshold, box, unclip)
        scores = [hmean(detector, *pair) for pair in zip(sets, picks, strict=True)]
        shown = "  ".join(f"{score:.4f}" for score in (*scores, float(np.mean(scores))))
        where = f"least {least}  threshold {threshold}  box {box}  unclip {unclip}"
        print(f"{where}  receipts, print, mean {shown}", flush=True)


if __name__ == "__main__":
    main()
