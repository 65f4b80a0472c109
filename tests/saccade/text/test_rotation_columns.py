"""Quarter turns, and columns of upright letters."""

from __future__ import annotations

import numpy as np
import pytest

from saccade.errors import OptionError
from saccade.text.columns import lay_out
from saccade.text.rotation import is_sideways, sides, turn_image, turn_quads, unturn_quads


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_points_follow_their_pixels(degrees: int) -> None:
    image = np.zeros((40, 60, 3), np.uint8)
    image[7, 11] = 255
    turned = turn_image(image, degrees)
    ((row, column),) = np.argwhere(turned[..., 0])
    middle = np.array([[11.5, 7.5]])
    assert turn_quads(middle, degrees, (40, 60)).tolist() == [[column + 0.5, row + 0.5]]
    assert unturn_quads(turn_quads(middle, degrees, (40, 60)), degrees, (40, 60)).tolist() == [
        [11.5, 7.5]
    ]
    assert turned.flags.c_contiguous


def test_other_angles() -> None:
    with pytest.raises(OptionError, match=r"45 degrees"):
        turn_image(np.zeros((2, 2, 3), np.uint8), 45)


def box(x: float, y: float, w: float, h: float) -> list[list[float]]:
    return [[x, y], [x + w, y], [x + w, y + h], [x, y + h]]


def test_sideways_is_decided_by_length() -> None:
    tall, wide, square = box(0, 0, 20, 300), box(50, 0, 100, 20), box(0, 0, 20, 22)
    assert is_sideways(np.array([tall, wide, square, square]))
    assert not is_sideways(np.array([tall, wide, wide, wide]))
    assert not is_sideways(np.array([square]))
    assert not is_sideways(np.zeros((0, 4, 2)))
    across, down = sides(np.array([tall, wide]))
    assert across.tolist() == [20, 100] and down.tolist() == [300, 20]


def test_letters_of_a_column_come_side_by_side() -> None:
    column = np.full((100, 20, 3), 250, np.uint8)
    for top, bottom in ((5, 25), (40, 43), (46, 60), (75, 95)):  # the second has a dot above it
        column[top:bottom, 4:16] = 10
    strip = lay_out(column)
    assert np.allclose(strip.places * 100, [(5, 25), (40, 60), (75, 95)])
    assert strip.image.shape == (24, 60, 3)
    assert np.allclose(strip.to_column(np.array([[1 / 3, 2 / 3]])), [[0.25, 0.75]], atol=0.16)
    middle = strip.to_column(np.array([[0.4, 0.6]]))
    assert np.allclose(middle, [[0.44, 0.56]])


@pytest.mark.parametrize("value", [0, 255])
def test_a_column_without_gaps_stays_as_it_is(value: int) -> None:
    column = np.full((100, 20, 3), value, np.uint8)
    column[::2, ::2] = 99
    strip = lay_out(column)
    assert strip.places.tolist() == [[0, 1]]
    assert strip.image.shape[1] == 20
    assert np.allclose(strip.to_column(np.array([[0.2, 0.7]])), [[0.2, 0.7]])
