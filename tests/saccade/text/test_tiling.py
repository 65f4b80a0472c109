"""Tiles cover a picture once, and their maps join without a seam."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saccade.errors import OptionError
from saccade.text.tiling import OVERLAP, stitch, tiles


@given(st.integers(1, 120), st.integers(1, 40), st.sampled_from([256, 320, 960]))
def test_kept_parts_cover_every_pixel_once(rows, columns, limit) -> None:
    height, width = 32 * rows, 32 * columns
    seen = np.zeros((height, width), np.int32)
    sizes = set()
    for tile in tiles(height, width, limit):
        top, bottom, left, right = tile.keep
        seen[top:bottom, left:right] += 1
        assert 0 <= tile.top <= top < bottom <= tile.bottom <= height
        assert 0 <= tile.left <= left < right <= tile.right <= width
        sizes.add((tile.bottom - tile.top, tile.right - tile.left))
        # What lies around is seen, but for the rim of the picture.
        assert top - tile.top >= OVERLAP // 2 - 16 or top == 0
        assert tile.bottom - bottom >= OVERLAP // 2 - 16 or bottom == height
    assert (seen == 1).all()
    ((tall, wide),) = sizes
    assert tall % 32 == wide % 32 == 0 and max(tall, wide) <= limit


def test_the_joined_map_is_that_of_the_whole() -> None:
    image = np.random.default_rng(0).integers(0, 256, (1024, 640, 3), dtype=np.uint8)

    def look(tile: np.ndarray) -> np.ndarray:
        assert tile.flags.c_contiguous and max(tile.shape[:2]) <= 320
        return tile[..., 0].astype(np.float32)

    assert np.array_equal(stitch(image, 320, look), image[..., 0])


def test_sides_that_do_not_fit() -> None:
    with pytest.raises(OptionError, match=r"100 x 64 in tiles of 960"):
        tiles(100, 64, 960)
    with pytest.raises(OptionError, match=r"tiles of 100"):
        tiles(320, 320, 100)
