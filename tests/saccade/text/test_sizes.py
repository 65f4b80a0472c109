"""Sizes of pictures and lines: worked numbers of the reference."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saccade.errors import OptionError
from saccade.text.sizes import (
    detector_size,
    line_width,
    reading_width,
    resized_width,
    time_steps,
)


@pytest.mark.parametrize(
    ("height", "width", "limit", "rule", "expected"),
    [
        (720, 1280, 960, "max", (544, 960)),
        (1200, 800, 960, "max", (960, 640)),
        (528, 560, 960, "max", (512, 576)),  # halves go to the even multiple
        (480, 640, 736, "min", (736, 992)),
        (100, 20, 960, "max", (96, 32)),
        (3000, 2000, 736, "min", (3008, 1984)),
        (480, 640, 960, "long", (704, 960)),
        (1, 20_000, 960, "max", (32, 960)),
    ],
)
def test_detector_size(height, width, limit, rule, expected) -> None:
    assert detector_size(height, width, limit, rule) == expected


@pytest.mark.parametrize(
    ("height", "width", "batch", "resized", "steps"),
    [
        (40, 150, 320, 120, 80),
        (30, 500, 533, 533, 133),
        (32, 320, 320, 320, 80),
        (20, 210, 336, 336, 84),
    ],
)
def test_lines(height, width, batch, resized, steps) -> None:
    assert line_width([(height, width)]) == batch
    assert resized_width((height, width), batch) == resized
    assert time_steps(batch) == steps


@pytest.mark.parametrize(
    ("width", "steps"), [(100, 25), (320, 80), (333, 83), (533, 133), (640, 160), (641, 160)]
)
def test_steps(width, steps) -> None:
    assert time_steps(width) == steps


def test_the_widest_line_decides() -> None:
    sizes = [(40, 150), (30, 500), (20, 210)]
    assert line_width(sizes) == 533
    assert line_width(sizes, most=400) == 400
    assert [resized_width(size, 533) for size in sizes] == [120, 533, 336]
    assert line_width([]) == 320
    assert line_width([(48, 200)], height=48) == 320
    assert resized_width((3000, 1), 320) == 1


@given(st.integers(1, 500), st.integers(1, 5_000), st.sampled_from([32, 48]), st.floats(0, 200))
def test_narrow_lines_are_drawn_out_half_of_the_way(height, width, target, narrow) -> None:
    plain = reading_width((height, width), target)
    assert plain == resized_width((height, width), 10**9, target)
    drawn = reading_width((height, width), target, narrow)
    if plain >= narrow:
        assert drawn == plain
    else:
        assert drawn >= plain and abs(drawn - (plain + narrow) / 2) <= 1
    assert reading_width((height, width + 1), target, narrow) >= drawn


@given(st.integers(1, 20_000), st.integers(1, 20_000), st.sampled_from(["max", "min", "long"]))
def test_sides_are_multiples_of_32(height, width, rule):
    rows, columns = detector_size(height, width, 736, rule)
    assert rows % 32 == columns % 32 == 0
    assert min(rows, columns) >= 32
    if rule != "min":
        assert max(rows, columns) <= 736


def test_bad_rule() -> None:
    with pytest.raises(OptionError, match="expected max, min or long"):
        detector_size(10, 10, 960, "short")
