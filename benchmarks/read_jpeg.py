"""How long it takes to read a JPEG: Saccade's reader against Pillow alone.

    python benchmarks/read_jpeg.py

The pictures are made here, so nothing is needed. Both give the same pixels; that is checked first.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable

import cv2
import numpy as np
from PIL import Image, ImageOps

from saccade.imaging.read import read_image

SIZES = ((32, 32), (128, 128), (352, 352), (960, 540), (4032, 3024))
ROUNDS = 7


def make_jpeg(width: int, height: int, orientation: int) -> bytes:
    """Blurred noise compresses about as well as a photo."""
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    image = Image.fromarray(cv2.GaussianBlur(noise, (0, 0), 3))
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90, exif=exif.tobytes())
    return buffer.getvalue()


def by_pillow(data: bytes) -> np.ndarray:
    """What one writes with Pillow alone."""
    return np.array(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))


def best_ms(function: Callable[[bytes], np.ndarray], data: bytes, repeat: int) -> float:
    """Mean time of one call in the best of some rounds, in milliseconds."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(repeat):
            function(data)
        times.append((time.perf_counter() - start) / repeat)
    return min(times) * 1e3


def main() -> None:
    """Print one line for each size, upright and turned."""
    cv2.setNumThreads(1)
    print(f"{'picture':>14} {'EXIF':>4} {'Saccade':>9} {'Pillow':>9}  ratio")
    for width, height in SIZES:
        for orientation in (1, 6):
            data = make_jpeg(width, height, orientation)
            assert np.array_equal(read_image(data), by_pillow(data))
            repeat = max(1, 1_000_000 // (width * height))
            ours, theirs = (best_ms(f, data, min(repeat, 200)) for f in (read_image, by_pillow))
            row = f"{width:>6} x {height:>5} {orientation:>4} {ours:>7.3f}ms {theirs:>7.3f}ms"
            print(f"{row}  {theirs / ours:.2f}")


if __name__ == "__main__":
    main()
