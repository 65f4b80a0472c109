"""A perceptual hash: 256 bits that near-copies of a picture share.

The difference hash, in a form of our own: the picture is averaged to 16 rows of 17 grey values, and
a bit says whether a value is clearly brighter than its right neighbour. It does not change when a
picture is enlarged by repeating pixels or when all its values grow by the same amount (as long as
none is cut off at black or white); it changes in few bits when a picture is resized, saved anew or
made brighter. A crop or a mirror image is another picture to it: :mod:`saccade.mining.sift` finds
crops.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["HASH_BITS", "HASH_BYTES", "LEAST_BITS", "NEAR_BITS", "difference_hash", "tells"]

HASH_BITS = 256
HASH_BYTES = HASH_BITS // 8

NEAR_BITS = 20
"""Pictures whose hashes differ in at most so many bits count as near-copies."""

LEAST_BITS = 24
"""A hash with fewer bits set, or fewer left out, says too little: plain pictures look alike."""

_ROWS, _COLUMNS = 16, 17

# Brighter by less than this many grey levels is noise of the encoder. Averages of whole numbers are
# fractions; they never meet an irrational margin, so no bit hangs on the last digit of a division.
_MARGIN = math.sqrt(2)

_BLOCK = 256


def difference_hash(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Hash a picture.

    Args:
        image: uint8 RGB (H, W, 3), of any size from 1 x 1.

    Returns:
        uint8 (32,): 16 rows of 16 bits, the most significant first. A bit is 1 where the average
        of a cell is more than 1.41 grey levels above that of the cell to its right.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    height, width = grey.shape
    down, across = _overlaps(height, _ROWS), _overlaps(width, _COLUMNS)
    rows = np.zeros((_ROWS, width))
    for start in range(0, height, _BLOCK):  # a whole picture in float64 might fill the memory
        part = slice(start, start + _BLOCK)
        rows += down[:, part] @ grey[part].astype(np.float64)
    cells = (rows @ across.T) / (height * width)
    bits = cells[:, :-1] - cells[:, 1:] > _MARGIN
    packed: NDArray[np.uint8] = np.packbits(bits.reshape(-1))
    return packed


def tells(hashed: NDArray[np.uint8]) -> bool:
    """Whether a hash (uint8 (32,)) says enough to compare pictures by it.

    A white wall and a night sky have equal hashes, all 0. Such pictures are only found when their
    files are equal.
    """
    count = int(np.unpackbits(hashed).sum())
    return LEAST_BITS <= count <= HASH_BITS - LEAST_BITS


def _overlaps(length: int, spans: int) -> NDArray[np.float64]:
    """How much of each pixel lies in each of some equal spans.

    Args:
        length: pixels of a side.
        spans: into which the side is cut.

    Returns:
        float64 (spans, length), whole numbers in units of 1 / ``spans`` of a pixel, so that sums of
        grey values are exact. A row sums to ``length``.
    """
    pixels, edges = np.arange(length) * spans, np.arange(spans)[:, None] * length
    stop = np.minimum(pixels + spans, edges + length)
    overlaps: NDArray[np.float64] = (stop - np.maximum(pixels, edges)).clip(0).astype(np.float64)
    return overlaps
