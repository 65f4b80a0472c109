"""Rows, columns, and cutting lines out."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saccade.errors import OptionError
from saccade.text.crop import crop_quad, cut_line
from saccade.text.order import reading_order, sort_boxes


def quads(boxes: list[tuple[float, float, float, float]]) -> np.ndarray:
    """From x, y, width, height."""
    return np.array(
        [[[x, y], [x + w, y], [x + w, y + h], [x, y + h]] for x, y, w, h in boxes], float
    ).reshape(-1, 4, 2)


def test_row_order_of_the_reference() -> None:
    row = [(300, 98), (200, 100), (100, 102), (150, 130)]
    found = quads([(x, y, 40, 20) for x, y in row])
    assert [row[i][0] for i in sort_boxes(found, "s")] == [200, 100, 300, 150]
    assert [row[i][0] for i in sort_boxes(found)] == [100, 200, 300, 150]
    assert [row[i][0] for i in sort_boxes(found, tolerance=1)] == [300, 200, 100, 150]


@pytest.mark.parametrize("variant", ["s", "r1"])
@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 60)), max_size=9))
def test_an_order_is_a_permutation(variant, corners):
    found = quads([(x, y, 10, 10) for x, y in corners])
    assert sorted(sort_boxes(found, variant).tolist()) == list(range(len(corners)))
    rows = reading_order(found)
    assert sorted(i for row in rows for i in row.tolist()) == list(range(len(corners)))


@given(st.permutations(range(24)))
def test_a_grid_is_sorted_whatever_the_input_order(order):
    cells = [(100 * (i % 4), 40 * (i // 4) + (i * 7) % 9, 30, 20) for i in range(24)]
    found = quads([cells[i] for i in order])
    assert [order[i] for i in sort_boxes(found)] == list(range(24))
    assert [[order[i] for i in row] for row in reading_order(found)] == [
        list(range(start, start + 4)) for start in range(0, 24, 4)
    ]


def test_bad_variant() -> None:
    with pytest.raises(OptionError, match="r0"):
        sort_boxes(quads([]), "r0")


def flat(rows: list[np.ndarray]) -> list[int]:
    return [int(i) for row in rows for i in row]


def test_two_columns_between_a_headline_and_a_footer() -> None:
    headline = [(10, 0, 380, 30)]
    left = [(10, 50 + 25 * i, 170, 20) for i in range(6)]
    right = [(210, 55 + 25 * i, 180, 20) for i in range(6)]
    footer = [(20, 230, 300, 20)]
    assert flat(reading_order(quads(headline + left + right + footer))) == list(range(14))
    shuffled = [5, 0, 13, 7, 2, 9, 11, 1, 3, 12, 4, 6, 8, 10]
    everything = headline + left + right + footer
    found = reading_order(quads([everything[i] for i in shuffled]))
    assert [shuffled[i] for i in flat(found)] == list(range(14))


def test_columns_set_on_one_line_grid_and_three_of_them() -> None:
    columns = [
        [(10 + 130 * c, 20 * i, 115 if i % 3 else 100, 14) for i in range(8)] for c in range(3)
    ]
    found = reading_order(quads([cell for column in columns for cell in column]))
    assert flat(found) == list(range(24))


def test_two_sets_of_columns_with_a_headline_between() -> None:
    def pair(top: int) -> list[tuple[int, int, int, int]]:
        return [(x, top + 25 * i, 180, 20) for x in (0, 200) for i in range(4)]

    boxes = [*pair(0), (0, 110, 390, 25), *pair(150)]
    assert flat(reading_order(quads(boxes))) == list(range(len(boxes)))


def test_prices_stay_beside_their_goods() -> None:
    rows = [[(10, 30 * i, 120 + 15 * (i % 4), 20), (340, 30 * i + 3, 50, 20)] for i in range(8)]
    found = reading_order(quads([box for row in rows for box in row]))
    assert [row.tolist() for row in found] == [[2 * i, 2 * i + 1] for i in range(8)]


def test_a_slanted_row_holds_together() -> None:
    boxes = [(100 * i, 6 * i, 80, 20) for i in range(8)]  # 42 pixels over the row, two lines
    below = [(100 * i, 6 * i + 30, 80, 20) for i in range(8)]
    found = reading_order(quads(boxes + below))
    assert [row.tolist() for row in found] == [list(range(8)), list(range(8, 16))]


def test_many_lines_are_fast_enough() -> None:
    boxes = [(10 + i % 7, 12 * i, 60 + 37 * (i % 11), 10) for i in range(1500)]
    assert flat(reading_order(quads(boxes))) == list(range(1500))


def test_nothing_to_order() -> None:
    assert reading_order(quads([])) == []
    assert sort_boxes(quads([])).shape == (0,)


def test_crop_of_the_reference_is_turned() -> None:
    picture = np.zeros((100, 100, 3), np.uint8)
    quad = np.array([(10, 10), (30, 12), (28, 80), (8, 78)])
    assert crop_quad(picture, quad).shape == (20, 68, 3)
    assert crop_quad(picture, quad, upright_ratio=9).shape == (68, 20, 3)
    assert crop_quad(picture[..., 0], quad).shape == (20, 68)


def test_a_crop_along_the_axes_is_a_slice() -> None:
    random = np.random.default_rng(0)
    picture = random.integers(0, 256, (60, 80, 3), np.uint8)
    quad = np.array([(10, 20), (50, 20), (50, 45), (10, 45)])
    np.testing.assert_array_equal(crop_quad(picture, quad), picture[20:45, 10:50])


def test_a_crop_turns_against_the_clock() -> None:
    picture = np.zeros((90, 30), np.uint8)
    picture[:30] = 200  # the top of what runs downwards becomes ...
    crop = crop_quad(picture, np.array([(5, 5), (25, 5), (25, 85), (5, 85)]))
    assert crop.shape == (20, 80)
    assert crop[:, :20].min() == 200 and crop[:, -20:].max() == 0  # ... the left


def test_a_slanted_crop_is_pulled_straight() -> None:
    picture = np.zeros((200, 200), np.uint8)
    quad = cv2.boxPoints(((100.0, 100.0), (120.0, 30.0), 30.0))
    cv2.fillPoly(picture, [quad.astype(np.int32)], 255)
    top_left = int(np.argmin(quad.sum(1)))
    ordered = np.roll(quad, -top_left, axis=0)
    crop = crop_quad(picture, ordered)
    assert crop.shape in {(30, 120), (120, 30), (29, 119), (29, 120), (30, 119)}
    assert crop[3:-3, 3:-3].min() > 200


@pytest.mark.parametrize(
    "quad",
    [
        [(5, 5), (5, 5), (5, 5), (5, 5)],
        [(5, 5), (20, 5), (20, 5), (5, 5)],
        [(-30, -30), (90, -20), (90, 90), (-20, 90)],
    ],
)
def test_degenerate_and_overhanging_quads(quad: list[tuple[int, int]]) -> None:
    crop = crop_quad(np.full((40, 40, 3), 7, np.uint8), np.array(quad))
    assert crop.shape[0] >= 1 and crop.shape[1] >= 1
    assert crop.dtype == np.uint8


def test_refusals() -> None:
    with pytest.raises(OptionError, match="four finite corners"):
        crop_quad(np.zeros((9, 9), np.uint8), np.zeros((5, 2)))
    with pytest.raises(OptionError, match="four finite corners"):
        crop_quad(np.zeros((9, 9), np.uint8), np.full((4, 2), np.nan))


def test_cells_of_a_table_are_read_row_by_row() -> None:
    cells = quads([(100 * (i % 3), 40 * (i // 3), 90, 30) for i in range(12)])
    assert flat(reading_order(cells)) == list(range(12))


def test_many_cells_are_ordered_in_reasonable_time() -> None:
    cells = quads([(60 * (i % 40), 60 * (i // 40), 45, 45) for i in range(2000)])
    assert flat(reading_order(cells)) == list(range(2000))


@pytest.mark.parametrize("first", [0, 1, 2, 3])
@pytest.mark.parametrize("angle", [0.0, 0.02, 0.3])
def test_a_line_is_cut_out_as_it_reads(first: int, angle: float) -> None:
    """From the first corner to the second, whichever of the four is the first."""
    image = np.zeros((200, 300, 3), np.uint8)
    across, down = (
        np.array([np.cos(angle), np.sin(angle)]),
        np.array([-np.sin(angle), np.cos(angle)]),
    )
    corner = np.array([80.0, 60.0])
    quad = np.array(
        [corner, corner + 120 * across, corner + 120 * across + 40 * down, corner + 40 * down]
    )
    colors = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0))
    middle = quad.mean(0)
    for point, color in zip(quad, colors, strict=True):
        inner = [np.rint((point + where) / 2).astype(int).tolist() for where in (point, middle)]
        cv2.line(image, inner[0], inner[1], color, 16)
    crop = cut_line(image, np.roll(quad, -first, axis=0), 32)
    height, width = crop.shape[:2]
    expected = (40, 120) if first % 2 == 0 else (120, 40)
    assert abs(height - expected[0]) <= 5 and abs(width - expected[1]) <= 5
    corners = [(4, 8), (4, width - 9), (height - 5, width - 9), (height - 5, 8)]
    if first % 2:
        corners = [(8, 4), (8, width - 5), (height - 9, width - 5), (height - 9, 4)]
    for index, (row, column) in enumerate(corners):
        assert np.abs(crop[row, column].astype(int) - colors[(first + index) % 4]).max() < 60


def test_a_large_slanted_line_is_made_smaller_first() -> None:
    image = np.full((600, 900, 3), 200, np.uint8)
    quad = np.array([[100, 100], [700, 200], [660, 440], [60, 340]], np.float32)
    crop = cut_line(image, quad, 32)
    assert 60 <= crop.shape[0] <= 130 and (crop == 200).all()


def test_a_line_outside_or_without_area() -> None:
    image = np.full((20, 30, 3), 7, np.uint8)
    for points in ([(0, 0)] * 4, [(29.5, 19.5)] * 4, [(30, 20)] * 4):
        crop = cut_line(image, np.array(points, np.float32), 32)
        assert min(crop.shape[:2]) >= 1 and (crop == 7).all()
