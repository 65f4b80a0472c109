from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from saccade.text.ink import fit_to_ink, ink_spans

HEIGHT = 24


def line(*stretches: tuple[int, int], width: int = 300, ground: int = 230) -> NDArray[np.uint8]:
    """Dark bars on a light ground, each from one column to another."""
    picture = np.full((HEIGHT, width, 3), ground, np.uint8)
    for start, end in stretches:
        picture[6:18, start:end] = 20
    return picture


def columns(spans: NDArray[np.float64], width: int = 300) -> list[list[int]]:
    return np.rint(spans * width).astype(int).tolist()


def test_blank_ends_are_taken_off() -> None:
    assert columns(ink_spans(line((60, 200)), gap=1.5, margin=0.0)) == [[60, 200]]
    assert columns(ink_spans(line((60, 200)), gap=1.5, margin=0.5)) == [[48, 212]]
    assert columns(ink_spans(line((5, 295)), gap=1.5, margin=0.5)) == [[0, 300]]


def test_a_wide_gap_parts_and_a_narrow_one_does_not() -> None:
    wide = line((20, 100), (150, 280))
    assert columns(ink_spans(wide, gap=2.0, margin=0.0)) == [[20, 100], [150, 280]]
    assert columns(ink_spans(wide, gap=2.2, margin=0.0)) == [[20, 280]]


@pytest.mark.parametrize("ground", [0, 120, 230])
def test_light_on_dark_counts_like_dark_on_light(ground: int) -> None:
    picture = line((20, 100), (150, 280), ground=ground)
    picture[picture == 20] = 255 if ground < 200 else 20
    assert len(ink_spans(picture, gap=1.5, margin=0.1)) == 2


def test_without_clear_ink_nothing_changes() -> None:
    whole = [[0.0, 1.0]]
    faint = np.full((HEIGHT, 300, 3), 128, np.uint8)
    faint[:, 50:60] = 150
    assert ink_spans(faint, gap=1.0, margin=0.1).tolist() == whole
    texture = np.random.default_rng(0).integers(0, 255, (HEIGHT, 300, 3)).astype(np.uint8)
    assert ink_spans(texture, gap=1.0, margin=0.0).tolist() == whole
    assert ink_spans(np.full((1, 1, 3), 7, np.uint8), gap=1.0, margin=0.1).tolist() == whole


def test_quads_are_parted_where_they_stand() -> None:
    picture = np.full((100, 400, 3), 230, np.uint8)
    picture[30 : 30 + HEIGHT, 50:350] = line((20, 100), (150, 280))
    around = np.array([[50, 30], [350, 30], [350, 54], [50, 54]], np.float32)
    tall = np.array([[10, 0], [20, 0], [20, 90], [10, 90]], np.float32)
    found = fit_to_ink(picture, np.stack([tall, around]), gap=1.5, margin=0.0)
    assert found.origins.tolist() == [0, 1, 1]
    np.testing.assert_array_equal(found.quads[0], tall)
    assert found.quads[1:, 0, 0].tolist() == [70, 200]
    assert found.quads[1:, 1, 0].tolist() == [150, 330]
    none = fit_to_ink(picture, np.zeros((0, 4, 2), np.float32), gap=1.5, margin=0.0)
    assert none.quads.shape == (0, 4, 2)
    assert none.origins.shape == (0,)


@given(
    st.lists(st.tuples(st.integers(0, 299), st.integers(1, 80)), min_size=1, max_size=6),
    st.floats(0.1, 5),
    st.floats(0, 1),
)
def test_spans_hold_all_ink_and_stay_in_order(
    bars: list[tuple[int, int]], gap: float, margin: float
) -> None:
    picture = line(*((start, min(start + length, 300)) for start, length in bars))
    spans = ink_spans(picture, gap=gap, margin=margin)
    assert (spans[:, 0] < spans[:, 1]).all()
    assert spans.min() >= 0
    assert spans.max() <= 1
    assert (np.diff(spans[:, 0]) > 0).all()
    inked = np.flatnonzero((picture[12] == 20).any(axis=1))
    inside = np.zeros(300, bool)
    for start, end in np.rint(spans * 300).astype(int):
        inside[start:end] = True
    assert inside[inked].all()


def turned(center: tuple[float, float], size: tuple[float, float], degrees: float) -> np.ndarray:
    """A rectangle, from top left clockwise."""
    angle = np.deg2rad(degrees)
    along, down = (
        np.array([np.cos(angle), np.sin(angle)]),
        np.array([-np.sin(angle), np.cos(angle)]),
    )
    half = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]]) * size
    return (np.array(center) + half[:, :1] * along + half[:, 1:] * down).astype(np.float32)


@pytest.mark.parametrize("degrees", [0, 12, -25])
@pytest.mark.parametrize("ground", [230, 20])
def test_a_mark_is_boxed_on_all_sides(degrees: float, ground: int) -> None:
    picture = np.full((80, 100, 3), ground, np.uint8)
    picture[30:50, 40:48] = 250 - ground  # a 1, 8 x 20
    picture[20:60, 56:70] = 250 - ground  # of a neighbour some reaches into the box
    around = turned((44, 40), (26, 30), degrees)
    (found,) = fit_to_ink(picture, around[None], gap=1.5, margin=0.2).quads
    left, top, right, bottom = 40 - 4, 30 - 4, 48 + 4, 50 + 4  # with a fifth of its height
    wanted = [[left, top], [right, top], [right, bottom], [left, bottom]]
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_a_mark_without_clear_ink_stays_as_it_is() -> None:
    texture = np.random.default_rng(0).integers(110, 140, (60, 60, 3)).astype(np.uint8)
    around = turned((30, 30), (24, 26), 10)
    for picture in (texture, np.full_like(texture, 128)):
        found = fit_to_ink(picture, around[None], gap=1.5, margin=0.2)
        np.testing.assert_array_equal(found.quads[0], around)
    # Ink that only touches the rim is that of others.
    rim = np.full_like(texture, 230)
    rim[:18] = 20
    found = fit_to_ink(rim, around[None], gap=1.5, margin=0.2)
    np.testing.assert_array_equal(found.quads[0], around)


@given(
    st.tuples(st.floats(-20, 80), st.floats(-20, 80)),
    st.tuples(st.floats(4, 40), st.floats(0.5, 1.5)),
    st.floats(-180, 180),
    st.integers(0, 9),
)
def test_marks_anywhere(
    center: tuple[float, float], size: tuple[float, float], degrees: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    picture = np.full((60, 60, 3), 230, np.uint8)
    for x, y in rng.integers(0, 56, (6, 2)):
        picture[y : y + 4, x : x + 4] = 20
    high, ratio = size
    around = turned(center, (high * ratio, high), degrees)
    found = fit_to_ink(picture, around[None], gap=1.5, margin=0.0)
    assert found.quads.shape == (1, 4, 2) and found.origins.tolist() == [0]
    assert np.isfinite(found.quads).all()
    low, most = around.min(axis=0) - 1, around.max(axis=0) + 1
    assert (found.quads[0] >= low).all() and (found.quads[0] <= most).all()
