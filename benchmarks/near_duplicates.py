"""How many near-copies of pictures are found by hash and by SIFT, and how fast.

    python benchmarks/near_duplicates.py PLACE
    python benchmarks/near_duplicates.py photos.zip --pictures 100 --seconds 50

Pictures are drawn from a place (a folder, a list or a .zip). Half of them are the validation set;
of each of these near-copies are made, and each is looked for. The other half are pictures that must
not be found: they are only as different as the place has them, so look at what is called wrong
before it is believed. A row gives the share that was found, and of those the share that was traced
to the right picture. Speeds are of one thread, from pixels to the answer, without reading files.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from itertools import islice

import cv2
import numpy as np

from saccade.errors import ImageError
from saccade.imaging.read import read_image
from saccade.mining.duplicates import KnownPictures, Look, look_at
from saccade.mining.pool import Picture, read_picture_file, walk

Change = Callable[[np.ndarray], np.ndarray]


def resized(factor: float, across: float = 1.0) -> Change:
    """Smaller or larger, and perhaps stretched."""
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return lambda image: cv2.resize(
        image, None, fx=factor * across, fy=factor, interpolation=method
    )


def saved(quality: int) -> Change:
    """Through a JPEG file."""

    def change(image: np.ndarray) -> np.ndarray:
        _, data = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        return read_image(data.tobytes())

    return change


def cropped(share: float) -> Change:
    """Without a border: some share of height and width, half of it on each side."""

    def change(image: np.ndarray) -> np.ndarray:
        top, left = (round(side * share / 2) for side in image.shape[:2])
        return np.ascontiguousarray(image[top : len(image) - top, left : image.shape[1] - left])

    return change


def lit(factor: float) -> Change:
    """Brighter or darker."""
    return lambda image: (image * factor).clip(0, 255).astype(np.uint8)


CHANGES: dict[str, Change] = {
    "half the size": resized(0.5),
    "1.5 times the size": resized(1.5),
    "stretched by 0.8": resized(1.0, 0.8),
    "JPEG quality 40": saved(40),
    "JPEG quality 15": saved(15),
    "20 % brighter": lit(1.2),
    "20 % darker": lit(0.8),
    "5 % cropped": cropped(0.05),
    "10 % cropped": cropped(0.1),
    "20 % cropped": cropped(0.2),
    "half, quality 40": lambda image: saved(40)(resized(0.5)(image)),
}


def draw(place: str, count: int) -> list[np.ndarray]:
    """Read some pictures, at even distances in the order of the place."""
    found = [one for one in islice(walk(place, "pool"), 200_000) if isinstance(one, Picture)]
    images = []
    for number in np.linspace(0, len(found) - 1, min(count, len(found))).round().astype(int):
        try:
            images.append(read_image(read_picture_file(found[number])))
        except ImageError as error:
            print(error, file=sys.stderr)
    return images


def main() -> None:
    """Print a row for each kind of copy."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("place", help="a folder, a list file or a .zip with pictures")
    parser.add_argument("--pictures", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=50, help="when no new row is begun")
    asked = parser.parse_args()
    cv2.setNumThreads(1)
    begun = time.monotonic()
    images = draw(asked.place, asked.pictures)
    half = len(images) // 2
    if not half:
        sys.exit(f"{asked.place} holds fewer than two pictures")
    # Neighbours in a sorted place are alike; the two halves take turns instead.
    known, others = images[::2], images[1::2]
    spent = {"hash": [0.0, 0], "SIFT": [0.0, 0]}

    def look(image: np.ndarray, number: int, sift: bool) -> Look:
        return look_at(str(number).encode(), image, sift=sift)

    names = [str(number) for number in range(len(known))]
    sets = {
        "hash": KnownPictures(names, [look(i, n, False) for n, i in enumerate(known)], "fast"),
        "SIFT": KnownPictures(names, [look(i, n, True) for n, i in enumerate(known)], "sift"),
    }
    print(f"{len(known)} pictures and as many others, for example {known[0].shape[:2]} pixels")
    print(f"{'':<20}{'hash found':>12}{'right':>8}{'SIFT found':>12}{'right':>8}")
    rows = {"no copy at all": (others, None), **{k: (known, c) for k, c in CHANGES.items()}}
    for name, (sources, change) in rows.items():
        if time.monotonic() - begun > asked.seconds:
            print("out of time; the rest is left out (--seconds)")
            break
        cells = ""
        copies = [image if change is None else change(image) for image in sources]
        for method, whole in sets.items():
            found = right = 0
            for number, copy in enumerate(copies):
                start = time.process_time()
                answer = whole.find(look(copy, -1 - number, method == "SIFT"))
                spent[method][0] += time.process_time() - start
                spent[method][1] += 1
                found += answer is not None
                right += answer is not None and answer.of == str(number)
            share = "-" if change is None else f"{right / max(1, found):.0%}"
            cells += f"{found / len(copies):>12.1%}{share:>8}"
        print(f"{name:<20}{cells}", flush=True)
    speeds = ", ".join(f"{method} {n / max(s, 1e-9):.0f}" for method, (s, n) in spent.items())
    print(f"pictures a second of one processor (SIFT with the hash): {speeds}")


if __name__ == "__main__":
    main()
