"""The fewest decimals that give back the same float32."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from saccade.datasets.rounding import plain, shortest
from saccade.geometry.boxes import xywh_to_xyxy, xyxy_to_xywh


def test_numbers_of_two_decimals_come_back_as_such() -> None:
    written = np.array([[69.21, 104.76, 90.16, 113.65], [1, 2, 3, 4], [0.5, 0, 1, 1]])
    boxes = xywh_to_xyxy(written).astype(np.float32)
    rounded, decimals = shortest(xyxy_to_xywh(boxes.astype(np.float64)), xywh_to_xyxy, boxes)
    assert rounded.tolist() == written.tolist() and decimals.tolist() == [2, 0, 1]
    assert plain(69.21, 2) == "69.21" and plain(3.0, 0) == "3" and plain(1e-20, -1) == "1e-20"


@given(arrays.arrays(np.float32, (3, 4), elements=st.floats(0.0625, 4096, width=32)))
def test_any_corner_comes_back(boxes: np.ndarray) -> None:
    rounded, decimals = shortest(boxes.astype(np.float64), lambda rows: rows, boxes, 1)
    assert rounded.astype(np.float32).tolist() == boxes.tolist()
    for row, wanted, count in zip(rounded, boxes, decimals, strict=True):
        assert [np.float32(plain(v, count)) for v in row] == wanted.tolist()
        assert count >= 1
        if count > 1:  # one decimal less would not have done
            fewer = np.round(wanted.astype(np.float64), count - 1).astype(np.float32)
            assert fewer.tolist() != wanted.tolist()


def test_what_decimals_cannot_hold() -> None:
    boxes = np.array([[0, 0, 1e-20, 1]], np.float32)
    rounded, decimals = shortest(boxes.astype(np.float64), lambda rows: rows, boxes)
    assert decimals.tolist() == [-1] and rounded[0, 2] == np.float32(1e-20)
    assert shortest(np.zeros((0, 4)), lambda rows: rows, boxes[:0])[0].shape == (0, 4)
