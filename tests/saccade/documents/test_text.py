from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saccade.documents import to_text
from saccade.errors import OptionError
from saccade.results import Page, TextLine
from sample_pages import RECEIPT, line, page, turned

WANTED = """\
            CORNER SHOP

Oat milk 1 l                      4.90
Café “rye” & <seeds>             12.50
日本茶 緑茶 €                     7.20

Thank you 😀 it's "done"
"""


def test_columns_and_gaps_stay() -> None:
    assert to_text([page(RECEIPT)]) == WANTED


@pytest.mark.parametrize("degrees", [-12, -3, 1, 7])
def test_a_slanted_page_reads_like_a_straight_one(degrees: float) -> None:
    assert to_text(turned(page(RECEIPT), degrees)) == WANTED


def test_amounts_are_flush_right_though_their_figures_are_narrow() -> None:
    rows = []
    for n, amount in enumerate(["4.90", "112.50", "7.20 EUR"]):
        width = 7 * len(amount)
        box = ((400 - width, 30 * n), (400, 30 * n), (400, 30 * n + 20), (400 - width, 30 * n + 20))
        rows += [line(0, 30 * n, "something good to buy"), TextLine(amount, 1.0, box)]
    lengths = {len(row) for row in to_text(Page("a", 420, 100, tuple(rows))).split("\n") if row}
    assert lengths == {40}


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_a_page_on_its_side_is_turned_first(rotation: int) -> None:
    square = page(RECEIPT, width=420, height=420)
    assert to_text(replace(turned(square, -rotation), rotation=rotation)) == WANTED


def test_wide_gaps_become_one_blank_line_and_very_wide_ones_two() -> None:
    rows = [(0.0, y, "row") for y in (0, 24, 48, 100, 124, 300)]
    assert to_text(page(rows, height=400)) == "row\nrow\nrow\n\nrow\nrow\n\n\nrow\n"
    spaced = [(0.0, 50.0 * n, "row") for n in range(5)]  # wide, but all alike
    assert to_text(page(spaced)) == "row\n" * 5


def test_pages_are_parted_by_form_feeds() -> None:
    first, second = page([(0, 0, "one")]), page([(0, 0, "two")])
    assert to_text([first, second]) == "one\n\ftwo\n"
    assert to_text([first, page([]), second]) == "one\n\f\ftwo\n"
    assert to_text([]) == ""
    assert to_text(page([])) == ""


def test_words_that_stand_far_apart_in_one_line_are_parted() -> None:
    wide = line(0, 0, "Milk            1.90")
    below = line(0, 30, "Bread and butter")
    assert to_text(Page("a", 300, 60, (replace(wide, text="Milk 1.90"), below))) == (
        "Milk            1.90\nBread and butter\n"
    )


def test_what_stands_in_the_way_moves_on() -> None:
    narrow = line(0, 0, "a long line of fine print")
    narrow = replace(narrow, words=(), polygon=((0, 0), (50, 0), (50, 20), (0, 20)))
    rest = [line(0, 30 * n, "an ordinary line of text") for n in range(1, 9)]
    text = to_text(Page("a", 300, 300, (narrow, line(60, 0, "next"), *rest)))
    assert text.startswith("a long line of fine print next\n")


def test_lines_on_top_of_each_other_do_not_share_a_row() -> None:
    assert to_text(page([(0, 0, "first"), (0, 4, "again")])) == "first\nagain\n"


def test_text_down_the_side_takes_one_row() -> None:
    side = TextLine("SIDE", 1.0, ((300, 0), (300, 100), (280, 100), (280, 0)))
    rows = [line(0, 30 * n, f"row number {n}") for n in range(4)]
    assert to_text(Page("a", 300, 120, (*rows, side))).count("\n") in (4, 5)


def test_lines_without_words_boxes_or_text() -> None:
    odd = Page(
        "a",
        100,
        100,
        (
            TextLine("", 0.5, ((0, 0), (9, 0), (9, 9), (0, 9))),
            TextLine("tab\there\n\x00", 0.5, ((0, 20), (90, 20), (90, 30), (0, 30))),
            TextLine("point", 0.5, ((5, 50),) * 4),
        ),
    )
    assert to_text(odd).split() == ["tab", "here", "\ufffd", "point"]


@given(
    st.lists(
        st.tuples(st.floats(0, 400), st.floats(0, 400), st.text("ab 1.", min_size=1, max_size=9)),
        max_size=12,
    )
)
def test_no_character_is_lost(pieces: list[tuple[float, float, str]]) -> None:
    found = page(pieces)
    said = sorted(c for c in found.text if not c.isspace())
    assert sorted(c for c in to_text(found) if not c.isspace()) == said
    assert all(row == row.rstrip() for row in to_text(found).split("\n"))


def test_what_is_no_page_is_refused() -> None:
    with pytest.raises(OptionError, match="is no page"):
        to_text(["text"])  # type: ignore[list-item]
