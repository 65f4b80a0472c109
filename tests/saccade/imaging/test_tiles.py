from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saccade.errors import OptionError
from saccade.imaging.tiles import MAX_TILES, cut_tiles, touches_seam


@given(
    st.tuples(st.integers(1, 400), st.integers(1, 400)),
    st.tuples(st.integers(24, 200), st.integers(24, 200)),
    st.floats(0, 0.8),
)
def test_tiles_cover_every_pixel_with_the_overlap(
    size: tuple[int, int], tile: tuple[int, int], overlap: float
) -> None:
    found = cut_tiles(size, tile, overlap)
    seen = np.zeros(size, bool)
    for left, top, right, bottom in found:
        assert right - left == min(size[1], tile[1])
        assert bottom - top == min(size[0], tile[0])
        assert left >= 0 and top >= 0 and right <= size[1] and bottom <= size[0]
        seen[top:bottom, left:right] = True
    assert seen.all()
    for axis, side in ((0, tile[1]), (1, tile[0])):
        starts = np.unique(found[:, axis])
        if len(starts) > 1:
            # Starts are rounded to whole pixels, and so is the overlap.
            assert np.diff(starts).max() <= side - side * overlap + 1.5


def test_a_picture_that_fits_is_one_tile() -> None:
    assert cut_tiles((100, 200), (100, 200)).tolist() == [[0, 0, 200, 100]]
    assert cut_tiles((8, 8), (320, 320)).tolist() == [[0, 0, 8, 8]]


def test_a_strip_is_cut_along_its_length_only() -> None:
    found = cut_tiles((200, 10_000), (320, 320), 0.2)
    assert len(found) == 39
    assert (found[:, 1] == 0).all()
    assert (found[:, 3] == 200).all()
    assert found[0, 0] == 0
    assert found[-1, 2] == 10_000


def test_no_overlap_at_all() -> None:
    assert cut_tiles((10, 30), (10, 10), 0).tolist() == [
        [0, 0, 10, 10],
        [10, 0, 20, 10],
        [20, 0, 30, 10],
    ]


@pytest.mark.parametrize(
    ("size", "tile", "overlap", "message"),
    [
        ((0, 5), (5, 5), 0.2, "at least 1 pixel"),
        ((5, 5), (5, 0), 0.2, "at least 1 pixel"),
        ((5, 5), (5, 5), 0.95, "overlap is 0.95"),
        ((5, 5), (5, 5), float("nan"), "overlap is nan"),
        ((5000, 5000), (16, 16), 0.5, f"allowed {MAX_TILES}"),
    ],
)
def test_bad_values(
    size: tuple[int, int], tile: tuple[int, int], overlap: float, message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        cut_tiles(size, tile, overlap)


def test_seams_are_borders_of_a_tile_but_not_of_the_picture() -> None:
    boxes = np.array(
        [
            [100, 20, 120, 40],  # left
            [120, 0, 140, 40],  # top, which is the border of the picture
            [150, 30, 199.5, 40],  # right, within the margin
            [120, 30, 140, 100],  # bottom
            [120, 30, 140, 40],
        ],
        np.float32,
    )
    tile = np.array([100, 0, 200, 100])
    assert touches_seam(boxes, tile, (300, 300), (1, 1)).tolist() == [1, 0, 1, 1, 0]
    assert touches_seam(boxes, tile, (100, 200), (1, 1)).tolist() == [1, 0, 0, 0, 0]
    assert touches_seam(boxes[:0], tile, (300, 300), (1, 1)).shape == (0,)
